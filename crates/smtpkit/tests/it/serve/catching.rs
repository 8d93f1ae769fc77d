//! Messages are caught, with each service, and the program ends as it should.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::running::Serve;
use crate::program::{command, smtpkit};

/// A new folder for this test.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // It may be there from another run.
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn in_folder(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_message_is_printed_and_in_the_api_before_its_reply() {
    let mut serve = Serve::start(&["--smtp", "0"]);
    let content = "Subject: hello\r\n\r\nHi\r\n..dot";
    assert!(serve.deliver("bob@example.org", content).starts_with("250 "));
    let (status, list) = serve.ask("GET", "messages");
    assert_eq!((status, &list["total"]), (200, &json!(1)));
    assert_eq!(list["messages"][0]["forward_paths"], json!(["bob@example.org"]));
    assert_eq!(list["messages"][0]["size"], "Subject: hello\r\n\r\nHi\r\n.dot\r\n".len());

    let printed = serve.next();
    assert_eq!(printed["type"], "message");
    assert_eq!(printed["schema"], 1);
    assert_eq!(printed["id"], 1);
    assert_eq!(printed["reverse_path"], "a@example.org");
    assert_eq!(printed["subject"], "hello");

    let (_, dialogue) = serve.ask("GET", "messages/1/dialogue");
    let lines = dialogue["lines"].as_array().unwrap();
    assert_eq!(lines[1]["line"], "EHLO client.example");
}

#[test]
fn a_wait_ends_when_the_message_arrives() {
    let serve = Serve::start(&["--smtp", "0"]);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| serve.ask("GET", "wait?to=bob&timeout=20s"));
        serve.deliver("carla@example.org", "Subject: one");
        serve.deliver("bob@example.org", "Subject: two");
        let (status, found) = waiting.join().unwrap();
        assert_eq!((status, &found["messages"][0]["subject"]), (200, &json!("two")));
    });
}

#[test]
fn mistakes_are_named() {
    let mut serve = Serve::start(&["--smtp", "0", "--tolerate", "bare-lf"]);
    assert!(serve.deliver("bob@example.org", "Subject: x\n\r\nhi").starts_with("250 "));
    let finding = &serve.next()["findings"][0];
    assert_eq!(finding["lint"], "bare-lf");
    assert_eq!(finding["what"], "line 1 of the text");
    let (_, message) = serve.ask("GET", "messages/1");
    assert_eq!(message["findings"][0]["lint"], "bare-lf");
    assert_eq!(&message["findings"][0]["remedy"], &finding["remedy"]);
    let refused = serve.deliver("bob@example.org", "Subject: x\r\r\n");
    assert!(refused.starts_with("554 5.6.0 the client sent a CR without LF"), "{refused}");
    let all = Serve::start(&["--smtp", "0", "--tolerate", "all"]);
    assert!(all.deliver("bob@example.org", "Subject: x\r\r\n\u{e9}\n").starts_with("250 "));
}

#[test]
fn submission_requires_a_login() {
    let folder = folder("submission");
    let users = in_folder(&folder, "users");
    fs::write(&users, "# who may send\n\ntim:tan:staaftan\n").unwrap();
    let serve = Serve::start(&["--smtp", "0", "--submission", "0", "--users", &users]);
    let mut client = serve.client("submission");
    assert!(client.send("EHLO a").contains("AUTH PLAIN LOGIN "));
    let refused = client.send("MAIL FROM:<a@example.org>");
    assert_eq!(refused, "530 5.7.0 authentication required");
    // tim, and a wrong password.
    assert!(client.send("AUTH PLAIN AHRpbQB0YW4=").starts_with("535 "));
    // tim, and tan:staaftan.
    assert!(client.send("AUTH PLAIN AHRpbQB0YW46c3RhYWZ0YW4=").starts_with("235 "));
    assert!(client.deliver("bob@example.org", "Subject: x").starts_with("250 "));
    assert_eq!(serve.ask("GET", "messages/1").1["user"], "tim");
    let (_, dialogue) = serve.ask("GET", "messages/1/dialogue");
    assert!(!dialogue.to_string().contains("AHRpbQB0YW4"), "no secret is shown: {dialogue}");
    // The other listener offers no login.
    assert!(!serve.client("smtp").send("EHLO a").contains("AUTH"));

    let any = Serve::start(&["--submission", "0", "--any-login"]);
    let mut client = any.client("submission");
    client.send("EHLO a");
    assert!(client.send("AUTH PLAIN AGV2ZQBhbnk=").starts_with("235 "));
}

