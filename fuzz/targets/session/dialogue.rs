//! Reconstructs the meaning of a dialogue from the transferred octets, by a few simple rules.
use std::collections::VecDeque;

use smtp_caps::Framing;
use smtp_error::Step;
use smtp_session::Dialect;
use smtp_session::{Excess, FirstChunk, Partial};

use super::choice::Choice;
use super::peer::Passed;

/// The text of every message. No command contains its first octet.
pub const TEXT: &[u8] = b"\x01.\r\n.\r\n..x\r\n\r\n.\r\n";
/// The text in its dot-stuffed form, for DATA.
const STUFFED: &[u8] = b"\x01.\r\n..\r\n...x\r\n\r\n..\r\n.\r\n";
/// The number of octets after the one that ends a text sent with DATA.
const BEHIND_DOT: usize = 2;

/// The state of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    Open,
    Taken,
    Settled {
        step: Step,
        code: u16,
        /// Whether the reply may have been a surplus one.
        too_many: bool,
        /// Whether another transaction began after one with an accepted recipient.
        again: bool,
    },
}

/// Something that the client has written, up to some octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Command(Step),
    Rcpt(usize),
    /// The first octet of a text sent with DATA.
    Text,
    /// The first octet of BDAT.
    Bdat,
    Chunk,
    /// The octet that completes the text.
    End,
}

/// Counts of replies.
#[derive(Clone, Copy, Default)]
struct Classes {
    positive: usize,
    negative: usize,
}

impl Classes {
    fn add(&mut self, code: u16) {
        self.positive += usize::from(code / 100 == 2);
        self.negative += usize::from(code >= 400);
    }
}

/// A complete reply.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    pub code: u16,
    /// The number of octets written by the client when it began, and when it ended.
    pub began: usize,
    pub over: usize,
    pub too_many: bool,
    pub of_an_address: bool,
}

/// A transaction, as the octets show it.
pub struct Dialogue {
    choice: Choice,
    pub slots: Vec<Slot>,
    /// The recipients for which RCPT was sent.
    asked: Vec<bool>,
    /// The pending replies: the step of each, and its recipient.
    owed: VecDeque<(Step, usize)>,
    /// The number of those that come first, one for each recipient.
    each: usize,
    /// Whether the server knows of a text whose last reply is pending.
    flowing: bool,
    /// Whether the end of a text was written whose last reply is pending.
    pub ended: bool,
    /// Whether a recipient was accepted in this transaction.
    took: bool,
    /// Whether the server announced between two commands that it shuts down.
    pub shut_down: bool,
    /// Whether only their number distinguishes the replies, because a chunk was announced.
    counted: bool,
    /// The minimum number of 2yz replies for an acceptance in this transaction, and their actual
    /// number.
    needed: usize,
    positive: usize,
    /// Its final replies, and the replies after the last of them: the first one, and all.
    finals: Classes,
    surplus: [Classes; 2],
    /// Whether RSET was the last command, and whether RCPT was sent in this transaction.
    after_reset: bool,
    rcpt_said: bool,
    /// Whether the message or a chunk of it was refused.
    rejected: bool,
    /// Whether the reply that seems to accept the text is about an address.
    pub strange: bool,
    /// Whether the end of the text has its reply.
    concluded: bool,
    /// Whether a reply, or octets that are not one, arrived after that.
    extra: bool,
    rest: bool,
    /// Whether the dialogue is over: nothing that arrives changes the result.
    over: bool,
}

impl Dialogue {
    pub fn read(choice: Choice, passed: &Passed<'_>) -> Self {
        let mut dialogue = Self {
            choice,
            slots: vec![Slot::Open; choice.recipients],
            asked: vec![false; choice.recipients],
            owed: VecDeque::new(),
            each: 0,
            flowing: false,
            ended: false,
            took: false,
            shut_down: false,
            counted: false,
            needed: 0,
            positive: 0,
            finals: Classes::default(),
            surplus: [Classes::default(); 2],
            after_reset: false,
            rcpt_said: false,
            rejected: false,
            strange: false,
            concluded: false,
            extra: false,
            rest: false,
            over: false,
        };
        let said = said(choice, passed.written);
        let mut said = said.into_iter().peekable();
        let mut replies = passed.replies.iter();
        for heard in &mut replies {
            while let Some((what, _)) = said.next_if(|(_, end)| *end <= heard.began) {
                dialogue.say(what);
            }
            // With LMTP, it is ambiguous which recipient a reply is about if the end of the text
            // crossed it.
            let crossed = said.clone().any(|(what, end)| what == Said::End && end <= heard.over);
            dialogue.hear(heard, crossed);
            if dialogue.over {
                break;
            }
        }
        dialogue.surplus[1] = dialogue.surplus[0];
        replies.for_each(|heard| dialogue.surplus[1].add(heard.code));
        dialogue.rest = !dialogue.over && passed.rest;
        said.for_each(|(what, _)| dialogue.say(what));
        dialogue
    }

