//! The opening of a transaction: the message, held against what the server offers and takes.
use smtp_caps::{Framing, Plan};
use smtp_error::{ErrorKind, Limited, Unsupported};

use super::{Dialect, Excess, Partial, Session, Transaction, Turn};

impl Transaction<'_> {
    /// Holds the message against what the server offers.
    pub(super) fn begin(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        let mut plan = Plan::new(session.capabilities(), self.envelope, self.facts)?;
        // A reply to each recipient is owed only by those that were taken, and in chunks nobody
        // knows in time who they are: with LMTP there is a round trip to be spared neither way.
        let derived = match session.dialect {
            Dialect::Smtp => None,
            Dialect::Lmtp => Some(Framing::Data),
        };
        if let Some(framing) = self.sending.framing.or(derived) {
            plan = plan.framed(framing)?;
        }
        let refuses = self.sending.excess == Excess::Refuse;
        if plan.excess_rcpts() > 0 && (refuses || self.sending.partial == Partial::Withhold) {
            let limit = plan.rcpt_max().unwrap_or_default().into();
            let asked = self.envelope.rcpts().len() as u64;
            let what = Limited::Recipients;
            return Err(Unsupported::TooMany { what, asked, limit }.into());
        }
        session.admit(self.envelope)?;
        self.plan = Some(plan);
        self.turn = Self::first(session);
        Ok(())
    }

    /// Whose turn it is at the beginning of a round.
    pub(super) fn first(session: &Session) -> Turn {
        if session.dirty { Turn::Reset } else { Turn::Mail }
    }
}
