//! The session commands: asks a server things, without sending a message.
//!
//! Without arguments it asks a server in the same process; `--help` shows what it can ask.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for a terminal")]

use std::{error::Error, process::ExitCode};

use smtp_client::{Argument, Connection, Connector, Mailbox, Reply, Server};
use smtp_testkit::{Script, Server as TestServer};

const USAGE: &str = "\
Usage: ask                        (a demonstration in one process)
       ask ADDRESS [COMMAND]...

Shows the greeting and the EHLO reply of a server, and what it answers to each command.

  ADDRESS          smtp://host:port, smtps://, smtp+starttls://, lmtp://, lmtp+starttls://,
                   smtp+unix:///path, lmtp+unix:///path
  noop, reset, rehlo, help, help=TOPIC
  verify=STRING    VRFY; a mailbox as it is, anything else as an atom or quoted
  expand=STRING    EXPN
  etrn=NODE        ETRN
  VERB[=ARGUMENTS] any command that has no name here

Exit status: 0 every command was answered, 1 it came to an error.";

const SCRIPT: &str = "
    S: 220 mx.example.org ESMTP
    C: EHLO localhost
    S: 250-mx.example.org
    S: 250-EXPN
    S: 250-ETRN
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
    C: ETRN example.org
    S: 251 No mail waits for example.org
    C: XPING once
    S: 500 5.5.2 Unknown command
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

const DEMONSTRATION: [&str; 9] = [
    "verify=Jones",
    "verify=jones@example.org",
    "expand=the list",
    "help=MAIL",
    "etrn=example.org",
    "XPING=once",
    "noop",
    "reset",
    "rehlo",
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let asked = match arguments.next() {
        None => demonstrate().await,
        Some(option) if option == "--help" || option == "-h" => {
            println!("{USAGE}");
            Ok(())
        }
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
    connection.greeting().into_iter().chain(connection.capabilities().reply()).for_each(show);
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
        ("etrn", Some(node)) => connection.etrn(node).await?,
        (verb, arguments) => connection.command(verb, arguments.unwrap_or("")).await?,
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
