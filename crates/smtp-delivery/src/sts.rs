//! MTA-STS: the record that announces a policy, and the policy (RFC 8461). No I/O.
mod policy;
mod record;

pub use policy::{InvalidMxPattern, InvalidStsPolicy, MxPattern, StsMode, StsPolicy};
pub use record::{InvalidStsRecord, StsRecord};

/// Returns whether a field of a record or a policy that is not known may have this name.
fn is_extension(name: &[u8]) -> bool {
    let [first, others @ ..] = name else { return false };
    let allowed = |octet: &u8| octet.is_ascii_alphanumeric() || b"_-.".contains(octet);
    first.is_ascii_alphanumeric() && others.len() <= 31 && others.iter().all(allowed)
}

/// Returns the octets without the spaces and tabs around them.
fn trim(octets: &[u8]) -> &[u8] {
    let is_text = |octet: &u8| !matches!(octet, b' ' | b'\t');
    match (octets.iter().position(is_text), octets.iter().rposition(is_text)) {
        (Some(first), Some(last)) => &octets[first..=last],
        _ => &[],
    }
}
