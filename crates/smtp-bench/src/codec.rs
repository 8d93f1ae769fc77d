//! The cases of the codec, and of the session of the server: each peer gets the same octets.
//!
//! A case is a task, and a peer is one implementation of it; the first peer of each case is ours.

mod command;
mod reply;
mod session;
mod text;

/// A task, and the peers that do it.
pub struct Case {
    /// The name of the case, for the command line.
    pub name: &'static str,
    /// The minimum number of calls of a measurement: smaller where one call takes long.
    pub calls: u32,
    /// The implementations; the first is ours.
    pub peers: &'static [Peer],
}

/// One implementation of a task.
pub struct Peer {
    /// The crate, or the name of a theoretical limit.
    pub name: &'static str,
    /// Makes the state of one connection, and returns the work that is repeated.
    pub connect: fn() -> Work,
}

/// Does the work once.
pub type Work = Box<dyn FnMut()>;

/// All cases, in the order of the table.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    reply::CASES.iter().chain(command::CASES).chain(text::CASES).chain(session::CASES)
}

/// The name of our peer.
const OURS: &str = "ours";

/// The expectation for every call of a peer: all inputs are well-formed.
const WELL_FORMED: &str = "the input is well formed";

/// Copies the input to the start of an allocation, like the contents of a read buffer. Otherwise
/// the address that the linker gives to a constant would change the figures with every build.
fn buffered(input: &str) -> &'static str {
    Box::leak(Box::from(input))
}