#[test]
fn what_is_offered_can_be_changed() {
    let serve =
        Serve::start(&["--smtp", "0", "--offer", "SIZE 1000", "--offer", "XFOO", "--hide", "dsn"]);
    let reply = serve.client("smtp").send("EHLO a");
    assert!(reply.contains("SIZE 1000") && reply.contains("XFOO"), "{reply}");
    assert!(!reply.contains("DSN") && reply.matches("SIZE").count() == 1, "{reply}");
    assert!(reply.contains("STARTTLS"), "{reply}");
}

#[test]
fn tls_is_trusted_by_the_authority_that_is_written() {
    let folder = folder("authority");
    let (ca, ready) = (in_folder(&folder, "ca.pem"), in_folder(&folder, "ready"));
    let options = ["--smtp", "0", "--smtps", "0", "--ca-out", &ca, "--ready-file", &ready];
    let serve = Serve::start(&options);
    let listeners = fs::read_to_string(&ready).unwrap();
    let url_of = |service: &str| {
        let found = listeners.lines().find_map(|line| line.strip_prefix(&format!("{service} ")));
        found.unwrap().to_owned()
    };
    let starttls = url_of("smtp").replace("smtp://", "smtp+starttls://");
    for (url, version) in [(starttls, "1.3"), (url_of("smtps"), "1.3")] {
        let to = ["-f", "a@example.org", "-t", "b@example.org"];
        let run = smtpkit(&[&["send", &url, "--ca", &ca], to.as_slice()].concat());
        assert_eq!(run.status, 0, "{run:?}");
        let (_, list) = serve.ask("GET", "messages?limit=1");
        assert_eq!(list["messages"][0]["tls"], version);
    }
    assert!(url_of("http").starts_with("http://127.0.0.1:"));

    let expired = Serve::start(&[
        "--smtps",
        "0",
        "--certificate",
        "expired",
        "--ca-out",
        &ca,
        "--ready-file",
        &ready,
    ]);
    let url = fs::read_to_string(&ready).unwrap();
    let url = url.lines().find_map(|line| line.strip_prefix("smtps ")).unwrap();
    let run = smtpkit(&["send", url, "--ca", &ca, "-f", "a@example.org", "-t", "b@example.org"]);
    assert_eq!(run.status, 12, "{run:?}");
    assert!(run.errors.contains("expired"), "{run:?}");
    drop(expired);
}

#[cfg(unix)]
#[test]
fn lmtp_listens_on_a_unix_socket() {
    use std::io::{BufRead, BufReader, Write};

    let path = in_folder(&folder("lmtp"), "socket");
    let serve = Serve::start(&["--lmtp", &format!("unix:{path}")]);
    let stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut send = |text: &str, last: &str| {
        (&stream).write_all(text.as_bytes()).unwrap();
        while !lines.next().unwrap().unwrap().starts_with(last) {}
    };
    send("", "220 ");
    send("LHLO a\r\n", "250 ");
    send("MAIL FROM:<a@example.org>\r\n", "250 ");
    send("RCPT TO:<b@example.org>\r\n", "250 ");
    send("RCPT TO:<c@example.org>\r\n", "250 ");
    send("DATA\r\n", "354");
    send("hi\r\n.\r\n", "250 ");
    assert_eq!(serve.ask("GET", "messages/1").1["protocol"], "lmtp");
    let (status, total) = serve.end("TERM");
    assert_eq!((status, &total["received"]), (Some(0), &json!(1)));
    assert!(!Path::new(&path).exists(), "the socket is removed");
}

#[test]
fn a_recipient_that_is_refused_after_the_text_has_not_received_it() {
    let maildir = in_folder(&folder("refused-recipient"), "mail");
    let rule = r#"text_for = "c@*", reply = "550 5.1.1 no""#;
    let serve = Serve::start(&["--lmtp", "0", "--maildir", &maildir, "--rule", rule]);
    let mut client = serve.client("lmtp");
    for line in ["LHLO a", "MAIL FROM:<a@example.org>"] {
        client.send(line);
    }
    for to in ["b", "c", "d"] {
        client.send(&format!("RCPT TO:<{to}@example.org>"));
    }
    client.send("DATA");
    let replies = [client.send("hi\r\n."), client.reply(), client.reply()];
    assert!(replies[0].starts_with("250 ") && replies[2].starts_with("250 "), "{replies:?}");
    assert_eq!(replies[1], "550 5.1.1 no");
    let (_, message) = serve.ask("GET", "messages/1");
    assert_eq!(message["forward_paths"], json!(["b@example.org", "d@example.org"]));
    let file = fs::read_dir(format!("{maildir}/new")).unwrap().next().unwrap().unwrap();
    let content = fs::read_to_string(file.path()).unwrap();
    assert!(!content.contains("c@example.org"), "{content}");
}

