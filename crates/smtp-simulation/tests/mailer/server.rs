//! The other side: a server in memory, whose faults are data. It records a message before it replies
//! that it has accepted it.
use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use shuttle::future::{JoinHandle, spawn, yield_now};
use smtp_client::{Connector, Server};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream, duplex,
};

/// How a server behaves. The default accepts everything.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// Connections at a time, beyond which one is greeted with 421.
    pub(crate) connections: Option<usize>,
    /// The session that is greeted with 421.
    pub(crate) turned_away: Option<usize>,
    /// Messages in a session, after which MAIL is answered with 421.
    pub(crate) messages: Option<usize>,
    /// How many attempts to connect fail.
    pub(crate) unreachable: usize,
    /// How often the recipient of each message is refused for now.
    pub(crate) greylisted: usize,
    /// Whether such a refusal ends the session.
    pub(crate) hangs_up: bool,
    /// The session in which the first message is accepted and the connection lost before the reply.
    pub(crate) lost: Option<usize>,
}

/// A server, and what it has done.
#[derive(Debug, Default)]
pub(crate) struct Host {
    manner: Manner,
    dialed: AtomicUsize,
    sessions: AtomicUsize,
    open: AtomicUsize,
    accepted: Mutex<HashMap<String, usize>>,
    refused: Mutex<HashMap<String, usize>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Host {
    pub(crate) fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self { manner, ..Self::default() })
    }

    /// Returns a connector to it.
    pub(crate) fn connector(self: &Arc<Self>) -> Connector {
        let host = Arc::clone(self);
        Connector::new(Server::tcp("mx.example.org", 25)).dialer(move |_| {
            let host = Arc::clone(&host);
            async move { host.dial().await }
        })
    }

    /// Returns how often it has accepted the message with this reverse-path.
    pub(crate) fn count(&self, path: &str) -> usize {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.get(path).copied().unwrap_or_default()
    }

    /// Waits until every session has ended.
    pub(crate) async fn ended(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        for task in tasks {
            task.await.unwrap();
        }
    }

    async fn dial(self: Arc<Self>) -> io::Result<DuplexStream> {
        yield_now().await;
        if self.dialed.fetch_add(1, Relaxed) < self.manner.unreachable {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (client, server) = duplex(4096);
        let host = Arc::clone(&self);
        let task = spawn(async move {
            host.open.fetch_add(1, Relaxed);
            // A client that is gone ends the session, and is no fault here.
            let _ = host.serve(server).await;
            host.open.fetch_sub(1, Relaxed);
        });
        self.tasks.lock().unwrap().push(task);
        Ok(client)
    }

    async fn serve(&self, stream: DuplexStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        let session = self.sessions.fetch_add(1, Relaxed);
        if self.manner.turned_away == Some(session)
            || self.manner.connections.is_some_and(|most| self.open.load(Relaxed) > most)
        {
            return stream.write_all(b"421 4.3.2 too many connections\r\n").await;
        }
        stream.write_all(b"220 mx.example.org\r\n").await?;
        let (mut path, mut mails) = (String::new(), 0);
        loop {
            let line = line(&mut stream).await?;
            let verb = line.get(..4).unwrap_or_default();
            let reply: &[u8] = match verb {
                "EHLO" => b"250-mx.example.org\r\n250 PIPELINING\r\n",
                "MAIL" if self.manner.messages.is_some_and(|most| mails >= most) => {
                    return stream.write_all(b"421 4.7.0 too many messages\r\n").await;
                }
                "MAIL" => {
                    mails += 1;
                    path = line[11..].trim_end_matches('>').to_owned();
                    b"250 ok\r\n"
                }
                "RCPT" if self.greylists(&path) => {
                    stream.write_all(b"450 4.2.0 later\r\n").await?;
                    match self.manner.hangs_up {
                        true => return Ok(()),
                        false => continue,
                    }
                }
                "DATA" => match self.text(&mut stream, &path).await? {
                    () if self.manner.lost == Some(session) => return Ok(()),
                    () => b"250 accepted\r\n",
                },
                "QUIT" => return stream.write_all(b"221 bye\r\n").await,
                _ => b"250 ok\r\n",
            };
            stream.write_all(reply).await?;
        }
    }

    async fn text(
        &self,
        stream: &mut (impl AsyncBufRead + AsyncWrite + Unpin),
        path: &str,
    ) -> io::Result<()> {
        stream.write_all(b"354 go ahead\r\n").await?;
        while line(stream).await? != "." {}
        *self.accepted.lock().unwrap().entry(path.to_owned()).or_default() += 1;
        Ok(())
    }

    fn greylists(&self, path: &str) -> bool {
        let mut refused = self.refused.lock().unwrap();
        let count = refused.entry(path.to_owned()).or_default();
        *count += 1;
        *count <= self.manner.greylisted
    }
}

/// Reads a line, without its end.
async fn line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut line = String::new();
    match stream.read_line(&mut line).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}
