//! smtplib of Python, where there is one.

use std::process::Command;

use smtp_testkit::{Lint, Protocol, Server, ServerBuilder};

/// Runs a program that finds the client in `client`, and the text in `text`.
fn run(class: &str, builder: ServerBuilder, program: &str) -> Option<smtp_testkit::Report> {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("python3 is not here: nothing was tried");
        return None;
    }
    let server = builder.deny([Lint::BareLf, Lint::MissingDotStuffing]).tcp().unwrap();
    let head = format!(
        "import smtplib\ntext = {:?}\nclient = smtplib.{class}('127.0.0.1', {})\n",
        crate::TEXT,
        server.addr().port()
    );
    let output = Command::new("python3").args(["-c", &(head + program)]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(server.finish().wait().unwrap())
}

const SEND: &str = "client.sendmail('a@example.org', ['b@example.org'], text)\nclient.quit()";

#[test]
fn a_message_arrives() {
    let Some(report) = run("SMTP", Server::builder(), SEND) else { return };
    assert_eq!(report.messages()[0].recipients(), ["b@example.org"]);
    assert_eq!(report.messages()[0].text(), crate::RECEIVED.as_bytes());
}

#[test]
fn a_message_arrives_by_lmtp() {
    let builder = Server::builder().protocol(Protocol::Lmtp);
    let Some(report) = run("LMTP", builder, SEND) else { return };
    assert_eq!(report.messages()[0].recipients(), ["b@example.org"]);
}

#[test]
fn every_mechanism_lets_it_in() {
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        let builder = Server::builder().offer(&format!("AUTH {mechanism}")).user("tim", "secret");
        let program = format!("client.login('tim', 'secret')\n{SEND}");
        let Some(report) = run("SMTP", builder, &program) else { return };
        let login = report.messages()[0].login().unwrap();
        assert_eq!((login.mechanism.as_str(), login.user.as_str()), (mechanism, "tim"));
    }
}
