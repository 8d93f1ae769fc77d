//! The result of a message: rows O1 to O6 and O12 to O16.
use std::time::Duration;

use smtp_client::{
    Broken, Connection, Delivery, Ended, Envelope, Error, ErrorKind, MailData, Misbehaved, Sending,
    Step, Timeouts, session::Dialect,
};
use smtp_testkit::Server as TestServer;
use tokio::time::{Instant, timeout};

use super::{
    BOTH, Fate, MESSAGE, answered, asked, came_of, fate, good, in_chunks_if_offered, send, send_to,
    socket::Socket,
};
use crate::stage::{connector, opening, parse, perform, play_in, play_on};

mod recipients;

use recipients::{PAIR, pair};

#[test]
fn o1_the_server_closes_after_the_dot() {
    for dialect in BOTH {
        for end in ["[close]", "[abort]", "[delay 1s]\n[reset]"] {
            let came = answered(dialect, Step::EndOfText, end);
            assert_eq!((came.spent(), came.error().step()), (Fate::InDoubt, Step::EndOfText));
            assert!(matches!(came.error().kind(), ErrorKind::Broken(_)), "{:?}", came.outcome);
        }
        // A step earlier it is certain.
        assert_eq!(answered(dialect, Step::Data, "[close]").spent(), Fate::NotSent);
    }
}

#[test]
fn o2_silence_after_the_dot() {
    let minutes = Duration::from_secs(600);
    assert_eq!(Timeouts::default().end_of_text, minutes);
    for dialect in BOTH {
        let rest = asked(dialect, Step::EndOfText) + "[stall]";
        let rest = &rest[opening(dialect, &[]).len()..];
        play_in(dialect, &[], rest, async |mut connection| {
            let begun = Instant::now();
            let outcome = send(&mut connection).await;
            assert_eq!((fate(&outcome), begun.elapsed()), (Fate::InDoubt, minutes));
            let error = outcome.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Broken(Broken::TimedOut { .. })));
        });
    }
}

#[test]
fn o3_the_final_reply_is_cut_short() {
    let whole = [
        "250 ok\r\n",
        "250-2.0.0 queued\r\n250 2.0.0 as 4711\r\n",
        "250\r\n",
        "554 no\r\n",
        "421 bye\r\n",
        "250-\r\n250 \r\n",
    ];
    for dialect in BOTH {
        for reply in whole {
            // Anywhere but after its last octet.
            for cut in 0..reply.len() {
                for end in ["[close]", "[abort]", "[stall]", "[half-close]"] {
                    let answer = super::raw(&reply.as_bytes()[..cut]);
                    let answer = if cut == 0 { String::new() } else { answer };
                    let came = answered(dialect, Step::EndOfText, &(answer + end));
                    assert_eq!(came.spent(), Fate::InDoubt, "{reply:?} {cut} {end}");
                }
            }
        }
    }
    // Octets that only look like a reply do not count.
    for odd in [
        "250ok\r\n",
        "250-a\r\n\r\n",
        "250-a\r\n250",
        "25",
        "250 ok\r",
        "2 50 ok\r\n",
        "\x00250 ok\r\n",
        "250-a\r\n221 bye\r\n",
    ] {
        for dialect in BOTH {
            let came =
                answered(dialect, Step::EndOfText, &(super::raw(odd.as_bytes()) + "[close]"));
            assert_eq!(came.spent(), Fate::InDoubt, "{odd:?}");
        }
    }
}

#[test]
fn o4_a_verdict_and_then_the_end() {
    for dialect in BOTH {
        for (reply, expected) in [
            ("554 spam", Fate::Never),
            ("250 ok", Fate::Accepted),
            ("451 later", Fate::Later),
            ("299 hm", Fate::Accepted),
        ] {
            for end in ["[close]", "[abort]", "[half-close]"] {
                let came = answered(dialect, Step::EndOfText, &format!("S: {reply}\n{end}"));
                assert_eq!(came.spent(), expected, "{reply} {end}");
            }
        }
    }
}

