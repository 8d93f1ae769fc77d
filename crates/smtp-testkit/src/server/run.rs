//! The task of a server: which connections it takes, and what it does with them.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::acceptor::Acceptor;
use crate::certificate::{Authority, CertificateKind};
use crate::host::{Greeting, Host, Manners, Session};
use crate::journal::Journal;
use crate::lint::Lint;
use crate::mismatch::{Departure, Mismatch, MismatchKind};
use crate::player::Player;
use crate::report::Report;
use crate::rule::Rule;
use crate::script::Script;
use crate::tls::{ClientCertificate, Terms, TlsVersions};
use crate::watchdog::Watchdog;

/// What a server is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) scripts: Vec<Script>,
    pub(crate) manners: Manners,
    pub(crate) authority: Option<Authority>,
    pub(crate) certificate: CertificateKind,
    pub(crate) versions: TlsVersions,
    pub(crate) client_certificate: ClientCertificate,
    pub(crate) watchdog: Duration,
    pub(crate) deadline: Option<Duration>,
    pub(crate) reconnect: Duration,
}

impl Parts {
    /// Making keys takes a while, so that only who needs TLS has any.
    fn needs_tls(&self) -> bool {
        let manners = &self.manners;
        let offered = manners.offers.iter().any(|line| line.eq_ignore_ascii_case("STARTTLS"));
        let by_rule = manners.rules.iter().any(Rule::may_start_tls);
        // Nobody knows what the test will answer.
        let by_test = manners.responder.is_some();
        self.scripts.iter().any(Script::needs_tls)
            || offered
            || by_rule
            || by_test
            || manners.greeting == Greeting::UnderTls
    }
}

/// A server at work.
pub(crate) struct Run {
    scripts: Vec<Script>,
    host: Arc<Host>,
    denied: BTreeSet<Lint>,
    terms: Option<Arc<Terms>>,
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
        let terms = parts.needs_tls().then(|| {
            let authority = authority.get_or_init(Authority::new).clone();
            Arc::new(Terms {
                identity: authority.issue(parts.certificate),
                authority,
                versions: parts.versions,
                client_certificate: parts.client_certificate,
            })
        });
        Self {
            scripts: parts.scripts,
            denied: &parts.manners.denied - &parts.manners.tolerated,
            host: Arc::new(Host::new(parts.manners)),
            terms,
            acceptor,
            watchdog: Watchdog::new(asked),
            journal,
        }
    }

    pub(crate) async fn all(self) -> Result<Report, Mismatch> {
        // However the task ends, no connection is accepted afterwards.
        let _closing = Closing(self.journal.clone());
        match self.scripts.is_empty() {
            true => self.serve().await,
            false => self.play().await,
        }
    }

    /// One script after the other, each on a connection of its own.
    async fn play(mut self) -> Result<Report, Mismatch> {
        for (connection, script) in self.scripts.iter().enumerate() {
            let accepted = self.watchdog.watch(self.acceptor.accept()).await;
            let outcome = match accepted {
                Ok(Ok(socket)) => {
                    let terms = self.terms.as_deref();
                    let page = self.journal.open();
                    Player::new(script, terms, &mut self.watchdog, page).play(socket).await
                }
                Ok(Err(error)) => {
                    Err(Departure::without_octets(MismatchKind::NotConnected).because(&error))
                }
                Err(exhausted) => {
                    Err(Departure::without_octets(MismatchKind::NotConnected).because(&exhausted))
                }
            };
            if let Err(departure) = outcome {
                let report = self.journal.report();
                return Err(Mismatch::new(connection, self.scripts, departure, report));
            }
        }
        let report = self.journal.report();
        match Mismatch::denied(&self.denied, &report) {
            Some(mismatch) => Err(mismatch),
            None => Ok(report),
        }
    }

    /// Any number of connections at a time, until the verdict is asked for.
    async fn serve(mut self) -> Result<Report, Mismatch> {
        let mut sessions = JoinSet::new();
        while let Some(socket) = self.acceptor.accept_before(&mut self.watchdog).await {
            let page = self.journal.open();
            let connection = page.connection();
            let terms = self.terms.clone();
            let host = self.host.clone();
            let session = Session::new(host, socket, terms, page, self.watchdog.clone());
            sessions.spawn(async move { (connection, session.serve().await) });
        }
        self.journal.close();
        let mut stuck = Vec::new();
        while let Some(ended) = sessions.join_next().await {
            match ended {
                Ok((connection, Err(departure))) => stuck.push((connection, departure)),
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                _ => {}
            }
        }
        let report = self.journal.report();
        let first = stuck.into_iter().min_by_key(|(connection, _)| *connection);
        if let Some((connection, departure)) = first {
            return Err(Mismatch::new(connection, Vec::new(), departure, report));
        }
        if let Some(mismatch) = Mismatch::denied(&self.denied, &report) {
            return Err(mismatch);
        }
        match self.host.missed() {
            missed if missed.is_empty() => Ok(report),
            missed => {
                let reason = format!("the client gave no occasion: {}", missed.join("; "));
                Err(Mismatch::told(MismatchKind::UnusedRule, reason, report))
            }
        }
    }
}

/// Notes the end of a server's task in its journal.
struct Closing(Journal);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}
