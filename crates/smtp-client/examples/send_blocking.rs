//! Sends one message without a runtime, and shows the dialogue and the verdicts.
//!
//! Without arguments it sends to a server in the same process, which knows one of two recipients;
//! with the address of a server, a sender and recipients, to that server.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use std::{error::Error, process::ExitCode};

use smtp_client::{Envelope, LineEnds, MailData, Server, blocking::Connector, session::Event};
use smtp_testkit::{Rule, Server as TestServer};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("send_blocking: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let refusing = Rule::on("RCPT TO:<nobody@*").reply("550 5.1.1 unknown");
    let embedded = TestServer::builder().offer("PIPELINING").rule(refusing).tcp()?;
    let (server, from, to) = match &arguments[..] {
        [] => {
            let server = Server::tcp("127.0.0.1", embedded.addr().port());
            (server, "anna@example.com", vec!["bertil@example.org", "nobody@example.org"])
        }
        [server, from, to @ ..] if !to.is_empty() => {
            (server.parse()?, &**from, to.iter().map(|one| &**one).collect())
        }
        _ => return Err("usage: send_blocking [smtp://host:port SENDER RECIPIENT...]".into()),
    };

    let envelope = Envelope::new(from, to.iter().copied())?;
    let text = format!("From: <{from}>\nTo: <{}>\nSubject: hello\n\n.Hello.\n", to.join(">, <"));
    let text = MailData::normalize(text.into_bytes(), LineEnds::Unix)?;

    let connector = Connector::new(server).observer(|event: Event<'_>| println!("{event}"));
    let mut connection = connector.connect()?;
    let delivery = connection.send(&envelope, &text)?;
    connection.quit()?;

    println!();
    for (recipient, verdict) in delivery.verdicts() {
        println!("{recipient}: {verdict}");
    }
    if arguments.is_empty() {
        let report = embedded.finish().wait()?;
        let arrived = report.messages().iter().any(|one| one.text() == text.octets());
        println!("The text has arrived as it was sent: {arrived}");
    }
    Ok(())
}
