//! What the script makes the server write.

use tokio::io::AsyncWriteExt;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::Player;
use crate::mismatch::{Departure, MismatchKind};
use crate::pace::Pace;
use crate::report::Speaker;
use crate::script::Event;
use crate::stream::Stream;

/// How often a client that can run gets its turn before a reply, so that one that writes more than
/// it may is caught at it. A few are enough: a client that waits has nothing to do in any of them.
const TURNS_BEFORE_REPLY: usize = 8;

impl Player<'_> {
    /// Writes the `S:` lines from here on as one, unless the client has sent ahead.
    pub(super) async fn say_block(&mut self, stream: &mut Stream) -> Result<(), Departure> {
        for _ in 0..TURNS_BEFORE_REPLY {
            yield_now().await;
        }
        if self.inbox.octets().is_empty() && self.inbox.end().is_none() {
            self.inbox.fill_now(stream).await;
        }
        if !self.inbox.octets().is_empty() {
            return Err(self.departure(MismatchKind::SentAhead));
        }

        let lines: Vec<&[u8]> = self.script.entries()[self.cursor..]
            .iter()
            .map_while(|entry| match &entry.event {
                Event::Server(octets) => Some(octets.as_slice()),
                _ => None,
            })
            .collect();
        let block = lines.concat();
        let pace = self.pace.take().unwrap_or_else(|| Pace::at_once(&block));
        self.write(stream, &block, pace).await?;

        for (index, line) in lines.iter().enumerate() {
            self.record(Speaker::Server, line);
            if index + 1 < lines.len() {
                self.cursor += 1;
            }
        }
        Ok(())
    }

    /// Writes octets as they are, whatever the client has sent.
    pub(super) async fn say_raw(
        &mut self,
        stream: &mut Stream,
        octets: &[u8],
    ) -> Result<(), Departure> {
        self.write(stream, octets, Pace::at_once(octets)).await?;
        self.record(Speaker::Server, octets);
        Ok(())
    }

    pub(super) async fn half_close(&mut self, stream: &mut Stream) -> Result<(), Departure> {
        let closed = self.watchdog.watch(stream.duplex().shutdown()).await;
        // A client that has gone already is as good.
        let _ = closed.map_err(|exhausted| self.unfinished(&exhausted))?;
        self.note("the server writes no more");
        Ok(())
    }

    pub(super) async fn close(&mut self, stream: Stream) -> Result<(), Departure> {
        let closed = self.watchdog.watch(stream.close()).await;
        closed.map_err(|exhausted| self.unfinished(&exhausted))?;
        self.note("the server closed");
        Ok(())
    }

    /// Writes octets in pieces.
    async fn write(
        &mut self,
        stream: &mut Stream,
        octets: &[u8],
        pace: Pace,
    ) -> Result<(), Departure> {
        for (index, segment) in octets.chunks(pace.octets).enumerate() {
            if index > 0 && !pace.every.is_zero() {
                sleep(pace.every).await;
            }
            let written = self.watchdog.watch(async {
                let stream = stream.duplex();
                stream.write_all(segment).await?;
                stream.flush().await
            });
            match written.await {
                Ok(Ok(())) => {}
                // The client has gone. It depends on the transport whether a writer notices, so
                // that it is the script's next expectation that decides whether this is right.
                Ok(Err(_)) => return Ok(()),
                Err(exhausted) => return Err(self.unfinished(&exhausted)),
            }
            if pace.octets < octets.len() {
                yield_now().await;
            }
        }
        Ok(())
    }
}
