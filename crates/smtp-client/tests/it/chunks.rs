//! Texts in chunks (RFC 3030): when they are sent, their content, and the meaning of the replies.
use std::time::Duration;

use smtp_client::{
    Body, Connection, Delivery, Ended, Envelope, Error, ErrorKind, Excess, Framing, Mail, MailData,
    Misbehaved, Sending, Step, session::Dialect,
};
use tokio::time::timeout;

use crate::stage::{early_chunks, play_in, play_on};

const TEXT: &str = "Subject: a\r\n\r\n.b\r\n";
const FAST: [&str; 2] = ["PIPELINING", "CHUNKING"];

fn envelope() -> Envelope {
    Envelope::new("a@example.org", ["b@example.org", "c@example.org"]).unwrap()
}

/// Chunks of at most this size.
fn chunks_of(octets: usize) -> Sending {
    let mut sending = Sending::default();
    sending.framing = Framing::Chunks;
    sending.chunk = octets;
    sending
}

async fn send(connection: &mut Connection, sending: Sending) -> Result<Delivery, Error> {
    connection.scoped_sending(sending).send(&envelope(), MailData::new(TEXT).unwrap()).await
}

/// The steps and codes of the verdicts.
fn words(delivery: &Delivery) -> Vec<(Step, u16)> {
    delivery.verdicts().map(|(_, one)| (one.step(), one.reply().code().get())).collect()
}

/// MAIL and two recipients in one group, as they stand in a script.
const COMMANDS: &str = "C| MAIL FROM:<a@example.org>
C| RCPT TO:<b@example.org>
C| RCPT TO:<c@example.org>
";

#[test]
fn where_chunking_is_offered_the_text_still_waits_for_354() {
    let text = "RSET\r\nMAIL FROM:<boss@example.org>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\n";
    let rest = format!("{COMMANDS}C| DATA\nS: 250 a\nS: 550 b\nS: 550 c\nS: 503 nobody\n[stall]");
    let (delivery, _) = play_on(&FAST, &rest, async |mut connection| {
        connection.send(&envelope(), MailData::new(text).unwrap()).await.unwrap()
    });
    assert_eq!(words(&delivery), [(Step::Rcpt, 550); 2]);
}

#[test]
fn a_chunk_waits_for_an_accepted_recipient() {
    let one =
        format!("{COMMANDS}S: 250 a\nS: 250 b\nS: 550 c\nC: BDAT 18 LAST\n[chunk 18]\nS: 250 d\n");
    let none = format!("{COMMANDS}S: 250 a\nS: 550 b\nS: 550 c\n[stall]");
    play_on(&FAST, &(one + &none), async |mut connection| {
        let delivery = send(&mut connection, chunks_of(1000)).await.unwrap();
        assert_eq!(words(&delivery), [(Step::EndOfText, 250), (Step::Rcpt, 550)]);
        let delivery = send(&mut connection, chunks_of(1000)).await.unwrap();
        assert_eq!(words(&delivery), [(Step::Rcpt, 550); 2]);
    });
}

#[test]
fn a_short_text_leaves_with_the_commands_if_that_is_asked_for() {
    let rest = format!(
        "{COMMANDS}C| BDAT 18 LAST\n[chunk 18]\nS: 250 a\nS: 250 b\nS: 550 c\nS: 250 taken"
    );
    let (delivery, report) = play_on(&FAST, &rest, async |mut connection| {
        send(&mut connection, early_chunks()).await.unwrap()
    });
    assert_eq!(words(&delivery), [(Step::EndOfText, 250), (Step::Rcpt, 550)]);
    let message = &report.connections()[0].messages()[0];
    assert_eq!(message.text(), TEXT.as_bytes());
}

#[test]
fn without_pipelining_the_text_waits_for_the_replies() {
    let rest = "C: MAIL FROM:<a@example.org>\nS: 250 a\nC: RCPT TO:<b@example.org>\nS: 250 b
C: RCPT TO:<c@example.org>\nS: 250 c\nC: BDAT 10\n[chunk 10]\nS: 250 so far
C: BDAT 8 LAST\n[chunk 8]\nS: 250 taken";
    let (delivery, _) = play_on(&["CHUNKING"], rest, async |mut connection| {
        send(&mut connection, chunks_of(10)).await.unwrap()
    });
    assert!(delivery.all_accepted());
}

