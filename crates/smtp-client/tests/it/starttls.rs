//! STARTTLS: from the offer to the second EHLO, and every injection in between.
use std::time::Duration;

use smtp_client::{
    Broken, Capabilities, Connection, Connector, Ended, Envelope, Error, ErrorKind, Extension,
    MailData, Misbehaved, Security, Server, Step, Timeouts, Tls, Unsupported,
    session::{Dialect, Hello, Session},
};
use smtp_testkit::{Authority, Report, Server as TestServer};
use tokio::time::Instant;

use crate::{
    stage::{hello, is_refusal, leave_after, opening, parse, perform},
    wait_timeout::bounds,
};

/// A connector that trusts this authority.
pub(crate) fn trusting(authority: &Authority, dialect: Dialect, security: Security) -> Connector {
    let server = Server::tcp("localhost", 587).dialect(dialect).security(security);
    let tls = Tls::authorities([authority.der().to_vec().into()]).unwrap();
    Connector::new(server).hello_name("client.example".parse().unwrap()).tls(tls)
}

/// The client as far as STARTTLS, which is offered.
fn asked(dialect: Dialect) -> String {
    opening(dialect, &["STARTTLS", "PIPELINING", "SIZE 10", "AUTH PLAIN"]) + "C: STARTTLS\n"
}

/// What comes of connecting with STARTTLS, and of what is done then. The script must be kept to;
/// where it does not end the connection, it sees that nothing more is sent.
#[track_caller]
fn play<T>(
    dialect: Dialect,
    script: &str,
    act: impl AsyncFnOnce(Result<Connection, Error>) -> T,
) -> (T, Report, Duration) {
    let authority = Authority::new();
    let connector = trusting(&authority, dialect, Security::StartTls).timeouts(bounds());
    let (outcome, verdict, elapsed) = perform(async {
        let builder = TestServer::builder().authority(authority).script(parse(script));
        let (server, pipe) = builder.pipe();
        let begun = Instant::now();
        let outcome = act(connector.connect_over(pipe).await).await;
        (outcome, server.finish().await, begun.elapsed())
    });
    (outcome, verdict.unwrap(), elapsed)
}

#[track_caller]
fn failure(dialect: Dialect, script: &str) -> Error {
    play(dialect, script, async |connected| connected.unwrap_err()).0
}

const BOTH: [Dialect; 2] = [Dialect::Smtp, Dialect::Lmtp];

#[test]
fn after_the_handshake_everything_is_protected() {
    for dialect in BOTH {
        let script = format!(
            "{}S: 220 go\n[starttls]\n{}C: NOOP\nS: 250 ok\nC: QUIT\nS: 221 bye",
            asked(dialect),
            hello(dialect, &["VRFY"])
        );
        let (_, report, _) = play(dialect, &script, async |connected| {
            let mut connection = connected.unwrap();
            connection.noop().await.unwrap();
            connection.quit().await.unwrap();
        });
        assert!(report.connections()[0].tls().unwrap().close_notify);
    }
}

#[test]
fn without_the_offer_nothing_more_is_sent() {
    for dialect in BOTH {
        for keywords in [&[][..], &["X-STARTTLS"], &["STARTTLSX", "AUTH PLAIN"]] {
            let error = failure(dialect, &(opening(dialect, keywords) + "C: QUIT"));
            assert_eq!(error.step(), Step::StartTls);
            let lacking = Unsupported::Extension(Extension::StartTls);
            let found = matches!(error.kind(), ErrorKind::Unsupported(found) if *found == lacking);
            assert!(found, "{error:?}");
        }
    }
}

#[test]
fn a_refusal_ends_the_attempt() {
    for code in [421, 454, 500, 501, 502, 530, 554] {
        let refused = format!("{}S: {code} no{}", asked(Dialect::Smtp), leave_after(code));
        let error = failure(Dialect::Smtp, &refused);
        assert!(is_refusal(&error), "{error:?}");
        assert_eq!((error.step(), error.reply().unwrap().code().get()), (Step::StartTls, code));
    }
}

#[test]
fn only_220_begins_a_handshake() {
    for code in [200, 221, 235, 250, 334, 354] {
        let error = failure(Dialect::Smtp, &format!("{}S: {code} ok", asked(Dialect::Smtp)));
        let wrong = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::WrongCode { .. }));
        assert!(wrong, "{error:?}");
        assert_eq!((error.step(), error.reply().unwrap().code().get()), (Step::StartTls, code));
    }
}

