//! The catalogue of threats and faults: the tests of each row are named after it, so that
//! `t1_reply_injection_after_starttls` is row T1. docs/guarantees.md has the whole list.
use std::time::Duration;

use smtp_client::{
    Connection, Delivery, Ended, Envelope, Error, ErrorKind, Extension, FirstChunk, Framing,
    MailData, Reply, ScopedSettings, Step, Verdict, session::Dialect,
};
use smtp_testkit::{Report, Server as TestServer};
use tokio::time::Instant;

use crate::{
    stage::{connector, let_the_server_play, opening, parse, perform},
    wait_timeout::bounds,
};

mod auth;
mod data;
mod greeting;
mod injection;
mod load;
mod outcome;
mod pool;
mod reply;
mod sequence;
mod socket;
mod tls;

const BOTH: [Dialect; 2] = [Dialect::Smtp, Dialect::Lmtp];

/// Every step of a message that a server answers.
const STEPS: [Step; 6] =
    [Step::Greeting, Step::Hello, Step::Mail, Step::Rcpt, Step::Data, Step::EndOfText];

/// The result of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Accepted,
    /// Refused for now.
    Later,
    /// Refused for good.
    Never,
    NotSent,
    InDoubt,
}

/// The one fate of every recipient.
#[track_caller]
fn fate(outcome: &Result<Delivery, Error>) -> Fate {
    let fates = fates(outcome);
    assert!(fates.windows(2).all(|pair| pair[0] == pair[1]), "{outcome:?}");
    fates[0]
}

/// The fates of the recipients; one for all where the message had not begun.
fn fates(outcome: &Result<Delivery, Error>) -> Vec<Fate> {
    let told = |verdict: &Verdict| match verdict {
        verdict if verdict.is_accepted() => Fate::Accepted,
        verdict if verdict.is_transient() => Fate::Later,
        _ => Fate::Never,
    };
    let error = match outcome {
        Ok(delivery) => return delivery.verdicts().map(|(_, verdict)| told(verdict)).collect(),
        Err(error) => error,
    };
    let untold = if error.in_doubt() { Fate::InDoubt } else { Fate::NotSent };
    match error.verdicts() {
        none if none.len() == 0 => vec![untold],
        verdicts => verdicts.map(|(_, one)| one.map_or(untold, told)).collect(),
    }
}

/// The result of a message, and of a NOOP after it.
struct Came {
    outcome: Result<Delivery, Error>,
    elapsed: Duration,
    /// `None` if there was no connection.
    later: Option<Result<Reply, Error>>,
    report: Report,
}

impl Came {
    /// The fate, where the connection takes no further command.
    #[track_caller]
    fn spent(&self) -> Fate {
        match &self.later {
            None => {}
            Some(Err(error)) if matches!(error.kind(), ErrorKind::Ended(_)) => {}
            other => panic!("{:?}, and the connection goes on: {other:?}", self.outcome),
        }
        fate(&self.outcome)
    }

    /// The fate, where the connection goes on: the script has a NOOP and its reply.
    #[track_caller]
    fn alive(&self) -> Fate {
        assert!(matches!(self.later, Some(Ok(_))), "{:?}, {:?}", self.outcome, self.later);
        fate(&self.outcome)
    }

    #[track_caller]
    fn error(&self) -> &Error {
        self.outcome.as_ref().unwrap_err()
    }

    /// The reply that the one recipient was answered with.
    #[track_caller]
    fn reply(&self) -> &Reply {
        match &self.outcome {
            Ok(delivery) => delivery[0].reply(),
            Err(error) => error.reply().unwrap(),
        }
    }
}

const MESSAGE: &str = "Subject: a\r\n\r\ntext\r\n";

/// Sends a message to `b`.
async fn send(connection: &mut Connection) -> Result<Delivery, Error> {
    send_to(connection, &["b@example.org"]).await
}

