//! `send` and `verify`: outcomes, exit statuses, and bad input.
use std::fs;
use std::path::PathBuf;

use smtp_testkit::{CertificateKind, Greeting, Rule, Script, Server, ServerBuilder};

use crate::program::{Run, smtpkit, smtpkit_reading};

fn host() -> ServerBuilder {
    Server::builder().own_thread().offer("PIPELINING").offer("8BITMIME").offer("SIZE 1000000")
}

fn url(server: &Server) -> String {
    format!("smtp://{}", server.addr())
}

/// Sends a generated message to two recipients.
fn send_to(server: &Server, options: &[&str]) -> Run {
    send_url(&url(server), options)
}

fn send_url(url: &str, options: &[&str]) -> Run {
    let mut arguments =
        vec!["send", url, "-f", "a@example.org", "-t", "b@example.org", "-t", "c@example.org"];
    arguments.extend(options);
    smtpkit(&arguments)
}

/// Checks the status of a message to a server with this rule, and what became of each recipient.
#[track_caller]
fn check(rule: Rule, status: i32, results: &[&str]) {
    let server = host().rule(rule).tcp().unwrap();
    let run = send_to(&server, &["--json"]);
    assert_eq!(run.status, status, "{run:?}");
    let outcomes = run.of_type("outcome");
    let recipients = outcomes[0]["recipients"].as_array().unwrap();
    let found: Vec<&str> =
        recipients.iter().map(|recipient| recipient["result"].as_str().unwrap()).collect();
    assert_eq!(found, results);
    assert!(run.objects().iter().all(|object| object["schema"] == 1));
}

fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn each_recipient_has_its_result_and_each_result_its_status() {
    check(Rule::on("X").reply("500 no"), 0, &["accepted", "accepted"]);
    check(Rule::on("RCPT TO:<c*").reply("550 5.1.1 no"), 17, &["accepted", "refused"]);
    check(Rule::on("RCPT *").reply("550 5.1.1 no"), 15, &["refused", "refused"]);
    check(Rule::on("RCPT TO:<c*").reply("451 4.7.1 no"), 17, &["accepted", "refused_for_now"]);
    check(Rule::text().reply("452 4.3.1 full"), 16, &["refused_for_now", "refused_for_now"]);
    check(Rule::text().reply("554 5.6.0 no"), 15, &["refused", "refused"]);
    let closes = Rule::text().answer("[close]".parse().unwrap());
    check(closes, 18, &["in_doubt", "in_doubt"]);
    let babbles = Rule::on("MAIL *").reply("299 what");
    check(babbles, 19, &["not_sent", "not_sent"]);
}

#[test]
fn the_doubt_is_named_on_the_terminal() {
    let server = host().rule(Rule::text().answer("[close]".parse().unwrap())).tcp().unwrap();
    let run = send_to(&server, &[]);
    assert_eq!(run.status, 18);
    assert!(run.output.contains("IN DOUBT"), "{}", run.output);
    assert!(run.errors.contains("the message may have been accepted"), "{}", run.errors);
}

#[test]
fn what_precedes_the_message_has_a_status_of_its_own() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    assert_eq!(send_url(&format!("smtp://{address}"), &[]).status, 11);
    assert_eq!(send_url("smtp://name.invalid", &[]).status, 10);

    let refuses = host().rule(Rule::greeting().reply("554 5.7.1 no")).tcp().unwrap();
    assert_eq!(send_to(&refuses, &[]).status, 13);

    let clear = host().tcp().unwrap();
    let run = send_url(&format!("smtp+starttls://{}", clear.addr()), &[]);
    assert_eq!(run.status, 12, "{run:?}");
    let untrusted =
        host().greeting(Greeting::UnderTls).certificate(CertificateKind::SelfSigned).tcp().unwrap();
    let tls = format!("smtps://{}", untrusted.addr());
    assert_eq!(send_url(&tls, &[]).status, 12);
    assert_eq!(send_url(&tls, &["--insecure"]).status, 0);
}

