//! More recipients than one transaction allows, and messages for all recipients or none.
use smtp_client::{
    Connection, Delivery, Envelope, Error, ErrorKind, Excess, Limited, MailData, Partial, Sending,
    Step, Unsupported, session::Dialect,
};

use crate::stage::{early_chunks, play_in, play_on};

/// Sends to this number of recipients.
async fn send(
    connection: &mut Connection,
    recipients: &[&str],
    sending: Sending,
) -> Result<Delivery, Error> {
    let rcpts = recipients.iter().map(|name| format!("{name}@example.org"));
    let rcpts: Vec<String> = rcpts.collect();
    let envelope = Envelope::new("s@example.org", rcpts.iter().map(|one| &**one)).unwrap();
    connection.scoped_sending(sending).send(&envelope, MailData::new("a: b\r\n").unwrap()).await
}

fn continued() -> Sending {
    let mut sending = Sending::default();
    sending.excess = Excess::Continue;
    sending
}

fn withheld() -> Sending {
    let mut sending = Sending::default();
    sending.partial = Partial::Withhold;
    sending
}

fn codes(delivery: &Delivery) -> Vec<u16> {
    delivery.verdicts().map(|(_, one)| one.reply().code().get()).collect()
}

/// A pipelined transaction of these recipients, each with the answer to its RCPT.
fn round(rcpts: &[(&str, &str)], last: &str) -> String {
    let mut script = "C| MAIL FROM:<s@example.org>\n".to_owned();
    for (name, _) in rcpts {
        script += &format!("C| RCPT TO:<{name}@example.org>\n");
    }
    script += "C| DATA\nS: 250 sender\n";
    for (_, answer) in rcpts {
        script += &format!("S: {answer}\n");
    }
    script + "S: 354 go\n[text]\n" + last
}

#[test]
fn the_rest_follows_in_further_transactions() {
    let first = [("a", "250 ok"), ("b", "452 4.5.3 too many"), ("c", "452 too many")];
    // The first has shown how many the server accepts.
    let second = [("b", "250 ok")];
    let script = round(&first, "S: 250 first\n")
        + &round(&second, "S: 250 second\n")
        + &round(&[("c", "250 ok")], "S: 250 third\n");
    let (delivery, _) = play_on(&["PIPELINING"], &script, async |mut connection| {
        send(&mut connection, &["a", "b", "c"], continued()).await.unwrap()
    });
    assert!(delivery.all_accepted());
    let texts: Vec<&[u8]> = delivery.verdicts().map(|(_, one)| one.reply().as_bytes()).collect();
    assert_eq!(texts, [&b"first"[..], b"second", b"third"]);
}

#[test]
fn verdicts_stand_if_a_further_transaction_is_impossible() {
    let first = [("a", "250 ok"), ("b", "452 4.5.3 too many")];
    let script = round(&first, "S: 250 first\n") + "C: QUIT\nS: 221 bye";
    let offer = ["PIPELINING", "LIMITS MAILMAX=1"];
    play_on(&offer, &script, async |mut connection| {
        let error = send(&mut connection, &["a", "b"], continued()).await.unwrap_err();
        assert!(!error.in_doubt());
        let codes = error.verdicts().filter_map(|(_, one)| one).map(|one| one.reply().code().get());
        assert_eq!(codes.collect::<Vec<_>>(), [250, 452]);
        connection.quit().await.unwrap();
    });
}

#[test]
fn the_verdict_is_452_without_further_transactions() {
    let rcpts = [("a", "250 ok"), ("b", "452 4.5.3 too many")];
    let script = round(&rcpts, "S: 250 taken\n");
    let (delivery, _) = play_on(&["PIPELINING"], &script, async |mut connection| {
        send(&mut connection, &["a", "b"], Sending::default()).await.unwrap()
    });
    assert_eq!(codes(&delivery), [250, 452]);
}

#[test]
fn a_full_disk_is_not_too_many_recipients() {
    let rcpts = [("a", "250 ok"), ("b", "452 4.3.1 disk full"), ("c", "451 4.5.3 too many")];
    let script = round(&rcpts, "S: 250 taken\n") + &round(&[("c", "250 ok")], "S: 250 second\n");
    let (delivery, _) = play_on(&["PIPELINING"], &script, async |mut connection| {
        send(&mut connection, &["a", "b", "c"], continued()).await.unwrap()
    });
    assert_eq!(codes(&delivery), [250, 452, 250]);
}

