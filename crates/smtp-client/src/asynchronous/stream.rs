//! Streams: the byte streams under a connection, with and without TLS.
use std::{
    any::Any,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::records::TlsStream;
use crate::tls::Protection;

/// A byte stream that a connection can run over. Every type with these traits implements it.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A stream without TLS.
pub(crate) enum Transport {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    /// From the caller, by a dialer or [`connect_over`](crate::Connector::connect_over); or through
    /// a proxy.
    Custom {
        stream: Box<dyn Io>,
        /// The address of this end, if the stream is known to have one.
        local_ip: Option<IpAddr>,
    },
}

/// A stream with or without TLS.
pub(crate) enum Stream {
    Plain(Transport),
    Tls(Box<TlsStream>),
}

impl Transport {
    /// A stream of the caller's. That of a TCP stream is the only address that it can tell.
    pub(crate) fn custom(stream: impl Io + 'static) -> Self {
        let tcp = (&stream as &dyn Any).downcast_ref::<TcpStream>();
        let local = tcp.and_then(|tcp| tcp.local_addr().ok());
        Self::Custom { stream: Box::new(stream), local_ip: local.map(|address| address.ip()) }
    }

    /// The same stream, which the server sees as one from this address.
    pub(crate) fn seen_as(self, ip: IpAddr) -> Self {
        let local_ip = Some(ip);
        match self {
            Self::Tcp(tcp) => Self::Custom { stream: Box::new(tcp), local_ip },
            Self::Custom { stream, .. } => Self::Custom { stream, local_ip },
            #[cfg(unix)]
            Self::Unix(unix) => Self::Custom { stream: Box::new(unix), local_ip },
        }
    }

    /// Returns the IP address of this end, if it is known.
    pub(crate) fn local_ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(tcp) => tcp.local_addr().ok().map(|address| address.ip()),
            Self::Custom { local_ip, .. } => *local_ip,
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }

    /// Returns the address that a TCP stream is connected to.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(tcp) => tcp.peer_addr().ok(),
            _ => None,
        }
    }

    /// Returns whether the stream stays on this machine, where no other host can read it.
    pub(crate) fn is_confined(&self) -> bool {
        #[cfg(unix)]
        return matches!(self, Self::Unix(_));
        #[cfg(not(unix))]
        false
    }

    /// Acknowledges what has come.
    pub(super) fn acknowledge(&self) {
        if let Self::Tcp(tcp) = self {
            crate::route::acknowledge(tcp);
        }
    }

    fn io(&mut self) -> Pin<&mut dyn Io> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp),
            #[cfg(unix)]
            Self::Unix(unix) => Pin::new(unix),
            Self::Custom { stream, .. } => Pin::new(stream),
        }
    }

    fn vectored(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_write_vectored(),
            #[cfg(unix)]
            Self::Unix(unix) => unix.is_write_vectored(),
            Self::Custom { stream, .. } => stream.is_write_vectored(),
        }
    }
}

impl Stream {
    /// Returns the TLS connection, if there is one.
    pub(crate) fn tls(&self) -> Option<(&rustls::ClientConnection, Protection)> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => Some(tls.tls()),
        }
    }

    /// Returns the number of octets that were counted as written although TLS still withholds them.
    pub(crate) fn withheld(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(tls) => tls.withheld(),
        }
    }

    /// Acknowledges what has come, without waiting for something to send.
    pub(crate) fn acknowledge(&self) {
        match self {
            Self::Plain(transport) => transport.acknowledge(),
            Self::Tls(tls) => tls.transport().acknowledge(),
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

/// Implements the I/O traits by delegation to the stream that `io` returns.
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
