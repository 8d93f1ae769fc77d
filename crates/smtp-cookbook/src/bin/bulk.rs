//! Sends a text to every address of a list, over eight connections. The journal has the state of
//! each address: a program that was interrupted goes on where it was, and sends nothing twice.
//!
//! `SMTP_URL` is the server; the arguments are the sender, the text, the list and the journal.
use std::{
    collections::HashMap,
    env,
    error::Error,
    fs::{self, OpenOptions},
    io::Write,
};

use indicatif::{ProgressBar, ProgressStyle};
use smtp_client::{Envelope, LineEnds, MailData, Mailer, Message};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [sender, text, list, journal] = &arguments[..] else {
        return Err("usage: bulk SENDER TEXT LIST JOURNAL".into());
    };
    let text = MailData::normalize(fs::read(text)?, LineEnds::Unix)?;
    let list = fs::read_to_string(list)?;

    // The last line about an address counts. `begun` without a result is in doubt: the program was
    // interrupted while the message was on its way. Only what certainly was not accepted is sent.
    let done = fs::read_to_string(journal).unwrap_or_default();
    let done: HashMap<_, _> = done.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    let again = |to: &&str| matches!(done.get(to), None | Some(&"unsent"));
    let mut waiting: Vec<(&str, Envelope)> = Vec::new();
    for to in list.lines().filter(again) {
        waiting.push((to, Envelope::new(sender, [to])?));
    }

    let style = "{bar:40} {pos}/{len} {per_sec} {eta} {msg}";
    let bar = ProgressBar::new(waiting.len().try_into()?);
    bar.set_style(ProgressStyle::with_template(style)?);
    let mut journal = OpenOptions::new().create(true).append(true).open(journal)?;
    let mut begun = journal.try_clone()?;
    let mailer = Mailer::builder_from_url(&env::var("SMTP_URL")?)?.connections(8).build();
    let messages = waiting.into_iter().map_while(|(to, envelope)| {
        // Nothing is sent that is not in the journal.
        writeln!(begun, "{to} begun").ok()?;
        Some((to, Message::new(envelope, &text)))
    });
    let mut results = mailer.send_all(messages);
    while let Some((to, result)) = results.next().await {
        let state = match result {
            Ok(delivery) if delivery.all_accepted() => "sent",
            Ok(delivery) if delivery.refused().all(|(_, one)| one.is_transient()) => "unsent",
            Ok(_) => "refused",
            Err(error) if error.in_doubt() => "in-doubt",
            Err(error) => {
                bar.set_message(error.to_string());
                "unsent"
            }
        };
        writeln!(journal, "{to} {state}")?;
        bar.inc(1);
    }
    bar.finish();
    mailer.close().await;
    Ok(())
}
