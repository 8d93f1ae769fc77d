//! The session commands: asks a server things, without sending a message.
//!
//! `ask ADDRESS COMMAND...`, where a command is `noop`, `reset`, `rehlo`, `help`, `help=TOPIC`,
//! `verify=STRING` or `expand=STRING`. Without arguments it asks a server in the same process.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for a terminal")]

use std::{error::Error, process::ExitCode};

use smtp_client::{Argument, Connection, Connector, Mailbox, Reply, Server};
use smtp_testkit::{Script, Server as TestServer};

const SCRIPT: &str = "
    S: 220 mx.example.org ESMTP
    C: EHLO localhost
    S: 250-mx.example.org
    S: 250-EXPN
    S: 250 HELP
    C: VRFY Jones
    S: 250 Harry Jones <jones@example.org>
    C: VRFY jones@example.org
    S: 252 2.5.0 Cannot verify the user, but will try
    C: EXPN \"the list\"
    S: 250-Anna <anna@example.org>
    S: 250 Bertil <bertil@example.org>
    C: HELP MAIL
    S: 214 MAIL FROM:<reverse-path>
    C: NOOP
    S: 250 OK
    C: RSET
    S: 250 OK
    C: EHLO localhost
    S: 250-mx.example.org
    S: 250 HELP
    C: QUIT
    S: 221 Bye
    ";

const DEMONSTRATION: [&str; 7] = [
    "verify=Jones",
    "verify=jones@example.org",
    "expand=the list",
    "help=MAIL",
    "noop",
    "reset",
    "rehlo",
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let asked = match arguments.next() {
        None => demonstrate().await,
        Some(address) => ask(&address, arguments).await,
    };
    match asked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ask: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn demonstrate() -> Result<(), Box<dyn Error>> {
    let (server, pipe) = TestServer::pipe(SCRIPT.parse::<Script>()?);
    let connector = Connector::new(Server::tcp("localhost", 25));
    converse(connector.connect_over(pipe).await?, DEMONSTRATION.map(str::to_owned)).await?;
    server.finish().await?;
    Ok(())
}

async fn ask(address: &str, commands: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let connector = Connector::new(address.parse::<Server>()?);
    converse(connector.connect().await?, commands).await
}

async fn converse(
    mut connection: Connection,
    commands: impl IntoIterator<Item = String>,
) -> Result<(), Box<dyn Error>> {
    for command in commands {
        println!("{command}");
        show(&one(&mut connection, &command).await?);
    }
    show(&connection.quit().await?);
    Ok(())
}

async fn one(connection: &mut Connection, command: &str) -> Result<Reply, Box<dyn Error>> {
    let (verb, argument) = match command.split_once('=') {
        Some((verb, argument)) => (verb, Some(argument)),
        None => (command, None),
    };
    Ok(match (verb, argument) {
        ("noop", None) => connection.noop().await?,
        ("reset", None) => connection.reset().await?,
        ("help", topic) => connection.help(topic).await?,
        ("verify", Some(who)) => connection.verify(argument_for(who)?).await?,
        ("expand", Some(list)) => connection.expand(argument_for(list)?).await?,
        ("rehlo", None) => {
            let capabilities = connection.rehlo().await?;
            capabilities.reply().cloned().ok_or("the server knows HELO only")?
        }
        _ => return Err(format!("{command}: no such command").into()),
    })
}

/// A mailbox as it is; anything else as an atom, or quoted.
fn argument_for(text: &str) -> Result<Argument, Box<dyn Error>> {
    Ok(match text.parse::<Mailbox>() {
        Ok(mailbox) => Argument::from(&mailbox),
        Err(_) => Argument::new(text)?,
    })
}

fn show(reply: &Reply) {
    for line in reply.lines() {
        println!("  {} {}", reply.code(), line.printable());
    }
}
