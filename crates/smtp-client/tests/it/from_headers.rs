//! Envelopes that follow from header fields, and the text that is sent with them.
use smtp_client::{AddressField, Envelope, HeaderError, MailData, Message};

use crate::stage::play_on;

#[track_caller]
fn check(fields: &str, sender: &str, recipients: &[&str]) {
    let envelope = Envelope::from_headers(fields.as_bytes()).unwrap();
    assert_eq!(envelope, Envelope::new(sender, recipients.iter().copied()).unwrap(), "{fields:?}");
}

#[test]
fn the_recipients_are_those_of_to_cc_and_bcc_each_once() {
    check(
        "from: Ann <a@example.org>\r\nBCC: e@example.org\r\nCc: c@example.org, d@example.org\r
To: b@example.org\r\nTo: C@example.org, c@EXAMPLE.org\r\n\r\nTo: z@example.org\r\n",
        "a@example.org",
        &["b@example.org", "C@example.org", "c@EXAMPLE.org", "d@example.org", "e@example.org"],
    );
    check("From: a@example.org\nBcc: b@example.org\n\n", "a@example.org", &["b@example.org"]);
}

#[test]
fn internationalized_domains_have_a_labels() {
    let fields = "From: J\u{f6} <a@b\u{fc}cher.example>\r\nTo: c@\u{e9}.example\r\n\r\n";
    check(fields, "a@xn--bcher-kva.example", &["c@xn--9ca.example"]);
}

#[test]
fn the_sender_is_in_sender_or_else_in_from() {
    let to = "To: b@example.org\r\n";
    let check = |fields: &str, sender| check(&format!("{fields}{to}"), sender, &["b@example.org"]);
    check("From: a@example.org, c@example.org\r\nSender: c@example.org\r\n", "c@example.org");
    check("Sender: s@example.org\r\nFrom: a@example.org\r\n", "s@example.org");
}

#[test]
fn the_first_block_of_resent_fields_counts() {
    let original = "From: a@example.org\r\nTo: b@example.org\r\nBcc: z@example.org\r\n";
    let first =
        "Resent-From: r@example.org\r\nResent-To: s@example.org\r\nResent-Bcc: t@example.org\r\n";
    let second = "Resent-From: x@example.org\r\nResent-Cc: y@example.org\r\n";
    for fields in [
        format!("{first}{original}"),
        format!("Received: by mx\r\n{first}{second}{original}"),
        format!("{first}Received: by mx\r\n{second}{original}"),
    ] {
        check(&fields, "r@example.org", &["s@example.org", "t@example.org"]);
    }
}

#[test]
fn what_names_no_sender_or_no_recipient_is_an_error_of_its_field() {
    use AddressField::{Bcc, Cc, From, ResentBcc, ResentCc, ResentFrom, ResentTo, Sender, To};
    let resent = HeaderError::NoRecipient { to: ResentTo, cc: ResentCc, bcc: ResentBcc };
    let b = "To: b@example.org\r\n";
    for (fields, expected) in [
        (b.to_owned(), HeaderError::NoSender { field: From }),
        (format!("{b}\r\nFrom: a@example.org\r\n"), HeaderError::NoSender { field: From }),
        (
            format!("Resent-Date: x\r\nFrom: a@example.org\r\n{b}"),
            HeaderError::NoSender { field: ResentFrom },
        ),
        (format!("From: \r\n{b}"), HeaderError::NoAddress { field: From }),
        (
            format!("From: a@example.org\r\nSender: x:;\r\n{b}"),
            HeaderError::NoAddress { field: Sender },
        ),
        (
            format!("From: a@example.org\r\nFrom: c@example.org\r\n{b}"),
            HeaderError::Repeated { field: From },
        ),
        (
            format!("From: a@example.org, c@example.org\r\n{b}"),
            HeaderError::SeveralAuthors { field: From, addresses: 2 },
        ),
        (
            format!("Sender: a@example.org, c@example.org\r\n{b}"),
            HeaderError::SeveralSenders { field: Sender, addresses: 2 },
        ),
        (
            "From: a@example.org\r\nTo: undisclosed-recipients:;\r\n\r\n".to_owned(),
            HeaderError::NoRecipient { to: To, cc: Cc, bcc: Bcc },
        ),
        (format!("Resent-From: a@example.org\r\n{b}"), resent),
        (
            "From: a@example.org\r\nTo: b@example.org\r\nCc: c@example(d).org\r\n".to_owned(),
            HeaderError::Unreadable { field: Cc },
        ),
    ] {
        assert_eq!(Envelope::from_headers(fields.as_bytes()), Err(expected), "{fields:?}");
    }
    let no_mailbox = b"From: a@example.org\r\nTo: b@example.org, c@exa_mple..org\r\n";
    let error = Envelope::from_headers(no_mailbox).unwrap_err();
    let HeaderError::Address { field: To, number: 2, address, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(address, "c@exa_mple..org");
}

#[test]
fn a_message_is_sent_to_bcc_and_without_it() {
    let text = "From: a@example.org\r\nTo: b@example.org\r\nBcc: c@example.org\r\n\r\nHi.\r\n";
    let script = "C: MAIL FROM:<a@example.org>\nS: 250 s\nC: RCPT TO:<b@example.org>\nS: 250 r
C: RCPT TO:<c@example.org>\nS: 250 r\nC: DATA\nS: 354 go\n[text]\nS: 250 taken";
    let (_, report) = play_on(&[], script, async |mut connection| {
        let message = Message::from_headers(MailData::new(text).unwrap()).unwrap();
        let (envelope, content) = message.into_parts();
        assert!(connection.send(&envelope, content).await.unwrap().all_accepted());
    });
    let sent = "From: a@example.org\r\nTo: b@example.org\r\n\r\nHi.\r\n";
    assert_eq!(report.messages()[0].text(), sent.as_bytes());
}
