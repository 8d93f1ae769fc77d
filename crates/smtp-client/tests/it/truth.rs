//! The result of every message for each fault at each point of a session.
use std::time::Duration;

use smtp_client::{
    Broken, Connection, Connector, Delivery, Ended, Envelope, Error, ErrorKind, MailData,
    Misbehaved, Security, Server, Step, Timeouts, Tls, session::Dialect,
};
use smtp_testkit::{Authority, Mismatch, Server as TestServer};
use tokio::time::Instant;

use crate::{
    fault::{FAULTS, Fault, POINTS, Way, script},
    stage::{let_the_server_play, parse, perform},
    wait_timeout::bounds,
};

/// The result of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Every recipient has this verdict.
    Verdicts(Step, u16),
    Refused(Step),
    WrongCode(Step),
    Unsolicited(Step),
    Malformed(Step),
    Closed(Step),
    Io(Step),
    TimedOut(Step),
    /// 421, and not for everybody.
    ShutDown(Step),
}

/// What this fault at this point comes to.
pub(crate) fn expected(way: Way, point: Step, fault: Fault) -> End {
    match fault {
        Fault::Close | Fault::Abort | Fault::CutReply | Fault::CutLine => End::Closed(point),
        Fault::Reset => End::Io(point),
        Fault::Garbage | Fault::EmptyLine | Fault::EndlessLine => End::Malformed(point),
        Fault::EndlessReply | Fault::DifferingCodes => End::Malformed(point),
        Fault::Silence => End::TimedOut(point),
        Fault::WrongCode if point == Step::Text => End::Unsolicited(point),
        Fault::WrongCode => End::WrongCode(point),
        Fault::ShutDown => match (point, way.dialect) {
            (Step::Greeting | Step::Hello, _) => End::Refused(point),
            (Step::EndOfText, Dialect::Lmtp) => End::ShutDown(point),
            _ => End::Verdicts(point, 421),
        },
        Fault::ExtraReply => match point {
            Step::Greeting => End::Unsolicited(Step::Hello),
            Step::Hello => End::Unsolicited(Step::Mail),
            // The surplus pushes the replies on, until one cannot be right.
            Step::Mail | Step::Rcpt if way.pipelined => End::WrongCode(Step::Data),
            Step::Mail | Step::Rcpt => End::Unsolicited(Step::Rcpt),
            Step::Data | Step::Text => End::Unsolicited(Step::Text),
            _ => End::Verdicts(point, 250),
        },
    }
}

/// What one play came to.
pub(crate) struct Played {
    pub(crate) outcome: Result<Delivery, Error>,
    pub(crate) elapsed: Duration,
    /// How the calls after the failure ended.
    pub(crate) later: Vec<Error>,
    pub(crate) verdict: Result<(), Mismatch>,
}

fn play(way: Way, point: Step, fault: Fault, authority: &Authority) -> Played {
    let trusted = Tls::authorities([authority.der().to_vec().into()]).unwrap();
    let security = if way.tls { Security::Tls } else { Security::Plain };
    let server = Server::tcp("localhost", 25).dialect(way.dialect).security(security);
    let name = "client.example".parse().unwrap();
    let connector = Connector::new(server).hello_name(name).timeouts(bounds()).tls(trusted);
    perform(async {
        let builder = TestServer::builder().authority(authority.clone());
        let (server, pipe) = builder.script(parse(&script(way, point, fault))).pipe();
        let begun = Instant::now();
        let mut connection = None;
        let outcome = match connector.connect_over(pipe).await {
            Ok(connected) => send(connection.insert(connected)).await,
            Err(error) => Err(error),
        };
        let elapsed = begun.elapsed();
        let mut later = Vec::new();
        if let Some(connection) = &mut connection {
            let_the_server_play().await;
            later.push(connection.noop().await.unwrap_err());
            later.push(connection.noop().await.unwrap_err());
        }
        // The connection still lives: it has closed by itself.
        let verdict = server.finish().await.map(drop);
        Played { outcome, elapsed, later, verdict }
    })
}

/// Sends a text that fits neither into the window nor into the buffers of TLS.
async fn send(connection: &mut Connection) -> Result<Delivery, Error> {
    let envelope = Envelope::new("a@example.org", ["b@example.org", "c@example.org"]).unwrap();
    let text = MailData::new(format!("{}\r\n", "x".repeat(78)).repeat(2000)).unwrap();
    connection.send(&envelope, &text).await
}

