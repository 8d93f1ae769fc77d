//! Counting replies: what their number proves where nothing else tells them apart.
//!
//! A reply has no name of the command that it answers; it answers the oldest one that waits. A
//! server that replies once too often shifts every reply that follows. After DATA the 354 shows
//! that both sides are in step, and the one reply to the text cannot be another's. Two cases
//! remain: MAIL, RCPT and BDAT are all answered with 250; and several final replies, one for each
//! recipient, are alike (LMTP, PRDR).
use smtp_error::{KnownVerdicts, Reply, Step};

use crate::{Dialect, replies::Classes};

/// The count of the replies of a round.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// How many 2yz replies an acceptance takes at least, and how many were received.
    needed: usize,
    positive: usize,
    finals: Classes,
    /// Whether a chunk was announced in this round.
    announced: bool,
    /// Whether the message as a whole was refused while a chunk of it was under way.
    refused: bool,
    /// What a surplus reply would put in question: from the last reply of a round to the first of
    /// the next.
    counted: Option<Counted>,
}

/// A result that a surplus reply puts in question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// How many 2yz replies are missing for an acceptance, where the content traveled in chunks.
    missing: Option<usize>,
    finals: Classes,
    /// Whether the first final reply is about one recipient alone. It cannot be shifted.
    first_stands: bool,
}

impl Tally {
    /// Begins to count for another round. The result of the round before stays in question until
    /// the server has replied to MAIL.
    pub(crate) fn begin_round(&mut self) {
        (self.needed, self.positive, self.finals) = (0, 0, Classes::default());
    }

    /// Counts a command. An acceptance takes one accepted recipient.
    pub(crate) fn expect(&mut self, step: Step, is_first_rcpt: bool) {
        let needs = match step {
            Step::Reset | Step::Mail | Step::Text | Step::EndOfText => true,
            Step::Rcpt => is_first_rcpt,
            _ => false,
        };
        self.needed += usize::from(needs);
        self.refused &= step != Step::Mail;
    }

    /// Counts a reply to a command of this step.
    pub(crate) fn receive(&mut self, step: Step, reply: &Reply) {
        self.positive += usize::from(reply.is_completion());
        if step == Step::EndOfText {
            self.finals.add(reply);
        }
    }

    /// Records the reply to MAIL, which shows that the last reply of the round before was its own.
    /// `announced` is whether a chunk of this round was written already.
    pub(crate) fn mail_answered(&mut self, announced: bool) {
        self.counted = None;
        self.announced = announced;
    }

    /// Records that a chunk was announced.
    pub(crate) fn announce_chunk(&mut self) {
        self.announced = true;
    }

    /// Records that the message as a whole was refused.
    pub(crate) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Returns whether this reply cannot be the acceptance of the content. The message was refused
    /// before, or a chunk of it; and where nothing but their number tells the replies apart, one
    /// whose enhanced status code is about an address answers a recipient: there was a surplus
    /// reply before it.
    pub(crate) fn excludes(&self, reply: &Reply) -> bool {
        let is_about_address = || reply.enhanced().is_some_and(|code| code.subject() == 1);
        self.refused || (self.announced && is_about_address())
    }

    /// Records that the last reply of the round was received.
    pub(crate) fn end_round(&mut self, dialect: Dialect) {
        let Self { needed, positive, finals, announced, .. } = *self;
        let several = finals.completions + finals.refusals > 1;
        let missing = announced.then(|| needed.saturating_sub(positive));
        let first_stands = dialect == Dialect::Lmtp;
        self.counted = (announced || several).then_some(Counted { missing, finals, first_stands });
    }

    /// Returns what a surplus reply would put in question now.
    pub(crate) fn counted(&self) -> Option<Counted> {
        self.counted
    }
}

impl Counted {
    /// Returns whether another result is possible if these replies were received as well.
    pub(crate) fn is_upset_by(&self, surplus: Classes) -> bool {
        match self.missing {
            // Fewer 2yz replies than an acceptance takes exclude it.
            Some(missing) => surplus.completions >= missing,
            // Whichever of the replies is the surplus one: if all are alike, the result is the
            // same.
            None => {
                self.finals.completions + surplus.completions > 0
                    && self.finals.refusals + surplus.refusals > 0
            }
        }
    }

    /// Returns the verdicts that stand if a surplus reply has upset the result.
    pub(crate) fn standing(&self, mut verdicts: KnownVerdicts) -> KnownVerdicts {
        let mut first_stands = self.first_stands;
        verdicts.retain(|verdict| match verdict.step() {
            _ if self.missing.is_some() => false,
            Step::EndOfText => std::mem::take(&mut first_stands),
            _ => true,
        });
        verdicts
    }
}

