//! What may be claimed about a message, judged from the octets on the wire alone.
use smtp_client::session::{Dialect, Session};
use smtp_client::{Delivery, Error, Step, Verdict};
use smtp_error::Ended;

use super::peer::Peer;

/// The first character of the text, which no command can hold.
pub const MARK: char = '\u{1}';

/// How a conversation ended.
pub enum Outcome<T> {
    Answered(Result<T, Error>),
    /// Its run was dropped.
    Dropped,
}

/// Judges one transaction.
pub struct Judge {
    dialect: Dialect,
    recipients: usize,
    /// How much had been written and heard when it began.
    written: usize,
    heard: usize,
}

impl Judge {
    pub fn new(peer: &Peer<'_>, dialect: Dialect, recipients: usize) -> Self {
        Self { dialect, recipients, written: peer.written.len(), heard: peer.heard }
    }

    pub fn check(&self, session: &Session, peer: &Peer<'_>, outcome: &Outcome<Delivery>) {
        let facts = self.facts(peer);
        match outcome {
            Outcome::Dropped => {
                // Only the session can tell now.
                if let Some(Ended::Cancelled { in_doubt, .. }) = session.ended() {
                    assert_eq!(*in_doubt, facts.dot && facts.answered() < self.owed(&facts));
                }
                assert!(session.ended().is_some() || peer.written.len() == self.written);
            }
            Outcome::Answered(Ok(delivery)) => {
                assert_eq!(delivery.verdicts().len(), self.recipients);
                for (recipient, verdict) in delivery.verdicts().iter().enumerate() {
                    self.check_verdict(&facts, recipient, verdict);
                }
            }
            Outcome::Answered(Err(error)) => self.check_error(&facts, error),
        }
    }

    fn check_error(&self, facts: &Facts, error: &Error) {
        let verdicts = error.verdicts();
        assert!(verdicts.is_empty() || verdicts.len() == self.recipients);
        for (recipient, verdict) in verdicts.iter().enumerate() {
            let Some(verdict) = verdict else { continue };
            self.check_verdict(facts, recipient, verdict);
        }
        let unknown = |recipient: &usize| matches!(verdicts.get(*recipient), None | Some(None));
        let waiting = facts.taken.iter().any(unknown);
        assert_eq!(error.in_doubt(), facts.dot && waiting, "{error}");
        // Where SMTP has its one final reply, nothing is unknown.
        let answered = self.dialect == Dialect::Smtp && facts.dot && facts.accepts(0);
        assert!(!answered, "accepted, and yet {error}");
    }

    fn check_verdict(&self, facts: &Facts, recipient: usize, verdict: &Verdict) {
        let code = verdict.reply().code().get();
        assert!(verdict.is_accepted() || code >= 400, "{verdict}");
        assert!(facts.codes.contains(&code), "{verdict} was not said");
        let place = facts.taken.iter().position(|&taken| taken == recipient);
        let place = match self.dialect {
            Dialect::Smtp => place.map(|_| 0),
            Dialect::Lmtp => place,
        };
        let accepted = facts.dot && place.is_some_and(|place| facts.accepts(place));
        assert_eq!(verdict.is_accepted(), accepted, "{verdict}");
        if verdict.step() == Step::EndOfText {
            assert!(facts.dot && place.is_some());
            let place = place.unwrap_or(0);
            assert_eq!(facts.finals.get(place), Some(&code), "{verdict}");
        }
    }

    /// How many replies are owed to the end of the text.
    fn owed(&self, facts: &Facts) -> usize {
        match self.dialect {
            Dialect::Smtp => 1,
            Dialect::Lmtp => facts.taken.len(),
        }
    }

    /// What the octets say, and the laws that hold whatever the outcome is.
    fn facts(&self, peer: &Peer<'_>) -> Facts {
        let written = &peer.written[self.written..];
        let codes = codes(peer.heard_since(self.heard));
        let Some(mark) = written.iter().position(|&octet| octet == MARK as u8) else {
            return Facts { codes, dot: false, taken: Vec::new(), finals: Vec::new() };
        };
        let commands: Vec<&[u8]> =
            written[..mark].split_inclusive(|&octet| octet == b'\n').collect();
        let place = |verb: &[u8]| {
            let found = commands.iter().position(|line| line.starts_with(verb));
            found.expect("the text comes behind MAIL, RCPT and DATA")
        };
        // The text is written when it was invited and somebody is to get it.
        let invited = codes_at(peer, self, mark);
        assert_eq!(place(b"DATA"), commands.len() - 1);
        assert_eq!(invited.get(place(b"DATA")), Some(&354), "the text was not invited");
        assert_eq!(invited.get(place(b"MAIL")), Some(&250));
        let replies = &invited[place(b"RCPT")..][..self.recipients];
        let taken = |&(_, code): &(usize, &u16)| matches!(code, 250..=252);
        let taken: Vec<usize> =
            replies.iter().enumerate().filter(taken).map(|(at, _)| at).collect();
        assert!(!taken.is_empty(), "nobody is to get the text");

        let dot = peer.dot.filter(|&dot| dot >= self.written && dot < peer.written.len());
        // A reply that began before the dot is no word on the message, however late it ended.
        let mut finals = Vec::new();
        if let Some(dot) = dot {
            let before = peer.heard_before(self.heard, dot);
            if ends_whole(before) {
                finals.extend(codes.get(self::codes(before).len()..).unwrap_or_default());
            }
        }
        Facts { dot: dot.is_some(), taken, finals, codes }
    }
}

struct Facts {
    /// The codes of all replies that came.
    codes: Vec<u16>,
    /// Whether the dot that ends the text was written.
    dot: bool,
    /// The recipients that the server took.
    taken: Vec<usize>,
    /// The codes of the replies that began behind the dot.
    finals: Vec<u16>,
}

impl Facts {
    /// How many replies behind the dot are words on the message.
    fn answered(&self) -> usize {
        self.finals.iter().take_while(|code| **code / 100 != 3).count()
    }

    /// Whether the reply at this place behind the dot is a 2yz reply.
    fn accepts(&self, place: usize) -> bool {
        self.finals.get(place).is_some_and(|code| code / 100 == 2)
    }
}

/// The codes of the replies that had come when this octet of the transaction was written.
fn codes_at(peer: &Peer<'_>, judge: &Judge, place: usize) -> Vec<u16> {
    codes(peer.heard_before(judge.heard, judge.written + place))
}

/// Whether these octets end where a reply ends.
fn ends_whole(heard: &[u8]) -> bool {
    let last = heard.split_inclusive(|&octet| octet == b'\n').next_back();
    last.is_none_or(|line| line.ends_with(b"\n") && line.get(3) != Some(&b'-'))
}

/// The codes of the replies that are whole, up to the first line that is none.
fn codes(heard: &[u8]) -> Vec<u16> {
    let mut codes = Vec::new();
    let mut open = None;
    let lines = heard.split_inclusive(|&octet| octet == b'\n');
    for line in lines.filter(|line| line.ends_with(b"\n")) {
        let digits = line.get(..3).and_then(|digits| str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| digits.parse::<u16>().ok());
        let Some(code) = code.filter(|code| (200..600).contains(code)) else { break };
        if open.is_some_and(|open| open != code) {
            break;
        }
        let end = line.iter().rposition(|octet| !matches!(octet, b'\r' | b'\n'));
        match line.get(3..=end.unwrap_or(0)).and_then(|rest| rest.first()) {
            Some(b'-') => open = Some(code),
            Some(b' ') | None => {
                codes.push(code);
                open = None;
            }
            Some(_) => break,
        }
    }
    codes
}