#[test]
fn a_longer_text_waits_for_the_recipients_and_then_flows() {
    let rest = format!(
        "{COMMANDS}S: 250 a\nS: 250 b\nS: 550 c
C: BDAT 7\n[chunk 7]\nC: BDAT 7\n[chunk 7]\nC: BDAT 4 LAST\n[chunk 4]
S: 250 one\nS: 250 two\nS: 250 taken"
    );
    let (delivery, report) = play_on(&FAST, &rest, async |mut connection| {
        send(&mut connection, chunks_of(7)).await.unwrap()
    });
    assert_eq!(words(&delivery), [(Step::EndOfText, 250), (Step::Rcpt, 550)]);
    let messages = report.connections()[0].messages().iter();
    let text: Vec<u8> = messages.flat_map(|message| message.text().to_vec()).collect();
    assert_eq!(text, TEXT.as_bytes());
}

#[test]
fn chunks_of_no_octets_count_as_those_of_one() {
    let rest = format!("{COMMANDS}S: 250 a\nS: 250 b\nS: 550 c\n")
        + &"C: BDAT 1\n[chunk 1]\n".repeat(17)
        + "C: BDAT 1 LAST\n[chunk 1]\n"
        + &"S: 250 ok\n".repeat(18);
    let (delivery, _) = play_on(&FAST, &rest, async |mut connection| {
        send(&mut connection, chunks_of(0)).await.unwrap()
    });
    assert!(delivery.any_accepted());
    let mut early = early_chunks();
    early.chunk = 0;
    let script = format!("{COMMANDS}S: 250 a\nS: 550 b\nS: 550 c\n[stall]");
    let (delivery, _) =
        play_on(&FAST, &script, async |mut connection| send(&mut connection, early).await.unwrap());
    assert_eq!(words(&delivery), [(Step::Rcpt, 550); 2]);
}

#[test]
fn a_longer_text_without_a_recipient_is_not_sent() {
    let rest = format!(
        "{COMMANDS}S: 250 a\nS: 550 b\nS: 451 c\nC: RSET\nS: 250 reset\nC: NOOP\nS: 250 ok"
    );
    let (delivery, _) = play_on(&FAST, &rest, async |mut connection| {
        let delivery = send(&mut connection, chunks_of(7)).await.unwrap();
        connection.reset().await.unwrap();
        connection.noop().await.unwrap();
        delivery
    });
    assert_eq!(words(&delivery), [(Step::Rcpt, 550), (Step::Rcpt, 451)]);
}

#[test]
fn a_short_text_without_recipients_leaves_the_connection_usable() {
    // After a refused RSET the chunk would go to the recipients of the first message.
    let second = format!("C| RSET\n{COMMANDS}S: 250 reset\nC| BDAT 18 LAST\n[chunk 18]");
    let rest = format!(
        "{COMMANDS}C| BDAT 18 LAST\n[chunk 18]\nS: 250 a\nS: 550 b\nS: 550 c\nS: 503 no
{second}\nS: 250 a\nS: 250 b\nS: 250 c\nS: 250 taken"
    );
    play_on(&FAST, &rest, async |mut connection| {
        let refused = send(&mut connection, early_chunks()).await.unwrap();
        assert_eq!(words(&refused), [(Step::Rcpt, 550); 2]);
        assert!(send(&mut connection, early_chunks()).await.unwrap().all_accepted());
    });
}

#[test]
fn a_refused_sender_is_followed_by_rset() {
    // If the refusal was one reply too many, a transaction is open.
    let second = format!("C| RSET\n{COMMANDS}S: 250 reset\nS: 250 a\nS: 550 b\nS: 550 c");
    let rest = format!("{COMMANDS}S: 550 a\nS: 503 b\nS: 503 c\n{second}");
    play_on(&FAST, &rest, async |mut connection| {
        let delivery = send(&mut connection, chunks_of(1000)).await.unwrap();
        assert_eq!(words(&delivery), [(Step::Mail, 550); 2]);
        let delivery = send(&mut connection, chunks_of(1000)).await.unwrap();
        assert_eq!(words(&delivery), [(Step::Rcpt, 550); 2]);
    });
}

