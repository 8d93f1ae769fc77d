//! Pieces of a text that are held until it is known how they are sent.
use std::{collections::VecDeque, mem};

use bytes::Bytes;

/// Octets in pieces, the oldest first. One piece takes no allocation, and most texts are one.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// Empty only if there is nothing.
    first: Bytes,
    more: VecDeque<Bytes>,
}

impl Pieces {
    /// Adds a piece behind the others.
    pub(super) fn push(&mut self, octets: Bytes) {
        if self.first.is_empty() {
            self.first = octets;
        } else if !octets.is_empty() {
            self.more.push_back(octets);
        }
    }

    /// The piece that was added last.
    pub(super) fn last_mut(&mut self) -> Option<&mut Bytes> {
        match self.more.back_mut() {
            None if self.first.is_empty() => None,
            None => Some(&mut self.first),
            last => last,
        }
    }

    /// Takes octets of the oldest piece, at most so many; `None` if there are none.
    pub(super) fn take(&mut self, most: usize) -> Option<Bytes> {
        if self.first.is_empty() {
            return None;
        }
        if most < self.first.len() {
            return Some(self.first.split_to(most));
        }
        let next = self.more.pop_front().unwrap_or_default();
        Some(mem::replace(&mut self.first, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_in_order_and_as_small_as_asked_for() {
        let mut pieces = Pieces::default();
        assert!(pieces.last_mut().is_none() && pieces.take(1).is_none());
        for piece in ["", "abc", "", "de", "f"] {
            pieces.push(Bytes::from_static(piece.as_bytes()));
        }
        assert_eq!(pieces.last_mut().unwrap(), "f");
        let taken: Vec<Bytes> =
            [2, 2, 9, 9, 9].into_iter().filter_map(|n| pieces.take(n)).collect();
        assert_eq!(taken, ["ab", "c", "de", "f"]);
        pieces.push(Bytes::from_static(b"g"));
        assert_eq!(pieces.last_mut().unwrap(), "g");
    }
}
