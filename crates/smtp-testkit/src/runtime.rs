//! The runtime of a server: that of the test, or one in a thread of its own.

use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A runtime for the tasks of a server. A clone is the same runtime.
#[derive(Clone, Debug)]
pub(crate) struct ServerRuntime {
    handle: Handle,
    /// Dropping the last clone ends the thread; `None` in the runtime of the test.
    thread: Option<Arc<oneshot::Sender<()>>>,
}

impl ServerRuntime {
    /// Returns the runtime of the test if there is one, and otherwise starts a thread.
    pub(crate) fn here_or_thread() -> Self {
        match Handle::try_current() {
            Ok(handle) => Self { handle, thread: None },
            Err(_) => Self::thread(),
        }
    }

    /// Starts a thread with a clock and sockets.
    pub(crate) fn thread() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system has the few descriptors that a runtime needs");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::spawn(move || {
            // The sender was dropped, which ends the thread.
            let _ = runtime.block_on(stopped);
        });
        Self { handle, thread: Some(Arc::new(stop)) }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn is_thread(&self) -> bool {
        self.thread.is_some()
    }
}