/// A text that fits into no buffer.
fn big(octets: usize) -> MailData {
    MailData::new(format!("{}\r\n", "x".repeat(78)).repeat(octets / 80)).unwrap()
}

async fn send_text(connection: &mut Connection, text: &MailData) -> Result<Delivery, Error> {
    let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
    in_chunks_if_offered(connection).send(&envelope, text).await
}

#[tokio::test]
async fn o5_a_refusal_in_the_middle_of_a_big_text() {
    let text = big(30 << 20);
    for (word, expected) in [
        ("552 5.3.4 too big\r\n", Fate::Never),
        ("552-5.3.4 too\r\n552 5.3.4 big\r\n", Fate::Never),
        ("451 4.3.0 disk\r\n", Fate::Later),
        ("421 4.3.2 bye\r\n", Fate::Later),
    ] {
        let socket = Socket::listen("250 mx\r\n", "DATA", 64 * 1024, word);
        let mut connection = socket.connect().await.unwrap();
        let outcome = send_text(&mut connection, &text).await;
        assert_eq!(fate(&outcome), expected, "{outcome:?}");
        let delivery = outcome.unwrap();
        let verdict = &delivery[0];
        assert_eq!(
            (verdict.step(), verdict.reply().code().to_string()),
            (Step::Text, word[..3].into())
        );
        socket.join();
        assert!(matches!(connection.ended(), Some(Ended::Failed { .. } | Ended::ServerClosing(_))));
    }
    // A code that is not allowed there is no acceptance.
    for word in ["250 queued\r\n", "354 go\r\n", "what?\r\n"] {
        let socket = Socket::listen("250 mx\r\n", "DATA", 64 * 1024, word);
        let mut connection = socket.connect().await.unwrap();
        let outcome = send_text(&mut connection, &text).await;
        assert_eq!(fate(&outcome), Fate::NotSent, "{word}: {outcome:?}");
        socket.join();
    }
}

/// The result of a big text if this is received while it is sent.
#[track_caller]
fn amid(dialect: Dialect, said: &str) -> Result<Delivery, Error> {
    let rest = format!("{}{said}", asked(dialect, Step::Text));
    let rest = &rest[opening(dialect, &[]).len()..];
    play_in(dialect, &[], rest, async |mut connection| {
        let outcome = send_text(&mut connection, &big(1_000_000)).await;
        assert!(connection.ended().is_some());
        outcome
    })
    .0
}

