//! Stalls: at every point of every operation the server stops sending, sends single octets, or
//! stops reading. The error names the step that the octets show, occurs after exactly the timeout
//! of that step, and has what is known until then.
use std::{sync::Arc, time::Duration};

use smtp_client::{Broken, Ended, Error, ErrorKind, Security, Step, Timeouts, session::Dialect};
use smtp_testkit::{Authority, Server as TestServer, pipe};
use tokio::time::Instant;

use crate::{
    act::{Act, Came, Change},
    manner::{Manner, Stuck, serve},
    record::{Reading, Record, Recorded},
    stage::{connector, opening, parse, perform},
    starttls::trusting,
    wait_timeout::bounds,
};

#[derive(Clone, Copy, Debug)]
struct Case {
    act: Act,
    how: Stuck,
    /// How many replies the server gives first.
    replies: usize,
    timeouts: Timeouts,
}

/// What passed until the operation had ended, and how long that took.
struct Seen {
    came: Came,
    elapsed: Duration,
    acted: Record,
    /// Whether the stream is given up.
    closed: bool,
}

/// Performs the act with these bounds for this one call, and then another.
async fn act(case: Case) -> (Seen, Error, Record) {
    let service = case.act.service();
    // A server that reads no more is to be felt at once.
    let (client, server) = pipe(if case.how == Stuck::Deaf { 8 } else { 65_536 });
    let (client, record) = Recorded::new(client);
    let server = tokio::spawn(serve(server, service, Manner::Stuck(case.replies, case.how)));
    let mut connection = connector(service.dialect).connect_over(client).await.unwrap();
    let look = || record.lock().unwrap().clone();
    let greeted = look();
    *connection.timeouts_mut() = Timeouts::every_step(Duration::from_secs(7));
    let begun = Instant::now();
    let came = case.act.perform(&mut connection.scoped_timeouts(case.timeouts)).await;
    let elapsed = begun.elapsed();
    let acted = look().since(&greeted);
    let seen = Seen { came, elapsed, acted, closed: Arc::strong_count(&record) == 1 };
    let next = match case.act.next().perform(&mut connection).await {
        Err(error) => error,
        // The server has not come so far as to be stuck.
        Ok(_) => Error::new(Step::Noop, Ended::Quit),
    };
    server.abort();
    let later = look().since(&greeted).since(&seen.acted);
    (seen, next, later)
}

/// The bound that is documented for a step.
fn bound_of(timeouts: &Timeouts, step: Step) -> Duration {
    match step {
        Step::Handshake => timeouts.handshake,
        Step::Greeting => timeouts.greeting,
        Step::Mail => timeouts.mail,
        Step::Rcpt => timeouts.rcpt,
        Step::Data => timeouts.data,
        Step::Text => timeouts.text,
        Step::EndOfText => timeouts.end_of_text,
        Step::Quit => timeouts.quit,
        Step::Auth => timeouts.auth,
        Step::Atrn => timeouts.atrn,
        _ => timeouts.command,
    }
}

/// The step that the client waits for, according to the octets on the wire.
fn waited_for(act: Act, reading: &Reading, acted: &Record) -> Step {
    match act {
        Act::SimpleCommand(operation) => operation.step(),
        Act::Change(Change::Login) => Step::Auth,
        Act::Change(Change::Turn) => Step::Atrn,
        // The EHLO follows the 220.
        Act::Change(Change::Xclient) if acted.heard.starts_with(b"220 ") => Step::Hello,
        Act::Change(Change::Xclient) => Step::Xclient,
        Act::Send(_) => reading.step().unwrap(),
    }
}

/// Makes the server stall once. Returns whether it did.
#[track_caller]
fn check(case: Case) -> bool {
    let (seen, next, later) = perform(act(case));
    let Seen { came, elapsed, acted, closed } = &seen;
    if elapsed.is_zero() {
        return false;
    }
    let told = format!("{case:?}: {came:?} after {elapsed:?}");
    let reading = case.act.read(acted);
    let step = waited_for(case.act, &reading, acted);
    let settled = match came {
        Came::Delivery(_) => reading.is_settled(),
        // It was answered, and the server does not close.
        Came::Reply(answered) => answered.is_ok(),
        Came::Change(_) => false,
    };
    let timeouts = case.timeouts;
    let bound = if settled { timeouts.close } else { bound_of(&timeouts, step) };
    let deadline = timeouts.operation.filter(|limit| *limit <= bound);
    assert_eq!(*elapsed, deadline.unwrap_or(bound), "{told}");
    assert_eq!(came.verdicts(), reading.verdicts(), "{told}");
    match came.error() {
        None => assert!(settled, "{told}"),
        Some(error) => {
            assert!(!settled && error.step() == step, "{told}, not at {step}");
            assert_eq!(error.in_doubt(), reading.in_doubt(), "{told}");
            match (error.kind(), deadline) {
                (ErrorKind::Broken(Broken::TimedOut { after }), None) => assert_eq!(*after, bound),
                (ErrorKind::Broken(Broken::Deadline { limit }), Some(deadline)) => {
                    assert_eq!(*limit, deadline);
                }
                _ => panic!("{told}"),
            }
        }
    }
    assert!(closed, "{told}: the stream is still held");
    assert!(later.written.is_empty(), "{told}: {}", later.written.escape_ascii());
    let ErrorKind::Ended(ended) = next.kind() else { panic!("{told}: {next:?}") };
    let quit = matches!(came, Came::Reply(Ok(_)));
    assert_eq!(quit, *ended == Ended::Quit, "{told}: {ended}");
    assert!(quit || *ended == Ended::Failed { step }, "{told}: {ended}");
    true
}

