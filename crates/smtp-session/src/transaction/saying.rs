//! The commands of a transaction, and how far they run ahead of the replies (RFC 2920).
use smtp_caps::Framing;
use smtp_codec::Command;
use smtp_error::{ErrorKind, Step};

use super::{Expected, Partial, PendingReply, Session, Transaction, Turn};

/// How many octets of commands may wait to be written before more are encoded.
const COMMANDS_AHEAD: usize = 64 * 1024;

impl Transaction<'_> {
    /// Says the next command, and whose turn it is then.
    pub(super) fn say(&mut self, session: &mut Session) -> Result<Turn, ErrorKind> {
        let Some(plan) = &self.plan else { return Ok(Turn::Done) };
        let short = Command::MAX_LINE;
        Ok(match self.turn {
            Turn::Reset => {
                session.write(Command::Rset, short)?;
                self.owe(session, PendingReply::new(Step::Reset, Expected::Codes(&[250])));
                Turn::Mail
            }
            Turn::Mail => {
                if let Err(over) = session.admit_transaction() {
                    self.objection = Some(over.into());
                    return Ok(Turn::Done);
                }
                let mail = Command::Mail(plan.mail().borrowed());
                session.write(mail, session.capabilities.mail_line_limit())?;
                self.owe(session, PendingReply::new(Step::Mail, Expected::Codes(&[250])));
                session.open = Some(self.number);
                self.rejected = false;
                Turn::Rcpt
            }
            Turn::Rcpt => {
                let most = plan.rcpt_max().and_then(|most| usize::try_from(most).ok());
                match self.slots.say_next(most.unwrap_or(usize::MAX)) {
                    Some(recipient) => {
                        let rcpt = Command::Rcpt(self.envelope.rcpts()[recipient].borrowed());
                        session.write(rcpt, session.capabilities.rcpt_line_limit())?;
                        let taken = Expected::Codes(&[250, 251, 252]);
                        self.owe(
                            session,
                            PendingReply { recipient, ..PendingReply::new(Step::Rcpt, taken) },
                        );
                        Turn::Rcpt
                    }
                    None if plan.framing() == Framing::Data => Turn::Data,
                    None => Turn::Text,
                }
            }
            Turn::Data => {
                session.write(Command::Data, short)?;
                self.owe(session, PendingReply::new(Step::Data, Expected::Codes(&[354])));
                Turn::Text
            }
            turn => turn,
        })
    }

    /// Owes a reply to what was said last.
    pub(super) fn owe(&mut self, session: &mut Session, owed: PendingReply) {
        self.owed += 1;
        self.unanswered += usize::from(comes_before_text(owed.step));
        self.tally.expect(owed.step, self.slots.said() == 1);
        session.owe(PendingReply { number: self.number, ..owed });
    }

    /// Whether the next command may be said, though replies are owed.
    pub(super) fn may_run_ahead(&self, session: &Session) -> bool {
        let Some(plan) = &self.plan else { return false };
        let text = matches!(self.turn, Turn::Data | Turn::Text);
        // After DATA the text waits for 354. A chunk has nothing to wait for but the recipients.
        let text_waits = match plan.framing() {
            Framing::Data => self.sending.partial == Partial::Withhold,
            Framing::Chunks => !self.leaves_with_commands(session),
        };
        let premature = self.turn == Turn::Text
            && (session.anticipates() || (!self.ahead && self.awaits_reset(session)));
        plan.is_pipelined()
            && session.output.len() < COMMANDS_AHEAD
            && !premature
            && !(text && text_waits && self.unanswered > 0)
    }
}

impl Transaction<'_> {
    /// Whether its RSET is not answered. Without it a chunk would go to whoever the transaction
    /// before was for.
    fn awaits_reset(&self, session: &Session) -> bool {
        let oldest = session.owed.front();
        oldest.is_some_and(|owed| owed.step == Step::Reset && owed.number == self.number)
    }
}

/// Whether the server has to answer this before anybody can be sent the text.
pub(super) fn comes_before_text(step: Step) -> bool {
    matches!(step, Step::Reset | Step::Mail | Step::Rcpt)
}
