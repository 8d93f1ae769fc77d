//! A delivery: groups of recipients, each taken to its hosts until nothing is left to try.
use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use smtp_caps::Envelope;
use smtp_error::{Ended, Error, ErrorKind, Verdict};

use super::{
    Shared,
    dial::{achieved, is_about_tls},
    ledger::Ledger,
    pool::{Key, Lease},
    target::{Group, Host, Target},
};
use crate::{Attempt, ContentSource, Hop, Outcome, Reason, Refusal, Report};

/// A delivery on its way. Dropped before its end, it leaves its report with the courier.
pub(super) struct Delivery {
    shared: Arc<Shared>,
    ledger: Ledger,
    content: ContentSource,
    is_reported: bool,
}

/// An address of a host of a target.
struct Place<'a> {
    target: &'a Target,
    host: &'a Host,
    hop: &'a Hop,
    key: &'a Key,
}

/// What one address gave.
enum Tried {
    /// The host has replied, or the connection failed on the way: the next address or host is for
    /// those that are pending.
    Next,
    /// Nothing more can be tried for these recipients: the fault is on this side.
    Stop,
}

impl Delivery {
    pub(super) fn new(shared: Arc<Shared>, envelope: &Envelope, content: ContentSource) -> Self {
        Self { shared, ledger: Ledger::new(envelope), content, is_reported: false }
    }

    /// Does what can be done now.
    pub(super) async fn run(&self) {
        let groups = self.shared.groups(&self.ledger).await;
        let at_once = self.shared.settings.at_once;
        let delivered = stream::iter(groups).map(|group| self.deliver(group));
        delivered.buffer_unordered(at_once).collect::<()>().await;
    }

    pub(super) fn into_report(mut self) -> Report {
        self.is_reported = true;
        self.ledger.report()
    }

    async fn deliver(&self, group: Group) {
        let settings = &self.shared.settings;
        let _turns = self.shared.domains.enter(&group.target.domains).await;
        let mut attempts = settings.attempts;
        'hops: for hop in group.target.hops.iter().take(settings.hosts) {
            let pending = self.ledger.pending(&group.recipients);
            if pending.is_empty() || attempts == 0 {
                break;
            }
            let began = self.ledger.elapsed();
            let host = self.shared.host(&group.target, hop, self.ledger.envelope()).await;
            let host = match host {
                Ok(host) => host,
                Err(reason) => {
                    let attempt = Trace::new(hop, &pending, began);
                    attempt.end(&self.ledger, Some(reason));
                    continue;
                }
            };
            for address in host.addresses.iter().take(settings.addresses) {
                let pending = self.ledger.pending(&group.recipients);
                if pending.is_empty() || attempts == 0 {
                    break;
                }
                attempts -= 1;
                let address = SocketAddr::new(*address, settings.port);
                let demand = host.demand.clone();
                let key = Key { address, host: hop.name().cloned(), demand };
                let at = Place { target: &group.target, host: &host, hop, key: &key };
                match self.try_address(&at, &pending).await {
                    Tried::Next => {}
                    Tried::Stop => break 'hops,
                }
            }
        }
        self.ledger.give_up(&group.recipients);
    }

    /// Sends the message to these recipients at an address of a host.
    async fn try_address(&self, at: &Place<'_>, pending: &[usize]) -> Tried {
        let Place { hop, key, .. } = *at;
        loop {
            let mut trace = Trace::new(hop, pending, self.ledger.elapsed());
            trace.attempt.address = Some(key.address);
            let mut lease = match self.shared.pool.lease(key).await {
                Ok(lease) => lease,
                Err(for_at_least) => {
                    trace.end(&self.ledger, Some(Reason::HostDeferred { for_at_least }));
                    return Tried::Next;
                }
            };
            trace.attempt.is_reused = lease.connection().is_some();
            if !trace.attempt.is_reused
                && let Err(error) = self.open(at, &mut lease).await
            {
                trace.end(&self.ledger, Some(error.into()));
                return Tried::Next;
            }
            if let Some(connection) = lease.connection() {
                trace.attempt.achieved = Some(achieved(key, connection));
                trace.attempt.tls = connection.tls().cloned();
            }
            let is_reused = trace.attempt.is_reused;
            match self.send(lease, hop, pending).await {
                // The host closed it while it was kept, and has seen nothing of the message.
                Sent::Stale(error) if is_reused => trace.end(&self.ledger, Some(error.into())),
                Sent::Stale(error) | Sent::Failed(error) => {
                    trace.end(&self.ledger, Some(error.into()));
                    return Tried::Next;
                }
                Sent::Impossible(error) => {
                    trace.end(&self.ledger, Some(error.into()));
                    return Tried::Stop;
                }
                Sent::Done => {
                    trace.end(&self.ledger, None);
                    return Tried::Next;
                }
            }
        }
    }

    /// Opens the connection of a lease.
    async fn open(&self, at: &Place<'_>, lease: &mut Lease) -> Result<(), Error> {
        let Place { target, host, key, .. } = *at;
        let dialed = self.shared.dial(key).await;
        self.shared.session_result(target, host, key, &dialed);
        match dialed.result {
            Ok(connection) => {
                lease.set_connection(connection);
                self.shared.pool.opened(key);
                Ok(())
            }
            Err(error) => {
                match error.kind() {
                    ErrorKind::Ended(Ended::ServerClosing(_)) => self.shared.pool.too_many(key),
                    _ if is_about_tls(&error) => self.shared.pool.unfit(key),
                    _ => self.shared.pool.failed(key),
                }
                Err(error)
            }
        }
    }

    /// Sends the message over a connection, in as many transactions as the number of recipients
    /// needs.
    async fn send(&self, lease: Lease, hop: &Hop, pending: &[usize]) -> Sent {
        let mut flight = Flight { ledger: &self.ledger, lease, hop, recipients: Vec::new() };
        let mut left = pending.to_vec();
        let mut is_first = true;
        while !left.is_empty() {
            let most = self.shared.settings.recipients.min(left.len());
            flight.recipients = left.drain(..most).collect();
            match flight.send(&self.content).await {
                Ok(again) => left.splice(..0, again),
                Err(error) => return flight.failed(error, is_first),
            };
            is_first = false;
        }
        Sent::Done
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.is_reported {
            self.shared.keep_interrupted(self.ledger.report());
        }
    }
}

