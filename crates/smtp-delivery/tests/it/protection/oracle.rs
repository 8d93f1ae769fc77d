//! What is right by RFC 7672, 8461, 8689 and 8460: a model of its own. It shares nothing with the
//! crate but the names of floors.
use smtp_delivery::Floor;

use super::cell::{Cell, HostTls, StsFact, TlsaFact};

/// What has to come of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Right {
    pub(super) sent: Sent,
    /// What is reported: the type of a policy and the type of a result (RFC 8460, 4.3 and 4.4).
    pub(super) reported: Vec<(&'static str, &'static str)>,
}

/// Whether it is sent, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Not,
    Clear,
    Unverified,
    Pkix,
    Dane,
}

/// What the TLSA records ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dane {
    Nothing,
    /// Records without any that is usable: TLS without authentication (RFC 7672, 2.2).
    Encrypt,
    Authenticate,
}

/// The least that is right.
enum Need {
    Nothing,
    Encrypted,
    Pkix,
    Dane,
}

const SUCCESS: &str = "success";

pub(super) fn judge(cell: &Cell) -> Right {
    let mut reported = Vec::new();
    if let Some(failure) = policy_failure(cell) {
        reported.push(("sts", failure));
        if is_unknown(cell) || cell.sts == StsFact::EnforceOther {
            return Right { sent: Sent::Not, reported };
        }
    }
    let dane = match cell.tlsa {
        // TLSA records of a host whose addresses are not secure are of no use (RFC 7672, 2.2.2).
        _ if !cell.addresses_are_secure => Dane::Nothing,
        TlsaFact::None | TlsaFact::Insecure => Dane::Nothing,
        TlsaFact::Unusable => Dane::Encrypt,
        TlsaFact::ServFail | TlsaFact::Bogus => {
            // The host counts as unreachable (RFC 7672, 2.1.2).
            reported.push(("tlsa", "dnssec-invalid"));
            return Right { sent: Sent::Not, reported };
        }
        // Insecure MX records do not matter (RFC 7672, 2.2.1: "MAY proceed to use DANE TLS").
        _ => Dane::Authenticate,
    };
    let is_validated = matches!(cell.sts, StsFact::Enforce | StsFact::Testing);
    if cell.requires_tls && !cell.mx_is_secure && !is_validated {
        // RFC 8689, 4.2.1. The recipient's domain has not failed: nothing is reported.
        return Right { sent: Sent::Not, reported };
    }
    let need = match (dane, cell.sts, cell.floor) {
        (Dane::Authenticate, _, _) => Need::Dane,
        _ if cell.requires_tls => Need::Pkix,
        (_, StsFact::Enforce, _) | (_, _, Floor::Verified) => Need::Pkix,
        (Dane::Encrypt, _, _) | (_, _, Floor::Encrypted) => Need::Encrypted,
        _ => Need::Nothing,
    };
    reported.extend(session_results(cell, dane, &need));
    Right { sent: sent(cell, &need), reported }
}

/// Returns how the message is sent over the best session that the host allows.
fn sent(cell: &Cell, need: &Need) -> Sent {
    let is_good = by_authority(cell.tls).is_none();
    match need {
        Need::Dane if by_records(cell).is_none() => Sent::Dane,
        Need::Dane => Sent::Not,
        Need::Pkix if is_good => Sent::Pkix,
        Need::Pkix => Sent::Not,
        _ if by_handshake(cell.tls).is_some() => match need {
            Need::Nothing => Sent::Clear,
            _ => Sent::Not,
        },
        // Where any certificate will do, it is looked at only for a report.
        Need::Encrypted if cell.sts != StsFact::Testing => Sent::Unverified,
        _ if is_good => Sent::Pkix,
        _ => Sent::Unverified,
    }
}

/// Returns what is reported of a session with the host: what each policy that applies makes of it.
fn session_results(cell: &Cell, dane: Dane, need: &Need) -> Vec<(&'static str, &'static str)> {
    let by_need = match need {
        Need::Pkix => by_authority(cell.tls),
        _ => by_handshake(cell.tls),
    };
    let unusable = ("tlsa", "tlsa-invalid");
    match (dane, cell.sts) {
        // What an MTA-STS policy says of the host does not matter then (RFC 8461, 2).
        (Dane::Authenticate, _) => vec![("tlsa", by_records(cell).unwrap_or(SUCCESS))],
        (_, StsFact::Enforce | StsFact::Testing | StsFact::TestingOther) => {
            let failure = match cell.sts {
                StsFact::TestingOther => Some("validation-failure"),
                _ => by_authority(cell.tls),
            };
            let sts = ("sts", failure.unwrap_or(SUCCESS));
            if dane == Dane::Encrypt { vec![sts, unusable] } else { vec![sts] }
        }
        (Dane::Encrypt, _) => vec![("tlsa", by_need.unwrap_or(unusable.1))],
        (Dane::Nothing, _) => vec![("no-policy-found", by_need.unwrap_or(SUCCESS))],
    }
}

/// Returns what is wrong with the MTA-STS policy, or with the hosts by it.
fn policy_failure(cell: &Cell) -> Option<&'static str> {
    match cell.sts {
        StsFact::FetchFails | StsFact::TxtServFail | StsFact::TxtBogus => {
            Some("sts-policy-fetch-error")
        }
        // The name of the host: none of the types is about it (RFC 8460, 4.3.3).
        StsFact::EnforceOther => Some("validation-failure"),
        _ => None,
    }
}

/// Returns whether an attacker who suppresses answers may hide a policy, and DNSSEC shows it: an
/// answer that is bogus, or none in a zone that is signed. RFC 8461, 3.1 would go on without a policy.
fn is_unknown(cell: &Cell) -> bool {
    match cell.sts {
        StsFact::TxtBogus => true,
        StsFact::TxtServFail => cell.mx_is_secure,
        _ => false,
    }
}

/// Returns why there is no TLS with the host.
fn by_handshake(tls: HostTls) -> Option<&'static str> {
    match tls {
        HostTls::Stripped | HostTls::Refused => Some("starttls-not-supported"),
        HostTls::Broken => Some("validation-failure"),
        _ => None,
    }
}

/// Returns why no public authority vouches for the host.
fn by_authority(tls: HostTls) -> Option<&'static str> {
    by_handshake(tls).or(match tls {
        HostTls::SelfSigned | HostTls::OtherAuthority => Some("certificate-not-trusted"),
        HostTls::Expired => Some("certificate-expired"),
        HostTls::OtherName => Some("certificate-host-mismatch"),
        _ => None,
    })
}

/// Returns why no TLSA record vouches for the host.
fn by_records(cell: &Cell) -> Option<&'static str> {
    by_handshake(cell.tls).or(match (cell.tlsa, cell.tls) {
        (TlsaFact::Wrong, _) => Some("tlsa-invalid"),
        (TlsaFact::Authority201 | TlsaFact::Authority212, tls) => match tls {
            // No certificate that the host sends is the authority's.
            HostTls::SelfSigned | HostTls::OtherAuthority => Some("tlsa-invalid"),
            HostTls::Expired => Some("certificate-expired"),
            HostTls::OtherName => Some("certificate-host-mismatch"),
            _ => None,
        },
        // A record of the certificate itself: its names and dates do not matter (RFC 7672, 3.1.1).
        _ => None,
    })
}
