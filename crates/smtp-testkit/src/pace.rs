//! The pieces in which a reply is written, and the time between them.

use std::time::Duration;

use crate::script::Event;

/// The setting of `[split]` or `[dribble]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The octets per write; at least one.
    pub(crate) octets: usize,
    /// The time between two writes.
    pub(crate) every: Duration,
}

impl Pace {
    /// The pace that an event sets, if it sets one.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Split(octets) => Some(Self { octets: *octets, every: Duration::ZERO }),
            Event::Dribble { octets, every } => Some(Self { octets: *octets, every: *every }),
            _ => None,
        }
    }

    /// All octets in one write.
    pub(crate) fn at_once(octets: &[u8]) -> Self {
        Self { octets: octets.len().max(1), every: Duration::ZERO }
    }
}
