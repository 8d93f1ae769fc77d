//! Dropped futures: every operation is dropped after each of its polls, with every kind of server,
//! and the next call must report the true state. That state is derived from the octets on the wire.
use std::{
    future::pending,
    io::Write,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use smtp_client::{Ended, Error, ErrorKind, Reply, session::Dialect};
use smtp_testkit::pipe;
use tokio::runtime::Builder;

use crate::{
    act::{Act, Came, Change, ROUTES, word},
    manner::{Manner, serve},
    operation::Operation,
    record::{Record, Recorded},
    stage::connector,
};

mod connecting;

/// How the dropping goes.
#[derive(Clone, Copy, Debug)]
struct Case {
    act: Act,
    manner: Manner,
    /// How many octets a direction holds.
    window: usize,
    /// How many turns the server gets between two polls.
    turns: usize,
    /// Whether the server gets to answer what was written before the next call.
    late_reply: bool,
    /// After how many polls the future is dropped.
    polls: usize,
}

/// A server that is polled by hand, like everything here: no runtime comes in between.
struct Playing(Pin<Box<dyn Future<Output = ()>>>);

impl Playing {
    fn turn(&mut self) {
        // When the client is gone it has ended, and is polled no more.
        if poll_once(&mut self.0) == Poll::Ready(()) {
            self.0 = Box::pin(pending());
        }
    }
}

fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls so often; what the future came to, if it completed.
fn poll<F: Future>(
    future: F,
    polls: usize,
    turns: usize,
    server: &mut Playing,
) -> Option<F::Output> {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        if let Poll::Ready(came) = poll_once(&mut future) {
            return Some(came);
        }
        (0..turns).for_each(|_| server.turn());
    }
    None
}

fn look(record: &Arc<Mutex<Record>>) -> Record {
    record.lock().unwrap().clone()
}

/// Drops an act, and compares the next result with the wire. Returns whether it had completed
/// before.
fn check(case: Case) -> bool {
    const MAX_POLLS: usize = 10_000;
    let service = case.act.service();
    let (client, server) = pipe(case.window);
    let (client, record) = Recorded::new(client);
    let mut server = Playing(Box::pin(serve(server, service, case.manner)));
    let connector = connector(service.dialect);
    let connected = poll(connector.connect_over(client), MAX_POLLS, 1, &mut server);
    let mut connection = connected.unwrap().unwrap();
    let greeted = look(&record);
    let act = case.act.perform(&mut connection);
    let came = poll(act, case.polls, case.turns, &mut server);
    let acted = look(&record).since(&greeted);
    if let Some(came) = came {
        check_completed(case, &came, &acted);
        return true;
    }
    if case.late_reply {
        (0..50).for_each(|_| server.turn());
    }
    let next = case.act.next();
    let said = poll(next.perform(&mut connection), MAX_POLLS, 1, &mut server).unwrap();
    let later = look(&record).since(&greeted).since(&acted);
    if acted.written.is_empty() {
        check_untouched(case, next, &said, &later);
        assert_eq!(connection.ended(), None, "{case:?}");
        return false;
    }
    check_next(case, &said, &acted);
    assert!(later.written.is_empty(), "{case:?}: {}", later.written.escape_ascii());
    let told = connection.canceled_verdicts().map(|(_, one)| word(one));
    let told: Vec<_> = told.collect();
    assert_eq!(told, case.act.read(&acted).verdicts(), "{case:?}");
    false
}

/// The result of a completed operation agrees with the wire.
#[track_caller]
fn check_completed(case: Case, came: &Came, acted: &Record) {
    let reading = case.act.read(acted);
    match (case.act, came) {
        // More replies arrived than were pending, and only their number distinguishes them.
        (Act::Send(route), Came::Delivery(Err(error)))
            if case.manner == Manner::Twice && route.is_in_chunks() && reading.is_settled() =>
        {
            assert!(matches!(error.kind(), ErrorKind::Misbehaved(_)), "{case:?}: {error:?}");
            assert!(
                error.in_doubt() && error.verdicts().map(|(_, one)| one).eq([None; 3]),
                "{case:?}"
            );
        }
        (Act::Send(route), _) => {
            assert_eq!(came.verdicts(), reading.verdicts(), "{case:?}: {came:?}");
            let in_doubt = came.error().is_some_and(Error::in_doubt);
            assert_eq!(in_doubt, reading.in_doubt(), "{case:?}: {came:?}");
            let settled = reading.is_settled();
            assert!(came.error().is_some() || settled, "{case:?}: {came:?}");
            // An accepted recipient must have a complete acceptance by the server.
            let Came::Delivery(Ok(delivery)) = came else { return };
            for (_, verdict) in delivery.verdicts().filter(|(_, verdict)| verdict.is_accepted()) {
                let told = verdict.reply().as_bytes().escape_ascii().to_string();
                let last = told.contains(" to .") || told.contains(" LAST");
                let blind = case.manner == Manner::Twice && route.is_in_chunks();
                assert!(last || blind, "{case:?}: {told}");
            }
        }
        (Act::SimpleCommand(operation), Came::Reply(outcome)) => {
            check_own(case, operation, outcome)
        }
        (Act::Change(change), Came::Change(outcome)) => {
            // It is done only if the server confirmed it.
            let heard = String::from_utf8_lossy(&acted.heard).into_owned();
            let good = heard.lines().any(|line| line.starts_with(change.good()));
            assert!(outcome.is_err() || good, "{case:?}: {heard}");
        }
        other => unreachable!("{other:?} is no match"),
    }
}

