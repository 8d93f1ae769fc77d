//! STARTTLS, and injection after it: rows T1 to T11, T16, T17, T21 and T22.
use std::time::Duration;

use smtp_client::{
    Broken, Capabilities, Connector, Error, ErrorKind, Extension, Misbehaved, Reply, ReplyCode,
    Security, Server, Step, Tls, Unsupported,
    session::{Dialect, Session},
};
use smtp_testkit::Server as TestServer;

use super::{failure, plain_message, protected};
use crate::{
    stage::{hello, is_refusal, leave_after, opening, parse},
    threat::{BOTH, Fate, MESSAGE, fate, raw, send},
    tls::check_nothing_in_clear,
    wait_timeout::bounds,
};

/// The client as far as STARTTLS, and more on offer than there is inside TLS.
fn starttls(dialect: Dialect) -> String {
    let keywords = ["STARTTLS", "PIPELINING", "SIZE 10", "8BITMIME", "CHUNKING", "AUTH PLAIN"];
    opening(dialect, &keywords) + "C: STARTTLS\n"
}

#[track_caller]
fn check_attack(error: &Error, case: &str) {
    let attack = ErrorKind::Misbehaved(Misbehaved::PlaintextAfterStartTls);
    assert_eq!(format!("{:?}", error.kind()), format!("{attack:?}"), "{case}");
    assert_eq!((error.step(), error.in_doubt()), (Step::StartTls, false), "{case}");
}

const FORGED_OFFER: &str = "250-evil\r\n250 AUTH PLAIN LOGIN\r\n";

const FORGED_SESSION: &str =
    "250-evil\r\n250 8BITMIME\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued as FORGED\r\n";

/// Octets that are no whole line: the beginning of a reply, ends of lines, what TLS looks like.
const SCRAPS: [&[u8]; 16] = [
    b"2",
    b"25",
    b"250 evi",
    b"250-",
    b"\r",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"\0",
    b"\xFF",
    b"\x16\x03\x03\x00\x01\x00",
    b"\x15\x03\x03\x00\x02\x01\x00",
    b"\x14\x03\x03\x00\x01\x01",
    b"220 go",
    b"EHLO client.example",
];

#[test]
fn t1_reply_injection_after_starttls() {
    for dialect in BOTH {
        let go = raw(format!("220 go\r\n{FORGED_OFFER}").as_bytes());
        let error = failure(dialect, Security::StartTls, &(starttls(dialect) + &go));
        check_attack(&error, FORGED_OFFER);
    }
}

#[tokio::test]
async fn t1_reply_injection_over_tcp() {
    for forged in [FORGED_OFFER, FORGED_SESSION, "2"] {
        let go = raw(format!("220 go\r\n{forged}").as_bytes());
        let script = parse(&(starttls(Dialect::Smtp) + &go));
        let server = TestServer::builder().script(script).tcp().unwrap();
        let address = Server::tcp("127.0.0.1", server.addr().port()).security(Security::StartTls);
        let tls = Tls::authorities([server.authority_der().to_vec().into()]).unwrap();
        let name = "client.example".parse().unwrap();
        let connector = Connector::new(address).hello_name(name).tls(tls);
        check_attack(&connector.connect().await.unwrap_err(), forged);
        server.finish().await.unwrap();
    }
}

#[test]
fn t2_a_whole_session_is_forged() {
    for dialect in BOTH {
        let go = raw(format!("220 go\r\n{FORGED_SESSION}").as_bytes());
        let script = starttls(dialect) + &go;
        let played = protected(dialect, Security::StartTls, &script, async |connected| {
            send(&mut connected?).await
        });
        assert_eq!(fate(&played.outcome), Fate::NotSent);
        check_attack(&played.outcome.unwrap_err(), FORGED_SESSION);
        played.verdict.unwrap();
    }
}

#[test]
fn t3_partial_lines_after_starttls() {
    for go in ["220 go\r\n", "220-a\r\n220 b\r\n", "220\r\n", "220 go\n", "220 go\r\r\n"] {
        for scrap in SCRAPS {
            let octets = [go.as_bytes(), scrap].concat();
            // In one segment, and cut wherever it can be.
            for cut in 0..octets.len() {
                let (first, second) = octets.split_at(cut);
                let first = if cut > 0 { raw(first) } else { String::new() };
                let script = starttls(Dialect::Smtp) + &first + &raw(second);
                let error = failure(Dialect::Smtp, Security::StartTls, &script);
                check_attack(&error, &script);
            }
        }
    }
    let much = [b"220 go\r\n", &b"x".repeat(60_000)[..]].concat();
    let script = starttls(Dialect::Smtp) + &raw(&much);
    check_attack(&failure(Dialect::Smtp, Security::StartTls, &script), "much");
}