#[test]
fn a_permanent_refusal_to_connect_is_not_repeated() {
    let script = "C| MAIL FROM:<s@example.org>\nC| RCPT TO:<a@example.org>
C| RCPT TO:<b@example.org>\nC| DATA\nS: 250 s\nS: 452 full\nS: 452 full\nS: 554 nobody\n";
    let (delivery, _) = play_on(&["PIPELINING"], script, async |mut connection| {
        send(&mut connection, &["a", "b"], continued()).await.unwrap()
    });
    assert_eq!(codes(&delivery), [452, 452]);
}

#[test]
fn a_stated_limit_parts_the_envelope_beforehand() {
    let script = round(&[("a", "250 ok"), ("b", "550 unknown")], "S: 250 first\n")
        + &round(&[("c", "250 ok")], "S: 554 second\n");
    let offer = ["PIPELINING", "LIMITS RCPTMAX=2"];
    let (delivery, _) = play_on(&offer, &script, async |mut connection| {
        send(&mut connection, &["a", "b", "c"], continued()).await.unwrap()
    });
    assert_eq!(codes(&delivery), [250, 550, 554]);
}

#[test]
fn the_limit_that_was_shown_is_kept_for_the_next_message() {
    let first = [("a", "250 ok"), ("b", "250 ok"), ("c", "452 4.5.3 too many")];
    let part = |names: &[&str]| {
        let rcpts: Vec<_> = names.iter().map(|name| (*name, "250 ok")).collect();
        round(&rcpts, "S: 250 taken\n")
    };
    let script =
        round(&first, "S: 250 first\n") + &part(&["c"]) + &part(&["d", "e"]) + &part(&["f"]);
    play_on(&["PIPELINING"], &script, async |mut connection| {
        for names in [["a", "b", "c"], ["d", "e", "f"]] {
            assert!(send(&mut connection, &names, continued()).await.unwrap().all_accepted());
        }
    });
}

#[test]
fn a_message_without_an_accepted_recipient_shows_no_limit() {
    let none = "C| MAIL FROM:<s@example.org>\nC| RCPT TO:<a@example.org>\n\
        C| RCPT TO:<b@example.org>\nC| DATA\nS: 250 sender\nS: 452 4.5.3 too many\n\
        S: 452 4.5.3 too many\nS: 554 no valid recipients\nC| RSET\n";
    let next = round(&[("c", "250 ok"), ("d", "250 ok")], "S: 250 taken\n");
    let script = none.to_owned() + &next.replacen("S: ", "S: 250 reset\nS: ", 1);
    play_on(&["PIPELINING"], &script, async |mut connection| {
        let refused = send(&mut connection, &["a", "b"], continued()).await.unwrap();
        assert_eq!(codes(&refused), [452, 452]);
        assert!(send(&mut connection, &["c", "d"], continued()).await.unwrap().all_accepted());
    });
}

#[test]
fn recipients_that_are_accepted_after_a_refused_one_show_no_limit() {
    let full = [("a", "250 ok"), ("b", "452 too many"), ("c", "250 ok")];
    let script = round(&full, "S: 250 first\n")
        + &round(&[("b", "250 ok")], "S: 250 second\n")
        + &round(&[("d", "250 ok"), ("e", "250 ok"), ("f", "250 ok")], "S: 250 third\n");
    play_on(&["PIPELINING"], &script, async |mut connection| {
        for names in [["a", "b", "c"], ["d", "e", "f"]] {
            assert!(send(&mut connection, &names, continued()).await.unwrap().all_accepted());
        }
    });
}

