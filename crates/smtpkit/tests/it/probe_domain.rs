//! `probe --mx`: what a domain publishes, and whether its hosts have the protection that is due.
use std::net::Ipv4Addr;

use serde_json::{Value, json};
use smtp_testkit::{CertificateKind, ServerBuilder};

use crate::program::{Run, smtpkit};
use crate::zone::Zone;
use crate::zone::mx::MxHost;

const HOSTS: &[MxHost] = &[
    MxHost {
        name: "mx.dane.example",
        address: "127.0.0.2",
        behavior: |server| offers(server).certificate(CertificateKind::Expired),
    },
    MxHost { name: "mx.sts.example", address: "127.0.0.3", behavior: offers },
    MxHost { name: "mx.anchored.example", address: "127.0.0.5", behavior: offers },
    MxHost {
        name: "mx.plain.example",
        address: "127.0.0.4",
        behavior: |server| server.offer("PIPELINING"),
    },
];

const POLICY: &str = "version: STSv1\nmode: enforce\nmx: mx.sts.example\nmax_age: 604800\n";

fn offers(server: ServerBuilder) -> ServerBuilder {
    server.offer("PIPELINING").offer("STARTTLS")
}

async fn zone(name: &str) -> Zone {
    let zone = Zone::start(name, HOSTS, |mx, [digest, issuer], content| {
        content
            .insecure("sts.example")
            .insecure("plain.example")
            .mx("dane.example", 10, "mx.dane.example")
            .tlsa("mx.dane.example", mx.port(), [3, 1, 1], digest)
            .txt("_smtp._tls.dane.example", "v=TLSRPTv1; rua=mailto:tls@dane.example")
            .mx("broken.example", 10, "mx.dane.example")
            .mx("broken.example", 20, "mx.broken.example")
            .address("mx.broken.example", Ipv4Addr::new(127, 0, 0, 3))
            .tlsa("mx.broken.example", mx.port(), [3, 1, 1], &[0x77; 32])
            .mx("sts.example", 10, "mx.sts.example")
            .mx("sts.example", 20, "mx.plain.example")
            .txt("_mta-sts.sts.example", "v=STSv1; id=20260101;")
            .address("mta-sts.sts.example", Ipv4Addr::LOCALHOST)
            .mx("anchored.example", 10, "mx.anchored.example")
            .tlsa("mx.anchored.example", mx.port(), [2, 0, 0], issuer)
            .mx("alias.example", 10, "mx.alias.example")
            .cname("mx.alias.example", "mx.dane.example")
            .mx("unusable.example", 10, "mx.unusable.example")
            .address("mx.unusable.example", Ipv4Addr::new(127, 0, 0, 5))
            .tlsa("mx.unusable.example", mx.port(), [1, 1, 1], &[0x77; 32])
            .mx("silent.example", 10, "mx.silent.example")
            .address("mx.silent.example", Ipv4Addr::new(127, 0, 0, 5))
            .servfail(&format!("_{}._tcp.mx.silent.example", mx.port()))
            .null_mx("null.example")
            .mx("gone.example", 10, "no-address.gone.example")
    });
    zone.await.policy("sts.example", POLICY).await
}

async fn probe(zone: &Zone, domain: &str) -> Run {
    zone.run(&["probe", "--json", "--mx", domain]).await
}