#[test]
fn a_220_of_several_lines_is_accepted() {
    for go in [
        "S: 220-a\nS: 220 b",
        "[raw \"220-a\\r\\n\"]\n[raw \"220 b\\r\\n\"]",
        "[split 1]\nS: 220 b",
    ] {
        let script =
            format!("{}{go}\n[starttls]\n{}", asked(Dialect::Smtp), hello(Dialect::Smtp, &[]));
        play(Dialect::Smtp, &script, async |connected| connected.map(drop).unwrap());
    }
}

#[test]
fn octets_in_clear_after_the_220_are_an_error() {
    for go in ["220 go\\r\\n", "220-a\\r\\n220 b\\r\\n", "220\\r\\n", "220 go\\n"] {
        for injected in [
            "250-evil\\r\\n250 AUTH PLAIN LOGIN\\r\\n",
            "250-evil\\r\\n250 8BITMIME\\r\\n250 ok\\r\\n250 ok\\r\\n354 go\\r\\n250 FORGED\\r\\n",
            "250-evil\\r\\n",
            "250 evi",
            "2",
            "\\n",
            "\\r",
            "\\r\\n",
            " ",
            "\\0",
            "\\xFF",
            "\\x16\\x03\\x03\\x00\\x01\\x00",
        ] {
            let script = format!("{}[raw \"{go}{injected}\"]", asked(Dialect::Smtp));
            let error = failure(Dialect::Smtp, &script);
            let kind = error.kind();
            let attack = ErrorKind::Misbehaved(Misbehaved::PlaintextAfterStartTls);
            assert_eq!(format!("{kind:?}"), format!("{attack:?}"), "{go}{injected}");
            assert_eq!(error.step(), Step::StartTls);
        }
    }
}

#[test]
fn a_go_ahead_that_precedes_its_command_is_unsolicited() {
    for early in ["S: 220 go", "[raw \"220 go\\r\\n\"]"] {
        let error =
            failure(Dialect::Smtp, &format!("{}{early}", opening(Dialect::Smtp, &["STARTTLS"])));
        let found = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)));
        assert!(found, "{error:?}");
        assert_eq!(error.step(), Step::StartTls);
    }
}

#[test]
fn octets_in_a_later_segment_never_pass_for_protected_ones() {
    for injected in
        ["250-evil\\r\\n250 AUTH PLAIN\\r\\n", "500 TLS broken\\r\\n", "\\n250 ok\\r\\n"]
    {
        for delay in ["", "[delay 50ms]\n"] {
            let script = format!(
                "{}[raw \"220 go\\r\\n\"]\n{delay}[raw \"{injected}\"]\n[stall]",
                asked(Dialect::Smtp)
            );
            let error = failure(Dialect::Smtp, &script);
            // What waits when the handshake would begin is seen for what it is; what comes later
            // is no TLS.
            let attack = ErrorKind::Misbehaved(Misbehaved::PlaintextAfterStartTls);
            match error.step() {
                Step::StartTls if delay.is_empty() => {
                    assert_eq!(format!("{:?}", error.kind()), format!("{attack:?}"));
                }
                step => {
                    assert_eq!((step, delay.is_empty()), (Step::Handshake, false));
                    let no_tls = matches!(error.kind(), ErrorKind::Broken(Broken::Tls(_)));
                    assert!(no_tls, "{error:?}");
                }
            }
        }
    }
}

#[test]
fn a_server_that_closes_instead_of_the_handshake_is_gone() {
    let error = failure(Dialect::Smtp, &format!("{}S: 220 go\n[tls-abort]", asked(Dialect::Smtp)));
    // It depends on the transport whether the first write notices.
    let gone = matches!(error.kind(), ErrorKind::Broken(Broken::Closed | Broken::Io(_)));
    assert!(gone, "{error:?}");
    assert_eq!(error.step(), Step::Handshake);
}

#[test]
fn a_silent_handshake_times_out() {
    for dribble in ["", "[delay 1s]\n[raw \"\\x16\"]\n[delay 1s]\n[raw \"\\x03\"]\n"] {
        let script = format!("{}S: 220 go\n{dribble}[stall]", asked(Dialect::Smtp));
        let (error, _, elapsed) =
            play(Dialect::Smtp, &script, async |connected| connected.unwrap_err());
        assert_eq!(error.step(), Step::Handshake);
        let after = bounds().handshake;
        match error.kind() {
            ErrorKind::Broken(Broken::TimedOut { after: found }) => assert_eq!(*found, after),
            other => panic!("{other:?}"),
        }
        assert_eq!(elapsed, after);
    }
}

