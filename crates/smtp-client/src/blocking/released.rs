//! Streams that a connection has given away.
use std::{
    fmt,
    io::{self, Read, Write},
};

use crate::blocking::stream::Stream;

/// The stream of a connection that ended with [ATRN](super::Connection::atrn). Reading and writing
/// block for as long as it takes.
pub struct ReleasedStream(Stream);

impl ReleasedStream {
    pub(super) fn new(stream: Stream) -> Self {
        Self(stream)
    }

    /// Tries until it need not wait.
    fn block<T>(&mut self, mut act: impl FnMut(&mut Stream) -> io::Result<T>) -> io::Result<T> {
        loop {
            match act(&mut self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.0.transport().wait_for_ever()?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

impl Read for ReleasedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.block(|stream| stream.read(buffer))
    }
}

impl Write for ReleasedStream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.block(|stream| stream.write(octets))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.block(Write::flush)
    }
}

impl fmt::Debug for ReleasedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReleasedStream").finish_non_exhaustive()
    }
}
