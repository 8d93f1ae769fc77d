//! The demonstration: a server in the same process, a message from a file, a scripted result.
use smtp_client::{Connector, Delivery, Envelope, Error, LineEnds, MailData, Server};
use smtp_testkit::{Report, Script, Server as TestServer};

use crate::{ACCEPTED, Failure, converse, dialogue::show};

const MESSAGE: &[u8] = include_bytes!("message.eml");
const SCRIPT: &str = include_str!("demonstration.txt");
const RECIPIENTS: [&str; 3] = ["bertil@rcpt.example", "nobody@rcpt.example", "carla@rcpt.example"];

/// Sends the message, and succeeds if the results are those of the script.
pub(crate) async fn run() -> Result<u8, Failure> {
    let script: Script = SCRIPT.parse().map_err(unexpected)?;
    let server = TestServer::tcp(script).map_err(unexpected)?;
    let address = server.addr();
    show(format_args!("An embedded server listens on {address}.\n"));

    let text = MailData::normalize(MESSAGE, LineEnds::Unix)?;
    let envelope = Envelope::new("anna@sender.example", RECIPIENTS).map_err(Error::from)?;
    let connector = Connector::new(Server::tcp(address.ip().to_string(), address.port()))
        .hello_name("client.sender.example".parse()?);
    let delivery = converse(connector, &envelope, &text).await;
    // If the client deviated from the script, the error of the server is more precise.
    let report = server.finish().await.map_err(unexpected)?;
    check(&delivery?, &report, &text)?;
    show("\nThe server's copy is the message, octet for octet; the refusal was scripted.");
    Ok(ACCEPTED)
}

/// Checks that the first and the last recipient are accepted and that the text has arrived.
fn check(delivery: &Delivery, report: &Report, text: &MailData) -> Result<(), Failure> {
    let accepted = delivery.verdicts().map(|(_, verdict)| verdict.is_accepted());
    if !accepted.eq([true, false, true]) {
        return Err(unexpected("the outcome is not the scripted one"));
    }
    match report.messages()[..] {
        [message] if message.text() == text.octets() => Ok(()),
        _ => Err(unexpected("the message did not arrive as it was sent")),
    }
}

fn unexpected(what: impl std::fmt::Display) -> Failure {
    Failure::Demonstration(what.to_string())
}
