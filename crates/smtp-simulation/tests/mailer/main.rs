//! The mailer in many orders of events, by the scheduler of shuttle: whatever the order, every call
//! ends, every message has one result, and the result is true.
//!
//! An execution in which no task can go on is a wake-up that was lost, and fails.

mod scenario;
mod server;

use std::time::Duration;

use scenario::Scenario;
use server::Manner;

#[test]
fn tasks_share_the_connections() {
    Scenario::default().check(100);
}

#[test]
fn messages_wait_for_a_place_in_the_queue() {
    Scenario { queue_limit: 1, tasks: (4, 1), ..Scenario::default() }.check(100);
}

#[test]
fn messages_run_ahead() {
    Scenario { ahead: true, collected: 4, tasks: (1, 2), ..Scenario::default() }.check(100);
}

#[test]
fn callers_drop_their_futures() {
    let scenario = Scenario { given_up: true, delivers: false, ..Scenario::default() };
    scenario.check(100);
    Scenario { connections: 1, queue_limit: 1, ..scenario }.check(100);
}

#[test]
fn the_mailer_is_closed_at_any_time() {
    let scenario = Scenario { closed: true, delivers: false, acquires: 1, ..Scenario::default() };
    scenario.check(100);
    Scenario { collected: 3, queue_limit: 1, given_up: true, ..scenario }.check(100);
}

#[test]
fn connections_are_acquired_among_messages() {
    Scenario { acquires: 3, tasks: (2, 2), ..Scenario::default() }.check(100);
}

#[test]
fn send_all_shares_with_tasks() {
    Scenario { collected: 5, tasks: (2, 1), acquires: 1, ..Scenario::default() }.check(100);
}

#[test]
fn the_server_ends_sessions_after_a_message() {
    let server = Manner { messages: Some(1), ..Manner::default() };
    let scenario = Scenario { server, tasks: (2, 2), collected: 2, ..Scenario::default() };
    scenario.check(100);
    Scenario { acquires: 2, ahead: true, ..scenario }.check(100);
}

#[test]
fn a_reply_is_lost() {
    let server = Manner { lost: Some(0), ..Manner::default() };
    Scenario { server, collected: 2, delivers: false, ..Scenario::default() }.check(100);
}

#[test]
fn the_server_admits_one_connection() {
    let server = Manner { connections: Some(1), ..Manner::default() };
    let scenario = Scenario { server, connections: 3, time: true, ..Scenario::default() };
    scenario.check(50);
    Scenario { closed: true, delivers: false, ..scenario }.check(50);
}

#[test]
fn the_connection_that_replaces_another_is_refused() {
    for (session, tasks) in [(1, (2, 3)), (2, (2, 3)), (2, (3, 2)), (3, (3, 2))] {
        let server = Manner { messages: Some(2), turned_away: Some(session), ..Manner::default() };
        Scenario { server, tasks, time: true, ..Scenario::default() }.check(100);
    }
}

#[test]
fn the_server_cannot_be_reached_at_first() {
    let server = Manner { unreachable: 2, ..Manner::default() };
    let scenario = Scenario { server, time: true, collected: 1, ..Scenario::default() };
    scenario.check(50);
    Scenario { closed: true, delivers: false, ..scenario }.check(50);
}

#[test]
fn the_wait_timeout_passes_while_a_message_begins() {
    let server = Manner { unreachable: 1, ..Manner::default() };
    let wait_timeout = Duration::from_secs(8);
    let scenario = Scenario { wait_timeout, time: true, delivers: false, ..Scenario::default() };
    scenario.check(100);
    Scenario { server, connections: 1, ..scenario }.check(100);
    let wait_timeout = Duration::from_secs(30);
    Scenario { wait_timeout, connections: 1, tasks: (4, 1), ..scenario }.check(200);
}

#[test]
fn refused_messages_are_sent_again() {
    let server = Manner { greylisted: 1, ..Manner::default() };
    let scenario =
        Scenario { server, retry: true, time: true, collected: 2, ..Scenario::default() };
    scenario.check(50);
    Scenario { closed: true, delivers: false, ..scenario }.check(50);
    Scenario { given_up: true, delivers: false, ..scenario }.check(50);
    // No worker is left whose exit would tell `close` that the pauses are over.
    let server = Manner { hangs_up: true, ..server };
    let alone = Scenario { server, tasks: (1, 1), collected: 0, time: false, ..scenario };
    Scenario { closed: true, delivers: false, ..alone }.check(200);
}
