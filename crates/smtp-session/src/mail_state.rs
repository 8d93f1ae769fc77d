//! What the server holds of this session's mail: the transaction that may be open, and what the
//! session has used of the limits that the server states (RFC 9422).
use std::collections::HashSet;

use smtp_caps::{Capabilities, Envelope};
use smtp_codec::Rcpt;
use smtp_error::{Extension, Limited, Unsupported};

/// What the server holds of this session's mail.
#[derive(Debug, Default)]
pub(crate) struct MailState {
    /// The number of the mail transaction that may be open.
    open: Option<u64>,
    /// How many transactions have a number.
    numbers: u64,
    /// How many mail transactions were begun.
    transactions: u32,
    /// Whether the server has accepted a MAIL.
    accepted: bool,
    /// The most recipients of a transaction, as learned from a refusal of more.
    rcpt_max: Option<usize>,
    /// The domains of the recipients in lower case, kept only where the server limits them.
    domains: HashSet<String>,
}

/// The number of no transaction: what is open under it is closed by RSET only.
pub(crate) const NO_TRANSACTION: u64 = 0;

impl MailState {
    /// Returns whether a mail transaction may be open on the server's side. A command group that
    /// begins then starts with RSET, so that its recipients are not added to another message.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Records that the transaction of this number may be open.
    pub(crate) fn open(&mut self, number: u64) {
        self.open = Some(number);
    }

    /// Records that the transaction of this number is over on the server's side. A later one that
    /// was begun before its replies came stays open.
    pub(crate) fn close(&mut self, number: u64) {
        if self.open == Some(number) {
            self.open = None;
        }
    }

    /// Records that no transaction is open: the server has accepted RSET, or another command that
    /// resets it.
    pub(crate) fn reset(&mut self) {
        self.open = None;
    }

    /// Records that the server has accepted a MAIL.
    pub(crate) fn accept(&mut self) {
        self.accepted = true;
    }

    /// Returns whether the server has accepted a MAIL.
    pub(crate) fn has_accepted(&self) -> bool {
        self.accepted
    }

    /// Records that the server accepts this number of recipients in a transaction and no more. A
    /// lower number stands.
    pub(crate) fn learn_rcpt_max(&mut self, most: usize) {
        let most = most.max(1);
        self.rcpt_max = Some(self.rcpt_max.map_or(most, |known| known.min(most)));
    }

    /// Returns the most recipients of a transaction, as learned.
    pub(crate) fn rcpt_max(&self) -> Option<usize> {
        self.rcpt_max
    }

    /// Returns a number for the next transaction.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Checks that the server accepts recipients of these domains in this session, and counts them.
    pub(crate) fn admit_domains(
        &mut self,
        capabilities: &Capabilities,
        envelope: &Envelope,
    ) -> Result<(), Unsupported> {
        if !capabilities.has(Extension::Limits) {
            return Ok(());
        }
        let Some(limit) = capabilities.limits().rcpt_domain_max() else { return Ok(()) };
        let domains = envelope.rcpts().iter().filter_map(domain);
        let domains: HashSet<String> = domains.chain(self.domains.iter().cloned()).collect();
        check(Limited::RecipientDomains, domains.len() as u64, limit)?;
        self.domains = domains;
        Ok(())
    }

    /// Counts a mail transaction, unless the server accepts no further one in this session.
    pub(crate) fn admit_transaction(
        &mut self,
        capabilities: &Capabilities,
    ) -> Result<(), Unsupported> {
        let asked = self.transactions.saturating_add(1);
        let stated = capabilities.has(Extension::Limits).then(|| capabilities.limits().mail_max());
        if let Some(limit) = stated.flatten() {
            check(Limited::Transactions, asked.into(), limit)?;
        }
        self.transactions = asked;
        Ok(())
    }
}

fn check(what: Limited, asked: u64, limit: u32) -> Result<(), Unsupported> {
    let limit = u64::from(limit);
    if asked > limit { Err(Unsupported::TooMany { what, asked, limit }) } else { Ok(()) }
}

/// Returns the domain of a recipient; `<Postmaster>` has none.
fn domain(rcpt: &Rcpt) -> Option<String> {
    let (_, domain) = rcpt.path().as_str().rsplit_once('@')?;
    Some(domain.to_ascii_lowercase())
}
