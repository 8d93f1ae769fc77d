//! What a run needs next of those who drive it.
#[cfg(doc)]
use super::Run;

/// What a run needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "who drives a run has to know them all")]
pub enum Next {
    /// Write [`Run::output`], and take what comes in meanwhile: replies may come before all is
    /// written, and a server that cannot get rid of them stops reading.
    Write,
    /// Give the next piece of the text, or say that there is none: [`Run::text`] or
    /// [`Run::piece`], and [`Run::end_of_text`]. After its end the text is asked for again from
    /// its beginning if the recipients take another transaction.
    Text,
    /// Wait for octets, and give them to [`Run::receive`].
    Read,
    /// Give a [`Batch`](super::Batch) its next message, or say that there is none: [`Run::push`],
    /// [`Run::no_more_messages`]. Take what comes in meanwhile.
    Message,
    /// Take the next result of a [`Batch`](super::Batch): [`Run::take_result`].
    Result,
    /// Call [`Run::finish`].
    Done,
}
