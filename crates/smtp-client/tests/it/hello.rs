//! The greeting, EHLO and LHLO, the fallback to HELO, and the capabilities in the reply.
use smtp_client::{
    Capabilities, Connector, Error, ErrorKind, Extension, Misbehaved, Security, Server, Step,
    session::Dialect,
};

use crate::stage::{Played, connector, is_refusal, leave_after, opening, play, play_on};

/// What comes of connecting; the script must be kept to.
#[track_caller]
fn connect(script: &str, connector: &Connector) -> Result<Capabilities, Error> {
    let Played { outcome, verdict, .. } = play(script, connector, async |connected| {
        connected.map(|connection| connection.capabilities().clone())
    });
    verdict.unwrap();
    outcome
}

#[track_caller]
fn check_greeting(greeting: &str, expected: Result<(), (u16, bool)>) {
    let script = match expected {
        Ok(()) => format!("{greeting}\nC: EHLO client.example\nS: 250 mx.example"),
        Err((code, true)) => greeting.to_owned() + leave_after(code),
        Err((_, false)) => greeting.to_owned(),
    };
    match (connect(&script, &connector(Dialect::Smtp)), expected) {
        (Ok(_), Ok(())) => {}
        (Err(error), Err((code, refused))) => {
            assert_eq!(error.step(), Step::Greeting);
            assert_eq!(error.reply().unwrap().code().get(), code);
            match error.kind() {
                _ if is_refusal(&error) => assert!(refused),
                ErrorKind::Misbehaved(Misbehaved::WrongCode { .. }) => assert!(!refused),
                other => panic!("{greeting}: {other:?}"),
            }
        }
        (found, _) => panic!("{greeting}: {found:?}"),
    }
}

#[test]
fn a_greeting_of_several_lines_is_waited_for() {
    check_greeting("S: 220-mx.example\n[delay 6s]\nS: 220-wait\n[delay 1m]\nS: 220 go", Ok(()));
    check_greeting("[split 1]\nS: 220-mx.example\nS: 220 go", Ok(()));
}

#[test]
fn an_unusual_greeting_with_220_is_accepted() {
    for greeting in ["S: 220", "[raw \"220 mx\\n\"]", "S: 220 m\u{fc}x", "S: 220-\nS: 220"] {
        check_greeting(greeting, Ok(()));
    }
}

#[test]
fn a_refusing_greeting_is_a_refusal() {
    for code in [554, 521, 500, 421, 450] {
        check_greeting(&format!("S: {code}-no\nS: {code} no"), Err((code, true)));
    }
}

#[test]
fn another_positive_greeting_is_the_wrong_code() {
    for code in [250, 354, 221, 200, 334] {
        check_greeting(&format!("S: {code} hi"), Err((code, false)));
    }
}

#[test]
fn other_protocols_are_malformed() {
    for banner in [
        "* OK IMAP4rev1 ready",
        "+OK POP3 ready",
        "HTTP/1.1 400 Bad Request",
        "SSH-2.0-OpenSSH_9.2",
        "",
        "199 hm",
        "600 hm",
        "2200 hm",
        "220hm",
        " 220 hm",
        "22",
    ] {
        let error = connect(&format!("S: {banner}"), &connector(Dialect::Smtp)).unwrap_err();
        assert_eq!(error.step(), Step::Greeting, "{banner}");
        let malformed = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Malformed(_)));
        assert!(malformed, "{banner}: {error:?}");
    }
}

#[test]
fn the_greeting_is_kept() {
    play_on(&[], "", async |connection| {
        assert_eq!(connection.greeting().unwrap().as_bytes(), b"mx.example ready");
    });
}

#[test]
fn a_server_that_does_not_know_ehlo_is_greeted_with_helo() {
    for code in [500, 502] {
        let script = format!(
            "S: 220 old.example\nC: EHLO client.example\nS: {code} what?\n\
             C: HELO client.example\nS: 250-old.example\nS: 250 PIPELINING"
        );
        let capabilities = connect(&script, &connector(Dialect::Smtp)).unwrap();
        assert_eq!(capabilities, Capabilities::none(), "HELO offers nothing");
    }
}

#[test]
fn helo_can_be_refused_too() {
    for code in [421, 500, 502, 550] {
        let script = format!(
            "S: 220 old.example\nC: EHLO client.example\nS: 500 what?\n\
             C: HELO client.example\nS: {code} no{}",
            leave_after(code)
        );
        check_refused_hello(&script, &connector(Dialect::Smtp), code);
    }
}

#[test]
fn other_refusals_of_ehlo_are_final() {
    for code in [421, 450, 451, 501, 503, 504, 521, 530, 550, 554] {
        let leave = leave_after(code);
        let script = format!("S: 220 hi\nC: EHLO client.example\nS: {code} no{leave}");
        check_refused_hello(&script, &connector(Dialect::Smtp), code);
    }
}

#[test]
fn with_required_starttls_helo_is_never_sent() {
    for code in [500, 502] {
        let leave = leave_after(code);
        let script = format!("S: 220 hi\nC: EHLO client.example\nS: {code} no{leave}");
        let server = Server::tcp("localhost", 587).security(Security::StartTls);
        let connector = Connector::new(server).hello_name("client.example".parse().unwrap());
        check_refused_hello(&script, &connector, code);
    }
}

#[test]
fn lmtp_knows_no_helo() {
    for code in [421, 500, 502, 550] {
        let leave = leave_after(code);
        let script = format!("S: 220 hi\nC: LHLO client.example\nS: {code} no{leave}");
        check_refused_hello(&script, &connector(Dialect::Lmtp), code);
    }
}

