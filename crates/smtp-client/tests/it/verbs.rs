//! The verbs of extensions and unnamed ones: offered and used, not offered, and refused.
use smtp_client::{
    Connection, Ended, Envelope, Error, ErrorKind, Extension, MailData, Misbehaved, Step,
    Unsupported, session::Dialect,
};
use smtp_error::{Field, Flaw, Invalid};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::{
    operation::{Operation, attributes},
    session_commands::check_ended,
    stage::{hello, let_the_server_play, play_on},
};

pub(crate) const OFFER: [&str; 4] =
    ["ETRN", "ATRN", "XCLIENT NAME ADDR LOGIN", "XFORWARD NAME ADDR HELO"];

/// A message whose only recipient is refused, which leaves the transaction open.
const LEFT_OPEN: &str = "
    C: MAIL FROM:<a@example.org>
    S: 250 ok
    C: RCPT TO:<b@example.org>
    S: 550 no
";

/// A message that goes well.
pub(crate) const MESSAGE: &str = "
    C: MAIL FROM:<a@example.org>
    S: 250 ok
    C: RCPT TO:<b@example.org>
    S: 250 ok
    C: DATA
    S: 354 go
    [text]
    S: 250 queued
";

pub(crate) async fn send(connection: &mut Connection) -> bool {
    let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
    let text = MailData::new("text\r\n").unwrap();
    connection.send(&envelope, &text).await.unwrap().all_accepted()
}

