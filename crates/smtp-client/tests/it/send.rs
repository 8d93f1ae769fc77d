//! Sending: which commands are sent together, which parameters are derived, and several messages on
//! one connection.
use smtp_client::{
    Connection, Delivery, Ended, Envelope, Error, ErrorKind, Extension, Invalid, Mail, MailData,
    Rcpt, Step, Unsupported, session::Dialect,
};
use smtp_codec::{Body, Param};
use smtp_error::{Field, Flaw};

use crate::stage::{play_in, play_on};

fn envelope() -> Envelope {
    Envelope::new("a@example.org", ["b@example.org"]).unwrap()
}

/// Sends one message with this script.
#[track_caller]
fn send(keywords: &[&str], rest: &str, envelope: &Envelope, text: &str) -> Result<Delivery, Error> {
    let text = MailData::new(text.to_owned()).unwrap();
    let send = async |mut connection: Connection| connection.send(envelope, &text).await;
    play_on(keywords, rest, send).0
}

/// MAIL is written with these parameters.
#[track_caller]
fn check_mail(keywords: &[&str], envelope: &Envelope, text: &str, parameters: &str) {
    let from = envelope.mail().path().as_str();
    let to = envelope.rcpts()[0].path().as_str();
    let rest = format!(
        "C: MAIL FROM:<{from}>{parameters}\nS: 250 ok\nC: RCPT TO:<{to}>\nS: 250 ok\n\
         C: DATA\nS: 354 go\n[text]\nS: 250 ok"
    );
    assert!(send(keywords, &rest, envelope, text).unwrap().all_accepted());
}

/// The message is refused before MAIL, and the connection goes on.
#[track_caller]
fn check_not_asked(keywords: &[&str], envelope: &Envelope, text: &str) -> Error {
    let text = MailData::new(text.to_owned()).unwrap();
    let (outcome, _) = play_on(keywords, "C: NOOP\nS: 250 ok", async |mut connection| {
        let outcome = connection.send(envelope, &text).await;
        connection.noop().await.unwrap();
        outcome
    });
    let error = outcome.unwrap_err();
    assert_eq!((error.step(), error.in_doubt()), (Step::Mail, false));
    assert!(error.verdicts().len() == 0);
    error
}

#[track_caller]
fn check_unsupported(keywords: &[&str], envelope: &Envelope, text: &str, lacking: Unsupported) {
    let error = check_not_asked(keywords, envelope, text);
    let found = matches!(error.kind(), ErrorKind::Unsupported(found) if *found == lacking);
    assert!(found, "{error:?}");
}

#[test]
fn offered_pipelining_groups_the_commands() {
    let rest = "
        C| MAIL FROM:<a@example.org>
        C| RCPT TO:<b@example.org>
        C| DATA
        S: 250 ok
        S: 250 ok
        S: 354 go
        C| text
        C| .
        S: 250 ok
    ";
    assert!(send(&["pipelining"], rest, &envelope(), "text\r\n").unwrap().all_accepted());
}

#[test]
fn replies_may_come_one_by_one_or_octet_by_octet() {
    let rest = "
        C| MAIL FROM:<a@example.org>
        C| RCPT TO:<b@example.org>
        C| DATA
        S: 250 ok
        [delay 1s]
        S: 250-ok
        [delay 1s]
        S: 250 ok
        [delay 1s]
        [split 1]
        S: 354 go
        [text]
        [split 1]
        S: 250 ok
    ";
    assert!(send(&["PIPELINING"], rest, &envelope(), "text\r\n").unwrap().all_accepted());
}

#[test]
fn without_pipelining_each_command_waits_for_its_reply() {
    check_mail(&[], &envelope(), "text\r\n", "");
    check_mail(&["X-PIPELINING", "PIPELININGX"], &envelope(), "text\r\n", "");
}

#[test]
fn taken_away_pipelining_is_not_used() {
    let rest = "
        C: MAIL FROM:<a@example.org>
        S: 250 ok
        C: RCPT TO:<b@example.org>
        S: 550 no
    ";
    play_on(&["PIPELINING"], rest, async |mut connection| {
        let offered = connection.capabilities().clone();
        connection.set_capabilities(offered.without(Extension::Pipelining));
        let text = MailData::new("text\r\n").unwrap();
        let delivery = connection.send(&envelope(), &text).await.unwrap();
        assert!(!delivery.any_accepted());
    });
}

#[test]
fn the_size_is_declared_where_it_is_asked_for() {
    for keyword in ["SIZE", "SIZE 0", "SIZE 6", "size 1000", "SIZE 99999999999999999999"] {
        check_mail(&[keyword], &envelope(), "text\r\n", " SIZE=6");
        check_mail(&[keyword], &envelope(), "text", " SIZE=6");
    }
    check_mail(&["SIZE"], &envelope(), "", " SIZE=0");
    check_mail(&["SIZE"], &envelope(), ".\r\n.\r\n", " SIZE=6");
}

