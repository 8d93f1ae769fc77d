//! The server's end of a connection: its transport, with or without TLS.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::pipe::Pipe;
use crate::report::{Conversation, TlsFacts, TlsVersion};

/// Functions of a transport besides reading and writing.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Sync + Unpin {
    /// Resets the connection, if the transport can, so that the client receives an error.
    fn reset(self: Box<Self>);

    /// Waits until the client has closed its writing half, without reading.
    fn gone(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Returns whether one read returns exactly one write of the client.
    fn keeps_segments(&self) -> bool {
        false
    }
}

impl Socket for Pipe {
    fn reset(self: Box<Self>) {
        Self::reset(*self);
    }

    fn gone(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(poll_fn(|cx| self.poll_gone(cx)))
    }

    fn keeps_segments(&self) -> bool {
        true
    }
}

impl Socket for TcpStream {
    fn reset(self: Box<Self>) {
        // If the option cannot be set, the socket is closed instead.
        let _ = self.set_zero_linger();
    }

    fn gone(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            while let Ok(ready) = self.ready(Interest::READABLE).await
                && !ready.is_read_closed()
            {
                // Clears the readiness, so that only a change ends the wait.
                let _ = self.try_io(Interest::READABLE, would_block);
            }
        })
    }
}

#[cfg(unix)]
impl Socket for UnixStream {
    /// Unix sockets have no reset; the socket is closed.
    fn reset(self: Box<Self>) {}

    fn gone(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            while let Ok(ready) = self.ready(Interest::READABLE).await
                && !ready.is_read_closed()
            {
                let _ = self.try_io(Interest::READABLE, would_block);
            }
        })
    }
}

fn would_block() -> io::Result<()> {
    Err(io::ErrorKind::WouldBlock.into())
}

/// A bidirectional byte stream.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection with or without TLS, until the server ends it.
pub(crate) enum Stream {
    Clear(Box<dyn Socket>),
    Tls(Box<TlsStream<Box<dyn Socket>>>),
}

impl Stream {
    pub(crate) fn duplex(&mut self) -> &mut dyn Duplex {
        match self {
            Self::Clear(socket) => socket,
            Self::Tls(stream) => stream,
        }
    }

    pub(crate) fn keeps_segments(&self) -> bool {
        match self {
            Self::Clear(socket) => socket.keeps_segments(),
            Self::Tls(_) => false,
        }
    }

    /// Closes the connection; under TLS, with `close_notify`.
    pub(crate) async fn close(mut self) {
        // It is no error if the client has closed already.
        let _ = self.duplex().shutdown().await;
    }

    /// Closes the connection; under TLS, without `close_notify`.
    pub(crate) fn abort(self) {
        drop(self.into_socket());
    }

    pub(crate) fn reset(self) {
        self.into_socket().reset();
    }

    pub(crate) async fn gone(&self) {
        match self {
            Self::Clear(socket) => socket.gone().await,
            Self::Tls(stream) => stream.get_ref().0.gone().await,
        }
    }

    /// Makes a TLS handshake as the server.
    pub(crate) async fn encrypt(self, config: Arc<ServerConfig>) -> io::Result<Self> {
        let stream = TlsAcceptor::from(config).accept(self.into_socket()).await?;
        Ok(Self::Tls(Box::new(stream)))
    }

    /// Records the result of the handshake.
    pub(crate) fn describe(&self, page: &mut Conversation) {
        let Some(session) = self.session() else { return };
        page.server_name = session.server_name().map(str::to_owned);
        page.tls = Some(TlsFacts {
            close_notify: false,
            version: match session.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => TlsVersion::V13,
                _ => TlsVersion::V12,
            },
            client_certificate: session.peer_certificates().is_some(),
        });
    }

    /// The TLS session, if there is one.
    pub(crate) fn session(&self) -> Option<&ServerConnection> {
        match self {
            Self::Clear(_) => None,
            Self::Tls(stream) => Some(stream.get_ref().1),
        }
    }

    fn into_socket(self) -> Box<dyn Socket> {
        match self {
            Self::Clear(socket) => socket,
            Self::Tls(stream) => stream.into_inner().0,
        }
    }
}
