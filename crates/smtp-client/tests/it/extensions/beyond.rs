//! Effects of an extension beyond its parameter: limits, prerequisites, and derived parameters.
use smtp_client::{
    Envelope, ErrorKind, Extension, Field, Flaw, Invalid, Limited, MailData, MailParam, Misbehaved,
    Security, Step, Unsupported, session::Dialect,
};
use smtp_codec::{ByMode, Xtext};
use smtp_error::Bound;
use smtp_testkit::{Authority, Server as TestServer};

use super::{MAIL, Message, RCPT, TEXT, check_taken, check_unsupported, send};
use crate::{
    stage::{opening, parse, perform, play_on},
    starttls::trusting,
};

/// The message is not sent to a server with this offer.
#[track_caller]
fn check_lacking(offer: &[&str], message: Message, lacking: Unsupported) {
    play_on(offer, "C: QUIT\nS: 221 bye", async |mut connection| {
        check_unsupported(&send(&mut connection, message).await.unwrap_err(), lacking);
        connection.quit().await.unwrap();
    });
}

#[test]
fn what_is_derived_is_left_out_where_it_is_not_offered() {
    check_taken(&["SIZE"], Message::plain(), "MAIL FROM:<a@example.org> SIZE=17");
    check_taken(&["HELP"], Message::plain(), MAIL);
    // A header section in UTF-8 needs nothing more than eight bits.
    let text = || MailData::new("Subject: \u{fc}\r\n\r\nb\r\n").unwrap();
    let utf8 = "MAIL FROM:<a@example.org> BODY=8BITMIME SMTPUTF8";
    check_taken(&["8BITMIME", "SMTPUTF8"], Message::of(text()), utf8);
    let eight_bit = "MAIL FROM:<a@example.org> BODY=8BITMIME";
    check_taken(&["8BITMIME"], Message::of(text()), eight_bit);
    let lacking = Unsupported::Extension(Extension::EightBitMime);
    check_lacking(&["SMTPUTF8"], Message::of(text()), lacking);
    // SMTPUTF8 is not sent where nothing needs it.
    check_taken(&["8BITMIME", "SMTPUTF8"], Message::plain(), MAIL);
}

#[test]
fn binarymime_builds_on_chunking() {
    let binary = || Message::of(MailData::binary(&b"\0"[..]));
    let chunking = Unsupported::Extension(Extension::Chunking);
    check_lacking(&["BINARYMIME"], binary(), chunking);
    let binary_mime = Unsupported::Extension(Extension::BinaryMime);
    check_lacking(&["CHUNKING", "8BITMIME"], binary(), binary_mime);
}

#[test]
fn a_size_over_the_stated_limit() {
    let too_big = Unsupported::TooBig { size: TEXT.len() as u64, limit: 16 };
    check_lacking(&["SIZE 16"], Message::plain(), too_big);
    check_taken(&["SIZE 17"], Message::plain(), "MAIL FROM:<a@example.org> SIZE=17");
}

#[test]
fn a_time_out_of_the_stated_range() {
    let by = |seconds, mode| Message::asking(MailParam::By { seconds, mode, trace: false });
    let bound = Bound::AtLeast { asked: 59, minimum: 60 };
    let out = Unsupported::OutOfRange { extension: Extension::DeliverBy, bound };
    check_lacking(&["DELIVERBY 60"], by(59, ByMode::Return), out);
    let line = "MAIL FROM:<a@example.org> BY=60;R";
    check_taken(&["DELIVERBY 60"], by(60, ByMode::Return), line);
    let line = "MAIL FROM:<a@example.org> BY=-1;N";
    check_taken(&["DELIVERBY 60"], by(-1, ByMode::Notify), line);

    let offer = ["FUTURERELEASE 3600 2026-12-31T00:00:00Z"];
    let bound = Bound::AtMost { asked: 3601, maximum: 3600 };
    let out = Unsupported::OutOfRange { extension: Extension::FutureRelease, bound };
    check_lacking(&offer, Message::asking(MailParam::HoldFor(3601)), out);
    let late = MailParam::HoldUntil("2026-12-31T00:00:01Z".into());
    let bound = Bound::NotAfter;
    let out = Unsupported::OutOfRange { extension: Extension::FutureRelease, bound };
    check_lacking(&offer, Message::asking(late), out);
}