    /// Whether it is ambiguous which of the replies was the one to the text, and the one after it
    /// makes their number high enough for an acceptance.
    pub fn is_miscounted(&self) -> bool {
        self.counted
            && self.concluded
            && self.extra
            && self.is_possible_with(self.surplus[0].positive)
    }

    /// The same for all replies, if nothing else was begun after the text.
    pub fn is_over_and_miscounted(&self) -> bool {
        let more = self.extra || self.rest;
        self.counted && self.concluded && more && self.is_possible_with(self.surplus[1].positive)
    }

    /// Whether it is ambiguous which recipient each of several final replies is about: a surplus reply
    /// arrived, or octets that are not one, and they are not all equal.
    pub fn has_shifted_finals(&self) -> bool {
        let [mut all, surplus] = [self.finals, self.surplus[1]];
        let several = all.positive + all.negative > 1;
        all.positive += surplus.positive;
        all.negative += surplus.negative;
        !self.counted
            && self.concluded
            && (self.extra || self.rest)
            && several
            && all.positive > 0
            && all.negative > 0
    }

    /// Whether an acceptance is possible if this many 2yz replies are surplus.
    fn is_possible_with(&self, surplus: usize) -> bool {
        self.positive + surplus >= self.needed
    }

    /// Whether it may look like that to the client: it may have sent a chunk already when the
    /// replies arrived that it did not wait for.
    pub fn may_be_miscounted(&self) -> bool {
        let in_chunks = self.choice.sending.framing == Framing::Chunks;
        in_chunks && self.concluded && (self.extra || self.rest)
    }

    /// Whether a recipient may get the text: RCPT was sent for it, and it has no verdict.
    pub fn is_open(&self) -> bool {
        let open = |(slot, asked): (&Slot, &bool)| *asked && !matches!(slot, Slot::Settled { .. });
        self.slots.iter().zip(&self.asked).any(open)
    }

    fn say(&mut self, what: Said) {
        match what {
            // It was written before the last relevant reply arrived.
            Said::Text | Said::Bdat | Said::Command(_) if self.over => {}
            Said::Command(Step::Reset) => {
                (self.needed, self.positive, self.after_reset) = (1, 0, true);
                self.owed.push_back((Step::Reset, 0));
            }
            Said::Command(Step::Mail) => {
                if !std::mem::take(&mut self.after_reset) {
                    (self.needed, self.positive) = (0, 0);
                }
                self.needed += 1;
                self.rcpt_said = false;
                self.finals = Classes::default();
                let took = std::mem::take(&mut self.took);
                for slot in &mut self.slots {
                    if let Slot::Settled { too_many, again, .. } = slot {
                        *again |= *too_many && took;
                    }
                }
                (self.flowing, self.ended) = (false, false);
                (self.counted, self.concluded, self.rejected) = (false, false, false);
                self.owed.push_back((Step::Mail, 0));
            }
            Said::Command(step) => self.owed.push_back((step, 0)),
            Said::Rcpt(recipient) => {
                // One accepted recipient is enough.
                self.needed += usize::from(!std::mem::replace(&mut self.rcpt_said, true));
                if std::mem::replace(&mut self.asked[recipient], true) {
                    assert!(self.may_come_again(recipient), "{recipient} is asked for again");
                    self.slots[recipient] = Slot::Open;
                }
                self.owed.push_back((Step::Rcpt, recipient));
            }
            Said::Text => {
                assert!(self.flowing && self.owed.is_empty(), "the text was not invited");
                self.check_wanted();
            }
            Said::Bdat => {
                if !self.flowing && !self.is_eager() {
                    assert!(self.owed.is_empty(), "the chunk does not wait");
                    self.check_wanted();
                }
                self.counted = true;
                self.flowing = true;
            }
            Said::Chunk => {
                self.needed += 1;
                self.owed.push_back((Step::Text, 0));
            }
            Said::End => {
                self.needed += 1;
                self.ended = true;
                match self.choice.dialect {
                    Dialect::Smtp => self.owed.push_back((Step::EndOfText, 0)),
                    Dialect::Lmtp => self.owed.extend(self.taken()),
                }
            }
        }
    }

