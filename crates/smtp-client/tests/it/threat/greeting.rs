//! The greeting and the offer of EHLO: rows R19 to R23 and R26 to R28.
use std::time::Duration;

use smtp_client::{Capabilities, Error, ErrorKind, Extension, Misbehaved, Step, session::Dialect};

use super::{BOTH, Fate, answered, asked, came_of, good, raw};
use crate::stage::{connector, is_refusal, leave_after, opening, play};

/// What is offered in these octets, EHLO's reply as a whole.
#[track_caller]
fn offered(octets: &[u8]) -> Capabilities {
    let script = asked(Dialect::Smtp, Step::Hello) + &raw(octets);
    let played = play(&script, &connector(Dialect::Smtp), async |connected| {
        connected.unwrap().capabilities().clone()
    });
    played.verdict.unwrap();
    played.outcome
}

fn extensions(capabilities: &Capabilities) -> Vec<Extension> {
    Extension::ALL.iter().copied().filter(|&one| capabilities.has(one)).collect()
}

fn mechanisms(capabilities: &Capabilities) -> Vec<String> {
    capabilities.mechanisms().map(|one| String::from_utf8_lossy(one).into_owned()).collect()
}

#[test]
fn r19_the_case_of_keywords() {
    let capabilities = offered(
        b"250-hi\r\n250-starttls\r\n250-Auth plain Login\r\n250-8bitmime\r\n250-sMtPuTf8\r\n\
          250-size 1000\r\n250 pipelining\r\n",
    );
    for extension in [
        Extension::StartTls,
        Extension::Auth,
        Extension::EightBitMime,
        Extension::SmtpUtf8,
        Extension::Size,
        Extension::Pipelining,
    ] {
        assert!(capabilities.has(extension), "{extension}");
    }
    assert_eq!(capabilities.size_limit(), Some(1000));
    let found = mechanisms(&capabilities);
    assert!(found.iter().any(|one| one.eq_ignore_ascii_case("PLAIN")), "{found:?}");
    // And it is used: a group of commands leaves at once.
    let group = "C| MAIL FROM:<a@example.org>\nC| RCPT TO:<b@example.org>\nC| DATA\nS: 250 s
S: 250 r\nS: 354 go\n[text]\nS: 250 taken\nC: NOOP\nS: 250 ok";
    let script = opening(Dialect::Smtp, &["pIPELINING"]) + group;
    assert_eq!(came_of(Dialect::Smtp, &script).alive(), Fate::Accepted);
}

#[test]
fn r20_the_first_line_of_ehlo_is_a_name() {
    for first in [
        "PIPELINING",
        "STARTTLS",
        "SIZE 10",
        "AUTH PLAIN",
        "AUTH=PLAIN",
        "8BITMIME SMTPUTF8",
        "mx.example PIPELINING",
        "CHUNKING",
        "",
        " ",
    ] {
        let alone = offered(format!("250 {first}\r\n").as_bytes());
        assert_eq!(extensions(&alone), [], "{first}");
        assert_eq!((alone.iter().count(), alone.size_limit()), (0, None), "{first}");
        let with = offered(format!("250-{first}\r\n250 VRFY\r\n").as_bytes());
        assert_eq!(extensions(&with), [Extension::Vrfy], "{first}");
        assert!(mechanisms(&with).is_empty(), "{first}");
    }
    // A server by the name of an extension, which it offers as well.
    let twice = offered(b"250-SIZE 10\r\n250 SIZE 20\r\n");
    assert_eq!(twice.size_limit(), Some(20));
}

#[test]
fn r21_mechanisms_in_several_lines() {
    for lines in [
        "250-AUTH PLAIN LOGIN\r\n250 AUTH=PLAIN LOGIN\r\n",
        "250-AUTH=PLAIN LOGIN\r\n250 AUTH LOGIN\r\n",
        "250-AUTH PLAIN\r\n250-AUTH plain LOGIN\r\n250 auth=LOGIN PLAIN\r\n",
        "250 AUTH=PLAIN LOGIN\r\n",
        "250 AUTH PLAIN LOGIN PLAIN LOGIN\r\n",
    ] {
        let capabilities = offered(format!("250-hi\r\n{lines}").as_bytes());
        assert_eq!(mechanisms(&capabilities), ["PLAIN", "LOGIN"], "{lines}");
    }
}

#[track_caller]
fn check_wrong_code(error: &Error, step: Step, code: u16) {
    match error.kind() {
        ErrorKind::Misbehaved(Misbehaved::WrongCode { step: at, reply }) => {
            assert_eq!((*at, reply.code().get()), (step, code));
        }
        other => panic!("{code} to {step}: {other:?}"),
    }
}

