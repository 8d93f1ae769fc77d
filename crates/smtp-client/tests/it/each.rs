//! One reply for each recipient over SMTP (PRDR), as Exim implements it.
use smtp_client::{Envelope, ErrorKind, Framing, Mail, MailData, MailParam, Misbehaved, Step};

use crate::stage::{connector, opening, play, play_in, play_on};
use smtp_client::session::Dialect;

const OFFER: [&str; 2] = ["PIPELINING", "PRDR"];
const COMMANDS: &str = "C| MAIL FROM:<a@example.org> PRDR\nC| RCPT TO:<b@example.org>
C| RCPT TO:<c@example.org>\nC| RCPT TO:<d@example.org>\nC| DATA
S: 250 OK, PRDR Requested\nS: 250 b\nS: 550 c\nS: 250 d\nS: 354 go\n[text]\n";

fn envelope() -> Envelope {
    let mail = Mail::try_from("a@example.org").unwrap().with(MailParam::Prdr).unwrap();
    Envelope::new(mail, ["b@example.org", "c@example.org", "d@example.org"]).unwrap()
}

/// The verdicts for this reply to the text; `None` where there is none.
#[track_caller]
fn check(replies: &str, expected: [Option<(Step, u16)>; 3], in_doubt: bool) {
    let script = opening(Dialect::Smtp, &OFFER) + COMMANDS + replies;
    let played = play(&script, &connector(Dialect::Smtp), async |connected| {
        connected.unwrap().send(&envelope(), MailData::new("a: b\r\n").unwrap()).await
    });
    let word = |one: &smtp_client::Verdict| (one.step(), one.reply().code().get());
    let found: Vec<Option<(Step, u16)>> = match &played.outcome {
        Ok(delivery) => delivery.verdicts().map(|(_, one)| Some(word(one))).collect(),
        Err(error) => {
            assert_eq!(error.in_doubt(), in_doubt, "{error:?}");
            error.verdicts().map(|(_, one)| one.map(word)).collect()
        }
    };
    assert_eq!(found, expected, "{replies}");
    assert_eq!(played.outcome.is_err(), in_doubt, "{replies}");
    played.verdict.unwrap();
}

const REFUSED: Option<(Step, u16)> = Some((Step::Rcpt, 550));

fn last(code: u16) -> Option<(Step, u16)> {
    Some((Step::EndOfText, code))
}

#[test]
fn each_recipient_has_its_own_verdict() {
    let begun = "S: 353 content analysis beginning\n";
    let both = format!("{begun}S: 250 R=<b> acceptance\nS: 550 R=<d> refused\nS: 250 id=1");
    check(&both, [last(250), REFUSED, last(550)], false);
    let none = format!("{begun}S: 550 R=<b> no\nS: 451 R=<d> later\nS: 550 nobody");
    check(&none, [last(550), REFUSED, last(451)], false);
    let spam = format!("{begun}S: 250 R=<b> yes\nS: 550 R=<d> no\nS: 554 after all no");
    check(&spam, [last(554), REFUSED, last(550)], false);
}

#[test]
fn a_server_may_answer_for_all_at_once() {
    check("S: 250 id=1", [last(250), REFUSED, last(250)], false);
    check("S: 554 spam", [last(554), REFUSED, last(554)], false);
}

#[test]
fn no_recipient_is_accepted_before_the_final_reply() {
    let begun = "S: 353 content analysis beginning\nS: 250 R=<b> yes\nS: 550 R=<d> no\n";
    check(&format!("{begun}[close]"), [None, REFUSED, last(550)], true);
    let half = "S: 353 begins\nS: 250 R=<b> yes\n[close]";
    check(half, [None, REFUSED, None], true);
}

#[test]
fn in_chunks_a_reply_about_one_recipient_may_have_a_code_about_an_address() {
    let script = "C| MAIL FROM:<a@example.org> PRDR\nC| RCPT TO:<b@example.org>
C| RCPT TO:<c@example.org>\nC| RCPT TO:<d@example.org>
S: 250 2.1.0 a\nS: 250 2.1.5 b\nS: 550 5.1.1 c\nS: 250 2.1.5 d\nC| BDAT 6 LAST\n[chunk 6]
S: 353 each\nS: 250 2.1.5 b\nS: 250 2.1.5 d\nS: 250 2.0.0 id=1";
    let offer = ["PIPELINING", "PRDR", "CHUNKING"];
    play_on(&offer, script, async |mut connection| {
        connection.sending_mut().framing = Framing::Chunks;
        let text = MailData::new("a: b\r\n").unwrap();
        let delivery = connection.send(&envelope(), text).await.unwrap();
        let codes = delivery.verdicts().map(|(_, one)| one.reply().code().get());
        assert_eq!(codes.collect::<Vec<_>>(), [250, 550, 250]);
    });
}

#[test]
fn code_353_is_unexpected_without_prdr() {
    let rest = "C| MAIL FROM:<a@example.org>\nC| RCPT TO:<b@example.org>\nC| DATA\nS: 250 a
S: 250 b\nS: 354 go\n[text]\nS: 353 each";
    play_on(&OFFER, rest, async |mut connection| {
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let error = connection.send(&envelope, MailData::new("a: b").unwrap()).await.unwrap_err();
        assert!(error.in_doubt());
    });
}

#[test]
fn code_353_is_unexpected_with_lmtp() {
    let rest = format!("{COMMANDS}S: 353 each");
    play_in(Dialect::Lmtp, &OFFER, &rest, async |mut connection| {
        let error = connection.send(&envelope(), MailData::new("a: b").unwrap()).await.unwrap_err();
        let wrong = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::WrongCode { .. }));
        assert!(wrong && error.in_doubt(), "{error:?}");
    });
}
