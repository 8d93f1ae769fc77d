//! A proxy between a client and a real server that records their dialogues as scripts.

mod proxy;
mod script_writer;
mod secrets;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use self::proxy::Proxy;
use self::script_writer::ScriptWriter;
use crate::acceptor::Acceptor;
use crate::bind::listen;
use crate::builder::FREE_PORT;
use crate::certificate::{Authority, CertificateKind};
use crate::host::Greeting;
use crate::runtime::ServerRuntime;
use crate::tls::{ClientCertificate, TlsSettings, TlsVersions};
use crate::waiting::Waiting;
use crate::watchdog::Watchdog;

/// Configures and starts a [`Recording`].
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
#[must_use = "nothing listens before `tcp` is called"]
pub struct Recorder {
    upstream: SocketAddr,
    addr: SocketAddr,
    trusted: Option<(String, Trust)>,
    greeting: Greeting,
    watchdog: Duration,
    on_script: Option<Arc<Mutex<OnScript>>>,
}

/// How the proxy verifies the certificate of the server.
enum Trust {
    /// It is issued by this authority (DER).
    Authority(Vec<u8>),
    Config(Arc<ClientConfig>),
}

/// Called with the number of a connection that has ended, and its script.
type OnScript = Box<dyn FnMut(usize, &str) + Send>;

impl Recorder {
    /// Records the server at this address.
    pub fn new(upstream: SocketAddr) -> Self {
        Self {
            upstream,
            addr: FREE_PORT,
            trusted: None,
            greeting: Greeting::InClear,
            watchdog: Duration::from_secs(10),
            on_script: None,
        }
    }

    /// Sets whether the connection begins with TLS, on both sides; by default, it begins in clear.
    pub fn greeting(self, greeting: Greeting) -> Self {
        Self { greeting, ..self }
    }

    /// Enables TLS. The proxy accepts the server if its certificate is for this name and issued by
    /// this authority (DER). The client has to trust the [authority of the
    /// recording](Recording::authority).
    pub fn trust(self, name: &str, authority: &[u8]) -> Self {
        let trust = Trust::Authority(authority.to_vec());
        Self { trusted: Some((name.to_owned(), trust)), ..self }
    }

    /// Enables TLS as [`trust`](Self::trust) does, with a configuration that verifies the server in
    /// another way, such as with the authorities of the system.
    pub fn trust_as(self, name: &str, config: Arc<ClientConfig>) -> Self {
        Self { trusted: Some((name.to_owned(), Trust::Config(config))), ..self }
    }

    /// Sets how long [`Recording::finish`] waits for each action of a client or of the server; by
    /// default, 10 seconds.
    pub fn watchdog(self, timeout: Duration) -> Self {
        Self { watchdog: timeout, ..self }
    }

    /// Calls `on_script` as soon as a connection has ended, with its number, counted from one, and
    /// its script. [`Recording::finish`] then returns no scripts, as they are not kept.
    pub fn on_script(self, on_script: impl FnMut(usize, &str) + Send + 'static) -> Self {
        Self { on_script: Some(Arc::new(Mutex::new(Box::new(on_script)))), ..self }
    }

    /// Sets the address and the port for the client; by default, a free port of `127.0.0.1`.
    pub fn listen_on(self, addr: impl Into<SocketAddr>) -> Self {
        Self { addr: addr.into(), ..self }
    }

    /// Listens on TCP: on a free port of `127.0.0.1`, or on the address given to
    /// [`listen_on`](Self::listen_on). The error contains a [`BindError`](crate::BindError) if that
    /// fails.
    pub fn tcp(mut self) -> io::Result<Recording> {
        let listener = listen(self.addr)?;
        let addr = listener.local_addr()?;
        let runtime = ServerRuntime::here_or_thread();
        let listener = {
            let _inside = runtime.handle().enter();
            TcpListener::from_std(listener)?
        };
        let authority = Authority::new();
        let (watchdog, on_script) = (self.watchdog, self.on_script.take());
        let upstream = Upstream::new(self, &authority)?;
        let (ask, asked) = watch::channel(None);
        let run = Run {
            upstream: Arc::new(upstream),
            acceptor: Acceptor::Tcp(listener),
            watchdog: Watchdog::new(asked),
            on_script,
        };
        let task = runtime.handle().spawn(run.all());
        Ok(Recording { addr, authority, watchdog, ask, task, runtime })
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { upstream, addr, greeting, watchdog, .. } = self;
        f.debug_struct("Recorder")
            .field("upstream", upstream)
            .field("addr", addr)
            .field("greeting", greeting)
            .field("watchdog", watchdog)
            .finish_non_exhaustive()
    }
}

