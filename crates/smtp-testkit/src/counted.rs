//! A number and the noun that it counts, in the singular or the plural.

use std::fmt;

/// `1 octet`, and `0 octets` or `2 octets`.
pub(crate) struct Counted(pub(crate) usize, pub(crate) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, what) = self;
        let s = if *count == 1 { "" } else { "s" };
        write!(f, "{count} {what}{s}")
    }
}
