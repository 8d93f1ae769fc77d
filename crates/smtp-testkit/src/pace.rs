//! In which pieces a reply leaves, and how fast.

use std::time::Duration;

use crate::script::Event;

/// What `[split]` and `[dribble]` ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The octets of each write; at least one.
    pub(crate) octets: usize,
    /// The time between two writes.
    pub(crate) every: Duration,
}

impl Pace {
    /// What an event asks for, if it does.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Split(octets) => Some(Self { octets: *octets, every: Duration::ZERO }),
            Event::Dribble { octets, every } => Some(Self { octets: *octets, every: *every }),
            _ => None,
        }
    }

    /// All of these octets at once.
    pub(crate) fn at_once(octets: &[u8]) -> Self {
        Self { octets: octets.len().max(1), every: Duration::ZERO }
    }
}
