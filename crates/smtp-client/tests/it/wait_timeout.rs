//! Timeouts: each wait ends after exactly the configured time, on a paused clock.
use std::time::Duration;

use smtp_client::{
    Broken, Connection, Ended, Error, ErrorKind, Reply, Step, Timeouts, session::Dialect,
};
use tokio::time::Instant;

use crate::{
    operation::{OFFER, Operation},
    session_commands::check_ended,
    stage::{Played, connector, opening, play, play_on},
};

/// Bounds that are all different.
pub(crate) fn bounds() -> Timeouts {
    let mut timeouts = Timeouts::default();
    for (seconds, bound) in (11..).zip([
        &mut timeouts.connect,
        &mut timeouts.handshake,
        &mut timeouts.greeting,
        &mut timeouts.command,
        &mut timeouts.auth,
        &mut timeouts.mail,
        &mut timeouts.rcpt,
        &mut timeouts.data,
        &mut timeouts.text,
        &mut timeouts.end_of_text,
        &mut timeouts.quit,
        &mut timeouts.close,
    ]) {
        *bound = Duration::from_secs(seconds);
    }
    timeouts
}

/// It timed out in this step, after this long.
#[track_caller]
pub(crate) fn check_timed_out(error: &Error, step: Step, bound: Duration) {
    assert_eq!(error.step(), step);
    match error.kind() {
        ErrorKind::Broken(Broken::TimedOut { after }) => assert_eq!(*after, bound),
        other => panic!("{step}: {other:?}"),
    }
}

async fn timed(
    operation: Operation,
    connection: &mut Connection,
) -> (Result<Reply, Error>, Duration) {
    let begun = Instant::now();
    (operation.perform(connection).await, begun.elapsed())
}

#[test]
fn a_bound_beyond_the_clock_is_as_good_as_none() {
    let mut timeouts = Timeouts::every_step(Duration::MAX);
    timeouts.operation = Some(Duration::MAX);
    play_on(&[], "C: NOOP\n[delay 1000s]\nS: 250 ok", async |mut connection| {
        connection.scoped_timeouts(timeouts).noop().await.unwrap();
    });
}

#[test]
fn each_silent_command_times_out_at_its_step() {
    for operation in Operation::ALL {
        let rest = format!("C: {}\n[stall]", operation.line());
        play_on(&OFFER, &rest, async |mut connection| {
            *connection.timeouts_mut() = bounds();
            let (outcome, elapsed) = timed(operation, &mut connection).await;
            let bound = bounds().for_step(operation.step());
            check_timed_out(&outcome.unwrap_err(), operation.step(), bound);
            assert_eq!(elapsed, bound);
            check_ended(&mut connection, &Ended::Failed { step: operation.step() }).await;
        });
    }
}

#[test]
fn a_silent_greeting_and_ehlo_time_out() {
    for (script, step) in [
        ("[stall]", Step::Greeting),
        ("[raw \"220-\"]\n[stall]", Step::Greeting),
        ("S: 220 hi\nC: EHLO client.example\n[stall]", Step::Hello),
    ] {
        let connector = connector(Dialect::Smtp).timeouts(bounds());
        let Played { outcome, verdict, elapsed } =
            play(script, &connector, async |outcome| outcome);
        check_timed_out(&outcome.unwrap_err(), step, bounds().for_step(step));
        assert_eq!(elapsed, bounds().for_step(step));
        verdict.unwrap();
    }
}

#[test]
fn a_reply_at_the_last_moment_is_in_time() {
    for (delay, in_time) in [("4999ms", true), ("5001ms", false)] {
        let rest = format!("C: NOOP\n[delay {delay}]\nS: 250 ok");
        play_on(&[], &rest, async |mut connection| {
            *connection.timeouts_mut() = Timeouts::every_step(Duration::from_secs(5));
            assert_eq!(connection.noop().await.is_ok(), in_time, "{delay}");
        });
    }
}

