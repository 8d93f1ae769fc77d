//! Servers that violate the protocol of AUTH.
use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_oneof},
    proptest,
};
use smtp_client::{
    Ended, ErrorKind, Misbehaved, Reply, ReplyCode, SaslFault, Step,
    sasl::{Credentials, Login, Mechanism},
};

use super::{
    PASSWORD, PLAIN, auth, confined, drive, exchange, exposed, login,
    scram_server::{ScramServer, Twist},
    secrecy::check_hidden,
};

#[track_caller]
fn check_fault(kind: &ErrorKind, fault: SaslFault) {
    match kind {
        ErrorKind::Misbehaved(Misbehaved::Sasl(found)) => assert_eq!(*found, fault),
        other => panic!("{other:?}"),
    }
}

fn by(mechanism: Mechanism<&'static str>) -> Login {
    let login = match mechanism.as_str() {
        "XOAUTH2" | "OAUTHBEARER" => Login::new(Credentials::bearer("u", PASSWORD).unwrap()),
        "EXTERNAL" => Login::new(Credentials::external()),
        "ANONYMOUS" => Login::new(Credentials::anonymous("x").unwrap()),
        _ => login(),
    };
    // Few enough that many exchanges take no time.
    login.mechanisms([mechanism]).iterations(1..=16)
}

const EACH: [Mechanism<&str>; 9] = [
    Mechanism::PLAIN,
    Mechanism::LOGIN,
    Mechanism::CRAM_MD5,
    Mechanism::SCRAM_SHA_1,
    Mechanism::SCRAM_SHA_256,
    Mechanism::XOAUTH2,
    Mechanism::OAUTHBEARER,
    Mechanism::EXTERNAL,
    Mechanism::ANONYMOUS,
];

#[test]
fn a5_challenges_without_end_are_answered_a_few_times_only() {
    for mechanism in EACH {
        for challenge in ["334 ", "334 dGVzdA==", "334"] {
            let mut session = confined(&[&format!("AUTH {mechanism}")]);
            let auth = auth(&by(mechanism), &session).unwrap();
            let (outcome, said) = drive(&mut session, auth, |_| format!("{challenge}\r\n"));
            let error = outcome.unwrap_err();
            let fault = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Sasl(_)));
            assert!(fault, "{mechanism}: {error:?}");
            assert!(said.len() <= 4, "{said:?}");
            assert_eq!(said.last().unwrap(), "*");
            assert_eq!(session.authenticated_by(), None);
            assert!(matches!(session.ended(), Some(Ended::Failed { step: Step::Auth })));
        }
    }
}

#[test]
fn a11_garbage_in_place_of_the_challenge_of_cram_md5() {
    for (challenge, fault) in [
        ("334", SaslFault::Syntax),
        ("334 ", SaslFault::Syntax),
        ("334 =", SaslFault::Syntax),
        ("334 !!!", SaslFault::Encoding),
        ("334 QUJ", SaslFault::Encoding),
        ("334 QUJD=", SaslFault::Encoding),
        ("334 QUJDRB==", SaslFault::Encoding),
        ("334 QUJD QUJD", SaslFault::Encoding),
        ("334-QUJD\n334 QUJD", SaslFault::Encoding),
        ("334 \u{e4}", SaslFault::Encoding),
    ] {
        let mut session = confined(&["AUTH CRAM-MD5"]);
        let dialogue = [("AUTH CRAM-MD5", challenge), ("*", "501 no")];
        let error = exchange(&mut session, &login(), &dialogue).unwrap_err();
        check_fault(error.kind(), fault);
    }
}

#[test]
fn a11_unusual_challenges_of_cram_md5_are_answered() {
    // Spaces around it, and a NUL inside.
    for (challenge, answer) in [
        ("334   QUJD  ", "dGltIGZmZTdjNjRmMDhjNThmNTQ5MmIzMzIxZmU2ZWVmYzMy"),
        ("334 AEEA", "dGltIDZmZmRjNGYwZGRiODM4OTJkOTI1Yzg0MGZjZjQ4MGM0"),
    ] {
        let mut session = confined(&["AUTH CRAM-MD5"]);
        let dialogue = [("AUTH CRAM-MD5", challenge), (answer, "235 yes")];
        exchange(&mut session, &login(), &dialogue).unwrap();
    }
}

