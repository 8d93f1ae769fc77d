//! The text of a reply: stored inline if it is short, as nearly all are, and shared otherwise.
use alloc::sync::Arc;
use core::{
    hash::{Hash, Hasher},
    ops::Deref,
};

/// Octets that are cheap to clone.
#[derive(Clone)]
pub(super) enum Octets {
    Short { length: u8, inline: [u8; INLINE] },
    Long(Arc<[u8]>),
}

/// The longest text that is stored inline, in octets: enough for the usual reply 354 and for a
/// queue identifier.
const INLINE: usize = 38;

impl From<&[u8]> for Octets {
    fn from(octets: &[u8]) -> Self {
        let mut inline = [0; INLINE];
        match (inline.get_mut(..octets.len()), u8::try_from(octets.len())) {
            (Some(start), Ok(length)) => {
                start.copy_from_slice(octets);
                Self::Short { length, inline }
            }
            _ => Self::Long(octets.into()),
        }
    }
}

impl Deref for Octets {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short { length, inline } => &inline[..usize::from(*length)],
            Self::Long(octets) => octets,
        }
    }
}

impl PartialEq for Octets {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Octets {}

impl Hash for Octets {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn a_text_of_any_length_is_kept() {
        for length in [0, 1, INLINE - 1, INLINE, INLINE + 1, 255, 256, 300] {
            let text: Vec<u8> = (0..length).map(|number| number as u8).collect();
            let octets = Octets::from(&text[..]);
            assert_eq!(*octets, *text);
            assert_eq!(matches!(octets, Octets::Short { .. }), length <= INLINE);
        }
    }
}