#[test]
fn t4_injection_in_a_later_segment() {
    for injected in [FORGED_OFFER, FORGED_SESSION, "500 no TLS\r\n", "\r\n"] {
        let late = raw(injected.as_bytes());
        let script = format!("{}S: 220 go\n[delay 50ms]\n{late}[close]", starttls(Dialect::Smtp));
        let played = protected(Dialect::Smtp, Security::StartTls, &script, async |connected| {
            connected.unwrap_err()
        });
        let error = played.outcome;
        assert_eq!(error.step(), Step::Handshake, "{injected}");
        let broken = matches!(error.kind(), ErrorKind::Broken(Broken::Tls(_) | Broken::Closed));
        assert!(broken, "{injected}: {error:?}");
        check_nothing_in_clear(&played.written, Security::StartTls, injected);
    }
}

#[test]
fn t5_starttls_stripped_from_the_offer() {
    let lacking = Unsupported::Extension(Extension::StartTls);
    for dialect in BOTH {
        for offer in [
            opening(dialect, &["AUTH PLAIN", "8BITMIME"]),
            opening(dialect, &["XSTARTTLS", "STARTTLSX", "X STARTTLS", " STARTTLS", "-STARTTLS"]),
            opening(dialect, &[]).replace("S: 250 mx.example", "S: 250 STARTTLS"),
            opening(dialect, &["HELP"]).replace("S: 250-mx.example", "S: 250-STARTTLS"),
        ] {
            let error = failure(dialect, Security::StartTls, &(offer.clone() + "C: QUIT"));
            assert_eq!(error.step(), Step::StartTls);
            let found = matches!(error.kind(), ErrorKind::Unsupported(found) if *found == lacking);
            assert!(found, "{offer}: {error:?}");
        }
    }
    // If EHLO itself is refused, neither HELO nor anything else is sent.
    for code in [500, 502] {
        let script = format!("S: 220 hi\nC: EHLO client.example\nS: {code} what?\nC: QUIT");
        let error = failure(Dialect::Smtp, Security::StartTls, &script);
        assert_eq!((error.step(), error.reply().unwrap().code().get()), (Step::Hello, code));
    }
}

#[test]
fn t7_starttls_refused() {
    for dialect in BOTH {
        for code in [421, 454, 501, 502, 503, 554] {
            let script = format!("{}S: {code} no{}", starttls(dialect), leave_after(code));
            let error = failure(dialect, Security::StartTls, &script);
            assert!(is_refusal(&error), "{error:?}");
            assert_eq!((error.step(), error.reply().unwrap().code().get()), (Step::StartTls, code));
        }
    }
}

#[test]
fn t8_only_220_begins_a_handshake() {
    for dialect in BOTH {
        for code in [200, 221, 235, 250, 299, 334, 354] {
            let script = format!("{}S: {code} ok\n[expect-close]", starttls(dialect));
            let error = failure(dialect, Security::StartTls, &script);
            let wrong = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::WrongCode { .. }));
            assert!(wrong && error.step() == Step::StartTls, "{error:?}");
        }
    }
}

#[test]
fn t9_a_reply_that_precedes_its_command() {
    let greeted = "S: 220 hi\n";
    let offered = opening(Dialect::Smtp, &["STARTTLS"]);
    let inside = format!(
        "{}S: 220 go\n[starttls]\n{}",
        starttls(Dialect::Smtp),
        hello(Dialect::Smtp, &["PIPELINING"])
    );
    let (early, rest) = (raw(b"220 g"), raw(b"o\r\n"));
    for (script, step) in [
        // Glued to the reply before, in a segment of its own, and begun too early.
        (format!("{greeted}S: 250-evil\nS: 250 STARTTLS"), Step::Hello),
        (format!("{greeted}{}", raw(b"250-evil\r\n250 STARTTLS\r\n")), Step::Hello),
        (format!("{offered}S: 220 go"), Step::StartTls),
        (format!("{offered}{}", raw(b"220 go\r\n")), Step::StartTls),
        (format!("{offered}{early}C: STARTTLS\n{rest}[expect-close]"), Step::StartTls),
        (format!("{inside}S: 250 sender"), Step::Mail),
        (format!("{inside}S: 250 sender\nS: 250 rcpt\nS: 354 go\nS: 250 FORGED"), Step::Mail),
        (format!("{inside}{}", raw(b"250 send")), Step::Mail),
    ] {
        let played = protected(Dialect::Smtp, Security::StartTls, &script, async |connected| {
            send(&mut connected?).await
        });
        assert_eq!(fate(&played.outcome), Fate::NotSent, "{script}");
        let error = played.outcome.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Misbehaved(_)), "{script}: {error:?}");
        assert_eq!(error.step(), step, "{script}");
        played.verdict.unwrap();
    }
}