#[test]
fn a_refused_chunk_is_the_last() {
    let rest = "C: MAIL FROM:<a@example.org>\nS: 250 a\nC: RCPT TO:<b@example.org>\nS: 250 b
C: RCPT TO:<c@example.org>\nS: 250 c\nC: BDAT 7\n[chunk 7]\nS: 552 5.3.4 too much
C: RSET\nS: 250 reset";
    let (delivery, _) = play_on(&["CHUNKING"], rest, async |mut connection| {
        let delivery = send(&mut connection, chunks_of(7)).await.unwrap();
        connection.reset().await.unwrap();
        delivery
    });
    assert_eq!(words(&delivery), [(Step::Text, 552); 2]);
}

#[test]
fn the_replies_to_chunks_in_flight_are_counted() {
    let rest = format!(
        "{COMMANDS}S: 250 a\nS: 250 b\nS: 250 c
C: BDAT 7\n[chunk 7]\nC: BDAT 7\n[chunk 7]\nC: BDAT 4 LAST\n[chunk 4]
S: 552 too much\nS: 551 dropped\nS: 551 dropped\nC: RSET\nS: 250 ok"
    );
    let (delivery, _) = play_on(&FAST, &rest, async |mut connection| {
        let delivery = send(&mut connection, chunks_of(7)).await.unwrap();
        connection.reset().await.unwrap();
        delivery
    });
    assert_eq!(words(&delivery), [(Step::Text, 552); 2]);
}

