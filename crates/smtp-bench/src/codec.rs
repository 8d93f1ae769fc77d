//! The codec's cases: the same octets go through each peer.
//!
//! A case is a piece of work, and a peer is one way to do it; the first peer of each case is ours.

mod command;
mod reply;
mod text;

/// A piece of work, and everyone who does it.
pub struct Case {
    /// What is done, as a word for the command line.
    pub name: &'static str,
    /// How many calls a measurement needs at least: fewer where one call takes long.
    pub calls: u32,
    /// Who does it; the first is ours.
    pub peers: &'static [Peer],
}

/// One way to do a piece of work.
pub struct Peer {
    /// The crate, or what a limit consists of.
    pub name: &'static str,
    /// Makes what one connection keeps, and gives the work that is then done again and again.
    pub connect: fn() -> Work,
}

/// Does the work once.
pub type Work = Box<dyn FnMut()>;

/// Every case, in the order of the table.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    reply::CASES.iter().chain(command::CASES).chain(text::CASES)
}

/// The name of the peer that is this toolkit.
const OURS: &str = "ours";

/// What every call of a peer has to give: the inputs are all well formed.
const WELL_FORMED: &str = "the input is well formed";

/// The input at the beginning of an allocation, like what a read buffer holds. Where the linker
/// puts a constant would change the figures with every build.
fn buffered(input: &str) -> &'static str {
    Box::leak(Box::from(input))
}
