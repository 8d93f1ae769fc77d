//! The text of a message, and how a second message is smuggled into it: rows D8 and D10 to D15.
use bytes::Bytes;
use smtp_client::{
    Delivery, Envelope, Error, ErrorKind, Extension, Field, Flaw, Invalid, LineEnds, MailData,
    Sending, Step, Unsupported,
    session::{ActiveOperation, Dialect, Hello, Next, Session, Transaction},
};
use smtp_codec::ContentFacts;

use super::{BOTH, Fate, MESSAGE, came_of, came_of_many, fate, fates, raw};
use crate::stage::{opening, play_in, play_on};

mod stuffing;

/// A session that has greeted a server with these keywords.
fn greeted(keywords: &str) -> Session {
    let mut session = Session::default();
    let mut run = session.run(Hello::after_greeting()).unwrap();
    run.receive(b"220 hi\r\n");
    run.next();
    run.wrote(run.output().len());
    run.receive(format!("250-hi\r\n250-8BITMIME\r\n250 {keywords}\r\n").as_bytes());
    run.finish().unwrap();
    session
}

/// What is given of a text: pieces, and how it ends.
enum Given<'a> {
    Whole(&'a [&'a [u8]]),
    /// Its source fails after these pieces.
    Failing(&'a [&'a [u8]]),
}

/// What a session without I/O writes after the recipient if the text is given in this way, and
/// what comes of it. The server takes everything.
fn written(
    keywords: &str,
    facts: ContentFacts,
    given: &Given<'_>,
) -> (Vec<u8>, Result<Delivery, Error>) {
    let mut session = greeted(keywords);
    let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
    let mut sending = Sending::default();
    sending.chunk = 8;
    let mut run = session.run(Transaction::new(&envelope, facts).sending(sending)).unwrap();
    let (pieces, fails) = match given {
        Given::Whole(pieces) => (pieces, false),
        Given::Failing(pieces) => (pieces, true),
    };
    let mut pieces = pieces.iter();
    let mut output = Vec::new();
    loop {
        match run.next() {
            Next::Done => break,
            Next::Request(_) => match pieces.next() {
                Some(piece) => run.text(Bytes::copy_from_slice(piece)),
                None if fails => run.abort(Invalid::new(Field::Text, Flaw::NotLines)),
                None => run.end_of_text(),
            },
            Next::Write => {
                output.extend_from_slice(run.output().first());
                let octets = run.output().first().len();
                run.wrote(octets);
            }
            Next::Read => reply(&mut run, &output),
        }
    }
    let data = output.windows(6).position(|window| matches!(window, b"DATA\r\n" | b"BDAT 8"));
    let text = data.map_or(output.len(), |at| at + 6);
    (output[text..].to_vec(), run.finish())
}

/// The server's reply to what was written last.
fn reply(run: &mut ActiveOperation<'_, Transaction<'_>>, output: &[u8]) {
    let code = if output.ends_with(b"DATA\r\n") { "354" } else { "250" };
    run.receive(format!("{code} ok\r\n").as_bytes());
}

/// The octets after DATA for a text in these pieces.
#[track_caller]
fn wire(pieces: &[&[u8]]) -> Vec<u8> {
    let text = MailData::new(pieces.concat()).unwrap();
    let (wire, outcome) = written("HELP", text.facts(), &Given::Whole(pieces));
    assert_eq!(fate(&outcome), Fate::Accepted);
    wire
}

/// The text is not sent to a server with these keywords, and nothing is written.
#[track_caller]
fn check_unsupported(keywords: &[&str], text: &MailData, lacking: Unsupported) {
    play_on(keywords, "C: QUIT\nS: 221 bye", async |mut connection| {
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let error = connection.send(&envelope, text).await.unwrap_err();
        let found = matches!(error.kind(), ErrorKind::Unsupported(found) if *found == lacking);
        assert!(found && !error.in_doubt(), "{error:?}");
        connection.quit().await.unwrap();
    });
}

