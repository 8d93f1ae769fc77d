//! What one response of a name server says about the name asked for. No I/O.
//!
//! The validator proves single record sets, and that a denial fits the question. Here is what follows
//! from that, and what it leaves open.
use std::time::Duration;

use hickory_resolver::{
    net::{self, NetError},
    proto::{
        dnssec::{self, rdata::DNSSECRData},
        op::{DnsResponse, Query, ResponseCode},
        rr::{self, RData, RecordType},
    },
};
use smtp_error::Cause;

use crate::{DnsFailure, Proof};

/// Why an answer is not used, although it arrived. It is the cause of a [`DnsFailure::Other`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableAnswer {
    /// It has more records than are read.
    #[error("the answer has {count} records; the limit is {}", crate::DnsResolver::MAX_RECORDS)]
    TooManyRecords {
        /// The records of the kind that was looked up.
        count: usize,
    },
    /// Its records have only names that cannot be written as text.
    #[error("the answer has only names that are too long to be written with escapes")]
    Names,
    /// It contradicts itself: an alias with two targets, or records of a name that does not exist.
    #[error("the answer contradicts itself")]
    Contradiction,
    /// The code that reads answers panicked.
    #[error("the answer cannot be read: its parser panicked")]
    Panicked,
}

/// How long something may be used, and what is proved of it.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) ttl: u32,
    pub(super) proof: Proof,
}

impl Found {
    pub(super) fn and(self, other: Self) -> Self {
        Self { ttl: self.ttl.min(other.ttl), proof: self.proof.min(other.proof) }
    }

    pub(super) fn duration(self) -> Duration {
        Duration::from_secs(self.ttl.into())
    }
}

/// What is known of a name.
pub(super) enum Hop {
    Records { records: Vec<RData>, found: Found },
    Alias { target: rr::Name, found: Found },
    None { exists: bool, found: Found },
}

/// What a response leads to.
pub(super) enum Outcome {
    Hop(Hop),
    /// The response has an alias, and something that the validator cannot bring together with it.
    AskForAlias,
}

pub(super) fn unusable(answer: UnusableAnswer) -> DnsFailure {
    DnsFailure::Other(Cause::new(answer))
}

/// Reads what the validator returned.
pub(super) fn read(
    query: &Query,
    result: Result<DnsResponse, NetError>,
) -> Result<Outcome, DnsFailure> {
    match result {
        Ok(response) => {
            Response { query, response: &response, denial: Proof::Secure }.read().map(Outcome::Hop)
        }
        Err(NetError::Dns(net::DnsError::Nsec { response, proof, .. })) => {
            read_unproved(query, &response, proof_of(proof))
        }
        Err(error) => Err(failure(error)),
    }
}

/// Reads a response with a denial that the validator did not find secure.
fn read_unproved(
    query: &Query,
    response: &DnsResponse,
    denial: Proof,
) -> Result<Outcome, DnsFailure> {
    let has_alias = query.query_type != RecordType::CNAME
        && own(query, response, RecordType::CNAME).next().is_some();
    if denial == Proof::Bogus && has_alias {
        return Ok(Outcome::AskForAlias);
    }
    Response { query, response, denial }.read().map(Outcome::Hop)
}

/// Reads what a name server returned whose validation is trusted: every record has the proof of the
/// header, and so has a denial.
pub(super) fn read_trusted(
    query: &Query,
    result: Result<DnsResponse, NetError>,
) -> Result<Outcome, DnsFailure> {
    let response = result.map_err(failure)?;
    let proof = if response.authentic_data { Proof::Secure } else { Proof::Insecure };
    match (Response { query, response: &response, denial: Proof::Secure }).answer()? {
        Some(hop) => Ok(Outcome::Hop(hop)),
        None => {
            let exists = response.response_code != ResponseCode::NXDomain;
            let found = Found { ttl: response.negative_ttl().unwrap_or(0), proof };
            Ok(Outcome::Hop(Hop::None { exists, found }))
        }
    }
}

fn failure(error: NetError) -> DnsFailure {
    match error {
        NetError::Timeout => DnsFailure::TimedOut,
        NetError::Dns(net::DnsError::DnssecBogus) => DnsFailure::Bogus,
        NetError::Dns(net::DnsError::ResponseCode(code)) => DnsFailure::Refused(code_text(code)),
        error => DnsFailure::Other(Cause::new(error)),
    }
}

