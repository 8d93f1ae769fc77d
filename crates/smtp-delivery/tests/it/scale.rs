//! Many messages to many domains, a tenth of which have a fault of one of ten kinds.
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use smtp_client::{Envelope, MailData};
use smtp_delivery::{
    Courier, DnsFailure, FetchError, FetchPolicy, Kind, Name, Outcome, Proof, Record, Report, Tlsa,
};
use smtp_testkit::{CertificateKind, Rule, Server, ServerBuilder};

use crate::world::{AUTHORITY, TEXT, World, words};

/// Ten kinds of faults. Five domains have each.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Dead,
    Silent,
    Busy,
    RefusesForNow,
    CutAfterDot,
    CutInText,
    Certificate,
    ServFail,
    NoSuchDomain,
    NullMx,
}

const FAULTS: [Fault; 10] = [
    Fault::Dead,
    Fault::Silent,
    Fault::Busy,
    Fault::RefusesForNow,
    Fault::CutAfterDot,
    Fault::CutInText,
    Fault::Certificate,
    Fault::ServFail,
    Fault::NoSuchDomain,
    Fault::NullMx,
];
const DOMAINS: usize = 500;
const FAULTY: usize = DOMAINS / 10;
/// Hosts that offer no TLS, those of domains with an MTA-STS policy, those of domains with DANE; and
/// eight with a fault: 40 in all.
const PLAIN: usize = 24;
const STS: usize = 4;
const DANE: usize = 4;
/// The most connections to a host.
const PER_HOST: usize = 4;
const MINUTE: Duration = Duration::from_secs(60);

/// The domains, their hosts, and what is expected.
struct Net {
    world: World,
    /// The hosts: the last octet of the address of each is its place.
    hosts: Vec<String>,
    servers: Vec<Server>,
    policies: HashMap<Name, String>,
    expected: Vec<&'static str>,
}

/// What a domain publishes besides its MX records.
#[derive(Clone, Copy)]
enum Publishes {
    Nothing,
    Sts,
    Tlsa,
}

struct InMemory(HashMap<Name, String>);

impl FetchPolicy for InMemory {
    async fn fetch(&self, domain: &Name) -> Result<Bytes, FetchError> {
        let policy = self.0.get(domain).cloned();
        policy.map(Bytes::from).ok_or(FetchError::NoAddress)
    }
}

impl Net {
    fn new() -> Self {
        let world = World::default();
        world.zone.ttl(24 * 60 * MINUTE);
        let (hosts, servers) = (Vec::new(), Vec::new());
        let mut net =
            Self { world, hosts, servers, policies: HashMap::new(), expected: Vec::new() };
        for number in 0..PLAIN {
            net.host(&format!("plain{number}"), usual(), Proof::Insecure);
        }
        for number in 0..STS {
            net.host(&format!("sts{number}"), usual().offer("STARTTLS"), Proof::Insecure);
        }
        for number in 0..DANE {
            let host = format!("dane{number}");
            net.host(&host, usual().offer("STARTTLS"), Proof::Secure);
            net.world.tlsa(&full(&host), Tlsa::new(2, 0, 0, AUTHORITY.der()));
        }
        net.faulty_hosts();
        net.world.zone.sign(Proof::Insecure);
        for number in 0..DOMAINS {
            let expected = match number {
                ..FAULTY => net.faulty_domain(number),
                _ => net.good_domain(number),
            };
            net.expected.push(expected);
        }
        net.world.zone.sign(Proof::Insecure);
        net
    }

    /// Adds a host with a certificate for its name.
    fn host(&mut self, host: &str, builder: ServerBuilder, proof: Proof) {
        let address = self.name(host, proof);
        let authority = AUTHORITY.clone().name(&full(host)).unwrap();
        self.servers.push(self.world.host(&address, builder.authority(authority)));
    }

    /// Gives a host its name and address.
    fn name(&mut self, host: &str, proof: Proof) -> String {
        self.hosts.push(host.to_owned());
        let address = self.address(host);
        self.world.zone.sign(proof);
        self.world.address(&full(host), &address);
        address
    }

    fn address(&self, host: &str) -> String {
        let place = self.hosts.iter().position(|known| known == host).unwrap();
        format!("192.0.2.{place}")
    }

    /// Returns how often each of these hosts was connected to.
    fn dials<const N: usize>(&self, hosts: [&str; N]) -> [usize; N] {
        hosts.map(|host| self.world.dials(&self.address(host)))
    }