#[test]
fn tracking_needs_an_identifier() {
    let mtrk = MailParam::Mtrk { certifier: "YWJjZGVmZ2hpamtsbW5vcA".into(), timeout: None };
    play_on(&["MTRK", "DSN"], "C: QUIT\nS: 221 bye", async |mut connection| {
        let error = send(&mut connection, Message::asking(mtrk.clone())).await.unwrap_err();
        let flaw = Flaw::Requires { parameter: "ENVID" };
        let invalid = Invalid::new(Field::ParameterKeyword, flaw);
        assert!(matches!(error.kind(), ErrorKind::Invalid(found) if *found == invalid));
        connection.quit().await.unwrap();
    });
    // And the identifier needs DSN.
    let tracked = Message::asking(MailParam::EnvId(Xtext::encode("1"))).mail(mtrk);
    check_lacking(&["MTRK"], tracked, Unsupported::Extension(Extension::Dsn));
}

/// An offer to pick up a message where it broke off. This client begins at the beginning, and
/// does not take the invitation for another one.
#[test]
fn a_restart_of_a_message_is_refused() {
    let rest = format!(
        "C: {MAIL} TRANSID=<1@example.org>\nS: 355 5000 is the transaction offset\n[expect-close]"
    );
    play_on(&["CHECKPOINT"], &rest, async |mut connection| {
        let message = Message::asking(MailParam::TransId("<1@example.org>".into()));
        let error = send(&mut connection, message).await.unwrap_err();
        let wrong = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::WrongCode { .. }));
        assert!(wrong && error.reply().unwrap().code() == 355, "{error:?}");
        assert_eq!((error.step(), error.in_doubt()), (Step::Mail, false));
        assert!(connection.ended().is_some());
    });
}

/// The result with a trusted server that offers REQUIRETLS inside TLS.
fn inside_tls<T>(rest: &str, act: impl AsyncFnOnce(&mut smtp_client::Connection) -> T) -> T {
    let authority = Authority::new();
    let connector = trusting(&authority, Dialect::Smtp, Security::Tls);
    let script = format!("[tls]\n{}{rest}", opening(Dialect::Smtp, &["REQUIRETLS"]));
    perform(async {
        let builder = TestServer::builder().authority(authority).script(parse(&script));
        let (server, pipe) = builder.pipe();
        let mut connection = connector.connect_over(pipe).await.unwrap();
        let outcome = act(&mut connection).await;
        drop(connection);
        server.finish().await.unwrap();
        outcome
    })
}

#[test]
fn requiretls_counts_inside_tls_only() {
    let asking = || Message::asking(MailParam::RequireTls);
    let line = "C: MAIL FROM:<a@example.org> REQUIRETLS\n";
    let taken =
        format!("{line}S: 250 Ok\nC: {RCPT}\nS: 250 Ok\nC: DATA\nS: 354 go\n[text]\nS: 250 taken");
    let delivery = inside_tls(&taken, async |connection| send(connection, asking()).await);
    assert!(delivery.unwrap().all_accepted());
    let refused = format!("{line}S: 550 5.7.30 REQUIRETLS support required");
    let delivery = inside_tls(&refused, async |connection| send(connection, asking()).await);
    let delivery = delivery.unwrap();
    let verdict = &delivery[0];
    assert_eq!((verdict.step(), verdict.reply().code().get()), (Step::Mail, 550));
    // An attacker can offer it in clear.
    check_lacking(&["REQUIRETLS"], asking(), Unsupported::OutsideTls(Extension::RequireTls));
    check_lacking(&["HELP"], asking(), Unsupported::Extension(Extension::RequireTls));
}

