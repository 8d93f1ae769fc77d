//! Receives the next line of the client.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::client_io::{ClientIo, GRACE, SessionEnd};

/// The outcome of waiting for a line.
pub(super) enum Input {
    Line(Bytes),
    /// The client has ended its side.
    End,
    /// The client has sent nothing for the time of a rule.
    Silence(Duration),
    /// The test has asked for the result, and the client sends nothing more.
    Finish,
}

/// How to wait for a line.
#[derive(Clone, Copy)]
pub(super) struct LineWait {
    /// The silence after which a rule applies.
    pub(super) silence: Option<Duration>,
    /// Whether the wait may end when the test asks for the result, because no transaction is open.
    pub(super) may_finish: bool,
}

impl ClientIo {
    /// Returns the next line, including its LF.
    pub(super) async fn line(&mut self, wait: LineWait) -> Result<Input, SessionEnd> {
        self.awaited = "a line that ends in CRLF";
        loop {
            if let Some(length) = self.inbox.line() {
                return Ok(Input::Line(self.take(length)));
            }
            if self.inbox.end().is_some() {
                return Ok(Input::End);
            }
            if !(wait.may_finish && self.inbox.octets().is_empty()) {
                self.fill().await?;
                continue;
            }
            if let Some(input) = self.rest(wait.silence).await? {
                return Ok(input);
            }
        }
    }

    /// Waits for octets while the client may be silent; returns `None` when some have arrived.
    async fn rest(&mut self, silence: Option<Duration>) -> Result<Option<Input>, SessionEnd> {
        let mut watchdog = self.watchdog.clone();
        let mut leave = pin!(async move {
            watchdog.asked().await;
            sleep(GRACE).await;
        });
        let mut silent = pin!(async move {
            match silence {
                Some(time) => {
                    sleep(time).await;
                    time
                }
                None => pending().await,
            }
        });
        let Self { inbox, .. } = self;
        let mut inbox = std::mem::take(inbox);
        let stream = self.stream()?;
        let outcome = {
            let mut fill = pin!(inbox.fill(stream));
            poll_fn(|cx| {
                if fill.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                if let Poll::Ready(time) = silent.as_mut().poll(cx) {
                    return Poll::Ready(Some(Input::Silence(time)));
                }
                leave.as_mut().poll(cx).map(|()| Some(Input::Finish))
            })
            .await
        };
        self.inbox = inbox;
        Ok(outcome)
    }
}
