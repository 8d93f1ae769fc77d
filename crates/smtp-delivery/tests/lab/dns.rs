//! A DNS on loopback: a root zone that is signed with a fresh key, zones that are not, and faults.
use std::{
    collections::HashMap,
    future::{Future, pending},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use hickory_server::{
    Server,
    dnssec::NxProofKind,
    net::runtime::{Time, TokioRuntimeProvider},
    proto::{
        dnssec::{
            Algorithm, DigestType, DnssecSigner, SigningKey as _,
            crypto::Ed25519SigningKey,
            rdata::{DNSKEY, DNSSECRData, DS},
        },
        op::ResponseCode,
        rr::{
            LowerName, Name, RData, Record, RecordType,
            rdata::{A, AAAA, CNAME, MX, NS, SOA, TLSA, TXT},
        },
    },
    server::{Request, RequestHandler, ResponseHandler, ResponseInfo},
    store::in_memory::InMemoryZoneHandler,
    zone_handler::{AxfrPolicy, Catalog, MessageResponseBuilder, ZoneHandler, ZoneType},
};
use smtp_delivery::{DnsResolver, DnsResolverBuilder, Kind};
use tokio::net::{TcpListener, UdpSocket};

/// A name server with a whole DNS. Dropping it stops it.
pub struct Dns {
    address: SocketAddr,
    anchor: String,
    key: Key,
    state: Arc<State>,
    _server: Server<Handler>,
}

/// What is in the DNS.
///
/// Names are absolute, with or without the dot at their end. Everything is in the signed root zone,
/// unless its name is in a zone of [`insecure`](Self::insecure) or [`bogus`](Self::bogus).
///
/// The name server proves that a name does not exist only if the name above it does: in a signed zone
/// other names that do not exist are bogus.
#[derive(Clone)]
pub struct Content {
    records: Vec<(Name, u32, RData)>,
    zones: Vec<(Name, Delegation)>,
    altered: Vec<Name>,
    faults: Vec<(Name, Fault)>,
    ttl: u32,
}

/// How the root zone delegates a zone, which is itself not signed.
#[derive(Clone, Copy, PartialEq)]
enum Delegation {
    /// Without a DS record.
    Insecure,
    /// With a DS record of a key that does not exist.
    Bogus,
}

/// What the name server does instead of answering.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    Code(ResponseCode),
    Silence,
}

type Key = rustls::pki_types::PrivatePkcs8KeyDer<'static>;

impl Content {
    fn new() -> Self {
        Self {
            records: Vec::new(),
            zones: Vec::new(),
            altered: Vec::new(),
            faults: Vec::new(),
            ttl: 3600,
        }
    }

    /// Sets how many seconds the records that follow may be kept. Default: 3600.
    pub fn ttl(mut self, seconds: u32) -> Self {
        self.ttl = seconds;
        self
    }

    pub fn mx(self, name: &str, preference: u16, exchange: &str) -> Self {
        self.record(name, RData::MX(MX::new(preference, absolute(exchange))))
    }

    /// Adds an MX record whose exchange has these labels, of any octets.
    pub fn mx_of_labels(self, name: &str, preference: u16, labels: &[&[u8]]) -> Self {
        let exchange = Name::from_labels(labels.iter().copied()).unwrap();
        self.record(name, RData::MX(MX::new(preference, exchange)))
    }

    pub fn null_mx(self, name: &str) -> Self {
        self.mx(name, 0, ".")
    }

    pub fn address(self, name: &str, address: impl Into<IpAddr>) -> Self {
        self.record(
            name,
            match address.into() {
                IpAddr::V4(address) => RData::A(A(address)),
                IpAddr::V6(address) => RData::AAAA(AAAA(address)),
            },
        )
    }

    /// Adds a TLSA record of a host and a port; `fields` are usage, selector and matching type.
    pub fn tlsa(self, host: &str, port: u16, fields: [u8; 3], data: &[u8]) -> Self {
        let [usage, selector, matching] = fields;
        let tlsa = TLSA::new(usage.into(), selector.into(), matching.into(), data.to_vec());
        self.record(&format!("_{port}._tcp.{host}"), RData::TLSA(tlsa))
    }

    /// Adds a TXT record, in strings of 255 octets.
    pub fn txt(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let strings = text.as_ref().chunks(255).collect();
        self.record(name, RData::TXT(TXT::from_bytes(strings)))
    }

    pub fn cname(self, name: &str, target: &str) -> Self {
        self.record(name, RData::CNAME(CNAME(absolute(target))))
    }

    /// Makes this name a zone that is not signed.
    pub fn insecure(mut self, zone: &str) -> Self {
        self.zones.push((absolute(zone), Delegation::Insecure));
        self
    }

    /// Makes this name a zone that ought to be signed, and is not.
    pub fn bogus(mut self, zone: &str) -> Self {
        self.zones.push((absolute(zone), Delegation::Bogus));
        self
    }