#[test]
fn o6_a_reply_before_the_dot() {
    for dialect in BOTH {
        // While the text flows an acceptance accepts nothing, and a refusal refuses.
        for (said, expected) in [
            ("S: 250 queued", Fate::NotSent),
            ("[raw \"250 queued\\r\\n\"]\n[close]", Fate::NotSent),
            ("[delay 1s]\n[raw \"250 queued\\r\\n\"]\n[stall]", Fate::NotSent),
            ("[delay 1s]\n[raw \"354 go\\r\\n\"]\n[stall]", Fate::NotSent),
            ("[delay 1s]\n[raw \"250-half\\r\\n\"]\n[close]", Fate::NotSent),
            ("[delay 1s]\n[raw \"what?\\r\\n\"]\n[stall]", Fate::NotSent),
            ("[delay 1s]\n[raw \"554 no\\r\\n\"]\n[stall]", Fate::Never),
            ("[delay 1s]\n[raw \"554 no\\r\\n\"]\n[abort]", Fate::Never),
            ("[delay 1s]\n[raw \"451 no\\r\\n250 ok\\r\\n\"]\n[close]", Fate::Later),
            ("[delay 1s]\n[raw \"421 bye\\r\\n\"]\n[close]", Fate::Later),
            ("[delay 1s]\n[close]", Fate::NotSent),
        ] {
            assert_eq!(fate(&amid(dialect, said)), expected, "{said}");
        }
        // One in the same segment as the 354, and one that begins before the dot and ends after it.
        let glued = answered(dialect, Step::Data, "S: 354 go\nS: 250 queued");
        assert_eq!(glued.spent(), Fate::NotSent);
        for (before, after) in [
            ("2", "50 ok\\r\\n"),
            ("250 que", "ued\\r\\n"),
            ("250-que\\r\\n", "250 ued\\r\\n"),
            ("250 queued\\r", "\\n"),
        ] {
            let said = format!("[raw \"{before}\"]\n[text]\n[raw \"{after}\"]\n[stall]");
            let came = came_of(dialect, &(asked(dialect, Step::Text) + &said));
            assert_eq!(came.spent(), Fate::InDoubt, "{said}: {:?}", came.outcome);
        }
    }
    // The reply to a chunk is none before the chunk was handed over, in a group and alone.
    let mail = "MAIL FROM:<a@example.org>";
    let rcpt = "RCPT TO:<b@example.org>";
    let alone = format!("C: {mail}\nS: 250 s\nC: {rcpt}\nS: 250 r\nC: BDAT 240000 LAST\n");
    let group = format!("C: {mail}\nC: {rcpt}\nC: BDAT 240000 LAST\n");
    let queued = "[raw \"250 queued\\r\\n\"]\n[stall]";
    let forged = "[raw \"250 s\\r\\n250 r\\r\\n250 queued\\r\\n\"]\n[stall]";
    for (keywords, rest) in [
        (&["CHUNKING"][..], format!("{alone}[chunk 100]\n{queued}")),
        (&["CHUNKING", "PIPELINING"], format!("{group}[chunk 100]\n{forged}")),
    ] {
        play_on(keywords, &rest, async |mut connection| {
            let outcome = send_text(&mut connection, &big(240_000)).await;
            assert_eq!(fate(&outcome), Fate::NotSent, "{outcome:?}");
            let error = outcome.unwrap_err();
            let unasked = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)));
            assert!(unasked, "{error:?}");
        });
    }
}

#[test]
fn o12_nothing_is_sent_again_by_itself() {
    perform(async {
        let lost = asked(Dialect::Smtp, Step::EndOfText) + "[close]";
        let builder =
            TestServer::builder().script(parse(&lost)).script(parse(&good(Dialect::Smtp)));
        let (server, dialer) = builder.pipes();
        let connector = connector(Dialect::Smtp);
        let text = MailData::new(format!("Message-ID: <1@example.org>\r\n{MESSAGE}")).unwrap();
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let mut connection = connector.connect_over(dialer.dial()).await.unwrap();
        assert_eq!(fate(&connection.send(&envelope, &text).await), Fate::InDoubt);
        // Neither by waiting nor by asking the same connection again.
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(fate(&connection.send(&envelope, &text).await), Fate::NotSent);
        // The caller's own decision, with a connection of their own; the text is the same.
        let mut connection = connector.connect_over(dialer.dial()).await.unwrap();
        assert_eq!(fate(&connection.send(&envelope, &text).await), Fate::Accepted);
        drop((connection, dialer));
        let report = server.finish().await.unwrap();
        let [first, second] = report.messages()[..] else { panic!("two messages") };
        assert_eq!(first.text(), second.text());
    });
}

#[tokio::test]
async fn o13_an_attempt_is_one_attempt() {
    // A server that drops every connection is met once for each call, and nothing is kept for
    // later.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        (0..3).for_each(|_| drop(listener.accept().unwrap()));
        listener.set_nonblocking(true).unwrap();
        listener.accept().is_err()
    });
    let connector = smtp_client::Connector::new(smtp_client::Server::tcp("127.0.0.1", port));
    for _ in 0..3 {
        let error = connector.connect().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Broken(_)), "{error:?}");
        assert_eq!((error.step(), error.in_doubt()), (Step::Greeting, false));
    }
    assert!(server.join().unwrap(), "the client connected a fourth time");
}

