//! TLS over a socket that does not block.
use std::io::{self, IoSlice, Read, Write};

use rustls::{ClientConnection, Writer};

use crate::{
    blocking::stream::Transport,
    tls::{Outgoing, Protection},
};

/// TLS over a transport.
pub(crate) struct TlsStream {
    pub(super) transport: Transport,
    pub(super) tls: ClientConnection,
    outgoing: Outgoing,
    pub(super) protection: Protection,
}

impl TlsStream {
    /// Takes a connection whose handshake is done.
    pub(super) fn new(
        transport: Transport,
        mut tls: ClientConnection,
        protection: Protection,
    ) -> Self {
        tls.set_buffer_limit(Some(Outgoing::RECORD));
        Self { transport, tls, outgoing: Outgoing::default(), protection }
    }

    /// Returns what was counted as written although nothing of it can have left.
    pub(super) fn withheld(&self) -> usize {
        self.outgoing.withheld()
    }
}

/// How often the transport is read at most before the clock is looked at.
const RECORDS: usize = 32;

impl Read for TlsStream {
    /// Returns 0 at close_notify, and `UnexpectedEof` if the peer closes without it. Fails with
    /// `Interrupted` after many records without content, so that a peer that sends them without
    /// end does not stop the clock.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for _ in 0..RECORDS {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            self.tls.read_tls(&mut self.transport)?;
            if let Err(error) = self.tls.process_new_packets() {
                // The alert that says so is worth one attempt, unless octets would leave before it
                // without being counted.
                if self.withheld() == 0 {
                    let _ = self.flush();
                }
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }
}

impl Write for TlsStream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.outgoing.write(&mut self.tls, &mut self.transport, |writer| writer.write(octets))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let take = |writer: &mut Writer<'_>| writer.write_vectored(slices);
        self.outgoing.write(&mut self.tls, &mut self.transport, take)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.outgoing.flush(&mut self.tls, &mut self.transport)
    }
}