#[test]
fn t10_what_was_offered_in_clear_is_forgotten() {
    let script = format!(
        "{}S: 220 go\n[starttls]\n{}{}",
        starttls(Dialect::Smtp),
        hello(Dialect::Smtp, &[]),
        plain_message()
    );
    let played = protected(Dialect::Smtp, Security::StartTls, &script, async |connected| {
        let mut connection = connected.unwrap();
        assert_eq!(connection.capabilities().iter().count(), 0);
        assert!(MESSAGE.len() > 10, "more than was offered in clear");
        send(&mut connection).await
    });
    played.verdict.unwrap();
    assert_eq!(fate(&played.outcome), Fate::Accepted);
    // It is gone before anything else can be offered.
    let mut session = Session::default();
    session.set_capabilities(Capabilities::from_reply(Reply::new(ReplyCode::OK, "hi\nPIPELINING")));
    assert!(session.capabilities().has(Extension::Pipelining));
    session.secured("TLSv1_3", "TLS13_AES_256_GCM_SHA384");
    assert_eq!(session.capabilities(), &Capabilities::none());
}

#[test]
fn t11_ehlo_fails_inside_tls() {
    for dialect in BOTH {
        let hello = hello(dialect, &[]);
        let command = hello.lines().next().unwrap();
        for code in [421, 450, 500, 502, 504, 550, 554] {
            let inside = format!("{command}\nS: {code} no{}", leave_after(code));
            let script = format!("{}S: 220 go\n[starttls]\n{inside}", starttls(dialect));
            let error = failure(dialect, Security::StartTls, &script);
            assert!(is_refusal(&error), "{error:?}");
            assert_eq!((error.step(), error.reply().unwrap().code().get()), (Step::Hello, code));
        }
    }
}

#[test]
fn t16_the_handshake_stalls() {
    for go in ["S: 220 go\n", "S: 220 go\n[delay 1s]\n[raw \"\\x16\\x03\\x03\\x00\"]\n"] {
        for dialect in BOTH {
            let script = format!("{}{go}[stall]", starttls(dialect));
            let played = protected(dialect, Security::StartTls, &script, async |connected| {
                connected.unwrap_err()
            });
            assert_eq!(played.outcome.step(), Step::Handshake);
            let timed_out = ErrorKind::Broken(Broken::TimedOut { after: bounds().handshake });
            assert_eq!(format!("{:?}", played.outcome.kind()), format!("{timed_out:?}"));
            assert_eq!(played.elapsed, bounds().handshake);
        }
    }
}

#[test]
fn t17_plaintext_in_place_of_the_handshake() {
    for words in ["500 TLS broken\\r\\n", "421 no\\r\\n", "250-evil\\r\\n250 AUTH PLAIN\\r\\n"] {
        let script =
            format!("{}S: 220 go\n[delay 1s]\n[raw \"{words}\"]\n[stall]", starttls(Dialect::Smtp));
        let played = protected(Dialect::Smtp, Security::StartTls, &script, async |connected| {
            connected.unwrap_err()
        });
        let error = played.outcome;
        assert_eq!(error.step(), Step::Handshake);
        assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Tls(_))), "{error:?}");
        assert!(error.reply().is_none(), "no reply was read in what is no TLS");
        assert_eq!(played.elapsed, Duration::from_secs(1), "at once");
        check_nothing_in_clear(&played.written, Security::StartTls, words);
    }
}

#[test]
fn t21_starttls_is_offered_again_inside_tls() {
    let inside = hello(Dialect::Smtp, &["STARTTLS"]) + &plain_message();
    for script in [
        format!("{}S: 220 go\n[starttls]\n{inside}", starttls(Dialect::Smtp)),
        format!("[tls]\nS: 220 hi\n{inside}"),
    ] {
        let security = if script.starts_with("[tls]") { Security::Tls } else { Security::StartTls };
        let played = protected(Dialect::Smtp, security, &script, async |connected| {
            send(&mut connected?).await
        });
        assert_eq!(fate(&played.outcome), Fate::Accepted);
        played.verdict.unwrap();
    }
}

#[test]
fn t22_a_go_ahead_of_several_lines() {
    for dialect in BOTH {
        for go in [
            raw(b"220-a\r\n") + &raw(b"220 b\r\n"),
            raw(b"220-a\r\n220") + &raw(b" b\r\n"),
            "[split 1]\nS: 220-a\nS: 220-b\nS: 220 c\n".to_owned(),
        ] {
            let script = format!("{}{go}[starttls]\n{}", starttls(dialect), hello(dialect, &[]));
            let played = protected(dialect, Security::StartTls, &script, async |connected| {
                connected.map(drop).unwrap();
            });
            // No octet of it remains: one would be an error.
            played.verdict.unwrap();
        }
    }
}
