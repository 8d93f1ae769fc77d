//! The TLS handshake on a socket that does not block.
use std::io::{self, Read, Write};

use rustls::ClientConnection;
use smtp_error::{Broken, Error, Step};

use crate::{
    blocking::{
        records::TlsStream,
        stream::{Stream, Transport},
    },
    clock::{Clock, Instant},
    session::Session,
    tls::{Seen, Tls, announce, broken, failed},
};

/// Does the handshake with the server on `host`, within the time that the clock gives it.
pub(super) fn handshake(
    tls: &Tls,
    host: &str,
    transport: Transport,
    session: &mut Session,
    clock: &mut Clock,
) -> Result<Stream, Error> {
    let name = tls.name_for(host)?;
    let shown = name.to_str().into_owned();
    let mut tap = Tap { transport, seen: Seen::default() };
    clock.begin(Step::Handshake);
    let shaken = match ClientConnection::new(tls.config(), name.clone()) {
        Ok(mut connection) => shake(&mut connection, &mut tap, clock).map(|()| connection),
        Err(error) => Err(broken(io::Error::other(error))),
    };
    match shaken {
        Ok(connection) => {
            let accepted = tls.accepted(&connection, &name);
            announce(&connection, accepted, session);
            let protection = tls.protection(accepted);
            Ok(Stream::Tls(Box::new(TlsStream::new(tap.transport, connection, protection))))
        }
        Err(broken) => Err(failed(broken, &shown, &tap.seen)),
    }
}

fn shake(tls: &mut ClientConnection, tap: &mut Tap, clock: &Clock) -> Result<(), Broken> {
    while tls.is_handshaking() || tls.wants_write() {
        let in_time = match step(tls, tap).map_err(broken)? {
            // However much comes in, the clock has its turn.
            true => Instant::now() < clock.deadline(),
            false => tap.transport.wait(clock.deadline())?,
        };
        if !in_time {
            return Err(clock.expired());
        }
    }
    Ok(())
}

/// Writes and reads what can be. Returns whether anything was.
fn step(tls: &mut ClientConnection, tap: &mut Tap) -> io::Result<bool> {
    let mut moved = false;
    while tls.wants_write() {
        match tls.write_tls(tap) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => moved = true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            // A server that refuses the handshake sends an alert and closes: the alert is the
            // reason, and the failed write its effect.
            Err(error) => return Err(alert(tls, tap).unwrap_or(error)),
        }
    }
    if !tls.is_handshaking() {
        return Ok(moved);
    }
    match tls.read_tls(tap) {
        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(moved),
        Err(error) => return Err(error),
    }
    if let Err(error) = tls.process_new_packets() {
        // The alert that says so is worth one attempt.
        let _ = tls.write_tls(tap);
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    Ok(true)
}

/// Returns the failure that the server has reported, if it has arrived.
fn alert(tls: &mut ClientConnection, tap: &mut Tap) -> Option<io::Error> {
    while tls.read_tls(tap).ok()? > 0 {
        if let Err(error) = tls.process_new_packets() {
            return Some(io::Error::new(io::ErrorKind::InvalidData, error));
        }
    }
    None
}

/// A transport that keeps the first octets of a handshake, because the TLS library drops those
/// that it cannot parse.
struct Tap {
    transport: Transport,
    seen: Seen,
}

impl Read for Tap {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let octets = self.transport.read(buffer)?;
        self.seen.read(&buffer[..octets]);
        Ok(octets)
    }
}

impl Write for Tap {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let written = self.transport.write(octets)?;
        self.seen.wrote(&octets[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
