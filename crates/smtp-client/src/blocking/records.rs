//! TLS over a socket that does not block.
use std::io::{self, IoSlice, Read, Write};

use rustls::ClientConnection;

use crate::blocking::stream::Transport;

/// TLS over a transport.
pub(crate) struct TlsStream {
    pub(super) transport: Transport,
    pub(super) tls: ClientConnection,
}

impl TlsStream {
    /// Writes the records that wait, as far as the transport takes them.
    pub(super) fn write_records(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut self.transport)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Gives the TLS library octets with `take`, as often as it takes none because records have to
    /// leave first.
    ///
    /// What it takes counts as written, whatever fails then: a record in the middle may have left,
    /// and with it the end of a message. The next write fails as well.
    fn write_with(
        &mut self,
        take: impl Fn(&mut rustls::Writer<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            let taken = take(&mut self.tls.writer())?;
            match self.write_records() {
                _ if taken > 0 => return Ok(taken),
                Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
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
                // The alert that says so is worth one attempt.
                let _ = self.write_records();
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }
}

impl Write for TlsStream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match octets {
            [] => Ok(0),
            octets => self.write_with(|writer| writer.write(octets)),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if slices.iter().all(|slice| slice.is_empty()) {
            return Ok(0);
        }
        self.write_with(|writer| writer.write_vectored(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_records()
    }
}
