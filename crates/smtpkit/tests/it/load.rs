//! `load`: counts, statuses, and what is in doubt. No test looks at how fast it is.
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use smtp_testkit::{Protocol, Rule, Scope, Server, ServerBuilder};

use crate::program::{Run, smtpkit};

fn host() -> ServerBuilder {
    Server::builder().own_thread().offer("PIPELINING").offer("CHUNKING").offer("SIZE 1000000")
}

fn load(server: &Server, options: &[&str]) -> Run {
    let url = format!("smtp://{}", server.addr());
    let mut arguments = vec!["load", &url, "-f", "a@example.org", "-t", "b@example.org", "--json"];
    arguments.extend(options);
    smtpkit(&arguments)
}

/// The counts of messages that are not zero, by name.
fn counts(summary: &Value) -> Vec<(String, u64)> {
    let counts = summary["messages"].as_object().unwrap().iter();
    let counts = counts.map(|(name, count)| (name.clone(), count.as_u64().unwrap()));
    let mut counts: Vec<_> = counts.filter(|(_, count)| *count > 0).collect();
    counts.sort();
    counts
}

/// Checks the status and the counts of a load of twelve messages to a server with this rule.
#[track_caller]
fn check(rule: Rule, status: i32, expected: &[(&str, u64)]) -> Value {
    let server = host().rule(rule).tcp().unwrap();
    let run = load(&server, &["-n", "12", "-c", "3"]);
    assert_eq!(run.status, status, "{run:?}");
    let summary = run.of_type("load").remove(0);
    let expected: Vec<_> =
        expected.iter().map(|(name, count)| (name.to_string(), *count)).collect();
    assert_eq!(counts(&summary), expected, "{run:?}");
    summary
}

#[test]
fn every_message_arrives_once() {
    for options in [
        &["-c", "4"][..],
        &["-c", "4", "--pipelining", "ahead"],
        &["-c", "3", "--chunks"],
        &["-c", "3", "--chunks", "--pipelining", "ahead"],
        &["-c", "2", "--messages-per-connection", "1"],
        &["-c", "2", "--messages-per-connection", "7", "--rate", "1000"],
    ] {
        let server = host().tcp().unwrap();
        let mut options = options.to_vec();
        options.extend(["-n", "30", "--size", "2000"]);
        let run = load(&server, &options);
        assert_eq!(run.status, 0, "{options:?}: {run:?}");
        let summary = run.of_type("load").remove(0);
        assert_eq!(summary["messages"]["accepted"], 30);
        assert_eq!(summary["latency"]["count"], 30);
        let report = server.finish().wait().unwrap();
        let mut identifiers: Vec<_> = report
            .messages()
            .iter()
            .map(|message| {
                assert_eq!(message.text().len(), 2000, "{options:?}");
                let text = String::from_utf8_lossy(message.text()).into_owned();
                text.lines().next().unwrap().to_owned()
            })
            .collect();
        identifiers.sort();
        identifiers.dedup();
        assert_eq!(identifiers.len(), 30, "{options:?}");
        let connections = report.connections().len() as u64;
        assert_eq!(summary["connections"], connections, "{options:?}");
        let findings: Vec<_> = report.findings().collect();
        assert!(findings.is_empty(), "{options:?}: {findings:?}");
    }
}

#[test]
fn each_connection_takes_as_many_messages_as_it_may() {
    let server = host().tcp().unwrap();
    let run = load(&server, &["-n", "10", "-c", "1", "--messages-per-connection", "4"]);
    assert_eq!(run.of_type("load")[0]["connections"], 3, "{run:?}");
    let report = server.finish().wait().unwrap();
    let messages = report.connections().iter().map(|connection| connection.messages().len());
    assert_eq!(messages.collect::<Vec<_>>(), [4, 4, 2]);
}

