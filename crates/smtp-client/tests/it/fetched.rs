//! Texts that the server fetches (RFC 4468).
use smtp_client::{Content, Envelope, ErrorKind, Extension, MailData, Part, Step, Unsupported};

use crate::stage::{early_chunks, play_on};

const OFFER: [&str; 3] = ["PIPELINING", "CHUNKING", "BURL imap"];
const URI: &str = "imap://harry@gryffindor.example/outbox;uidvalidity=1078863300/;uid=25";
const COMMANDS: &str = "C| MAIL FROM:<a@example.org>\nC| RCPT TO:<b@example.org>\nS: 250 a
S: 250 b\n";

fn envelope() -> Envelope {
    Envelope::new("a@example.org", ["b@example.org"]).unwrap()
}

fn fetched() -> Part {
    Part::fetched(URI).unwrap()
}

fn text(octets: &'static str) -> Part {
    Part::Text(MailData::new(octets).unwrap())
}

/// These parts go out in this way, and are accepted.
#[track_caller]
fn check(parts: impl IntoIterator<Item = Part>, script: &str) {
    play_on(&OFFER, &(COMMANDS.to_owned() + script), async |mut connection| {
        let delivery = connection.send(&envelope(), Content::from_parts(parts)).await.unwrap();
        assert!(delivery.all_accepted());
    });
}

#[test]
fn a_text_by_reference_alone_is_the_last() {
    check([fetched()], &format!("C: BURL {URI} LAST\nS: 250 2.5.0 Ok"));
}

#[test]
fn parts_come_in_their_order() {
    let burl = format!("C: BURL {URI}");
    check(
        [text("a: b\r\n"), fetched(), text("end\r\n")],
        &format!(
            "C: BDAT 6\n[chunk 6]\n{burl}\nC: BDAT 5 LAST\n[chunk 5]\nS: 250 a\nS: 250 b\nS: 250 c"
        ),
    );
    check([fetched(), fetched()], &format!("{burl}\n{burl} LAST\nS: 250 a\nS: 250 b"));
    check(
        [text("a: b"), fetched()],
        &format!("C: BDAT 4\n[chunk 4]\n{burl} LAST\nS: 250 a\nS: 250 b"),
    );
}

#[test]
fn an_empty_part_at_the_end_does_not_leave_a_line_open() {
    let script = "C| MAIL FROM:<a@example.org>\nC| RCPT TO:<b@example.org>\nC| BDAT 6 LAST
[chunk 6]\nS: 250 s\nS: 250 r\nS: 250 taken";
    play_on(&OFFER, script, async |mut connection| {
        *connection.sending_mut() = early_chunks();
        let content = Content::from_parts([text("a: b"), text("")]);
        assert!(connection.send(&envelope(), content).await.unwrap().all_accepted());
    });
}

#[test]
fn what_is_not_offered_is_not_asked_for() {
    play_on(&["CHUNKING", "PIPELINING"], "C: QUIT\nS: 221 bye", async |mut connection| {
        let error =
            connection.send(&envelope(), Content::from_parts([fetched()])).await.unwrap_err();
        let lacking = Unsupported::Extension(Extension::Burl);
        assert!(matches!(error.kind(), ErrorKind::Unsupported(found) if *found == lacking));
        connection.quit().await.unwrap();
    });
}

#[test]
fn a_fetch_that_fails_is_the_verdict() {
    let script = format!("{COMMANDS}C: BURL {URI} LAST\nS: 554 5.6.6 IMAP URL resolution failed");
    play_on(&OFFER, &script, async |mut connection| {
        let delivery =
            connection.send(&envelope(), Content::from_parts([fetched()])).await.unwrap();
        let verdict = &delivery[0];
        assert_eq!((verdict.step(), verdict.reply().code().get()), (Step::EndOfText, 554));
    });
}

#[test]
fn a_reference_cannot_hold_a_space_or_a_line_end() {
    for uri in ["", "imap://a b", "imap://a\r\nRSET"] {
        assert!(Part::fetched(uri).is_err());
    }
}
