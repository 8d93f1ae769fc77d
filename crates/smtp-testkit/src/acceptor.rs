//! Where a server's connections come from.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::pin::pin;
use std::task::Poll;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use crate::pipe::{Pipe, pipe};
use crate::stream::Socket;
use crate::watchdog::Watchdog;

/// A listening socket, or the receiving end of a [`Dialer`].
pub(crate) enum Acceptor {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixDoor),
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
            Self::Unix(door) => {
                let (socket, _) = door.listener.accept().await?;
                Ok(Box::new(socket))
            }
            Self::Pipes(pipes) => match pipes.recv().await {
                Some(pipe) => Ok(Box::new(pipe)),
                None => Err(io::Error::other("nobody is left who could connect")),
            },
        }
    }
}

impl Acceptor {
    /// The next connection; none once the verdict is asked for and nobody waits at the door.
    pub(crate) async fn accept_before(
        &mut self,
        watchdog: &mut Watchdog,
    ) -> Option<Box<dyn Socket>> {
        let mut asked = pin!(watchdog.asked());
        let mut accept = pin!(self.accept());
        poll_fn(|cx| {
            if let Poll::Ready(accepted) = accept.as_mut().poll(cx) {
                return Poll::Ready(accepted.ok());
            }
            asked.as_mut().poll(cx).map(|_| None)
        })
        .await
    }
}

/// A Unix socket and its path, which would outlive the listener if nobody removed it.
#[cfg(unix)]
pub(crate) struct UnixDoor {
    listener: UnixListener,
    path: PathBuf,
}

#[cfg(unix)]
impl UnixDoor {
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        Ok(Self { listener: UnixListener::bind(&path)?, path })
    }
}

#[cfg(unix)]
impl Drop for UnixDoor {
    fn drop(&mut self) {
        // Who removed it before us did the same.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Makes connections in memory to a server; for clients that connect by themselves, or again.
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
        // A server that has ended drops its end, which is how the client notices.
        let _ = self.server.send(server);
        client
    }
}
