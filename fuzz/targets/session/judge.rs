//! Judges the result of a message by the transferred octets alone.
use smtp_error::Ended;
use smtp_error::{Delivery, Error, Step, Verdict};
use smtp_session::Session;

use super::choice::Choice;
use super::dialogue::{Dialogue, Slot};
use super::peer::Peer;

/// How a operation ended.
pub enum Outcome<T> {
    Answered(Result<T, Error>),
    /// Its run was dropped.
    Dropped,
}

/// Judges one transaction.
pub struct Judge {
    choice: Choice,
    /// How many octets were written and read when it began.
    written: usize,
    heard: usize,
}

impl Judge {
    pub fn new(peer: &Peer<'_>, choice: Choice) -> Self {
        Self { choice, written: peer.written.len(), heard: peer.heard }
    }

    pub fn check(&self, session: &Session, peer: &Peer<'_>, outcome: &Outcome<Delivery>) {
        let passed = peer.passed(self.written, self.heard);
        let dialogue = Dialogue::read(self.choice, &passed);
        let in_doubt = dialogue.ended && dialogue.is_open();
        let untouched = passed.written.is_empty();
        match outcome {
            Outcome::Dropped => {
                // Only the session can tell now.
                if let Some(Ended::Canceled { in_doubt: told, .. }) = session.ended() {
                    assert_eq!(*told, in_doubt);
                }
                assert!(session.ended().is_some() || untouched);
                if !dialogue.strange {
                    check_verdicts(&dialogue, session.canceled_verdicts());
                }
            }
            Outcome::Answered(Ok(delivery)) => {
                assert!(!dialogue.is_over_and_miscounted(), "{delivery:?}");
                assert!(!dialogue.has_shifted_finals(), "{delivery:?}");
                check_verdicts(&dialogue, delivery.verdicts().map(|(path, one)| (path, Some(one))));
            }
            Outcome::Answered(Err(error)) if error.verdicts().len() == 0 => {
                assert!(untouched && !error.in_doubt(), "{error}");
            }
            Outcome::Answered(Err(error)) if dialogue.strange && is_unknown(error) => {}
            Outcome::Answered(Err(error)) if dialogue.is_miscounted() => {
                assert!(is_unknown(error), "{error}");
            }
            Outcome::Answered(Err(error)) if dialogue.may_be_miscounted() && is_unknown(error) => {}
            Outcome::Answered(Err(error)) if dialogue.has_shifted_finals() => {
                assert!(error.in_doubt(), "{error}");
            }
            Outcome::Answered(Err(error)) => {
                assert_eq!(error.in_doubt(), in_doubt, "{error}");
                check_verdicts(&dialogue, error.verdicts());
            }
        }
    }
}

fn is_unknown(error: &Error) -> bool {
    error.in_doubt() && error.verdicts().all(|(_, verdict)| verdict.is_none())
}

/// Checks that every recipient has exactly the verdict that the octets show.
fn check_verdicts<'a>(
    dialogue: &Dialogue,
    verdicts: impl Iterator<Item = (&'a str, Option<&'a Verdict>)>,
) {
    let verdicts: Vec<_> = verdicts.map(|(_, verdict)| verdict).collect();
    assert_eq!(verdicts.len(), dialogue.slots.len());
    for (recipient, (verdict, slot)) in verdicts.iter().zip(&dialogue.slots).enumerate() {
        match (verdict, slot) {
            // It waited for another command or another transaction.
            (Some(verdict), slot)
                if dialogue.shut_down
                    && verdict.reply().code().get() == 421
                    && (matches!(slot, Slot::Open | Slot::Taken)
                        || dialogue.may_come_again(recipient)) =>
            {
                assert!(verdict.step() != Step::EndOfText, "{recipient}: {verdict}");
            }
            (Some(verdict), Slot::Settled { step, code, .. }) => {
                assert_eq!(verdict.reply().code().get(), *code, "{recipient}: {verdict}");
                let at_end = |step| step == Step::EndOfText;
                assert_eq!(at_end(verdict.step()), at_end(*step), "{recipient}: {verdict}");
                assert_eq!(verdict.is_accepted(), *code / 100 == 2, "{recipient}: {verdict}");
            }
            (Some(verdict), slot) => panic!("{recipient}: {verdict}, but the octets show {slot:?}"),
            // It waits for another transaction.
            (None, Slot::Settled { .. }) => {
                assert!(dialogue.may_come_again(recipient), "{recipient}: {slot:?} is not told");
            }
            (None, Slot::Open | Slot::Taken) => {}
        }
    }
}