#[test]
fn o14_a_chunk_is_refused() {
    let mut sending = Sending::default();
    sending.chunk = 8;
    let octets = MESSAGE.len();
    assert_eq!(octets, 20, "two chunks of 8 and one of 4");
    let commands = "MAIL FROM:<a@example.org>\nS: 250 s\nC: RCPT TO:<b@example.org>\nS: 250 r\n";
    // One at a time: the last is not sent.
    let rest =
        format!("C: {commands}C: BDAT 8\n[chunk 8]\nS: 552 5.3.4 too big\nC: RSET\nS: 250 reset");
    play_on(&["CHUNKING"], &rest, async |mut connection| {
        let outcome = send(&mut connection.scoped_sending(sending)).await;
        assert_eq!(fate(&outcome), Fate::Never);
        connection.reset().await.unwrap();
    });
    // Pipelined: the pending replies are counted before anything else is sent.
    let group = "C| MAIL FROM:<a@example.org>\nC| RCPT TO:<b@example.org>\nS: 250 s\nS: 250 r\n";
    let chunks = "C: BDAT 8\n[chunk 8]\nC: BDAT 8\n[chunk 8]\nC: BDAT 4 LAST\n[chunk 4]\n";
    for replies in
        ["S: 552 too big\nS: 503 x\nS: 503 y\n", "S: 250 one\nS: 552 too big\nS: 503 y\n"]
    {
        let rest = format!("{group}{chunks}{replies}C: RSET\nS: 250 reset\nC: NOOP\nS: 250 noop");
        play_on(&["PIPELINING", "CHUNKING"], &rest, async |mut connection| {
            let outcome = send(&mut connection.scoped_sending(sending)).await;
            assert_eq!(fate(&outcome), Fate::Never, "{replies}");
            connection.reset().await.unwrap();
            assert_eq!(connection.noop().await.unwrap().as_bytes(), b"noop");
        });
    }
    // An incomplete text cannot be accepted, and the state of the server is unknown.
    let rest = format!("{group}{chunks}S: 552 too big\nS: 250 x\nS: 250 FORGED\n");
    play_on(&["PIPELINING", "CHUNKING"], &rest, async |mut connection| {
        let outcome = send(&mut connection.scoped_sending(sending)).await;
        assert_eq!(fate(&outcome), Fate::InDoubt);
        connection.noop().await.unwrap_err();
    });
}

#[test]
fn o15_a_message_is_dropped_after_the_dot() {
    for dialect in BOTH {
        let script = pair(dialect, ["250 b", "550 c"], "[expect-close]");
        let rest = &script[opening(dialect, &[]).len()..];
        play_in(dialect, &[], rest, async |mut connection| {
            let sent = send_to(&mut connection, &PAIR);
            timeout(Duration::from_secs(1), sent).await.unwrap_err();
            let canceled = Ended::Canceled { step: Step::EndOfText, in_doubt: true };
            assert_eq!(connection.ended(), Some(&canceled));
            let known: Vec<_> =
                connection.canceled_verdicts().map(|(_, one)| one.is_some()).collect();
            assert_eq!(known, [false, true]);
            let error = connection.noop().await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Ended(found) if *found == canceled));
        });
        // Before the dot there is no doubt.
        let script = asked(dialect, Step::Data) + "[expect-close]";
        let rest = &script[opening(dialect, &[]).len()..];
        play_in(dialect, &[], rest, async |mut connection| {
            timeout(Duration::from_secs(1), send(&mut connection)).await.unwrap_err();
            let canceled = Ended::Canceled { step: Step::Data, in_doubt: false };
            assert_eq!(connection.ended(), Some(&canceled));
        });
    }
}

#[test]
fn o16_accepted_but_quit_fails() {
    for dialect in BOTH {
        for end in ["[stall]", "S: 421 bye", "[reset]", "[close]", "S: what?", "S: 250 hm"] {
            let script = format!("{}C: QUIT\n{end}", good(dialect));
            let rest = &script[opening(dialect, &[]).len()..];
            play_in(dialect, &[], rest, async |mut connection| {
                let begun = Instant::now();
                let outcome = send(&mut connection).await;
                assert_eq!((fate(&outcome), begun.elapsed()), (Fate::Accepted, Duration::ZERO));
                connection.quit().await.unwrap_err();
                assert!(begun.elapsed() <= Timeouts::default().quit, "{end}");
                assert_eq!(fate(&outcome), Fate::Accepted);
            });
        }
    }
}
