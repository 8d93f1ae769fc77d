//! What a DNS, a policy host and a mail host can do to keep a courier busy: every delivery ends, within
//! a time that follows from the limits, and with an outcome that says why.
//!
//! Policy hosts that dribble, and responses without end, are in `https.rs`.
use std::{
    future::pending,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use smtp_client::{Envelope, MailData};
use smtp_delivery::{
    Answer, Courier, DnsError, DnsFailure, FetchError, FetchPolicy, Kind, Name, NoPolicies,
    NoRoute, Outcome, Proof, Reason, Record, Report, Resolve, ResultType, Tlsa, Unprotected,
};
use smtp_testkit::{Answer as Reply, Pipe, Rule, Server};
use tokio::time::Instant;

use crate::world::{TEXT, World, deliver, name, words};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Delivers, and returns how long that took on the paused clock.
async fn timed(courier: &Courier, rcpts: &[String]) -> (Report, Duration) {
    let began = Instant::now();
    let envelope = Envelope::new("sender@client.example", rcpts).unwrap();
    let report = courier.deliver(&envelope, MailData::new(TEXT).unwrap()).await;
    assert_eq!(report.outcomes().len(), rcpts.len());
    (report, began.elapsed())
}

fn one(rcpt: &str) -> [String; 1] {
    [rcpt.to_owned()]
}

/// The outcome of the only recipient.
fn outcome(report: &Report) -> &Outcome {
    report.outcomes().next().unwrap().1
}

/// A domain with so many hosts, of so many addresses each.
fn many_hosts(hosts: u16, addresses: u16) -> World {
    let world = World::default();
    for number in 0..hosts {
        let host = format!("mx{number}.example.org");
        world.mx("example.org", number, &host);
        for address in 0..addresses {
            world.address(&host, &format!("2001:db8::{number}:{address}"));
        }
    }
    world
}

#[tokio::test(start_paused = true)]
async fn fifty_hosts_of_a_hundred_addresses_that_do_not_answer_cost_five_connections() {
    let world = many_hosts(50, 100);
    let builder = world
        .builder(world.zone.clone(), NoPolicies)
        .connector(|connector| connector.dialer(|_| async { pending::<io::Result<Pipe>>().await }));
    let (report, took) = timed(&builder.build(), &one("a@example.org")).await;
    assert_eq!(words(&report), ["later"]);
    assert_eq!(report.attempts().len(), 5);
    // 30 seconds for each connection. One host and its addresses are looked up.
    assert!(took <= 5 * 30 * SECOND, "{took:?}");
    assert_eq!(world.zone.lookups(), 3);
}

#[tokio::test(start_paused = true)]
async fn hosts_that_are_silent_or_dribble_cost_five_minutes_each() {
    for answer in ["[stall]", "[dribble 1 60s]\nS: 220 mx.example.org ESMTP Postfix"] {
        let world = many_hosts(5, 1);
        let rule = Rule::greeting().answer(answer.parse().unwrap());
        let hosts = (0..5).map(|number| format!("2001:db8::{number}:0"));
        let servers = hosts.map(|host| world.host(&host, Server::builder().rule(rule.clone())));
        let _servers: Vec<_> = servers.collect();
        let courier = world.courier(|builder| builder);
        let (report, took) = timed(&courier, &one("a@example.org")).await;
        assert_eq!(words(&report), ["later"], "{answer}");
        assert_eq!(report.attempts().len(), 5);
        assert!(took <= 5 * 5 * MINUTE + 10 * SECOND, "{answer}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_end_is_cut_off() {
    let world = many_hosts(1, 1);
    let endless = "250-X\n".repeat(100_000);
    let rule = Rule::on("EHLO *").answer(Reply::reply(&endless));
    let _server = world.host("2001:db8::", Server::builder().rule(rule));
    let courier = world.courier(|builder| builder);
    let (report, took) = timed(&courier, &one("a@example.org")).await;
    assert_eq!(words(&report), ["later"]);
    assert!(matches!(outcome(&report), Outcome::Later { reason: Reason::Error(_), .. }));
    assert!(took < MINUTE, "{took:?}");
}

/// A resolver that never answers.
struct Silent;

impl Resolve for Silent {
    async fn lookup(&self, _: &Name, _: Kind) -> Result<Answer, DnsError> {
        pending().await
    }
}

fn thousand() -> Vec<String> {
    (0..1000).map(|number| format!("a@d{number}.example")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_hangs_ends_a_delivery_to_a_thousand_domains_in_ten_minutes() {
    let courier = World::default().builder(Silent, NoPolicies).build();
    let (report, took) = timed(&courier, &thousand()).await;
    for (_, outcome) in report.outcomes() {
        let Outcome::Later { reason: Reason::Dns(error), .. } = outcome else {
            panic!("{outcome}")
        };
        assert!(matches!(error.failure, DnsFailure::TimedOut), "{error}");
    }
    // 50 at a time, 30 seconds each.
    assert!(took <= 10 * MINUTE, "{took:?}");
}

/// A resolver that answers every question with the same records.
struct Always(Vec<Record>, Proof);

impl Resolve for Always {
    async fn lookup(&self, _: &Name, _: Kind) -> Result<Answer, DnsError> {
        Ok(Answer::new(self.0.clone(), 300 * SECOND, self.1))
    }
}

#[tokio::test(start_paused = true)]
async fn records_of_other_kinds_are_ignored() {
    let mx = Record::Mx { preference: 1, exchange: name("mx.example.org") };
    let tlsa = Record::Tlsa(Tlsa::new(3, 1, 1, [7; 32]));
    let text = Record::Txt(b"v=STSv1; id=1;".to_vec());
    let world = World::default();
    let server = world.host("192.0.2.1", Server::builder().offer("PIPELINING"));
    for proof in [Proof::Secure, Proof::Insecure] {
        for records in [vec![], vec![mx.clone()], vec![tlsa.clone()], vec![text.clone()]] {
            let always = Always(records, proof);
            let courier = world.builder(always, NoPolicies).build();
            let (report, _) = timed(&courier, &one("a@example.org")).await;
            let outcome = outcome(&report);
            assert!(matches!(outcome, Outcome::NoRoute(NoRoute::NoHost)), "{outcome}");
        }
        // Everything at once: an address, and a key that the host does not have.
        let address = Record::Address(IpAddr::from([192, 0, 2, 1]));
        let all = vec![text.clone(), tlsa.clone(), address, mx.clone()];
        let courier = world.builder(Always(all, proof), NoPolicies).build();
        let (report, _) = timed(&courier, &one("a@example.org")).await;
        let expected = if proof == Proof::Secure { "later" } else { "delivered" };
        assert_eq!(words(&report), [expected], "{report:?}");
    }
    assert_eq!(server.report().messages().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn answers_that_may_not_be_kept_are_kept_for_a_second() {
    let world = World::default();
    world.zone.ttl(Duration::ZERO);
    world.mx("example.org", 10, "mx.example.org").address("mx.example.org", "192.0.2.1");
    let _server = world.host("192.0.2.1", Server::builder());
    let courier = world.courier(|builder| builder);
    for round in 1..=3 {
        for _ in 0..50 {
            assert!(deliver(&courier, &["a@example.org"]).await.all_delivered());
        }
        assert_eq!(world.zone.lookups(), 3 * round);
        tokio::time::sleep(2 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_may_be_kept_for_ever_are_kept_for_a_day() {
    let world = World::default();
    world.zone.ttl(Duration::MAX);
    world.mx("example.org", 10, "mx.example.org").address("mx.example.org", "192.0.2.1");
    let _server = world.host("192.0.2.1", Server::builder());
    let courier = world.courier(|builder| builder);
    for (hours, lookups) in [(0, 1), (23, 1), (2, 2)] {
        tokio::time::sleep(hours * 60 * MINUTE).await;
        assert!(deliver(&courier, &["a@example.org"]).await.all_delivered());
        assert_eq!(world.zone.asked("example.org", Kind::Mx), lookups);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_no_host_can_have_is_no_host() {
    let long = format!("{}example", "a.".repeat(122));
    for exchange in ["m\\000x.example", "*.example", "-mx.example", "a@b.example", "[192.0.2.1]"] {
        let world = World::default();
        world.mx("example.org", 10, exchange).address(exchange, "192.0.2.1");
        let courier = world.courier(|builder| builder);
        let (report, _) = timed(&courier, &one("a@example.org")).await;
        let outcome = outcome(&report);
        assert!(matches!(outcome, Outcome::NoRoute(NoRoute::NoHost)), "{exchange}: {outcome}");
        assert_eq!(world.dialed(), [""; 0]);
    }
    // A name that leaves no room for the labels of TLSA records.
    let world = World::default();
    world.zone.sign(Proof::Secure);
    world.mx("example.org", 10, &long).address(&long, "192.0.2.1");
    let (report, _) = timed(&world.courier(|builder| builder), &one("a@example.org")).await;
    let outcome = outcome(&report);
    let Outcome::Later { reason: Reason::Unprotected(unprotected), .. } = outcome else {
        panic!("{outcome}")
    };
    assert!(matches!(unprotected, Unprotected::DaneUnknown(_)), "{unprotected}");
}

/// What fetches a policy of this many octets, or none at all.
struct Huge(Option<usize>);

impl FetchPolicy for Huge {
    async fn fetch(&self, _: &Name) -> Result<Bytes, FetchError> {
        match self.0 {
            Some(size) => Ok(vec![b'a'; size].into()),
            None => pending().await,
        }
    }
}

/// Delivers to a domain with these texts beside its policy, and returns what was reported.
async fn policy_result(fetcher: Huge, texts: &[&[u8]]) -> (Vec<ResultType>, Duration) {
    let world = many_hosts(1, 1);
    for text in texts {
        world.zone.add("_mta-sts.example.org", Kind::Txt, Record::Txt(text.to_vec()));
    }
    let _server = world.host("2001:db8::", Server::builder());
    let results = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&results);
    let builder = world.builder(world.zone.clone(), fetcher);
    let builder = builder.on_tls_result(move |result| seen.lock().unwrap().push(result));
    let (report, took) = timed(&builder.build(), &one("a@example.org")).await;
    assert_eq!(words(&report), ["delivered"], "{report:?}");
    let results = results.lock().unwrap();
    let policies = results.iter().filter_map(|result| {
        let failure = result.failure.as_ref()?;
        failure.mx_hostname.is_none().then_some(failure.result_type)
    });
    (policies.collect(), took)
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_too_large_or_never_comes_is_reported() {
    let record: &[u8] = b"v=STSv1; id=1;";
    let (reported, took) = policy_result(Huge(Some(10 * 1024 * 1024)), &[record]).await;
    assert_eq!((&*reported, took), (&[ResultType::StsPolicyInvalid][..], Duration::ZERO));
    let (reported, took) = policy_result(Huge(None), &[record]).await;
    assert_eq!(reported, [ResultType::StsPolicyFetchError]);
    assert!(took <= 2 * MINUTE, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn texts_of_64_kib_are_not_read() {
    let large = [&b"v=STSv1; id=1; a="[..], &[b'a'; 65_000]].concat();
    let (reported, took) = policy_result(Huge(None), &[&large[..]; 200]).await;
    assert_eq!((reported, took), (vec![], Duration::ZERO));
    // One of the usual size beside them counts.
    let record: &[u8] = b"v=STSv1; id=1;";
    let (reported, _) = policy_result(Huge(Some(9)), &[&large[..], record]).await;
    assert_eq!(reported, [ResultType::StsPolicyInvalid]);
}

/// A thousand domains, each with a preference of its own, on ten hosts.
fn thousand_domains() -> World {
    let world = World::default();
    for number in 0..10 {
        let host = format!("mx{number}.hosts.example");
        world.address(&host, &format!("192.0.2.{number}"));
    }
    for number in 0..1000_u16 {
        let host = format!("mx{}.hosts.example", number % 10);
        world.mx(&format!("d{number}.example"), number, &host);
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_message_to_a_thousand_domains_is_delivered_within_the_limits() {
    let world = thousand_domains();
    let hosts = (0..10).map(|number| format!("192.0.2.{number}"));
    let servers: Vec<_> = hosts.map(|host| world.host(&host, Server::builder())).collect();
    let courier = world.courier(|builder| builder);
    let (report, took) = timed(&courier, &thousand()).await;
    assert!(report.all_delivered());
    let messages = servers.iter().map(|server| server.report().messages().len());
    assert_eq!(messages.sum::<usize>(), 1000);
    assert!(world.most_open() <= 4, "{}", world.most_open());
    assert!(took < MINUTE, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_to_a_thousand_domains_whose_hosts_are_silent_ends() {
    let world = thousand_domains();
    let silent = Rule::greeting().answer("[stall]".parse().unwrap());
    let hosts = (0..10).map(|number| format!("192.0.2.{number}"));
    let servers = hosts.map(|host| world.host(&host, Server::builder().rule(silent.clone())));
    let _servers: Vec<_> = servers.collect();
    let courier = world.courier(|builder| builder);
    let (report, took) = timed(&courier, &thousand()).await;
    assert!(words(&report).iter().all(|word| *word == "later"));
    // Eight at a time, those included that wait for a host to which another connection is being
    // opened; and a host is tried again after it was left alone.
    assert!(took <= 20 * MINUTE + SECOND, "{took:?}");
    assert!(world.dialed().len() <= 20, "{}", world.dialed().len());
}

#[cfg(all(feature = "hickory", any(feature = "aws-lc-rs", feature = "ring")))]
mod aliases {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::lab::dns::{Content, Dns};

    /// Adds a chain of aliases with this many links; the last is an alias of `end`.
    fn chain(content: Content, start: &str, links: usize, end: &str) -> Content {
        let name = |link: usize| match link {
            0 => start.to_owned(),
            link if link == links => end.to_owned(),
            link => format!("link{link}.{start}"),
        };
        (0..links).fold(content, |content, link| content.cname(&name(link), &name(link + 1)))
    }

    /// Delivers to a domain of this DNS, where connections are refused.
    async fn reason(content: Content, domain: &str) -> Reason {
        let dns = content.start().await;
        let builder = World::default().builder(dns.resolver(), NoPolicies);
        let rcpt = format!("a@{domain}");
        let delivered = deliver_within(builder.build(), &rcpt).await;
        match outcome(&delivered) {
            Outcome::Later { reason, .. } => reason.clone(),
            other => panic!("{other}"),
        }
    }

    async fn deliver_within(courier: Courier, rcpt: &str) -> Report {
        let rcpts = [rcpt];
        let delivery = deliver(&courier, &rcpts);
        tokio::time::timeout(20 * SECOND, delivery).await.unwrap()
    }

    #[tokio::test]
    async fn aliases_are_followed_and_loops_and_long_chains_are_told() {
        let at = Ipv4Addr::new(192, 0, 2, 1);
        let base = || Dns::builder().address("mx.example", at);
        for (content, is_reached) in [
            (chain(base().mx("end.example", 1, "mx.example"), "a.example", 9, "end.example"), true),
            (chain(base().mx("a.example", 1, "b.example"), "b.example", 9, "mx.example"), true),
            (chain(base(), "a.example", 30, "mx.example"), false),
            (base().cname("a.example", "b.example").cname("b.example", "a.example"), false),
            (base().cname("a.example", "a.example"), false),
            (base().mx("a.example", 1, "b.example").cname("b.example", "b.example"), false),
        ] {
            match reason(content, "a.example").await {
                Reason::Error(error) => assert!(is_reached, "{error}"),
                Reason::Dns(error) => {
                    assert!(!is_reached && matches!(error.failure, DnsFailure::Aliases), "{error}");
                }
                other => panic!("{other}"),
            }
        }
    }

    #[tokio::test]
    async fn a_loop_where_the_keys_would_be_defers() {
        let content = Dns::builder()
            .mx("a.example", 1, "mx.example")
            .address("mx.example", Ipv4Addr::new(192, 0, 2, 1))
            .cname("_25._tcp.mx.example", "_25._tcp.mx.example");
        let reason = reason(content, "a.example").await;
        assert!(matches!(reason, Reason::Unprotected(Unprotected::DaneUnknown(_))), "{reason}");
    }
}
