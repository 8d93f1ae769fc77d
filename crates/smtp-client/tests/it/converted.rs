//! Messages of other crates: their envelopes, and what is sent of them.
use lettre::address::{Address, Envelope as LettreEnvelope};
use mail_builder::MessageBuilder;
use smtp_client::{Envelope, HeaderError, MailData, Message};
use smtp_testkit::Report;

use crate::{blocking, stage::play_on};

/// Both clients send this message, to `b` and `c`. Returns the text that the server received.
#[track_caller]
fn sent(message: impl Fn() -> Message<'static>) -> String {
    let script = "C~ MAIL FROM:<a@example.org>*\nS: 250 s\nC: RCPT TO:<b@example.org>\nS: 250 r
C: RCPT TO:<c@example.org>\nS: 250 r\nC: DATA\nS: 354 go\n[text]\nS: 250 taken";
    let offer = ["8BITMIME", "SMTPUTF8"];
    let (_, report): (_, Report) = play_on(&offer, script, async |mut connection| {
        let (envelope, content) = message().into_parts();
        assert!(connection.send(&envelope, content).await.unwrap().all_accepted());
    });
    blocking::play_on(&offer, script, |connection| {
        let (envelope, content) = message().into_parts();
        assert!(connection.send(&envelope, content).unwrap().all_accepted());
    });
    String::from_utf8(report.messages()[0].text().to_vec()).unwrap()
}

/// The fields that hold addresses, and no other part of the message, name them.
#[track_caller]
fn check_without_bcc(text: &str) {
    assert!(text.contains("b@example.org") && text.contains("Hello"), "{text}");
    // A random Message-ID may contain "bcc".
    assert!(!text.contains("c@example.org") && !text.to_lowercase().contains("\nbcc"), "{text}");
}

fn letter() -> lettre::message::MessageBuilder {
    let builder = lettre::Message::builder().from("Ann <a@example.org>".parse().unwrap());
    let builder = builder.to("b@example.org".parse().unwrap());
    builder.bcc("c@example.org".parse().unwrap()).subject("caf\u{e9}")
}

#[test]
fn a_message_of_lettre_is_sent_without_bcc() {
    let plain = letter().body("Hello,\nh\u{e9}.\n".to_owned()).unwrap();
    check_without_bcc(&sent(|| Message::try_from(&plain).unwrap()));
    let kept = letter().keep_bcc().body("Hello.\n".to_owned()).unwrap();
    assert!(String::from_utf8(kept.formatted()).unwrap().contains("Bcc: c@example.org"));
    check_without_bcc(&sent(|| Message::try_from(&kept).unwrap()));
}

#[test]
fn an_envelope_of_lettre_is_kept() {
    let address = |text: &str| text.parse::<Address>().unwrap();
    let to = vec![address("b@example.org"), address("c@b\u{fc}cher.example")];
    let text = MailData::new("Subject: x\r\n\r\nHello.\r\n").unwrap();
    for (from, sender) in [(Some(address("a@example.org")), "a@example.org"), (None, "")] {
        let theirs = LettreEnvelope::new(from, to.clone()).unwrap();
        let message = Message::try_from((&theirs, &text)).unwrap();
        let recipients = ["b@example.org", "c@xn--bcher-kva.example"];
        assert_eq!(*message.envelope(), Envelope::new(sender, recipients).unwrap());
    }
}

fn built<'x>(bcc: &'x str) -> MessageBuilder<'x> {
    let builder = MessageBuilder::new().from(("Ann \"A\" Doe, x@y", "a@example.org"));
    let builder = builder.to(vec![("Bo\u{e9}", "b@example.org")]).bcc(bcc).subject("caf\u{e9}");
    builder.text_body("Hello.\n")
}

#[test]
fn a_message_of_mail_builder_is_sent_without_bcc() {
    check_without_bcc(&sent(|| built("c@example.org").try_into().unwrap()));
}

#[test]
fn an_address_of_mail_builder_cannot_add_a_header_field() {
    for address in ["c@example.org>\r\nBcc: <d@example.org", "c@example.org, d@example.org", "c"] {
        let error = Message::try_from(built(address)).unwrap_err();
        let HeaderError::InvalidAddress(invalid) = &error else { panic!("{error:?}") };
        let shown = address.replace("\r\n", "\\r\\n");
        assert_eq!(invalid.address(), Some(&*shown));
        assert!(error.to_string().starts_with(&format!("header fields: address \"{shown}\": ")));
    }
}
