//! One connection of a recording: octets go through, and the scribe sees them.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Upstream;
use super::scribe::{Scribe, Speaker};
use crate::host::Greeting;
use crate::stream::{Duplex, Socket, Stream};
use crate::watchdog::Watchdog;

pub(super) struct Tape<'a> {
    /// Absent only while a handshake takes it.
    client: Option<Stream>,
    server: Option<Box<dyn Duplex>>,
    scribe: Arc<Mutex<Scribe>>,
    upstream: &'a Upstream,
    watchdog: Watchdog,
}

/// What one read came to.
struct Read {
    speaker: Speaker,
    octets: Vec<u8>,
}

impl<'a> Tape<'a> {
    pub(super) fn new(
        client: Box<dyn Socket>,
        server: TcpStream,
        scribe: Arc<Mutex<Scribe>>,
        upstream: &'a Upstream,
        watchdog: Watchdog,
    ) -> Self {
        let server: Box<dyn Duplex> = Box::new(server);
        let client = Some(Stream::Clear(client));
        Self { client, server: Some(server), scribe, upstream, watchdog }
    }

    /// Runs until one side ends the connection, or the recording.
    pub(super) async fn run(mut self) {
        // A connection that breaks has ended as well.
        let _ = self.pass().await;
    }

    async fn pass(&mut self) -> io::Result<()> {
        if self.upstream.greeting == Greeting::UnderTls {
            self.encrypt().await?;
        }
        loop {
            let Read { speaker, octets } = self.read().await?;
            if octets.is_empty() {
                self.scribe().end(speaker);
                return self.hang_up().await;
            }
            let starts_tls = self.scribe().hear(speaker, &octets);
            match speaker {
                Speaker::Client => {
                    let server = self.server.as_mut().ok_or(io::ErrorKind::NotConnected)?;
                    server.write_all(&octets).await?;
                    server.flush().await?;
                }
                Speaker::Server => {
                    let client = self.client.as_mut().ok_or(io::ErrorKind::NotConnected)?;
                    client.duplex().write_all(&octets).await?;
                    client.duplex().flush().await?;
                }
            }
            if starts_tls {
                self.encrypt().await?;
            }
        }
    }

    /// Reads from whoever speaks first.
    async fn read(&mut self) -> io::Result<Read> {
        let client = self.client.as_mut().ok_or(io::ErrorKind::NotConnected)?.duplex();
        let server = self.server.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let [mut said, mut replied] = [vec![0; 64 * 1024], vec![0; 64 * 1024]];
        let (speaker, length) = {
            let mut from_client = pin!(client.read(&mut said));
            let mut from_server = pin!(server.read(&mut replied));
            let first = poll_fn(|cx| {
                if let Poll::Ready(read) = from_server.as_mut().poll(cx) {
                    return Poll::Ready((Speaker::Server, read));
                }
                from_client.as_mut().poll(cx).map(|read| (Speaker::Client, read))
            });
            let (speaker, read) =
                self.watchdog.watch(first).await.map_err(|_| io::ErrorKind::TimedOut)?;
            // Without close_notify, an end is an end all the same.
            let ended = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
            (speaker, read.or_else(|error| if ended(&error) { Ok(0) } else { Err(error) })?)
        };
        let mut octets = match speaker {
            Speaker::Client => said,
            Speaker::Server => replied,
        };
        octets.truncate(length);
        Ok(Read { speaker, octets })
    }

    /// Goes to TLS on both sides: first with the server, whose certificate is checked.
    async fn encrypt(&mut self) -> io::Result<()> {
        let (name, config) =
            self.upstream.trusted.clone().ok_or(io::ErrorKind::PermissionDenied)?;
        let server = self.server.take().ok_or(io::ErrorKind::NotConnected)?;
        let server = TlsConnector::from(config).connect(name, server).await?;
        self.server = Some(Box::new(server));
        let client = self.client.take().ok_or(io::ErrorKind::NotConnected)?;
        let config = self.upstream.terms.config().map_err(io::Error::other)?;
        self.client = Some(client.encrypt(config).await?);
        self.scribe().encrypted();
        Ok(())
    }

    async fn hang_up(&mut self) -> io::Result<()> {
        if let Some(client) = self.client.take() {
            client.close().await;
        }
        if let Some(mut server) = self.server.take() {
            server.shutdown().await?;
        }
        Ok(())
    }

    fn scribe(&self) -> MutexGuard<'_, Scribe> {
        self.scribe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