#[test]
fn the_steps_that_were_taken_are_there() {
    let server = host().tcp().unwrap();
    let run = load(&server, &["-n", "6", "-c", "2"]);
    let summary = run.of_type("load").remove(0);
    let steps: Vec<_> = summary["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["step"].as_str().unwrap(), step["count"].as_u64().unwrap()))
        .collect();
    let expected = [
        ("connect", 2),
        ("greeting", 2),
        ("EHLO", 2),
        ("MAIL to 354", 6),
        ("end of text", 6),
        ("QUIT", 2),
    ];
    assert_eq!(steps, expected);
    assert_eq!((&summary["corrected"], &summary["exit"]), (&false.into(), &"fine".into()));
}

#[test]
fn lmtp_has_a_result_for_each_recipient() {
    let full = Rule::text_for("2b@example.org").reply("452 4.2.2 full");
    let server = Server::builder().own_thread().protocol(Protocol::Lmtp).rule(full).tcp().unwrap();
    let url = format!("lmtp://{}", server.addr());
    let run = smtpkit(&[
        "load",
        &url,
        "-f",
        "a@example.org",
        "-t",
        "b@example.org",
        "--json",
        "-n",
        "4",
        "-c",
        "2",
        "--recipients",
        "3",
    ]);
    assert_eq!(run.status, 17, "{run:?}");
    let summary = run.of_type("load").remove(0);
    assert_eq!(counts(&summary), [("begun".to_owned(), 4), ("some_refused".to_owned(), 4)]);
    assert_eq!(summary["recipients_refused"], 4);
    let texts = summary["steps"].as_array().unwrap().iter();
    let texts: Vec<_> = texts.filter(|step| step["step"] == "end of text").collect();
    assert_eq!(texts[0]["count"], 4, "{summary}");
}

#[test]
fn the_worst_result_is_the_status() {
    check(Rule::on("X").reply("500 no"), 0, &[("accepted", 12), ("begun", 12)]);
    let later = Rule::on("RCPT *").reply("451 4.7.1 later").times(5).counted(Scope::Server);
    let summary = check(later, 16, &[("accepted", 7), ("begun", 12), ("refused_for_now", 5)]);
    let refusal = &summary["refusals"][0];
    assert_eq!((&refusal["count"], &refusal["code"]), (&5.into(), &451.into()));
    assert_eq!(refusal["text"], "4.7.1 later");
    let never = Rule::text().reply("554 5.6.0 no");
    check(never, 15, &[("begun", 12), ("refused", 12)]);
}

#[test]
fn a_message_whose_reply_is_lost_is_in_doubt() {
    let lost = Rule::text().after(3).times(1).answer("[close]".parse().unwrap());
    let summary =
        check(lost.counted(Scope::Server), 18, &[("accepted", 11), ("begun", 12), ("in_doubt", 1)]);
    let error = &summary["errors"][0];
    assert_eq!((&error["count"], &error["in_doubt"]), (&1.into(), &true.into()));
}

#[test]
fn a_session_that_ends_between_messages_costs_no_message() {
    let enough = Rule::text().after(1).times(1).counted(Scope::Connection);
    let enough = enough.answer("[usual]\n[close]".parse().unwrap());
    let summary = check(enough, 0, &[("accepted", 12), ("begun", 12)]);
    assert!(summary["connections"].as_u64().unwrap() >= 6, "{summary}");
}

#[test]
fn each_message_may_have_many_recipients() {
    let no = Rule::on("RCPT TO:<2b@*").reply("550 5.1.1 no");
    let server = host().rule(no).tcp().unwrap();
    let run = load(&server, &["-n", "2", "-c", "1", "--recipients", "3"]);
    assert_eq!(run.status, 17, "{run:?}");
    let summary = &run.of_type("load")[0];
    assert_eq!(summary["recipients_accepted"], 4);
    assert_eq!(summary["recipients_refused"], 2);
    let report = server.finish().wait().unwrap();
    assert_eq!(report.messages()[1].recipients(), ["1b@example.org", "3b@example.org"]);
}

#[test]
fn a_file_is_sent_as_it_is_and_times_are_written() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (message, times) = (folder.join("load.eml"), folder.join("load.hgrm"));
    fs::write(&message, "Subject: file\n\n.dot\n").unwrap();
    let server = host().tcp().unwrap();
    let (message, out) = (message.to_str().unwrap(), times.to_str().unwrap());
    let run = load(&server, &["-n", "3", "--hgrm", out, message]);
    assert_eq!(run.status, 0, "{run:?}");
    let report = server.finish().wait().unwrap();
    assert_eq!(report.messages()[2].text(), b"Subject: file\r\n\r\n.dot\r\n");
    let times = fs::read_to_string(times).unwrap();
    assert!(times.contains("Total count    =            3"), "{times}");
}