/// A running proxy.
#[derive(Debug)]
#[must_use = "the scripts come with `finish`"]
pub struct Recording {
    addr: SocketAddr,
    authority: Authority,
    watchdog: Duration,
    ask: watch::Sender<Option<Duration>>,
    task: JoinHandle<Vec<String>>,
    runtime: ServerRuntime,
}

impl Recording {
    /// The address for the client.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The authority that the client has to trust.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Waits until the connections have ended, and returns a script for each. A connection on which
    /// nothing happens for 10 seconds, or for the time of the [watchdog](Recorder::watchdog), is
    /// closed. If this is dropped before, all are closed, and [`on_script`](Recorder::on_script) has
    /// their scripts up to there.
    ///
    /// The script has no secrets: `C~` and `*` replace the arguments of AUTH and the responses to
    /// 334, and `***` replaces what a reply repeats of them, and what SCRAM proves with them. A
    /// message text becomes `[text]` or `[chunk]`. Everything else is recorded as sent. If a connection
    /// fails, a comment says why.
    pub fn finish(self) -> Waiting<Vec<String>> {
        let Self { ask, task, runtime, watchdog, .. } = self;
        let _ = ask.send(Some(watchdog));
        let mut task = AbortOnDrop(task);
        Waiting::new(runtime, async move {
            let _ask = ask;
            (&mut task.0).await.unwrap_or_default()
        })
    }
}

/// The recorded server, and the TLS settings for both sides.
struct Upstream {
    addr: SocketAddr,
    trusted: Option<(ServerName<'static>, Arc<ClientConfig>)>,
    greeting: Greeting,
    tls_settings: TlsSettings,
}

impl Upstream {
    fn new(recorder: Recorder, authority: &Authority) -> io::Result<Self> {
        let trusted = match recorder.trusted {
            None => None,
            Some((name, trust)) => Some((
                ServerName::try_from(name).map_err(io::Error::other)?,
                match trust {
                    Trust::Authority(der) => client_config(der).map_err(io::Error::other)?,
                    Trust::Config(config) => config,
                },
            )),
        };
        let tls_settings = TlsSettings {
            identity: authority.issue(CertificateKind::Good),
            authority: authority.clone(),
            versions: TlsVersions::Both,
            client_certificate: ClientCertificate::NotAsked,
        };
        Ok(Self { addr: recorder.upstream, trusted, greeting: recorder.greeting, tls_settings })
    }
}

fn client_config(authority: Vec<u8>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The task of the proxy.
struct Run {
    upstream: Arc<Upstream>,
    acceptor: Acceptor,
    watchdog: Watchdog,
    on_script: Option<Arc<Mutex<OnScript>>>,
}

impl Run {
    async fn all(mut self) -> Vec<String> {
        let mut proxies = JoinSet::new();
        let mut scripts: Vec<Arc<Mutex<ScriptWriter>>> = Vec::new();
        let mut number = 0;
        while let Some(client) = self.acceptor.accept_before(&mut self.watchdog).await {
            // A recording may run for long: nothing is kept of connections that have ended.
            while proxies.try_join_next().is_some() {}
            number += 1;
            let writer = Arc::new(Mutex::new(ScriptWriter::default()));
            let on_script = self.on_script.clone();
            if on_script.is_none() {
                scripts.push(writer.clone());
            }
            let delivery = Delivery { number, writer, on_script, has_ended: false };
            let upstream = self.upstream.clone();
            let watchdog = self.watchdog.clone();
            proxies.spawn(async move {
                if let Ok(server) = TcpStream::connect(upstream.addr).await {
                    // Without delay, so that the recorded order of the pieces is the order in which
                    // they were sent.
                    let _ = server.set_nodelay(true);
                    let writer = delivery.writer.clone();
                    Proxy::new(client, server, writer, &upstream, watchdog).run().await;
                }
                delivery.complete();
            });
        }
        while proxies.join_next().await.is_some() {}
        scripts.iter().map(|writer| locked(writer).script()).collect()
    }
}

/// Passes on the script of a connection when it ends, also when its task is aborted.
struct Delivery {
    number: usize,
    writer: Arc<Mutex<ScriptWriter>>,
    on_script: Option<Arc<Mutex<OnScript>>>,
    has_ended: bool,
}

impl Delivery {
    /// Passes on the script of a connection that has ended by itself.
    fn complete(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.has_ended {
            locked(&self.writer).failed(&io::ErrorKind::Interrupted.into());
        }
        if let Some(on_script) = &self.on_script {
            let script = locked(&self.writer).script();
            locked(on_script)(self.number, &script);
        }
    }
}

/// The task of the proxy, which ends when its result is not wanted.
struct AbortOnDrop(JoinHandle<Vec<String>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