#[test]
fn a11_a_challenge_may_have_12_kibioctets_and_no_more_than_16() {
    for (length, taken) in [(12_288, true), (16_000, true), (17_000, false), (65_536, false)] {
        let mut session = confined(&["AUTH LOGIN"]);
        let auth = auth(&login(), &session).unwrap();
        let (outcome, _) = drive(&mut session, auth, |line| match line {
            "AUTH LOGIN" => format!("334 {}\r\n", "QUJD".repeat(length / 4)),
            "dGlt" => "334 \r\n".into(),
            _ => "235 yes\r\n".into(),
        });
        assert_eq!(outcome.is_ok(), taken, "{length}");
        if let Err(error) = outcome {
            assert!(matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Malformed(_))));
        }
    }
}

#[test]
fn a11_afterwards_a_line_is_as_short_as_before() {
    let mut session = confined(&["AUTH LOGIN"]);
    let dialogue = [("AUTH LOGIN", "535 no")];
    exchange(&mut session, &login(), &dialogue).unwrap_err();
    let long = |_: &str| format!("250 {}\r\n", "x".repeat(5000));
    let (outcome, _) = drive(&mut session, smtp_client::session::SimpleCommand::noop(), long);
    let error = outcome.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Malformed(_))), "{error:?}");
}

#[test]
fn a12_login_answers_by_position_whatever_is_asked() {
    for (first, second) in [
        ("334 UGFzc3dvcmQ=", "334 VXNlcm5hbWU6"),
        ("334 UGFzc3dvcmQ6", "334 UGFzc3dvcmQ6"),
        ("334 ", "334 "),
        ("334", "334"),
        ("334 Username:", "334 Contrase\u{f1}a:"),
        ("334-Tell me\n334 who you are", "334 \u{7f}"),
    ] {
        let mut session = confined(&["AUTH LOGIN"]);
        let dialogue =
            [("AUTH LOGIN", first), ("dGlt", second), ("dGFuc3RhYWZ0YW5zdGFhZg==", "235 yes")];
        exchange(&mut session, &login(), &dialogue).unwrap();
    }
}

#[test]
fn a12_login_answers_twice() {
    let mut session = confined(&["AUTH LOGIN"]);
    let dialogue = [
        ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("dGlt", "334 UGFzc3dvcmQ6"),
        ("dGFuc3RhYWZ0YW5zdGFhZg==", "334 VG9rZW46"),
        ("*", "501 no"),
    ];
    let error = exchange(&mut session, &login(), &dialogue).unwrap_err();
    check_fault(error.kind(), SaslFault::SurplusChallenge);
}

#[test]
fn a13_only_235_authenticates() {
    for code in [200, 220, 221, 234, 236, 250, 251, 299, 354, 335, 300] {
        let mut session = confined(&["AUTH PLAIN"]);
        let auth = auth(&login(), &session).unwrap();
        let (outcome, _) = drive(&mut session, auth, |_| format!("{code} 2.7.0 ok\r\n"));
        let error = outcome.unwrap_err();
        let wrong = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::WrongCode { .. }));
        assert!(wrong, "{code}: {error:?}");
        assert_eq!(session.authenticated_by(), None);
        assert!(session.ended().is_some());
    }
}

#[test]
fn a13_success_before_the_password_is_rejected() {
    for (keyword, first) in [("LOGIN", "235 ok"), ("CRAM-MD5", "235 ok")] {
        let mut session = confined(&[&format!("AUTH {keyword}")]);
        let line = format!("AUTH {keyword}");
        let error = exchange(&mut session, &login(), &[(&line, first)]).unwrap_err();
        check_fault(error.kind(), SaslFault::UnprovenSuccess);
    }
    let mut session = confined(&["AUTH LOGIN"]);
    let dialogue = [("AUTH LOGIN", "334 "), ("dGlt", "235 ok")];
    let error = exchange(&mut session, &login(), &dialogue).unwrap_err();
    check_fault(error.kind(), SaslFault::UnprovenSuccess);
}

#[test]
fn a18_a_challenge_where_the_mechanism_is_over() {
    for reply in ["501 5.7.0 canceled", "504 what?", "235 ok", "334 more", "250 ok", "421 bye"] {
        let mut session = confined(&["AUTH PLAIN"]);
        let sent = format!("AUTH PLAIN {PLAIN}");
        let dialogue = [(sent.as_str(), "334 dGVzdA=="), ("*", reply)];
        let error = exchange(&mut session, &login(), &dialogue).unwrap_err();
        check_fault(error.kind(), SaslFault::SurplusChallenge);
        assert_eq!(session.authenticated_by(), None);
        assert!(session.ended().is_some());
    }
}