/// The hosts in the summary: name, DANE, MTA-STS and result of each.
fn rows(run: &Run) -> Vec<Value> {
    let summary = run.of_type("summary").remove(0);
    assert_eq!(summary["status"], run.status, "{run:?}");
    let rows = summary["hosts"].as_array().unwrap().iter();
    rows.map(|row| json!([row["host"], row["dane"], row["mta_sts"], row["result"]])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_the_key_of_its_records_is_fine_whatever_its_certificate() {
    let zone = zone("probe-dane").await;
    let run = probe(&zone, "dane.example").await;
    assert_eq!(run.status, 0, "{run:?}");
    let domain = &run.of_type("domain")[0];
    assert_eq!(domain["mx"]["proof"], "secure");
    assert_eq!(domain["mx"]["records"], json!(["10 mx.dane.example"]));
    assert_eq!(domain["tlsrpt"], json!(["mailto:tls@dane.example"]));
    assert_eq!(domain["mta_sts"], Value::Null);
    let host = &run.of_type("mail_host")[0];
    assert_eq!(host["addresses"], json!(["127.0.0.2"]));
    assert_eq!((&host["demand"], &host["achieved"]), (&json!("dane"), &json!("dane")));
    assert_eq!(host["tlsa"]["records"][0]["matches"], true);
    let facts = &host["probe"]["certificates"][0]["facts"];
    assert_eq!(host["tlsa"]["records"][0]["record"], facts["tlsa"]);
    assert_eq!(rows(&run), [json!(["mx.dane.example", "matches", "none", "fine"])]);
    let page = zone.run(&["probe", "--mx", "dane.example"]).await.output;
    assert!(page.contains("dates and issuers of the certificate do"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_do_not_match_are_a_matter_of_policy() {
    let zone = zone("probe-broken").await;
    let run = probe(&zone, "broken.example").await;
    assert_eq!(run.status, 20, "{run:?}");
    assert_eq!(
        rows(&run),
        [
            json!(["mx.dane.example", "matches", "none", "fine"]),
            json!(["mx.broken.example", "fails", "none", "policy"]),
        ]
    );
    let host = &run.of_type("mail_host")[1];
    assert_eq!(host["accepted"], false);
    assert!(host["reason"].as_str().unwrap().contains("TLSA"), "{host:#}");
}

/// Checks the one host of a domain: the name that its TLSA records belong to, what is due and what the
/// connection had, and the result.
async fn check(zone: &Zone, domain: &str, base: &str, expected: [Value; 3], result: &str) {
    let run = probe(zone, domain).await;
    let host = &run.of_type("mail_host")[0];
    assert_eq!(host["tlsa"]["base"], base, "{host:#}");
    let dane = &run.of_type("summary")[0]["hosts"][0]["dane"];
    assert_eq!([dane, &host["demand"], &host["achieved"]], expected.each_ref(), "{host:#}");
    assert_eq!(host["exit"], result, "{host:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_follows_from_the_records() {
    let zone = zone("probe-records").await;
    let (anchored, dane) = ("mx.anchored.example", "mx.dane.example");
    let by_dane = || [json!("matches"), json!("dane"), json!("dane")];
    check(&zone, "anchored.example", anchored, by_dane(), "fine").await;
    // The records of the name that the host is an alias of count.
    check(&zone, "alias.example", dane, by_dane(), "fine").await;
    let unusable = [json!("unusable"), json!("encrypted"), json!("unverified")];
    check(&zone, "unusable.example", "mx.unusable.example", unusable, "fine").await;
    let unknown = [json!("unknown"), Value::Null, json!("unverified")];
    check(&zone, "silent.example", "mx.silent.example", unknown, "policy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_fetched_and_each_host_compared_with_it() {
    let zone = zone("probe-sts").await;
    let run = probe(&zone, "sts.example").await;
    assert_eq!(run.status, 20, "{run:?}");
    let sts = &run.of_type("domain")[0]["mta_sts"];
    let expected =
        json!({"id": "20260101", "mode": "enforce", "mx": ["mx.sts.example"], "max_age": 604_800});
    assert_eq!(*sts, expected);
    assert_eq!(
        rows(&run),
        [
            json!(["mx.sts.example", "none", "permits", "fine"]),
            json!(["mx.plain.example", "none", "forbids", "policy"]),
        ]
    );
    let host = &run.of_type("mail_host")[0];
    assert_eq!((&host["demand"], &host["achieved"]), (&json!("pkix"), &json!("pkix")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_may_accept_no_mail_or_be_its_own_host_or_not_exist() {
    let zone = zone("probe-null").await;
    let run = probe(&zone, "null.example").await;
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(run.of_type("domain")[0]["null_mx"], true);
    assert!(run.of_type("mail_host").is_empty());

    let run = probe(&zone, "mx.plain.example").await;
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(run.of_type("domain")[0]["implicit_mx"], true);
    let host = &run.of_type("mail_host")[0];
    assert_eq!(host["host"], "mx.plain.example");
    assert_eq!((&host["demand"], &host["achieved"]), (&json!("opportunistic"), &json!("clear")));

    let run = probe(&zone, "unknown.plain.example").await;
    assert_eq!(run.status, 10, "{run:?}");
    assert_eq!(probe(&zone, "gone.example").await.status, 10);
    let run = zone.run(&["probe", "--json", "-6", "--mx", "dane.example"]).await;
    assert_eq!(run.status, 10, "{run:?}");
    let reason = run.of_type("mail_host")[0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("-6 leaves out"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_domain_fits_a_terminal() {
    let zone = zone("probe-page").await;
    let run = zone.run(&["probe", "-v", "--mx", "sts.example"]).await;
    assert_eq!(run.status, 20, "{run:?}");
    for line in run.output.lines().filter(|line| !line.contains(" ms  ")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for expected in ["looked up MX sts.example", "fetched", "MTA-STS", "not protected"] {
        assert!(run.output.contains(expected), "{expected}: {}", run.output);
    }
}

#[test]
fn a_name_server_that_is_not_there_has_its_status() {
    let unused = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap().to_string();
    drop(unused);
    let resolver = ["--resolver", &address, "--timeout", "1s"];
    let run = smtpkit(&[&["probe", "--mx", "example.org", "--json"], &resolver[..]].concat());
    assert_eq!(run.status, 10, "{run:?}");
    assert_eq!(run.of_type("error")[0]["exit"], "dns");
}