/// Makes the server stall at every point, in every way. Returns the number of cases.
#[track_caller]
fn check_all(acts: impl Iterator<Item = Act>, timeouts: Timeouts) -> usize {
    let mut cases = 0;
    for act in acts {
        for how in [Stuck::Silent, Stuck::Dribbling, Stuck::Deaf] {
            let case = |replies| Case { act, how, replies, timeouts };
            let stuck = (0..).take_while(|&replies| check(case(replies))).count();
            assert!(stuck > 0, "{:?} was never stuck", case(0));
            cases += stuck;
        }
    }
    cases
}

/// Every act, and messages whose verdicts are known before everything is answered.
fn acts() -> impl Iterator<Item = Act> {
    let refused = Act::all().filter_map(|act| match act {
        Act::Send(route) => Some(Act::Send(route.for_nobody())),
        Act::SimpleCommand(_) | Act::Change(_) => None,
    });
    Act::all().chain(refused)
}

#[test]
fn each_step_has_the_bound_that_was_set_for_it() {
    println!("{} stalls", check_all(acts(), bounds()));
}

#[test]
fn a_deadline_ends_each_step() {
    let mut timeouts = bounds();
    timeouts.operation = Some(Duration::from_secs(5));
    println!("{} stalls", check_all(acts(), timeouts));
}

#[test]
fn default_timeouts_delay_no_verdict_by_more_than_two_seconds() {
    assert_eq!(Timeouts::default().close, Duration::from_secs(2));
    println!("{} stalls", check_all(acts(), Timeouts::default()));
}

/// The steps of connecting, each with the script up to its reply.
fn connecting(security: Security) -> Vec<(Step, String)> {
    let dialect = Dialect::Smtp;
    let clear = |rest: &str| format!("S: 220 hi\nC: EHLO client.example\n{rest}");
    let asked = opening(dialect, &["STARTTLS"]) + "C: STARTTLS\n";
    let secured = "C: EHLO client.example\n";
    match security {
        Security::Plain => vec![(Step::Greeting, String::new()), (Step::Hello, clear(""))],
        Security::StartTls => vec![
            (Step::Greeting, String::new()),
            (Step::Hello, clear("")),
            (Step::StartTls, asked.clone()),
            (Step::Hello, format!("{asked}S: 220 go\n[starttls]\n{secured}")),
        ],
        _ => vec![
            (Step::Greeting, "[tls]\n".into()),
            (Step::Hello, format!("[tls]\nS: 220 hi\n{secured}")),
        ],
    }
}

#[track_caller]
fn check_connecting(security: Security, step: Step, script: &str, timeouts: Timeouts) {
    let authority = Authority::new();
    let connector = trusting(&authority, Dialect::Smtp, security).timeouts(timeouts);
    perform(async {
        let builder = TestServer::builder().authority(authority);
        let (_server, pipe) = builder.script(parse(script)).pipe();
        let (pipe, record) = Recorded::new(pipe);
        let begun = Instant::now();
        let error = connector.connect_over(pipe).await.unwrap_err();
        let bound = timeouts.operation.unwrap_or_else(|| bound_of(&timeouts, step));
        assert_eq!((error.step(), begun.elapsed()), (step, bound), "{script}: {error:?}");
        let broken = match timeouts.operation {
            Some(limit) => {
                matches!(error.kind(), ErrorKind::Broken(Broken::Deadline { limit: found }) if *found == limit)
            }
            None => {
                matches!(error.kind(), ErrorKind::Broken(Broken::TimedOut { after }) if *after == bound)
            }
        };
        assert!(broken, "{script}: {error:?}");
        assert_eq!(Arc::strong_count(&record), 1, "{script}: the stream is still held");
    });
}

#[test]
fn each_step_of_connecting_has_its_bound() {
    let dribble = format!("[raw \"2\"]\n{}", "[delay 1s]\n[raw \"2\"]\n".repeat(60));
    let mut whole = bounds();
    whole.operation = Some(Duration::from_secs(5));
    for security in [Security::Plain, Security::StartTls, Security::Tls] {
        for (step, script) in connecting(security) {
            for timeouts in [bounds(), whole] {
                for stuck in ["[stall]", &dribble] {
                    check_connecting(security, step, &format!("{script}{stuck}"), timeouts);
                }
            }
        }
    }
    let asked = opening(Dialect::Smtp, &["STARTTLS"]) + "C: STARTTLS\nS: 220 go\n[stall]";
    for timeouts in [bounds(), whole] {
        check_connecting(Security::StartTls, Step::Handshake, &asked, timeouts);
        check_connecting(Security::Tls, Step::Handshake, "[stall]", timeouts);
    }
}