#[test]
fn a_refusal_before_the_end_of_a_chunk_is_the_verdict() {
    let rest = "C: MAIL FROM:<a@example.org>\nS: 250 a\nC: RCPT TO:<b@example.org>\nS: 250 b
C: RCPT TO:<c@example.org>\nS: 250 c\nC: BDAT 300000 LAST\n[raw \"521 no chunks here\\r\\n\"]\n[close]";
    play_on(&["CHUNKING"], rest, async |mut connection| {
        let line = "x".repeat(98) + "\r\n";
        let text = MailData::new(line.repeat(3000)).unwrap();
        match connection.scoped_sending(chunks_of(1 << 20)).send(&envelope(), &text).await {
            Ok(delivery) => assert_eq!(words(&delivery)[0].1, 521),
            Err(error) => panic!("{error:?}"),
        }
        let ended = connection.noop().await.unwrap_err();
        assert!(matches!(ended.kind(), ErrorKind::Ended(Ended::Failed { .. })), "{ended:?}");
    });
}

#[test]
fn a_connection_that_breaks_after_the_last_octet_leaves_doubt() {
    for (pipelined, cut) in [(true, 17), (true, 18), (false, 17), (false, 18)] {
        let (keywords, commands) = if pipelined {
            (&FAST[..], format!("{COMMANDS}C| BDAT 18 LAST\n[chunk {cut}]\n[close]"))
        } else {
            let spoken = "C: MAIL FROM:<a@example.org>\nS: 250 a\nC: RCPT TO:<b@example.org>
S: 250 b\nC: RCPT TO:<c@example.org>\nS: 250 c\nC: BDAT 18 LAST\n";
            (&FAST[1..], format!("{spoken}[chunk {cut}]\n[close]"))
        };
        let opening = crate::stage::opening(Dialect::Smtp, keywords) + &commands;
        let connector = crate::stage::connector(Dialect::Smtp);
        let played = crate::stage::play(&opening, &connector, async |connected| {
            send(&mut connected.unwrap(), early_chunks()).await
        });
        // It was handed over whole, whatever the server read of it.
        let error = played.outcome.unwrap_err();
        assert!(error.in_doubt(), "{error:?}");
        assert!(error.verdicts().map(|(_, one)| one).eq([None, None]));
    }
}

#[test]
fn lmtp_answers_for_each_recipient_in_chunks_too() {
    let rest = format!(
        "{COMMANDS}S: 250 a\nS: 250 b\nS: 250 c\nC: BDAT 18 LAST\n[chunk 18]
S: 250 for b\nS: 552 c is full"
    );
    let (delivery, _) = play_in(Dialect::Lmtp, &FAST, &rest, async |mut connection| {
        send(&mut connection, chunks_of(100)).await.unwrap()
    });
    assert_eq!(words(&delivery), [(Step::EndOfText, 250), (Step::EndOfText, 552)]);
}

#[test]
fn lmtp_uses_data_by_default() {
    let rest = format!(
        "{COMMANDS}C| DATA\nS: 250 a\nS: 250 b\nS: 250 c\nS: 354 go\n[text]\nS: 250 b\nS: 250 c"
    );
    play_in(Dialect::Lmtp, &FAST, &rest, async |mut connection| {
        assert!(send(&mut connection, Sending::default()).await.unwrap().all_accepted());
    });
}

#[test]
fn a_text_without_its_last_line_end_is_given_one() {
    let rest = "C| MAIL FROM:<a@example.org> SIZE=5\nC| RCPT TO:<b@example.org>\nC| BDAT 5 LAST
[chunk 5]\nS: 250 a\nS: 250 b\nS: 250 taken";
    let keywords = ["PIPELINING", "CHUNKING", "SIZE"];
    let (_, report) = play_on(&keywords, rest, async |mut connection| {
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        connection
            .scoped_sending(early_chunks())
            .send(&envelope, MailData::new("a:b").unwrap())
            .await
            .unwrap()
    });
    assert_eq!(report.connections()[0].messages()[0].text(), b"a:b\r\n");
}

#[test]
fn a_binary_text_arrives_as_it_is() {
    let rest = "C| MAIL FROM:<a@example.org> BODY=BINARYMIME\nC| RCPT TO:<b@example.org>
C| BDAT 6 LAST\n[chunk 6]\nS: 250 a\nS: 250 b\nS: 250 taken";
    let keywords = ["PIPELINING", "CHUNKING", "BINARYMIME"];
    let (_, report) = play_on(&keywords, rest, async |mut connection| {
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let binary = MailData::binary(&b"\n.\n\0\r\xff"[..]);
        connection.scoped_sending(early_chunks()).send(&envelope, binary).await.unwrap()
    });
    assert_eq!(report.connections()[0].messages()[0].text(), b"\n.\n\0\r\xff");
}

#[test]
fn what_is_declared_binary_travels_in_chunks() {
    let rest = "C: MAIL FROM:<a@example.org> BODY=BINARYMIME\nS: 250 a\nC: RCPT TO:<b@example.org>
S: 250 b\nC: BDAT 6 LAST\n[chunk 6]\nS: 250 taken";
    play_on(&["CHUNKING", "BINARYMIME"], rest, async |mut connection| {
        let mail = Mail::try_from("a@example.org").unwrap().body(Body::BinaryMime);
        let envelope = Envelope::new(mail, ["b@example.org"]).unwrap();
        let mut sending = Sending::default();
        sending.framing = Framing::Data;
        sending.excess = Excess::Continue;
        let text = MailData::new("a: b\r\n").unwrap();
        let delivery = connection.scoped_sending(sending).send(&envelope, &text).await.unwrap();
        assert!(delivery.all_accepted());
    });
}

#[test]
fn an_empty_text_is_sent_after_data() {
    let rest =
        "C| MAIL FROM:<a@example.org>\nC| RCPT TO:<b@example.org>\nC| DATA\nS: 250 a\nS: 250 b
S: 354 go\n[text]\nS: 250 taken";
    play_on(&FAST, rest, async |mut connection| {
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let delivery = connection.send(&envelope, MailData::new("").unwrap()).await.unwrap();
        assert!(delivery.all_accepted());
    });
}

#[test]
fn a_refusal_before_the_first_chunk_is_announced_is_about_none() {
    let replies = "[raw \"250 a\\r\\n250 b\\r\\n250 c\\r\\n550 what for?\\r\\n\"]";
    play_on(&FAST, &format!("{COMMANDS}{replies}"), async |mut connection| {
        let error = send(&mut connection, chunks_of(7)).await.unwrap_err();
        let unasked = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)));
        assert!(unasked && !error.in_doubt(), "{error:?}");
        assert!(error.verdicts().map(|(_, one)| one).eq([None, None]));
    });
}

