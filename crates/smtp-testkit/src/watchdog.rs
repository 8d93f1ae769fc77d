//! How long the server waits for a client once the test asks for the verdict.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

/// Sleeps until the verdict is asked for; from then on, each wait is bounded.
pub(crate) struct Watchdog {
    state: State,
}

enum State {
    Asleep(oneshot::Receiver<Duration>),
    Awake(Duration),
    /// Nobody will ask.
    Dismissed,
}

impl Watchdog {
    /// The patience to have arrives when the verdict is asked for.
    pub(crate) fn new(asked: oneshot::Receiver<Duration>) -> Self {
        Self { state: State::Asleep(asked) }
    }

    /// Waits for the client to do its part, unless the patience ends first.
    pub(crate) async fn watch<F: Future>(&mut self, waited: F) -> Result<F::Output, Exhausted> {
        let mut waited = pin!(waited);
        let mut exhausted = pin!(self.exhausted());
        poll_fn(|cx| match waited.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => exhausted.as_mut().poll(cx).map(Err),
        })
        .await
    }

    async fn exhausted(&mut self) -> Exhausted {
        if let State::Asleep(asked) = &mut self.state {
            self.state = match asked.await {
                Ok(patience) => State::Awake(patience),
                Err(_) => State::Dismissed,
            };
        }
        match self.state {
            State::Awake(patience) => {
                sleep(patience).await;
                Exhausted(patience)
            }
            _ => pending().await,
        }
    }
}

/// The client let the patience of the watchdog end.
#[derive(Debug, thiserror::Error)]
#[error("the watchdog waited {0:?} in vain")]
pub(crate) struct Exhausted(Duration);