fn code_text(code: ResponseCode) -> String {
    match code {
        ResponseCode::FormErr => "FORMERR".into(),
        ResponseCode::ServFail => "SERVFAIL".into(),
        ResponseCode::NotImp => "NOTIMP".into(),
        ResponseCode::Refused => "REFUSED".into(),
        ResponseCode::NotAuth => "NOTAUTH".into(),
        code => format!("with response code {}", u16::from(code)),
    }
}

/// A record of which nothing could be determined (the keys did not arrive) is as good as forged: to
/// take it for insecure would let an attacker that drops the keys turn DNSSEC off.
fn proof_of(proof: dnssec::Proof) -> Proof {
    match proof {
        dnssec::Proof::Secure => Proof::Secure,
        dnssec::Proof::Insecure => Proof::Insecure,
        dnssec::Proof::Bogus | dnssec::Proof::Indeterminate => Proof::Bogus,
    }
}

/// The records of the name asked for. Those of other names are never used: an alias is followed with
/// a query of its own.
fn own<'a>(
    query: &'a Query,
    response: &'a DnsResponse,
    kind: RecordType,
) -> impl Iterator<Item = &'a rr::Record> {
    response
        .answers
        .iter()
        .filter(move |record| record.name == query.name && record.record_type() == kind)
}

struct Response<'a> {
    query: &'a Query,
    response: &'a DnsResponse,
    /// What the records that deny something (NSEC, NSEC3) prove, if there are any.
    denial: Proof,
}