#[test]
fn a_login_has_its_secret_from_anywhere_but_the_arguments() {
    let server = || {
        let host = host().offer("AUTH PLAIN").user("tim", "tanstaaf");
        host.greeting(Greeting::UnderTls).tcp().unwrap()
    };
    let right = file("right-password", b"tanstaaf\nnot read\n");
    let wrong = file("wrong-password", b"wrong\n");
    for (path, status) in [(&right, 0), (&wrong, 14)] {
        let server = server();
        let ca = file("ca.pem", server.authority_pem().as_bytes());
        let url = format!("smtps://localhost:{}", server.addr().port());
        let options = [
            "-v",
            "--ca",
            ca.to_str().unwrap(),
            "--user",
            "tim",
            "--password-file",
            path.to_str().unwrap(),
        ];
        let run = send_url(&url, &options);
        assert_eq!(run.status, status, "{run:?}");
        assert!(!run.output.contains("tanstaaf") && !run.output.contains("AHRpbQB"), "{run:?}");
    }
    let run = send_url("smtps://tim:tanstaaf@localhost", &[]);
    assert_eq!(run.status, 2);
    assert!(run.errors.contains("--password-file") && !run.errors.contains("tanstaaf"), "{run:?}");
}

#[test]
fn a_password_is_not_sent_in_clear() {
    let server = host().offer("AUTH PLAIN").user("tim", "secret").tcp().unwrap();
    let password = file("clear-password", b"secret");
    let login = ["--user", "tim", "--password-file", password.to_str().unwrap()];
    let run = send_to(&server, &login);
    assert_eq!(run.status, 20, "{run:?}");
    let allowed = [&login[..], &["--clear-text"]].concat();
    assert_eq!(send_to(&server, &allowed).status, 0);
}

/// Nothing is sent, and one line says what is wrong.
#[track_caller]
fn check_unusable(server: &Server, arguments: &[&str], input: &[u8], expected: &str) {
    let run = smtpkit_reading(arguments, input);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(run.errors.contains(expected), "{}", run.errors);
    assert!(server.report().messages().is_empty());
}

#[test]
fn unusable_input_is_named_and_nothing_is_sent() {
    let server = host().tcp().unwrap();
    let url = url(&server);
    let arguments = |last: &'static str| {
        ["send", url.as_str(), "-f", "a@example.org", "-t", "b@example.org", last]
    };
    check_unusable(
        &server,
        &arguments("/no/such/file.eml"),
        b"",
        "/no/such/file.eml: No such file",
    );
    check_unusable(&server, &arguments("-"), b"", "-: the message is empty");
    let mixed = b"Subject: x\r\n\r\none\ntwo\r\n";
    check_unusable(&server, &arguments("-"), mixed, "-: line 3: ");
    check_unusable(&server, &arguments("-"), b"a\rb\n", "-: line 1: ");
    check_unusable(&server, &arguments("--header=Sub ject: 1"), b"", "--header");
    check_unusable(&server, &arguments("--subject=a\r\nBcc: c@example.org"), b"", "--subject: ");
    check_unusable(&server, &arguments("--timeout=0s"), b"", "--timeout");
    check_unusable(&server, &arguments("--to=b@@example.org"), b"", "--to: ");
    check_unusable(&server, &arguments("--mail-param=X OWN"), b"", "--mail-param: ");
    let no_scheme = ["send", "mail.example.org", "-f", "", "-t", "b@example.org"];
    check_unusable(&server, &no_scheme, b"", "write smtps://");
}

#[test]
fn a_unix_file_is_sent_with_crlf() {
    let server = host().tcp().unwrap();
    let arguments = ["send", &url(&server), "-f", "a@example.org", "-t", "b@example.org", "-"];
    let run = smtpkit_reading(&arguments, b"Subject: x\n\n.dot\n");
    assert_eq!(run.status, 0, "{run:?}");
    let report = server.finish().wait().unwrap();
    assert_eq!(report.messages()[0].text(), b"Subject: x\r\n\r\n.dot\r\n");
}

