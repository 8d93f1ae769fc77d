//! `demo`: real sessions with a server in the same process.
use clap::Args;
use smtp_client::{Connector, Envelope, LineEnds, MailData, Server};
use smtp_testkit::{Mismatch, Report, Script, Server as TestServer};

use crate::cli::Common;
use crate::dialogue::Dialogue;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interruption;
use crate::output::{Detail, Format, HEADING, Output};
use crate::send;

/// Send two messages to a server in this process, and show the dialogue, the timing and the outcome
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {}

const MESSAGE: &[u8] = include_bytes!("demo/message.eml");
const ACCEPTED: &str = include_str!("demo/accepted.txt");
const IN_DOUBT: &str = include_str!("demo/in_doubt.txt");

/// Runs the command. It fails unless the results are those of the scripts.
pub(crate) async fn run(common: &Common) -> Result<Exit, Failure> {
    let output = common.output();
    let output = match (output.is_json(), common.quiet) {
        (_, true) => output,
        (true, _) => Output::new(Format::Json, Detail::Verbose),
        (false, _) => Output::new(Format::Text, Detail::Verbose),
    };
    let content = MailData::normalize(MESSAGE, LineEnds::Unix);
    let content = content.map_err(|invalid| Failure::file("demo/message.eml", invalid))?;

    output.text(format_args!(
        "{HEADING}A server in this process refuses one of three recipients.{HEADING:#}"
    ));
    let to = ["bertil@rcpt.example", "dora@rcpt.example", "carla@rcpt.example"];
    let (exit, report) = session(ACCEPTED, &to, &content, output).await?;
    let arrived =
        report.messages().first().is_some_and(|message| message.text() == content.octets());
    if !(exit == Exit::SomeRefused && arrived) {
        return Err(unexpected());
    }
    output.text("The server's copy is the message, octet for octet.\n");

    output.text(format_args!(
        "{HEADING}Another one takes the content and closes the connection before it replies.{HEADING:#}"
    ));
    let (exit, _) = session(IN_DOUBT, &to[..1], &content, output).await?;
    if exit != Exit::InDoubt {
        return Err(unexpected());
    }
    output.text(
        "\nThat message must not be sent again without asking: it could be delivered twice.\n\
         `smtpkit send` would end with exit status 18. `smtpkit --help` shows all commands.",
    );
    Ok(Exit::Fine)
}

/// Plays a script to a client that sends the message.
async fn session(
    script: &str,
    to: &[&str],
    content: &MailData,
    output: Output,
) -> Result<(Exit, Report), Failure> {
    let script: Script = script.parse().map_err(|error| Failure::file("demo", error))?;
    let server = TestServer::tcp(script)
        .map_err(|error| Failure::machine("starting the server", error.into()))?;
    let address = server.addr();
    let envelope = Envelope::new("anna@sender.example", to.iter().copied())?;
    let hello = "client.sender.example".parse();
    let hello =
        hello.map_err(|invalid: smtp_client::Invalid| Failure::option("--hello", invalid))?;
    let dialogue = Dialogue::begin(output);
    let connector = Connector::new(Server::tcp(address.ip().to_string(), address.port()))
        .hello_name(hello)
        .observer(dialogue.observer());
    let interruption = Interruption::listen();
    let connection = connector.connect().await?;
    let sent = send::deliver(connection, &envelope, content.clone(), &interruption, output).await;
    let exit = match sent {
        Ok(exit) => exit,
        Err(failure) => {
            output.text(format_args!("  {failure}"));
            failure.exit()
        }
    };
    output.show(&dialogue.timing());
    let report =
        server.finish().await.map_err(|mismatch: Mismatch| Failure::file("demo", mismatch))?;
    Ok((exit, report))
}

fn unexpected() -> Failure {
    Failure::machine(
        "the demonstration",
        std::io::Error::other("the result is not the scripted one"),
    )
}
