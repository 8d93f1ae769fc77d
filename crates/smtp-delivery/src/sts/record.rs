//! The TXT record at `_mta-sts`. No I/O.
use std::{fmt, sync::Arc};

use super::{is_extension, trim};

/// The TXT record at `_mta-sts.DOMAIN`, which says that the domain has an MTA-STS policy (RFC 8461,
/// 3.1).
///
/// Its identifier changes whenever the policy does.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StsRecord {
    id: Arc<str>,
}

/// Why the TXT records at `_mta-sts.DOMAIN` announce no policy.
///
/// RFC 8461 has the sender go on as if there were none, unless it knows one from before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidStsRecord {
    /// More than one record begins with `v=STSv1;`.
    #[error("MTA-STS record: {count} TXT records begin with `v=STSv1;` instead of one")]
    Several {
        /// How many do.
        count: usize,
    },
    /// A field does not have the form `name=value`.
    #[error("MTA-STS record: field {number} does not have the form `name=value`")]
    Field {
        /// Its number, from 1, which is the version.
        number: usize,
    },
    /// There is no field `id`.
    #[error("MTA-STS record: there is no field `id`")]
    NoId,
    /// The field `id` is not 1 to 32 letters and digits.
    #[error("MTA-STS record: `id` is not 1 to {} letters and digits", StsRecord::MAX_ID)]
    Id,
}

impl StsRecord {
    /// The most characters of an identifier.
    pub const MAX_ID: usize = 32;

    /// Finds the record among the texts of all TXT records at the name, where each text has the strings
    /// of one record, joined. It is `None` if no text begins with `v=STSv1;`.
    ///
    /// # Errors
    /// Several texts begin with `v=STSv1;`, or the one that does is not valid.
    pub fn parse<'a>(
        texts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<Self>, InvalidStsRecord> {
        let mut candidates = texts.into_iter().filter_map(|text| text.strip_prefix(b"v=STSv1;"));
        let Some(fields) = candidates.next() else { return Ok(None) };
        match candidates.count() {
            0 => Self::from_fields(fields).map(Some),
            others => Err(InvalidStsRecord::Several { count: others + 1 }),
        }
    }

    /// Parses what follows the version. Of two fields `id`, the first counts.
    fn from_fields(fields: &[u8]) -> Result<Self, InvalidStsRecord> {
        let mut id = None;
        let mut fields = (2..).zip(fields.split(|&octet| octet == b';')).peekable();
        while let Some((number, field)) = fields.next() {
            let field = trim(field);
            // The record may end with a semicolon.
            if field.is_empty() && fields.peek().is_none() {
                break;
            }
            let at = field.iter().position(|&octet| octet == b'=');
            let (name, value) = at.map(|at| (&field[..at], &field[at + 1..])).unwrap_or_default();
            if name == b"id" {
                id = id.or(Some(value));
            } else if !(is_extension(name) && is_value(value)) {
                return Err(InvalidStsRecord::Field { number });
            }
        }
        let id = id.ok_or(InvalidStsRecord::NoId)?;
        let fits = (1..=Self::MAX_ID).contains(&id.len());
        match str::from_utf8(id) {
            Ok(text) if fits && id.iter().all(u8::is_ascii_alphanumeric) => {
                Ok(Self { id: text.into() })
            }
            _ => Err(InvalidStsRecord::Id),
        }
    }

    /// Returns the identifier.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Returns whether a field that is not known may have this value.
fn is_value(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(|&octet| octet.is_ascii_graphic() && octet != b'=')
}

impl fmt::Display for StsRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v=STSv1; id={};", self.id)
    }
}

impl fmt::Debug for StsRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StsRecord({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{InvalidStsRecord::*, *};

    #[track_caller]
    fn check(texts: &[&str], expected: Result<Option<&str>, InvalidStsRecord>) {
        let found = StsRecord::parse(texts.iter().map(|text| text.as_bytes()));
        let id = found.as_ref().map(|record| record.as_ref().map(StsRecord::id));
        assert_eq!(id.map_err(|error| *error), expected, "{texts:?}");
    }

    #[test]
    fn the_identifier_is_found() {
        check(&["v=STSv1; id=20160831085700Z;"], Ok(Some("20160831085700Z")));
        check(&["v=STSv1;id=1"], Ok(Some("1")));
        check(&["v=STSv1;\tid=1 ;  "], Ok(Some("1")));
        check(&["v=STSv1; a.b-c_d=!:<; id=1; e=2;"], Ok(Some("1")));
        let longest = "a".repeat(32);
        check(&[&format!("v=STSv1; id={longest}")], Ok(Some(&longest)));
    }

    #[test]
    fn the_first_of_two_identifiers_counts() {
        check(&["v=STSv1; id=1; id=2"], Ok(Some("1")));
        check(&["v=STSv1; id=-; id=2"], Err(Id));
    }

    #[test]
    fn records_of_other_kinds_are_ignored() {
        check(&[], Ok(None));
        check(&["v=spf1 -all", "v=STSv2; id=1;", "V=STSv1; id=1;"], Ok(None));
        check(&[" v=STSv1; id=1;", "v=STSv1 ; id=1;", "v=STSv1", ""], Ok(None));
        check(&["v=spf1 -all", "v=STSv1; id=1;"], Ok(Some("1")));
    }

    #[test]
    fn exactly_one_record_must_remain() {
        check(&["v=STSv1; id=1;", "v=STSv1; id=1;"], Err(Several { count: 2 }));
        check(&["v=STSv1; id=1;", "v=STSv1;", "v=STSv1;x"], Err(Several { count: 3 }));
    }

    #[test]
    fn what_is_not_a_record_is_named() {
        check(&["v=STSv1;"], Err(NoId));
        check(&["v=STSv1; a=b"], Err(NoId));
        check(&["v=STSv1; ID=1"], Err(NoId));
        check(&["v=STSv1; id="], Err(Id));
        check(&["v=STSv1; id=1-2"], Err(Id));
        check(&["v=STSv1; id=1\u{e4}"], Err(Id));
        check(&["v=STSv1; id= 1"], Err(Id));
        check(&[&format!("v=STSv1; id={}", "a".repeat(33))], Err(Id));
        check(&["v=STSv1;; id=1"], Err(Field { number: 2 }));
        check(&["v=STSv1; id=1;;"], Err(Field { number: 3 }));
        check(&["v=STSv1; id=1; nothing"], Err(Field { number: 3 }));
        check(&["v=STSv1; id=1; a="], Err(Field { number: 3 }));
        check(&["v=STSv1; id=1; a=b c"], Err(Field { number: 3 }));
        check(&["v=STSv1; id=1; _a=b"], Err(Field { number: 3 }));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_panic(fields in any::<Vec<u8>>()) {
            let text = [b"v=STSv1;", &fields[..]].concat();
            let _ = StsRecord::parse([&fields[..], &text[..]]);
        }

        #[test]
        fn a_record_is_written_as_it_is_read(id in "[a-zA-Z0-9]{1,32}") {
            let record = StsRecord::parse([format!("v=STSv1;id={id}").as_bytes()]).unwrap().unwrap();
            prop_assert_eq!(record.id(), id);
            let again = StsRecord::parse([record.to_string().as_bytes()]).unwrap();
            prop_assert_eq!(again, Some(record));
        }
    }
}
