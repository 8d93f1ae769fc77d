//! How messages are protected, in thousands of combinations of what a domain publishes and what its
//! host does. An [`oracle`] that is written apart from the crate says what is right.
use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};

use smtp_client::MailData;
use smtp_delivery::{
    Achieved, Demand, FetchError, FetchPolicy, HostFacts, Kind, Name, Proof, Report, StsPolicy,
    Unprotected, demand,
};
use smtp_testkit::Server;

use crate::world::{TEXT, World, name, words};

mod cell;
mod oracle;

use cell::{Cell, DOMAIN, FLOORS, HOST, HostTls, SECOND, StsFact, TlsaFact, envelope};
use oracle::{Right, Sent, judge};

/// Has the policy, or fails to fetch one.
struct Policy(Option<StsPolicy>);

impl FetchPolicy for Policy {
    async fn fetch(&self, _: &Name) -> Result<bytes::Bytes, FetchError> {
        let policy = self.0.as_ref().ok_or(FetchError::TimedOut)?;
        Ok(policy.to_string().into_bytes().into())
    }
}

type Reported = Vec<(String, String)>;

impl Cell {
    /// Publishes what there is about the domain, and adds its host at this address.
    fn publish(&self, world: &World, host: &str, address: &str) -> Server {
        let proof = |is_secure| if is_secure { Proof::Secure } else { Proof::Insecure };
        world.zone.sign(proof(self.addresses_are_secure));
        world.address(host, address);
        world.zone.set(&format!("_25._tcp.{host}"), Kind::Tlsa, self.tlsa.answer(self.tls));
        world.zone.sign(proof(self.mx_is_secure));
        world.mx(DOMAIN, if host == HOST { 10 } else { 20 }, host);
        let record = self.sts.record(proof(self.mx_is_secure));
        world.zone.set(&format!("_mta-sts.{DOMAIN}"), Kind::Txt, record);
        world.host(address, self.tls.host())
    }

    /// Sends a message. Returns the report, and what was reported of TLS.
    async fn send(&self, world: &World) -> (Report, Reported) {
        let results = Arc::new(Mutex::new(Reported::new()));
        let collected = Arc::clone(&results);
        let courier = world.courier_with(Policy(self.sts.policy()), |builder| {
            builder.floor(self.floor).on_tls_result(move |result| {
                let failure = result.failure.map(|failure| failure.result_type.to_string());
                let policy = result.policy.kind().to_string();
                let result = failure.unwrap_or_else(|| "success".into());
                collected.lock().unwrap().push((policy, result));
            })
        });
        let content = MailData::new(TEXT).unwrap();
        let report = courier.deliver(&envelope(self.requires_tls), content).await;
        let results = std::mem::take(&mut *results.lock().unwrap());
        (report, results)
    }

    /// Sends a message to the one host. Returns what came of it, in the words of the oracle.
    async fn play(&self) -> Result<(Sent, Reported), String> {
        let world = World::default();
        let server = self.publish(&world, HOST, "192.0.2.1");
        let (report, results) = self.send(&world).await;
        Ok((seen(&report, &server)?, results))
    }
}

/// Returns how the message was sent, as the report of the courier and the host agree on it.
fn seen(report: &Report, server: &Server) -> Result<Sent, String> {
    let at_host = server.report();
    let messages = at_host.messages().len();
    let achieved = report.attempts().iter().filter_map(|attempt| attempt.achieved).next_back();
    let sent = match achieved {
        None => Sent::Not,
        Some(Achieved::Clear) => Sent::Clear,
        Some(Achieved::Unverified) => Sent::Unverified,
        Some(Achieved::Pkix) => Sent::Pkix,
        Some(Achieved::Dane) => Sent::Dane,
        Some(other) => return Err(format!("{other}")),
    };
    let expected = if sent == Sent::Not { ("later", 0) } else { ("delivered", 1) };
    let [outcome] = words(report)[..] else { return Err("not one outcome".into()) };
    if (outcome, messages) != expected {
        return Err(format!("{outcome}, {messages} messages at the host; {report:?}"));
    }
    let is_clear = at_host.messages().iter().any(|message| message.tls().is_none());
    if is_clear != (sent == Sent::Clear) {
        return Err(format!("{sent:?}, and the host got it in clear: {is_clear}"));
    }
    Ok(sent)
}