    /// Alters the records of this name after they were signed: addresses, MX and TXT records become
    /// others.
    pub fn altered(mut self, name: &str) -> Self {
        self.altered.push(absolute(name));
        self
    }

    /// Answers queries of this name with SERVFAIL.
    pub fn servfail(self, name: &str) -> Self {
        self.fault(name, Fault::Code(ResponseCode::ServFail))
    }

    /// Answers queries of this name with REFUSED.
    pub fn refused(self, name: &str) -> Self {
        self.fault(name, Fault::Code(ResponseCode::Refused))
    }

    /// Answers no queries of this name.
    pub fn timeout(self, name: &str) -> Self {
        self.fault(name, Fault::Silence)
    }

    fn fault(mut self, name: &str, fault: Fault) -> Self {
        self.faults.push((absolute(name), fault));
        self
    }

    fn record(mut self, name: &str, data: RData) -> Self {
        self.records.push((absolute(name), self.ttl, data));
        self
    }

    /// Starts a name server with this content.
    pub async fn start(self) -> Dns {
        let key = Ed25519SigningKey::generate_pkcs8().unwrap();
        let state = Arc::new(State {
            zones: RwLock::new(Arc::new(Zones::new(&self, &key))),
            queries: Mutex::default(),
        });
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().unwrap();
        let mut server = Server::new(Handler(Arc::clone(&state)));
        server.register_socket(udp);
        server.register_listener(tcp, Duration::from_secs(5), 1024);
        Dns { address, anchor: anchor(&key), key, state, _server: server }
    }
}