/// What became of a message on a connection.
enum Sent {
    /// The host has replied for every recipient.
    Done,
    /// The connection had ended before the message was begun.
    Stale(Error),
    /// The connection, the session or the message failed; the recipients have what follows from it.
    Failed(Error),
    /// No host can be sent the message.
    Impossible(Error),
}

/// A transaction under way. Dropped before its end, it says which recipients are in doubt.
struct Flight<'a> {
    ledger: &'a Ledger,
    lease: Lease,
    hop: &'a Hop,
    /// The recipients of the transaction; none once its result is in the ledger.
    recipients: Vec<usize>,
}

impl Flight<'_> {
    /// Sends the message to the recipients of this transaction. Returns those that were too many for
    /// it, if it took some.
    async fn send(&mut self, content: &ContentSource) -> Result<Vec<usize>, Error> {
        let all = self.ledger.envelope();
        let rcpts = self.recipients.iter().map(|position| all.rcpts()[*position].clone());
        let envelope = Envelope::new(all.mail().clone(), rcpts)
            .map_err(|invalid| Error::new(smtp_error::Step::Mail, ErrorKind::Envelope(invalid)))?;
        let content = content.open()?;
        self.lease.pace().await;
        let Some(connection) = self.lease.connection() else { return Ok(Vec::new()) };
        let delivery = connection.send(&envelope, content).await?;
        let recipients = std::mem::take(&mut self.recipients);
        let took_some = delivery.any_accepted();
        let mut again = Vec::new();
        for (position, (_, verdict)) in recipients.into_iter().zip(delivery.verdicts()) {
            self.ledger.verdict(position, verdict, self.hop);
            if took_some && verdict.is_too_many() {
                again.push(position);
            }
        }
        Ok(again)
    }

    /// Records the error of a transaction.
    fn failed(&mut self, error: Error, is_first: bool) -> Sent {
        let recipients = std::mem::take(&mut self.recipients);
        let mut known: Vec<Option<Verdict>> =
            error.verdicts().map(|(_, verdict)| verdict.cloned()).collect();
        known.resize(recipients.len(), None);
        for (position, verdict) in recipients.iter().zip(&known) {
            match verdict {
                Some(verdict) => self.ledger.verdict(*position, verdict, self.hop),
                None if error.in_doubt() => {
                    let (error, hop) = (Some(error.clone()), self.hop.clone());
                    self.ledger.settle(*position, Outcome::InDoubt { error, hop });
                }
                None => {}
            }
        }
        match error.kind() {
            ErrorKind::Invalid(_) | ErrorKind::Envelope(_) | ErrorKind::Source(_) => {
                for position in recipients {
                    let refusal = Refusal::Error(error.clone());
                    self.ledger.settle(position, Outcome::Refused { refusal, hop: None });
                }
                Sent::Impossible(error)
            }
            ErrorKind::Ended(_) | ErrorKind::Broken(_)
                if is_first && !error.in_doubt() && known.iter().all(Option::is_none) =>
            {
                Sent::Stale(error)
            }
            _ => Sent::Failed(error),
        }
    }
}

impl Drop for Flight<'_> {
    /// The future was dropped while the transaction was under way: the session knows what that means.
    fn drop(&mut self) {
        let recipients = std::mem::take(&mut self.recipients);
        let Some(connection) = self.lease.connection() else { return };
        let Some(Ended::Canceled { in_doubt, .. }) = connection.ended() else { return };
        let mut known: Vec<_> = connection.canceled_verdicts().map(|(_, known)| known).collect();
        known.resize(recipients.len(), None);
        for (position, verdict) in recipients.into_iter().zip(known) {
            match verdict {
                Some(verdict) => self.ledger.verdict(position, verdict, self.hop),
                None if *in_doubt => {
                    let outcome = Outcome::InDoubt { error: None, hop: self.hop.clone() };
                    self.ledger.settle(position, outcome);
                }
                None => {}
            }
        }
    }
}

/// An attempt that is being made.
struct Trace {
    attempt: Attempt,
}

impl Trace {
    fn new(hop: &Hop, recipients: &[usize], began: Duration) -> Self {
        Self {
            attempt: Attempt {
                hop: hop.clone(),
                address: None,
                recipients: recipients.into(),
                achieved: None,
                tls: None,
                is_reused: false,
                began,
                took: Duration::ZERO,
                failure: None,
            },
        }
    }

    /// Records the attempt, and what stood in the way of those that are still pending.
    fn end(mut self, ledger: &Ledger, failure: Option<Reason>) {
        self.attempt.took = ledger.elapsed().saturating_sub(self.attempt.began);
        if let Some(reason) = &failure {
            ledger.hinder(&self.attempt.recipients, reason, Some(&self.attempt.hop));
        }
        self.attempt.failure = failure;
        ledger.record(self.attempt);
    }
}