#[test]
fn d8_eight_bits_without_8bitmime() {
    let text = MailData::new("Subject: a\r\n\r\n\u{fc}\r\n").unwrap();
    check_unsupported(
        &["SIZE", "SMTPUTF8"],
        &text,
        Unsupported::Extension(Extension::EightBitMime),
    );
}

#[test]
fn d10_the_size_that_a_server_states() {
    let size = MESSAGE.len() as u64;
    let text = MailData::new(MESSAGE).unwrap();
    check_unsupported(&["SIZE 10"], &text, Unsupported::TooBig { size, limit: 10 });
    let below = format!("SIZE {}", size - 1);
    check_unsupported(&[&*below], &text, Unsupported::TooBig { size, limit: size - 1 });
    let exact = format!("SIZE {size}");
    for offer in ["SIZE 0", "SIZE", "SIZE 99999999999999999999", "SIZE x", "SIZE -1", &exact] {
        let script = opening(Dialect::Smtp, &[offer])
            + &super::good(Dialect::Smtp)
                .replace("<a@example.org>", &format!("<a@example.org> SIZE={size}"))
                [opening(Dialect::Smtp, &[]).len()..];
        assert_eq!(
            came_of(Dialect::Smtp, &(script + "C: NOOP\nS: 250 ok")).alive(),
            Fate::Accepted,
            "{offer}"
        );
    }
}

/// Facts of a text of this size.
fn declared(octets: usize) -> ContentFacts {
    MailData::new("x".repeat(octets)).unwrap().facts()
}

#[test]
fn d11_a_text_of_another_size_than_declared() {
    let text = b"0123456789\r\n0123456789\r\n";
    for keywords in ["CHUNKING", "HELP"] {
        for given in [0, 1, 7, 8, 9, 20, 21, 23] {
            // A text of 24 octets with its last CRLF, of which fewer come.
            let (wire, outcome) = written(keywords, declared(22), &Given::Whole(&[&text[..given]]));
            assert_eq!(fate(&outcome), Fate::NotSent, "{keywords}, {given}: {outcome:?}");
            check_unfinished(&wire);
        }
        for declared_octets in [1, 7, 8, 12, 21] {
            let (wire, outcome) =
                written(keywords, declared(declared_octets), &Given::Whole(&[&text[..]]));
            assert_eq!(fate(&outcome), Fate::NotSent, "{keywords}, {declared_octets}");
            check_unfinished(&wire);
        }
    }
}

/// Neither a dot on a line of its own, nor the last chunk.
#[track_caller]
fn check_unfinished(wire: &[u8]) {
    let shown = wire.escape_ascii();
    assert!(!wire.ends_with(b"\r\n.\r\n") && wire != b".\r\n", "{shown}");
    assert!(!wire.windows(4).any(|window| window == b"LAST"), "{shown}");
}

#[test]
fn d12_the_source_of_a_text_fails() {
    let text = "x".repeat(70) + "\r\n";
    let text = text.repeat(20);
    let unknown = ContentFacts::default();
    for keywords in ["CHUNKING", "HELP"] {
        for facts in [MailData::new(text.clone()).unwrap().facts(), unknown] {
            for octets in [0, 1, 8, 72, 1000] {
                let given = &text.as_bytes()[..octets];
                let pieces: Vec<&[u8]> = given.chunks(100).collect();
                let (wire, outcome) = written(keywords, facts, &Given::Failing(&pieces));
                assert_eq!(fate(&outcome), Fate::NotSent, "{keywords}, {octets}");
                check_unfinished(&wire);
            }
        }
    }
}

/// MAIL, two recipients and DATA in one group.
const GROUP: &str = "C| MAIL FROM:<a@example.org>\nC| RCPT TO:<b@example.org>
C| RCPT TO:<c@example.org>\nC| DATA\n";

