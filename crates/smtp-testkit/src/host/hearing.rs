//! The next line of the client, or why there is none.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::wire::{GRACE, Over, Wire};

/// What came where a line may come.
pub(super) enum Heard {
    Line(Bytes),
    /// The client has ended its side.
    End,
    /// The client has been silent for as long as a rule waits for.
    Silence,
    /// The verdict is asked for, and the client has nothing more to say.
    Leave,
}

/// How long to wait for a line.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// What a rule waits for.
    pub(super) silence: Option<Duration>,
    /// Nothing is under way: who asks for the verdict need not wait for the client.
    pub(super) at_rest: bool,
}

impl Wire {
    /// Takes the next line, up to its LF.
    pub(super) async fn line(&mut self, patience: Patience) -> Result<Heard, Over> {
        self.due = "a line that ends in CRLF";
        loop {
            if let Some(length) = self.inbox.line() {
                return Ok(Heard::Line(self.take(length)));
            }
            if self.inbox.end().is_some() {
                return Ok(Heard::End);
            }
            if !(patience.at_rest && self.inbox.octets().is_empty()) {
                self.fill().await?;
                continue;
            }
            if let Some(heard) = self.rest(patience.silence).await? {
                return Ok(heard);
            }
        }
    }

    /// Waits for octets where the client may be silent; `None` when some have come.
    async fn rest(&mut self, silence: Option<Duration>) -> Result<Option<Heard>, Over> {
        let mut watchdog = self.watchdog.clone();
        let mut leave = pin!(async move {
            watchdog.asked().await;
            sleep(GRACE).await;
        });
        let mut silent = pin!(async move {
            match silence {
                Some(time) => sleep(time).await,
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
                if silent.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Some(Heard::Silence));
                }
                leave.as_mut().poll(cx).map(|()| Some(Heard::Leave))
            })
            .await
        };
        self.inbox = inbox;
        Ok(outcome)
    }
}
