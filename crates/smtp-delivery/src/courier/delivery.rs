//! A delivery: groups of recipients, each taken to its hosts until nothing is left to try.
use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use smtp_caps::Envelope;
use smtp_codec::ForwardPath;
use smtp_error::{Ended, Error, ErrorKind, ReplyCode, Step, Unsupported, Verdict};

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
    /// Nothing: it failed a short while ago.
    LeftAlone,
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
        let mut tried_all = group.target.hops.len() <= settings.hosts;
        'hops: for hop in group.target.hops.iter().take(settings.hosts) {
            let pending = self.ledger.pending(&group.recipients);
            if pending.is_empty() || attempts == 0 {
                tried_all = false;
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
                    tried_all = false;
                    break 'hops;
                }
                let address = SocketAddr::new(*address, settings.port);
                let demand = host.demand.clone();
                let key = Key { address, host: hop.name().cloned(), demand };
                let at = Place { target: &group.target, host: &host, hop, key: &key };
                match self.try_address(&at, &pending).await {
                    Tried::Next => attempts -= 1,
                    // A host that is left alone must not use up the attempts at the others.
                    Tried::LeftAlone => {}
                    Tried::Stop => break 'hops,
                }
            }
        }
        self.ledger.give_up(&group.recipients, tried_all);
    }

    /// Sends the message to these recipients at an address of a host.
    async fn try_address(&self, at: &Place<'_>, pending: &[usize]) -> Tried {
        let Place { hop, key, .. } = *at;
        let mut left = pending.to_vec();
        loop {
            let mut trace = Trace::new(hop, &left, self.ledger.elapsed());
            trace.attempt.address = Some(key.address);
            let mut lease = match self.shared.pool.lease(key).await {
                Ok(lease) => lease,
                Err(for_at_least) => {
                    trace.end(&self.ledger, Some(Reason::HostDeferred { for_at_least }));
                    return Tried::LeftAlone;
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
            match self.send(lease, hop, &left).await {
                // The host ended the session while it was kept, and has not taken the message.
                Sent::Stale(error) if is_reused => trace.end(&self.ledger, Some(error.into())),
                Sent::Exhausted(error) => {
                    trace.end(&self.ledger, Some(error.into()));
                    left = self.ledger.pending(&left);
                }
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
        let (ledger, recipients) = (&self.ledger, Vec::new());
        let is_fresh = lease.is_fresh();
        let mut flight = Flight { ledger, lease, hop, recipients, is_fresh };
        let mut left = pending.to_vec();
        let mut most = self.shared.settings.recipients;
        let mut is_first = true;
        while !left.is_empty() {
            let size = flight.size(&left, most);
            flight.recipients = left.drain(..size).collect();
            match flight.send(&self.content).await {
                Ok(again) => {
                    if !again.is_empty() {
                        // The host takes so many, and no more.
                        most = size.saturating_sub(again.len()).max(1);
                    }
                    left.splice(..0, again);
                }
                Err(error) => return flight.failed(error, is_first),
            }
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
    /// The session takes no more of the message; another one does.
    Exhausted(Error),
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
    /// Whether the connection was opened for this message.
    is_fresh: bool,
}

impl Flight<'_> {
    /// Returns how many of these recipients go into the next transaction: at most so many, and no
    /// more than the host states (RFC 9422).
    fn size(&mut self, left: &[usize], most: usize) -> usize {
        let limits = self.lease.connection().map(|connection| connection.capabilities().limits());
        let limits = limits.unwrap_or_default();
        let stated = limits.rcpt_max().map_or(most, |stated| most.min(stated as usize));
        let most = stated.min(left.len()).max(1);
        let Some(domains) = limits.rcpt_domain_max() else { return most };
        let rcpts = self.ledger.envelope().rcpts();
        let mut seen = Vec::new();
        let fits = left[..most].iter().take_while(|position| {
            let domain = match rcpts[**position].path() {
                ForwardPath::Mailbox(mailbox) => mailbox.host().to_ascii_lowercase(),
                ForwardPath::Postmaster => String::new(),
            };
            if !seen.contains(&domain) {
                seen.push(domain);
            }
            seen.len() <= domains as usize
        });
        fits.count().max(1)
    }

    /// Sends the message to the recipients of this transaction. Returns those that were too many for
    /// it, if it took some.
    async fn send(&mut self, content: &ContentSource) -> Result<Vec<usize>, Error> {
        let all = self.ledger.envelope();
        let rcpts = self.recipients.iter().map(|position| all.rcpts()[*position].clone());
        let envelope = Envelope::new(all.mail().clone(), rcpts)
            .map_err(|invalid| Error::new(Step::Mail, ErrorKind::Envelope(invalid)))?;
        let content = content.open()?;
        self.lease.pace().await;
        let Some(connection) = self.lease.connection() else { return Ok(Vec::new()) };
        let delivery = connection.send(&envelope, content).await?;
        // The session has ended (RFC 5321, 3.8), which is no reply to the message.
        let mut verdicts = delivery.verdicts().map(|(_, verdict)| verdict);
        let is_closing = |verdict: &Verdict| {
            verdict.step() == Step::Mail && verdict.reply().code() == ReplyCode::SERVICE_CLOSING
        };
        if let Some(verdict) = verdicts.find(|verdict| is_closing(verdict)) {
            let closing = Ended::ServerClosing(verdict.reply().clone());
            return Err(Error::new(Step::Mail, closing));
        }
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
            ErrorKind::Source(_) => Sent::Impossible(error),
            ErrorKind::Invalid(_) | ErrorKind::Envelope(_) => {
                for position in recipients {
                    let refusal = Refusal::Error(error.clone());
                    self.ledger.settle(position, Outcome::Refused { refusal, hop: None });
                }
                Sent::Impossible(error)
            }
            ErrorKind::Ended(_) | ErrorKind::Broken(_)
                if is_first
                    && matches!(error.step(), Step::Mail | Step::Reset)
                    && !error.in_doubt()
                    && known.iter().all(Option::is_none) =>
            {
                Sent::Stale(error)
            }
            // Limits of a session, such as MAILMAX; nothing was written.
            ErrorKind::Unsupported(Unsupported::TooMany { .. }) if error.is_transient() => {
                self.lease.exhaust();
                // A session that takes not even one message never will.
                match is_first && self.is_fresh {
                    true => Sent::Failed(error),
                    false => Sent::Exhausted(error),
                }
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
