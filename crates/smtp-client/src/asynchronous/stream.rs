//! Streams: what a connection reads from and writes to.
use std::{
    io,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
};

#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::handshake::Tap;

/// What a stream must be for a connection to run over it.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A stream in clear.
pub(crate) enum Transport {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    Brought(Box<dyn Io>),
}

/// A stream, protected or not.
pub(crate) enum Stream {
    Plain(Transport),
    Tls(Box<tokio_rustls::client::TlsStream<Tap>>),
}

impl Transport {
    /// The address of this end, where there is one.
    pub(crate) fn local_ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(tcp) => tcp.local_addr().ok().map(|address| address.ip()),
            _ => None,
        }
    }

    /// Whether nobody but this machine can listen in.
    pub(crate) fn is_confined(&self) -> bool {
        #[cfg(unix)]
        return matches!(self, Self::Unix(_));
        #[cfg(not(unix))]
        false
    }

    fn io(&mut self) -> Pin<&mut dyn Io> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp),
            #[cfg(unix)]
            Self::Unix(unix) => Pin::new(unix),
            Self::Brought(brought) => Pin::new(brought),
        }
    }

    fn vectored(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_write_vectored(),
            #[cfg(unix)]
            Self::Unix(unix) => unix.is_write_vectored(),
            Self::Brought(brought) => brought.is_write_vectored(),
        }
    }
}

impl Stream {
    /// The TLS connection, if there is one.
    pub(crate) fn tls(&self) -> Option<&rustls::ClientConnection> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => Some(tls.get_ref().1),
        }
    }

    fn io(&mut self) -> Pin<&mut dyn Io> {
        match self {
            Self::Plain(transport) => transport.io(),
            Self::Tls(tls) => Pin::new(tls),
        }
    }

    fn vectored(&self) -> bool {
        match self {
            Self::Plain(transport) => transport.vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }
}

/// Passes reads and writes on to what `io` gives.
macro_rules! delegate {
    ($name:ident) => {
        impl AsyncRead for $name {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                self.get_mut().io().poll_read(cx, buffer)
            }
        }

        impl AsyncWrite for $name {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                octets: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().io().poll_write(cx, octets)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().io().poll_write_vectored(cx, slices)
            }

            fn is_write_vectored(&self) -> bool {
                self.vectored()
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.get_mut().io().poll_flush(cx)
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.get_mut().io().poll_shutdown(cx)
            }
        }
    };
}

delegate!(Transport);
delegate!(Stream);
