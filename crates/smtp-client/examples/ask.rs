//! The session commands: sends commands to a server and shows the replies, without a message.
//!
//! Without arguments it uses a server in the same process; `--help` lists the commands.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for a terminal")]

use std::{error::Error, process::ExitCode};

use smtp_client::{Argument, Connection, Connector, Mailbox, Reply, Server};
use smtp_testkit::{Script, Server as TestServer};

const USAGE: &str = "\
Usage: ask                        (a demonstration in one process)
       ask ADDRESS [COMMAND]...

Shows the greeting of a server, its reply to EHLO, and its reply to each command.

  ADDRESS          smtp://host:port, smtps://, smtp+starttls://, lmtp://, lmtp+starttls://,
                   smtp+unix:///path, lmtp+unix:///path
  noop, reset, rehlo, help, help=TOPIC
  verify=STRING    VRFY; a mailbox is sent unchanged, other text as an atom or quoted
  expand=STRING    EXPN
  etrn=NODE        ETRN
  VERB[=ARGUMENTS] any other command

Exit status: 0 every command had a reply, 1 an error occurred.";

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
    let result = match arguments.next() {
        None => demonstrate().await,
        Some(option) if option == "--help" || option == "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        Some(address) => ask(&address, arguments).await,
    };
    match result {
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
    run_commands(connector.connect_over(pipe).await?, DEMONSTRATION.map(str::to_owned)).await?;
    server.finish().await?;
    Ok(())
}

async fn ask(address: &str, commands: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let connector = Connector::new(address.parse::<Server>()?);
    run_commands(connector.connect().await?, commands).await
}

async fn run_commands(
    mut connection: Connection,
    commands: impl IntoIterator<Item = String>,
) -> Result<(), Box<dyn Error>> {
    connection.greeting().into_iter().chain(connection.capabilities().reply()).for_each(show);
    for command in commands {
        println!("{command}");
        show(&run_command(&mut connection, &command).await?);
    }
    show(&connection.quit().await?);
    Ok(())
}

async fn run_command(connection: &mut Connection, command: &str) -> Result<Reply, Box<dyn Error>> {
    let (verb, argument) = match command.split_once('=') {
        Some((verb, argument)) => (verb, Some(argument)),
        None => (command, None),
    };
    Ok(match (verb, argument) {
        ("noop", None) => connection.noop().await?,
        ("reset", None) => connection.reset().await?,
        ("help", topic) => connection.help(topic).await?,
        ("verify", Some(text)) => connection.verify(argument_for(text)?).await?,
        ("expand", Some(list)) => connection.expand(argument_for(list)?).await?,
        ("rehlo", None) => {
            let capabilities = connection.rehlo().await?;
            capabilities.reply().cloned().ok_or("the server supports only HELO")?
        }
        ("etrn", Some(node)) => connection.etrn(node).await?,
        (verb, arguments) => connection.command(verb, arguments.unwrap_or("")).await?,
    })
}

/// Returns a mailbox unchanged; other text as an atom, or quoted.
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