async fn send_to(connection: &mut Connection, rcpts: &[&str]) -> Result<Delivery, Error> {
    let envelope = Envelope::new("a@example.org", rcpts.iter().copied()).unwrap();
    in_chunks_if_offered(connection).send(&envelope, MailData::new(MESSAGE).unwrap()).await
}

/// The connection, which sends in chunks that leave with the commands where CHUNKING is offered:
/// the way that needs the most care.
fn in_chunks_if_offered(connection: &mut Connection) -> ScopedSettings<'_> {
    let mut sending = *connection.sending_mut();
    if connection.capabilities().has(Extension::Chunking) {
        (sending.framing, sending.first_chunk) = (Framing::Chunks, FirstChunk::WithCommands);
    }
    connection.scoped_sending(sending)
}

/// The result of a message to `b` if the server follows this script, and of a NOOP after it. The
/// client must keep to it too: where nothing more is in it, nothing more is written.
#[track_caller]
fn came_of(dialect: Dialect, script: &str) -> Came {
    came_of_many(dialect, script, &["b@example.org"])
}

#[track_caller]
fn came_of_many(dialect: Dialect, script: &str, rcpts: &[&str]) -> Came {
    let connector = connector(dialect).timeouts(bounds());
    let (outcome, elapsed, later, report) = perform(async {
        let (server, pipe) = TestServer::pipe(parse(script));
        let begun = Instant::now();
        let mut connected = connector.connect_over(pipe).await;
        let outcome = match &mut connected {
            Ok(connection) => send_to(connection, rcpts).await,
            Err(error) => Err(error.clone()),
        };
        let elapsed = begun.elapsed();
        let_the_server_play().await;
        let later = match &mut connected {
            Ok(connection) => Some(connection.noop().await),
            Err(_) => None,
        };
        // One that is spent has closed by itself.
        let spent = matches!(&later, Some(Err(_)));
        let kept = connected.ok().filter(|_| spent);
        let report = server.finish().await;
        drop(kept);
        (outcome, elapsed, later, report)
    });
    let report = report.unwrap_or_else(|mismatch| panic!("{outcome:?}\n{mismatch}"));
    Came { outcome, elapsed, later, report }
}

/// The script of a message that goes well up to this step, which is not answered yet.
pub(crate) fn asked(dialect: Dialect, step: Step) -> String {
    let whole = good(dialect);
    let end = match step {
        Step::Greeting => "S: 220",
        Step::Hello => "S: 250 mx.example",
        Step::Mail => "S: 250 sender",
        Step::Rcpt => "S: 250 recipient",
        Step::Data => "S: 354",
        Step::Text => "[text]",
        _ => "S: 250 taken",
    };
    whole[..whole.find(end).unwrap()].to_owned()
}

/// The script of a message to `b` that is accepted, one command at a time.
fn good(dialect: Dialect) -> String {
    opening(dialect, &[])
        + "C: MAIL FROM:<a@example.org>
S: 250 sender
C: RCPT TO:<b@example.org>
S: 250 recipient
C: DATA
S: 354 go
[text]
S: 250 taken
"
}

/// The same, with the answer to one step in other octets.
fn good_but(dialect: Dialect, step: Step, answer: &str) -> String {
    let (before, whole) = (asked(dialect, step), good(dialect));
    let rest = &whole[before.len()..];
    let after = rest.find('\n').unwrap();
    format!("{before}{answer}{}", &rest[after..])
}

/// The octets as a script has them.
fn raw(octets: &[u8]) -> String {
    let escaped: String = octets.iter().map(|octet| format!("\\x{octet:02X}")).collect();
    format!("[raw \"{escaped}\"]\n")
}

/// What comes of a message if this answers a step.
#[track_caller]
fn answered(dialect: Dialect, step: Step, answer: &str) -> Came {
    came_of(dialect, &(asked(dialect, step) + answer))
}

/// The session has ended because of what happened at this step.
#[track_caller]
fn check_failed(connection: &Connection, step: Step) {
    assert_eq!(connection.ended(), Some(&Ended::Failed { step }));
}
