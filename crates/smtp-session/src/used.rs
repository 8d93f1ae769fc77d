//! What a session has used up of what the server takes in one session (RFC 9422).
use std::collections::HashSet;

use smtp_caps::{Envelope, Limits};
use smtp_codec::Rcpt;
use smtp_error::{Extension, Limited, Unsupported};

use super::Session;

/// What a session has used up.
#[derive(Debug, Default)]
pub(super) struct Used {
    transactions: u32,
    /// The domains of its recipients in lower case, kept only where the server limits them.
    domains: HashSet<String>,
}

impl Session {
    /// Whether the server still takes this message, as far as the limits for a session go.
    pub(super) fn admit(&mut self, envelope: &Envelope) -> Result<(), Unsupported> {
        let Some(limits) = self.limits_stated() else { return Ok(()) };
        if let Some(limit) = limits.mail_max() {
            check(Limited::Transactions, u64::from(self.used.transactions) + 1, limit)?;
        }
        let Some(limit) = limits.rcpt_domain_max() else {
            return Ok(());
        };
        let domains = envelope.rcpts().iter().filter_map(domain);
        let domains: HashSet<String> = domains.chain(self.used.domains.iter().cloned()).collect();
        check(Limited::RecipientDomains, domains.len() as u64, limit)?;
        self.used.domains = domains;
        Ok(())
    }

    /// Counts a mail transaction, unless the server takes no more of them.
    pub(super) fn admit_transaction(&mut self) -> Result<(), Unsupported> {
        let asked = self.used.transactions + 1;
        if let Some(limit) = self.limits_stated().and_then(Limits::mail_max) {
            check(Limited::Transactions, asked.into(), limit)?;
        }
        self.used.transactions = asked;
        Ok(())
    }

    /// A number for the next transaction.
    pub(super) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// This transaction is over on the server's side.
    pub(super) fn close_transaction(&mut self, number: u64) {
        if self.open == Some(number) {
            self.open = None;
        }
    }

    fn limits_stated(&self) -> Option<Limits> {
        self.has(Extension::Limits).then(|| self.capabilities.limits())
    }
}

fn check(what: Limited, asked: u64, limit: u32) -> Result<(), Unsupported> {
    let limit = u64::from(limit);
    if asked > limit { Err(Unsupported::TooMany { what, asked, limit }) } else { Ok(()) }
}

/// The domain of a recipient; `<Postmaster>` has none.
fn domain(rcpt: &Rcpt) -> Option<String> {
    let (_, domain) = rcpt.path().as_str().rsplit_once('@')?;
    Some(domain.to_ascii_lowercase())
}
