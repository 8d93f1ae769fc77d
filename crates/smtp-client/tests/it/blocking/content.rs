//! Contents over a connection that blocks: where they may come from, and where they may not.
use std::io;

use bytes::Bytes;
use smtp_client::{Content, Envelope, ErrorKind, LineEnds, Step};

use super::play_on;

const TRANSACTION: &str =
    "C: MAIL FROM:<a@x.org>\nS: 250 ok\nC: RCPT TO:<b@x.org>\nS: 250 ok\nC: DATA\nS: 354 go\n";

fn envelope() -> Envelope {
    Envelope::new("a@x.org", ["b@x.org"]).unwrap()
}

#[test]
fn what_has_to_be_awaited_is_refused_before_anything_is_written() {
    play_on(&[], "C: NOOP\nS: 250 ok", |connection| {
        // Whether it would be ready at once makes no difference.
        for content in [Content::read(tokio::io::empty()), Content::read(&b"x\r\n"[..])] {
            let error = connection.send(&envelope(), content).unwrap_err();
            let ErrorKind::Source(cause) = error.kind() else { panic!("{error:?}") };
            let cause = cause.downcast_ref::<io::Error>().unwrap();
            assert_eq!(cause.kind(), io::ErrorKind::Unsupported);
            assert_eq!((error.step(), error.in_doubt()), (Step::Mail, false));
        }
        assert!(connection.ended().is_none());
        connection.noop().unwrap();
    });
}

#[test]
fn readers_and_pieces_are_sent() {
    let script = format!("{TRANSACTION}[text]\nS: 250 ok\n").repeat(2);
    play_on(&[], &script, |connection| {
        let reader = Content::read_blocking(&b"Subject: x\n\n.y\n"[..]).line_ends(LineEnds::Unix);
        assert!(connection.send(&envelope(), reader).unwrap().all_accepted());
        let pieces =
            ["Subject: x\r\n", "\r\n", ".y\r\n"].map(|one| Ok(Bytes::from_static(one.as_bytes())));
        let mut written = 0;
        let content = Content::pieces(pieces).on_progress(|octets| written = octets);
        assert!(connection.send(&envelope(), content).unwrap().all_accepted());
        assert!(written > 18);
    });
}

#[test]
fn a_reader_that_fails_cuts_the_text_off() {
    let failing = [Ok(Bytes::from_static(b"Subject: x\r\n")), Err(io::ErrorKind::NotFound.into())];
    play_on(&[], &format!("{TRANSACTION}[expect-close]"), |connection| {
        let error = connection.send(&envelope(), Content::pieces(failing)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Source(_)), "{error:?}");
        assert!(!error.in_doubt() && connection.ended().is_some());
    });
}
