//! How far the text of a message has come.
use smtp_codec::Stuffer;

/// How far the text of a message has come.
pub(super) enum TextPhase {
    /// There is no text under way.
    None,
    /// The server invited the text, and its end is not written. It began at this octet of the
    /// output.
    Open(Stuffer, u64),
    /// The dot that ends it is at this octet of the output, and the server owes its word.
    Ended(u64),
}
