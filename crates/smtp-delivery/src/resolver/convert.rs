//! Names and records: from those of the parser to ours. No I/O.
use std::net::IpAddr;

use hickory_resolver::proto::rr::{self, RData, RecordType};

use crate::{InvalidName, Kind, Name, Record, Tlsa};

pub(super) fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::Mx => RecordType::MX,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Tlsa => RecordType::TLSA,
        Kind::Txt => RecordType::TXT,
    }
}

/// Returns the name as the parser has it: absolute, so that no search domain applies.
pub(super) fn to_hickory(name: &Name) -> Result<rr::Name, InvalidName> {
    if name.is_root() {
        return Ok(rr::Name::root());
    }
    let labels = labels(name.as_str()).ok_or(InvalidName::Character)?;
    let name = rr::Name::from_labels(labels.iter().map(Vec::as_slice));
    name.map_err(|_| InvalidName::TooLong {
        length: labels.iter().map(|label| label.len() + 1).sum(),
    })
}

/// Returns the octets of the labels, without escapes (RFC 1035, 5.1).
fn labels(text: &str) -> Option<Vec<Vec<u8>>> {
    let mut labels = vec![Vec::new()];
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'.' => labels.push(Vec::new()),
            b'\\' => {
                let first = octets.next()?;
                let octet = if first.is_ascii_digit() {
                    let digits = [first, octets.next()?, octets.next()?];
                    std::str::from_utf8(&digits).ok()?.parse().ok()?
                } else {
                    first
                };
                labels.last_mut()?.push(octet);
            }
            octet => labels.last_mut()?.push(octet),
        }
    }
    Some(labels)
}

/// Returns the name in presentation form. Dots and backslashes within a label are escaped by number,
/// so that every dot is one between labels.
pub(super) fn to_name(name: &rr::Name) -> Result<Name, InvalidName> {
    if name.is_root() {
        return Name::new(".");
    }
    let mut text = String::with_capacity(name.len());
    for (position, label) in name.iter().enumerate() {
        if position > 0 {
            text.push('.');
        }
        for &octet in label {
            if octet.is_ascii_graphic() && !matches!(octet, b'.' | b'\\') {
                text.push(char::from(octet));
            } else {
                text.push_str(&format!("\\{octet:03}"));
            }
        }
    }
    Name::new(&text)
}

/// Returns the record, if it is of this kind and has a name that can be represented.
pub(super) fn to_record(kind: Kind, data: &RData) -> Option<Record> {
    match (kind, data) {
        (Kind::Mx, RData::MX(mx)) => {
            let exchange = to_name(&mx.exchange).ok()?;
            Some(Record::Mx { preference: mx.preference, exchange })
        }
        (Kind::A, RData::A(a)) => Some(Record::Address(IpAddr::V4(a.0))),
        (Kind::Aaaa, RData::AAAA(aaaa)) => Some(Record::Address(IpAddr::V6(aaaa.0))),
        (Kind::Tlsa, RData::TLSA(tlsa)) => Some(Record::Tlsa(Tlsa::new(
            tlsa.cert_usage.into(),
            tlsa.selector.into(),
            tlsa.matching.into(),
            tlsa.cert_data.clone(),
        ))),
        (Kind::Txt, RData::TXT(txt)) => Some(Record::Txt(txt.txt_data.concat())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_odd_octets_go_there_and_back() {
        for labels in [
            vec![&b"mx"[..], b"example"],
            vec![b"a.b\\c", b"example"],
            vec![b"\0 \xff\"", b"_tcp", b"example"],
            vec![b"*", b"example"],
        ] {
            let name = rr::Name::from_labels(labels.iter().copied()).unwrap();
            let ours = to_name(&name).unwrap();
            assert_eq!(to_hickory(&ours).unwrap(), name, "{ours}");
        }
    }

    #[test]
    fn a_label_that_is_too_long_with_escapes_has_no_name() {
        let name = rr::Name::from_labels([&[0_u8; 16][..], b"example"]).unwrap();
        assert_eq!(to_name(&name), Err(InvalidName::LabelTooLong { length: 64 }));
    }

    #[test]
    fn an_escape_that_is_none_is_refused() {
        for text in ["a\\", "a\\25", "a\\256"] {
            let name = Name::new(text).unwrap();
            assert_eq!(to_hickory(&name), Err(InvalidName::Character), "{text}");
        }
    }
}
