//! What the resolver makes of answers: records, denials, aliases, proofs, faults.
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use smtp_delivery::{
    Answer, DnsFailure, DnsResolver, DnsSetupError, Kind, Name, Proof, Record, Resolve, Tlsa,
    UnusableAnswer,
};

use hickory_server::proto::{
    op::{Message, ResponseCode},
    rr::{RData, Record as RawRecord, rdata},
};
use tokio::net::UdpSocket;

use crate::lab::dns::{self, Content, Dns};

const HOST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

async fn lookup(dns: &Dns, name: &str, kind: Kind) -> Result<Answer, DnsFailure> {
    ask(&dns.resolver(), name, kind).await
}

async fn ask(resolver: &DnsResolver, name: &str, kind: Kind) -> Result<Answer, DnsFailure> {
    resolver.lookup(&Name::new(name).unwrap(), kind).await.map_err(|error| error.failure)
}

fn mx(preference: u16, exchange: &str) -> Record {
    Record::Mx { preference, exchange: Name::new(exchange).unwrap() }
}

/// A signed domain, an unsigned one, and one that ought to be signed.
fn three_domains() -> Content {
    let mut content = Dns::builder().insecure("insecure.test").bogus("bogus.test");
    for domain in ["signed.test", "insecure.test", "bogus.test"] {
        let host = format!("mx.{domain}");
        content = content
            .mx(domain, 10, &host)
            .address(&host, HOST)
            .address(&host, Ipv6Addr::LOCALHOST)
            .tlsa(&host, 25, [3, 1, 1], &[7; 32])
            .txt(&format!("_mta-sts.{domain}"), "v=STSv1; id=1;");
    }
    content
}

#[tokio::test]
async fn records_of_signed_zones_are_secure() {
    let dns = three_domains().start().await;
    let host = "mx.signed.test";
    for (name, kind, expected) in [
        ("signed.test", Kind::Mx, mx(10, host)),
        (host, Kind::A, Record::Address(IpAddr::V4(HOST))),
        (host, Kind::Aaaa, Record::Address(IpAddr::V6(Ipv6Addr::LOCALHOST))),
        ("_25._tcp.mx.signed.test", Kind::Tlsa, Record::Tlsa(Tlsa::new(3, 1, 1, [7; 32]))),
        ("_mta-sts.signed.test", Kind::Txt, Record::Txt(b"v=STSv1; id=1;".to_vec())),
    ] {
        let answer = lookup(&dns, name, kind).await.unwrap();
        assert_eq!(answer.records(), [expected], "{kind} {name}");
        assert_eq!(answer.proof(), Proof::Secure, "{kind} {name}");
        assert_eq!(answer.ttl(), Duration::from_secs(3600), "{kind} {name}");
        assert_eq!(answer.alias_target(), None, "{kind} {name}");
    }
}

#[tokio::test]
async fn records_of_unsigned_zones_are_insecure() {
    let dns = three_domains().start().await;
    for (name, kind) in [
        ("insecure.test", Kind::Mx),
        ("mx.insecure.test", Kind::A),
        ("mx.insecure.test", Kind::Aaaa),
        ("_25._tcp.mx.insecure.test", Kind::Tlsa),
        ("_mta-sts.insecure.test", Kind::Txt),
    ] {
        let answer = lookup(&dns, name, kind).await.unwrap();
        assert_eq!(answer.records().len(), 1, "{kind} {name}");
        assert_eq!(answer.proof(), Proof::Insecure, "{kind} {name}");
    }
}

#[tokio::test]
async fn records_that_ought_to_be_signed_are_refused() {
    let dns = three_domains().altered("mx.signed.test").altered("signed.test").start().await;
    for (name, kind) in [
        ("bogus.test", Kind::Mx),
        ("mx.bogus.test", Kind::A),
        ("_25._tcp.mx.bogus.test", Kind::Tlsa),
        ("nothing.bogus.test", Kind::A),
        ("bogus.test", Kind::A),
        ("signed.test", Kind::Mx),
        ("mx.signed.test", Kind::A),
    ] {
        let result = lookup(&dns, name, kind).await;
        assert!(matches!(result, Err(DnsFailure::Bogus)), "{kind} {name}: {result:?}");
    }
}

