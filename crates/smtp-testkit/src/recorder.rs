//! A proxy between any client and a real server, which writes down what they say as scripts.

mod scribe;
mod tape;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use self::scribe::Scribe;
use self::tape::Tape;
use crate::acceptor::Acceptor;
use crate::bind::listen;
use crate::builder::FREE_PORT;
use crate::certificate::{Authority, CertificateKind};
use crate::home::Home;
use crate::host::Greeting;
use crate::tls::{ClientCertificate, Terms, TlsVersions};
use crate::waiting::Waiting;
use crate::watchdog::Watchdog;

/// Puts a [`Recording`] together: which server to record.
///
/// ```
/// use smtp_testkit::{Recorder, Script, Server};
/// # use std::io::{Read, Write};
///
/// // Any server will do.
/// let real = Server::builder().offer("AUTH PLAIN").user("tim", "secret").tcp()?;
/// let recording = Recorder::new(real.addr()).tcp()?;
/// # let mut client = std::net::TcpStream::connect(recording.addr())?;
/// # for line in ["EHLO client.example\r\n", "AUTH PLAIN AHRpbQBzZWNyZXQ=\r\n", "QUIT\r\n"] {
/// #     client.read(&mut [0; 512])?;
/// #     client.write_all(line.as_bytes())?;
/// # }
/// # client.read_to_end(&mut Vec::new())?;
/// // ... the client connects to `recording.addr()`, and then:
/// let scripts = recording.finish().wait();
/// assert_eq!(scripts[0], "\
/// S: 220 mx.testkit.example ESMTP ready
/// C: EHLO client.example
/// S: 250-mx.testkit.example
/// S: 250 AUTH PLAIN
/// C~ AUTH PLAIN *
/// S: 235 welcome
/// C: QUIT
/// S: 221 goodbye
/// [close]
/// ");
/// let script: Script = scripts[0].parse()?; // ready to be played
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing listens before `tcp` is called"]
pub struct Recorder {
    upstream: SocketAddr,
    addr: SocketAddr,
    trusted: Option<(String, Vec<u8>)>,
    greeting: Greeting,
}

impl Recorder {
    /// Records the server at this address.
    pub fn new(upstream: SocketAddr) -> Self {
        Self { upstream, addr: FREE_PORT, trusted: None, greeting: Greeting::InClear }
    }

    /// Whether TLS comes first, on both sides; by default, the connection begins in clear.
    pub fn greeting(self, greeting: Greeting) -> Self {
        Self { greeting, ..self }
    }

    /// Goes along with TLS: the server is this one by the word of this authority (DER). The
    /// client has to trust the [authority of the recording](Recording::authority).
    pub fn trust(self, name: &str, authority: &[u8]) -> Self {
        Self { trusted: Some((name.to_owned(), authority.to_vec())), ..self }
    }

    /// The address and the port that the client is to connect to; by default, a free port of
    /// `127.0.0.1`.
    pub fn listen_on(self, addr: impl Into<SocketAddr>) -> Self {
        Self { addr: addr.into(), ..self }
    }

    /// Listens on TCP: on a free port of `127.0.0.1`, or [where the test says](Self::listen_on).
    /// If it cannot, the error carries a [`BindError`](crate::BindError).
    pub fn tcp(self) -> io::Result<Recording> {
        let listener = listen(self.addr)?;
        let addr = listener.local_addr()?;
        let home = Home::here_or_thread();
        let listener = {
            let _inside = home.handle().enter();
            TcpListener::from_std(listener)?
        };
        let authority = Authority::new();
        let upstream = Upstream::new(self, &authority)?;
        let (ask, asked) = watch::channel(None);
        let run = Run {
            upstream: Arc::new(upstream),
            acceptor: Acceptor::Tcp(listener),
            watchdog: Watchdog::new(asked),
        };
        let task = home.handle().spawn(run.all());
        Ok(Recording { addr, authority, ask, task, home })
    }
}

/// A proxy at work.
#[derive(Debug)]
#[must_use = "the scripts come with `finish`"]
pub struct Recording {
    addr: SocketAddr,
    authority: Authority,
    ask: watch::Sender<Option<Duration>>,
    task: JoinHandle<Vec<String>>,
    home: Home,
}

impl Recording {
    /// Where the client is to connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whom the client has to trust.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Waits until the connections have ended, at most ten seconds, and gives a script for each.
    ///
    /// What follows AUTH and 334 is a secret, and stands as `C~` and `*` in the script; a text
    /// stands as `[text]` or `[chunk]`. What was said is otherwise there as it was said.
    pub fn finish(self) -> Waiting<Vec<String>> {
        let Self { ask, task, home, .. } = self;
        let _ = ask.send(Some(Duration::from_secs(10)));
        Waiting::new(home, async move {
            let _ask = ask;
            task.await.unwrap_or_default()
        })
    }
}

/// The server that is recorded, and how to go to TLS on both sides.
struct Upstream {
    addr: SocketAddr,
    trusted: Option<(ServerName<'static>, Arc<ClientConfig>)>,
    greeting: Greeting,
    terms: Terms,
}

impl Upstream {
    fn new(recorder: Recorder, authority: &Authority) -> io::Result<Self> {
        let trusted = match recorder.trusted {
            None => None,
            Some((name, der)) => Some((
                ServerName::try_from(name).map_err(io::Error::other)?,
                client_config(der).map_err(io::Error::other)?,
            )),
        };
        let terms = Terms {
            identity: authority.issue(CertificateKind::Good),
            authority: authority.clone(),
            versions: TlsVersions::Both,
            client_certificate: ClientCertificate::NotAsked,
        };
        Ok(Self { addr: recorder.upstream, trusted, greeting: recorder.greeting, terms })
    }
}

fn client_config(authority: Vec<u8>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The task: a tape for each connection.
struct Run {
    upstream: Arc<Upstream>,
    acceptor: Acceptor,
    watchdog: Watchdog,
}

impl Run {
    async fn all(mut self) -> Vec<String> {
        let mut tapes = JoinSet::new();
        let mut scripts: Vec<Arc<Mutex<Scribe>>> = Vec::new();
        while let Some(client) = self.acceptor.accept_before(&mut self.watchdog).await {
            let scribe = Arc::new(Mutex::new(Scribe::default()));
            scripts.push(scribe.clone());
            let upstream = self.upstream.clone();
            let watchdog = self.watchdog.clone();
            tapes.spawn(async move {
                let Ok(server) = TcpStream::connect(upstream.addr).await else { return };
                // Small pieces must not wait for each other: their order is what is recorded.
                let _ = server.set_nodelay(true);
                Tape::new(client, server, scribe, &upstream, watchdog).run().await;
            });
        }
        while tapes.join_next().await.is_some() {}
        let script = |scribe: &Arc<Mutex<Scribe>>| {
            scribe.lock().unwrap_or_else(PoisonError::into_inner).script()
        };
        scripts.iter().map(script).collect()
    }
}
