//! What the client has claimed of every message, held against what was delivered.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use smtp_client::{Delivery, Error};

use crate::{
    compare::{Change, Comparison, compare},
    store::Copy,
};

/// What the client has claimed of one recipient of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The server accepted the message: it is delivered once.
    Accepted,
    /// It did not: the message is not delivered.
    NotAccepted,
    /// It may have: the message is delivered at most once.
    InDoubt,
}

/// Every message that was given to the client.
#[derive(Default)]
pub(crate) struct Ledger {
    entries: HashMap<String, Entry>,
    faults: Vec<String>,
    changes: BTreeSet<&'static str>,
}

struct Entry {
    case: String,
    /// Emptied when every copy was compared.
    sent: Vec<u8>,
    claims: BTreeMap<String, Recipient>,
}

struct Recipient {
    claim: Claim,
    copies: usize,
    /// Whether a second copy is the server's affair.
    may_repeat: bool,
}

const REPEATED: &str = "it delivered a message again after it was killed";

impl Ledger {
    /// Records the claims of the client for a message of this case.
    pub(crate) fn record(
        &mut self,
        case: &str,
        id: &str,
        sent: &[u8],
        claims: impl IntoIterator<Item = (String, Claim)>,
    ) {
        let claims = claims.into_iter().map(|(recipient, claim)| {
            (recipient.to_lowercase(), Recipient { claim, copies: 0, may_repeat: false })
        });
        let entry = Entry { case: case.to_owned(), sent: sent.to_vec(), claims: claims.collect() };
        self.entries.insert(id.to_owned(), entry);
    }

    /// Compares what was delivered with what was sent and claimed.
    pub(crate) fn take_in(&mut self, copies: Vec<Copy>, changes: &[Change]) {
        for copy in copies {
            if let Err(fault) = self.take_in_one(&copy, changes) {
                self.faults.push(fault);
            }
        }
    }

    fn take_in_one(&mut self, copy: &Copy, changes: &[Change]) -> Result<(), String> {
        let Copy { id, recipient, octets } = copy;
        let Some(entry) = self.entries.get_mut(id) else {
            let start = octets[..octets.len().min(80)].escape_ascii();
            return Err(format!("delivered to {recipient}, but it was not sent: `{start}`"));
        };
        let case = &entry.case;
        let Some(known) = entry.claims.get_mut(recipient) else {
            return Err(format!("{id} ({case}) was delivered to {recipient}, who is no recipient"));
        };
        known.copies += 1;
        if known.claim == Claim::NotAccepted {
            return Err(format!("{id} ({case}) was delivered to {recipient}, but reported as not"));
        }
        if known.copies > 1 && known.may_repeat {
            self.changes.insert(REPEATED);
            return Ok(());
        }
        if known.copies > 1 {
            return Err(format!("{id} ({case}) was delivered to {recipient} twice"));
        }
        match compare(&entry.sent, octets, changes) {
            Comparison::Equal => {}
            Comparison::Changed(names) => self.changes.extend(names),
            Comparison::Different(difference) => {
                return Err(format!("{id} ({case}) to {recipient}: {difference}"));
            }
        }
        if entry.claims.values().all(|one| one.claim != Claim::InDoubt && !one.is_missing()) {
            entry.sent = Vec::new();
        }
        Ok(())
    }

    /// Returns the recipients for whom a message was accepted, and who do not have it yet.
    pub(crate) fn missing(&self) -> Vec<String> {
        let missing = self.entries.iter().flat_map(|(id, entry)| {
            let recipients = entry.claims.iter().filter(|(_, one)| one.is_missing());
            recipients.map(move |(recipient, _)| format!("{id} ({}) to {recipient}", entry.case))
        });
        missing.collect()
    }

    /// Allows that what was delivered by now is delivered once more.
    pub(crate) fn allow_repeats(&mut self) {
        for recipient in self.entries.values_mut().flat_map(|entry| entry.claims.values_mut()) {
            recipient.may_repeat = recipient.copies == 1;
        }
    }

    /// Gives up on what is missing, so that it is reported once.
    pub(crate) fn give_up(&mut self) {
        for recipient in self.entries.values_mut().flat_map(|entry| entry.claims.values_mut()) {
            if recipient.is_missing() {
                recipient.claim = Claim::InDoubt;
            }
        }
    }

    /// Returns the faults since the last call.
    pub(crate) fn take_faults(&mut self) -> Vec<String> {
        std::mem::take(&mut self.faults)
    }

    /// Returns the names of the changes that explained a difference since the last call.
    pub(crate) fn take_changes(&mut self) -> BTreeSet<&'static str> {
        std::mem::take(&mut self.changes)
    }

    /// Returns how many claims were recorded for this case.
    pub(crate) fn claims_of(&self, case: &str) -> usize {
        let entries = self.entries.values().filter(|entry| entry.case == case);
        entries.map(|entry| entry.claims.len()).sum()
    }
}

impl Recipient {
    fn is_missing(&self) -> bool {
        self.claim == Claim::Accepted && self.copies == 0
    }
}

/// Returns what a result claims for each of these recipients, in the order of the envelope.
pub(crate) fn claims(
    recipients: &[String],
    result: &Result<Delivery, Error>,
) -> Vec<(String, Claim)> {
    let claim = |accepted| if accepted { Claim::Accepted } else { Claim::NotAccepted };
    let mut claims: Vec<Claim> = match result {
        Ok(delivery) => delivery.verdicts().map(|(_, one)| claim(one.is_accepted())).collect(),
        Err(error) => {
            let open = if error.in_doubt() { Claim::InDoubt } else { Claim::NotAccepted };
            let verdicts = error.verdicts();
            verdicts.map(|(_, one)| one.map_or(open, |one| claim(one.is_accepted()))).collect()
        }
    };
    let in_doubt = matches!(result, Err(error) if error.in_doubt());
    // An error that lists no verdicts speaks for every recipient.
    claims.resize(recipients.len(), if in_doubt { Claim::InDoubt } else { Claim::NotAccepted });
    recipients.iter().cloned().zip(claims).collect()
}

#[cfg(test)]
mod tests;
