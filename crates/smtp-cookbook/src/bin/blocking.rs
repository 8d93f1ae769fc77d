//! A script without a runtime: sends a report, and tries again later what the server refused for
//! the moment.
//!
//! `SMTP_URL` is the server; the arguments are the sender, the recipient and the text.
use std::{env, error::Error, thread, time::Duration};

use smtp_client::{Envelope, LineEnds, MailData, blocking::Connector};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [sender, recipient, report] = &arguments[..] else {
        return Err("usage: blocking SENDER RECIPIENT TEXT".into());
    };
    let envelope = Envelope::new(sender, [recipient])?;
    let text = format!("From: <{sender}>\nTo: <{recipient}>\nSubject: report\n\n{report}\n");
    let text = MailData::normalize(text, LineEnds::Unix)?;
    let connector = Connector::from_url(&env::var("SMTP_URL")?)?;

    for pause in [1, 2, 4] {
        match connector.deliver(&envelope, &text) {
            Ok((mut connection, delivery)) => {
                // The message is on its way, whatever becomes of the connection.
                let _ = connection.quit();
                for (recipient, verdict) in delivery.verdicts() {
                    println!("{recipient}: {verdict}");
                }
                if delivery.all_accepted() {
                    return Ok(());
                }
                if delivery.refused().any(|(_, verdict)| !verdict.is_transient()) {
                    return Err("the server refused the report for good".into());
                }
            }
            // It may have arrived: sending it again could deliver it twice.
            Err(error) if error.in_doubt() => return Err(error.into()),
            Err(error) if !error.is_transient() => return Err(error.into()),
            Err(error) => eprintln!("{error}; trying again in {pause} seconds"),
        }
        thread::sleep(Duration::from_secs(pause));
    }
    Err("given up".into())
}