#[test]
fn what_was_due_and_not_begun_is_counted() {
    let slow = Rule::text().answer("[delay 60s]\n[usual]".parse().unwrap());
    let server = host().rule(slow).tcp().unwrap();
    let limits = ["--rate", "1000", "--duration", "200ms", "-c", "1", "--timeout", "400ms"];
    let run = load(&server, &limits);
    let summary = &run.of_type("load")[0];
    assert_eq!((&summary["due"], &summary["not_begun"]), (&200.into(), &199.into()), "{run:?}");
    assert_eq!(summary["oldest_not_begun_s"], 0.199, "{run:?}");

    let slow = Rule::text().answer("[delay 100ms]\n[usual]".parse().unwrap());
    let server = host().rule(slow).tcp().unwrap();
    let url = format!("smtp://{}", server.addr());
    let arguments = ["load", &url, "-f", "a@example.org", "-t", "b@example.org"];
    let run =
        smtpkit(&[&arguments[..], &["--rate", "1000", "--duration", "200ms", "-c", "1"]].concat());
    assert_eq!(run.status, 1, "{run:?}");
    assert!(run.output.contains(" of 200 due and not begun, the first for 0.19"), "{run:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn times_that_cannot_be_written_do_not_hide_the_result() {
    for (rule, status) in [("250 fine", 1), ("554 5.6.0 no", 15)] {
        let server = host().rule(Rule::text().reply(rule)).tcp().unwrap();
        let run = load(&server, &["-n", "3", "--hgrm", "/dev/full"]);
        assert_eq!(run.status, status, "{run:?}");
        assert_eq!(run.of_type("load")[0]["messages"]["begun"], 3, "{run:?}");
        let errors = [run.output.as_str(), &run.errors].concat();
        assert!(errors.contains("writing /dev/full"), "{run:?}");
    }
}

#[test]
fn no_connection_at_all_is_one_error() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", unused.local_addr().unwrap());
    drop(unused);
    let run = smtpkit(&["load", &url, "-f", "a@example.org", "-t", "b@example.org", "-n", "99"]);
    assert_eq!((run.status, run.output.as_str()), (11, ""), "{run:?}");
    assert_eq!(run.errors.lines().count(), 1, "{}", run.errors);

    let refuses = host().rule(Rule::greeting().reply("554 5.7.1 no")).tcp().unwrap();
    let run = load(&refuses, &["-n", "9"]);
    assert_eq!(run.status, 13, "{run:?}");
    assert_eq!(run.of_type("error")[0]["exit"], "greeting");
}

#[test]
fn what_cannot_be_used_is_an_error_before_anything_is_sent() {
    let server = host().tcp().unwrap();
    for options in [
        &["--rate", "0"][..],
        &["--rate", "5/d"],
        &["-c", "0"],
        &["-n", "0"],
        &["--size", "0"],
        &["--duration", "soon"],
        &["--hgrm", "/nonexistent/times"],
        &["/nonexistent/message"],
        &["--size", "10", "--subject", "x"],
    ] {
        let run = load(&server, options);
        assert_eq!(run.status, 2, "{options:?}: {run:?}");
    }
    assert!(server.report().connections().is_empty());
}

#[cfg(unix)]
mod interrupted {
    use std::process::{Child, Stdio};

    use super::*;
    use crate::program::command;

    fn spawn(server: &Server, options: &[&str]) -> Child {
        let url = format!("smtp://{}", server.addr());
        let mut command = command(&["load", &url, "-f", "a@example.org", "-t", "b@example.org"]);
        command.arg("--json").args(options);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn interrupt(child: &Child) {
        let pid = child.id().to_string();
        let killed = std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(killed.success());
    }

    fn summary(child: Child) -> (i32, Value) {
        let done = child.wait_with_output().unwrap();
        let output = String::from_utf8(done.stdout).unwrap();
        let last = output.lines().last().unwrap();
        (done.status.code().unwrap(), serde_json::from_str(last).unwrap())
    }

    #[test]
    fn messages_under_way_come_to_their_end() {
        let server = host().tcp().unwrap();
        let child = spawn(&server, &["-c", "2", "-n", "1000000"]);
        server.messages(20).wait().unwrap();
        interrupt(&child);
        let (status, summary) = summary(child);
        assert_eq!((status, &summary["interrupted"]), (130, &true.into()), "{summary}");
        let report = server.finish().wait().unwrap();
        assert_eq!(summary["messages"]["accepted"], report.messages().len() as u64);
        assert_eq!(summary["messages"]["begun"], report.messages().len() as u64);
    }

    #[test]
    fn what_is_cut_off_is_in_doubt() {
        let silent = Rule::text().after(20).counted(Scope::Server);
        let silent = silent.answer("[stall]".parse().unwrap());
        let server = host().rule(silent).tcp().unwrap();
        let mut child = spawn(&server, &["-c", "2", "-n", "1000000"]);
        server.messages(22).wait().unwrap();
        interrupt(&child);
        // The program tells that it waits, and the second signal cuts off.
        let mut line = String::new();
        let mut errors = std::io::BufReader::new(child.stderr.take().unwrap());
        std::io::BufRead::read_line(&mut errors, &mut line).unwrap();
        assert!(line.contains("interrupted"), "{line}");
        interrupt(&child);
        let (status, summary) = summary(child);
        assert_eq!(status, 18, "{summary}");
        let messages = &summary["messages"];
        assert_eq!((&messages["accepted"], &messages["in_doubt"]), (&20.into(), &2.into()));
        drop(server);
    }
}
