//! In step: what comes in while nothing is under way was not asked for.
use smtp_error::{Ended, Error, Misbehaved, ReplyCode, Step};

use super::{Event, Session, veil::shown};

impl Session {
    /// Takes what came in while nothing was under way.
    pub fn receive_idle(&mut self, octets: &[u8]) {
        self.surplus.extend_from_slice(octets);
    }

    /// The other side closed the connection while nothing was under way.
    pub fn closed_idle(&mut self) {
        let surplus = std::mem::take(&mut self.surplus);
        let reason = match self.decoder.decode(&mut &*surplus) {
            Ok(Some(decoded)) if decoded.reply.code() == ReplyCode::SHUTTING_DOWN => {
                Ended::ShutDown(decoded.reply)
            }
            _ => Ended::Closed,
        };
        self.end(reason);
    }

    /// Whether something came in that belongs to nothing that was asked.
    pub(super) fn has_surplus(&self) -> bool {
        !self.surplus.is_empty() || !self.decoder.is_idle()
    }

    /// Before anything is said the other side must be silent: what waits unread was not asked for.
    pub(super) fn check_in_step(&mut self, step: Step) -> Result<(), Error> {
        if self.ended.is_some() || !self.has_surplus() {
            return Ok(());
        }
        let surplus = std::mem::take(&mut self.surplus);
        let misbehaved = match self.decoder.decode(&mut &*surplus) {
            Ok(Some(decoded)) if decoded.reply.code() == ReplyCode::SHUTTING_DOWN => {
                self.emit(Event::Heard(&decoded.reply));
                self.end(Ended::ShutDown(decoded.reply));
                return Ok(());
            }
            Ok(Some(decoded)) => {
                self.emit(Event::Heard(&shown(&decoded.reply)));
                Misbehaved::Unsolicited(shown(&decoded.reply).into_owned())
            }
            Ok(None) => Misbehaved::UnsolicitedOctets,
            Err(malformed) => malformed.into(),
        };
        self.end(Ended::Failed { step });
        Err(Error::new(step, misbehaved))
    }
}
