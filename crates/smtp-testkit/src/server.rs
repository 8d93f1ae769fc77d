//! A server that plays its scripts in a task of its own.

use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::acceptor::Acceptor;
use crate::builder::ServerBuilder;
use crate::certificate::{Authority, CertificateKind, Identity};
use crate::mismatch::{Departure, Mismatch, MismatchKind};
use crate::pipe::Pipe;
use crate::player::Player;
use crate::report::Report;
use crate::script::Script;
use crate::watchdog::Watchdog;

/// A running server that plays one script on each connection.
///
/// The verdict is asked for with [`finish`](Self::finish). Dropping a server stops it and proves
/// nothing.
///
/// Before each block of `S:` lines, the client's task gets a few turns to send what it must not.
/// On a current-thread runtime, this catches a client that does not wait. On other runtimes, and
/// in another process, a client may send ahead a moment too late to be noticed; what it sent is
/// then taken for its next line.
///
/// Over sockets, leave the clock running: tokio moves a paused clock on when all tasks wait, even
/// if octets are still on their way through the system. Over a [`Pipe`] a paused clock is exact.
#[derive(Debug)]
#[must_use = "a server proves nothing until `finish` is called"]
pub struct Server {
    task: JoinHandle<Result<Report, Mismatch>>,
    ask: Option<oneshot::Sender<Duration>>,
    watchdog: Duration,
    addr: Option<SocketAddr>,
    authority: OnceLock<Authority>,
}

/// What a server is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) scripts: Vec<Script>,
    pub(crate) authority: Option<Authority>,
    pub(crate) certificate: CertificateKind,
    pub(crate) watchdog: Duration,
}

impl Server {
    /// Plays `script` on a free port of `127.0.0.1`, to one client.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, as [`tokio::spawn`] does.
    pub fn tcp(script: Script) -> io::Result<Self> {
        Self::builder().script(script).listen()
    }

    /// Plays `script` over memory, and returns the client's end.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, as [`tokio::spawn`] does.
    pub fn pipe(script: Script) -> (Self, Pipe) {
        Self::builder().script(script).pipe()
    }

    /// Several scripts, other transports, other certificates.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    pub(crate) fn start(parts: Parts, acceptor: Acceptor) -> Self {
        let Parts { scripts, authority, certificate, watchdog } = parts;
        let authority = authority.map(OnceLock::from).unwrap_or_default();
        let identity = scripts
            .iter()
            .any(Script::needs_tls)
            .then(|| authority.get_or_init(Authority::new).issue(certificate));
        let addr = acceptor.addr();
        let (ask, asked) = oneshot::channel();
        let run = Run { scripts, identity, acceptor, watchdog: Watchdog::new(asked) };
        let task = tokio::spawn(run.all());
        Self { task, ask: Some(ask), watchdog, addr, authority }
    }

    /// Where the server listens.
    ///
    /// # Panics
    ///
    /// If it does not listen on TCP.
    pub fn addr(&self) -> SocketAddr {
        self.addr.expect("only a server on TCP has an address")
    }

    /// The certificate that a client must trust, as DER.
    pub fn authority_der(&self) -> &[u8] {
        self.authority.get_or_init(Authority::new).der()
    }

    /// The certificate that a client must trust, as PEM.
    pub fn authority_pem(&self) -> String {
        self.authority.get_or_init(Authority::new).pem()
    }

    /// Waits until the scripts have been played, and tells how it went.
    ///
    /// From now on, the server waits only so long for each thing that the client is to do (ten
    /// seconds unless [set](ServerBuilder::watchdog)); a `[delay]` is no waiting for the client.
    /// The client may be dropped before. A reply that the client no longer reads is no mismatch:
    /// not every transport tells its writer.
    pub async fn finish(mut self) -> Result<Report, Mismatch> {
        if let Some(ask) = self.ask.take() {
            // A server that has ended needs no patience.
            let _ = ask.send(self.watchdog);
        }
        match (&mut self.task).await {
            Ok(verdict) => verdict,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_) => {
                let departure = Departure::without_octets(MismatchKind::Interrupted);
                Err(Mismatch::new(0, Vec::new(), departure, Report::default()))
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task: one connection after the other.
struct Run {
    scripts: Vec<Script>,
    identity: Option<Identity>,
    acceptor: Acceptor,
    watchdog: Watchdog,
}

impl Run {
    async fn all(mut self) -> Result<Report, Mismatch> {
        let mut report = Report::default();
        for (connection, script) in self.scripts.iter().enumerate() {
            let accepted = self.watchdog.watch(self.acceptor.accept()).await;
            let outcome = match accepted {
                Ok(Ok(socket)) => {
                    let player = Player::new(script, self.identity.as_ref(), &mut self.watchdog);
                    let performance = player.play(socket).await;
                    report.push(performance.conversation);
                    performance.outcome
                }
                Ok(Err(error)) => {
                    Err(Departure::without_octets(MismatchKind::NotConnected).because(&error))
                }
                Err(exhausted) => {
                    Err(Departure::without_octets(MismatchKind::NotConnected).because(&exhausted))
                }
            };
            if let Err(departure) = outcome {
                return Err(Mismatch::new(connection, self.scripts, departure, report));
            }
        }
        Ok(report)
    }
}
