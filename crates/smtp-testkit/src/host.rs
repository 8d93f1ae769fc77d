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
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::answer::Answer;
use crate::asked::Asked;
use crate::keep::Keep;
use crate::lint::Lint;
use crate::login::{Account, Secret};
use crate::message::Message;
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

/// The closure of a test that takes each message.
type Taker = Box<dyn FnMut(&Message) -> Option<Answer> + Send>;

/// The settings of a server with rules.
pub(crate) struct HostConfig {
    pub(crate) protocol: Protocol,
    pub(crate) greeting: Greeting,
    /// Lines of the EHLO reply, in the order in which they were added.
    pub(crate) offers: Vec<String>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) logins: Logins,
    pub(crate) rules: Vec<Rule>,
    pub(crate) responder: Option<Responder>,
    pub(crate) taker: Option<Taker>,
    pub(crate) keep: Keep,
    pub(crate) input_limit: usize,
    pub(crate) tolerated: BTreeSet<Lint>,
    pub(crate) denied: BTreeSet<Lint>,
}

/// Who can log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Logins {
    /// The users that the test has added.
    #[default]
    Known,
    /// Every user, where the mechanism does not need a password that the server knows.
    Any,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            protocol: Protocol::Smtp,
            greeting: Greeting::InClear,
            offers: Vec::new(),
            accounts: Vec::new(),
            logins: Logins::Known,
            rules: Vec::new(),
            responder: None,
            taker: None,
            keep: Keep::everything(),
            input_limit: usize::MAX,
            tolerated: BTreeSet::new(),
            denied: BTreeSet::new(),
        }
    }
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
    logins: Logins,
    rules: Mutex<RuleSet>,
    responder: Option<Mutex<Responder>>,
    taker: Option<Mutex<Taker>>,
    input_limit: usize,
    tolerated: BTreeSet<Lint>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

/// The host name of the server.
pub(crate) const NAME: &str = "mx.testkit.example";

impl Host {
    pub(crate) fn new(host: HostConfig) -> Self {
        Self {
            protocol: host.protocol,
            greeting: host.greeting,
            offers: host.offers,
            accounts: host.accounts,
            logins: host.logins,
            rules: Mutex::new(RuleSet::new(host.rules)),
            responder: host.responder.map(Mutex::new),
            taker: host.taker.map(Mutex::new),
            input_limit: host.input_limit,
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
        self.rules().answer(case)
    }

    fn rules(&self) -> MutexGuard<'_, RuleSet> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the rules, and begins to count again.
    pub(crate) fn set_rules(&self, rules: Vec<Rule>) {
        self.rules().replace(rules);
    }

    pub(crate) fn add_rules(&self, rules: Vec<Rule>) {
        self.rules().extend(rules);
    }

    /// Drops the counts of a connection that has ended.
    fn forget(&self, connection: usize) {
        self.rules().forget(connection);
    }

    /// The silence of a client after which a rule applies.
    fn idle(&self) -> Option<Duration> {
        self.rules().idle()
    }

    /// The numbers of octets of a message text at which rules apply.
    fn text_offsets(&self) -> Vec<usize> {
        self.rules().text_offsets()
    }

    /// The answer of the test at the greeting. A connection that is greeted with 2yz counts as open
    /// for as long as it keeps the second value.
    fn greet(&self, case: &Case<'_>) -> (Option<Answer>, Option<Admission>) {
        self.rules().greet(case)
    }

    /// Describes the required rules that were never used.
    pub(crate) fn missed(&self) -> Vec<String> {
        self.rules().missed()
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

    /// Returns whether a user without an account can log in.
    fn admits_any(&self, user: &str) -> bool {
        self.logins == Logins::Any && !user.is_empty()
    }

    fn knows_token(&self, user: Option<&str>, token: &str) -> Option<&Account> {
        let right = |secret: &Secret| matches!(secret, Secret::Token(known) if known == token);
        self.accounts
            .iter()
            .find(|account| right(&account.secret) && user.is_none_or(|user| user == account.user))
    }
}