#[test]
fn what_everybody_was_refused_is_not_in_doubt_when_it_is_dropped() {
    for (answer, in_doubt) in [("550", false), ("250", true)] {
        let commands = format!("{COMMANDS}C| BDAT 18 LAST\n[chunk 18]\n");
        let rest = format!("{commands}S: 250 a\nS: 550 b\nS: {answer} c\n[stall]");
        play_on(&FAST, &rest, async |mut connection| {
            let sent = send(&mut connection, early_chunks());
            assert!(timeout(Duration::from_secs(1), sent).await.is_err());
            let step = Step::EndOfText;
            assert_eq!(connection.ended(), Some(&Ended::Canceled { step, in_doubt }));
        });
    }
}

/// What a server says to a short text that leaves with the commands, all at once, and whether the
/// last word is believed.
#[track_caller]
fn check_count(replies: &str, believed: bool) {
    let commands = format!("{COMMANDS}C| BDAT 18 LAST\n[chunk 18]");
    play_on(&FAST, &format!("{commands}\n[raw \"{replies}\"]"), async |mut connection| {
        let mut sending = early_chunks();
        sending.excess = Excess::Continue;
        let outcome = send(&mut connection, sending).await;
        assert_eq!(outcome.is_ok(), believed, "{outcome:?}");
        let Err(error) = outcome else { return };
        assert!(matches!(error.kind(), ErrorKind::Misbehaved(_)), "{error:?}");
        assert!(error.in_doubt(), "{error:?}");
        assert!(error.verdicts().map(|(_, one)| one).eq([None, None]));
        let ended = connection.noop().await.unwrap_err();
        assert!(matches!(ended.kind(), ErrorKind::Ended(Ended::Failed { .. })), "{ended:?}");
    });
}

#[test]
fn a_reply_too_many_is_not_taken_for_the_reply_to_the_text() {
    check_count("250 a\\r\\n250 b\\r\\n250 c\\r\\n250 taken\\r\\n", true);
    // The server replied 554 to the text.
    check_count("250 a\\r\\n250 a\\r\\n250 b\\r\\n250 c\\r\\n554 no\\r\\n", false);
    check_count("250 a\\r\\n250 a\\r\\n550 b\\r\\n250 c\\r\\n554 n", false);
    // Nor if another transaction is to follow.
    check_count("250 a\\r\\n250 a\\r\\n452 b\\r\\n250 c\\r\\n554 no\\r\\n", false);
    check_count("250 a\\r\\n250 b\\r\\n250 c\\r\\n250 taken\\r\\n421 bye\\r\\n", true);
}

/// All recipients are refused, and the server reads on in the text as if it were commands: however
/// its replies are cut, the verdicts stand.
#[test]
fn what_follows_the_refusal_of_all_recipients_makes_no_doubt() {
    for replies in [
        "250 a\r\n550 b\r\n550 c\r\n503 d\r\n",
        "250 a\r\n550 b\r\n550 c\r\n503 d\r\n500 what\r\n250 reset\r\n500 what\r\n",
        "550 a\r\n503 b\r\n503 c\r\n503 d\r\n500 what\r\n250 noop\r\n500 wh",
    ] {
        let expected = if replies.starts_with("250") { Step::Rcpt } else { Step::Mail };
        for cut in 0..replies.len() {
            let (first, second) = replies.split_at(cut);
            let [first, second] = [first, second].map(str::escape_default);
            let rest = format!(
                "{COMMANDS}C| BDAT 18 LAST\n[chunk 18]\n[raw \"{first}\"]\n[delay 1ms]\n[raw \"{second}\"]"
            );
            play_on(&FAST, &rest, async |mut connection| {
                let delivery = send(&mut connection, early_chunks()).await.unwrap();
                assert_eq!(words(&delivery), [(expected, 550); 2], "{first}|{second}");
            });
        }
    }
}

