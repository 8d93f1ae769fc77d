//! A small world in memory: a zone of the DNS, and hosts by address.
use std::{
    collections::{HashMap, HashSet},
    io,
    net::IpAddr,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use smtp_client::{Address, Envelope, MailData, Tls};
use smtp_delivery::{
    Answer, Courier, CourierBuilder, DnsError, DnsFailure, FetchPolicy, Kind, Name, NoPolicies,
    Outcome, Proof, Record, Report, Resolve, Tlsa,
};
use smtp_testkit::{Authority, Dialer, Server, ServerBuilder};

use crate::cut::Cut;

/// How long an answer of the zone may be used.
pub(crate) const TTL: Duration = Duration::from_secs(300);

pub(crate) const TEXT: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// The authority that all couriers trust.
pub(crate) static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);

/// TLS with that authority.
static TLS: LazyLock<Tls> =
    LazyLock::new(|| Tls::authorities_pem(AUTHORITY.pem().as_bytes()).unwrap());

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The records of all names, and how often each was asked for.
#[derive(Clone, Default)]
pub(crate) struct Zone(Arc<Mutex<Records>>);

#[derive(Default)]
struct Records {
    answers: HashMap<(Name, Kind), Result<Answer, DnsFailure>>,
    hanging: HashSet<(Name, Kind)>,
    asked: HashMap<(Name, Kind), usize>,
    proof: Option<Proof>,
    ttl: Option<Duration>,
}

impl Zone {
    /// Adds a record.
    pub(crate) fn add(&self, owner: &str, kind: Kind, record: Record) {
        let mut records = self.0.lock().unwrap();
        let (proof, ttl) = (records.proof.unwrap_or(Proof::Insecure), records.ttl.unwrap_or(TTL));
        let answer = records.answers.entry((name(owner), kind));
        let answer = answer.or_insert_with(|| Ok(Answer::new([], ttl, proof)));
        let earlier = answer.as_ref().unwrap().records().to_vec();
        *answer = Ok(Answer::new(earlier.into_iter().chain([record]), ttl, proof));
    }

    /// Sets how long the answers of records that are added from now on may be used, and those that
    /// there are no records.
    pub(crate) fn ttl(&self, ttl: Duration) {
        self.0.lock().unwrap().ttl = Some(ttl);
    }

    /// Sets the answer to a lookup.
    pub(crate) fn set(&self, owner: &str, kind: Kind, answer: Result<Answer, DnsFailure>) {
        self.0.lock().unwrap().answers.insert((name(owner), kind), answer);
    }

    /// Never answers this lookup.
    pub(crate) fn hang(&self, owner: &str, kind: Kind) {
        self.0.lock().unwrap().hanging.insert((name(owner), kind));
    }

    /// Sets the proof of the records that are added from now on.
    pub(crate) fn sign(&self, proof: Proof) {
        self.0.lock().unwrap().proof = Some(proof);
    }

    /// Returns how often these records were looked up.
    pub(crate) fn asked(&self, owner: &str, kind: Kind) -> usize {
        self.0.lock().unwrap().asked.get(&(name(owner), kind)).copied().unwrap_or(0)
    }

    /// Returns how many lookups of this kind there were.
    pub(crate) fn asked_for(&self, kind: Kind) -> usize {
        let records = self.0.lock().unwrap();
        records.asked.iter().filter(|((_, other), _)| *other == kind).map(|(_, count)| count).sum()
    }

    /// Returns how many lookups there were.
    pub(crate) fn lookups(&self) -> usize {
        self.0.lock().unwrap().asked.values().sum()
    }
}

impl Resolve for Zone {
    async fn lookup(&self, owner: &Name, kind: Kind) -> Result<Answer, DnsError> {
        let key = (owner.clone(), kind);
        let (answer, hangs) = {
            let mut records = self.0.lock().unwrap();
            *records.asked.entry(key.clone()).or_default() += 1;
            let proof = records.proof.unwrap_or(Proof::Insecure);
            let exists = records.answers.keys().any(|(known, _)| known == owner);
            let ttl = records.ttl.unwrap_or(TTL);
            let nothing = match exists {
                true => Answer::new([], ttl, proof),
                false => Answer::no_such_name(ttl, proof),
            };
            let answer = records.answers.get(&key).cloned().unwrap_or(Ok(nothing));
            (answer, records.hanging.contains(&key))
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        answer.map_err(|failure| DnsError::new(owner.clone(), kind, failure))
    }
}

/// A zone, and the hosts that its addresses lead to. Where there is none, connections are refused.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) zone: Zone,
    dialers: Arc<Mutex<HashMap<IpAddr, Dialer>>>,
    dialed: Arc<Mutex<Vec<IpAddr>>>,
    /// After how many octets a connection to an address is cut.
    cuts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    open: Arc<Mutex<HashMap<IpAddr, Open>>>,
}

/// The connections that are open to an address, and the most that were open at a time.
#[derive(Clone, Copy, Default)]
struct Open {
    now: usize,
    most: usize,
}

/// An open connection.
struct Counted {
    open: Arc<Mutex<HashMap<IpAddr, Open>>>,
    ip: IpAddr,
}