#[test]
fn limits_are_kept_or_run_into() {
    let rcpts = ["b@example.org", "c@example.org"];
    let envelope = Envelope::new("a@example.org", rcpts).unwrap();
    let text = || MailData::new(TEXT).unwrap();
    let commands =
        format!("C: {MAIL}\nS: 250 Ok\nC: {RCPT}\nS: 250 Ok\nC: RCPT TO:<c@example.org>\n");
    for (offer, reply, taken) in [
        (&["LIMITS RCPTMAX=2"][..], "250 Ok", [true, true]),
        // Without a limit, or beyond the stated one, the server itself refuses.
        (&["HELP"], "452 4.5.3 Too many recipients", [true, false]),
        (&["LIMITS RCPTMAX=2"], "452 4.5.3 Too many recipients", [true, false]),
    ] {
        let rest = format!("{commands}S: {reply}\nC: DATA\nS: 354 go\n[text]\nS: 250 taken");
        play_on(offer, &rest, async |mut connection| {
            let delivery = connection.send(&envelope, text()).await.unwrap();
            let found: Vec<bool> = delivery.verdicts().map(|(_, one)| one.is_accepted()).collect();
            assert_eq!(found, taken, "{offer:?}");
        });
    }
    play_on(&["LIMITS RCPTMAX=1"], "C: QUIT\nS: 221 bye", async |mut connection| {
        let error = connection.send(&envelope, text()).await.unwrap_err();
        let what = Limited::Recipients;
        check_unsupported(&error, Unsupported::TooMany { what, asked: 2, limit: 1 });
        connection.quit().await.unwrap();
    });
}

#[test]
fn each_recipient_is_answered_where_prdr_was_asked_for() {
    let rest = format!(
        "C: {MAIL} PRDR\nS: 250 Ok\nC: {RCPT}\nS: 250 Ok\nC: DATA\nS: 354 go\n[text]
S: 353 each\nS: 550 5.7.1 not for b\nS: 250 taken"
    );
    play_on(&["PRDR"], &rest, async |mut connection| {
        let delivery = send(&mut connection, Message::asking(MailParam::Prdr)).await.unwrap();
        assert_eq!(delivery[0].reply().as_bytes(), b"5.7.1 not for b");
    });
}

#[test]
fn an_unknown_parameter_is_sent_as_the_caller_gives_it() {
    let own = |mail: &str, rcpt: &str| {
        let plain = Message::plain();
        let mail = if mail.is_empty() { plain.mail } else { plain.mail.param(mail).unwrap() };
        let rcpt = if rcpt.is_empty() { plain.rcpt } else { plain.rcpt.param(rcpt).unwrap() };
        Message { mail, rcpt, content: plain.content, ..Message::plain() }
    };
    // It is sent unchanged whatever is offered; the server decides.
    for offer in [&["XVERP"][..], &["HELP"]] {
        check_taken(offer, own("XVERP", ""), "MAIL FROM:<a@example.org> XVERP");
        check_taken(offer, own("X-Own=a,b;c", ""), "MAIL FROM:<a@example.org> X-Own=a,b;c");
        let refused = "C: MAIL FROM:<a@example.org> XVERP\nS: 555 5.5.4 Unsupported option";
        play_on(offer, refused, async |mut connection| {
            let delivery = send(&mut connection, own("XVERP", "")).await.unwrap();
            assert_eq!(delivery[0].reply().code(), 555);
        });
        let refused = format!("C: {MAIL}\nS: 250 Ok\nC: {RCPT} X-OWN=1\nS: 455 4.5.4 Not now");
        play_on(offer, &refused, async |mut connection| {
            let delivery = send(&mut connection, own("", "X-OWN=1")).await.unwrap();
            let verdict = &delivery[0];
            assert_eq!((verdict.step(), verdict.is_transient()), (Step::Rcpt, true));
        });
    }
}
