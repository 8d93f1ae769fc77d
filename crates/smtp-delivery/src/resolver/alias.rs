//! A chain of aliases (CNAME), and the answer at its end. No I/O.
use hickory_resolver::proto::rr;
use smtp_error::Cause;

use super::{
    DnsResolver, UnusableAnswer, convert,
    response::{Found, unusable},
};
use crate::{Answer, DnsFailure, Kind, Name, Proof};

/// Every name of the chain is asked for on its own, so that each has its own proof.
pub(super) struct Chain {
    names: Vec<rr::Name>,
    first_proof: Option<Proof>,
    so_far: Found,
}

impl Chain {
    pub(super) fn new(name: rr::Name) -> Self {
        let so_far = Found { ttl: u32::MAX, proof: Proof::Secure };
        Self { names: vec![name], first_proof: None, so_far }
    }

    /// Returns the name that is to be asked for next.
    pub(super) fn end(&self) -> &rr::Name {
        &self.names[self.names.len() - 1]
    }

    pub(super) fn push(&mut self, target: rr::Name, found: Found) -> Result<(), DnsFailure> {
        if self.names.len() > DnsResolver::MAX_ALIASES || self.names.contains(&target) {
            return Err(DnsFailure::Aliases);
        }
        self.first_proof.get_or_insert(found.proof);
        self.so_far = self.so_far.and(found);
        self.names.push(target);
        Ok(())
    }

    /// Returns the answer with these records. Those whose names cannot be represented are left out; if
    /// none remains the answer is refused, since it does not say that there are none.
    pub(super) fn finish_with(
        self,
        kind: Kind,
        records: &[rr::RData],
        found: Found,
    ) -> Result<Answer, DnsFailure> {
        let count = records.len();
        if count > DnsResolver::MAX_RECORDS {
            return Err(unusable(UnusableAnswer::TooManyRecords { count }));
        }
        let records: Vec<_> =
            records.iter().filter_map(|data| convert::to_record(kind, data)).collect();
        if records.is_empty() {
            return Err(unusable(UnusableAnswer::Names));
        }
        let all = self.so_far.and(found);
        self.with_alias(Answer::new(records, all.duration(), all.proof))
    }

    /// Returns the answer that there are no records.
    pub(super) fn finish_without(self, exists: bool, found: Found) -> Result<Answer, DnsFailure> {
        let all = self.so_far.and(found);
        self.with_alias(if exists {
            Answer::new([], all.duration(), all.proof)
        } else {
            Answer::no_such_name(all.duration(), all.proof)
        })
    }

    fn with_alias(self, answer: Answer) -> Result<Answer, DnsFailure> {
        let Some(proof) = self.first_proof else { return Ok(answer) };
        let target: Name =
            convert::to_name(self.end()).map_err(|error| DnsFailure::Other(Cause::new(error)))?;
        Ok(answer.with_alias(target, proof))
    }
}
