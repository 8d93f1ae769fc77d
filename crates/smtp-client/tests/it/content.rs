//! Texts that come in pieces: which octets are sent, and which never are.
use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use smtp_client::{
    Body, Content, Delivery, EightBit, Envelope, Error, ErrorKind, Field, Flaw, Framing,
    HeaderName, Invalid, LineEnds, Mail, MailData, Part, RawHeaders, Sending, Step,
    session::Dialect,
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::Notify,
    time::{Instant, Sleep, sleep},
};

use crate::stage::{connector, opening, play, play_on};

/// Yields these pieces, a second apart, and then its end or a failure.
struct Trickle {
    pieces: Vec<&'static [u8]>,
    fails: bool,
    pause: Pin<Box<Sleep>>,
}

impl Trickle {
    fn new(pieces: &[&'static [u8]], fails: bool) -> Self {
        let pieces = pieces.iter().rev().copied().collect();
        Self { pieces, fails, pause: Box::pin(sleep(Duration::from_secs(1))) }
    }
}

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        std::task::ready!(self.pause.as_mut().poll(cx));
        self.pause.as_mut().reset(Instant::now() + Duration::from_secs(1));
        match self.pieces.pop() {
            Some(piece) => buffer.put_slice(piece),
            None if self.fails => return Poll::Ready(Err(io::Error::other("disk on fire"))),
            None => {}
        }
        Poll::Ready(Ok(()))
    }
}

/// How a text travels in the tests.
const WAYS: [Framing; 2] = [Framing::Data, Framing::Chunks];

/// Sends this content in this way to a server that accepts everything. Returns the result, and what
/// the server received.
fn send(
    framing: Framing,
    offer: &[&str],
    content: impl FnOnce() -> Content<'static>,
) -> (Result<Delivery, Error>, Option<Vec<u8>>) {
    let mut sending = Sending::default();
    sending.framing = framing;
    send_in(sending, "a@example.org".try_into().unwrap(), offer, content)
}

/// The same with these settings, and with this MAIL.
fn send_in(
    sending: Sending,
    mail: Mail,
    offer: &[&str],
    content: impl FnOnce() -> Content<'static>,
) -> (Result<Delivery, Error>, Option<Vec<u8>>) {
    let framing = sending.framing;
    let mut offer = offer.to_vec();
    offer.push("CHUNKING");
    let text = match framing {
        Framing::Data => "C: DATA\nS: 354 go\n[text]\nS: 250 taken\n",
        Framing::Chunks => "C~ BDAT * LAST\n[chunk 21]\nS: 250 taken\n",
    };
    let script = opening(Dialect::Smtp, &offer)
        + "C~ MAIL FROM:<a@example.org>*\nS: 250 s\nC: RCPT TO:<b@example.org>\nS: 250 r\n"
        + text;
    let played = play(&script, &connector(Dialect::Smtp), async |connected| {
        let mut connection = connected.unwrap();
        let envelope = Envelope::new(mail, ["b@example.org"]).unwrap();
        connection.scoped_sending(sending).send(&envelope, content()).await
    });
    let text = played.verdict.ok().map(|report| report.messages()[0].text().to_vec());
    (played.outcome, text)
}

const LINES: &[u8] = b"Subject: a\r\n\r\n.ends\r\n";

#[test]
fn a_reader_is_sent_as_it_comes() {
    for framing in WAYS {
        let pieces: [&[u8]; 4] = [b"Subject: a\r", b"\n\r\n", b".en", b"ds"];
        let (outcome, text) = send(framing, &[], || Content::read(Trickle::new(&pieces, false)));
        assert!(outcome.unwrap().all_accepted());
        assert_eq!(text.as_deref(), Some(LINES), "{framing:?}");
    }
}

#[test]
fn pieces_are_sent_as_they_come() {
    let octets = |framing| {
        let pieces = LINES.chunks(1).map(|octet| Ok(Bytes::from_static(octet)));
        send(framing, &["SIZE"], || Content::pieces(pieces).size(21))
    };
    for framing in WAYS {
        let (outcome, text) = octets(framing);
        assert!(outcome.unwrap().all_accepted());
        assert_eq!(text.as_deref(), Some(LINES), "{framing:?}");
    }
}