#[test]
fn r22_the_wrong_positive_code_to_ehlo() {
    for dialect in BOTH {
        for code in [200, 220, 221, 235, 251, 252, 299, 334, 354] {
            let answer = format!("S: {code}-hi\nS: {code} PIPELINING\n[expect-close]");
            let came = answered(dialect, Step::Hello, &answer);
            assert_eq!(came.spent(), Fate::NotSent);
            check_wrong_code(came.error(), Step::Hello, code);
        }
    }
}

#[test]
fn r23_helo_where_ehlo_is_unknown_and_nowhere_else() {
    let message = good(Dialect::Smtp);
    let message = &message[message.find("C: MAIL").unwrap()..];
    for code in [500, 502] {
        let helo = format!("S: {code} what?\nC: HELO client.example\nS: 250 old.example\n");
        let script = asked(Dialect::Smtp, Step::Hello) + &helo + message;
        let came = came_of(Dialect::Smtp, &(script + "C: NOOP\nS: 250 ok"));
        assert_eq!(came.alive(), Fate::Accepted);
    }
    for code in [421, 450, 451, 501, 503, 504, 521, 550, 554] {
        let refusal = format!("S: {code} no{}", leave_after(code));
        let came = answered(Dialect::Smtp, Step::Hello, &refusal);
        assert_eq!((came.spent(), came.error().step()), (Fate::NotSent, Step::Hello));
        assert_eq!(came.reply().code().get(), code);
    }
    // There is none in LMTP; nor where TLS is asked for, which row T5 shows.
    for code in [500, 502] {
        let refusal = format!("S: {code} no{}", leave_after(code));
        let came = answered(Dialect::Lmtp, Step::Hello, &refusal);
        assert_eq!((came.spent(), came.error().step()), (Fate::NotSent, Step::Hello));
    }
}

#[test]
fn r26_a_greeting_other_than_220() {
    for dialect in BOTH {
        for code in [200, 221, 250, 334, 354] {
            let came = answered(dialect, Step::Greeting, &format!("S: {code} hi\n[expect-close]"));
            assert_eq!(came.spent(), Fate::NotSent);
            check_wrong_code(came.error(), Step::Greeting, code);
        }
        for (code, transient) in
            [(421, true), (450, true), (500, false), (521, false), (554, false)]
        {
            let refusal = format!("S: {code} no{}", leave_after(code));
            let came = answered(dialect, Step::Greeting, &refusal);
            assert_eq!((came.spent(), came.error().step()), (Fate::NotSent, Step::Greeting));
            assert!(is_refusal(came.error()), "{:?}", came.outcome);
            assert_eq!((came.reply().code().get(), came.error().is_transient()), (code, transient));
        }
    }
}

#[test]
fn r27_a_slow_greeting_of_several_lines() {
    for wait in ["220-wait\\r\\n", "220-wait\\r\\n220-", "220-a\\r\\n220-b\\r\\n2"] {
        let slow = format!("[raw \"{wait}\"]\n[delay 6s]\n");
        let rest = match wait {
            wait if wait.ends_with("220-") => "[raw \"b\\r\\n220 go\\r\\n\"]\n",
            wait if wait.ends_with('2') => "[raw \"20 go\\r\\n\"]\n",
            _ => "S: 220 go\n",
        };
        let hello = &good(Dialect::Smtp)[asked(Dialect::Smtp, Step::Greeting).len()..];
        let hello = &hello[hello.find("C: EHLO").unwrap()..];
        let script = slow + rest + hello + "C: NOOP\nS: 250 ok";
        let came = came_of(Dialect::Smtp, &script);
        // What is sent before the last line is a departure from the script.
        assert_eq!((came.alive(), came.elapsed), (Fate::Accepted, Duration::from_secs(6)));
    }
}

#[test]
fn r28_odd_lines_in_the_offer() {
    for line in
        ["AUTH  PLAIN\tLOGIN ", "AUTH\tPLAIN LOGIN", "AUTH PLAIN  LOGIN\t", "AUTH\t PLAIN\t LOGIN"]
    {
        let capabilities = offered(format!("250-hi\r\n250 {line}\r\n").as_bytes());
        assert!(capabilities.has(Extension::Auth), "{line:?}");
        assert_eq!(mechanisms(&capabilities), ["PLAIN", "LOGIN"], "{line:?}");
    }
    let sixty: String = (0..60).map(|number| format!(" P{number}")).collect();
    let odd = format!(
        "250-hi\r\n250-X-MANY{sixty}\r\n250-SIZE  1000 \r\n250-=\r\n250- \r\n250-\t\r\n250-\x07\r\n250-"
    );
    let odd =
        [odd.as_bytes(), b"X-LATIN \xe9\xff\0\r\n250-\xc3\xa9\r\n250 PIPELINING\r\n"].concat();
    let capabilities = offered(&odd);
    assert_eq!(capabilities.find("X-MANY").unwrap().params().count(), 60);
    assert_eq!(capabilities.size_limit(), Some(1000));
    assert!(capabilities.has(Extension::Pipelining));
    assert_eq!(extensions(&capabilities).len(), 2);
}