#[test]
fn a_message_over_the_limit_is_not_offered() {
    let too_big = |size, limit| Unsupported::TooBig { size, limit };
    check_unsupported(&["SIZE 5"], &envelope(), "text\r\n", too_big(6, 5));
    check_unsupported(&["SIZE 5"], &envelope(), "text", too_big(6, 5));
    check_unsupported(&["SIZE 1", "SIZE 9"], &envelope(), "text\r\n", too_big(6, 1));
}

#[test]
fn eight_bit_text_is_declared_or_not_sent() {
    let text = "Gr\u{fc}\u{df}e\r\n\r\nGr\u{fc}\u{df}e\r\n";
    check_mail(&["8BITMIME"], &envelope(), text, " BODY=8BITMIME");
    check_mail(&["8BITMIME"], &envelope(), "text\r\n", "");
    let lacking = Unsupported::Extension(Extension::EightBitMime);
    check_unsupported(&[], &envelope(), text, lacking.clone());
    check_unsupported(&["SMTPUTF8"], &envelope(), text, lacking);
}

#[test]
fn utf8_is_declared_for_addresses_and_headers() {
    let utf8 = Envelope::new("gr\u{fc}n@example.org", ["b@example.org"]).unwrap();
    check_mail(&["SMTPUTF8"], &utf8, "text\r\n", " SMTPUTF8");
    let utf8 = Envelope::new("a@example.org", ["gr\u{fc}n@gr\u{fc}n.example"]).unwrap();
    check_mail(&["SMTPUTF8", "8BITMIME"], &utf8, "text\r\n", " SMTPUTF8");
    let domain = Envelope::new("a@gr\u{fc}n.example", ["b@gr\u{fc}n.example"]).unwrap();
    assert!(domain.mail().path().as_str().is_ascii());
    check_mail(&["SMTPUTF8"], &domain, "text\r\n", "");
    check_mail(&[], &domain, "text\r\n", "");
    let headers = "Subject: gr\u{fc}n\r\n\r\ntext\r\n";
    check_mail(&["SMTPUTF8", "8BITMIME"], &envelope(), headers, " BODY=8BITMIME SMTPUTF8");
    let body = "Subject: green\r\n\r\ngr\u{fc}n\r\n";
    check_mail(&["SMTPUTF8", "8BITMIME"], &envelope(), body, " BODY=8BITMIME");
}

#[test]
fn an_address_outside_ascii_needs_smtputf8() {
    let lacking = Unsupported::Extension(Extension::SmtpUtf8);
    let sender = Envelope::new("gr\u{fc}n@example.org", ["b@example.org"]).unwrap();
    check_unsupported(&["8BITMIME"], &sender, "text\r\n", lacking.clone());
    let recipients = ["b@example.org", "gr\u{fc}n@gr\u{fc}n.example"];
    let recipient = Envelope::new("a@example.org", recipients).unwrap();
    check_unsupported(&["8BITMIME"], &recipient, "text\r\n", lacking);
}

#[test]
fn what_the_caller_declares_is_sent_or_objected_to() {
    let path = || "a@example.org".parse().unwrap();
    let declared = Mail::new(path()).size(4000).body(Body::EightBitMime);
    let declared = Envelope::new(declared, ["b@example.org"]).unwrap();
    check_mail(&["SIZE", "8BITMIME"], &declared, "text\r\n", " SIZE=4000 BODY=8BITMIME");
    let lacking = Unsupported::Extension(Extension::Size);
    check_unsupported(&["8BITMIME"], &declared, "text\r\n", lacking);

    let seven = Envelope::new(Mail::new(path()).body(Body::SevenBit), ["b@example.org"]).unwrap();
    let error = check_not_asked(&["8BITMIME"], &seven, "gr\u{fc}n\r\n");
    let invalid = Invalid::new(Field::Text, Flaw::NotSevenBit);
    assert!(matches!(error.kind(), ErrorKind::Invalid(found) if *found == invalid), "{error:?}");
}

#[test]
fn a_parameter_of_a_recipient_stays_with_it() {
    let never = Param::new("NOTIFY").unwrap().with("NEVER").unwrap();
    let silent = Rcpt::new("b@example.org".parse().unwrap()).param(never).unwrap();
    let plain = Rcpt::new("c@example.org".parse().unwrap());
    let envelope = Envelope::new("", [silent, plain]).unwrap();
    let rest = "
        C: MAIL FROM:<>
        S: 250 ok
        C: RCPT TO:<b@example.org> NOTIFY=NEVER
        S: 250 ok
        C: RCPT TO:<c@example.org>
        S: 250 ok
        C: DATA
        S: 354 go
        [text]
        S: 250 ok
    ";
    assert!(send(&["DSN"], rest, &envelope, "text\r\n").unwrap().all_accepted());
    let lacking = Unsupported::Extension(Extension::Dsn);
    check_unsupported(&[], &envelope, "text\r\n", lacking);
}

