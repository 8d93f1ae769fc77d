//! What an active operation needs next of its driver.
#[cfg(doc)]
use super::ActiveOperation;

/// What an active operation needs next. `R` is the [`Request`](super::Operation::Request) of the
/// operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a driver has to handle each")]
pub enum Next<R> {
    /// Write [`ActiveOperation::output`], and read meanwhile: replies may come before all of it is
    /// written, and a server that cannot write its replies stops reading.
    Write,
    /// Read, and hand the octets to [`ActiveOperation::receive`].
    Read,
    /// Give what the operation needs besides octets of the server: for a
    /// [`Transaction`](super::Transaction) the next piece of this content, with
    /// [`ActiveOperation::piece`] or [`ActiveOperation::end_of_text`]. After its end the content is
    /// needed again from its beginning if the recipients take another mail transaction.
    Request(R),
    /// Call [`ActiveOperation::finish`].
    Done,
}
