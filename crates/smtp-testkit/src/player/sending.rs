//! Writes what the script contains for the server.

use tokio::io::AsyncWriteExt;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::Player;
use crate::mismatch::{Divergence, MismatchKind};
use crate::pace::Pace;
use crate::report::Speaker;
use crate::script::Event;
use crate::stream::Stream;

/// How often the server yields before a reply, so that a client that does not wait is detected. A
/// few times are enough: a client that waits does nothing meanwhile.
const YIELDS_BEFORE_REPLY: usize = 8;

impl Player<'_> {
    /// Writes the adjacent `S:` lines from here on in one write, unless the client has sent ahead.
    pub(super) async fn send_block(&mut self, stream: &mut Stream) -> Result<(), Divergence> {
        for _ in 0..YIELDS_BEFORE_REPLY {
            yield_now().await;
        }
        if self.inbox.octets().is_empty() && self.inbox.end().is_none() {
            self.inbox.fill_now(stream).await;
        }
        if !self.inbox.octets().is_empty() {
            return Err(self.divergence(MismatchKind::SentAhead));
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

    /// Writes octets as they are, even if the client has sent something.
    pub(super) async fn send_raw(
        &mut self,
        stream: &mut Stream,
        octets: &[u8],
    ) -> Result<(), Divergence> {
        self.write(stream, octets, Pace::at_once(octets)).await?;
        self.record(Speaker::Server, octets);
        Ok(())
    }

    pub(super) async fn half_close(&mut self, stream: &mut Stream) -> Result<(), Divergence> {
        let closed = self.watchdog.watch(stream.duplex().shutdown()).await;
        // It is no error if the client has closed already.
        let _ = closed.map_err(|expired| self.unfinished(&expired))?;
        self.record_event("the server closed its writing half");
        Ok(())
    }

    pub(super) async fn close(&mut self, stream: Stream) -> Result<(), Divergence> {
        let closed = self.watchdog.watch(stream.close()).await;
        closed.map_err(|expired| self.unfinished(&expired))?;
        self.record_event("the server closed");
        Ok(())
    }

    /// Writes octets in pieces.
    async fn write(
        &mut self,
        stream: &mut Stream,
        octets: &[u8],
        pace: Pace,
    ) -> Result<(), Divergence> {
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
                // The client has closed. Not every transport reports that to the writer, so the
                // next expectation of the script decides whether it was right.
                Ok(Err(_)) => return Ok(()),
                Err(expired) => return Err(self.unfinished(&expired)),
            }
            if pace.octets < octets.len() {
                yield_now().await;
            }
        }
        Ok(())
    }
}
