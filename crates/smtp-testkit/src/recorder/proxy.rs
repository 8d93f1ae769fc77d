//! One recorded connection: forwards octets and passes them to the script writer.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Upstream;
use super::script_writer::{ScriptWriter, Side};
use crate::host::Greeting;
use crate::stream::{Duplex, Socket, Stream};
use crate::watchdog::Watchdog;

pub(super) struct Proxy<'a> {
    /// `None` during a handshake.
    client: Option<Stream>,
    server: Option<Box<dyn Duplex>>,
    writer: Arc<Mutex<ScriptWriter>>,
    upstream: &'a Upstream,
    watchdog: Watchdog,
}

/// The result of one read.
struct Read {
    side: Side,
    octets: Vec<u8>,
}

impl<'a> Proxy<'a> {
    pub(super) fn new(
        client: Box<dyn Socket>,
        server: TcpStream,
        writer: Arc<Mutex<ScriptWriter>>,
        upstream: &'a Upstream,
        watchdog: Watchdog,
    ) -> Self {
        let server: Box<dyn Duplex> = Box::new(server);
        let client = Some(Stream::Clear(client));
        Self { client, server: Some(server), writer, upstream, watchdog }
    }

    /// Runs until one side ends the connection, or the recording ends.
    pub(super) async fn run(mut self) {
        // A connection that fails has ended as well.
        if let Err(error) = self.pass().await {
            self.writer().failed(&error);
        }
    }

    async fn pass(&mut self) -> io::Result<()> {
        if self.upstream.greeting == Greeting::UnderTls {
            self.encrypt().await?;
        }
        loop {
            let Read { side, octets } = self.read().await?;
            if octets.is_empty() {
                self.writer().end(side);
                return self.hang_up().await;
            }
            let starts_tls = self.writer().receive(side, &octets);
            match side {
                Side::Client => {
                    let server = self.server.as_mut().ok_or(io::ErrorKind::NotConnected)?;
                    server.write_all(&octets).await?;
                    server.flush().await?;
                }
                Side::Server => {
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

    /// Reads from the side that sends first.
    async fn read(&mut self) -> io::Result<Read> {
        let client = self.client.as_mut().ok_or(io::ErrorKind::NotConnected)?.duplex();
        let server = self.server.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let [mut from_client, mut from_server] = [vec![0; 64 * 1024], vec![0; 64 * 1024]];
        let (side, length) = {
            let mut from_client = pin!(client.read(&mut from_client));
            let mut from_server = pin!(server.read(&mut from_server));
            let first = poll_fn(|cx| {
                if let Poll::Ready(read) = from_server.as_mut().poll(cx) {
                    return Poll::Ready((Side::Server, read));
                }
                from_client.as_mut().poll(cx).map(|read| (Side::Client, read))
            });
            let (side, read) =
                self.watchdog.watch(first).await.map_err(|_| io::ErrorKind::TimedOut)?;
            // A connection that ends without close_notify has ended as well.
            let ended = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
            (side, read.or_else(|error| if ended(&error) { Ok(0) } else { Err(error) })?)
        };
        let mut octets = match side {
            Side::Client => from_client,
            Side::Server => from_server,
        };
        octets.truncate(length);
        Ok(Read { side, octets })
    }

    /// Starts TLS on both sides, first with the server, whose certificate is verified.
    async fn encrypt(&mut self) -> io::Result<()> {
        let (name, config) =
            self.upstream.trusted.clone().ok_or(io::ErrorKind::PermissionDenied)?;
        let server = self.server.take().ok_or(io::ErrorKind::NotConnected)?;
        let server = TlsConnector::from(config).connect(name, server).await?;
        self.server = Some(Box::new(server));
        let client = self.client.take().ok_or(io::ErrorKind::NotConnected)?;
        let config = self.upstream.tls_settings.config().map_err(io::Error::other)?;
        self.client = Some(client.encrypt(config).await?);
        self.writer().encrypted();
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

    fn writer(&self) -> MutexGuard<'_, ScriptWriter> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