/// Plays these cells, and returns those that the oracle does not agree with.
async fn disagreements(cells: impl Iterator<Item = Cell>) -> (usize, Vec<String>) {
    let (mut count, mut wrong) = (0, Vec::new());
    for cell in cells {
        count += 1;
        let Right { sent, reported } = judge(&cell);
        let own = |(policy, result): &(&str, &str)| (policy.to_string(), result.to_string());
        let right = Ok((sent, reported.iter().map(own).collect()));
        let found = cell.play().await;
        if found != right {
            wrong.push(format!("{cell:?}\n  right: {right:?}\n  found: {found:?}"));
        }
    }
    (count, wrong)
}

/// Returns the cells with these proofs.
fn cells(mx_is_secure: bool, addresses_are_secure: bool) -> impl Iterator<Item = Cell> {
    let messages = FLOORS.map(|floor| (floor, false)).into_iter().chain([(FLOORS[0], true)]);
    let tlsa: &[TlsaFact] = match addresses_are_secure {
        true => &TlsaFact::ALL,
        // They are not even looked up.
        false => &TlsaFact::TEMPTING,
    };
    let facts = tlsa.iter().flat_map(|tlsa| HostTls::ALL.map(|tls| (*tlsa, tls)));
    let facts = facts.flat_map(|(tlsa, tls)| StsFact::ALL.map(|sts| (tlsa, tls, sts)));
    facts.flat_map(move |(tlsa, tls, sts)| {
        messages.clone().map(move |(floor, requires_tls)| Cell {
            mx_is_secure,
            addresses_are_secure,
            tlsa,
            tls,
            sts,
            floor,
            requires_tls,
        })
    })
}

#[track_caller]
fn check((count, wrong): (usize, Vec<String>), expected: usize) {
    let shown = wrong.iter().take(20).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {count} cells:\n{shown}", wrong.len());
    assert_eq!(count, expected);
}

/// 8 hosts, 9 policies, and 4 messages: three floors and REQUIRETLS. It is times 10 TLSA answers where
/// addresses are signed, and 4 elsewhere.
const CELLS: usize = 8 * 9 * 4;

#[tokio::test(start_paused = true)]
async fn no_message_is_less_protected_than_published_where_all_is_signed() {
    check(disagreements(cells(true, true)).await, 10 * CELLS);
}

#[tokio::test(start_paused = true)]
async fn no_message_is_less_protected_than_published_where_addresses_are_not_signed() {
    check(disagreements(cells(true, false)).await, 4 * CELLS);
}

#[tokio::test(start_paused = true)]
async fn no_message_is_less_protected_than_published_where_mx_records_are_not_signed() {
    check(disagreements(cells(false, true)).await, 10 * CELLS);
}

#[tokio::test(start_paused = true)]
async fn no_message_is_less_protected_than_published_where_nothing_is_signed() {
    check(disagreements(cells(false, false)).await, 4 * CELLS);
}