/// The reply is that of this operation; capabilities name no line.
#[track_caller]
fn check_own(case: Case, operation: Operation, outcome: &Result<Reply, Error>) {
    let reply = match outcome {
        Ok(reply) => reply,
        Err(error) => match error.kind() {
            ErrorKind::Refused(reply) => reply,
            other => panic!("{case:?}: {other:?}"),
        },
    };
    let told = reply.as_bytes().escape_ascii().to_string();
    let own = format!("to {}", operation.line());
    assert!(told.ends_with(&own) || told.starts_with("hi"), "{case:?}: {told}");
}

/// Nothing was written, so the connection is as it was.
#[track_caller]
fn check_untouched(case: Case, next: Operation, said: &Result<Reply, Error>, later: &Record) {
    check_own(case, next, said);
    let line = format!("{}\r\n", next.line());
    assert_eq!(later.written.escape_ascii().to_string(), line.escape_default().to_string());
}

/// Something was written: the session has ended and writes nothing more.
#[track_caller]
fn check_next(case: Case, said: &Result<Reply, Error>, acted: &Record) {
    let reading = case.act.read(acted);
    let Err(error) = said else { panic!("{case:?}: goes on with {said:?}") };
    match (error.kind(), case.act) {
        (ErrorKind::Ended(Ended::Canceled { step, in_doubt }), Act::Send(_)) => {
            assert_eq!(*in_doubt, reading.in_doubt(), "{case:?}: {reading:?}");
            assert_eq!(*step, reading.step().unwrap_or(*step), "{case:?}: {reading:?}");
        }
        (ErrorKind::Ended(Ended::Canceled { step, in_doubt }), Act::SimpleCommand(operation)) => {
            assert_eq!((*step, *in_doubt), (operation.step(), false), "{case:?}");
        }
        (ErrorKind::Ended(Ended::Canceled { step, in_doubt }), Act::Change(change)) => {
            assert!(change.is_at(*step) && !in_doubt, "{case:?}: {step:?}");
        }
        (ErrorKind::Ended(Ended::RolesReversed), Act::Change(Change::Turn)) => {
            assert!(acted.heard.contains(&b'\n'), "{case:?}");
        }
        (ErrorKind::Ended(Ended::Quit), Act::SimpleCommand(Operation::Quit)) => {
            assert!(acted.heard.contains(&b'\n'), "{case:?}");
        }
        other => panic!("{case:?}: {other:?}"),
    }
}

const MANNERS: [Manner; 8] = [
    Manner::Prompt,
    Manner::OctetByOctet,
    Manner::Slow,
    Manner::LateAtTheEnd,
    Manner::RefusingAll,
    Manner::RefusingTheText,
    Manner::RefusingEarly,
    Manner::Twice,
];

/// How many octets a direction holds, how many turns the server gets between two polls, and
/// whether it gets to answer before the next call.
type Pace = (usize, usize, bool);
const WIDE: [Pace; 2] = [(65_536, 1, true), (65_536, 3, false)];
const NARROW: [Pace; 3] = [WIDE[0], WIDE[1], (7, 3, true)];
/// Where every octet has a poll of its own.
const FINEST: [Pace; 4] = [WIDE[0], WIDE[1], NARROW[2], (1, 1, false)];

fn paces(manner: Manner) -> &'static [Pace] {
    match manner {
        Manner::OctetByOctet => &WIDE[..1],
        Manner::Prompt | Manner::RefusingEarly | Manner::Twice => &FINEST,
        _ => &NARROW,
    }
}

/// Drops an act after each of its polls, with every server, and prints the number of cases.
fn sweep(act: Act) -> usize {
    let mut cases = 0;
    for manner in MANNERS {
        for &(window, turns, late_reply) in paces(manner) {
            let mut case = Case { act, manner, window, turns, late_reply, polls: 0 };
            while !check(case) {
                case.polls += 1;
                assert!(case.polls < 10_000, "{case:?} never completes");
            }
            cases += case.polls;
        }
    }
    cases
}

/// Prints the number of cases directly, since the harness hides the output of a test that passes.
fn tell(what: &str) {
    let line = format!("cancellation sweep: {what}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

#[track_caller]
fn sweep_all(acts: impl Iterator<Item = Act>) {
    let mut cases = 0;
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _clock = runtime.enter();
    for act in acts {
        let these = sweep(act);
        tell(&format!("{act:?} dropped in {these} (server, poll) cases"));
        cases += these;
    }
    tell(&format!("{cases} cases in all"));
}

#[test]
fn a_session_command_is_dropped() {
    sweep_all(Operation::ALL.into_iter().map(Act::SimpleCommand));
}

#[test]
fn a_change_of_who_the_sides_are_is_dropped() {
    sweep_all(Change::ALL.into_iter().map(Act::Change));
}

#[test]
fn sending_over_smtp_is_dropped() {
    sweep_all(routes(Dialect::Smtp));
}

#[test]
fn sending_over_lmtp_is_dropped() {
    sweep_all(routes(Dialect::Lmtp));
}

fn routes(dialect: Dialect) -> impl Iterator<Item = Act> {
    ROUTES.into_iter().filter(move |route| route.dialect == dialect).map(Act::Send)
}
