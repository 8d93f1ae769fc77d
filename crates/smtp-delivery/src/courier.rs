//! The courier: takes a message to the hosts of its recipients.
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, SystemTime},
};

use smtp_caps::Envelope;
use smtp_client::{Connector, HelloName, Rate, Sending, Timeouts, Tls};
use smtp_codec::MailParam;

use tokio::sync::Semaphore;

use crate::{
    ContentSource, FetchPolicy, Floor, Name, Report, Resolve, StoredPolicy, StsPolicy, TlsResult,
};

mod delivery;
mod dial;
mod domains;
mod ledger;
mod lookups;
mod pool;
mod sts;
mod target;
mod tls_results;

use delivery::Delivery;
use domains::Domains;
use lookups::Lookups;
use pool::{Pool, PoolLimits};
use sts::Sts;

/// Delivers messages to the hosts of their recipients. Cloning shares connections, answers of the DNS
/// and what is known of hosts.
///
/// Recipients whose domains have the same hosts and the same policy share a mail transaction. Each
/// group of recipients is tried at its hosts in the order of [`route`](crate::route), until a host
/// has replied for good: the next one is tried only for recipients that the message was **certainly
/// not accepted** for, because a host could not be connected to, could not be authenticated, failed
/// before the end of the mail data, or refused for now (4yz). A refusal for good (5yz) stands. A
/// recipient that is [in doubt](crate::Outcome::InDoubt) is never tried again.
///
/// Each connection is [protected](crate::Demand) as the domain publishes it, by DANE or MTA-STS, and
/// at least as the [`Floor`] says.
///
/// Nothing is signed (DKIM), queued or repeated: [`Report::remainder`] is the envelope of a later
/// attempt, which a queue makes.
#[derive(Clone)]
pub struct Courier(Arc<Shared>);

pub(crate) struct Shared {
    settings: Settings,
    lookups: Lookups,
    sts: Sts,
    domains: Domains,
    pool: Pool,
    platform: OnceLock<Tls>,
    interrupted: Mutex<VecDeque<Report>>,
}

#[derive(Clone)]
struct Settings {
    hello_name: Option<HelloName>,
    ourselves: Vec<Name>,
    tls: Option<Tls>,
    floor: Floor,
    floors: HashMap<Name, Floor>,
    policies: HashMap<Name, Arc<StsPolicy>>,
    tls_results: Option<Arc<OnTlsResult>>,
    timeouts: Timeouts,
    sending: Sending,
    sources: Vec<IpAddr>,
    port: u16,
    hosts: usize,
    addresses: usize,
    attempts: usize,
    at_once: usize,
    recipients: usize,
    seed: Option<u64>,
    adapt: Option<Arc<Adapt>>,
}

/// What is done with the results of TLS.
type OnTlsResult = dyn Fn(TlsResult) + Send + Sync;

/// What the caller changes about a connector.
type Adapt = dyn Fn(Connector) -> Connector + Send + Sync;