/// The result of the act with this script; the connection is usable afterwards.
#[track_caller]
pub(crate) fn goes_on<T>(
    keywords: &[&str],
    script: &str,
    act: impl AsyncFnOnce(&mut Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    let script = format!("{script}\nC: NOOP\nS: 250 ok");
    let scene = async |mut connection: Connection| {
        let outcome = act(&mut connection).await;
        connection.noop().await.unwrap();
        outcome
    };
    play_on(keywords, &script, scene).0
}

#[track_caller]
pub(crate) fn check_invalid(error: &Error, field: Field, flaw: Flaw) {
    match error.kind() {
        ErrorKind::Invalid(invalid) => assert_eq!(*invalid, Invalid::new(field, flaw)),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_not_offered(error: &Error, extension: Extension) {
    match error.kind() {
        ErrorKind::Unsupported(unsupported) => {
            assert_eq!(*unsupported, Unsupported::Extension(extension));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_offered_is_not_sent() {
    let client = attributes([("ADDR", "192.0.2.1")]);
    let error = |outcome: Result<(), Error>| outcome.unwrap_err();
    let etrn = goes_on(&[], "", async |one| one.etrn("example.org").await.map(drop));
    check_not_offered(&error(etrn), Extension::Etrn);
    let atrn = goes_on(&[], "", async |one| one.atrn(None).await.map(drop));
    check_not_offered(&error(atrn), Extension::Atrn);
    let xclient = goes_on(&[], "", async |one| one.xclient(&client).await.map(drop));
    check_not_offered(&error(xclient), Extension::Xclient);
    let xforward = goes_on(&[], "", async |one| one.xforward(&client).await.map(drop));
    check_not_offered(&error(xforward), Extension::Xforward);
    let utf8 = goes_on(&[], "", async |one| one.command("XPING", "\u{f6}").await.map(drop));
    check_not_offered(&error(utf8), Extension::SmtpUtf8);
}

#[test]
fn etrn_is_answered_with_four_codes() {
    for (node, code) in [("example.org", 250), ("@example.org", 251), ("#q", 252), ("mx", 253)] {
        let script = format!("C: ETRN {node}\nS: {code} 14 pending messages");
        let reply = goes_on(&OFFER, &script, async |one| one.etrn(node).await).unwrap();
        assert_eq!(reply.code().get(), code);
    }
}

#[test]
fn etrn_is_refused() {
    for code in [458, 459, 500, 501, 502, 503, 550] {
        let script = format!("C: ETRN example.org\nS: {code} no");
        let error = goes_on(&OFFER, &script, async |one| one.etrn("example.org").await);
        let error = error.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Refused(_)), "{error:?}");
        assert_eq!((error.step(), error.reply().unwrap().code().get()), (Step::Etrn, code));
    }
}

#[test]
fn another_2yz_to_etrn_is_the_wrong_code() {
    for code in [220, 254, 354] {
        let script = format!("C: ETRN example.org\nS: {code} hm");
        play_on(&OFFER, &script, async |mut connection| {
            let error = connection.etrn("example.org").await.unwrap_err();
            let wrong = matches!(
                error.kind(),
                ErrorKind::Misbehaved(Misbehaved::WrongCode { step: Step::Etrn, .. })
            );
            assert!(wrong, "{error:?}");
        });
    }
}

#[test]
fn a_node_outside_ascii_is_sent_with_a_labels() {
    for (node, line) in [
        ("b\u{fc}cher.example", "ETRN xn--bcher-kva.example"),
        ("@B\u{dc}CHER.example", "ETRN @xn--bcher-kva.example"),
    ] {
        let script = format!("C: {line}\nS: 250 it begins");
        goes_on(&OFFER, &script, async |one| one.etrn(node).await).unwrap();
    }
    let script = "C: ATRN a.example,xn--tda.example\nS: 453 no mail";
    let refused =
        goes_on(&OFFER, script, async |one| one.atrn("a.example,\u{fc}.example").await.map(drop));
    assert!(matches!(refused.unwrap_err().kind(), ErrorKind::Refused(_)));
    for (node, flaw) in [
        ("#\u{fc}", Flaw::Unexpected { character: '#', offset: 0 }),
        ("b\u{3002}example", Flaw::Unexpected { character: '\u{3002}', offset: 1 }),
        ("\u{200b}", Flaw::InvalidLabel { offset: 0 }),
    ] {
        let etrn = goes_on(&OFFER, "", async |one| one.etrn(node).await.map(drop));
        check_invalid(&etrn.unwrap_err(), Field::Node, flaw);
    }
}

#[test]
fn a_node_is_one_word() {
    for (node, flaw) in [
        ("", Flaw::Empty),
        ("a b", Flaw::Syntax { offset: 1 }),
        ("a\r\nQUIT", Flaw::Control { character: '\r', offset: 1 }),
        ("a\nb", Flaw::Control { character: '\n', offset: 1 }),
        ("a\0", Flaw::Control { character: '\0', offset: 1 }),
        (&"x".repeat(506), Flaw::CommandTooLong { length: 513, limit: 512 }),
    ] {
        let etrn = goes_on(&OFFER, "", async |one| one.etrn(node).await.map(drop));
        check_invalid(&etrn.unwrap_err(), Field::Node, flaw);
        let atrn = goes_on(&OFFER, "", async |one| one.atrn(node).await.map(drop));
        check_invalid(&atrn.unwrap_err(), Field::Node, flaw);
    }
}

#[test]
fn an_open_transaction_is_left_first() {
    let client = attributes([("ADDR", "192.0.2.1")]);
    let again = format!("S: 220 again\n{}", hello(Dialect::Smtp, &[]));
    for (rest, case) in [
        ("C: ETRN mx\nS: 250 ok", 0),
        ("C: XFORWARD ADDR=192.0.2.1\nS: 250 ok", 1),
        (&*format!("C: XCLIENT ADDR=192.0.2.1\n{again}"), 2),
        ("C: ATRN\nS: 450 no", 3),
    ] {
        let script = format!("{LEFT_OPEN}\nC: RSET\nS: 250 ok\n{rest}");
        let outcome = goes_on(&OFFER, &script, async |one| {
            assert!(!send(one).await);
            match case {
                0 => one.etrn("mx").await.map(drop),
                1 => one.xforward(&client).await.map(drop),
                2 => one.xclient(&client).await.map(drop),
                _ => one.atrn(None).await.map(drop),
            }
        });
        assert_eq!(outcome.is_ok(), case < 3);
    }
}

#[test]
fn a_refused_rset_keeps_the_verb_back() {
    let client = attributes([("ADDR", "192.0.2.1")]);
    for case in 0..3 {
        let script = format!("{LEFT_OPEN}\nC: RSET\nS: 451 no");
        let outcome = goes_on(&OFFER, &script, async |one| {
            send(one).await;
            match case {
                0 => one.etrn("mx").await.map(drop),
                1 => one.xforward(&client).await.map(drop),
                _ => one.xclient(&client).await.map(drop),
            }
        });
        assert_eq!(outcome.unwrap_err().step(), Step::Reset);
    }
}

#[test]
fn the_reply_to_a_nameless_command_is_the_answer() {
    for (arguments, line) in [("", "XPING"), ("one  two", "XPING one  two")] {
        for code in [200, 250, 299, 450, 500, 550] {
            let script = format!("C: {line}\nS: {code} said");
            let reply = goes_on(&[], &script, async |one| one.command("XPING", arguments).await);
            assert_eq!(reply.unwrap().code().get(), code);
        }
    }
}

#[test]
fn a_verb_with_a_name_is_reserved() {
    let verbs = [
        "MAIL",
        "rcpt",
        "Data",
        "BDAT",
        "BURL",
        "EHLO",
        "HELO",
        "LHLO",
        "RSET",
        "NOOP",
        "QUIT",
        "AUTH",
        "STARTTLS",
        "XCLIENT",
        "XFORWARD",
        "ETRN",
        "ATRN",
        "VRFY",
        "EXPN",
        "HELP",
        "send",
        "SOML",
        "SAML",
        "TURN",
        "X-AnonymousTLS",
    ];
    for verb in verbs {
        let error = goes_on(&[], "", async |one| one.command(verb, "").await).unwrap_err();
        match error.kind() {
            ErrorKind::Invalid(Invalid {
                field: Field::Verb,
                flaw: Flaw::Reserved { verb: named },
                ..
            }) => {
                assert_eq!(*named, verb.to_ascii_uppercase());
            }
            other => panic!("{verb}: {other:?}"),
        }
    }
}

#[test]
fn a_nameless_command_is_one_line() {
    let long = "x".repeat(506);
    let line = |character| Flaw::Control { character, offset: 1 };
    for (verb, arguments, field, flaw) in [
        ("", "", Field::Verb, Flaw::Empty),
        ("X Y", "", Field::Verb, Flaw::Syntax { offset: 1 }),
        ("X\r\nQUIT", "", Field::Verb, line('\r')),
        ("X\nQUIT", "", Field::Verb, line('\n')),
        ("X\0", "", Field::Verb, line('\0')),
        ("X\u{f6}", "", Field::Verb, Flaw::NonAscii { offset: 1 }),
        ("XPING", "a\rb", Field::Argument, line('\r')),
        ("XPING", "a\nb", Field::Argument, line('\n')),
        ("XPING", "a\0b", Field::Argument, line('\0')),
        ("XPING", &*long, Field::Argument, Flaw::CommandTooLong { length: 514, limit: 512 }),
    ] {
        let error = goes_on(&[], "", async |one| one.command(verb, arguments).await);
        check_invalid(&error.unwrap_err(), field, flaw);
    }
}

#[test]
fn atrn_gives_the_stream_away() {
    let script = "C: ATRN example.org,example.net\nS: 250 turning\nC: 220 ready\nS: EHLO there";
    play_on(&OFFER, script, async |mut connection| {
        let stream = connection.atrn("example.org,example.net").await.unwrap();
        check_ended(&mut connection, &Ended::RolesReversed).await;
        drop(connection);
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 ready\r\n").await.unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        assert_eq!(line, "EHLO there\r\n");
    });
}

#[test]
fn a_refused_atrn_leaves_the_connection_as_it_was() {
    for code in [450, 451, 453, 500, 502, 503, 530] {
        let script = format!("C: ATRN\nS: {code} no");
        let error = goes_on(&OFFER, &script, async |one| one.atrn(None).await.map(drop));
        let error = error.unwrap_err();
        assert_eq!((error.step(), error.reply().unwrap().code().get()), (Step::Atrn, code));
    }
}

#[test]
fn who_speaks_before_the_new_greeting_gets_no_stream() {
    let script = "C: ATRN\n[raw \"250 turning\\r\\nEHLO early\\r\\n\"]";
    play_on(&OFFER, script, async |mut connection| {
        let error = connection.atrn(None).await.map(drop).unwrap_err();
        let early = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::UnsolicitedOctets));
        assert!(early, "{error:?}");
        assert!(connection.ended().is_some());
    });
}

#[test]
fn an_unasked_421_is_noticed_before_any_verb() {
    let client = attributes([("ADDR", "192.0.2.1")]);
    for case in 0..2 {
        play_on(&OFFER, "C: NOOP\nS: 250 ok\nS: 421 idle\n[close]", async |mut connection| {
            Operation::Noop.perform(&mut connection).await.unwrap();
            let_the_server_play().await;
            let outcome = match case {
                0 => connection.xclient(&client).await.map(drop),
                _ => connection.atrn(None).await.map(drop),
            };
            let error = outcome.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Ended(Ended::ServerClosing(_))), "{error:?}");
        });
    }
}
