//! The connection of the client of a script: octets, lines and TLS, as they are.
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// A connection that blocks.
pub(super) struct Wire {
    stream: Stream,
    /// What was received and not taken.
    received: Vec<u8>,
    has_ended: bool,
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// A handshake has failed.
    Gone,
}

/// What came instead of what was expected.
#[derive(Debug)]
pub(super) enum Missing {
    /// The server ended the connection, after these octets.
    Ended(Vec<u8>),
    /// The server sent nothing more within the timeout, after these octets.
    Silence(Vec<u8>),
    /// The line is too long.
    TooLong,
    Failed(io::Error),
}

/// The longest line that is read.
const MAX_LINE: usize = 64 * 1024;

impl Wire {
    pub(super) fn connect(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: Stream::Clear(stream), received: Vec::new(), has_ended: false })
    }

    /// Octets that were received and not taken.
    pub(super) fn surplus(&self) -> &[u8] {
        &self.received
    }

    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Clear(stream) => stream.write_all(octets),
            Stream::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
            Stream::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Reads a line, with its line end.
    pub(super) fn line(&mut self) -> Result<Vec<u8>, Missing> {
        let mut searched = 0;
        loop {
            let end = self.received.iter().skip(searched).position(|octet| *octet == b'\n');
            if let Some(at) = end {
                let rest = self.received.split_off(searched + at + 1);
                return Ok(std::mem::replace(&mut self.received, rest));
            }
            searched = self.received.len();
            if searched > MAX_LINE {
                return Err(Missing::TooLong);
            }
            self.fill()?;
        }
    }

    /// Reads exactly `count` octets.
    pub(super) fn octets(&mut self, count: usize) -> Result<Vec<u8>, Missing> {
        while self.received.len() < count {
            self.fill()?;
        }
        let rest = self.received.split_off(count);
        Ok(std::mem::replace(&mut self.received, rest))
    }

    /// Waits until the server closes its side. Octets before that are returned.
    pub(super) fn end(&mut self) -> Result<(), Missing> {
        while self.received.is_empty() {
            match self.fill() {
                Err(Missing::Ended(octets)) if octets.is_empty() => return Ok(()),
                filled => filled?,
            }
        }
        Err(Missing::Silence(std::mem::take(&mut self.received)))
    }

    /// Closes the client's side.
    pub(super) fn close(&mut self) {
        // It is no error if the server has closed already.
        let _ = match &mut self.stream {
            Stream::Clear(stream) => stream.shutdown(Shutdown::Write),
            Stream::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush().and_then(|()| stream.sock.shutdown(Shutdown::Write))
            }
            Stream::Gone => Ok(()),
        };
    }

    /// Makes a TLS handshake.
    pub(super) fn encrypt(&mut self, host: &str, config: Arc<ClientConfig>) -> io::Result<()> {
        let Stream::Clear(mut stream) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(io::Error::other("the connection is encrypted already"));
        };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        self.stream = Stream::Tls(Box::new(StreamOwned::new(session, stream)));
        Ok(())
    }

    /// Reads what has come.
    fn fill(&mut self) -> Result<(), Missing> {
        let mut octets = [0; 16 * 1024];
        let read = match &mut self.stream {
            _ if self.has_ended => Ok(0),
            Stream::Clear(stream) => stream.read(&mut octets),
            Stream::Tls(stream) => stream.read(&mut octets),
            Stream::Gone => Ok(0),
        };
        match read {
            Ok(0) => self.ended(),
            Ok(read) => {
                self.received.extend_from_slice(octets.get(..read).unwrap_or_default());
                Ok(())
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    Err(Missing::Silence(std::mem::take(&mut self.received)))
                }
                // Without close_notify, or by a reset: both end the connection.
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted => self.ended(),
                io::ErrorKind::Interrupted => Ok(()),
                _ => Err(Missing::Failed(error)),
            },
        }
    }

    fn ended(&mut self) -> Result<(), Missing> {
        self.has_ended = true;
        Err(Missing::Ended(std::mem::take(&mut self.received)))
    }
}
