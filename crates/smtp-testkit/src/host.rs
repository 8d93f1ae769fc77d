//! The well-behaved server: what it offers, whom it knows, and its exceptions.

mod auth;
mod effect;
mod exchange;
mod extension;
mod hearing;
pub(crate) mod judge;
mod reply;
mod session;
mod state;
mod text;
mod usual;
mod wire;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::answer::Answer;
use crate::asked::Asked;
use crate::lint::Lint;
use crate::login::{Account, Secret};
use crate::rule::{Admission, Book, Case, Rule, What};

pub(crate) use self::session::Session;

/// Which protocol a server with rules speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// EHLO, and one reply for a message (RFC 5321).
    #[default]
    Smtp,
    /// LHLO, and a reply for each recipient of a message (RFC 2033).
    Lmtp,
}

/// Whether a connection begins with a TLS handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Greeting {
    /// The greeting is in clear; TLS may come with STARTTLS.
    #[default]
    InClear,
    /// TLS comes first.
    UnderTls,
}

/// What a test answers a command with, if anything.
type Responder = Box<dyn FnMut(&Asked<'_>) -> Option<Answer> + Send>;

/// What a server with rules is made of, while it is put together.
#[derive(Default)]
pub(crate) struct Manners {
    pub(crate) protocol: Protocol,
    pub(crate) greeting: Greeting,
    /// EHLO lines in the order in which they were given.
    pub(crate) offers: Vec<String>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) responder: Option<Responder>,
    pub(crate) tolerated: BTreeSet<Lint>,
    pub(crate) denied: BTreeSet<Lint>,
}

impl fmt::Debug for Manners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manners")
            .field("protocol", &self.protocol)
            .field("offers", &self.offers)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// The same at work, for all connections.
pub(crate) struct Host {
    protocol: Protocol,
    greeting: Greeting,
    offers: Vec<String>,
    accounts: Vec<Account>,
    rules: Mutex<Book>,
    patience: Option<Duration>,
    /// After how many octets of a text a rule wants to be asked.
    marks: Vec<usize>,
    responder: Option<Mutex<Responder>>,
    tolerated: BTreeSet<Lint>,
}

/// How the server calls itself.
pub(crate) const NAME: &str = "mx.testkit.example";

impl Host {
    pub(crate) fn new(manners: Manners) -> Self {
        let rules = Book::new(manners.rules);
        Self {
            protocol: manners.protocol,
            greeting: manners.greeting,
            offers: manners.offers,
            accounts: manners.accounts,
            patience: rules.patience(),
            marks: rules.marks(),
            rules: Mutex::new(rules),
            responder: manners.responder.map(Mutex::new),
            tolerated: manners.tolerated,
        }
    }

    /// What the test wants to happen in this case, if it is nothing usual.
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

    /// What the test wants to happen at the greeting; a connection that is greeted well counts as
    /// open as long as it keeps the second value.
    fn greet(&self, case: &Case<'_>) -> (Option<Answer>, Option<Admission>) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).greet(case)
    }

    /// The rules that had to have a turn and had none, in words.
    pub(crate) fn missed(&self) -> Vec<String> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).missed()
    }

    fn tolerates(&self, lint: Lint) -> bool {
        self.tolerated.contains(&lint)
    }

    /// What is offered under a keyword: the words behind it.
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

    /// The largest text, if SIZE says one.
    fn size_limit(&self) -> Option<usize> {
        self.offered("SIZE")?.first()?.parse().ok().filter(|&limit| limit > 0)
    }

    /// A number in the line of LIMITS.
    fn limit(&self, name: &str) -> Option<usize> {
        let words = self.offered("LIMITS")?;
        let values = words.iter().filter_map(|word| word.split_once('='));
        values.filter(|(found, _)| *found == name).find_map(|(_, value)| value.parse().ok())
    }

    fn password(&self, user: &str) -> Option<&str> {
        self.password_where(|known| known == user).map(|(_, password)| password)
    }

    /// The first user with a password whose name fits, and that password.
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