#[test]
fn line_ends_are_mended_on_the_way() {
    for framing in WAYS {
        let pieces: [&[u8]; 3] = [b"Subject: a\n", b"\r", b"\n.ends\n"];
        let (outcome, text) = send(framing, &[], || {
            Content::read(Trickle::new(&pieces, false)).line_ends(LineEnds::Unix)
        });
        assert!(outcome.unwrap().all_accepted());
        assert_eq!(text.as_deref(), Some(LINES), "{framing:?}");
    }
}

/// The text is cut off: the error is of this kind, nothing is in doubt, and what the server got
/// has no end.
#[track_caller]
fn cut_off(content: impl Fn() -> Content<'static>, kind: impl Fn(&ErrorKind) -> bool) {
    for framing in WAYS {
        let (outcome, text) = send(framing, &[], &content);
        let error = outcome.unwrap_err();
        assert!(kind(error.kind()), "{framing:?}: {error:?}");
        assert_eq!((error.step(), error.in_doubt()), (Step::Text, false), "{error:?}");
        assert!(error.verdicts().map(|(_, one)| one).eq([None]));
        assert_eq!(text, None, "{framing:?}");
    }
}

fn refuses(kind: &ErrorKind, flaw: Flaw) -> bool {
    matches!(kind, ErrorKind::Invalid(found) if *found == Invalid::new(Field::Text, flaw))
}

#[test]
fn a_source_that_fails_leaves_no_truncated_message() {
    let pieces: [&[u8]; 2] = [b"Subject: a\r\n", b"\r\n"];
    cut_off(
        || Content::read(Trickle::new(&pieces, true)),
        |kind| {
            let ErrorKind::Source(cause) = kind else { return false };
            cause.downcast_ref::<io::Error>().unwrap().to_string() == "disk on fire"
        },
    );
    let failing = || {
        let all = [Ok(Bytes::from_static(b"a: b\r\n")), Err(io::ErrorKind::BrokenPipe.into())];
        Content::pieces(all)
    };
    cut_off(failing, |kind| matches!(kind, ErrorKind::Source(_)));
}

#[test]
fn a_text_of_another_size_than_declared_is_cut_off() {
    let content = |size| move || Content::read(Trickle::new(&[LINES], false)).size(size);
    for (declared, found) in [(20, 21), (22, 21), (0, 21)] {
        cut_off(content(declared), |kind| refuses(kind, Flaw::SizeMismatch { declared, found }));
    }
}

