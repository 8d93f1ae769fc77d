//! Sends through a proxy, for a network that lets nothing else out.
//!
//! `SMTP_URL` is the server, whose name the proxy looks up; `PROXY` the proxy, such as
//! `socks5://user:password@proxy.example.org:1080` or `http://proxy.example.org:3128`; the
//! arguments are the sender and the recipients.
use std::{env, error::Error};

use smtp_client::{Connector, Envelope, MailData};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let sender = arguments.next().ok_or("usage: proxy SENDER RECIPIENT...")?;
    let envelope = Envelope::new(sender, arguments)?;
    let text = MailData::new("Subject: hello\r\n\r\nHello from inside.\r\n")?;

    let connector = Connector::from_url(&env::var("SMTP_URL")?)?.proxy(env::var("PROXY")?.parse()?);
    let (mut connection, delivery) = connector.deliver(&envelope, &text).await?;
    for (recipient, verdict) in delivery.verdicts() {
        println!("{recipient}: {verdict}");
    }
    connection.quit().await?;
    Ok(())
}