impl Counted {
    fn new(open: &Arc<Mutex<HashMap<IpAddr, Open>>>, ip: IpAddr) -> Self {
        let mut counts = open.lock().unwrap();
        let count = counts.entry(ip).or_default();
        count.now += 1;
        count.most = count.most.max(count.now);
        Self { open: Arc::clone(open), ip }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.lock().unwrap().get_mut(&self.ip).unwrap().now -= 1;
    }
}

impl World {
    /// Adds an MX record.
    pub(crate) fn mx(&self, domain: &str, preference: u16, exchange: &str) -> &Self {
        let exchange = name(exchange);
        self.zone.add(domain, Kind::Mx, Record::Mx { preference, exchange });
        self
    }

    /// Adds an address record.
    pub(crate) fn address(&self, host: &str, address: &str) -> &Self {
        let address: IpAddr = address.parse().unwrap();
        let kind = if address.is_ipv4() { Kind::A } else { Kind::Aaaa };
        self.zone.add(host, kind, Record::Address(address));
        self
    }

    /// Adds a TLSA record of a host on port 25.
    pub(crate) fn tlsa(&self, host: &str, tlsa: Tlsa) -> &Self {
        self.zone.add(&format!("_25._tcp.{host}"), Kind::Tlsa, Record::Tlsa(tlsa));
        self
    }

    /// Puts a server at an address.
    pub(crate) fn host(&self, address: &str, server: ServerBuilder) -> Server {
        let (server, dialer) = server.pipes();
        self.dialers.lock().unwrap().insert(address.parse().unwrap(), dialer);
        server
    }

    /// Cuts every connection to this address after so many octets, those of both directions together.
    pub(crate) fn cut(&self, address: &str, octets: usize) {
        self.cuts.lock().unwrap().insert(address.parse().unwrap(), octets);
    }

    /// A courier of this world, without MTA-STS.
    pub(crate) fn courier(&self, set: impl FnOnce(CourierBuilder) -> CourierBuilder) -> Courier {
        self.courier_with(NoPolicies, set)
    }

    /// A courier of this world with these policies.
    pub(crate) fn courier_with(
        &self,
        policies: impl FetchPolicy + 'static,
        set: impl FnOnce(CourierBuilder) -> CourierBuilder,
    ) -> Courier {
        set(self.builder(self.zone.clone(), policies)).build()
    }

    /// The settings of a courier of this world that asks this resolver and fetches these policies.
    pub(crate) fn builder(
        &self,
        resolver: impl Resolve + 'static,
        policies: impl FetchPolicy + 'static,
    ) -> CourierBuilder {
        let (dialers, dialed) = (Arc::clone(&self.dialers), Arc::clone(&self.dialed));
        let (cuts, open) = (Arc::clone(&self.cuts), Arc::clone(&self.open));
        let builder = Courier::builder(resolver, policies).tls(TLS.clone()).seed(1);
        let builder = builder.hello_name("client.example".parse().unwrap());
        builder.connector(move |connector| {
            let (dialers, dialed) = (Arc::clone(&dialers), Arc::clone(&dialed));
            let (cuts, open) = (Arc::clone(&cuts), Arc::clone(&open));
            connector.dialer(move |address| {
                let Address::Tcp { host, .. } = &address else { unreachable!() };
                let ip: IpAddr = host.parse().unwrap();
                dialed.lock().unwrap().push(ip);
                let pipe = dialers.lock().unwrap().get(&ip).map(Dialer::dial);
                let octets = cuts.lock().unwrap().get(&ip).copied().unwrap_or(usize::MAX);
                let counted = Counted::new(&open, ip);
                async move {
                    let pipe = pipe.ok_or(io::ErrorKind::ConnectionRefused)?;
                    Ok(Cut::new(pipe, octets).holding(counted))
                }
            })
        })
    }

    /// Returns the most connections that were open at a time, to the address with the most.
    pub(crate) fn most_open(&self) -> usize {
        self.open.lock().unwrap().values().map(|count| count.most).max().unwrap_or(0)
    }

    /// Returns how often an address was connected to.
    pub(crate) fn dials(&self, address: &str) -> usize {
        self.dialed().iter().filter(|dialed| *dialed == address).count()
    }

    /// Returns the addresses that were connected to, in order.
    pub(crate) fn dialed(&self) -> Vec<String> {
        self.dialed.lock().unwrap().iter().map(ToString::to_string).collect()
    }
}

/// Delivers a text to these recipients.
pub(crate) async fn deliver(courier: &Courier, rcpts: &[&str]) -> Report {
    let envelope = Envelope::new("sender@client.example", rcpts.iter().copied()).unwrap();
    courier.deliver(&envelope, MailData::new(TEXT).unwrap()).await
}

/// Returns the outcomes in one word each.
pub(crate) fn words(report: &Report) -> Vec<&'static str> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Delivered { .. } => "delivered",
        Outcome::Refused { .. } => "refused",
        Outcome::NoRoute(_) => "no route",
        Outcome::Later { .. } => "later",
        Outcome::InDoubt { .. } => "in doubt",
        _ => "unknown",
    };
    report.outcomes().map(|(_, outcome)| word(outcome)).collect()
}
