//! Several recipients with different results: rows O7 to O11.
use smtp_client::{ErrorKind, Misbehaved, Partial, Sending, session::Dialect};

use crate::{
    stage::{opening, play_on},
    threat::{BOTH, Fate, came_of_many, fates, send_to},
};

pub(super) const PAIR: [&str; 2] = ["b@example.org", "c@example.org"];

/// Two recipients who are answered like this, and then what follows.
pub(super) fn pair(dialect: Dialect, replies: [&str; 2], rest: &str) -> String {
    format!(
        "{}C: MAIL FROM:<a@example.org>\nS: 250 s\nC: RCPT TO:<b@example.org>\nS: {}
C: RCPT TO:<c@example.org>\nS: {}\nC: DATA\nS: 354 go\n[text]\n{rest}",
        opening(dialect, &[]),
        replies[0],
        replies[1]
    )
}

#[test]
fn o7_some_recipients_are_refused() {
    for dialect in BOTH {
        let script = pair(dialect, ["250 b", "550 c"], "S: 250 taken\nC: NOOP\nS: 250 ok");
        let came = came_of_many(dialect, &script, &PAIR);
        assert!(matches!(came.later, Some(Ok(_))));
        assert_eq!(fates(&came.outcome), [Fate::Accepted, Fate::Never]);
    }
    // All recipients or none, where the caller requires that.
    let begun = "C: MAIL FROM:<a@example.org>\nS: 250 s\nC: RCPT TO:<b@example.org>
S: 250 b\nC: RCPT TO:<c@example.org>\nS: 550 c\nC: QUIT\nS: 221 bye";
    play_on(&[], begun, async |mut connection| {
        let mut sending = Sending::default();
        sending.partial = Partial::Withhold;
        let outcome = send_to(&mut connection.scoped_sending(sending), &PAIR).await;
        assert_eq!(fates(&outcome), [Fate::NotSent, Fate::Never]);
        connection.quit().await.unwrap();
    });
}

#[test]
fn o8_lmtp_answers_for_each_recipient() {
    for (finals, expected) in [
        ("S: 250 b\nS: 550 c over quota", [Fate::Accepted, Fate::Never]),
        ("S: 452 b\nS: 250 c", [Fate::Later, Fate::Accepted]),
        ("S: 250 b\n[delay 9s]\nS: 250 c", [Fate::Accepted, Fate::Accepted]),
        ("[split 1]\nS: 550-b\nS: 550 b\nS: 250 c", [Fate::Never, Fate::Accepted]),
    ] {
        let script = pair(Dialect::Lmtp, ["250 b", "250 c"], finals);
        let came = came_of_many(Dialect::Lmtp, &(script + "\nC: NOOP\nS: 250 ok"), &PAIR);
        assert!(matches!(came.later, Some(Ok(_))));
        assert_eq!(fates(&came.outcome), expected, "{finals}");
    }
}

#[test]
fn o9_lmtp_breaks_off_after_some_replies() {
    for end in ["[close]", "[abort]", "[stall]", "S: what?", "S: 354 go", "S: 250-c\nS: 550 c"] {
        for (first, expected) in
            [("250", Fate::Accepted), ("550", Fate::Never), ("450", Fate::Later)]
        {
            let script = pair(Dialect::Lmtp, ["250 b", "250 c"], &format!("S: {first} b\n{end}"));
            let came = came_of_many(Dialect::Lmtp, &script, &PAIR);
            assert_eq!(fates(&came.outcome), [expected, Fate::InDoubt], "{end}");
            assert!(came.error().in_doubt());
        }
    }
}

#[test]
fn o10_lmtp_answers_once_too_often_or_too_rarely() {
    // The same recipient twice is two.
    let same = ["b@example.org"; 2];
    let script =
        pair(Dialect::Lmtp, ["250 b", "250 again"], "S: 250 b\nS: 552 b\nC: NOOP\nS: 250 ok");
    let came = came_of_many(Dialect::Lmtp, &script.replace("<c@", "<b@"), &same);
    assert_eq!(fates(&came.outcome), [Fate::Accepted, Fate::Never]);
    // A refused recipient gets none.
    let script = pair(Dialect::Lmtp, ["550 b", "250 c"], "S: 250 c\nC: NOOP\nS: 250 ok");
    let came = came_of_many(Dialect::Lmtp, &script, &PAIR);
    assert_eq!(fates(&came.outcome), [Fate::Never, Fate::Accepted]);
    // One too many is found before the next command.
    let script = pair(Dialect::Lmtp, ["250 b", "250 c"], "S: 250 b\nS: 250 c\nS: 250 d");
    let came = came_of_many(Dialect::Lmtp, &script, &PAIR);
    assert_eq!(fates(&came.outcome), [Fate::Accepted, Fate::Accepted]);
    let later = came.later.unwrap().unwrap_err();
    assert!(matches!(later.kind(), ErrorKind::Misbehaved(Misbehaved::Unsolicited(_))));
    // One too many, and they are not all alike: the recipient of the second is unknown.
    let script =
        pair(Dialect::Lmtp, ["250 b", "250 c"], "[raw \"250 b\\r\\n250 b\\r\\n550 c\\r\\n\"]");
    let came = came_of_many(Dialect::Lmtp, &(script + "\n[expect-close]"), &PAIR);
    assert_eq!(fates(&came.outcome), [Fate::Accepted, Fate::InDoubt]);
    // One for all: the others are not known.
    let script = pair(Dialect::Lmtp, ["250 b", "250 c"], "S: 250 for both\n[stall]");
    let came = came_of_many(Dialect::Lmtp, &script, &PAIR);
    assert_eq!(fates(&came.outcome), [Fate::Accepted, Fate::InDoubt]);
}

#[test]
fn o11_more_recipients_than_the_server_takes() {
    let names: Vec<String> = (0..150).map(|number| format!("r{number}@example.org")).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    for keywords in [&[][..], &["PIPELINING"]] {
        let mut commands = vec!["MAIL FROM:<a@example.org>".to_owned()];
        commands.extend(names.iter().map(|name| format!("RCPT TO:<{name}>")));
        commands.push("DATA".into());
        let reply = |place: usize| match place {
            0..=100 => "S: 250 ok\n",
            101..=150 => "S: 452 4.5.3 too many\n",
            _ => "S: 354 go\n",
        };
        let mut script = opening(Dialect::Smtp, keywords);
        if keywords.is_empty() {
            for (place, line) in commands.iter().enumerate() {
                script += &format!("C: {line}\n{}", reply(place));
            }
        } else {
            commands.iter().for_each(|line| script += &format!("C| {line}\n"));
            (0..commands.len()).for_each(|place| script += reply(place));
        }
        script += "[text]\nS: 250 taken\nC: NOOP\nS: 250 ok";
        let found = fates(&came_of_many(Dialect::Smtp, &script, &names).outcome);
        assert!(found[..100].iter().all(|one| *one == Fate::Accepted));
        assert!(found[100..].iter().all(|one| *one == Fate::Later));
    }
}
