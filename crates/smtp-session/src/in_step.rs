//! In step: what comes in while nothing is under way was not asked for.
use smtp_codec::{Deviations, ReplyDecoder};
use smtp_error::{Ended, Error, ErrorKind, Excerpt, Misbehaved, ReplyCode, Step};

use super::{Event, Session, transaction::Classes, veil::shown};

/// What arrived after the last expected reply.
pub(super) struct Surplus {
    /// What is wrong with the first of it.
    pub(super) misbehaved: Misbehaved,
    /// The whole replies in it.
    pub(super) classes: Classes,
}

impl Session {
    /// Takes what came in while nothing was under way.
    pub fn receive_idle(&mut self, octets: &[u8]) {
        self.surplus.extend_from_slice(octets);
    }

    /// The other side closed the connection while nothing was under way.
    pub fn closed_idle(&mut self) {
        let received = self.excerpt();
        let surplus = std::mem::take(&mut self.surplus);
        let reason = match self.decoder.decode(&mut &*surplus) {
            Ok(Some(decoded)) if decoded.reply.code() == ReplyCode::SERVICE_CLOSING => {
                Ended::ServerClosing(self.veil.over(decoded.reply))
            }
            _ => Ended::Closed,
        };
        self.last_octets = received;
        self.end(reason);
    }

    /// Whether something came in that belongs to nothing that was asked.
    pub(super) fn has_surplus(&self) -> bool {
        !self.surplus.is_empty() || !self.decoder.is_idle()
    }

    /// Returns what arrived after the last expected reply, if that breaks the protocol. A 421 may
    /// come at any time, and what follows it does not count.
    pub(super) fn surplus(&self) -> Option<Surplus> {
        let shut_down = matches!(self.ended, Some(Ended::ServerClosing(_)));
        if self.surplus.is_empty() || shut_down || self.surplus.starts_with(b"421") {
            return None;
        }
        let mut decoder = ReplyDecoder::new(self.limits, Deviations::TOLERANT);
        let mut octets = &*self.surplus;
        let (mut first, mut classes) = (None, Classes::default());
        let last = loop {
            match decoder.decode(&mut octets) {
                Ok(Some(decoded)) => {
                    classes.add(&decoded.reply);
                    let reply = shown(&self.veil.over(decoded.reply)).into_owned();
                    first.get_or_insert(Misbehaved::Unsolicited(reply));
                }
                Ok(None) => break Misbehaved::UnsolicitedOctets,
                Err(malformed) => break malformed.into(),
            }
        };
        Some(Surplus { misbehaved: first.unwrap_or(last), classes })
    }

    /// An error of this kind at this step. It has the octets that are no whole reply, where they
    /// are all that is known of what the server said.
    pub(super) fn error(&self, step: Step, kind: impl Into<ErrorKind>) -> Error {
        let kind = kind.into();
        let is_about_octets = match &kind {
            ErrorKind::Broken(_) => true,
            ErrorKind::Misbehaved(misbehaved) => matches!(
                misbehaved,
                Misbehaved::Malformed(_)
                    | Misbehaved::PlaintextAfterStartTls
                    | Misbehaved::UnsolicitedOctets
            ),
            _ => false,
        };
        let error = Error::new(step, kind);
        match self.excerpt().filter(|_| is_about_octets) {
            Some(octets) => error.with_excerpt(octets),
            None => error,
        }
    }

    /// Returns the octets that came in and are no whole reply, without what must not be shown.
    fn excerpt(&self) -> Option<Excerpt> {
        let mut octets = self.decoder.partial();
        octets.extend_from_slice(&self.surplus);
        (!octets.is_empty()).then(|| Excerpt::new(&self.veil.over_octets(&octets)))
    }

    /// Before anything is said the other side must be silent: what waits unread was not asked for.
    pub(super) fn check_in_step(&mut self, step: Step) -> Result<(), Error> {
        if self.ended.is_some() || !self.has_surplus() {
            return Ok(());
        }
        let surplus = std::mem::take(&mut self.surplus);
        let misbehaved = match self.decoder.decode(&mut &*surplus) {
            Ok(Some(decoded)) if decoded.reply.code() == ReplyCode::SERVICE_CLOSING => {
                let reply = self.veil.over(decoded.reply);
                self.emit(Event::Received(&reply));
                self.end(Ended::ServerClosing(reply));
                return Ok(());
            }
            Ok(Some(decoded)) => {
                let reply = self.veil.over(decoded.reply);
                self.emit(Event::Received(&shown(&reply)));
                Misbehaved::Unsolicited(shown(&reply).into_owned())
            }
            Ok(None) => Misbehaved::UnsolicitedOctets,
            Err(malformed) => malformed.into(),
        };
        self.end(Ended::Failed { step });
        Err(self.error(step, misbehaved))
    }
}
