//! The stage: a client over a pipe, a scripted server at the other end, and a paused clock.
use std::time::Duration;

use smtp_client::{
    Connection, Connector, Ended, Error, ErrorKind, FirstChunk, Framing, Sending, Server,
    session::Dialect,
};
use smtp_testkit::{Mismatch, Report, Script, Server as TestServer};
use tokio::{runtime::Builder, time::Instant};

/// Runs a scene to its end, in virtual time.
pub(crate) fn perform<T>(scene: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(scene)
}

/// What came of a play.
pub(crate) struct Played<T> {
    pub(crate) outcome: T,
    pub(crate) verdict: Result<Report, Mismatch>,
    pub(crate) elapsed: Duration,
}

/// Plays a script to a client over a pipe, which connects and then acts.
pub(crate) fn play<T>(
    script: &str,
    connector: &Connector,
    act: impl AsyncFnOnce(Result<Connection, Error>) -> T,
) -> Played<T> {
    perform(async {
        let (server, pipe) = TestServer::pipe(parse(script));
        let begun = Instant::now();
        let outcome = act(connector.connect_over(pipe).await).await;
        let elapsed = begun.elapsed();
        Played { outcome, verdict: server.finish().await, elapsed }
    })
}

/// Plays the opening and then `rest` to an SMTP client that acts once it is connected, and must
/// keep to the script.
#[track_caller]
pub(crate) fn play_on<T>(
    keywords: &[&str],
    rest: &str,
    act: impl AsyncFnOnce(Connection) -> T,
) -> (T, Report) {
    play_in(Dialect::Smtp, keywords, rest, act)
}

/// The same in either dialect.
#[track_caller]
pub(crate) fn play_in<T>(
    dialect: Dialect,
    keywords: &[&str],
    rest: &str,
    act: impl AsyncFnOnce(Connection) -> T,
) -> (T, Report) {
    let script = opening(dialect, keywords) + rest;
    let played =
        play(&script, &connector(dialect), async |connected| act(connected.unwrap()).await);
    (played.outcome, played.verdict.unwrap())
}

/// A client of `localhost` that calls itself `client.example`.
pub(crate) fn connector(dialect: Dialect) -> Connector {
    let server = Server::tcp("localhost", 25).dialect(dialect);
    Connector::new(server).hello_name("client.example".parse().unwrap())
}

/// The beginning of a script: the greeting, and the first command, which is answered with these
/// keywords.
pub(crate) fn opening(dialect: Dialect, keywords: &[&str]) -> String {
    format!("S: 220 mx.example ready\n{}", hello(dialect, keywords))
}

/// EHLO or LHLO, answered with these keywords.
pub(crate) fn hello(dialect: Dialect, keywords: &[&str]) -> String {
    let verb = if dialect == Dialect::Smtp { "EHLO" } else { "LHLO" };
    format!("C: {verb} client.example\n{}", offer(keywords))
}

/// The reply that offers these keywords.
pub(crate) fn offer(keywords: &[&str]) -> String {
    let mut lines = vec!["mx.example"];
    lines.extend(keywords);
    let last = lines.len() - 1;
    let line = |(number, line)| {
        let separator = if number < last { '-' } else { ' ' };
        format!("S: 250{separator}{line}\n")
    };
    lines.into_iter().enumerate().map(line).collect()
}

/// What the client does after connecting was refused with this code: it sends QUIT, unless the
/// server has ended the session.
pub(crate) fn leave_after(code: u16) -> &'static str {
    if code == 421 { "\n[expect-close]" } else { "\nC: QUIT\n[expect-close]" }
}

/// Polls the server until it has done all that it can do without the client.
pub(crate) async fn let_the_server_play() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn parse(script: &str) -> Script {
    script.parse().unwrap()
}

/// Texts in chunks, the first of which leaves with MAIL and RCPT.
pub(crate) fn early_chunks() -> Sending {
    let mut sending = Sending::default();
    sending.framing = Framing::Chunks;
    sending.first_chunk = FirstChunk::WithCommands;
    sending
}

/// Returns whether a refusal is the error. A 421 is always the one kind that says that the server
/// closes the connection.
pub(crate) fn is_refusal(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Refused(reply) => reply.code() != 421,
        ErrorKind::Ended(Ended::ServerClosing(reply)) => reply.code() == 421,
        _ => false,
    }
}