impl Response<'_> {
    fn read(&self) -> Result<Hop, DnsFailure> {
        if let Some(hop) = self.answer()? {
            return Ok(hop);
        }
        let exists = self.response.response_code != ResponseCode::NXDomain;
        Ok(Hop::None { exists, found: self.prove_denial()? })
    }

    /// Returns what the response says of the name, if it is no denial.
    fn answer(&self) -> Result<Option<Hop>, DnsFailure> {
        let code = self.response.response_code;
        if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
            return Err(DnsFailure::Refused(code_text(code)));
        }
        let kind = self.query.query_type;
        if kind != RecordType::CNAME {
            let records: Vec<_> = own(self.query, self.response, kind).collect();
            if !records.is_empty() {
                if code == ResponseCode::NXDomain {
                    return Err(unusable(UnusableAnswer::Contradiction));
                }
                let found = self.prove(&records)?;
                let records = records.into_iter().map(|record| record.data.clone()).collect();
                return Ok(Some(Hop::Records { records, found }));
            }
        }
        // With an alias, a name error is about the end of the chain.
        let aliases: Vec<_> = own(self.query, self.response, RecordType::CNAME).collect();
        let Some(RData::CNAME(target)) = aliases.first().map(|record| &record.data) else {
            return Ok(None);
        };
        if aliases.iter().any(|other| other.data != aliases[0].data) {
            return Err(unusable(UnusableAnswer::Contradiction));
        }
        Ok(Some(Hop::Alias { target: target.0.clone(), found: self.prove(&aliases)? }))
    }

    fn prove(&self, records: &[&rr::Record]) -> Result<Found, DnsFailure> {
        let ttl = records.iter().map(|record| record.ttl).min().unwrap_or(0);
        let proofs = records.iter().map(|record| proof_of(record.proof));
        let proof = proofs.min().unwrap_or(Proof::Bogus).min(self.denial);
        let unproved_wildcard =
            proof == Proof::Secure && self.is_expanded(records) && self.is_all_insecure();
        if proof == Proof::Bogus || unproved_wildcard {
            return Err(DnsFailure::Bogus);
        }
        Ok(Found { ttl, proof })
    }

    /// Returns whether the records were made of a wildcard. Then the response must also prove that
    /// there is no closer name (RFC 4035, 5.3.4).
    fn is_expanded(&self, records: &[&rr::Record]) -> bool {
        let labels = self.query.name.num_labels();
        self.response.answers.iter().any(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::RRSIG(signature)) => {
                let input = signature.input();
                record.name == self.query.name
                    && records.iter().any(|signed| signed.record_type() == input.type_covered)
                    && input.num_labels < labels
            }
            _ => false,
        })
    }

    /// Returns whether nothing of the authority section is signed. The validator looks for no denial
    /// then, whatever the zones are that the section has records of.
    fn is_all_insecure(&self) -> bool {
        let authorities = &self.response.authorities;
        !authorities.is_empty()
            && authorities.iter().all(|record| record.proof == dnssec::Proof::Insecure)
    }

    fn prove_denial(&self) -> Result<Found, DnsFailure> {
        let authorities = &self.response.authorities;
        let mut signers = authorities.iter().filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature.input()),
            _ => None,
        });
        let denies = |record: &&rr::Record| {
            matches!(record.record_type(), RecordType::NSEC | RecordType::NSEC3)
                && record.proof == dnssec::Proof::Secure
        };
        let proof = if authorities.iter().any(|record| denies(&record)) {
            // A zone denies only names of its own, not of its neighbors.
            let is_foreign = signers.any(|input| {
                matches!(input.type_covered, RecordType::NSEC | RecordType::NSEC3)
                    && !input.signer_name.zone_of(&self.query.name)
            });
            if is_foreign { Proof::Bogus } else { self.denial }
        } else if self.is_all_insecure() {
            // The name is in no signed zone only if one of these zones is above it.
            let is_above = authorities.iter().any(|record| record.name.zone_of(&self.query.name));
            if is_above { Proof::Insecure } else { Proof::Bogus }
        } else {
            // The validator proved the zone of the name insecure, or it would not have accepted a
            // denial without a proof.
            self.denial.min(Proof::Insecure)
        };
        if proof == Proof::Bogus {
            return Err(DnsFailure::Bogus);
        }
        Ok(Found { ttl: self.response.negative_ttl().unwrap_or(0), proof })
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::{
        dnssec::{
            Algorithm,
            rdata::{NSEC, RRSIG, SigInput},
        },
        op::{Message, OpCode},
        rr::{
            SerialNumber,
            rdata::{A, CNAME, SOA},
        },
    };

    use super::*;

    fn name(text: &str) -> rr::Name {
        rr::Name::from_ascii(text).unwrap()
    }

    fn record(owner: &str, data: RData, proof: dnssec::Proof) -> rr::Record {
        let mut record = rr::Record::from_rdata(name(owner), 60, data);
        record.proof = proof;
        record
    }

    fn soa(zone: &str, proof: dnssec::Proof) -> rr::Record {
        record(zone, RData::SOA(SOA::new(name("ns."), name("h."), 1, 2, 3, 4, 30)), proof)
    }

    fn address(owner: &str) -> rr::Record {
        record(owner, RData::A(A::new(192, 0, 2, 1)), dnssec::Proof::Secure)
    }

    fn signature(owner: &str, kind: RecordType, num_labels: u8, signer: &str) -> rr::Record {
        let input = SigInput {
            type_covered: kind,
            algorithm: Algorithm::ED25519,
            num_labels,
            original_ttl: 60,
            sig_expiration: SerialNumber::new(0),
            sig_inception: SerialNumber::new(0),
            key_tag: 0,
            signer_name: name(signer),
        };
        let data = RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, Vec::new())));
        record(owner, data, dnssec::Proof::Secure)
    }

    fn query() -> Query {
        Query::query(name("mx.signed.test."), RecordType::A)
    }

    fn response(answers: Vec<rr::Record>, authorities: Vec<rr::Record>) -> DnsResponse {
        let mut message = Message::response(0, OpCode::Query);
        message.add_query(query());
        message.add_answers(answers);
        message.add_authorities(authorities);
        DnsResponse::from_message(message).unwrap()
    }

    fn proof(answers: Vec<rr::Record>, authorities: Vec<rr::Record>) -> Proof {
        match read(&query(), Ok(response(answers, authorities))) {
            Ok(Outcome::Hop(
                Hop::Records { found, .. } | Hop::Alias { found, .. } | Hop::None { found, .. },
            )) => found.proof,
            Ok(Outcome::AskForAlias) => panic!("the validator accepted the response"),
            Err(failure) => {
                assert!(matches!(failure, DnsFailure::Bogus), "{failure:?}");
                Proof::Bogus
            }
        }
    }

    #[test]
    fn an_unsigned_zone_denies_only_names_below_it() {
        for (zone, expected) in [
            ("test.", Proof::Insecure),
            ("mx.signed.test.", Proof::Insecure),
            ("insecure.test.", Proof::Bogus),
            ("a.mx.signed.test.", Proof::Bogus),
        ] {
            let authorities = vec![soa(zone, dnssec::Proof::Insecure)];
            assert_eq!(proof(Vec::new(), authorities), expected, "{zone}");
        }
    }

    #[test]
    fn a_signed_zone_denies_only_names_below_it() {
        for (signer, expected) in [
            ("test.", Proof::Secure),
            ("signed.test.", Proof::Secure),
            ("neighbor.test.", Proof::Bogus),
        ] {
            let nsec = NSEC::new(name("zzz.test."), [RecordType::MX]);
            let nsec = RData::DNSSEC(DNSSECRData::NSEC(nsec));
            let owner = format!("a.{signer}");
            let authorities = vec![
                record(&owner, nsec, dnssec::Proof::Secure),
                signature(&owner, RecordType::NSEC, 3, signer),
            ];
            assert_eq!(proof(Vec::new(), authorities), expected, "{signer}");
        }
    }

    #[test]
    fn a_wildcard_counts_only_with_a_proof_that_no_name_is_closer() {
        let owner = "mx.signed.test.";
        for (labels, zone, expected) in [
            (3, Some("insecure.test."), Proof::Secure),
            (2, Some("insecure.test."), Proof::Bogus),
            // The validator has looked for the proof.
            (2, None, Proof::Secure),
        ] {
            let answers =
                vec![address(owner), signature(owner, RecordType::A, labels, "signed.test.")];
            let authorities = zone.map(|zone| soa(zone, dnssec::Proof::Insecure));
            let authorities = authorities.into_iter().collect();
            assert_eq!(proof(answers, authorities), expected, "{labels} {zone:?}");
        }
    }

    #[test]
    fn a_record_is_as_good_as_forged_if_nothing_could_be_proved() {
        let mut unproved = address("mx.signed.test.");
        unproved.proof = dnssec::Proof::Indeterminate;
        assert_eq!(proof(vec![unproved.clone()], Vec::new()), Proof::Bogus);
        assert_eq!(proof(vec![address("mx.signed.test."), unproved], Vec::new()), Proof::Bogus);
    }

    #[test]
    fn records_of_other_names_do_not_count() {
        let target = RData::CNAME(CNAME(name("other.test.")));
        let answers =
            vec![record("mx.signed.test.", target, dnssec::Proof::Secure), address("other.test.")];
        let result = read(&query(), Ok(response(answers, Vec::new())));
        assert!(matches!(result, Ok(Outcome::Hop(Hop::Alias { .. }))));
    }

    #[test]
    fn an_alias_beside_a_denial_that_does_not_fit_is_asked_for_alone() {
        let target = RData::CNAME(CNAME(name("other.test.")));
        let alias = record("mx.signed.test.", target, dnssec::Proof::Secure);
        let beside = response(vec![alias], vec![soa("test.", dnssec::Proof::Secure)]);
        let result = read_unproved(&query(), &beside, Proof::Bogus);
        assert!(matches!(result, Ok(Outcome::AskForAlias)));
        let alone = Query::query(query().name, RecordType::CNAME);
        let result = read_unproved(&alone, &beside, Proof::Bogus);
        assert!(matches!(result, Err(DnsFailure::Bogus)));
        let result = read_unproved(&query(), &response(Vec::new(), Vec::new()), Proof::Bogus);
        assert!(matches!(result, Err(DnsFailure::Bogus)));
    }

    #[test]
    fn an_alias_with_two_targets_is_refused() {
        let alias = |target| {
            let data = RData::CNAME(CNAME(name(target)));
            record("mx.signed.test.", data, dnssec::Proof::Secure)
        };
        let answers = vec![alias("a.test."), alias("b.test.")];
        let result = read(&query(), Ok(response(answers, Vec::new())));
        let Err(DnsFailure::Other(cause)) = result else { panic!("the response was read") };
        assert_eq!(cause.downcast_ref(), Some(&UnusableAnswer::Contradiction));
    }
}
