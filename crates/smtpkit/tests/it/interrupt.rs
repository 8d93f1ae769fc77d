//! Ctrl-C at each stage of a message: the status and the text tell what was in doubt.
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use smtp_testkit::{Rule, Server};

use crate::program::command;

/// Interrupts a message once the program has shown a line with this text, at which the server stops
/// answering.
#[track_caller]
fn check(rule: Rule, until: &str, status: i32, expected: &str) {
    check_with(&[], rule, until, status, expected);
}

#[track_caller]
fn check_with(options: &[&str], rule: Rule, until: &str, status: i32, expected: &str) {
    let server = Server::builder().own_thread().offer("PIPELINING").rule(rule).tcp().unwrap();
    let url = format!("smtp://{}", server.addr());
    let mut arguments = vec!["send", &url, "-v", "-f", "a@example.org", "-t", "b@example.org"];
    arguments.extend(options);
    let mut child = command(&arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut shown = String::new();
    while !shown.contains(until) {
        assert_ne!(output.read_line(&mut shown).unwrap(), 0, "{shown}");
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    output.read_to_string(&mut shown).unwrap();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(status), "{shown}{errors}");
    assert!(format!("{shown}{errors}").contains(expected), "{shown}{errors}");
}

fn stall() -> smtp_testkit::Answer {
    "[stall]".parse().unwrap()
}

#[cfg(unix)]
#[test]
fn the_doubt_depends_on_the_stage() {
    check(Rule::on("EHLO *").answer(stall()), "C: EHLO", 130, "nothing was sent");
    check(Rule::on("RCPT *").answer(stall()), "C: RCPT", 130, "not sent");
    check(Rule::on("DATA").answer(stall()), "C: DATA", 130, "not sent");
    check(Rule::text().answer(stall()), "C: (text", 18, "IN DOUBT");
}

#[cfg(unix)]
#[test]
fn a_session_that_is_to_stop_can_be_interrupted() {
    let stop = ["--stop-after", "rcpt"];
    check_with(&stop, Rule::on("RCPT *").answer(stall()), "C: RCPT", 130, "no message was sent");
}
