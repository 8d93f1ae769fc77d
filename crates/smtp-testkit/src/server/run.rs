//! The task of a server: accepts connections and serves them.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::acceptor::Acceptor;
use crate::certificate::{Authority, CertificateKind, Identity};
use crate::host::{Greeting, Host, HostConfig, Session};
use crate::journal::Journal;
use crate::lint::Lint;
use crate::mismatch::{Divergence, Mismatch, MismatchKind};
use crate::player::Player;
use crate::report::Report;
use crate::rule::Rule;
use crate::script::Script;
use crate::tls::{ClientCertificate, TlsSettings, TlsVersions};
use crate::watchdog::Watchdog;

/// The settings of a server.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) scripts: Vec<Script>,
    pub(crate) host: HostConfig,
    pub(crate) authority: Option<Authority>,
    pub(crate) certificate: CertificateKind,
    /// The certificate of the server, if it is not one that the authority issues.
    pub(crate) identity: Option<Identity>,
    pub(crate) versions: TlsVersions,
    pub(crate) client_certificate: ClientCertificate,
    pub(crate) watchdog: Duration,
    pub(crate) deadline: Option<Duration>,
    pub(crate) reconnect: Duration,
}

impl Parts {
    /// Returns whether TLS may be needed. Making keys takes time, so other servers make none.
    fn needs_tls(&self) -> bool {
        let host = &self.host;
        let offered = host.offers.iter().any(|line| line.eq_ignore_ascii_case("STARTTLS"));
        let by_rule = host.rules.iter().any(Rule::may_start_tls);
        // The closure may answer with `[starttls]`.
        let by_test = host.responder.is_some();
        self.scripts.iter().any(Script::needs_tls)
            || offered
            || by_rule
            || by_test
            || host.greeting == Greeting::UnderTls
    }
}

/// A running server.
pub(crate) struct Run {
    scripts: Vec<Script>,
    host: Arc<Host>,
    denied: BTreeSet<Lint>,
    tls_settings: Option<Arc<TlsSettings>>,
    acceptor: Acceptor,
    watchdog: Watchdog,
    journal: Journal,
}

impl Run {
    pub(crate) fn new(
        parts: Parts,
        authority: &OnceLock<Authority>,
        acceptor: Acceptor,
        asked: watch::Receiver<Option<Duration>>,
        journal: Journal,
    ) -> Self {
        let tls_settings = parts.needs_tls().then(|| {
            let authority = authority.get_or_init(Authority::new).clone();
            Arc::new(TlsSettings {
                identity: match &parts.identity {
                    Some(identity) => identity.clone(),
                    None => authority.issue(parts.certificate),
                },
                authority,
                versions: parts.versions,
                client_certificate: parts.client_certificate,
            })
        });
        Self {
            scripts: parts.scripts,
            denied: &parts.host.denied - &parts.host.tolerated,
            host: Arc::new(Host::new(parts.host)),
            tls_settings,
            acceptor,
            watchdog: Watchdog::new(asked),
            journal,
        }
    }

    pub(crate) fn host(&self) -> Arc<Host> {
        self.host.clone()
    }

    pub(crate) async fn all(self) -> Result<Report, Mismatch> {
        // No connection is accepted afterwards, however the task ends.
        let _closing = Closing(self.journal.clone());
        match self.scripts.is_empty() {
            true => self.serve().await,
            false => self.play().await,
        }
    }

    /// Plays the scripts one after the other, each on a connection of its own.
    async fn play(mut self) -> Result<Report, Mismatch> {
        for (connection, script) in self.scripts.iter().enumerate() {
            let accepted = self.watchdog.watch(self.acceptor.accept()).await;
            let outcome = match accepted {
                Ok(Ok(socket)) => {
                    let tls_settings = self.tls_settings.as_deref();
                    let page = self.journal.open();
                    Player::new(script, tls_settings, &mut self.watchdog, page).play(socket).await
                }
                Ok(Err(error)) => {
                    Err(Divergence::without_octets(MismatchKind::NotConnected).because(&error))
                }
                Err(expired) => {
                    Err(Divergence::without_octets(MismatchKind::NotConnected).because(&expired))
                }
            };
            if let Err(divergence) = outcome {
                let report = self.journal.report();
                return Err(Mismatch::new(connection, self.scripts, divergence, report));
            }
        }
        let report = self.journal.report();
        match Mismatch::denied(&self.denied, &report) {
            Some(mismatch) => Err(mismatch),
            None => Ok(report),
        }
    }

    /// Serves any number of connections at a time, until the test asks for the result.
    async fn serve(mut self) -> Result<Report, Mismatch> {
        let mut sessions = Sessions::default();
        while let Some(socket) = self.acceptor.accept_before(&mut self.watchdog).await {
            let page = self.journal.open();
            let connection = page.connection();
            let tls_settings = self.tls_settings.clone();
            let host = self.host.clone();
            let session = Session::new(host, socket, tls_settings, page, self.watchdog.clone());
            sessions.begin(async move { (connection, session.serve().await) });
        }
        self.journal.close();
        let timed_out = sessions.end().await;
        let report = self.journal.report();
        if let Some((connection, divergence)) = timed_out {
            return Err(Mismatch::new(connection, Vec::new(), divergence, report));
        }
        if let Some(mismatch) = Mismatch::denied(&self.denied, &report) {
            return Err(mismatch);
        }
        match self.host.missed() {
            missed if missed.is_empty() => Ok(report),
            missed => {
                let reason = format!("never used: {}", missed.join("; "));
                Err(Mismatch::without_script(MismatchKind::UnusedRule, reason, report))
            }
        }
    }
}

/// The connections of a server with rules, and the first of those that timed out.
#[derive(Default)]
struct Sessions {
    running: JoinSet<Ended>,
    timed_out: Option<(usize, Divergence)>,
    panic: Option<Box<dyn Any + Send>>,
}

/// The number of a connection, and how it ended.
type Ended = (usize, Result<(), Divergence>);

impl Sessions {
    fn begin(&mut self, session: impl Future<Output = Ended> + Send + 'static) {
        // A server that runs for days would otherwise keep the outcome of each.
        while let Some(ended) = self.running.try_join_next() {
            self.record(ended);
        }
        self.running.spawn(session);
    }

    /// Waits until all have ended.
    ///
    /// # Panics
    ///
    /// If the test's closure has panicked in one of them.
    async fn end(mut self) -> Option<(usize, Divergence)> {
        while self.panic.is_none()
            && let Some(ended) = self.running.join_next().await
        {
            self.record(ended);
        }
        match self.panic {
            Some(panic) => resume_unwind(panic),
            None => self.timed_out,
        }
    }

    fn record(&mut self, ended: Result<Ended, JoinError>) {
        match ended {
            Ok((connection, Err(divergence)))
                if self.timed_out.as_ref().is_none_or(|(first, _)| connection < *first) =>
            {
                self.timed_out = Some((connection, divergence));
            }
            Err(error) if error.is_panic() && self.panic.is_none() => {
                self.panic = Some(error.into_panic());
            }
            _ => {}
        }
    }
}

/// Records the end of a server's task in its journal.
struct Closing(Journal);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}