#[track_caller]
fn check_refused_hello(script: &str, connector: &Connector, code: u16) {
    let error = connect(script, connector).unwrap_err();
    assert_eq!(error.step(), Step::Hello);
    assert!(is_refusal(&error), "{error:?}");
    assert_eq!(error.reply().unwrap().code().get(), code);
}

#[test]
fn another_positive_reply_to_ehlo_is_the_wrong_code() {
    for (dialect, verb) in [(Dialect::Smtp, "EHLO"), (Dialect::Lmtp, "LHLO")] {
        for code in [200, 220, 251, 252, 334, 354] {
            let script = format!("S: 220 hi\nC: {verb} client.example\nS: {code} SIZE 10");
            let error = connect(&script, &connector(dialect)).unwrap_err();
            let misbehaved = ErrorKind::Misbehaved(Misbehaved::WrongCode {
                step: Step::Hello,
                reply: error.reply().unwrap().clone(),
            });
            assert_eq!(format!("{:?}", error.kind()), format!("{misbehaved:?}"));
            assert_eq!(error.reply().unwrap().code().get(), code);
        }
    }
}

#[test]
fn a_reply_that_precedes_ehlo_is_unsolicited() {
    for greeting in [
        "S: 220 hi\nS: 250-evil\nS: 250 SIZE 1",
        "S: 220 hi\n[raw \"250-evil\\r\\n250 SIZE 1\\r\\n\"]",
    ] {
        let error = connect(greeting, &connector(Dialect::Smtp)).unwrap_err();
        assert_eq!(error.step(), Step::Hello);
        let unsolicited = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)));
        assert!(unsolicited, "{greeting}: {error:?}");
    }
}

#[test]
fn lmtp_sends_lhlo() {
    let script = opening(Dialect::Lmtp, &["PIPELINING"]);
    let capabilities = connect(&script, &connector(Dialect::Lmtp)).unwrap();
    assert!(capabilities.has(Extension::Pipelining));
}

#[test]
fn without_a_name_the_client_is_localhost() {
    let script = "S: 220 hi\nC: EHLO localhost\nS: 250 hello";
    connect(script, &Connector::new(Server::tcp("mx.example", 25))).unwrap();
}

#[test]
fn capabilities_are_kept_as_they_came() {
    let lines = ["X-NEW  a\tb ", "auth=PLAIN LOGIN", "AUTH login CRAM-MD5", "\u{e9}t\u{e9}", ""];
    let script = opening(Dialect::Smtp, &lines);
    let capabilities = connect(&script, &connector(Dialect::Smtp)).unwrap();
    let raw: Vec<&[u8]> = capabilities.iter().map(|one| one.as_bytes()).collect();
    assert_eq!(raw, lines.map(str::as_bytes));
    assert_eq!(capabilities.find("x-new").unwrap().params().count(), 2);
    let mechanisms: Vec<&[u8]> = capabilities.mechanisms().collect();
    assert_eq!(mechanisms, [&b"PLAIN"[..], b"LOGIN", b"CRAM-MD5"]);
}

#[test]
fn the_first_line_is_never_a_capability() {
    for first in ["PIPELINING", "STARTTLS", "SIZE 10", "8BITMIME SMTPUTF8"] {
        let script = format!("S: 220 hi\nC: EHLO client.example\nS: 250-{first}\nS: 250 VRFY");
        let capabilities = connect(&script, &connector(Dialect::Smtp)).unwrap();
        assert_eq!(capabilities.iter().count(), 1);
        let offered = Extension::ALL.iter().filter(|&&one| capabilities.has(one));
        assert_eq!(offered.collect::<Vec<_>>(), [&Extension::Vrfy]);
        assert_eq!(capabilities.size_limit(), None);
    }
    let script = "S: 220 hi\nC: EHLO client.example\nS: 250 PIPELINING";
    let capabilities = connect(script, &connector(Dialect::Smtp)).unwrap();
    assert!(!capabilities.has(Extension::Pipelining));
}

#[test]
fn odd_lines_harm_no_other() {
    let odd = ["", " ", "=", "\t", "-", "SIZE", "SIZE x", "SIZE 99999999999999999999", "\u{7}"];
    let long = format!("X {}", "y".repeat(3000));
    let lines: Vec<&str> = odd.into_iter().chain([&*long, "pipelining", "8bitmime"]).collect();
    let script = opening(Dialect::Smtp, &lines);
    let capabilities = connect(&script, &connector(Dialect::Smtp)).unwrap();
    assert!(capabilities.has(Extension::Pipelining));
    assert!(capabilities.has(Extension::EightBitMime));
    assert_eq!(capabilities.size_limit(), None);
}

#[test]
fn a_reply_with_too_much_in_it_is_malformed() {
    let many = "S: 250-X000001\n".repeat(600);
    let long = format!("S: 250-{}\n", "x".repeat(5000));
    let much = format!("S: 250-{}\n", "x".repeat(1000)).repeat(100);
    for lines in [many, long, much] {
        let script = format!("S: 220 hi\nC: EHLO client.example\n{lines}S: 250 ok");
        let error = connect(&script, &connector(Dialect::Smtp)).unwrap_err();
        assert_eq!(error.step(), Step::Hello);
        let malformed = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Malformed(_)));
        assert!(malformed, "{error:?}");
    }
}

#[test]
fn a_refusal_of_ehlo_before_the_close_is_the_error() {
    let script = "S: 220 hi\nC: EHLO client.example\nS: 502 5.5.1 not for you\n\
        C: HELO client.example\n[close]";
    let error = connect(script, &connector(Dialect::Smtp)).unwrap_err();
    assert_eq!(error.step(), Step::Hello);
    assert_eq!(error.explanation(), Some("5.5.1 not for you"));
}