#[test]
fn the_deadline_of_the_operation_covers_the_handshake() {
    let authority = Authority::new();
    let limit = Duration::from_secs(7);
    let mut timeouts = Timeouts::every_step(Duration::from_secs(5));
    timeouts.operation = Some(limit);
    let connector = trusting(&authority, Dialect::Smtp, Security::StartTls).timeouts(timeouts);
    let script = format!("[delay 4s]\n{}S: 220 go\n[stall]", asked(Dialect::Smtp));
    let played = crate::stage::play(&script, &connector, async |connected| connected.unwrap_err());
    assert_eq!(played.outcome.step(), Step::Handshake);
    match played.outcome.kind() {
        ErrorKind::Broken(Broken::Deadline { limit: found }) => assert_eq!(*found, limit),
        other => panic!("{other:?}"),
    }
    assert_eq!(played.elapsed, limit);
}

#[test]
fn what_was_offered_in_clear_is_forgotten() {
    let script = format!(
        "{}S: 220 go\n[starttls]\n{}
        C: MAIL FROM:<a@example.org>
        S: 250 ok
        C: RCPT TO:<b@example.org>
        S: 250 ok
        C: DATA
        S: 354 go
        [text]
        S: 250 ok",
        asked(Dialect::Smtp),
        hello(Dialect::Smtp, &["STARTTLS"])
    );
    play(Dialect::Smtp, &script, async |connected| {
        let mut connection = connected.unwrap();
        assert_eq!(connection.capabilities().size_limit(), None);
        assert!(!connection.capabilities().has(Extension::Auth));
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let text = MailData::new("more than ten octets\r\n").unwrap();
        assert!(connection.send(&envelope, &text).await.unwrap().all_accepted());
    });
}

#[test]
fn a_refused_ehlo_inside_tls_is_final() {
    for code in [421, 450, 500, 502, 550, 554] {
        let script = format!(
            "{}S: 220 go\n[starttls]\nC: EHLO client.example\nS: {code} no{}",
            asked(Dialect::Smtp),
            leave_after(code)
        );
        let error = failure(Dialect::Smtp, &script);
        assert!(is_refusal(&error), "{error:?}");
        assert_eq!((error.step(), error.reply().unwrap().code().get()), (Step::Hello, code));
    }
}

#[test]
fn a_refused_ehlo_later_inside_tls_is_no_reason_for_helo() {
    for code in [500, 502] {
        let script = format!(
            "{}S: 220 go\n[starttls]\n{}C: EHLO client.example\nS: {code} no\nC: NOOP\nS: 250 ok",
            asked(Dialect::Smtp),
            hello(Dialect::Smtp, &["SIZE 20"])
        );
        play(Dialect::Smtp, &script, async |connected| {
            let mut connection = connected.unwrap();
            let error = connection.rehlo().await.unwrap_err();
            assert!(is_refusal(&error), "{error:?}");
            assert_eq!(connection.capabilities().size_limit(), Some(20));
            connection.noop().await.unwrap();
        });
    }
}

#[test]
fn an_unexpected_reply_inside_tls_is_unsolicited() {
    let script = format!(
        "{}S: 220 go\n[starttls]\n{}S: 250 early",
        asked(Dialect::Smtp),
        hello(Dialect::Smtp, &[])
    );
    play(Dialect::Smtp, &script, async |connected| {
        let mut connection = connected.unwrap();
        let error = connection.noop().await.unwrap_err();
        let found = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)));
        assert!(found, "{error:?}");
        assert_eq!(connection.ended(), Some(&Ended::Failed { step: Step::Noop }));
    });
}

#[test]
fn a_session_that_is_secured_forgets_what_was_offered() {
    let mut session = Session::default();
    let mut run = session.run(Hello::after_greeting()).unwrap();
    run.receive(b"220 hi\r\n");
    run.next();
    run.wrote(run.output().len());
    run.receive(b"250-hi\r\n250-PIPELINING\r\n250 STARTTLS\r\n");
    run.finish().unwrap();
    assert!(session.capabilities().has(Extension::Pipelining));
    session.secured("TLSv1_3", "TLS13_AES_256_GCM_SHA384");
    assert_eq!(session.capabilities(), &Capabilities::none());
}