    /// Whether RCPT may be sent in a further transaction for a recipient that was refused.
    pub fn may_come_again(&self, recipient: usize) -> bool {
        let continued = self.choice.sending.excess == Excess::Continue && !self.withholds();
        let Slot::Settled { too_many, again, .. } = self.slots[recipient] else { return false };
        continued && (again || (too_many && self.took))
    }

    /// Whether the transaction ends before its text, because no recipient remains.
    fn is_pointless(&self) -> bool {
        let refused = self.slots.iter().any(|slot| matches!(slot, Slot::Settled { .. }));
        !self.flowing && (!self.slots.contains(&Slot::Taken) || (self.withholds() && refused))
    }

    /// Checks that a recipient remains, and that no recipient was refused that must not be.
    fn check_wanted(&self) {
        assert!(self.slots.contains(&Slot::Taken), "no recipient remains for the text");
        let refused = self.slots.iter().any(|slot| matches!(slot, Slot::Settled { .. }));
        assert!(!(self.withholds() && refused), "one was refused, and the others get the text");
    }

    fn withholds(&self) -> bool {
        self.choice.sending.partial == Partial::Withhold
    }

    /// Whether the text may be sent before any reply to a recipient.
    fn is_eager(&self) -> bool {
        let one = self.choice.sending.chunk >= TEXT.len();
        let early = self.choice.sending.first_chunk == FirstChunk::WithCommands;
        self.choice.dialect == Dialect::Smtp && early && one && !self.withholds()
    }

    /// The pending replies of the accepted recipients.
    fn taken(&self) -> Vec<(Step, usize)> {
        let slots = self.slots.iter().enumerate();
        let taken = slots.filter(|(_, slot)| **slot == Slot::Taken);
        taken.map(|(recipient, _)| (Step::EndOfText, recipient)).collect()
    }

    fn hear(&mut self, heard: &Heard, crossed: bool) {
        let code = heard.code;
        let refused = code >= 400;
        let Some((step, recipient)) = self.owed.pop_front() else {
            // A reply to a text that is still being sent, or a surplus reply.
            let crossed = crossed && self.choice.dialect == Dialect::Lmtp;
            self.extra = code != 421;
            self.surplus[0].add(code);
            self.shut_down = code == 421 && !crossed;
            let shut_down = self.shut_down && !self.is_pointless();
            if shut_down || (refused && self.flowing && !crossed) {
                self.settle(Step::Text, heard, |_| true);
            }
            self.over = true;
            return;
        };
        self.positive += usize::from(code / 100 == 2);
        if code == 421 && step != Step::EndOfText {
            // After the end of the text, the reply is about this recipient alone.
            let alone = step == Step::Rcpt && (self.ended || crossed);
            self.settle(step, heard, |at| !alone || at == recipient);
            self.over = true;
            return;
        }
        self.rejected |= refused && matches!(step, Step::Mail | Step::Text);
        match step {
            Step::Rcpt if refused => self.settle(step, heard, |at| at == recipient),
            Step::Rcpt if (250..=252).contains(&code) => {
                if self.slots[recipient] == Slot::Open {
                    self.slots[recipient] = Slot::Taken;
                    self.took = true;
                }
            }
            Step::EndOfText => self.hear_end(recipient, heard),
            // It was refused for the recipients that it lacks, which says nothing about those of a later
            // transaction.
            Step::Data if refused && self.taken().is_empty() => {}
            Step::Mail | Step::Data | Step::Text if refused => self.settle(step, heard, |_| true),
            Step::Mail | Step::Text | Step::Reset if code == 250 => {}
            Step::Data if code == 354 && !self.taken().is_empty() => self.flowing = true,
            // A code that the step does not allow, or the server waits for a text without
            // recipients.
            _ => self.over = true,
        }
    }