#[test]
fn d13_a_354_after_all_recipients_were_refused() {
    // The recipients are refused, and the server waits for a text that must not be sent: it is
    // left alone with its wait, and no dot ends a message of nothing.
    for dialect in BOTH {
        for replies in ["S: 550 no\nS: 503 x\nS: 503 x", "S: 250 s\nS: 550 x\nS: 450 x"] {
            let script = opening(dialect, &["PIPELINING"]) + GROUP + replies;
            let came = came_of_many(
                dialect,
                &format!("{script}\nS: 354 go\n[expect-close]"),
                &["b@example.org", "c@example.org"],
            );
            assert!(came.outcome.is_ok() && came.elapsed.is_zero());
            assert!(
                fates(&came.outcome).iter().all(|one| matches!(one, Fate::Never | Fate::Later))
            );
            assert_eq!(came.report.messages().len(), 0);
        }
    }
    // A 354 to another command than DATA is unexpected.
    for (step, rest) in [(Step::Mail, ""), (Step::Rcpt, "")] {
        let came =
            super::answered(Dialect::Smtp, step, &format!("S: 354 go\n{rest}[expect-close]"));
        assert_eq!((came.spent(), came.error().step()), (Fate::NotSent, step));
    }
    // One that comes unasked, glued to the reply before or while a recipient waits.
    for early in ["S: 250 recipient\nS: 354 go", "S: 354 go\nS: 250 recipient"] {
        let came = super::answered(Dialect::Smtp, Step::Rcpt, &format!("{early}\n[expect-close]"));
        assert_eq!(came.spent(), Fate::NotSent, "{early}");
        assert!(matches!(came.error().kind(), ErrorKind::Misbehaved(_)), "{early}");
    }
    // A second one, when the text has begun; and one in answer to a chunk.
    let twice = super::answered(Dialect::Smtp, Step::Data, "S: 354 go\nS: 354 go");
    assert_eq!(twice.spent(), Fate::NotSent);
    let rest = format!(
        "C: MAIL FROM:<a@example.org>\nS: 250 s\nC: RCPT TO:<b@example.org>\nS: 250 r
C: BDAT {0} LAST\n[chunk {0}]\nS: 354 go\n[expect-close]",
        MESSAGE.len()
    );
    let came = came_of(Dialect::Smtp, &(opening(Dialect::Smtp, &["CHUNKING"]) + &rest));
    assert_eq!(came.spent(), Fate::InDoubt);
    // A 354 as final reply: a client that obeys it would send a second text.
    for dialect in BOTH {
        let came = super::answered(dialect, Step::EndOfText, "S: 354 go on\n[expect-close]");
        assert_eq!(came.spent(), Fate::InDoubt);
    }
    // On an idle connection.
    for octets in [&b"354 go\r\n"[..], b"354"] {
        play_on(&[], &raw(octets), async |mut connection| {
            let error = super::send(&mut connection).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Misbehaved(_)), "{error:?}");
        });
    }
}

#[test]
fn d14_a_354_without_an_accepted_recipient() {
    for dialect in BOTH {
        let script =
            format!("{GROUP}S: 250 s\nS: 550 5.1.1 b\nS: 550 5.7.1 c\nS: 354 go\n[expect-close]");
        play_in(dialect, &["PIPELINING"], &script, async |mut connection| {
            let rcpts = ["b@example.org", "c@example.org"];
            let delivery = super::send_to(&mut connection, &rcpts).await.unwrap();
            let texts: Vec<_> =
                delivery.verdicts().map(|(_, one)| one.reply().as_bytes().to_vec()).collect();
            assert_eq!(texts, [b"5.1.1 b", b"5.7.1 c"]);
            super::check_failed(&connection, Step::Data);
        });
    }
}

#[test]
fn d15_nul_in_a_text() {
    for text in ["a\0b", "\0", "a\r\n\0", "\0\r\n.\r\n"] {
        let flaw = MailData::new(text).unwrap_err().flaw;
        assert!(matches!(flaw, Flaw::Nul { .. }), "{text:?}: {flaw:?}");
        assert!(MailData::normalize(text, LineEnds::Any).is_err(), "{text:?}");
        let binary = MailData::binary(text);
        let lacking = Unsupported::Extension(Extension::BinaryMime);
        check_unsupported(&["8BITMIME", "CHUNKING"], &binary, lacking);
        let lacking = Unsupported::Extension(Extension::Chunking);
        check_unsupported(&["8BITMIME", "BINARYMIME"], &binary, lacking);
    }
}