#[test]
fn a_part_without_an_accepted_recipient_is_no_verdict_on_the_next() {
    let script = "C| MAIL FROM:<s@example.org>\nC| RCPT TO:<a@example.org>\nC| DATA
S: 250 s\nS: 550 a\nS: 554 no valid recipients\nC| RSET
C| MAIL FROM:<s@example.org>\nC| RCPT TO:<b@example.org>\nC| DATA
S: 250 reset\nS: 250 s\nS: 250 b\nS: 354 go\n[text]\nS: 250 taken\n";
    let offer = ["PIPELINING", "LIMITS RCPTMAX=1"];
    let (delivery, _) = play_on(&offer, script, async |mut connection| {
        send(&mut connection, &["a", "b"], continued()).await.unwrap()
    });
    assert_eq!(codes(&delivery), [550, 250]);
}

#[test]
fn a_limit_that_is_set_parts_the_envelope_beforehand() {
    let script = round(&[("a", "250 ok"), ("b", "250 ok")], "S: 250 first\n")
        + &round(&[("c", "250 ok")], "S: 250 second\n");
    for (offer, most) in [(&["PIPELINING"][..], 2), (&["PIPELINING", "LIMITS RCPTMAX=2"], 100)] {
        play_on(offer, &script, async |mut connection| {
            let mut sending = continued();
            sending.rcpt_max = Some(most);
            let delivery = send(&mut connection, &["a", "b", "c"], sending).await.unwrap();
            assert!(delivery.all_accepted());
        });
    }
}

#[test]
fn each_part_of_an_lmtp_envelope_has_its_own_replies() {
    let script = round(&[("a", "250 ok"), ("b", "250 ok")], "S: 250 for a\nS: 552 for b\n")
        + &round(&[("c", "250 ok")], "S: 250 for c\n");
    let offer = ["PIPELINING", "LIMITS RCPTMAX=2"];
    let (delivery, _) = play_in(Dialect::Lmtp, &offer, &script, async |mut connection| {
        send(&mut connection, &["a", "b", "c"], continued()).await.unwrap()
    });
    assert_eq!(codes(&delivery), [250, 552, 250]);
}

#[test]
fn parts_are_sent_in_chunks_too() {
    let part = |names: &[&str]| {
        let mut script = "C| MAIL FROM:<s@example.org>\n".to_owned();
        names.iter().for_each(|one| script += &format!("C| RCPT TO:<{one}@example.org>\n"));
        script += "C| BDAT 6 LAST\n[chunk 6]\nS: 250 sender\n";
        names.iter().for_each(|one| script += &format!("S: 250 {one}\n"));
        script + "S: 250 taken\n"
    };
    let script = part(&["a", "b"]) + &part(&["c"]);
    let offer = ["PIPELINING", "CHUNKING", "LIMITS RCPTMAX=2"];
    play_on(&offer, &script, async |mut connection| {
        let mut sending = early_chunks();
        sending.excess = Excess::Continue;
        let delivery = send(&mut connection, &["a", "b", "c"], sending).await.unwrap();
        assert!(delivery.all_accepted());
    });
}

/// The message is over this limit, and nothing is written.
#[track_caller]
fn refused(offer: &str, sending: Sending, what: Limited, asked: u64, limit: u64) {
    play_on(&[offer], "C: QUIT\nS: 221 bye", async |mut connection| {
        let error = send(&mut connection, &["a", "b", "c"], sending).await.unwrap_err();
        let over = Unsupported::TooMany { what, asked, limit };
        let found = matches!(error.kind(), ErrorKind::Unsupported(found) if *found == over);
        assert!(found && !error.in_doubt() && error.verdicts().len() == 0, "{error:?}");
        connection.quit().await.unwrap();
    });
}

#[test]
fn an_envelope_over_a_stated_limit_is_refused_before_anything_is_written() {
    let most = Limited::Recipients;
    refused("LIMITS RCPTMAX=2", Sending::default(), most, 3, 2);
    let mut set = Sending::default();
    set.rcpt_max = Some(2);
    refused("PIPELINING", set, most, 3, 2);
    set.rcpt_max = Some(0);
    refused("PIPELINING", set, most, 3, 1);
    let mut both = withheld();
    both.excess = Excess::Continue;
    refused("LIMITS RCPTMAX=2", both, most, 3, 2);
}