#[test]
fn what_no_text_may_hold_is_not_sent() {
    let cases: [(&[&'static [u8]], Flaw); 5] = [
        (&[b"a: b\r\n", b"\r\n.\n.\r\n"], Flaw::BareLf { offset: 9 }),
        (&[b"a: b\r\n\r", b".\r\n"], Flaw::BareCr { offset: 6 }),
        (&[b"a: b\r\n", b"\0\r\n"], Flaw::Nul { offset: 6 }),
        (&[b"a: b\r\n\r"], Flaw::BareCr { offset: 6 }),
        (&[b"a: \xe9\r\n"], Flaw::NotSevenBit),
    ];
    for (pieces, flaw) in cases {
        cut_off(|| Content::read(Trickle::new(pieces, false)), |kind| refuses(kind, flaw));
    }
}

#[test]
fn eight_bit_text_is_accepted_where_it_may_be_sent() {
    for framing in WAYS {
        let content = || Content::read(Trickle::new(&[b"Subject: \xe9\r\n\r\n.ends\r\n"], false));
        let (outcome, text) = send(framing, &["8BITMIME"], content);
        assert!(outcome.unwrap().all_accepted());
        assert!(text.is_some());
    }
}

#[test]
fn eight_bit_text_is_sent_without_8bitmime_where_the_settings_say_so() {
    let pieces: [&[u8]; 2] = [b"Subject: \xe9\r\n", b"\r\n.\xe9nds\r\n"];
    let mail = || Mail::try_from("a@example.org").unwrap();
    let whole = || Content::from(MailData::new(pieces.concat()).unwrap());
    let read = || Content::read(Trickle::new(&pieces, false));
    for framing in WAYS {
        let mut sending = Sending::default();
        (sending.framing, sending.eight_bit) = (framing, EightBit::Send);
        let ways: [&dyn Fn() -> Content<'static>; 2] = [&whole, &read];
        for content in ways {
            let (outcome, text) = send_in(sending, mail(), &[], content);
            assert!(outcome.unwrap().all_accepted());
            assert_eq!(text.as_deref(), Some(&*pieces.concat()), "{framing:?}");
        }
        // What is declared has to be true all the same.
        let seven = mail().body(Body::SevenBit);
        let (outcome, text) = send_in(sending, seven, &["8BITMIME"], read);
        assert!(refuses(outcome.unwrap_err().kind(), Flaw::NotSevenBit));
        assert_eq!(text, None);
    }
}

/// The settings that refuse a raw header field.
fn refusing(framing: Framing) -> Sending {
    let mut sending = Sending::default();
    (sending.framing, sending.raw_headers) = (framing, RawHeaders::Refuse);
    sending
}

#[test]
fn a_raw_header_field_is_cut_off_where_it_is_refused() {
    let mail = || Mail::try_from("a@example.org").unwrap();
    let pieces: [&[u8]; 4] = [b"To: b@c\r\nSub", b"ject: a\r\n \xc3", b"\xa9\r\n", b"\r\nb\r\n"];
    let name = HeaderName::of_field(b"Subject");
    for framing in WAYS {
        for ends in [LineEnds::Strict, LineEnds::Unix] {
            let content = || Content::read(Trickle::new(&pieces, false)).line_ends(ends);
            for offer in [&["8BITMIME"][..], &["8BITMIME", "SMTPUTF8"]] {
                let (outcome, text) = send_in(refusing(framing), mail(), offer, content);
                let error = outcome.unwrap_err();
                assert!(refuses(error.kind(), Flaw::RawHeader { name }), "{error:?}");
                assert_eq!((error.step(), error.in_doubt()), (Step::Text, false), "{error:?}");
                assert_eq!(text, None, "{framing:?}");
            }
        }
        let binary = || Content::read(Trickle::new(&pieces, false)).binary();
        if framing == Framing::Chunks {
            let (outcome, text) = send_in(refusing(framing), mail(), &["BINARYMIME"], binary);
            assert!(refuses(outcome.unwrap_err().kind(), Flaw::RawHeader { name }));
            assert_eq!(text, None);
        }
    }
}

#[test]
fn a_body_outside_ascii_and_a_declared_header_section_are_not_refused() {
    for framing in WAYS {
        let body = || Content::read(Trickle::new(&[b"Subject: \r\n\r\n\xc3\xa9nds.\r\n"], false));
        let mail = Mail::try_from("a@example.org").unwrap();
        let (outcome, text) = send_in(refusing(framing), mail.clone(), &["8BITMIME"], body);
        assert!(outcome.unwrap().all_accepted() && text.is_some());
        let header = || Content::read(Trickle::new(&[b"Subject: \xc3\xa9\r\n\r\n.end\r\n"], false));
        let offer = ["8BITMIME", "SMTPUTF8"];
        let (outcome, text) = send_in(refusing(framing), mail.smtputf8(), &offer, header);
        assert!(outcome.unwrap().all_accepted() && text.is_some());
    }
}

#[test]
fn a_raw_header_field_of_a_text_in_memory_is_refused_before_anything_is_written() {
    let texts = |octets: &'static [u8]| Part::Text(MailData::new(octets).unwrap());
    let subject = HeaderName::of_field(b"Subject");
    for (parts, name) in [
        (vec![texts(b"Subject: \xc3\xa9\r\n\r\nb\r\n")], Some(subject)),
        (vec![texts(b"Subject: \xe9\r\n\r\nb\r\n")], Some(subject)),
        (vec![texts(b"To: a@b\r\n"), texts(b"Subject: \xc3\xa9\r\n\r\nb\r\n")], Some(subject)),
        (vec![texts(b"To: a\r\n"), texts(b"\r\n"), texts(b"Subject: \xc3\xa9\r\n")], None),
        (vec![texts(b"To: a\r\n\r\n\xc3\xa9\r\n")], None),
    ] {
        let rest = if name.is_some() { "C: QUIT\nS: 221 bye" } else { "C~ MAIL*\nS: 550 no" };
        play_on(&["8BITMIME"], rest, async |mut connection| {
            let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
            let sending = refusing(Framing::Data);
            let outcome = connection
                .scoped_sending(sending)
                .send(&envelope, Content::from_parts(parts))
                .await;
            let Some(name) = name else { return };
            let error = outcome.unwrap_err();
            assert!(refuses(error.kind(), Flaw::RawHeader { name }), "{error:?}");
            assert_eq!((error.step(), error.in_doubt()), (Step::Mail, false), "{error:?}");
            connection.quit().await.unwrap();
        });
    }
}

#[test]
fn a_refusal_is_handled_while_the_source_is_slow() {
    let script = opening(Dialect::Smtp, &[])
        + "C: MAIL FROM:<a@example.org>\nS: 250 s\nC: RCPT TO:<b@example.org>\nS: 250 r
C: DATA\nS: 354 go\nC: a: b\n[raw \"552 5.3.4 too much\\r\\n\"]\n[close]";
    let played = play(&script, &connector(Dialect::Smtp), async |connected| {
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let slow = Trickle::new(&[&b"a: b\r\n"[..]; 60], false);
        connected.unwrap().send(&envelope, Content::read(slow)).await
    });
    let delivery = played.outcome.unwrap();
    assert_eq!(delivery[0].reply().code().get(), 552);
    assert!(played.elapsed < Duration::from_secs(5));
}

#[test]
fn a_source_that_stalls_times_out() {
    let script = opening(Dialect::Smtp, &[])
        + "C: MAIL FROM:<a@example.org>\nS: 250 s\nC: RCPT TO:<b@example.org>\nS: 250 r
C: DATA\nS: 354 go\n[expect-close]";
    let played = play(&script, &connector(Dialect::Smtp), async |connected| {
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let (_open, stalled) = tokio::io::duplex(8);
        connected.unwrap().send(&envelope, Content::read(stalled)).await
    });
    let error = played.outcome.unwrap_err();
    assert_eq!((error.step(), error.in_doubt()), (Step::Text, false));
    assert_eq!(played.elapsed, Duration::from_secs(180));
}

#[test]
fn progress_is_reported_up_to_the_last_octet() {
    let line = "x".repeat(98) + "\r\n";
    let text = MailData::new(line.repeat(3000)).unwrap();
    let told = Arc::<Mutex<Vec<u64>>>::default();
    let script = opening(Dialect::Smtp, &[])
        + "C: MAIL FROM:<a@example.org>\nS: 250 s\nC: RCPT TO:<b@example.org>\nS: 250 r
C: DATA\nS: 354 go\n[text]\nS: 250 taken";
    let played = play(&script, &connector(Dialect::Smtp), async |connected| {
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let note = Arc::clone(&told);
        let content =
            Content::from(&text).on_progress(move |octets| note.lock().unwrap().push(octets));
        connected.unwrap().send(&envelope, content).await
    });
    assert!(played.outcome.unwrap().all_accepted());
    let told = told.lock().unwrap();
    assert!(told.len() > 3 && told.is_sorted());
    assert_eq!(told.last(), Some(&300_003));
}

#[test]
fn a_source_of_empty_pieces_does_not_starve_other_tasks() {
    let script = opening(Dialect::Smtp, &[])
        + "C: MAIL FROM:<a@example.org>\nS: 250 s\nC: RCPT TO:<b@example.org>\nS: 250 r
C: DATA\nS: 354 go\n[expect-close]";
    let begun = Arc::new(Notify::new());
    let played = play(&script, &connector(Dialect::Smtp), async |connected| {
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let note = Arc::clone(&begun);
        let pieces = std::iter::repeat_with(move || {
            note.notify_one();
            Ok(Bytes::new())
        });
        let mut connection = connected.unwrap();
        tokio::select! {
            biased;
            result = connection.send(&envelope, Content::pieces(pieces)) => Some(result),
            () = begun.notified() => None,
        }
    });
    assert!(played.outcome.is_none());
}