impl Dns {
    /// Returns an empty content.
    pub fn builder() -> Content {
        Content::new()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the trust anchor: the DNSKEY record of the root.
    pub fn anchor(&self) -> &str {
        &self.anchor
    }

    /// Returns a builder of resolvers that use this name server and trust its root.
    pub fn resolver_builder(&self) -> DnsResolverBuilder {
        DnsResolver::builder().servers([self.address]).trust_anchor(self.anchor.clone())
    }

    /// Returns a resolver that uses this name server and trusts its root.
    pub fn resolver(&self) -> DnsResolver {
        self.resolver_builder().build().unwrap()
    }

    /// Replaces everything that is in the DNS. The key of the root stays.
    pub fn replace(&self, content: &Content) {
        *self.state.zones.write().unwrap() = Arc::new(Zones::new(content, &self.key));
    }

    /// Returns how many queries there were for this name and kind of records. Queries that were sent
    /// again, because the answer was late or truncated, count again.
    pub fn queries(&self, name: &str, kind: Kind) -> usize {
        let kind = kind.to_string().parse::<RecordType>().unwrap();
        let queries = self.state.queries.lock().unwrap();
        queries.get(&(absolute(name).to_lowercase(), kind)).copied().unwrap_or(0)
    }

    /// Returns how many queries there were, those for keys included.
    pub fn all_queries(&self) -> usize {
        self.state.queries.lock().unwrap().values().sum()
    }
}

/// Returns a trust anchor of the root whose key has signed nothing.
pub fn unrelated_anchor() -> String {
    anchor(&Ed25519SigningKey::generate_pkcs8().unwrap())
}

fn anchor(key: &Key) -> String {
    let key = Ed25519SigningKey::from_pkcs8(key).unwrap().to_public_key().unwrap();
    format!(". IN DNSKEY {}", DNSKEY::from_key(&key))
}

fn absolute(name: &str) -> Name {
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    name
}

/// Binds the same port for both transports.
async fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

struct State {
    zones: RwLock<Arc<Zones>>,
    queries: Mutex<HashMap<(Name, RecordType), usize>>,
}

/// The zones as they are served.
struct Zones {
    all: Catalog,
    /// The root alone, which answers for the DS records of the zones that it delegates.
    root: Catalog,
    faults: Vec<(Name, Fault)>,
}

impl Zones {
    fn new(content: &Content, key: &Key) -> Self {
        let zone_of = |name: &Name| {
            let zones = content.zones.iter().filter(|(zone, _)| zone.zone_of(name));
            zones.max_by_key(|(zone, _)| zone.num_labels()).map(|(zone, _)| zone.clone())
        };
        let records_of = |zone: &Name| -> Vec<_> {
            let records = content.records.iter();
            let is_here = |name| zone_of(name).unwrap_or_else(Name::root) == *zone;
            records.filter(|(name, ..)| is_here(name)).collect()
        };
        let mut root = zone(&Name::root(), records_of(&Name::root()));
        add(&mut root, &absolute("ns.lab"), 3600, RData::A(A::new(127, 0, 0, 1)));
        for (name, delegation) in &content.zones {
            add(&mut root, name, 3600, name_server());
            if *delegation == Delegation::Bogus {
                let ds = DS::new(7, Algorithm::ED25519, DigestType::SHA256, vec![7; 32]);
                add(&mut root, name, 3600, RData::DNSSEC(DNSSECRData::DS(ds)));
            }
        }
        sign(&mut root, key);
        alter(&mut root, &content.altered);
        let root: Arc<dyn ZoneHandler> = Arc::new(root);
        let mut zones =
            Self { all: Catalog::new(), root: Catalog::new(), faults: content.faults.clone() };
        zones.root.upsert(LowerName::new(&Name::root()), vec![Arc::clone(&root)]);
        zones.all.upsert(LowerName::new(&Name::root()), vec![root]);
        for (name, _) in &content.zones {
            let zone: Arc<dyn ZoneHandler> = Arc::new(zone(name, records_of(name)));
            zones.all.upsert(LowerName::new(name), vec![zone]);
        }
        zones
    }
}

fn zone(
    origin: &Name,
    records: Vec<&(Name, u32, RData)>,
) -> InMemoryZoneHandler<TokioRuntimeProvider> {
    let proofs = Some(NxProofKind::Nsec);
    let mut zone =
        InMemoryZoneHandler::empty(origin.clone(), ZoneType::Primary, AxfrPolicy::Deny, proofs);
    let server = absolute("ns.lab");
    let soa = SOA::new(server, absolute("hostmaster.lab"), 1, 3600, 600, 86_400, 300);
    add(&mut zone, origin, 900, RData::SOA(soa));
    add(&mut zone, origin, 3600, name_server());
    for (name, ttl, data) in records {
        add(&mut zone, name, *ttl, data.clone());
    }
    zone
}

fn name_server() -> RData {
    RData::NS(NS(absolute("ns.lab")))
}

fn add(zone: &mut InMemoryZoneHandler<TokioRuntimeProvider>, name: &Name, ttl: u32, data: RData) {
    let record = Record::from_rdata(name.clone(), ttl, data);
    assert!(zone.upsert_mut(record, 0), "{name} has this record already, or an alias");
}

fn sign(zone: &mut InMemoryZoneHandler<TokioRuntimeProvider>, key: &Key) {
    let key = Ed25519SigningKey::from_pkcs8(key).unwrap();
    let dnskey = DNSKEY::from_key(&key.to_public_key().unwrap());
    let validity = Duration::from_secs(86_400);
    let signer = DnssecSigner::new(dnskey, Box::new(key), Name::root(), validity);
    zone.add_zone_signing_key_mut(signer).unwrap();
    zone.secure_zone_mut().unwrap();
}

/// Changes records and leaves their signatures.
fn alter(zone: &mut InMemoryZoneHandler<TokioRuntimeProvider>, names: &[Name]) {
    for (key, set) in zone.records_get_mut() {
        if !names.iter().any(|name| LowerName::new(name) == key.name) {
            continue;
        }
        let change = |record: &Record| {
            let data = match &record.data {
                RData::A(_) => RData::A(A::new(192, 0, 2, 66)),
                RData::MX(_) => RData::MX(MX::new(0, absolute("mx.attacker.test"))),
                RData::TXT(_) => RData::TXT(TXT::new(vec!["altered".into()])),
                other => other.clone(),
            };
            Record::from_rdata(record.name.clone(), record.ttl, data)
        };
        let signatures = set.rrsigs().to_vec();
        let changed = set.records_without_rrsigs().map(change).collect();
        let set = Arc::make_mut(set);
        set.set_records(changed);
        set.set_rrsigs(signatures);
    }
}

struct Handler(Arc<State>);

impl Handler {
    async fn answer<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut handle: R,
    ) -> ResponseInfo {
        let query = request.request_info().expect("a query has one question").query;
        let (name, kind) = (Name::from(query.name()).to_lowercase(), query.query_type());
        *self.0.queries.lock().unwrap().entry((name.clone(), kind)).or_default() += 1;
        let zones = Arc::clone(&self.0.zones.read().unwrap());
        match zones.faults.iter().find(|(faulty, _)| *faulty == name) {
            Some((_, Fault::Silence)) => pending().await,
            Some((_, Fault::Code(code))) => {
                let builder = MessageResponseBuilder::from_message_request(request);
                let response = builder.error_msg(&request.metadata, *code);
                handle.send_response(response).await.expect("the client is still there")
            }
            None if kind == RecordType::DS => {
                zones.root.handle_request::<R, T>(request, handle).await
            }
            None => zones.all.handle_request::<R, T>(request, handle).await,
        }
    }
}

impl RequestHandler for Handler {
    fn handle_request<'s, 'r, 'f, R, T>(
        &'s self,
        request: &'r Request,
        handle: R,
    ) -> Pin<Box<dyn Future<Output = ResponseInfo> + Send + 'f>>
    where
        R: ResponseHandler + 'f,
        T: Time + 'f,
        's: 'f,
        'r: 'f,
        Self: 'f,
    {
        Box::pin(self.answer::<R, T>(request, handle))
    }
}
