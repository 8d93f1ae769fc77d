//! Sends many messages on one connection, and shows their results and the duration. Without an
//! address, the server runs in the same process.
//!
//! If the server is known to support it, `--ahead` saves round trips: the commands of a message are
//! then sent together with the text of the previous one.
#![allow(clippy::print_stdout, reason = "it is a program")]

use std::{error::Error, time::Instant};

use lexopt::ValueExt;
use smtp_client::{
    Ahead, Connector, Envelope, FirstChunk, Framing, MailData, Message, Sending, Server,
};
use smtp_testkit::Server as TestServer;

const USAGE: &str = "\
Usage: many [--server smtp://host:port --from MAILBOX --to MAILBOX] [--count N]
            [--ahead] [--chunks [--early]]

  --count N   the number of messages, 20 by default
  --ahead     begins a message before the server has replied to the previous one
  --chunks    sends the texts with BDAT instead of DATA; needs CHUNKING
  --early     sends each chunk together with MAIL and RCPT; see the risks at `FirstChunk`";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (mut server, mut from, mut to, mut count) =
        (None::<Server>, None::<String>, None::<String>, 20);
    let mut sending = Sending::default();
    let mut options = lexopt::Parser::from_env();
    while let Some(option) = options.next()? {
        match option {
            lexopt::Arg::Long("server") => server = Some(options.value()?.string()?.parse()?),
            lexopt::Arg::Long("from") => from = Some(options.value()?.string()?),
            lexopt::Arg::Long("to") => to = Some(options.value()?.string()?),
            lexopt::Arg::Long("count") => count = options.value()?.string()?.parse()?,
            lexopt::Arg::Long("ahead") => sending.ahead = Some(Ahead::default()),
            lexopt::Arg::Long("chunks") => sending.framing = Framing::Chunks,
            lexopt::Arg::Long("early") => sending.first_chunk = FirstChunk::WithCommands,
            lexopt::Arg::Long("help") => {
                println!("{USAGE}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let embedded = TestServer::builder().offer("PIPELINING").offer("CHUNKING").tcp()?;
    let server = server.unwrap_or_else(|| Server::tcp("127.0.0.1", embedded.addr().port()));
    let from = from.unwrap_or_else(|| "alice@example.com".into());
    let to = to.unwrap_or_else(|| "bob@example.org".into());

    let mut connection = Connector::new(server).connect().await?;
    *connection.sending_mut() = sending;
    let envelope = Envelope::new(&*from, [&*to])?;
    let texts = (1..=count).map(|number: usize| {
        let text = format!("From: <{from}>\r\nTo: <{to}>\r\nSubject: {number}\r\n\r\nHello.\r\n");
        MailData::new(text)
    });
    let texts: Vec<MailData> = texts.collect::<Result<_, _>>()?;

    let begun = Instant::now();
    let messages = texts.iter().map(|text| Message::new(&envelope, text));
    let mut sending = connection.send_many(messages).await?;
    let (mut results, mut accepted) = (0, 0);
    while let Some((index, result)) = sending.next().await {
        results += 1;
        match result {
            Ok(delivery) if delivery.all_accepted() => accepted += 1,
            Ok(delivery) => println!("{index}: {}", delivery[0]),
            Err(error) => println!("{index}: {error}"),
        }
    }
    println!("{accepted} of {count} accepted in {:.1?}, {results} results", begun.elapsed());
    drop(sending);
    if connection.ended().is_none() {
        connection.quit().await?;
    }
    Ok(())
}
