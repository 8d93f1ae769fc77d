//! The content of a message, as a stream of octets.
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::wire::Io;
use crate::{Abandoned, End, Event};

/// The content of a message, without the dots that were stuffed. It is read with [`AsyncRead`], in
/// constant memory.
///
/// The end of the octets is the end of the message: if the message is refused in between, because it
/// is too large or flawed, or if the connection ends, reading fails with an error whose source is
/// [`Incomplete`].
pub struct Data<'a> {
    io: &'a mut Io,
    /// What did not fit where it was read to.
    surplus: Vec<u8>,
    state: State,
    size: u64,
}

#[derive(Clone, Copy)]
enum State {
    Flowing,
    Ended(End),
    Abandoned(Abandoned),
}

/// A message that will not be completed: the error of reading its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", why(.0))]
#[allow(clippy::exhaustive_structs, reason = "it has a reason, and no more")]
pub struct Incomplete(
    /// The reason.
    pub Abandoned,
);

fn why(abandoned: &Abandoned) -> &'static str {
    match abandoned {
        Abandoned::TooLarge { .. } => "the message is larger than the limit, and was refused",
        Abandoned::Flawed(_) => "the message has bare line ends or NUL, and was refused",
        Abandoned::Reset => "the client ended the mail transaction in the middle of the message",
        Abandoned::Disconnected => "the connection ended in the middle of the message",
    }
}

impl<'a> Data<'a> {
    pub(super) fn new(io: &'a mut Io) -> Self {
        Self { io, surplus: Vec::new(), state: State::Flowing, size: 0 }
    }

    /// Returns the number of octets that were read so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads the header section, up to the empty line that ends it and with it, and at most this many
    /// octets. Reading goes on after what is returned, so that nothing is lost: also where there is
    /// no empty line within the limit, or in the whole content.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn read_header(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        let mut header = Vec::new();
        let mut room = [0; 4 << 10];
        while header.len() < limit {
            let most = room.len().min(limit - header.len());
            let count = self.read(&mut room[..most]).await?;
            if count == 0 {
                break;
            }
            // The line ends of the empty line may have come in two parts.
            let from = header.len().saturating_sub(3);
            header.extend_from_slice(&room[..count]);
            if let Some(end) = end_of_header(&header, from) {
                self.size -= (header.len() - end) as u64;
                self.surplus.splice(..0, header.drain(end..));
                break;
            }
        }
        Ok(header)
    }

    /// Reads all that is left of the content. Its size is bounded by that of the settings.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn read_all(&mut self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.read_to_end(&mut content).await?;
        Ok(content)
    }

    /// Waits until the client has disconnected: it has closed the connection, or its own direction of
    /// it, or the connection has failed. It is for a handler that takes long after the end of the
    /// content, and may give up then: a client that has not received 250 sends the message again.
    ///
    /// ```
    /// # use smtp_server::{Data, Outcome, Refuse};
    /// # async fn store(_: &[u8]) -> std::io::Result<()> { Ok(()) }
    /// # async fn message(data: &mut Data<'_>) -> Result<Outcome, Refuse> {
    /// let content = data.read_all().await?;
    /// tokio::select! {
    ///     stored = store(&content) => stored?,
    ///     () = data.disconnected() => return Err(Refuse::for_now()),
    /// }
    /// Ok(Outcome::accepted())
    /// # }
    /// ```
    ///
    /// The losing future is dropped where it waits, so that it must be one that leaves nothing half
    /// done. Where the client has sent something that is not used yet, such as content that is not
    /// read or a QUIT in advance, this waits for ever: what follows that is not known, and a client
    /// that has closed its direction after QUIT still wants its replies.
    pub async fn disconnected(&mut self) {
        poll_fn(|cx| self.io.poll_disconnected(cx)).await;
    }

    /// Skips what was not read. Returns the end of the content, if it was completed.
    pub(super) async fn finish(mut self) -> Option<End> {
        loop {
            match self.state {
                State::Ended(end) => return Some(end),
                State::Abandoned(_) => return None,
                State::Flowing => poll_fn(|cx| self.poll_fill(cx, None)).await,
            }
        }
    }
}

impl Data<'_> {
    /// Fills the room with octets, as far as they have come; without one they are skipped. Stops
    /// where the message ends, which the state has then.
    fn poll_fill(&mut self, cx: &mut Context<'_>, mut room: Option<&mut ReadBuf<'_>>) -> Poll<()> {
        let mut is_filled = false;
        loop {
            let most = room.as_ref().map_or(usize::MAX, |room| room.remaining());
            if most == 0 {
                return Poll::Ready(());
            }
            match self.io.next(most) {
                Event::Content(octets) => {
                    let Some(room) = &mut room else { continue };
                    // Where line ends are normalized, more octets come out than went in.
                    let (fitting, surplus) = octets.split_at(octets.len().min(most));
                    room.put_slice(fitting);
                    self.surplus.extend_from_slice(surplus);
                    is_filled = true;
                }
                Event::End(end) => {
                    self.state = State::Ended(end);
                    return Poll::Ready(());
                }
                Event::Abandoned(why) => {
                    self.state = State::Abandoned(why);
                    return Poll::Ready(());
                }
                // The message was begun; a client that upgrades now gives it up.
                Event::StartTls | Event::Close(_) => {
                    self.state = State::Abandoned(Abandoned::Reset);
                    return Poll::Ready(());
                }
                Event::Read => {
                    if self.io.has_unread() {
                        continue;
                    }
                    // What has come is given out before more is waited for.
                    if is_filled {
                        return Poll::Ready(());
                    }
                    ready!(self.io.poll_fill(cx));
                }
                Event::Write => ready!(self.io.poll_write(cx)),
                // Commands between two chunks get their usual replies.
                _ => {}
            }
        }
    }
}

impl AsyncRead for Data<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = room.filled().len();
        let surplus = this.surplus.len().min(room.remaining());
        room.put_slice(&this.surplus[..surplus]);
        this.surplus.drain(..surplus);
        if surplus == 0 && matches!(this.state, State::Flowing) {
            ready!(this.poll_fill(cx, Some(&mut *room)));
        }
        let read = room.filled().len() - before;
        this.size += read as u64;
        match this.state {
            // A read that fails has read nothing, so that the error may have to wait for the next.
            State::Abandoned(why) if read == 0 => Poll::Ready(Err(incomplete(why))),
            _ => Poll::Ready(Ok(())),
        }
    }
}

/// Returns where the header section ends, if the empty line ends after this offset. A content may
/// begin with it.
fn end_of_header(header: &[u8], from: usize) -> Option<usize> {
    if header.starts_with(b"\r\n") {
        return Some(2);
    }
    let end = header[from..].windows(4).position(|octets| octets == b"\r\n\r\n")?;
    Some(from + end + 4)
}

fn incomplete(why: Abandoned) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Incomplete(why))
}

impl std::fmt::Debug for Data<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Data").field("size", &self.size).finish_non_exhaustive()
    }
}
