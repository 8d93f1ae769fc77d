//! What happens to a connection, by seed and number: nothing, or an end, or a standstill, after so
//! many octets of one direction.
use std::fmt;

use crate::{manner::Link, random::Random};

/// A direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Misfortune {
    pub(crate) pieces: Pieces,
    pub(crate) end: Option<(Direction, usize, End)>,
}

/// How octets are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pieces {
    AsTheyCome,
    /// So many octets at most at a time.
    Small(usize),
}

/// What happens after the last octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Both ends are closed.
    Close,
    /// Both ends are reset.
    Reset,
    /// This direction is closed; the other goes on.
    HalfClose,
    /// Nothing more comes in this direction; the other goes on.
    Stall,
}

impl Misfortune {
    /// Returns what happens to the connection of this number.
    pub(crate) fn of(seed: u64, manner: u64, number: u64, link: Link) -> Self {
        let mut random = Random::new(&[seed, 3, manner, number]);
        let pieces = match random.below(8) {
            0 => Pieces::Small(1),
            1 => Pieces::Small(2 + random.below(30) as usize),
            _ => Pieces::AsTheyCome,
        };
        if random.percent(15) {
            return Self { pieces, end: None };
        }
        let end = match random.below(8) {
            0..3 => End::Close,
            3..6 => End::Reset,
            6 => End::HalfClose,
            _ => End::Stall,
        };
        // A connection that does not come to its first MAIL costs the mailer a pause of a second, so
        // that few are cut before.
        let early = random.percent(3);
        let (to_server, to_client) = before_mail(link);
        let (direction, least, bits) = match random.percent(50) {
            true => (Direction::ToServer, to_server, 16),
            false => (Direction::ToClient, to_client, 11),
        };
        let after = if early { random.below(least) } else { least + random.scale(bits) };
        Self { pieces, end: Some((direction, after as usize, end)) }
    }
}

/// Returns how many octets pass before the first MAIL, about: EHLO and the replies, and with TLS the
/// handshake. One that resumes a session has fewer octets to the client, so that there some of the
/// others are cut.
fn before_mail(link: Link) -> (u64, u64) {
    match link {
        Link::Smtp | Link::Lmtp => (20, 150),
        Link::StartTls => (460, 850),
        Link::Tls => (430, 700),
    }
}

impl fmt::Display for Misfortune {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.pieces)?;
        match self.end {
            Some((direction, after, end)) => {
                write!(f, ", {end:?} after {after} octets {direction:?}")
            }
            None => f.write_str(", to its own end"),
        }
    }
}
