//! Compares what was delivered with what was sent, octet by octet.

use std::{borrow::Cow, fmt};

/// What a server does to every message that it applies to. A delivered message is equal, or it is
/// exactly what some of the changes make of the one that was sent.
pub(crate) struct Change {
    pub(crate) name: &'static str,
    pub(crate) apply: fn(&[u8]) -> Vec<u8>,
}

/// What a comparison gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    /// The names of the changes that explain the difference.
    Changed(Vec<&'static str>),
    Different(Difference),
}

/// The first octet that differs, and what is there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    at: usize,
    sizes: (usize, usize),
    sent: String,
    delivered: String,
}

/// Compares, and explains a difference by as few changes as possible.
pub(crate) fn compare(sent: &[u8], delivered: &[u8], changes: &[Change]) -> Comparison {
    let mut subsets: Vec<u32> = (0..1_u32 << changes.len()).collect();
    subsets.sort_by_key(|subset| subset.count_ones());
    for subset in subsets {
        let in_subset = |number: &usize| subset >> number & 1 == 1;
        let chosen = (0..changes.len()).filter(in_subset).map(|number| &changes[number]);
        let mut expected = Cow::Borrowed(sent);
        let mut names = Vec::new();
        for change in chosen {
            expected = Cow::Owned((change.apply)(&expected));
            names.push(change.name);
        }
        if *expected == *delivered {
            let is_equal = names.is_empty();
            return if is_equal { Comparison::Equal } else { Comparison::Changed(names) };
        }
    }
    Comparison::Different(Difference::between(sent, delivered))
}

impl Difference {
    fn between(sent: &[u8], delivered: &[u8]) -> Self {
        let same = sent.iter().zip(delivered).take_while(|(left, right)| left == right).count();
        let around = |octets: &[u8]| {
            let from = same.saturating_sub(12).min(octets.len());
            let to = (same + 40).min(octets.len());
            octets[from..to].escape_ascii().to_string()
        };
        Self {
            at: same,
            sizes: (sent.len(), delivered.len()),
            sent: around(sent),
            delivered: around(delivered),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, sizes: (of, delivered_of), sent, delivered } = self;
        write!(f, "octet {at} of {of} differs ({delivered_of} were delivered): ")?;
        write!(f, "sent `{sent}`, delivered `{delivered}`")
    }
}

#[cfg(test)]
mod tests;