/// Why there is no courier of this machine ([`Courier::system`]).
#[cfg(all(feature = "hickory", feature = "https", any(feature = "aws-lc-rs", feature = "ring")))]
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CourierSetupError {
    /// There is no resolver.
    #[error(transparent)]
    Dns(#[from] crate::DnsSetupError),
    /// There are no authorities that would vouch for policy hosts.
    #[error(transparent)]
    Trust(#[from] smtp_client::TrustError),
}

/// The settings of a [`Courier`].
#[must_use]
pub struct CourierBuilder {
    settings: Settings,
    pool: PoolLimits,
    per_domain: usize,
    lookup_timeout: Duration,
    lookups: Box<dyn FnOnce(Duration) -> Lookups + Send>,
    sts: Sts,
}

/// The longest time of a setting: a longer one is as good as never, and a clock could not count to its
/// end.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The most reports of canceled deliveries that are kept.
const INTERRUPTED: usize = 1000;

impl Courier {
    /// Returns the settings of a courier that looks up names with this resolver, and fetches MTA-STS
    /// policies with `policies`, or none with [`NoPolicies`](crate::NoPolicies). The defaults are those
    /// that each method names.
    pub fn builder(
        resolver: impl Resolve + 'static,
        policies: impl FetchPolicy + 'static,
    ) -> CourierBuilder {
        CourierBuilder {
            lookups: Box::new(|limit| Lookups::new(resolver, limit)),
            sts: Sts::new(policies),
            settings: Settings {
                hello_name: None,
                ourselves: Vec::new(),
                tls: None,
                floor: Floor::default(),
                floors: HashMap::new(),
                policies: HashMap::new(),
                tls_results: None,
                timeouts: Timeouts::relay(),
                sending: Sending::default(),
                sources: Vec::new(),
                port: 25,
                hosts: 5,
                addresses: 5,
                attempts: 5,
                at_once: 8,
                recipients: 100,
                seed: None,
                adapt: None,
            },
            pool: PoolLimits {
                connections: 100,
                per_host: 4,
                messages: 100,
                rate: None,
                idle: Duration::from_secs(20),
                deferral: (Duration::from_secs(5 * 60), Duration::from_secs(60 * 60)),
            },
            per_domain: 20,
            lookup_timeout: Duration::from_secs(30),
        }
    }

    /// Returns the settings of a courier for a program: it asks the name servers of this machine
    /// (`/etc/resolv.conf`) and validates what they answer ([`DnsResolver::system`]), and fetches
    /// MTA-STS policies from hosts that the authorities of the operating system vouch for
    /// ([`HttpsPolicies`]).
    ///
    /// ```no_run
    /// use smtp_client::{Envelope, MailData};
    /// use smtp_delivery::Courier;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let courier = Courier::system()?.hello_name("mail.example.org".parse()?).build();
    ///
    /// let envelope = Envelope::new("anna@example.org", ["bob@example.net", "carla@example.com"])?;
    /// let message = MailData::new("Subject: hello\r\n\r\nHello.\r\n")?;
    /// let report = courier.deliver(&envelope, message).await;
    /// for (recipient, outcome) in report.outcomes() {
    ///     println!("{}: {outcome}", recipient.path().as_str());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`DnsResolver::system`]: crate::DnsResolver::system
    /// [`HttpsPolicies`]: crate::HttpsPolicies
    ///
    /// # Errors
    /// The name servers or the authorities of this machine cannot be found out.
    #[cfg(all(
        feature = "hickory",
        feature = "https",
        any(feature = "aws-lc-rs", feature = "ring")
    ))]
    pub fn system() -> Result<CourierBuilder, CourierSetupError> {
        let resolver = crate::DnsResolver::system()?;
        let policies = crate::HttpsPolicies::builder(resolver.clone()).build()?;
        Ok(Self::builder(resolver, policies))
    }

    /// Delivers a message to the hosts of its recipients, as far as that can be done now.
    ///
    /// It returns when each recipient has an [`Outcome`](crate::Outcome). How long that may take
    /// depends on the [timeouts](CourierBuilder::timeouts) and the number of hosts.
    ///
    /// A future that is dropped loses no knowledge: the report of what became known until then is
    /// kept by the courier, for [`take_interrupted`](Self::take_interrupted).
    pub async fn deliver(&self, envelope: &Envelope, content: impl Into<ContentSource>) -> Report {
        let delivery = Delivery::new(Arc::clone(&self.0), envelope, content.into());
        delivery.run().await;
        delivery.into_report()
    }

    /// Takes the reports of deliveries whose future was dropped, in the order in which that
    /// happened. A recipient is in doubt in such a report if the message may have been accepted.
    ///
    /// The courier keeps the last 1,000 of them until they are taken.
    pub fn take_interrupted(&self) -> Vec<Report> {
        let mut interrupted = self.0.interrupted.lock().unwrap_or_else(PoisonError::into_inner);
        interrupted.drain(..).collect()
    }

    /// Returns the MTA-STS policies that are known, to be given to the next courier
    /// ([`CourierBuilder::stored_policies`]). `now` is the time of the calendar.
    pub fn stored_policies(&self, now: SystemTime) -> Vec<StoredPolicy> {
        self.0.sts.export(now)
    }

    /// Returns the number of connections that are open, in use or kept.
    pub fn connections(&self) -> usize {
        self.0.pool.open()
    }

    /// Ends the sessions that are kept unused. From now on none is kept; deliveries are still made.
    pub async fn close(&self) {
        self.0.pool.close().await;
    }
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier").finish_non_exhaustive()
    }
}