#[tokio::test]
async fn denials_are_answers_with_a_proof() {
    let dns = three_domains().start().await;
    for (name, kind, exists, proof) in [
        ("signed.test", Kind::A, true, Proof::Secure),
        ("_26._tcp.mx.signed.test", Kind::Tlsa, false, Proof::Secure),
        ("_tcp.mx.signed.test", Kind::Tlsa, true, Proof::Secure),
        ("nothing.signed.test", Kind::Mx, false, Proof::Secure),
        ("nothing.invalid", Kind::Mx, false, Proof::Secure),
        ("localhost", Kind::A, false, Proof::Secure),
        ("insecure.test", Kind::A, true, Proof::Insecure),
        ("nothing.insecure.test", Kind::Mx, false, Proof::Insecure),
        ("_26._tcp.mx.insecure.test", Kind::Tlsa, false, Proof::Insecure),
    ] {
        let answer = lookup(&dns, name, kind).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(answer.records(), [], "{kind} {name}");
        assert_eq!((answer.name_exists(), answer.proof()), (exists, proof), "{kind} {name}");
        // The minimum field of the SOA record, not its TTL (RFC 2308, 5).
        assert_eq!(answer.ttl(), Duration::from_secs(300), "{kind} {name}");
    }
}

#[tokio::test]
async fn a_null_mx_is_an_mx_record_of_the_root() {
    let dns = Dns::builder().null_mx("null.test").start().await;
    let answer = lookup(&dns, "null.test", Kind::Mx).await.unwrap();
    assert_eq!(answer.records(), [mx(0, ".")]);
    assert_eq!(answer.proof(), Proof::Secure);
}

#[tokio::test]
async fn an_answer_is_as_secure_as_the_weakest_alias() {
    let dns = three_domains()
        .cname("to-secure.test", "mx.signed.test")
        .cname("to-insecure.test", "mx.insecure.test")
        .cname("from.insecure.test", "mx.signed.test")
        .cname("to-nothing.test", "nothing.signed.test")
        .cname("to-no-tlsa.test", "mx.signed.test")
        .cname("insecure-to-nothing.insecure.test", "nothing.signed.test")
        .start()
        .await;
    let (secure, insecure) = (Proof::Secure, Proof::Insecure);
    for (name, kind, target, alias, proof, records) in [
        ("to-secure.test", Kind::A, "mx.signed.test", secure, secure, 1),
        ("to-insecure.test", Kind::A, "mx.insecure.test", secure, insecure, 1),
        ("from.insecure.test", Kind::A, "mx.signed.test", insecure, insecure, 1),
        ("to-nothing.test", Kind::A, "nothing.signed.test", secure, secure, 0),
        ("to-no-tlsa.test", Kind::Tlsa, "mx.signed.test", secure, secure, 0),
        (
            "insecure-to-nothing.insecure.test",
            Kind::Tlsa,
            "nothing.signed.test",
            insecure,
            insecure,
            0,
        ),
    ] {
        let answer = lookup(&dns, name, kind).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(answer.alias_target(), Some(&Name::new(target).unwrap()), "{name}");
        assert_eq!(answer.alias_proof(), Some(alias), "{name}");
        assert_eq!(answer.proof(), proof, "{name}");
        assert_eq!(answer.records().len(), records, "{name}");
        assert_eq!(answer.name_exists(), !target.starts_with("nothing"), "{name}");
    }
}

#[tokio::test]
async fn an_alias_of_a_bogus_name_is_refused() {
    let dns = three_domains().cname("alias.test", "mx.bogus.test").start().await;
    let result = lookup(&dns, "alias.test", Kind::A).await;
    assert!(matches!(result, Err(DnsFailure::Bogus)), "{result:?}");
}

fn chain(length: usize) -> Content {
    let links = 0..length;
    let content = Dns::builder().address(&format!("{length}.test"), HOST);
    links.fold(content, |content, link| {
        content.cname(&format!("{link}.test"), &format!("{}.test", link + 1))
    })
}

#[tokio::test]
async fn chains_of_aliases_end() {
    let dns = chain(DnsResolver::MAX_ALIASES).start().await;
    let answer = lookup(&dns, "0.test", Kind::A).await.unwrap();
    assert_eq!(answer.alias_target(), Some(&Name::new("10.test").unwrap()));
    assert_eq!(answer.addresses().next(), Some(IpAddr::V4(HOST)));

    for content in [
        chain(DnsResolver::MAX_ALIASES + 1),
        chain(20),
        Dns::builder().cname("0.test", "0.test"),
        Dns::builder().cname("0.test", "1.test").cname("1.test", "0.test"),
        Dns::builder()
            .insecure("insecure.test")
            .cname("0.test", "0.insecure.test")
            .cname("0.insecure.test", "0.test"),
    ] {
        dns.replace(&content);
        let result = lookup(&dns, "0.test", Kind::A).await;
        assert!(matches!(result, Err(DnsFailure::Aliases)), "{result:?}");
    }
}

