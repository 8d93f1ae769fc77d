//! Header sections that are seldom intended: what is logged, what is refused, and what is sent.
use bytes::Bytes;
use smtp_client::{
    Content, Envelope, Error, ErrorKind, Field, Flaw, HeaderDefect, HeaderDefects, Invalid,
    MailData, Part, Sending, Step,
};
use tracing::Level;

use crate::{send::ACCEPTED, spans::witness, stage::play_on};

/// Mail data, and its defect.
const CASES: [(&str, Option<HeaderDefect>); 5] = [
    ("Subject: a\r\n\r\nBcc: b@example.org\r\n", None),
    ("Subject: a\r\nBcc:\r\n\r\nb\r\n", None),
    ("Subject: a\r\nBcc: b@example.org\r\n\r\nb\r\n", Some(HeaderDefect::Bcc)),
    ("Resent-Bcc: b@example.org\r\n\r\nb\r\n", Some(HeaderDefect::ResentBcc)),
    ("Hello.\r\n", Some(HeaderDefect::Missing)),
];

/// The ways in which content comes, and whether it is seen in advance.
fn contents(mail_data: &'static str) -> [(Content<'static>, bool); 4] {
    let text = MailData::new(mail_data).unwrap();
    let (first, second) = mail_data.split_at(3);
    let parts = [first, second].map(|part| Part::Text(MailData::new(part).unwrap()));
    let octets = mail_data.as_bytes().chunks(1).map(|octet| Ok(Bytes::from_static(octet)));
    [
        (Content::from(text), true),
        (Content::from_parts(parts), true),
        (Content::pieces(octets), false),
        (Content::read(mail_data.as_bytes()), false),
    ]
}

fn envelope() -> Envelope {
    Envelope::new("a@example.org", ["b@example.org"]).unwrap()
}

#[test]
fn a_defect_is_logged_once_and_the_message_is_sent() {
    for (mail_data, defect) in CASES {
        for (content, _) in contents(mail_data) {
            let seen = witness(&[], ACCEPTED, async |connection| {
                assert!(connection.send(&envelope(), content).await.unwrap().all_accepted());
            });
            let warned = seen.iter().filter(|seen| seen.level == Level::WARN);
            let warned: Vec<_> = warned.map(|seen| (seen.target, seen.field("defect"))).collect();
            let text = defect.map(|defect| defect.to_string());
            let expected = text.as_deref().map(|text| ("smtp_session", Some(text)));
            assert_eq!(warned, Vec::from_iter(expected), "{mail_data:?}");
        }
    }
}

#[test]
fn a_defect_that_is_ignored_is_not_logged() {
    for (mail_data, _) in CASES {
        for (content, _) in contents(mail_data) {
            let seen = witness(&[], ACCEPTED, async |connection| {
                let mut connection = connection.scoped_sending(rule(HeaderDefects::Ignore));
                assert!(connection.send(&envelope(), content).await.unwrap().all_accepted());
            });
            assert!(seen.iter().all(|seen| seen.level > Level::WARN), "{mail_data:?}");
        }
    }
}

fn rule(header_defects: HeaderDefects) -> Sending {
    let mut sending = Sending::default();
    sending.header_defects = header_defects;
    sending
}

#[track_caller]
fn check(error: &Error, defect: HeaderDefect, step: Step) {
    let ErrorKind::Invalid(invalid) = error.kind() else { panic!("{error:?}") };
    assert_eq!(*invalid, Invalid::new(Field::Text, Flaw::Header(defect)));
    assert_eq!((error.step(), error.in_doubt()), (step, false));
}

#[test]
fn a_defect_is_refused_before_anything_is_written_or_before_the_end() {
    for (mail_data, defect) in CASES {
        let Some(defect) = defect else { continue };
        for (content, in_advance) in contents(mail_data) {
            let begun = ACCEPTED.split("[text]").next().unwrap().to_owned() + "[expect-close]";
            let rest = if in_advance { "C: QUIT\nS: 221 bye" } else { &begun };
            play_on(&[], rest, async |mut connection| {
                let refusing = rule(HeaderDefects::Refuse);
                let outcome = connection.scoped_sending(refusing).send(&envelope(), content).await;
                let step = if in_advance { Step::Mail } else { Step::Text };
                check(&outcome.unwrap_err(), defect, step);
                if in_advance {
                    connection.quit().await.unwrap();
                }
            });
        }
    }
}

#[test]
fn bcc_is_removed_and_every_other_octet_stays() {
    for (mail_data, expected) in [
        ("To: a\r\nBcc: b\r\n c\r\n\r\nBcc: d\r\n", "To: a\r\n\r\nBcc: d\r\n"),
        ("bcc : b\r\nResent-Bcc: c\r\nX: \u{e9}\r\n\t d\r\n\r\n", "X: \u{e9}\r\n\t d\r\n\r\n"),
        ("To: a\r\nBcc: b", "To: a\r\n"),
        ("To: a\r\nBcc:\r\n", "To: a\r\n"),
        ("To: a\r\n Bcc: b\r\nXBcc: c\r\n", "To: a\r\n Bcc: b\r\nXBcc: c\r\n"),
        ("Hello.\r\nBcc: b\r\n", "Hello.\r\n"),
    ] {
        let text = MailData::new(mail_data).unwrap().without_bcc();
        // Octets and what they need of a server are those of new mail data.
        assert_eq!(text, MailData::new(expected).unwrap(), "{mail_data:?}");
    }
}