impl Shared {
    fn keep_interrupted(&self, report: Report) {
        let mut interrupted = self.interrupted.lock().unwrap_or_else(PoisonError::into_inner);
        if interrupted.len() == INTERRUPTED {
            tracing::warn!(
                "the oldest report of a canceled delivery is dropped; take them in time"
            );
            interrupted.pop_front();
        }
        interrupted.push_back(report);
    }
}

impl Settings {
    fn floor(&self, domain: &Name) -> Floor {
        self.floors.get(domain).copied().unwrap_or(self.floor)
    }

    fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| fastrand::u64(..))
    }
}

/// Returns whether the message demands TLS along its whole path (RFC 8689).
pub(crate) fn requires_tls(envelope: &Envelope) -> bool {
    envelope.mail().params().any(|param| matches!(param, MailParam::RequireTls))
}

impl CourierBuilder {
    /// Returns a courier with these settings.
    pub fn build(self) -> Courier {
        let mut settings = self.settings;
        // An address literal is no name.
        let name = settings.hello_name.as_ref().map(|name| Name::new(name.as_str()));
        settings.ourselves.extend(name.and_then(Result::ok).filter(Name::is_host));
        Courier(Arc::new(Shared {
            settings,
            lookups: (self.lookups)(self.lookup_timeout),
            sts: self.sts,
            domains: Domains::new(self.per_domain),
            pool: Pool::new(self.pool),
            platform: OnceLock::new(),
            interrupted: Mutex::default(),
        }))
    }

    /// The name for EHLO: the public name of this machine. By default its address as an address
    /// literal, which many hosts refuse.
    pub fn hello_name(mut self, name: HelloName) -> Self {
        self.settings.hello_name = Some(name);
        self
    }

    /// Other names of this machine in MX records. Mail is not sent to hosts that are as far from the
    /// domain as this machine, or farther (RFC 5321, 5.1). The name for EHLO is one of them.
    pub fn ourselves(mut self, names: impl IntoIterator<Item = Name>) -> Self {
        self.settings.ourselves.extend(names);
        self
    }

