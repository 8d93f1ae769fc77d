//! Accepts the connections of a server.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::pipe::{Pipe, pipe};
use crate::stream::Socket;
use crate::watchdog::Watchdog;

/// A listening socket, or the receiving end of a [`Dialer`].
pub(crate) enum Acceptor {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixAcceptor),
    Pipes(mpsc::UnboundedReceiver<Pipe>),
}

impl Acceptor {
    pub(crate) fn addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            _ => None,
        }
    }

    pub(crate) async fn accept(&mut self) -> io::Result<Box<dyn Socket>> {
        match self {
            Self::Tcp(listener) => {
                let (socket, _) = listener.accept().await?;
                socket.set_nodelay(true)?;
                Ok(Box::new(socket))
            }
            #[cfg(unix)]
            Self::Unix(acceptor) => {
                let (socket, _) = acceptor.listener.accept().await?;
                Ok(Box::new(socket))
            }
            Self::Pipes(pipes) => match pipes.recv().await {
                Some(pipe) => Ok(Box::new(pipe)),
                None => Err(io::Error::other("no client can connect: every `Dialer` was dropped")),
            },
        }
    }
}

impl Acceptor {
    /// Returns the next connection; `None` once the test has asked for the result and no connection
    /// waits to be accepted.
    pub(crate) async fn accept_before(
        &mut self,
        watchdog: &mut Watchdog,
    ) -> Option<Box<dyn Socket>> {
        let mut asked = pin!(watchdog.asked());
        let mut accept = pin!(self.accept_next());
        poll_fn(|cx| {
            if let Poll::Ready(accepted) = accept.as_mut().poll(cx) {
                return Poll::Ready(accepted);
            }
            asked.as_mut().poll(cx).map(|_| None)
        })
        .await
    }

    /// Returns the next connection; `None` if no other can be made.
    async fn accept_next(&mut self) -> Option<Box<dyn Socket>> {
        loop {
            match self.accept().await {
                Ok(socket) => return Some(socket),
                Err(_) if matches!(self, Self::Pipes(_)) => return None,
                // The client has gone already, or the process has too many open files. The next
                // connection may be fine.
                Err(_) => sleep(PAUSE_AFTER_ERROR).await,
            }
        }
    }
}

/// The time before the server tries to accept again.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(20);

/// A Unix socket and its path. The file would outlive the listener, so dropping this removes it.
#[cfg(unix)]
pub(crate) struct UnixAcceptor {
    listener: UnixListener,
    path: PathBuf,
}

#[cfg(unix)]
impl UnixAcceptor {
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        Ok(Self { listener: UnixListener::bind(&path)?, path })
    }
}

#[cfg(unix)]
impl Drop for UnixAcceptor {
    fn drop(&mut self) {
        // It is no error if the file was removed already.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Makes in-memory connections to a server, for clients that connect by themselves or more than
/// once.
#[derive(Clone, Debug)]
pub struct Dialer {
    server: mpsc::UnboundedSender<Pipe>,
    window: usize,
}

impl Dialer {
    pub(crate) fn new(window: usize) -> (Self, Acceptor) {
        let (server, pipes) = mpsc::unbounded_channel();
        (Self { server, window }, Acceptor::Pipes(pipes))
    }

    /// Connects. A server that has played all its scripts closes such a connection at once.
    pub fn dial(&self) -> Pipe {
        let (client, server) = pipe(self.window);
        // A server that has ended drops its end, so the client sees a closed connection.
        let _ = self.server.send(server);
        client
    }
}
