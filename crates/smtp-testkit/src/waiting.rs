//! What a test waits for: a future in asynchronous tests, a call that blocks in others.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::home::Home;

/// Something that the server will have to say.
///
/// Asynchronous tests `.await` it. Others call [`wait`](Self::wait); it is the same thing. The
/// server begins at once, so that time counts from the call that gave this.
#[must_use = "what the server says comes with `.await` or `.wait()`"]
pub struct Waiting<T> {
    answer: Pin<Box<dyn Future<Output = T> + Send>>,
    /// Keeps the place where the server runs until it has answered.
    home: Option<Home>,
}

impl<T> Waiting<T> {
    pub(crate) fn new(home: Home, answer: impl Future<Output = T> + Send + 'static) -> Self {
        Self { answer: Box::pin(answer), home: Some(home) }
    }

    /// Blocks this thread until the server has answered.
    ///
    /// # Panics
    ///
    /// Where it would never end: inside of the single-threaded runtime that the server itself
    /// runs on. Write `.await` there, or give the server a [thread of its
    /// own](crate::ServerBuilder::own_thread).
    pub fn wait(self) -> T {
        let shares_runtime = self.home.as_ref().is_some_and(|home| !home.is_thread());
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

/// Runs a future that needs no runtime of its own on this thread.
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
