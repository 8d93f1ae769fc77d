//! Octets that are not a complete reply: they answer no command, and the error shows them.
use smtp_client::{
    Ended, Envelope, Error, ErrorKind, Excerpt, MailData, Misbehaved, Step, session::Dialect,
};

use crate::{
    stage::{connector, is_refusal, play, play_in, play_on},
    threat::asked,
    wait_timeout::bounds,
};

const BOTH: [Dialect; 2] = [Dialect::Smtp, Dialect::Lmtp];

/// The error of sending a message to a server that keeps to this script.
#[track_caller]
fn error_of(dialect: Dialect, script: &str) -> Error {
    let connector = connector(dialect).timeouts(bounds());
    let played = play(script, &connector, async |connected| {
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let text = MailData::new("a: b\r\n").unwrap();
        match connected {
            Ok(mut connection) => connection.send(&envelope, &text).await.unwrap_err(),
            Err(error) => error,
        }
    });
    played.outcome
}

#[track_caller]
fn check_shown(error: &Error, octets: &[u8]) {
    let excerpt = Excerpt::new(octets);
    assert_eq!(error.excerpt(), Some(&excerpt), "{error}");
    assert!(error.to_string().contains(&format!("(received \"{excerpt}\")")), "{error}");
}

#[test]
fn a_reply_that_breaks_off_is_shown() {
    let reply = "550-5.7.1 blocked by policy\r\n550 5.7.1 see https://example.org/";
    for dialect in BOTH {
        for step in
            [Step::Greeting, Step::Hello, Step::Mail, Step::Rcpt, Step::Data, Step::EndOfText]
        {
            for cut in [1, 3, 4, 20, 29, reply.len()] {
                let octets = &reply[..cut];
                let raw = format!("[raw \"{}\"]\n", octets.escape_default());
                // What is under way when a connection is reset is lost: let it arrive.
                for end in ["[close]", "[abort]", "[delay 1s]\n[reset]", "[stall]"] {
                    let error = error_of(dialect, &(asked(dialect, step) + &raw + end));
                    assert_eq!(error.step(), step, "{error}");
                    assert!(matches!(error.kind(), ErrorKind::Broken(_)), "{error}");
                    // It is no reply, even if it is the beginning of one.
                    assert_eq!(error.in_doubt(), step == Step::EndOfText, "{error}");
                    assert_eq!((error.reply(), error.advice()), (None, None));
                    check_shown(&error, octets.as_bytes());
                }
            }
        }
    }
}

#[test]
fn a_connection_that_ends_between_replies_has_nothing_to_show() {
    for step in [Step::Greeting, Step::Mail, Step::EndOfText] {
        for end in ["[close]", "[stall]"] {
            let error = error_of(Dialect::Smtp, &(asked(Dialect::Smtp, step) + end));
            assert_eq!(error.excerpt(), None, "{error}");
        }
    }
}

#[test]
fn lmtp_breaks_off_between_its_final_replies() {
    let rest = "C: MAIL FROM:<a@example.org>\nS: 250 ok\nC: RCPT TO:<b@example.org>\nS: 250 ok\n\
                C: RCPT TO:<c@example.org>\nS: 250 ok\nC: DATA\nS: 354 go\n[text]\n\
                S: 250 2.0.0 taken\n[raw \"452 4.2.2 mailb\"]\n[close]";
    play_in(Dialect::Lmtp, &[], rest, async |mut connection| {
        let envelope = Envelope::new("a@example.org", ["b@example.org", "c@example.org"]).unwrap();
        let text = MailData::new("a: b\r\n").unwrap();
        let error = connection.send(&envelope, &text).await.unwrap_err();
        let known: Vec<bool> = error.verdicts().map(|(_, one)| one.is_some()).collect();
        assert_eq!((known, error.in_doubt()), (vec![true, false], true));
        check_shown(&error, b"452 4.2.2 mailb");
    });
}

#[test]
fn of_many_messages_the_first_has_what_came() {
    let rest = "C| MAIL FROM:<a@example.org>\nC| RCPT TO:<b@example.org>\nC| DATA\nS: 250 ok\n\
                S: 250 ok\nS: 354 go\n[text]\n[raw \"451 4.3.0 disk f\"]\n[close]";
    play_on(&["PIPELINING"], rest, async |mut connection| {
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let text = MailData::new("a: b\r\n").unwrap();
        let messages = [0, 1].map(|_| smtp_client::Message::new(envelope.clone(), text.clone()));
        let mut sending = connection.send_many(messages).await.unwrap();
        let error = sending.next().await.unwrap().1.unwrap_err();
        check_shown(&error, b"451 4.3.0 disk f");
        assert!(sending.next().await.is_none_or(|(_, next)| next.unwrap_err().excerpt().is_none()));
    });
}

