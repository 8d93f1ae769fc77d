//! What is remembered of a server from one connection to the next, and when it is of no use.
use std::sync::{Arc, Mutex, PoisonError};

use smtp_caps::Capabilities;
use smtp_error::{Broken, Error, ErrorKind, Extension, Reply, Step, Unsupported};

/// What is remembered of a server from one connection to the next: its reply to EHLO, if that
/// offers PIPECONNECT. Clones share it, and it is renewed whenever a connector that has it
/// connects.
#[derive(Clone, Debug, Default)]
pub struct EhloCache(Arc<Mutex<Option<Reply>>>);

impl EhloCache {
    /// The memory of this reply to EHLO, which was kept elsewhere.
    pub fn from_reply(reply: Reply) -> Self {
        let memory = Self::default();
        memory.keep(&Capabilities::from_reply(reply));
        memory
    }

    /// The reply, to be kept elsewhere.
    pub fn reply(&self) -> Option<Reply> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn keep(&self, capabilities: &Capabilities) {
        let reply = capabilities.reply().filter(|_| capabilities.has(Extension::PipeConnect));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reply.cloned();
    }
}

/// What is to be done about a message that was sent to a server before it had greeted.
pub(crate) enum Early<T> {
    /// It has a result.
    Over(Result<T, Error>),
    /// The server offers something else than before: it is sent in the usual way.
    Changed,
    /// The server may have taken offense: it is sent in the usual way, and so are those to come.
    Unwelcome,
}

impl<T> From<Result<T, Error>> for Early<T> {
    fn from(outcome: Result<T, Error>) -> Self {
        match outcome {
            Err(error) if is_changed(&error) => Self::Changed,
            Err(error) if is_unwelcome(&error) => Self::Unwelcome,
            outcome => Self::Over(outcome),
        }
    }
}

fn is_changed(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported(Unsupported::Changed))
}

/// Whether the server may have taken offense at being spoken to early: one that does not offer it
/// any more refuses for good, or closes. No text was sent then.
fn is_unwelcome(error: &Error) -> bool {
    let turned_away = match error.kind() {
        ErrorKind::Refused(reply) => reply.is_permanent(),
        ErrorKind::Broken(Broken::Closed | Broken::Io(_)) => true,
        _ => false,
    };
    matches!(error.step(), Step::Greeting | Step::Hello) && turned_away && !error.in_doubt()
}