pub(crate) fn end(outcome: &Result<Delivery, Error>, timeouts: &Timeouts) -> End {
    let error = match outcome {
        Ok(delivery) => {
            assert_eq!(delivery.verdicts().len(), 2);
            let (first, second) = (&delivery[0], &delivery[1]);
            assert_eq!(first.step(), second.step());
            assert_eq!(first.reply().code(), second.reply().code());
            return End::Verdicts(first.step(), first.reply().code().get());
        }
        Err(error) => error,
    };
    let step = error.step();
    match error.kind() {
        ErrorKind::Ended(Ended::ServerClosing(_)) if error.verdicts().len() == 0 => {
            End::Refused(step)
        }
        ErrorKind::Misbehaved(Misbehaved::WrongCode { step: at, .. }) if *at == step => {
            End::WrongCode(step)
        }
        ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)) => End::Unsolicited(step),
        ErrorKind::Misbehaved(Misbehaved::Malformed(_)) => End::Malformed(step),
        ErrorKind::Broken(Broken::Closed) => End::Closed(step),
        ErrorKind::Broken(Broken::Io(_)) => End::Io(step),
        ErrorKind::Broken(Broken::TimedOut { after }) => {
            assert_eq!(*after, timeouts.for_step(step));
            End::TimedOut(step)
        }
        ErrorKind::Ended(Ended::ServerClosing(_)) => End::ShutDown(step),
        other => panic!("{step}: {other:?}"),
    }
}

#[track_caller]
fn check(way: Way, point: Step, fault: Fault, authority: &Authority) {
    let cell = format!("{way:?}, {fault:?} at {point}");
    let played = play(way, point, fault, authority);
    let expected = expected(way, point, fault);
    assert_eq!(end(&played.outcome, &bounds()), expected, "{cell}");
    check_truth(&cell, point, expected, &played);
    assert_eq!(played.elapsed, how_long(point, fault), "{cell}");
}

/// Checks what follows from how it ended: what is known, what is in doubt, and what later calls
/// come to.
#[track_caller]
pub(crate) fn check_truth(cell: &str, point: Step, expected: End, played: &Played) {
    let Played { outcome, later, verdict, .. } = played;
    assert!(verdict.is_ok(), "{cell}: {outcome:?} {verdict:?}");
    let accepted = expected == End::Verdicts(Step::EndOfText, 250);
    match outcome {
        Ok(delivery) => assert_eq!(delivery.any_accepted(), accepted, "{cell}"),
        Err(error) => {
            assert_eq!(error.in_doubt(), point == Step::EndOfText, "{cell}");
            let known: Vec<_> = error.verdicts().filter_map(|(_, one)| one).collect();
            assert!(known.iter().all(|verdict| !verdict.is_accepted()), "{cell}: {known:?}");
            let told = usize::from(matches!(expected, End::ShutDown(_)));
            assert_eq!(known.len(), told, "{cell}");
        }
    }
    for (call, error) in later.iter().enumerate() {
        match error.kind() {
            ErrorKind::Ended(_) => {}
            ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)) if accepted && call == 0 => {}
            other => panic!("{cell}: a later call ends in {other:?}"),
        }
    }
}

fn how_long(point: Step, fault: Fault) -> Duration {
    match fault {
        Fault::Silence => bounds().for_step(point),
        Fault::Reset => Duration::from_secs(1),
        _ => Duration::ZERO,
    }
}

/// Checks every cell. Returns their number.
#[track_caller]
fn check_all(dialect: Dialect, tls: bool) -> usize {
    let authority = Authority::new();
    let mut cells = 0;
    for pipelined in [false, true] {
        let way = Way { dialect, pipelined, tls };
        for point in POINTS {
            for fault in FAULTS {
                check(way, point, fault, &authority);
                cells += 1;
            }
        }
    }
    cells
}

#[test]
fn each_fault_at_each_point_of_smtp() {
    println!("{} cells", check_all(Dialect::Smtp, false));
}

#[test]
fn each_fault_at_each_point_of_lmtp() {
    println!("{} cells", check_all(Dialect::Lmtp, false));
}

#[test]
fn each_fault_at_each_point_of_smtp_inside_tls() {
    println!("{} cells", check_all(Dialect::Smtp, true));
}

#[test]
fn each_fault_at_each_point_of_lmtp_inside_tls() {
    println!("{} cells", check_all(Dialect::Lmtp, true));
}