    fn faulty_hosts(&mut self) {
        self.name("dead", Proof::Insecure);
        for (host, rule) in [
            ("silent", Rule::greeting().answer("[stall]".parse().unwrap())),
            ("busy", Rule::greeting().answer("S: 421 4.3.2 busy\n[close]".parse().unwrap())),
            ("refuses", Rule::on("RCPT *").reply("450 4.2.1 later")),
            ("cutafterdot", Rule::text().answer("[reset]".parse().unwrap())),
            ("cutintext", Rule::inside_text(9).answer("[reset]".parse().unwrap())),
        ] {
            // What a host has not read yet must not have the end of the message.
            self.host(host, usual().window(8).rule(rule), Proof::Insecure);
        }
        let unknown = usual().offer("STARTTLS");
        let unknown = unknown.certificate(CertificateKind::UnknownAuthority);
        self.host("badsts", unknown, Proof::Insecure);
        self.host("baddane", usual().offer("STARTTLS"), Proof::Secure);
        self.world.tlsa(&full("baddane"), Tlsa::new(3, 1, 1, [7; 32]));
    }

    fn good_domain(&mut self, number: usize) -> &'static str {
        let (kind, hosts, publishes) = match number % 10 {
            0 => ("sts", STS, Publishes::Sts),
            1 => ("dane", DANE, Publishes::Tlsa),
            _ => ("plain", PLAIN, Publishes::Nothing),
        };
        let first = number / 10 % hosts;
        let hosts = [first, (first + 1) % hosts].map(|at| format!("{kind}{at}"));
        self.publish(number, &[&hosts[0], &hosts[1]], publishes);
        "delivered"
    }

    /// Adds a domain with a fault. Every other one has a second host, without a fault.
    fn faulty_domain(&mut self, number: usize) -> &'static str {
        let (fault, copy) = (FAULTS[number % 10], number / 10);
        let (host, backup, publishes) = match fault {
            Fault::Dead => ("dead", "plain0", Publishes::Nothing),
            Fault::Silent => ("silent", "plain1", Publishes::Nothing),
            Fault::Busy => ("busy", "plain2", Publishes::Nothing),
            Fault::RefusesForNow => ("refuses", "plain3", Publishes::Nothing),
            Fault::CutAfterDot => ("cutafterdot", "plain4", Publishes::Nothing),
            Fault::CutInText => ("cutintext", "plain5", Publishes::Nothing),
            Fault::Certificate if copy < 3 => ("badsts", "sts0", Publishes::Sts),
            Fault::Certificate => ("baddane", "dane0", Publishes::Tlsa),
            Fault::ServFail => {
                let failure = DnsFailure::Refused("SERVFAIL".into());
                self.world.zone.set(&domain(number), Kind::Mx, Err(failure));
                return "later";
            }
            Fault::NoSuchDomain => return "no route",
            Fault::NullMx => {
                self.world.mx(&domain(number), 0, ".");
                return "no route";
            }
        };
        let has_backup = copy % 2 == 0;
        let hosts = if has_backup { vec![host, backup] } else { vec![host] };
        self.publish(number, &hosts, publishes);
        match fault {
            Fault::CutAfterDot => "in doubt",
            _ if has_backup => "delivered",
            _ => "later",
        }
    }

    fn publish(&mut self, number: usize, hosts: &[&str], publishes: Publishes) {
        let domain = domain(number);
        let zone = &self.world.zone;
        zone.sign(match publishes {
            Publishes::Tlsa => Proof::Secure,
            _ => Proof::Insecure,
        });
        for (preference, host) in (10..).zip(hosts) {
            self.world.mx(&domain, preference, &full(host));
        }
        if let Publishes::Sts = publishes {
            let record = Record::Txt(b"v=STSv1; id=1;".to_vec());
            zone.add(&format!("_mta-sts.{domain}"), Kind::Txt, record);
            let patterns = hosts.iter().map(|host| format!("mx: {}\n", full(host)));
            let patterns: String = patterns.collect();
            let policy = format!("version: STSv1\nmode: enforce\n{patterns}max_age: 604800\n");
            self.policies.insert(domain.parse().unwrap(), policy);
        }
    }

    fn courier(&self) -> Courier {
        let policies = InMemory(self.policies.clone());
        let builder = self.world.builder(self.world.zone.clone(), policies);
        builder.connections_per_host(PER_HOST).build()
    }

    /// Returns how often the hosts have the message for each recipient.
    fn copies(&self) -> HashMap<String, usize> {
        let mut copies = HashMap::new();
        for server in &self.servers {
            for message in server.report().messages() {
                for recipient in message.recipients() {
                    *copies.entry(recipient).or_default() += 1;
                }
            }
        }
        copies
    }
}

