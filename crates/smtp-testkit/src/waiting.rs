//! A result that a test waits for: a future in asynchronous tests, a blocking call in others.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::runtime::ServerRuntime;

/// A future result of the server.
///
/// Asynchronous tests `.await` it; others call [`wait`](Self::wait). The operation begins at the
/// call that returned this, so timeouts count from there.
#[must_use = "the result comes with `.await` or `.wait()`"]
pub struct Waiting<T> {
    answer: Pin<Box<dyn Future<Output = T> + Send>>,
    /// Keeps the runtime of the server until the result is there.
    runtime: Option<ServerRuntime>,
}

impl<T> Waiting<T> {
    pub(crate) fn new(
        runtime: ServerRuntime,
        answer: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        Self { answer: Box::pin(answer), runtime: Some(runtime) }
    }

    /// Blocks this thread until the result is there.
    ///
    /// # Panics
    ///
    /// Panics if it would block forever: inside of the single-threaded runtime that the server runs
    /// on. Use `.await` there, or run the server in a [thread of its
    /// own](crate::ServerBuilder::own_thread).
    pub fn wait(self) -> T {
        let shares_runtime = self.runtime.as_ref().is_some_and(|runtime| !runtime.is_thread());
        let in_single_thread = Handle::try_current()
            .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread);
        assert!(
            !(shares_runtime && in_single_thread),
            "`wait` would block the runtime that the server runs on: use `.await`, or build the \
             server with `own_thread()`"
        );
        block_on(self)
    }
}

impl<T> Future for Waiting<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.answer.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Waiting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

/// Runs a future on this thread, without a runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
