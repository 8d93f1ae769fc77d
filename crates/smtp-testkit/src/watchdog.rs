//! Bounds how long the server waits for a client after the test has asked for the result.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

/// Inactive until the test asks for the result; from then on, it bounds each wait.
#[derive(Clone)]
pub(crate) struct Watchdog {
    /// The timeout, once the test has asked for the result.
    asked: watch::Receiver<Option<Duration>>,
}

impl Watchdog {
    pub(crate) fn new(asked: watch::Receiver<Option<Duration>>) -> Self {
        Self { asked }
    }

    /// Waits for `waited`, unless the timeout expires first.
    pub(crate) async fn watch<F: Future>(&mut self, waited: F) -> Result<F::Output, Expired> {
        let mut waited = pin!(waited);
        let mut expired = pin!(self.expired());
        poll_fn(|cx| match waited.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => expired.as_mut().poll(cx).map(Err),
        })
        .await
    }

    /// Waits until the test asks for the result, and returns the timeout.
    pub(crate) async fn asked(&mut self) -> Duration {
        let timeout = match self.asked.wait_for(Option::is_some).await {
            Ok(timeout) => *timeout,
            // The test can no longer ask.
            Err(_) => None,
        };
        match timeout {
            Some(timeout) => timeout,
            None => pending().await,
        }
    }

    async fn expired(&mut self) -> Expired {
        let timeout = self.asked().await;
        sleep(timeout).await;
        Expired(timeout)
    }
}

/// The watchdog's timeout expired.
#[derive(Debug, thiserror::Error)]
#[error("the watchdog expired after {0:?}")]
pub(crate) struct Expired(Duration);
