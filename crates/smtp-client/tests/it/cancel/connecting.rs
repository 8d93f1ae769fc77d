//! Connecting, dropped after each of its polls, in every way to connect: nothing remains.
use std::{pin::pin, sync::Arc};

use smtp_client::{Connector, Security, session::Dialect};
use smtp_testkit::{Authority, Server as TestServer};
use tokio::task::yield_now;

use super::{poll_once, tell};
use crate::{
    record::Recorded,
    stage::{hello, opening, parse, perform},
    starttls::trusting,
};

/// A way to connect, and how the server behaves.
struct Course {
    name: &'static str,
    security: Security,
    script: String,
}

fn courses(dialect: Dialect) -> Vec<Course> {
    let clear = opening(dialect, &["STARTTLS"]);
    let asked = format!("{clear}C: STARTTLS\n");
    let secured = hello(dialect, &["PIPELINING"]);
    let split = |script: &str| script.replace("S: ", "[split 1]\nS: ");
    let greeting = |reply: &str| format!("S: {reply}");
    let course = |name, security, script| Course { name, security, script };
    vec![
        course("in clear", Security::Plain, clear.clone()),
        course("in clear, octet by octet", Security::Plain, split(&clear)),
        course("in clear, refused", Security::Plain, greeting("554 no")),
        course(
            "in clear, everything twice",
            Security::Plain,
            "[raw \"220 hi\\r\\n220 hi\\r\\n\"]".into(),
        ),
        course(
            "with STARTTLS",
            Security::StartTls,
            format!("{asked}S: 220 go\n[starttls]\n{secured}"),
        ),
        course(
            "with STARTTLS, octet by octet",
            Security::StartTls,
            format!("{}[split 1]\nS: 220 go\n[starttls]\n{}", split(&asked), split(&secured)),
        ),
        course("with STARTTLS, refused", Security::StartTls, format!("{asked}S: 454 later")),
        course(
            "with STARTTLS, everything twice",
            Security::StartTls,
            format!("{asked}[raw \"220 go\\r\\n220 go\\r\\n\"]"),
        ),
        course("with TLS", Security::Tls, format!("[tls]\nS: 220 hi\n{secured}")),
        course(
            "with TLS, octet by octet",
            Security::Tls,
            format!("[tls]\n[split 1]\nS: 220 hi\n{}", split(&secured)),
        ),
        course("with TLS, refused", Security::Tls, "[tls]\nS: 554 no".into()),
        course("with TLS, and the server has none", Security::Tls, greeting("220 hi")),
    ]
}

/// What a client may have sent: some of the commands in clear, and TLS after them.
#[track_caller]
fn check_said(course: &Course, dialect: Dialect, written: &[u8]) {
    let verb = if dialect == Dialect::Smtp { "EHLO" } else { "LHLO" };
    let refused = course.name.ends_with("refused");
    let clear = match course.security {
        Security::Tls => String::new(),
        Security::StartTls if refused => format!("{verb} client.example\r\nSTARTTLS\r\nQUIT\r\n"),
        Security::StartTls => format!("{verb} client.example\r\nSTARTTLS\r\n"),
        _ if refused => "QUIT\r\n".to_owned(),
        _ => format!("{verb} client.example\r\n"),
    };
    let told = format!("{}: {}", course.name, written.escape_ascii());
    if written.len() <= clear.len() {
        return assert!(clear.as_bytes().starts_with(written), "{told}");
    }
    assert!(written.starts_with(clear.as_bytes()), "{told}");
    // The records of a handshake, and what it protects.
    let mut rest = &written[clear.len()..];
    assert!(course.security != Security::Plain && rest[0] == 22, "{told}");
    while let [kind, 3, _, high, low, records @ ..] = rest {
        assert!((20..=23).contains(kind), "{told}");
        let length = usize::from(*high) << 8 | usize::from(*low);
        rest = &records[length.min(records.len())..];
    }
    assert!(rest.len() < 5, "{told}");
}

/// Drops a connect after this number of polls. Returns whether it had completed before.
async fn check(
    course: &Course,
    connector: &Connector,
    authority: &Authority,
    dialect: Dialect,
    polls: usize,
) -> bool {
    let builder = TestServer::builder().authority(authority.clone());
    let (_server, pipe) = builder.script(parse(&course.script)).pipe();
    let (pipe, record) = Recorded::new(pipe);
    let mut completed = false;
    {
        let mut connecting = Box::pin(connector.connect_over(pipe));
        for _ in 0..polls {
            if let std::task::Poll::Ready(connected) = poll_once(&mut connecting) {
                drop(connected);
                completed = true;
                break;
            }
            yield_now().await;
        }
    }
    assert_eq!(Arc::strong_count(&record), 1, "{}: the stream is still held", course.name);
    check_said(course, dialect, &record.lock().unwrap().written);
    completed
}

#[test]
fn connecting_is_dropped() {
    let authority = Authority::new();
    let mut all = 0;
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        for course in courses(dialect) {
            let connector = trusting(&authority, dialect, course.security);
            let cases = perform(async {
                let mut polls = 0;
                while !pin!(check(&course, &connector, &authority, dialect, polls)).await {
                    polls += 1;
                    assert!(polls < 10_000, "{} never completes", course.name);
                }
                polls
            });
            tell(&format!("Connect({dialect:?}, {}) dropped in {cases} cases", course.name));
            all += cases;
        }
    }
    tell(&format!("{all} cases in all"));
}