/// The second host is good in every way. It gets what the first one cannot be sent.
#[tokio::test(start_paused = true)]
async fn the_next_host_gets_what_the_first_cannot_be_sent_protected() {
    let mut count = 0;
    for first in cells(true, true).chain(cells(false, false)) {
        let sts = match first.sts {
            StsFact::EnforceOther => StsFact::Enforce,
            StsFact::None | StsFact::Enforce | StsFact::Testing => first.sts,
            _ => continue,
        };
        // Each of these is like another one, of which the whole table has shown that.
        if matches!(first.tls, HostTls::Refused | HostTls::OtherAuthority | HostTls::Expired) {
            continue;
        }
        let second = Cell { tls: HostTls::Good, tlsa: TlsaFact::Key311, sts, ..first };
        let right = judge(&second);
        if judge(&first).sent != Sent::Not || right.sent == Sent::Not {
            continue;
        }
        count += 1;
        let world = World::default();
        let unused = first.publish(&world, HOST, "192.0.2.1");
        let server = second.publish(&world, SECOND, "192.0.2.2");
        let (report, mut results) = first.send(&world).await;
        assert_eq!(seen(&report, &server).as_ref(), Ok(&right.sent), "{first:?}");
        assert_eq!(unused.report().messages().len(), 0, "{first:?}");
        let mut reported = [judge(&first).reported, right.reported].concat();
        reported.sort_unstable();
        results.sort_unstable();
        let results: Vec<_> = results.iter().map(|(one, two)| (&**one, &**two)).collect();
        assert_eq!(results, reported, "{first:?}");
    }
    assert!(count > 400, "{count}");
}

/// A domain with a policy, whose host is good.
const ENFORCED: Cell = Cell {
    mx_is_secure: false,
    addresses_are_secure: false,
    tlsa: TlsaFact::None,
    tls: HostTls::Good,
    sts: StsFact::Enforce,
    floor: FLOORS[0],
    requires_tls: false,
};

#[tokio::test(start_paused = true)]
async fn sni_has_the_name_of_the_host() {
    let world = World::default();
    let server = ENFORCED.publish(&world, HOST, "192.0.2.1");
    let (report, _) = ENFORCED.send(&world).await;
    assert_eq!(seen(&report, &server), Ok(Sent::Pkix));
    assert_eq!(server.report().connections()[0].server_name(), Some(HOST));
}

#[tokio::test(start_paused = true)]
async fn a_host_without_requiretls_gets_no_message_that_requires_it() {
    let world = World::default();
    let cell = Cell { requires_tls: true, ..ENFORCED };
    let _replaced = cell.publish(&world, HOST, "192.0.2.1");
    let server = world.host("192.0.2.1", cell.tls.host_without_requiretls());
    let (report, results) = cell.send(&world).await;
    // TLS is as it should be, and the message is refused for good (RFC 8689, 4.2.1).
    assert_eq!(words(&report), ["refused"], "{report:?}");
    assert_eq!(server.report().messages().len(), 0);
    assert_eq!(results, [("sts".into(), "success".into())]);
    let notification = report.dsn(name("mta.example")).build(SystemTime::UNIX_EPOCH);
    let (_, content) = notification.unwrap().unwrap();
    assert!(String::from_utf8_lossy(content.octets()).contains("Status: 5.7.30\r\n"));
}

/// Each has another guard before it in a delivery: the handshake, and the route.
#[test]
fn no_demand_accepts_less_than_it_says_and_no_host_outside_a_policy_is_demanded_anything_of() {
    let all = [Achieved::Clear, Achieved::Unverified, Achieved::Pkix, Achieved::Dane];
    let dane = Demand::Dane { records: vec![], names: vec![] };
    let testing = |least| Demand::Testing { least };
    for (demand, least) in [
        (Demand::Opportunistic, Achieved::Clear),
        (testing(Achieved::Clear), Achieved::Clear),
        (testing(Achieved::Unverified), Achieved::Unverified),
        (Demand::Encrypted, Achieved::Unverified),
        (Demand::Pkix, Achieved::Pkix),
        (dane, Achieved::Dane),
    ] {
        for achieved in all {
            assert_eq!(demand.accepts(achieved), achieved >= least, "{demand:?} {achieved}");
        }
    }
    let policy = StsFact::EnforceOther.policy().unwrap();
    for floor in FLOORS {
        let host = name(HOST);
        let mut facts = HostFacts::new(Some(&host), floor);
        facts.sts = Some(&policy);
        let refused = demand(&facts);
        assert!(matches!(refused, Err(Unprotected::NotInPolicy)), "{refused:?}");
    }
}
