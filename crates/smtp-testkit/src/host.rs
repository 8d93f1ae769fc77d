//! The server with rules: its extensions, its users and its exceptions.

mod auth;
mod client_io;
mod effect;
mod exchange;
mod extension;
pub(crate) mod judge;
mod receiving;
mod reply;
mod session;
mod state;
mod text;
mod usual;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::answer::Answer;
use crate::asked::Asked;
use crate::lint::Lint;
use crate::login::{Account, Secret};
use crate::rule::{Admission, Case, Rule, RuleSet, What};

pub(crate) use self::session::Session;

/// The protocol of a server with rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// SMTP: EHLO, and one reply per message (RFC 5321).
    #[default]
    Smtp,
    /// LMTP: LHLO, and one reply per recipient of a message (RFC 2033).
    Lmtp,
}

/// Whether a connection begins with a TLS handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Greeting {
    /// The greeting is in clear; STARTTLS may follow.
    #[default]
    InClear,
    /// The connection begins with TLS.
    UnderTls,
}

/// The closure with which a test answers commands.
type Responder = Box<dyn FnMut(&Asked<'_>) -> Option<Answer> + Send>;

/// The settings of a server with rules.
#[derive(Default)]
pub(crate) struct HostConfig {
    pub(crate) protocol: Protocol,
    pub(crate) greeting: Greeting,
    /// Lines of the EHLO reply, in the order in which they were added.
    pub(crate) offers: Vec<String>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) responder: Option<Responder>,
    pub(crate) tolerated: BTreeSet<Lint>,
    pub(crate) denied: BTreeSet<Lint>,
}

impl fmt::Debug for HostConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostConfig")
            .field("protocol", &self.protocol)
            .field("offers", &self.offers)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// A server with rules, shared by all its connections.
pub(crate) struct Host {
    protocol: Protocol,
    greeting: Greeting,
    offers: Vec<String>,
    accounts: Vec<Account>,
    rules: Mutex<RuleSet>,
    idle: Option<Duration>,
    /// The numbers of octets of a message text at which rules apply.
    text_offsets: Vec<usize>,
    responder: Option<Mutex<Responder>>,
    tolerated: BTreeSet<Lint>,
}

/// The host name of the server.
pub(crate) const NAME: &str = "mx.testkit.example";

impl Host {
    pub(crate) fn new(host: HostConfig) -> Self {
        let rules = RuleSet::new(host.rules);
        Self {
            protocol: host.protocol,
            greeting: host.greeting,
            offers: host.offers,
            accounts: host.accounts,
            idle: rules.idle(),
            text_offsets: rules.text_offsets(),
            rules: Mutex::new(rules),
            responder: host.responder.map(Mutex::new),
            tolerated: host.tolerated,
        }
    }

    /// The answer of the test in this case; `None` for the usual reply.
    fn exception(&self, case: &Case<'_>) -> Option<Answer> {
        let asked = matches!(case.what, What::Command(_) | What::Text | What::TextFor(_));
        if let Some(responder) = self.responder.as_ref().filter(|_| asked) {
            let mut respond = responder.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(answer) = respond(&Asked(case)) {
                return Some(answer);
            }
        }
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).answer(case)
    }

    /// The answer of the test at the greeting. A connection that is greeted with 2yz counts as open
    /// for as long as it keeps the second value.
    fn greet(&self, case: &Case<'_>) -> (Option<Answer>, Option<Admission>) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).greet(case)
    }

    /// Describes the required rules that were never used.
    pub(crate) fn missed(&self) -> Vec<String> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).missed()
    }

    fn tolerates(&self, lint: Lint) -> bool {
        self.tolerated.contains(&lint)
    }

    /// The words after a keyword in the EHLO reply.
    fn offered(&self, keyword: &str) -> Option<Vec<&str>> {
        self.offers.iter().find_map(|line| {
            let mut words = line.split(' ').filter(|word| !word.is_empty());
            words
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case(keyword))
                .then(|| words.collect())
        })
    }

    fn offers(&self, keyword: &str) -> bool {
        self.offered(keyword).is_some()
    }

    /// The limit that SIZE states.
    fn size_limit(&self) -> Option<usize> {
        self.offered("SIZE")?.first()?.parse().ok().filter(|&limit| limit > 0)
    }

    /// A value in the LIMITS line.
    fn limit(&self, name: &str) -> Option<usize> {
        let words = self.offered("LIMITS")?;
        let values = words.iter().filter_map(|word| word.split_once('='));
        values.filter(|(found, _)| *found == name).find_map(|(_, value)| value.parse().ok())
    }

    fn password(&self, user: &str) -> Option<&str> {
        self.password_where(|known| known == user).map(|(_, password)| password)
    }

    /// The first user with a matching name and a password, and that password.
    fn password_where(&self, fits: impl Fn(&str) -> bool) -> Option<(&str, &str)> {
        self.accounts.iter().find_map(|account| match &account.secret {
            Secret::Password(password) if fits(&account.user) => {
                Some((account.user.as_str(), password.as_str()))
            }
            _ => None,
        })
    }

    fn knows_token(&self, user: Option<&str>, token: &str) -> Option<&Account> {
        let right = |secret: &Secret| matches!(secret, Secret::Token(known) if known == token);
        self.accounts
            .iter()
            .find(|account| right(&account.secret) && user.is_none_or(|user| user == account.user))
    }
}
