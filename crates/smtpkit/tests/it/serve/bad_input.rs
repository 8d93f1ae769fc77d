//! What cannot be served: one line that says why, exit status 2, and nothing listens.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::program::smtpkit;

/// Checks that `serve` with these options ends at once with this error.
#[track_caller]
fn check(options: &[&str], error: &str) {
    let run = smtpkit(&[&["serve"], options].concat());
    assert_eq!(run.status, 2, "{run:?}");
    assert_eq!(run.output, "", "nothing listens: {run:?}");
    assert!(run.errors.contains(error), "{run:?}");
}

/// The same, and the error is this one line.
#[track_caller]
fn check_line(options: &[&str], error: &str) {
    check(options, error);
    let run = smtpkit(&[&["serve"], options].concat());
    assert_eq!(run.errors.lines().count(), 1, "{run:?}");
    assert!(run.errors.starts_with(&format!("error: {error}")), "{run:?}");
}

fn file(name: &str, content: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_size_that_cannot_be_kept() {
    let error = "--max-size: a message of this size does not fit into --max-octets";
    check_line(&["--smtp", "0", "--max-octets", "1K", "--max-size", "2K"], error);
}

#[test]
fn a_port_in_use() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let cannot = |option: &str| format!("{option}: cannot listen on {address}: ");
    check_line(&["--smtp", &address, "--no-http"], &cannot("--smtp"));
    check_line(&["--lmtp", &address, "--no-http"], &cannot("--lmtp"));
    check_line(&["--smtp", "0", "--http", &address], &cannot("--http"));
}

#[test]
fn a_bad_address() {
    let write = "write a port, such as 1025, or an address and a port";
    for address in ["mail.example.org", "127.0.0.1", "70000", ""] {
        check(&["--smtp", address], write);
    }
    check(&["--http", "*:80"], "write 0.0.0.0:PORT or [::]:PORT");
    check(&["--lmtp", "unix:"], "write the path of the socket after unix:");
}

#[test]
fn a_rule_with_a_mistake() {
    let path = file("mistake.toml", "[[rule]]\non = \"RCPT *\"\nreplyy = \"451\"\n");
    let place = format!("{path}: line 3, column 1: unknown field `replyy`, expected one of `on`");
    check_line(&["--rules", &path], &place);
    check_line(&["--rules", "/nowhere/rules.toml"], "/nowhere/rules.toml: No such file");
    check_line(&["--rule", "on = RCPT"], "--rule: column 6: ");
    check_line(&["--rule", "on = \"RCPT *\""], "--rule: column 1: write reply");
}

#[test]
fn users_and_logins() {
    let empty = file("no-users", "# none\n");
    let write = format!("{empty}: the file has no user; write name:password in a line");
    check_line(&["--submission", "0", "--users", &empty], &write);
    let secret = file("bad-users", "tim:tan\nhunter2\n");
    let write = format!("{secret}: line 2: write name:password");
    check_line(&["--submission", "0", "--users", &secret], &write);
    check(&["--submission", "0"], "--users <FILE>|--any-login");
}

#[test]
fn certificates_names_and_limits() {
    let pem = file("no-certificate.pem", "none\n");
    check_line(&["--cert", &pem, "--key", &pem], "--cert: the certificate cannot be read: ");
    check(&["--cert", &pem], "--key <FILE>");
    check_line(&["--name", "b\u{fc}cher.example"], "--name: ");
    check(&["--certificate", "old"], "[possible values: good, expired, ");
    check_line(&["--tolerate", "lf"], "--tolerate: \"lf\": no mistake has this name; write all");
    check_line(&["--offer", "SIZE\r\n1"], "--offer: ");
    check(&["--max-octets", "many"], "write a number of octets, such as 1000000, 500K");
    check_line(&["--maildir", "/dev/null/mail"], "/dev/null/mail: ");
}

#[cfg(unix)]
#[test]
fn a_socket_that_is_there() {
    let path = file("socket-that-is-there", "");
    let options = ["--lmtp", &format!("unix:{path}"), "--no-http"];
    check_line(&options, &format!("--lmtp: cannot listen on {path}: "));
}