#[test]
fn a_message_is_made_of_options() {
    let server = host().tcp().unwrap();
    let attached = file("notes.txt", b"attached");
    let options = [
        "--subject",
        "Grüße",
        "--body",
        "Hello.",
        "--header",
        "X-Test: 1",
        "--attach",
        attached.to_str().unwrap(),
    ];
    assert_eq!(send_to(&server, &options).status, 0);
    let report = server.finish().wait().unwrap();
    let text = String::from_utf8_lossy(report.messages()[0].text()).into_owned();
    for expected in ["X-Test: 1\r\n", "Hello.", "filename=\"notes.txt\"", "Subject: =?utf-8?"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn a_field_that_is_given_replaces_the_one_that_is_made() {
    let server = host().tcp().unwrap();
    let options = ["--header", "Subject: given", "--header", "From: Ann <ann@example.org>"];
    assert_eq!(send_to(&server, &options).status, 0);
    let report = server.finish().wait().unwrap();
    let text = String::from_utf8_lossy(report.messages()[0].text()).into_owned();
    assert_eq!(text.matches("Subject: ").count(), 1, "{text}");
    assert_eq!(text.matches("From: ").count(), 1, "{text}");
}

#[test]
fn a_password_without_end_is_not_read_to_its_end() {
    let server = host().offer("AUTH PLAIN").user("tim", "secret").tcp().unwrap();
    let options = ["--clear-text", "--user", "tim", "--password-command", "yes secret"];
    let run = send_to(&server, &options);
    assert_eq!(run.status, 0, "{run:?}");
}

#[test]
fn a_session_stops_where_it_is_told_to() {
    let steps: [(&str, &[&str]); 5] = [
        ("--stop-after=hello", &["EHLO", "QUIT"]),
        ("--stop-after=mail", &["EHLO", "MAIL", "QUIT"]),
        ("--stop-after=rcpt", &["EHLO", "MAIL", "RCPT", "RCPT", "QUIT"]),
        ("--drop-after=rcpt", &["EHLO", "MAIL", "RCPT", "RCPT"]),
        ("--drop-after=data", &["EHLO", "MAIL", "RCPT", "RCPT", "DATA"]),
    ];
    for (step, expected) in steps {
        let server = host().tcp().unwrap();
        let run = send_to(&server, &[step, "--json", "-v"]);
        assert_eq!(run.status, 0, "{run:?}");
        let sent = run.of_type("dialogue").into_iter().filter(|line| line["from"] == "client");
        let verbs: Vec<String> =
            sent.map(|line| line["line"].as_str().unwrap()[..4].to_owned()).collect();
        assert_eq!(verbs, expected, "{step}");
        assert!(server.report().messages().is_empty());
    }
}

#[test]
fn parameters_reach_the_server() {
    let server = host().offer("DSN").offer("X-OWN").tcp().unwrap();
    let options = ["--dsn=success,failure", "--ret=headers", "--envid=a b", "--mail-param=X-OWN=1"];
    assert_eq!(send_to(&server, &options).status, 0);
    let report = server.finish().wait().unwrap();
    let dialogue = report.connections()[0].to_string();
    for expected in ["RET=HDRS", "ENVID=a+20b", "X-OWN=1", "NOTIFY=SUCCESS,FAILURE"] {
        assert!(dialogue.contains(expected), "{expected} in {dialogue}");
    }
}

#[test]
fn verify_asks_and_sends_nothing() {
    let server = host()
        .rule(Rule::on("VRFY b@example.org").reply("252 2.5.0 try"))
        .rule(Rule::on("RCPT TO:<c*").reply("550 5.1.1 unknown"))
        .tcp()
        .unwrap();
    let url = url(&server);
    let run = smtpkit(&["verify", &url, "-t", "b@example.org", "-t", "c@example.org", "--json"]);
    assert_eq!(run.status, 17, "{run:?}");
    let callout = &run.of_type("callout")[0];
    assert_eq!(callout["recipients"][1]["reply"]["enhanced"], "5.1.1");
    let vrfy = run.of_type("vrfy");
    assert_eq!((vrfy.len(), &vrfy[0]["reply"]["code"]), (2, &serde_json::json!(252)));
    assert!(server.finish().wait().unwrap().messages().is_empty());
}

#[test]
fn the_demonstration_demonstrates() {
    let run = smtpkit(&["demo"]);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.output.contains("IN DOUBT") && run.output.contains("queued as 4FBC2A"));
    assert!(!run.output.contains('\u{1b}'));
}

/// The scripts of the demonstration are scripts.
#[test]
fn a_script_that_the_client_leaves_is_noticed() {
    let script: Script = "S: 220 ready\nC: HELO never\nS: 250 no".parse().unwrap();
    let server = Server::tcp(script).unwrap();
    let run = send_to(&server, &[]);
    assert_ne!(run.status, 0);
    assert!(server.finish().wait().is_err());
}
