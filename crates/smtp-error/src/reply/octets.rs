//! The text of a reply: in place where it is short, as nearly all are, and shared where it is not.
use alloc::sync::Arc;
use core::{
    hash::{Hash, Hasher},
    ops::Deref,
};

/// Octets that are cheap to clone.
#[derive(Clone)]
pub(super) enum Octets {
    Short { length: u8, room: [u8; ROOM] },
    Long(Arc<[u8]>),
}

/// The longest text that takes no allocation: room for an invitation to send the text, and for a
/// queue identifier.
const ROOM: usize = 38;

impl From<&[u8]> for Octets {
    fn from(octets: &[u8]) -> Self {
        let mut room = [0; ROOM];
        match (room.get_mut(..octets.len()), u8::try_from(octets.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(octets);
                Self::Short { length, room }
            }
            _ => Self::Long(octets.into()),
        }
    }
}

impl Deref for Octets {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short { length, room } => &room[..usize::from(*length)],
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
    fn a_text_is_kept_whatever_its_length() {
        for length in [0, 1, ROOM - 1, ROOM, ROOM + 1, 255, 256, 300] {
            let text: Vec<u8> = (0..length).map(|number| number as u8).collect();
            let octets = Octets::from(&text[..]);
            assert_eq!(*octets, *text);
            assert_eq!(matches!(octets, Octets::Short { .. }), length <= ROOM);
        }
    }
}