#[test]
fn the_limits_of_a_session_are_kept() {
    let script = round(&[("a", "250 ok")], "S: 250 first\n");
    let offer = ["PIPELINING", "LIMITS MAILMAX=1"];
    play_on(&offer, &(script + "C: QUIT\nS: 221 bye"), async |mut connection| {
        let _ = send(&mut connection, &["a"], Sending::default()).await.unwrap();
        let error = send(&mut connection, &["a"], Sending::default()).await.unwrap_err();
        let over = Unsupported::TooMany { what: Limited::Transactions, asked: 2, limit: 1 };
        assert!(matches!(error.kind(), ErrorKind::Unsupported(found) if *found == over));
        assert!(error.is_transient());
        connection.quit().await.unwrap();
    });
}

#[test]
fn the_domains_of_a_session_are_counted_once_each() {
    let script = round(&[("a", "250 ok"), ("b", "250 ok")], "S: 250 first\n");
    let offer = ["PIPELINING", "LIMITS RCPTDOMAINMAX=1"];
    play_on(&offer, &(script + "C: QUIT\nS: 221 bye"), async |mut connection| {
        let _ = send(&mut connection, &["a", "b"], Sending::default()).await.unwrap();
        let envelope = Envelope::new("s@example.org", ["c@other.example"]).unwrap();
        let text = MailData::new("a: b\r\n").unwrap();
        let error = connection.send(&envelope, &text).await.unwrap_err();
        let over = Unsupported::TooMany { what: Limited::RecipientDomains, asked: 2, limit: 1 };
        assert!(matches!(error.kind(), ErrorKind::Unsupported(found) if *found == over));
        connection.quit().await.unwrap();
    });
}

#[test]
fn all_or_none_waits_for_every_recipient() {
    let commands = "C| MAIL FROM:<s@example.org>\nC| RCPT TO:<a@example.org>
C| RCPT TO:<b@example.org>\n";
    let mut chunks = early_chunks();
    chunks.partial = Partial::Withhold;
    for (sending, text) in [
        (withheld(), "C: DATA\nS: 354 go\n[text]\nS: 250 taken"),
        (chunks, "C: BDAT 6 LAST\n[chunk 6]\nS: 250 taken"),
    ] {
        let refused = format!("{commands}S: 250 s\nS: 250 a\nS: 550 b\n");
        let taken = format!("C| RSET\n{commands}S: 250 reset\nS: 250 s\nS: 250 a\nS: 250 b\n");
        play_on(&["PIPELINING", "CHUNKING"], &(refused + &taken + text), async |mut connection| {
            let error = send(&mut connection, &["a", "b"], sending).await.unwrap_err();
            assert_eq!((error.step(), error.in_doubt()), (Step::Rcpt, false));
            assert_eq!(error.reply().unwrap().code().get(), 550);
            let known: Vec<bool> = error.verdicts().map(|(_, one)| one.is_some()).collect();
            assert_eq!(known, [false, true]);
            assert!(send(&mut connection, &["a", "b"], sending).await.unwrap().all_accepted());
        });
    }
}

#[test]
fn all_or_none_has_one_form_of_refusal() {
    let commands = "C| MAIL FROM:<s@example.org>\nC| RCPT TO:<a@example.org>
C| RCPT TO:<b@example.org>\n";
    let text = "C: DATA\nS: 354 go\n[text]\n";
    for (replies, step, codes) in [
        ("S: 550 s\nS: 503 a\nS: 503 b\n".to_owned(), Step::Mail, [550, 550]),
        ("S: 250 s\nS: 550 a\nS: 551 b\n".to_owned(), Step::Rcpt, [550, 551]),
        ("S: 250 s\nS: 250 a\nS: 250 b\nC: DATA\nS: 554 no\n".to_owned(), Step::Data, [554, 554]),
        (format!("S: 250 s\nS: 250 a\nS: 250 b\n{text}S: 554 no\n"), Step::EndOfText, [554, 554]),
    ] {
        play_on(&["PIPELINING"], &(commands.to_owned() + &replies), async |mut connection| {
            let error = send(&mut connection, &["a", "b"], withheld()).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Refused(_)), "{error:?}");
            assert_eq!((error.step(), error.in_doubt()), (step, false));
            assert_eq!(error.reply().unwrap().code().get(), codes[0]);
            let known = error.verdicts().map(|(_, one)| one.unwrap().reply().code().get());
            assert_eq!(known.collect::<Vec<_>>(), codes);
        });
    }
}