#[test]
fn each_message_is_in_the_maildir_before_its_reply() {
    let folder = folder("maildir");
    let maildir = in_folder(&folder, "mail");
    let serve = Serve::start(&["--smtp", "0", "--maildir", &maildir]);
    for number in 1..=3 {
        assert!(
            serve.deliver("bob@example.org", &format!("Subject: {number}")).starts_with("250 ")
        );
        let new = fs::read_dir(folder.join("mail/new")).unwrap();
        assert_eq!(new.count(), number);
    }
    let mut contents: Vec<String> = fs::read_dir(folder.join("mail/new"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    contents.sort();
    let first = "Return-Path: <a@example.org>\r\nDelivered-To: bob@example.org\r\nSubject: 1\r\n";
    assert_eq!(contents[0], first);
    assert_eq!(fs::read_dir(folder.join("mail/tmp")).unwrap().count(), 0);

    // A message that cannot be written is refused, and is not in the API.
    fs::remove_dir_all(folder.join("mail/tmp")).unwrap();
    let refused = serve.deliver("bob@example.org", "Subject: 4");
    assert_eq!(refused, "451 4.3.0 the message could not be stored");
    assert_eq!(serve.ask("GET", "messages").1["total"], 3);
}

#[cfg(unix)]
#[test]
fn ctrl_c_and_sigterm_end_it_with_what_was_received() {
    for signal in ["INT", "TERM"] {
        let serve = Serve::start(&["--smtp", "0"]);
        for _ in 0..2 {
            serve.deliver("bob@example.org", "Subject: x");
        }
        // An idle client does not keep it from ending.
        let mut idle = serve.client("smtp");
        let (status, last) = serve.end(signal);
        assert_eq!(status, Some(0));
        let total =
            json!({"schema": 1, "type": "received", "received": 2, "stored": 2, "dropped": 0});
        assert_eq!(last, total);
        assert_eq!(idle.reply(), "", "the connection was closed");
    }
}

/// A client that sends single octets of a message, so that no step of it takes long.
#[cfg(unix)]
fn drip(serve: &Serve) -> std::thread::JoinHandle<()> {
    use std::io::Write;

    let mut client = serve.client("smtp");
    for line in ["EHLO a", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA"] {
        client.send(line);
    }
    std::thread::spawn(move || while client.stream().write_all(b"x").is_ok() {})
}

#[cfg(unix)]
#[test]
fn a_client_that_goes_on_sending_does_not_keep_it_from_ending() {
    let serve = Serve::start(&["--smtp", "0", "--max-size", "1G", "--max-octets", "1G"]);
    let client = drip(&serve);
    let (status, total) = serve.end("TERM");
    assert_eq!((status, &total["received"]), (Some(0), &json!(0)));
    client.join().unwrap();
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_it_at_once() {
    let mut serve = Serve::start(&["--smtp", "0", "--max-size", "1G", "--max-octets", "1G"]);
    let client = drip(&serve);
    let begun = std::time::Instant::now();
    while serve.runs() {
        serve.signal("INT");
    }
    assert!(begun.elapsed().as_secs() < 4, "it waited for the client");
    client.join().unwrap();
}

#[cfg(unix)]
#[test]
fn an_output_that_is_not_read_stops_nothing() {
    let serve = Serve::start(&["--smtp", "0"]);
    let mut client = serve.client("smtp");
    client.send("EHLO a");
    // More than a pipe holds.
    let subject = "x".repeat(900);
    for _ in 0..300 {
        assert!(
            client.deliver("bob@example.org", &format!("Subject: {subject}")).starts_with("250 ")
        );
    }
    let (status, list) = serve.ask("GET", "messages?limit=1");
    assert_eq!((status, list["total"].as_u64()), (200, Some(300)));
}

#[test]
fn the_output_for_people_has_a_line_for_each_message() {
    use std::io::{BufRead, BufReader};

    let mut child = command(&["serve", "--smtp", "0", "--no-http"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let listening = lines.next().unwrap().unwrap();
    let port = listening.rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(listening, format!("smtp        smtp://127.0.0.1:{port}"));
    let content = "Subject: =?utf-8?q?=1B[31mred?=";
    super::running::Client::connect(port).deliver("bob@example.org", content);
    let line = lines.next().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let shown = "   1  <a@example.org> to <bob@example.org>: \\u{1b}[31mred  33 octets";
    assert_eq!(line, shown);
}

#[test]
fn counts_are_in_the_status() {
    let serve = Serve::start(&["--smtp", "0", "--max-messages", "2"]);
    for _ in 0..3 {
        serve.deliver("bob@example.org", "Subject: x");
    }
    let (_, status) = serve.ask("GET", "status");
    let counts: Vec<&Value> =
        ["received", "stored", "dropped"].iter().map(|name| &status["counts"][name]).collect();
    assert_eq!(counts, [&json!(3), &json!(2), &json!(1)]);
    assert_eq!(status["limits"]["messages"], 2);
}