#[test]
fn a_bound_covers_the_whole_reply_however_it_dribbles() {
    let dribble = "[raw \"x\"]\n[delay 1s]\n".repeat(60);
    let rest = format!("C: NOOP\n[raw \"250 \"]\n{dribble}");
    play_on(&[], &rest, async |mut connection| {
        *connection.timeouts_mut() = Timeouts::every_step(Duration::from_secs(5));
        let (outcome, elapsed) = timed(Operation::Noop, &mut connection).await;
        let bound = Duration::from_secs(5);
        check_timed_out(&outcome.unwrap_err(), Step::Noop, bound);
        assert_eq!(elapsed, bound);
    });
}

#[test]
fn a_late_reply_is_never_taken_for_that_of_the_next_command() {
    let rest = "C: NOOP\n[delay 6s]\nS: 250 late";
    play_on(&[], rest, async |mut connection| {
        *connection.timeouts_mut() = Timeouts::every_step(Duration::from_secs(5));
        connection.noop().await.unwrap_err();
        tokio::time::advance(Duration::from_secs(2)).await;
        check_ended(&mut connection, &Ended::Failed { step: Step::Noop }).await;
    });
}

#[test]
fn one_call_can_have_other_bounds() {
    let rest = "C: NOOP\n[delay 30s]\nS: 250 ok\nC: NOOP\n[stall]";
    play_on(&[], rest, async |mut connection| {
        *connection.timeouts_mut() = Timeouts::every_step(Duration::from_secs(5));
        let patient = Timeouts::every_step(Duration::from_secs(60));
        connection.scoped_timeouts(patient).noop().await.unwrap();
        let (outcome, elapsed) = timed(Operation::Noop, &mut connection).await;
        check_timed_out(&outcome.unwrap_err(), Step::Noop, Duration::from_secs(5));
        assert_eq!(elapsed, Duration::from_secs(5));
    });
}

#[test]
fn bounds_change_for_all_that_follows() {
    let rest = "C: NOOP\n[delay 30s]\nS: 250 ok\nC: NOOP\n[delay 30s]\nS: 250 ok\nC: NOOP\n[stall]";
    play_on(&[], rest, async |mut connection| {
        connection.timeouts_mut().command = Duration::from_secs(60);
        connection.noop().await.unwrap();
        connection.noop().await.unwrap();
        connection.timeouts_mut().command = Duration::from_secs(2);
        let (outcome, elapsed) = timed(Operation::Noop, &mut connection).await;
        check_timed_out(&outcome.unwrap_err(), Step::Noop, Duration::from_secs(2));
        assert_eq!(elapsed, Duration::from_secs(2));
    });
}

#[test]
fn a_deadline_covers_an_operation_as_a_whole() {
    let limit = Duration::from_secs(7);
    play_on(&[], "C: NOOP\n[stall]", async |mut connection| {
        connection.timeouts_mut().operation = Some(limit);
        let (outcome, elapsed) = timed(Operation::Noop, &mut connection).await;
        check_deadline(&outcome.unwrap_err(), Step::Noop, limit);
        assert_eq!(elapsed, limit);
    });
}

#[test]
fn a_deadline_counts_all_steps_of_connecting() {
    let limit = Duration::from_secs(7);
    let mut timeouts = Timeouts::every_step(Duration::from_secs(5));
    timeouts.operation = Some(limit);
    let script = "[delay 4s]\nS: 220 hi\nC: EHLO client.example\n[stall]";
    let connector = connector(Dialect::Smtp).timeouts(timeouts);
    let played = play(script, &connector, async |outcome| outcome);
    check_deadline(&played.outcome.unwrap_err(), Step::Hello, limit);
    assert_eq!(played.elapsed, limit);
    played.verdict.unwrap();
}

#[test]
fn the_connector_gives_its_bounds_to_the_connection() {
    let script = opening(Dialect::Smtp, &[]) + "C: NOOP\n[stall]";
    let connector = connector(Dialect::Smtp).timeouts(bounds());
    let played =
        play(&script, &connector, async |connected| connected.unwrap().noop().await.unwrap_err());
    check_timed_out(&played.outcome, Step::Noop, bounds().command);
    assert_eq!(played.elapsed, bounds().command);
}

#[track_caller]
fn check_deadline(error: &Error, step: Step, expected: Duration) {
    assert_eq!(error.step(), step);
    match error.kind() {
        ErrorKind::Broken(Broken::Deadline { limit }) => assert_eq!(*limit, expected),
        other => panic!("{step}: {other:?}"),
    }
}
