//! curl, if it is installed.

use std::io::Write;
use std::process::{Command, Stdio};

use smtp_testkit::{Lint, Server};

#[test]
fn a_message_arrives() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("curl is not here: nothing was tried");
        return;
    }
    let server = Server::builder().offer("AUTH PLAIN").user("tim", "secret");
    let server = server.deny([Lint::BareLf, Lint::MissingDotStuffing]).tcp().unwrap();
    let mut curl = Command::new("curl")
        .args(["--silent", "--show-error", "--upload-file", "-", "--user", "tim:secret"])
        .args(["--mail-from", "a@example.org", "--mail-rcpt", "b@example.org"])
        .arg(format!("smtp://{}/client.example", server.addr()))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    curl.stdin.take().unwrap().write_all(crate::TEXT.as_bytes()).unwrap();
    assert!(curl.wait().unwrap().success());
    let report = server.finish().wait().unwrap();
    assert_eq!(report.messages()[0].recipients(), ["b@example.org"]);
    assert_eq!(report.messages()[0].text(), crate::RECEIVED.as_bytes());
    assert_eq!(report.messages()[0].login().unwrap().user, "tim");
}
