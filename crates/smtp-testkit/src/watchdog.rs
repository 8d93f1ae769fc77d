//! How long the server waits for a client once the test asks for the verdict.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

/// Sleeps until the verdict is asked for; from then on, each wait is bounded.
#[derive(Clone)]
pub(crate) struct Watchdog {
    /// The patience to have, once the verdict has been asked for.
    asked: watch::Receiver<Option<Duration>>,
}

impl Watchdog {
    pub(crate) fn new(asked: watch::Receiver<Option<Duration>>) -> Self {
        Self { asked }
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

    /// Waits until the verdict is asked for, and tells what patience to have.
    pub(crate) async fn asked(&mut self) -> Duration {
        let patience = match self.asked.wait_for(Option::is_some).await {
            Ok(patience) => *patience,
            // Nobody will ask.
            Err(_) => None,
        };
        match patience {
            Some(patience) => patience,
            None => pending().await,
        }
    }

    async fn exhausted(&mut self) -> Exhausted {
        let patience = self.asked().await;
        sleep(patience).await;
        Exhausted(patience)
    }
}

/// The client let the patience of the watchdog end.
#[derive(Debug, thiserror::Error)]
#[error("the watchdog waited {0:?} in vain")]
pub(crate) struct Exhausted(Duration);