    /// The authorities that are trusted where a certificate is verified by them, which is not with
    /// DANE. By default those of the operating system.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.settings.tls = Some(tls);
        self
    }

    /// The least protection, for all domains that have no floor of their own. By default
    /// [`Floor::Opportunistic`].
    pub fn floor(mut self, floor: Floor) -> Self {
        self.settings.floor = floor;
        self
    }

    /// The least protection for mail to this domain.
    pub fn floor_for(mut self, domain: Name, floor: Floor) -> Self {
        self.settings.floors.insert(domain, floor);
        self
    }

    /// The MTA-STS policy of this domain, whatever it publishes.
    pub fn policy_for(mut self, domain: Name, policy: StsPolicy) -> Self {
        self.settings.policies.insert(domain, Arc::new(policy));
        self
    }

    /// Policies that a courier had when the program ran before ([`Courier::stored_policies`]). `now`
    /// is the time of the calendar. Without them, the first answer of the DNS after a start decides
    /// whether a domain has a policy, and an attacker can suppress it.
    pub fn stored_policies(
        self,
        policies: impl IntoIterator<Item = StoredPolicy>,
        now: SystemTime,
    ) -> Self {
        self.sts.import(policies, now);
        self
    }

    /// Calls this function with the result of each attempt to open a TLS session, for a
    /// [`TlsReport`](crate::TlsReport). It must not block. By default nothing is done with them.
    pub fn on_tls_result(mut self, on_result: impl Fn(TlsResult) + Send + Sync + 'static) -> Self {
        self.settings.tls_results = Some(Arc::new(on_result));
        self
    }

    /// How long each step of a session may take: by default what RFC 5321, 4.5.3.2 asks for.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.settings.timeouts = timeouts;
        self
    }

    /// How long a lookup in the DNS may take: by default 30 seconds.
    pub fn lookup_timeout(mut self, limit: Duration) -> Self {
        self.lookup_timeout = limit;
        self
    }

    /// How messages are sent.
    pub fn sending(mut self, sending: Sending) -> Self {
        self.settings.sending = sending;
        self
    }

    /// The address of this machine that connections come from, one for each family.
    pub fn source_address(mut self, source: IpAddr) -> Self {
        self.settings.sources.retain(|other| other.is_ipv4() != source.is_ipv4());
        self.settings.sources.push(source);
        self
    }

    /// The port of the hosts: by default 25, and another one only where a test has its own hosts.
    pub fn port(mut self, port: u16) -> Self {
        self.settings.port = port;
        self
    }

    /// The most hosts of a domain that are tried: by default 5.
    pub fn hosts(mut self, hosts: usize) -> Self {
        self.settings.hosts = hosts.max(1);
        self
    }

    /// The most addresses of a host that are tried: by default 5.
    pub fn addresses_per_host(mut self, addresses: usize) -> Self {
        self.settings.addresses = addresses.max(1);
        self
    }

    /// The most addresses that are tried for a recipient in one delivery: by default 5.
    pub fn attempts(mut self, attempts: usize) -> Self {
        self.settings.attempts = attempts.max(1);
        self
    }

    /// The most recipients of a mail transaction: by default the 100 that every host must take
    /// (RFC 5321, 4.5.3.1.8).
    pub fn recipients_per_transaction(mut self, recipients: usize) -> Self {
        self.settings.recipients = recipients.max(1);
        self
    }

    /// The most groups of recipients of one message that are dealt with at the same time: by
    /// default 8.
    pub fn groups_at_once(mut self, groups: usize) -> Self {
        self.settings.at_once = groups.max(1);
        self
    }

    /// The most connections that are in use at the same time: by default 100.
    pub fn connections(mut self, connections: usize) -> Self {
        self.pool.connections = connections.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// The most connections to an address, idle ones included: by default 4. A host that has not been
    /// connected to since it last failed gets one.
    pub fn connections_per_host(mut self, connections: usize) -> Self {
        self.pool.per_host = connections.max(1);
        self
    }

    /// The most messages to a domain that are sent at the same time, over all of its hosts: by
    /// default 20.
    pub fn connections_per_domain(mut self, connections: usize) -> Self {
        self.per_domain = connections.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// The most messages on a connection: by default 100.
    pub fn messages_per_connection(mut self, messages: usize) -> Self {
        self.pool.messages = messages.max(1);
        self
    }

    /// The most messages to an address per period: by default there is no limit.
    pub fn rate_per_host(mut self, rate: impl Into<Option<Rate>>) -> Self {
        self.pool.rate = rate.into();
        self
    }

    /// How long a connection is kept unused: by default 20 seconds.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.pool.idle = limit.min(LONGEST);
        self
    }

    /// How long a host is left alone after it could not be connected to: by default 5 minutes, twice
    /// as long after each further failure, and at most an hour.
    pub fn host_deferral(mut self, first: Duration, longest: Duration) -> Self {
        self.pool.deferral = (first.min(LONGEST), longest.min(LONGEST));
        self
    }

    /// Changes the connector of each connection before it is used: with a
    /// [dialer](Connector::dialer), such as for a proxy of the caller's, an
    /// [observer](Connector::observer), or [options](Connector::on_socket) of its socket. It connects
    /// to the address of a host. What the courier sets itself, TLS above all, it sets afterwards.
    pub fn connector(
        mut self,
        adapt: impl Fn(Connector) -> Connector + Send + Sync + 'static,
    ) -> Self {
        self.settings.adapt = Some(Arc::new(adapt));
        self
    }

    /// The seed by which hosts of the same preference are shuffled. By default it is random for each
    /// message.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = Some(seed);
        self
    }
}

impl fmt::Debug for CourierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CourierBuilder").finish_non_exhaustive()
    }
}