/// A message that goes well.
pub(crate) const ACCEPTED: &str = "
    C: MAIL FROM:<a@example.org>
    S: 250 ok
    C: RCPT TO:<b@example.org>
    S: 250 ok
    C: DATA
    S: 354 go
    [text]
    S: 250 ok
";
const MAIL_REFUSED: &str = "
    C: MAIL FROM:<a@example.org>
    S: 550 no
";
const RCPT_REFUSED: &str = "
    C: MAIL FROM:<a@example.org>
    S: 250 ok
    C: RCPT TO:<b@example.org>
    S: 550 no
";
const DATA_REFUSED: &str = "
    C: MAIL FROM:<a@example.org>
    S: 250 ok
    C: RCPT TO:<b@example.org>
    S: 250 ok
    C: DATA
    S: 554 no
";
const TEXT_REFUSED: &str = "
    C: MAIL FROM:<a@example.org>
    S: 250 ok
    C: RCPT TO:<b@example.org>
    S: 250 ok
    C: DATA
    S: 354 go
    [text]
    S: 554 no
";

/// Several messages on one connection, and whether a reset comes between them.
#[track_caller]
fn check_messages(dialect: Dialect, first: &str, reset: bool) {
    let reset = if reset { "C: RSET\nS: 250 ok\n" } else { "" };
    let rest = format!("{first}{reset}{ACCEPTED}{ACCEPTED}");
    play_in(dialect, &[], &rest, async |mut connection| {
        let text = MailData::new("text\r\n").unwrap();
        let accepted = first == ACCEPTED;
        for expected in [accepted, true, true] {
            let delivery = connection.send(&envelope(), &text).await.unwrap();
            assert_eq!(delivery.all_accepted(), expected);
        }
    });
}

#[test]
fn a_reset_comes_only_where_a_transaction_was_left_open() {
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        check_messages(dialect, ACCEPTED, false);
        check_messages(dialect, MAIL_REFUSED, false);
        check_messages(dialect, TEXT_REFUSED, false);
        check_messages(dialect, RCPT_REFUSED, true);
        check_messages(dialect, DATA_REFUSED, true);
    }
}

#[test]
fn ehlo_or_a_reset_of_the_caller_makes_another_needless() {
    for (between, ehlo) in
        [("C: RSET\nS: 250 ok\n", false), ("C: EHLO client.example\nS: 250 hi\n", true)]
    {
        let rest = format!("{RCPT_REFUSED}{between}{ACCEPTED}");
        play_on(&[], &rest, async |mut connection| {
            let text = MailData::new("text\r\n").unwrap();
            assert!(!connection.send(&envelope(), &text).await.unwrap().any_accepted());
            if ehlo {
                connection.rehlo().await.unwrap();
            } else {
                connection.reset().await.unwrap();
            }
            assert!(connection.send(&envelope(), &text).await.unwrap().all_accepted());
        });
    }
}

#[test]
fn a_pipelined_reset_is_sent_with_the_group() {
    let group = "C| MAIL FROM:<a@example.org>\nC| RCPT TO:<b@example.org>\nC| DATA\n";
    let rest = format!(
        "{group}S: 250 ok\nS: 550 no\nS: 503 no\n\
         C| RSET\n{group}S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n[text]\nS: 250 ok"
    );
    play_on(&["PIPELINING"], &rest, async |mut connection| {
        let text = MailData::new("text\r\n").unwrap();
        assert!(!connection.send(&envelope(), &text).await.unwrap().any_accepted());
        assert!(connection.send(&envelope(), &text).await.unwrap().all_accepted());
    });
}

#[test]
fn a_refused_reset_is_an_error_and_no_message_is_sent() {
    for code in [421, 451, 502] {
        let rest = format!("{RCPT_REFUSED}C: RSET\nS: {code} no");
        play_on(&[], &rest, async |mut connection| {
            let text = MailData::new("text\r\n").unwrap();
            assert!(!connection.send(&envelope(), &text).await.unwrap().any_accepted());
            match connection.send(&envelope(), &text).await {
                Ok(delivery) => {
                    assert_eq!(code, 421);
                    assert!(!delivery.any_accepted());
                }
                Err(error) => {
                    let ended = matches!(error.kind(), ErrorKind::Ended(Ended::NotReset(_)));
                    assert!(ended && error.is_transient(), "{error:?}");
                    assert_eq!((error.step(), error.in_doubt()), (Step::Reset, false));
                }
            }
        });
    }
}
