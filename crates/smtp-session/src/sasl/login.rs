//! Logins: credentials, and what the caller wants of the way they are used.
use std::{collections::VecDeque, ops::RangeInclusive};

use smtp_codec::Mechanism;
use smtp_error::{
    Error, ErrorKind, Field, Flaw, Invalid, NoMechanism, Obstacle, Step, Unsupported,
};

use super::{Credentials, Nonce, Secret, credentials::Setting, scram::Binding, token::Fetching};
use crate::{Auth, ClearText, Exchange, Session};

/// Credentials, and how they may be used.
#[derive(Clone, Debug)]
pub struct Login {
    credentials: Credentials,
    /// What the caller allows, in the caller's order; `None` for everything.
    mechanisms: Option<Vec<Mechanism>>,
    clear_text: ClearText,
    iterations: RangeInclusive<u32>,
}

/// How many iterations a SCRAM server may ask for: not fewer than RFC 7677, 4 asks for, and no
/// more than take some tens of milliseconds.
const ITERATIONS: RangeInclusive<u32> = 4096..=100_000;

impl Login {
    /// Uses the strongest mechanism that the server offers too, and no other.
    pub fn new(credentials: Credentials) -> Self {
        let clear_text = ClearText::Refused;
        Self { credentials, mechanisms: None, clear_text, iterations: ITERATIONS }
    }

    /// Uses only these mechanisms, the first that the server offers. If it refuses that one, the
    /// next is tried, but only inside TLS (or over a Unix socket), and not if its reply means that
    /// the credentials are wrong.
    #[must_use]
    pub fn mechanisms<M: Into<Mechanism>>(
        mut self,
        mechanisms: impl IntoIterator<Item = M>,
    ) -> Self {
        self.mechanisms = Some(mechanisms.into_iter().map(Into::into).collect());
        self
    }

    /// Whether the secret may go over a connection in clear. By default it must not.
    #[must_use]
    pub fn clear_text(mut self, clear_text: ClearText) -> Self {
        self.clear_text = clear_text;
        self
    }

    /// How many iterations a SCRAM server may ask for: 4,096 to 100,000 by default. Fewer make it
    /// cheap to guess the password, and with more a hostile server keeps this side busy: the
    /// default bound is some tens of milliseconds, during which the thread does nothing else.
    #[must_use]
    pub fn iterations(mut self, iterations: RangeInclusive<u32>) -> Self {
        self.iterations = iterations;
        self
    }

    /// The operation that authenticates this session, by what its server offers.
    ///
    /// # Errors
    /// The session is authenticated, the server offers no mechanism that may be used, or what it
    /// offers would reveal the secret. A token that is to be [fetched](Self::fetch) must be there.
    pub fn auth(&self, session: &Session, nonce: Nonce) -> Result<Auth, Error> {
        let auth = self.choose(session, &nonce).map_err(|kind| Error::new(Step::Auth, kind))?;
        if self.credentials.lacks_token() {
            return Err(Error::new(Step::Auth, Invalid::new(Field::Token, Flaw::Empty)));
        }
        Ok(auth)
    }

    /// Begins to fetch the token, if it is to be fetched and would be of use to this session. A
    /// connection does that by itself.
    ///
    /// # Errors
    /// As for [`auth`](Self::auth).
    pub fn fetch(&self, session: &Session) -> Result<Option<Fetching>, Error> {
        let chosen = self.choose(session, &Nonce::new([]));
        chosen.map_err(|kind| Error::new(Step::Auth, kind))?;
        Ok(self.credentials.fetch())
    }

    /// The same login, with this token in place of one that is to be fetched.
    ///
    /// # Errors
    /// It is not a token.
    pub fn token(&self, token: Secret) -> Result<Self, Invalid> {
        Ok(Self { credentials: self.credentials.clone().token(token)?, ..self.clone() })
    }

    fn choose(&self, session: &Session, nonce: &Nonce) -> Result<Auth, ErrorKind> {
        session.can_authenticate()?;
        let wanted = self.wanted();
        let offered = wanted.iter().map(Mechanism::as_str);
        let offered = offered.filter(|name| session.offers_mechanism(name)).enumerate();
        let mut exchanges: VecDeque<Box<dyn Exchange>> = offered
            .filter_map(|(number, name)| self.exchange(session, name, nonce.for_exchange(number)))
            .collect();
        if exchanges.is_empty() {
            return Err(Unsupported::Mechanism(self.nothing_in_common(session)).into());
        }
        exchanges.retain(|exchange| session.may_expose(exchange.exposure(), self.clear_text));
        if exchanges.is_empty() {
            return Err(session.exposed().into());
        }
        if self.mechanisms.is_none() {
            exchanges.truncate(1);
        }
        Ok(Auth::first_of(exchanges).clear_text(self.clear_text))
    }

    /// Returns the mechanisms that may be used, the preferred one first.
    fn wanted(&self) -> Vec<Mechanism> {
        self.mechanisms.clone().unwrap_or_else(|| self.credentials.mechanisms())
    }

    /// Returns an exchange by this mechanism over the connection of this session; `None` if the
    /// credentials or the connection do not allow it.
    fn exchange(&self, session: &Session, name: &str, nonce: String) -> Option<Box<dyn Exchange>> {
        let name = name.to_ascii_uppercase();
        let binding = binding(session, &name);
        let setting = Setting { binding, nonce, iterations: self.iterations.clone() };
        self.credentials.exchange(&name, setting)
    }

    /// Lists what the server offers, each with the reason why it cannot be used, and what could be.
    fn nothing_in_common(&self, session: &Session) -> NoMechanism {
        let wanted = self.wanted();
        let names = wanted.iter().map(Mechanism::as_str);
        let usable = names.filter(|name| self.exchange(session, name, String::new()).is_some());
        session.no_mechanism(usable, |offered| self.obstacle(&wanted, offered))
    }

    /// Why this mechanism, which the server offers, cannot be used.
    fn obstacle(&self, wanted: &[Mechanism], offered: &str) -> Obstacle {
        let is_this = |one: &Mechanism| one.as_str().eq_ignore_ascii_case(offered);
        if !self.credentials.mechanisms().iter().any(is_this) {
            let mut tokens = [Mechanism::OAUTHBEARER, Mechanism::XOAUTH2].into_iter();
            match tokens.any(|one| one.as_str().eq_ignore_ascii_case(offered)) {
                true => Obstacle::Token,
                false => Obstacle::Credentials,
            }
        } else if !wanted.iter().any(is_this) {
            Obstacle::NotAllowed
        } else if offered.to_ascii_uppercase().ends_with("-PLUS") {
            Obstacle::ChannelBinding
        } else {
            Obstacle::ActAs
        }
    }
}

/// Returns what to send about channel binding. That it was not offered is sent only if
/// no mechanism with it was offered: then an attacker may have removed the offer.
fn binding(session: &Session, name: &str) -> Binding {
    let is_plus = |offered: &[u8]| {
        let offered = offered.to_ascii_uppercase();
        offered.starts_with(b"SCRAM-") && offered.ends_with(b"-PLUS")
    };
    match session.binding() {
        None => Binding::No,
        Some(binding) if name.ends_with("-PLUS") => Binding::To(binding.clone()),
        Some(_) if session.capabilities().mechanisms().any(is_plus) => Binding::No,
        Some(_) => Binding::NotOffered,
    }
}