#[test]
fn a_malformed_reply_is_shown() {
    for (answer, shown) in [
        ("[raw \"mail server error\\r\\n\"]", &b"mail server error\r\n"[..]),
        ("[raw \"HTTP/1.1 400 Bad\\r\\nServer: x\\r\\n\"]", b"HTTP/1.1 400 Bad\r\nServer: x\r\n"),
        ("S: 250-one\n[raw \"* BAD\\x00\\x1b[2J\\r\\n\"]", b"250-one\r\n* BAD\0\x1b[2J\r\n"),
        ("S: 250-fine\nS: 550 5.7.1 no", b"250-fine\r\n550 5.7.1 no\r\n"),
        ("[raw \"25 ok\\r\\n\"]", b"25 ok\r\n"),
    ] {
        for step in [Step::Greeting, Step::Mail, Step::EndOfText] {
            if step == Step::Greeting && answer.contains("550") {
                continue;
            }
            let error = error_of(Dialect::Smtp, &(asked(Dialect::Smtp, step) + answer));
            assert!(matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Malformed(_))));
            check_shown(&error, shown);
        }
    }
}

#[test]
fn what_is_shown_is_bounded() {
    let long = "x".repeat(5000);
    let answer = format!("[raw \"{long}\"]");
    let error = error_of(Dialect::Smtp, &(asked(Dialect::Smtp, Step::Mail) + &answer));
    assert!(matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Malformed(_))), "{error}");
    check_shown(&error, "x".repeat(512).as_bytes());
}

#[test]
fn an_idle_connection_that_closes_shows_its_last_octets() {
    for octets in [
        "421 4.4.2 mx.example Error: time",
        "451 4.4.2 timeout, closing",
        "451 4.4.2 timeout, closing\r\n",
        "* BYE",
    ] {
        let rest = format!("[delay 1s]\n[raw \"{}\"]\n[close]", octets.escape_default());
        play_on(&[], &rest, async |mut connection| {
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            for _ in 0..2 {
                let error = connection.noop().await.unwrap_err();
                let closed = matches!(error.kind(), ErrorKind::Ended(Ended::Closed));
                assert!(closed, "{error:?}");
                check_shown(&error, octets.as_bytes());
            }
        });
    }
}

#[test]
fn octets_that_were_not_asked_for_are_shown() {
    play_on(&[], "[delay 1s]\n[raw \"250 o\"]\n[expect-close]", async |mut connection| {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let error = connection.noop().await.unwrap_err();
        let kind = ErrorKind::Misbehaved(Misbehaved::UnsolicitedOctets);
        assert_eq!(format!("{:?}", error.kind()), format!("{kind:?}"));
        check_shown(&error, b"250 o");
    });
}

#[test]
fn a_greeting_that_refuses_in_its_last_line_is_a_refusal() {
    for (lines, code, shown) in [
        ("S: 220-hello\nS: 521 5.7.1 blocked, see example.org", 521, "5.7.1 blocked"),
        ("S: 220-hello\nS: 220-there\nS: 554 no", 554, "there"),
        ("S: 220-hello\nS: 421 4.7.0 too many connections", 421, "too many connections"),
        ("S: 220-hello\nS: 521-blocked\nS: 521 see example.org", 521, "see example.org"),
    ] {
        for dialect in BOTH {
            let error = error_of(dialect, lines);
            assert!(is_refusal(&error), "{error:?}");
            assert_eq!((error.step(), error.is_transient()), (Step::Greeting, code == 421));
            assert_eq!(error.reply().unwrap().code(), code);
            assert!(error.to_string().contains(shown), "{error}");
        }
    }
}

#[test]
fn a_greeting_with_220_only_in_its_last_line_is_malformed() {
    for lines in
        ["S: 521-no\nS: 220 hi", "S: 220-hi\nS: 421-busy\nS: 220 hi", "S: 220-hi\nS: 250 hi"]
    {
        let error = error_of(Dialect::Smtp, &format!("{lines}\n[expect-close]"));
        assert!(matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Malformed(_))), "{error}");
        assert!(error.excerpt().is_some(), "{error}");
    }
    // What holds for the greeting holds for no other reply.
    let script = "S: 220 hi\nC: EHLO client.example\nS: 250-hi\nS: 554 no\n[expect-close]";
    let error = error_of(Dialect::Smtp, script);
    assert!(matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Malformed(_))), "{error}");
    check_shown(&error, b"250-hi\r\n554 no\r\n");
}