#[test]
fn a18_a_server_that_closes_before_the_cancellation_changes_nothing() {
    let mut session = confined(&["AUTH PLAIN"]);
    let sent = format!("AUTH PLAIN {PLAIN}");
    let dialogue = [(sent.as_str(), "334 dGVzdA=="), ("*", "")];
    let error = exchange(&mut session, &login(), &dialogue).unwrap_err();
    check_fault(error.kind(), SaslFault::SurplusChallenge);
}

#[test]
fn a_transaction_that_may_be_open_is_closed_first() {
    let mut session = confined(&["AUTH PLAIN"]);
    let envelope = smtp_client::Envelope::new("a@b.example", ["c@d.example"]).unwrap();
    let text = smtp_client::MailData::new("a: b\r\n").unwrap();
    let transaction = smtp_client::session::Transaction::new(&envelope, text.facts());
    let (delivery, _) = drive(&mut session, transaction, |line| match &line[..4] {
        "RCPT" => "550 no\r\n".into(),
        _ => "250 ok\r\n".into(),
    });
    assert!(!delivery.unwrap().any_accepted());
    let auth = auth(&login(), &session).unwrap();
    let (outcome, said) = drive(&mut session, auth, |line| match line {
        "RSET" => "250 ok\r\n".into(),
        _ => "235 ok\r\n".into(),
    });
    outcome.unwrap();
    assert_eq!(said, ["RSET".to_owned(), format!("AUTH PLAIN {PLAIN}")]);
}

/// The reply of a hostile server to one line.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let challenge = vec(any::<u8>(), 0..40).prop_map(|octets| {
        format!("334 {}\r\n", smtp_codec::SaslResponse::new(octets).as_base64()).into_bytes()
    });
    let raw = vec(any::<u8>(), 0..40).prop_map(|octets| [b"334 ", &octets[..], b"\r\n"].concat());
    let coded = (200_u16..600, "[ -~]{0,20}")
        .prop_map(|(code, text)| format!("{code} {text}\r\n").into_bytes());
    let scram = "(r=7|r=BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH)[a-z]{0,3},s=(QUJD)?,i=(16|[0-9]{0,12})(,[a-z]=x)?"
        .prop_map(|message| {
            format!("334 {}\r\n", smtp_codec::SaslResponse::new(message).as_base64()).into_bytes()
        });
    prop_oneof![challenge, raw, coded, scram]
}

proptest! {
    /// For any server output: the login ends, nothing panics, no error shows the secret, and SCRAM
    /// never authenticates, since this server cannot prove anything.
    #[test]
    fn any_server_output_ends_the_login(
        which in 0..EACH.len(),
        replies in vec(hostile(), 0..6),
        cut in 1..7_usize,
    ) {
        let mechanism = EACH[which];
        let mut session = confined(&[&format!("AUTH {mechanism}")]);
        let auth = auth(&by(mechanism), &session).unwrap();
        let mut run = session.run(auth).unwrap();
        let mut replies = replies.into_iter();
        for turn in 0.. {
            assert!(turn < 100, "it does not end");
            match run.next() {
                smtp_client::session::Next::Done => break,
                smtp_client::session::Next::Write => run.wrote(run.output().len()),
                smtp_client::session::Next::Read => match replies.next() {
                    Some(reply) => reply.chunks(cut).for_each(|piece| run.receive(piece)),
                    None => run.closed(),
                },
                next => unreachable!("{next:?}: there is no message"),
            }
        }
        let outcome = run.finish();
        check_hidden(&format!("{outcome:?} {session:?}"), &[PASSWORD]);
        if let Err(error) = &outcome {
            check_hidden(&error.to_string(), &[PASSWORD]);
        }
        assert_eq!(outcome.is_ok(), session.authenticated_by().is_some());
        assert!(outcome.is_err() || !mechanism.as_str().starts_with("SCRAM"));
    }
}

#[test]
fn a_server_that_proves_itself_is_distinguished_from_every_other() {
    for (twist, taken) in [(Twist::None, true), (Twist::Last("v={v}x"), false)] {
        let mut server = ScramServer::new("SCRAM-SHA-256", PASSWORD).twist(twist);
        let mut session = exposed(&["AUTH SCRAM-SHA-256"]);
        let auth = auth(&login(), &session).unwrap();
        let (outcome, _) = drive(&mut session, auth, |line| server.answer(line));
        assert_eq!(outcome.is_ok(), taken);
    }
    let reply = Reply::new(ReplyCode::AUTHENTICATED, "ok");
    assert!(reply.is_completion());
}
