//! Outgoing octets: gives them to the TLS library one record at a time, and knows of which of them
//! nothing can have reached the server.
use std::{io, mem};

use rustls::{ClientConnection, Writer};

/// What the TLS library was given and has not written yet.
///
/// The TLS library encrypts octets when it takes them, and they cannot be taken back. A failure of
/// the transport is therefore not an answer to "were they sent?": a part of their record may have
/// left before, and with it the end of a message. What was taken counts as written, unless not one
/// octet of its record was accepted by the transport.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// The number of octets that were taken and counted, of whose record nothing has left.
    withheld: usize,
    failure: Failure,
}

/// A failure of the transport.
#[derive(Default)]
enum Failure {
    #[default]
    None,
    /// The write that met it has returned the number of octets it had taken.
    Unreported(io::Error),
    /// The TLS library may hold octets that are not counted as written, so nothing more leaves.
    Reported,
}

impl Outgoing {
    /// The maximum number of octets that the TLS library takes at a time: one record. Of several
    /// records it would not be known which have left.
    pub(crate) const RECORD: usize = 16 * 1024;

    /// Returns the number of octets that were counted as written although the transport has
    /// accepted nothing of their record.
    pub(crate) fn withheld(&self) -> usize {
        self.withheld
    }

    /// Gives the TLS library octets with `take`, and returns how many of them count as written.
    ///
    /// # Errors
    /// None of them has left: the transport failed, or has no room for what was taken before.
    pub(crate) fn write(
        &mut self,
        tls: &mut ClientConnection,
        transport: &mut impl io::Write,
        take: impl FnOnce(&mut Writer<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.flush(tls, transport)?;
        let taken = take(&mut tls.writer())?;
        self.withheld = taken;
        match self.flush(tls, transport) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                if mem::take(&mut self.withheld) > 0 {
                    self.failure = Failure::Reported;
                    return Err(error);
                }
                self.failure = Failure::Unreported(error);
            }
            _ => {}
        }
        Ok(taken)
    }

    /// Writes the records that wait, as far as the transport accepts them.
    ///
    /// # Errors
    /// The transport failed, now or in the write before, or it has no room.
    pub(crate) fn flush(
        &mut self,
        tls: &mut ClientConnection,
        transport: &mut impl io::Write,
    ) -> io::Result<()> {
        match mem::take(&mut self.failure) {
            Failure::None => {}
            failure => {
                self.failure = Failure::Reported;
                return Err(match failure {
                    Failure::Unreported(error) => error,
                    _ => io::ErrorKind::BrokenPipe.into(),
                });
            }
        }
        while tls.wants_write() {
            if tls.write_tls(transport)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.withheld = 0;
        }
        Ok(())
    }
}