    fn hear_end(&mut self, recipient: usize, heard: &Heard) {
        let Heard { code, .. } = *heard;
        self.finals.add(code);
        let smtp = self.choice.dialect == Dialect::Smtp;
        if code == 353 && smtp && self.choice.each && self.each == 0 && self.owed.is_empty() {
            let each = self.taken();
            self.each = each.len() + 1;
            self.owed.extend(each);
            self.owed.push_back((Step::EndOfText, 0));
            return;
        }
        if code / 100 == 3 {
            self.over = true;
            return;
        }
        if self.each > 1 && code != 421 {
            self.each -= 1;
            if code >= 400 {
                self.settle(Step::EndOfText, heard, |at| at == recipient);
            }
            return;
        }
        if smtp && code / 100 == 2 && self.rejected {
            // The server has sent both.
            self.slots.fill(Slot::Open);
            self.over = true;
            return;
        }
        self.strange |= smtp && code / 100 == 2 && heard.of_an_address;
        let taken: Vec<usize> = self.taken().into_iter().map(|(_, at)| at).collect();
        self.settle(Step::EndOfText, heard, |at| {
            if smtp { taken.contains(&at) } else { at == recipient }
        });
        self.over = code == 421;
        if self.owed.is_empty() {
            (self.flowing, self.ended, self.each) = (false, false, 0);
            self.concluded = true;
        }
    }

    fn settle(&mut self, step: Step, heard: &Heard, whom: impl Fn(usize) -> bool) {
        let Heard { code, too_many, .. } = *heard;
        let too_many = too_many && step == Step::Rcpt;
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if whom(at) && !matches!(slot, Slot::Settled { .. }) {
                *slot = Slot::Settled { step, code, too_many, again: false };
            }
        }
    }
}

/// What the client wrote in a transaction, each with its end.
fn said(choice: Choice, written: &[u8]) -> Vec<(Said, usize)> {
    let (mut said, mut at, mut text) = (Vec::new(), 0, 0);
    while at < written.len() {
        let begins = at;
        if written[at] == b'B' {
            said.push((Said::Bdat, at + 1));
        }
        let line = written[at..].windows(2).position(|window| window == b"\r\n");
        let Some(length) = line else { break };
        let line = str::from_utf8(&written[at..at + length]).expect("commands are ASCII");
        at += length + 2;
        let rest = &written[at..];
        match line.split_once(' ').map_or((line, ""), |(verb, rest)| (verb, rest)) {
            ("BDAT", what) => {
                assert!(choice.sending.framing == Framing::Chunks);
                let (size, last) = what.split_once(' ').unwrap_or((what, ""));
                let size: usize = size.parse().expect("a size");
                let whole = TEXT.get(text..text + size).expect("no chunk goes beyond the text");
                let passed = size.min(rest.len());
                assert_eq!(rest[..passed], whole[..passed]);
                (at, text) = (at + passed, text + size);
                assert_eq!(last == "LAST", text == TEXT.len());
                let what = if last == "LAST" { Said::End } else { Said::Chunk };
                said.extend((passed == size).then_some((what, at)));
            }
            ("DATA", "") => {
                said.push((Said::Command(Step::Data), at));
                if rest.first() == TEXT.first() {
                    let passed = STUFFED.len().min(rest.len());
                    assert_eq!(rest[..passed], STUFFED[..passed]);
                    said.push((Said::Text, at + 1));
                    let dot = passed >= STUFFED.len() - BEHIND_DOT;
                    said.extend(dot.then_some((Said::End, at + STUFFED.len() - BEHIND_DOT)));
                    at += passed;
                }
            }
            ("MAIL", _) => {
                text = 0;
                said.push((Said::Command(Step::Mail), at));
            }
            ("RCPT", path) => {
                let number = path.as_bytes()["TO:<".len()] - b'0';
                said.push((Said::Rcpt(number.into()), at));
            }
            ("RSET", "") => said.push((Said::Command(Step::Reset), at)),
            _ => panic!("{}: no part of a transaction", written[begins..].escape_ascii()),
        }
    }
    said
}
