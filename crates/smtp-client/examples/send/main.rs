//! Sends one message through one session, and shows the dialogue, the result and the timing.
//!
//! Without options it sends `message.eml` to a server in the same process. With `--server` it
//! sends a file, or standard input, to a real one; `--help` shows how.
#![allow(clippy::print_stderr, reason = "this is a program for a terminal")]

use std::process::ExitCode;

use smtp_client::{Connector, Delivery, Envelope, Error, ErrorKind, Invalid, MailData, Step};

mod credentials;
mod demonstration;
mod dialogue;
mod options;
mod tls;

use dialogue::Dialogue;
use options::{Job, Message, OptionError, USAGE};

/// Every recipient was accepted; in the demonstration: the results are those of the script.
const ACCEPTED: u8 = 0;
/// The login or a recipient was refused, or the server does not support what the message needs.
const REFUSED: u8 = 1;
/// A bad file, address or option.
const UNUSABLE: u8 = 2;
/// The outcome is in doubt, or the connection failed.
const UNKNOWN: u8 = 3;

/// The reason why the message was not sent to every recipient.
#[derive(Debug)]
enum Failure {
    Option(OptionError),
    Invalid(Invalid),
    Client(Error),
    Demonstration(String),
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("send: {error}");
            return ExitCode::from(UNKNOWN);
        }
    };
    let status = runtime.block_on(run());
    // A name lookup that hangs must not delay the exit.
    runtime.shutdown_background();
    ExitCode::from(status)
}

async fn run() -> u8 {
    let result = match options::parse() {
        Ok(Job::Help) => {
            dialogue::show(USAGE);
            Ok(ACCEPTED)
        }
        Ok(Job::Demonstrate) => demonstration::run().await,
        Ok(Job::Send(message)) => send(*message).await,
        Err(error) => Err(error.into()),
    };
    result.unwrap_or_else(|failure| {
        eprintln!("send: {failure}");
        failure.status()
    })
}

/// Sends the message to the server of the command line.
async fn send(message: Message) -> Result<u8, Failure> {
    let delivery = converse(message.connector, &message.envelope, &message.text).await?;
    Ok(if delivery.all_accepted() { ACCEPTED } else { REFUSED })
}

/// Runs the whole session, from connecting to QUIT.
async fn converse(
    connector: Connector,
    envelope: &Envelope,
    text: &MailData,
) -> Result<Delivery, Failure> {
    let dialogue = Dialogue::begin();
    let mut connection = connector.observer(dialogue.observer()).connect().await?;
    let sent = connection.send(envelope, text).await;
    match &sent {
        Ok(delivery) => {
            dialogue::outcome(delivery.verdicts().map(|(rcpt, verdict)| (rcpt, Some(verdict))))
        }
        Err(error) => dialogue::outcome(error.verdicts()),
    }
    // The result of QUIT does not change the verdicts.
    let _ = connection.quit().await;
    dialogue.timing();
    Ok(sent?)
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Self::Option(_) | Self::Invalid(_) => UNUSABLE,
            Self::Client(error) => match error.kind() {
                ErrorKind::Invalid(_) | ErrorKind::Envelope(_) => UNUSABLE,
                ErrorKind::Unsupported(_) => REFUSED,
                ErrorKind::Refused(_) if error.step() == Step::Auth => REFUSED,
                _ => UNKNOWN,
            },
            Self::Demonstration(_) => REFUSED,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Option(error) => error.fmt(f),
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Client(error) => match error.advice() {
                Some(advice) => write!(f, "{error}; {advice}"),
                None => error.fmt(f),
            },
            Self::Demonstration(what) => f.write_str(what),
        }
    }
}

impl From<OptionError> for Failure {
    fn from(error: OptionError) -> Self {
        Self::Option(error)
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}