fn usual() -> ServerBuilder {
    Server::builder().offer("PIPELINING")
}

fn domain(number: usize) -> String {
    format!("d{number}.example")
}

fn full(host: &str) -> String {
    format!("{host}.hosts.example")
}

async fn deliver(courier: &Courier, number: usize) -> Report {
    let rcpt = format!("u{number}@{}", domain(number % DOMAINS));
    let envelope = Envelope::new("sender@client.example", [rcpt]).unwrap();
    courier.deliver(&envelope, MailData::new(TEXT).unwrap()).await
}

/// Delivers so many messages, 200 at a time, and judges each against what the hosts have.
async fn judge(messages: usize) -> Net {
    let net = Net::new();
    let courier = net.courier();
    // Unordered, so that messages that wait for a silent host do not keep the others back.
    let reports: Vec<_> = stream::iter(0..messages)
        .map(async |number| (number, deliver(&courier, number).await))
        .buffer_unordered(200)
        .collect()
        .await;
    courier.close().await;
    let copies = net.copies();
    for (number, report) in &reports {
        let words = words(report);
        assert_eq!(words, [net.expected[number % DOMAINS]], "message {number}: {report:?}");
        let (rcpt, outcome) = report.outcomes().next().unwrap();
        let copies = copies.get(rcpt.path().as_str()).copied().unwrap_or(0);
        match outcome {
            Outcome::Delivered { .. } => assert_eq!(copies, 1, "message {number}"),
            Outcome::InDoubt { .. } => assert!(copies <= 1, "message {number}"),
            _ => assert_eq!(copies, 0, "message {number}"),
        }
    }
    assert_eq!(courier.connections(), 0);
    assert!(net.world.most_open() <= PER_HOST, "{}", net.world.most_open());
    judge_lookups(&net);
    // A host that cannot be used costs one connection, however many messages there are for it.
    assert_eq!(net.dials(["dead", "silent", "busy", "badsts", "baddane"]), [1; 5]);
    net
}

/// Each domain costs two lookups, those of its MX records and of its MTA-STS record, and each host one
/// for each family of addresses, and one if its zone is signed.
fn judge_lookups(net: &Net) {
    let zone = &net.world.zone;
    assert_eq!(zone.asked_for(Kind::Mx), DOMAINS);
    // Where the MX records cannot be looked up, the policy makes no difference.
    assert_eq!(zone.asked_for(Kind::Txt), DOMAINS - FAULTY / FAULTS.len());
    let hosts = PLAIN + STS + DANE + 8;
    assert_eq!((zone.asked_for(Kind::A), zone.asked_for(Kind::Aaaa)), (hosts, hosts));
    assert_eq!(zone.asked_for(Kind::Tlsa), DANE + 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_messages_have_one_outcome_each() {
    judge(1000).await;
}

/// `cargo test --release -p smtp-delivery --test it scale -- --ignored --nocapture`
#[tokio::test(start_paused = true)]
#[ignore = "it takes long without optimization"]
#[allow(clippy::print_stderr, reason = "the figures are read by a person")]
async fn ten_thousand_messages_have_one_outcome_each() {
    let began = std::time::Instant::now();
    let net = judge(10_000).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    let dialed = net.world.dialed();
    let addresses: HashSet<_> = dialed.iter().collect();
    eprintln!(
        "{:?}; {peak}; {} lookups; {} connections to {} addresses, at most {} at a time to one",
        began.elapsed(),
        net.world.zone.lookups(),
        dialed.len(),
        addresses.len(),
        net.world.most_open(),
    );
}

#[tokio::test(start_paused = true)]
async fn a_host_that_was_left_alone_is_tried_once_per_period() {
    let net = Net::new();
    let courier = net.courier();
    // The fourth domain of each of these faults, which has no second host.
    let faulty = [30, 32, 36];
    let hosts = ["dead", "busy", "baddane"];
    for period in 1..=4 {
        for round in 0..20 {
            for number in faulty {
                deliver(&courier, number + DOMAINS * round).await;
            }
        }
        assert_eq!(net.dials(hosts), [period; 3], "period {period}");
        // 5, 10, 20 and 40 minutes.
        tokio::time::sleep(5 * MINUTE * (1 << (period - 1))).await;
    }
}