#[tokio::test]
async fn refusals_have_the_text_of_their_code() {
    let dns = Dns::builder().servfail("a.test").refused("b.test").start().await;
    for (name, code) in [("a.test", "SERVFAIL"), ("b.test", "REFUSED")] {
        match lookup(&dns, name, Kind::Mx).await {
            Err(DnsFailure::Refused(text)) => assert_eq!(text, code),
            result => panic!("{name}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn a_name_server_that_does_not_answer_is_waited_for_as_long_as_set() {
    let dns = three_domains().timeout("silent.test").start().await;
    let long = Duration::from_secs(3600);
    for (timeout, deadline) in
        [(Duration::from_millis(50), long), (long, Duration::from_millis(50))]
    {
        let builder = dns.resolver_builder().timeout(timeout).deadline(deadline).attempts(2);
        let resolver = builder.build().unwrap();
        let result = ask(&resolver, "silent.test", Kind::Mx).await;
        assert!(matches!(result, Err(DnsFailure::TimedOut)), "{result:?}");
    }
    assert!(dns.queries("silent.test", Kind::Mx) >= 2);
}

#[tokio::test]
async fn large_answers_are_read_up_to_their_limits() {
    let text: Vec<u8> = (0..63_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut content = Dns::builder().txt("text.test", &text);
    for n in 0..50_u8 {
        content = content.mx("many.test", n.into(), &format!("mx{n}.test"));
    }
    for n in 0..100_u8 {
        content = content.address("many.test", Ipv4Addr::new(127, 0, 1, n));
    }
    for n in 0..=200_u8 {
        content = content.address("too-many.test", Ipv4Addr::new(127, 0, 1, n));
    }
    let dns = content.start().await;
    let resolver = dns.resolver();

    assert_eq!(ask(&resolver, "many.test", Kind::Mx).await.unwrap().records().len(), 50);
    assert_eq!(ask(&resolver, "many.test", Kind::A).await.unwrap().addresses().count(), 100);
    let answer = ask(&resolver, "text.test", Kind::Txt).await.unwrap();
    assert_eq!((answer.records(), answer.proof()), (&[Record::Txt(text)][..], Proof::Secure));
    match ask(&resolver, "too-many.test", Kind::A).await {
        Err(DnsFailure::Other(cause)) => {
            assert_eq!(cause.downcast_ref(), Some(&UnusableAnswer::TooManyRecords { count: 201 }))
        }
        result => panic!("{result:?}"),
    }
}

#[tokio::test]
async fn names_with_odd_octets_are_escaped() {
    let dns = Dns::builder()
        .mx_of_labels("odd.test", 10, &[b"a.b \0\\\xff", b"test"])
        .mx_of_labels("long.test", 10, &[b"mx", b"test"])
        .mx_of_labels("long.test", 20, &[&[0; 16], b"test"])
        .mx_of_labels("only-long.test", 10, &[&[0; 16], b"test"])
        .start()
        .await;
    let answer = lookup(&dns, "odd.test", Kind::Mx).await.unwrap();
    assert_eq!(answer.records(), [mx(10, "a\\046b\\032\\000\\092\\255.test")]);
    let answer = lookup(&dns, "long.test", Kind::Mx).await.unwrap();
    assert_eq!(answer.records(), [mx(10, "mx.test")]);
    // It has MX records: that there are none would let its address get the mail.
    match lookup(&dns, "only-long.test", Kind::Mx).await {
        Err(DnsFailure::Other(cause)) => {
            assert_eq!(cause.downcast_ref(), Some(&UnusableAnswer::Names));
        }
        result => panic!("{result:?}"),
    }
}

#[tokio::test]
async fn an_answer_may_be_used_as_long_as_all_of_its_parts() {
    let dns = Dns::builder()
        .ttl(0)
        .address("zero.test", HOST)
        .cname("short.test", "long.test")
        .ttl(7200)
        .address("long.test", HOST)
        .start()
        .await;
    for (name, seconds) in [("zero.test", 0), ("short.test", 0), ("long.test", 7200)] {
        let answer = lookup(&dns, name, Kind::A).await.unwrap();
        assert_eq!(answer.ttl(), Duration::from_secs(seconds), "{name}");
    }
}

#[tokio::test]
async fn with_the_wrong_trust_anchor_nothing_is_taken_for_insecure() {
    let dns = three_domains().start().await;
    let builder = DnsResolver::builder().servers([dns.address()]);
    let wrong = builder.clone().trust_anchor(dns::unrelated_anchor()).build().unwrap();
    let built_in = builder.build().unwrap();
    for resolver in [wrong, built_in] {
        for (name, kind) in [
            ("signed.test", Kind::Mx),
            ("signed.test", Kind::A),
            ("nothing.test", Kind::Mx),
            ("insecure.test", Kind::Mx),
            ("nothing.insecure.test", Kind::Mx),
            ("_25._tcp.mx.signed.test", Kind::Tlsa),
        ] {
            let result = ask(&resolver, name, kind).await;
            assert!(matches!(result, Err(DnsFailure::Bogus)), "{kind} {name}: {result:?}");
        }
    }
}

#[tokio::test]
async fn what_changes_in_the_dns_is_seen_at_once() {
    let dns = Dns::builder().address("a.test", HOST).start().await;
    let resolver = dns.resolver();
    assert_eq!(ask(&resolver, "a.test", Kind::A).await.unwrap().records().len(), 1);
    dns.replace(&Dns::builder().address("b.test", HOST));
    assert!(!ask(&resolver, "a.test", Kind::A).await.unwrap().name_exists());
    assert_eq!(dns.queries("a.test", Kind::A), 2);
    assert_eq!(dns.queries("A.Test", Kind::Aaaa), 0);
}

#[test]
fn a_resolver_is_not_made_without_name_servers_or_with_a_bad_anchor() {
    let result = DnsResolver::builder().servers([]).build();
    assert!(matches!(result, Err(DnsSetupError::NoServers)), "{result:?}");
    let servers = [([127, 0, 0, 1], 53).into()];
    for anchor in ["", "signed", ". IN DNSKEY 257 3 15", ". IN DS 1 15 2 00"] {
        let builder = DnsResolver::builder().servers(servers).trust_anchor(anchor);
        let result = builder.build();
        assert!(matches!(result, Err(DnsSetupError::TrustAnchor(_))), "{anchor:?}: {result:?}");
    }
}

/// Answers like a name server that validates: names below `signed.test` have the bit AD.
async fn validating_server() -> std::net::SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        loop {
            let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let question = query.queries[0].clone();
            let name = question.name().to_string();
            let mut response = Message::response(query.id, query.op_code);
            response.add_query(question.clone());
            response.metadata.authentic_data =
                query.authentic_data && name.ends_with("signed.test.");
            if name.starts_with("bogus") {
                response.metadata.response_code = ResponseCode::ServFail;
            } else if name.starts_with("nothing") {
                response.metadata.response_code = ResponseCode::NXDomain;
            } else {
                let data = RData::A(rdata::A(HOST));
                response.add_answer(RawRecord::from_rdata(question.name().clone(), 60, data));
            }
            socket.send_to(&response.to_vec().unwrap(), client).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn a_trusted_name_server_says_what_is_secure() {
    let server = validating_server().await;
    let trusting = DnsResolver::builder().servers([server]).trust_ad().build().unwrap();
    for (name, exists, proof) in [
        ("mx.signed.test", true, Proof::Secure),
        ("nothing.signed.test", false, Proof::Secure),
        ("mx.test", true, Proof::Insecure),
        ("nothing.test", false, Proof::Insecure),
    ] {
        let answer = ask(&trusting, name, Kind::A).await.unwrap();
        assert_eq!((answer.name_exists(), answer.proof()), (exists, proof), "{name}");
    }
    let result = ask(&trusting, "bogus.signed.test", Kind::A).await;
    assert!(matches!(&result, Err(DnsFailure::Refused(code)) if code == "SERVFAIL"), "{result:?}");

    // Without being told to, the resolver does not believe it.
    let validating = DnsResolver::builder().servers([server]).attempts(1).build().unwrap();
    let result = ask(&validating, "mx.signed.test", Kind::A).await;
    assert!(matches!(result, Err(DnsFailure::Bogus)), "{result:?}");
}

#[test]
fn only_name_servers_of_this_host_can_be_trusted() {
    for address in ["192.0.2.1:53", "[2001:db8::1]:53", "0.0.0.0:53"] {
        let servers = ["127.0.0.1:53", address].map(|address| address.parse().unwrap());
        let result = DnsResolver::builder().servers(servers).trust_ad().build();
        let Err(DnsSetupError::NotLoopback { server }) = result else { panic!("{result:?}") };
        assert!(address.contains(&server.to_string()));
    }
}
