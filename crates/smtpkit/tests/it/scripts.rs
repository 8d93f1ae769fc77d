//! `record`, `play` and `drive`: what one writes, the others take.
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;
use smtp_testkit::{Rule, Server};

use crate::program::{command, smtpkit};

/// A command that listens, and where.
struct Listener {
    child: Child,
    output: BufReader<ChildStdout>,
    url: String,
}

impl Listener {
    fn start(arguments: &[&str]) -> Self {
        let mut command = command(arguments);
        command.args(["--json", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let listening: Value = serde_json::from_str(&line).unwrap();
        let url = listening["url"].as_str().unwrap().to_owned();
        Self { child, output, url }
    }

    /// Waits for its end, and returns the status and the other objects.
    fn end(mut self) -> (i32, Vec<Value>) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap().code().unwrap();
        (status, rest.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }
}

/// A path that nothing is at.
fn path(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    let _ = fs::remove_dir_all(&path);
    path
}

fn file(name: &str, content: &str) -> PathBuf {
    let path = path(name);
    fs::write(&path, content).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A client with the manners of an old one.
fn talk(address: &str, lines: &[&str]) {
    let stream = TcpStream::connect(address.trim_start_matches("smtp://")).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut receive = || {
        let mut line = String::new();
        while replies.read_line(&mut line).unwrap() > 0 && line.as_bytes().get(3) == Some(&b'-') {
            line.clear();
        }
    };
    receive();
    for line in lines {
        (&stream).write_all(line.as_bytes()).unwrap();
        receive();
    }
    let mut rest = Vec::new();
    replies.read_to_end(&mut rest).unwrap();
}

#[test]
fn what_is_recorded_can_be_played_and_driven() {
    let greylists = Rule::on("RCPT TO:<grey*").times(1).reply("451 4.7.1 later");
    let real = Server::builder().own_thread().offer("AUTH PLAIN LOGIN").user("tim", "hunter2");
    let real = real.offer("PIPELINING").offer("CHUNKING").rule(greylists).tcp().unwrap();
    let folder = path("recorded");
    let upstream = format!("smtp://{}", real.addr());
    let record = Listener::start(&["record", &upstream, "-o", text(&folder), "--connections", "2"]);
    let first = [
        "EHLO client.example\r\n",
        "AUTH PLAIN AHRpbQBodW50ZXIy\r\n",
        "MAIL FROM:<a@example.org>\r\n",
        "RCPT TO:<grey@example.org>\r\n",
        "RCPT TO:<b@example.org>\r\n",
        "DATA\r\n",
        "Subject: secret things\r\n\r\n..dots\r\n.\r\n",
        "MAIL FROM:<a@example.org>\r\n",
        "RCPT TO:<b@example.org>\r\n",
        "BDAT 5 LAST\r\nhi!\r\n",
        "QUIT\r\n",
    ];
    talk(&record.url, &first);
    talk(&record.url, &["HELO client.example\r\n", "BOGUS\r\n", "QUIT\r\n"]);
    let (status, recorded) = record.end();
    assert_eq!(status, 0, "{recorded:?}");
    assert_eq!(recorded.len(), 2, "{recorded:?}");
    let scripts = [folder.join("0001.smtp"), folder.join("0002.smtp")];
    let script = fs::read_to_string(&scripts[0]).unwrap();
    for secret in ["AHRpbQBodW50ZXIy", "hunter2", "secret things"] {
        assert!(!script.contains(secret), "{script}");
    }

    let play = Listener::start(&["play", text(&scripts[0]), text(&scripts[1])]);
    let fill = file("recorded.fill", "AHRpbQBodW50ZXIy\n");
    let drive = |script: &Path, url: &str| {
        let run =
            smtpkit(&["drive", "--exact", "--fill", text(&fill), text(script), url, "--json"]);
        assert_eq!(run.status, 0, "{run:?}");
        assert!(!run.output.contains("AHRpb"), "{run:?}");
        assert!(run.of_type("driven")[0]["lines"].as_u64().unwrap() >= 4, "{run:?}");
    };
    drive(&scripts[0], &play.url);
    drive(&scripts[1], &play.url);
    let (status, played) = play.end();
    assert_eq!((status, &played[0]["connections"]), (0, &2.into()), "{played:?}");
    // The real server greylists only once, which is the difference from then on.
    let run = smtpkit(&["drive", "--fill", text(&fill), text(&scripts[0]), &upstream, "--json"]);
    assert_eq!(run.status, 19, "{run:?}");
    let difference = &run.of_type("difference")[0];
    assert_eq!(difference["expected"], "451 4.7.1 later", "{run:?}");
    assert!(difference["received"].as_str().unwrap().starts_with("250 "), "{run:?}");
    drop(real);
}

#[test]
fn starttls_is_recorded_played_and_driven() {
    let real = Server::builder().own_thread().offer("STARTTLS").tcp().unwrap();
    let ca = file("scripts-upstream.pem", &real.authority_pem());
    let (ours, script) = (path("scripts-ours.pem"), path("starttls.smtp"));
    let upstream = format!("smtp://localhost:{}", real.addr().port());
    let record = Listener::start(&[
        "record",
        &upstream,
        "-4",
        "-o",
        text(&script),
        "--ca",
        text(&ca),
        "--ca-out",
        text(&ours),
    ]);
    let port = record.url.rsplit(':').next().unwrap().to_owned();
    let url = format!("smtp+starttls://localhost:{port}");
    let sent = smtpkit(&[
        "send",
        &url,
        "-4",
        "-f",
        "a@example.org",
        "-t",
        "b@example.org",
        "--ca",
        text(&ours),
    ]);
    assert_eq!(sent.status, 0, "{sent:?}");
    let (status, recorded) = record.end();
    assert_eq!((status, recorded.len()), (0, 1), "{recorded:?}");
    let written = fs::read_to_string(&script).unwrap();
    assert!(written.contains("[starttls]\nC: EHLO"), "{written}");

    let play = Listener::start(&["play", text(&script), "--ca-out", text(&ours)]);
    let port = play.url.rsplit(':').next().unwrap().to_owned();
    let url = format!("localhost:{port}");
    let run = smtpkit(&["drive", text(&script), &url, "-4", "--exact", "--ca", text(&ours)]);
    assert_eq!(run.status, 0, "{run:?}");
    let (status, played) = play.end();
    assert_eq!(status, 0, "{played:?}");

    // Another authority is not trusted, and nothing was compared.
    let play = Listener::start(&["play", text(&script)]);
    let port = play.url.rsplit(':').next().unwrap().to_owned();
    let url = format!("localhost:{port}");
    let run = smtpkit(&["drive", text(&script), &url, "-4", "--ca", text(&ca)]);
    assert_eq!(run.status, 12, "{run:?}");
    let (status, played) = play.end();
    assert_eq!((status, &played[0]["type"]), (19, &"mismatch".into()), "{played:?}");
}

#[test]
fn a_client_that_does_otherwise_is_a_mismatch() {
    let script = file("mismatch.smtp", "S: 220 hi\nC: EHLO a\nS: 250 hi\nC: QUIT\nS: 221 bye\n");
    let play = Listener::start(&["play", text(&script)]);
    talk(&play.url, &["EHLO b\r\n"]);
    let (status, played) = play.end();
    assert_eq!(status, 19, "{played:?}");
    let mismatch = &played[0];
    assert_eq!((&mismatch["type"], &mismatch["line"]), (&"mismatch".into(), &2.into()));
    assert_eq!(mismatch["expected"], "EHLO a\r\n");
    assert_eq!(mismatch["received"], "EHLO b\r\n");
    assert!(
        mismatch["report"].as_str().unwrap().contains("expected  \"EHLO a\\r\\n\""),
        "{mismatch}"
    );
}

#[test]
fn a_mismatch_does_not_show_the_login() {
    let script = file("login.smtp", "S: 220 hi\nC~ AUTH PLAIN *\nS: 235 ok\nC: QUIT\nS: 221 bye\n");
    let play = Listener::start(&["play", text(&script)]);
    talk(&play.url, &["AUTH PLAIN AHRpbQBodW50ZXIy\r\n", "NOOP\r\n"]);
    let (status, played) = play.end();
    assert_eq!(status, 19, "{played:?}");
    assert!(!format!("{played:?}").contains("AHRpbQBodW50ZXIy"), "{played:?}");
    assert!(format!("{played:?}").contains("C: AUTH PLAIN ***"), "{played:?}");

    let script = file("response.smtp", "S: 220 hi\nC: AUTH LOGIN\nS: 334 x\nC: *\nS: 501 no\n");
    let play = Listener::start(&["play", text(&script)]);
    talk(&play.url, &["AUTH LOGIN\r\n", "aHVudGVyMg==\r\n"]);
    let (status, played) = play.end();
    assert_eq!((status, &played[0]["received"]), (19, &"***\r\n".into()), "{played:?}");
    assert!(!format!("{played:?}").contains("aHVudGVyMg"), "{played:?}");
}

#[cfg(unix)]
#[test]
fn a_script_is_played_again_after_a_mismatch() {
    let script = file("repeat.smtp", "S: 220 hi\nC: QUIT\nS: 221 bye\n[close]\n");
    let play = Listener::start(&["play", "--repeat", text(&script)]);
    talk(&play.url, &["QUIT\r\n"]);
    talk(&play.url, &["NOOP\r\n"]);
    talk(&play.url, &["QUIT\r\n"]);
    let Listener { mut child, mut output, .. } = play;
    let mut types = Vec::new();
    for _ in 0..3 {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let object: Value = serde_json::from_str(&line).unwrap();
        types.push(object["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(types, ["played", "mismatch", "played"]);
    let pid = child.id().to_string();
    std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(19));
}

#[test]
fn replies_are_compared_by_code_and_number_of_lines() {
    let real = Server::builder().own_thread().offer("SIZE 1000").tcp().unwrap();
    let url = real.addr().to_string();
    #[track_caller]
    fn check(script: &str, url: &str, options: &[&str], status: i32, line: Option<u64>) {
        let script = file("compared.smtp", script);
        let mut arguments = vec!["drive", text(&script), url, "--json"];
        arguments.extend(options);
        let run = smtpkit(&arguments);
        assert_eq!(run.status, status, "{run:?}");
        let difference = run.of_type("difference").first().map(|it| it["line"].as_u64().unwrap());
        assert_eq!(difference, line, "{run:?}");
    }
    let begin = "S: 220 other text\nC: EHLO a.example\n";
    let same = format!("{begin}S: 250-x\nS: 250 y\nC: QUIT\nS: 221 z\n[close]\n");
    check(&same, &url, &[], 0, None);
    check(&same, &url, &["--exact"], 19, Some(1));
    check(&format!("{begin}S: 250 x\n"), &url, &[], 19, Some(3));
    check(&format!("{begin}S: 250-x\nS: 250-y\nS: 250 z\n"), &url, &[], 19, Some(4));
    check(&format!("{begin}S: 502 x\n"), &url, &[], 19, Some(3));
    check("S: 220 x\n[expect-close]\n", &url, &[], 0, None);
    let stays = "S: 220 x\nC: NOOP\nS: 250 x\n[close]\n";
    check(stays, &url, &["--timeout", "50ms"], 19, Some(4));
    drop(real);
}

#[cfg(unix)]
#[test]
fn what_is_filled_in_is_not_shown_when_the_server_repeats_it() {
    let echoes = Rule::on("AUTH *").reply("535 5.7.8 AHRpbQBodW50ZXIy is wrong");
    let real = Server::builder().own_thread().offer("AUTH PLAIN").rule(echoes).tcp().unwrap();
    let script =
        file("echo.smtp", "S: 220 x\nC: EHLO a\nS: 250-x\nS: 250 y\nC~ AUTH PLAIN *\nS: 235 ok\n");
    let fill = file("echo.fill", "AHRpbQBodW50ZXIy\n");
    let url = real.addr().to_string();
    let run = smtpkit(&["drive", "-v", text(&script), &url, "--fill", text(&fill)]);
    assert_eq!(run.status, 19, "{run:?}");
    assert!(run.output.contains("535 5.7.8 *** is wrong"), "{run:?}");
    assert!(!run.output.contains("AHRpb"), "{run:?}");

    // A pipe can be read once, and a server may repeat the password that it has decoded.
    let echoes = Rule::on("AUTH *").reply("535 5.7.8 hunter2 of AHRpbQBodW50ZXIy is wrong");
    let real = Server::builder().own_thread().offer("AUTH PLAIN").rule(echoes).tcp().unwrap();
    let url = real.addr().to_string();
    let arguments = ["drive", "-v", text(&script), &url, "--fill", "/dev/stdin"];
    let run = crate::program::smtpkit_reading(&arguments, b"AHRpbQBodW50ZXIy\n");
    assert_eq!(run.status, 19, "{run:?}");
    assert!(run.output.contains("535 5.7.8 *** of *** is wrong"), "{run:?}");
    drop(real);
}

#[test]
fn a_script_that_cannot_be_written_is_a_failure_of_the_program() {
    let real = Server::builder().own_thread().tcp().unwrap();
    let upstream = format!("smtp://{}", real.addr());
    let folder = path("removed");
    let record = Listener::start(&["record", &upstream, "-o", text(&folder)]);
    fs::remove_dir_all(&folder).unwrap();
    talk(&record.url, &["QUIT\r\n"]);
    let (status, recorded) = record.end();
    assert_eq!((status, &recorded[0]["status"]), (1, &1.into()), "{recorded:?}");

    let script = path("unwritten.smtp");
    let listen = ["--listen", "127.0.0.1:0", "--ca-out", "/nonexistent/ca.pem"];
    let arguments = ["record", &upstream, "-o", text(&script)];
    let run = smtpkit(&[&arguments[..], &listen].concat());
    assert_eq!(run.status, 1, "{run:?}");
    assert!(!script.exists());
    drop(real);
}

#[cfg(unix)]
mod interrupted {
    use std::io::ErrorKind;
    use std::time::Duration;

    use super::*;

    fn interrupt(record: &Listener) {
        let pid = record.child.id().to_string();
        std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap();
    }

    #[test]
    fn a_recording_without_a_connection_leaves_no_file() {
        let script = path("nothing.smtp");
        let record = Listener::start(&["record", "127.0.0.1:25", "-o", text(&script)]);
        assert!(script.exists());
        interrupt(&record);
        assert_eq!(record.end(), (0, Vec::new()));
        assert!(!script.exists());
    }

    #[test]
    fn a_client_that_goes_on_does_not_keep_a_recording_from_its_end() {
        let real = Server::builder().own_thread().tcp().unwrap();
        let (upstream, folder) = (format!("smtp://{}", real.addr()), path("dripping"));
        let record = Listener::start(&["record", &upstream, "-o", text(&folder)]);
        let address = record.url.trim_start_matches("smtp://");
        let stream = TcpStream::connect(address).unwrap();
        let mut replies = BufReader::new(stream.try_clone().unwrap());
        replies.read_line(&mut String::new()).unwrap();
        for line in
            ["HELO a.example", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA"]
        {
            (&stream).write_all(format!("{line}\r\n").as_bytes()).unwrap();
            replies.read_line(&mut String::new()).unwrap();
        }
        interrupt(&record);
        // An octet each 50 ms, for at most 30 seconds: the wait is for a reply that does not come.
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let drips = (0..600).take_while(|_| {
            let read = (&stream).write_all(b"x").and_then(|()| (&stream).read(&mut [0; 9]));
            read.is_err_and(|error| {
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
            })
        });
        assert!(drips.count() < 600);
        let (status, recorded) = record.end();
        assert_eq!((status, recorded.len()), (0, 1), "{recorded:?}");
        let script = fs::read_to_string(folder.join("0001.smtp")).unwrap();
        assert!(script.contains("C: DATA\nS: 354 "), "{script}");
        drop(real);
    }
}

#[test]
fn what_cannot_be_used_is_an_error() {
    let existing = file("existing.smtp", "S: 220 kept\n");
    let existing_text = text(&existing);
    let script = file("wrong.smtp", "S: 220 hi\nX: QUIT\n");
    let good = file("good.smtp", "S: 220 hi\nC~ AUTH PLAIN *\nS: 235 ok\n");
    let (wrong, good) = (text(&script), text(&good));
    for (arguments, named) in [
        (&["play", wrong][..], "wrong.smtp:2"),
        (&["play", "/nonexistent.smtp"], "/nonexistent.smtp"),
        (&["play", good, "--listen", "192.0.2.1:25"], "--listen"),
        (&["drive", wrong, "127.0.0.1:1"], "wrong.smtp:2"),
        (&["drive", good, "127.0.0.1:1"], "--fill"),
        (&["drive", good, "127.0.0.1:1", "--proxy", "socks5://127.0.0.1:1"], "--fill"),
        (&["record", "127.0.0.1", "-o", existing_text, "--listen", "127.0.0.1:0"], "existing.smtp"),
        (&["record", "smtp+unix:///x", "-o", "x.smtp"], "TCP"),
        (&["record", "127.0.0.1", "-o", "x.smtp", "--connections", "2"], "folder"),
    ] {
        let run = smtpkit(arguments);
        assert_eq!(run.status, 2, "{arguments:?}: {run:?}");
        assert!(run.errors.contains(named), "{arguments:?}: {run:?}");
    }
    assert_eq!(fs::read_to_string(&existing).unwrap(), "S: 220 kept\n");
}