#[test]
fn a_shutdown_that_began_before_the_chunk_is_no_reply_to_it() {
    let begun = "[raw \"250 a\\r\\n250 b\\r\\n250 c\\r\\n42\"]";
    let rest =
        format!("{COMMANDS}{begun}\nC: BDAT 18 LAST\n[chunk 18]\n[raw \"1 bye\\r\\n\"]\n[close]");
    play_on(&FAST, &rest, async |mut connection| {
        let delivery = send(&mut connection, chunks_of(1000)).await.unwrap();
        assert_eq!(words(&delivery), [(Step::Text, 421); 2]);
    });
}

#[test]
fn a_recipient_that_waits_for_another_transaction_is_not_in_doubt() {
    for (reply, in_doubt) in [("250", true), ("550", false)] {
        let chunk = "C| BDAT 18 LAST\n[chunk 18]\n";
        let rest = format!("{COMMANDS}{chunk}S: 250 a\nS: {reply} b\nS: 550 c\n[close]");
        play_on(&["PIPELINING", "CHUNKING", "LIMITS RCPTMAX=2"], &rest, async |mut connection| {
            let rcpts = ["b@example.org", "c@example.org", "d@example.org"];
            let envelope = Envelope::new("a@example.org", rcpts).unwrap();
            *connection.sending_mut() = early_chunks();
            connection.sending_mut().excess = Excess::Continue;
            let error = connection.send(&envelope, MailData::new(TEXT).unwrap()).await.unwrap_err();
            assert_eq!(error.in_doubt(), in_doubt, "{error:?}");
        });
    }
}

/// The error of a message in one chunk that a server answers with these lines.
#[track_caller]
fn doubted(keywords: &[&str], replies: &str, sending: Sending) -> Error {
    let chunks = match sending.chunk {
        7 => {
            "S: 250 a\nS: 250 b\nS: 250 c\nC: BDAT 7\n[chunk 7]\nC: BDAT 7\n[chunk 7]
C: BDAT 4 LAST\n[chunk 4]"
        }
        _ => "C| BDAT 18 LAST\n[chunk 18]",
    };
    let script =
        crate::stage::opening(Dialect::Smtp, keywords) + COMMANDS + chunks + "\n" + replies;
    let connector = crate::stage::connector(Dialect::Smtp);
    let played = crate::stage::play(&script, &connector, async |connected| {
        send(&mut connected.unwrap(), sending).await
    });
    let error = played.outcome.unwrap_err();
    assert!(error.in_doubt(), "{error:?}");
    error
}

#[test]
fn a_text_accepted_after_a_refused_sender_is_in_doubt() {
    let replies = "S: 550 5.7.1 no\nS: 503 no\nS: 503 no\nS: 250 taken";
    let error = doubted(&FAST, replies, early_chunks());
    assert!(matches!(error.kind(), ErrorKind::Misbehaved(_)), "{error:?}");
    assert!(error.verdicts().map(|(_, one)| one).eq([None, None]));
}

#[test]
fn a_reply_to_a_recipient_is_not_taken_for_the_reply_to_the_text() {
    // One reply to MAIL too many: what seems to accept the text speaks of an address.
    let replies = "S: 250 2.1.0 ok\nS: 250 2.1.0 again\nS: 250 2.1.5 ok\nS: 250 2.1.5 ok
[delay 1s]\nS: 554 5.6.0 no";
    let error = doubted(&FAST, replies, early_chunks());
    assert!(matches!(error.kind(), ErrorKind::Misbehaved(_)), "{error:?}");
    assert!(error.verdicts().map(|(_, one)| one).eq([None, None]));
}

#[test]
fn a_text_with_a_refused_chunk_is_not_accepted_by_its_end() {
    let replies = "S: 552 5.3.4 too much\nS: 250 2.6.0 ok\nS: 250 2.6.0 queued";
    let error = doubted(&FAST, replies, chunks_of(7));
    assert!(matches!(error.kind(), ErrorKind::Misbehaved(_)), "{error:?}");
    assert!(error.verdicts().map(|(_, one)| one).eq([None, None]));
}

#[test]
fn a_421_to_one_recipient_is_no_verdict_for_the_others() {
    let error = doubted(&FAST, "S: 250 a\nS: 250 b\nS: 421 c\n[close]", early_chunks());
    let known: Vec<bool> = error.verdicts().map(|(_, one)| one.is_some()).collect();
    assert_eq!(known, [false, true]);
}