#[cfg(test)]
mod tests {
    use smtp_error::ReplyCode;

    use super::*;

    fn reply(code: u16, text: &str) -> Reply {
        Reply::new(ReplyCode::new(code).unwrap(), text)
    }

    fn surplus(codes: &[u16]) -> Classes {
        let mut classes = Classes::default();
        codes.iter().for_each(|&code| classes.add(&reply(code, "x")));
        classes
    }

    /// Returns whether these surplus replies upset the result of several final replies.
    fn upset(finals: &[u16], more: &[u16]) -> bool {
        let mut tally = Tally::default();
        finals.iter().for_each(|&code| tally.receive(Step::EndOfText, &reply(code, "x")));
        tally.end_round(Dialect::Lmtp);
        tally.counted().unwrap().is_upset_by(surplus(more))
    }

    #[test]
    fn final_replies_that_are_all_alike_are_the_same_whichever_is_the_surplus_one() {
        assert!(!upset(&[250, 250], &[250]) && !upset(&[550, 452], &[550]));
        assert!(upset(&[250, 250], &[550]) && upset(&[550, 550], &[250]));
        assert!(upset(&[250, 550], &[250]) && upset(&[550, 250], &[452]));
        // Octets that are no reply may be one that is not whole.
        assert!(upset(&[550, 250], &[]) && !upset(&[250, 250], &[]) && !upset(&[550, 550], &[]));
    }

    #[test]
    fn one_final_reply_after_data_is_nothing_to_count() {
        let mut tally = Tally::default();
        tally.receive(Step::EndOfText, &reply(250, "x"));
        tally.end_round(Dialect::Lmtp);
        assert!(tally.counted().is_none());
    }

    /// Counts a round with two recipients, one chunk, and these replies.
    fn round_in_chunks(tally: &mut Tally, replies: [u16; 4]) {
        tally.begin_round();
        let steps = [Step::Mail, Step::Rcpt, Step::Rcpt, Step::EndOfText];
        for (number, step) in steps.into_iter().enumerate() {
            tally.expect(step, number == 1);
        }
        for (step, code) in steps.into_iter().zip(replies) {
            tally.receive(step, &reply(code, "x"));
            if step == Step::Mail {
                tally.mail_answered(false);
                tally.announce_chunk();
            }
        }
        tally.end_round(Dialect::Smtp);
    }

    #[test]
    fn in_chunks_an_acceptance_takes_a_reply_to_mail_to_one_recipient_and_to_the_content() {
        let mut tally = Tally::default();
        for (replies, missing) in [
            ([250, 250, 250, 250], 0),
            ([250, 250, 550, 250], 0),
            ([250, 250, 550, 554], 1),
            ([250, 550, 550, 554], 2),
        ] {
            // The rounds before do not count.
            round_in_chunks(&mut tally, replies);
            let counted = tally.counted().unwrap();
            for more in 0..4 {
                let upset = counted.is_upset_by(surplus(&[250, 250, 250][..more]));
                assert_eq!(upset, more >= missing, "{replies:?} and {more} more");
            }
            assert_eq!(counted.is_upset_by(surplus(&[550])), missing == 0, "{replies:?}");
        }
    }

    #[test]
    fn the_reply_to_mail_shows_that_the_replies_before_were_in_step() {
        let mut tally = Tally::default();
        round_in_chunks(&mut tally, [250; 4]);
        tally.begin_round();
        assert!(tally.counted().is_some());
        tally.mail_answered(false);
        assert!(tally.counted().is_none());
    }

    #[test]
    fn a_reply_about_an_address_accepts_no_content_that_travels_in_chunks() {
        let (about, plain) = (reply(250, "2.1.5 ok"), reply(250, "2.0.0 ok"));
        let mut tally = Tally::default();
        assert!(!tally.excludes(&about));
        tally.announce_chunk();
        assert!(tally.excludes(&about) && !tally.excludes(&plain));
        tally.mail_answered(false);
        assert!(!tally.excludes(&about));
        tally.mail_answered(true);
        assert!(tally.excludes(&about));
    }

    #[test]
    fn what_was_refused_as_a_whole_is_not_accepted_until_the_next_mail() {
        let mut tally = Tally::default();
        tally.refuse();
        tally.expect(Step::Text, false);
        tally.expect(Step::EndOfText, false);
        assert!(tally.excludes(&reply(250, "x")));
        tally.expect(Step::Mail, false);
        assert!(!tally.excludes(&reply(250, "x")));
    }
}
