//! The four domains of the laboratory, over sockets: each as well protected as it publishes.
use std::sync::{Arc, Mutex};

use smtp_client::{Envelope, MailData};
use smtp_delivery::{Achieved, Courier, HttpsPolicies, Outcome, PolicyType, TlsResult};

use crate::lab::domains::FourDomains;

#[tokio::test]
async fn each_domain_is_as_well_protected_as_it_publishes() {
    let lab = FourDomains::start().await;
    let policies = HttpsPolicies::builder(lab.resolver())
        .port(lab.policy_host.address().port())
        .tls(lab.policy_host.client())
        .build()
        .unwrap();
    let results = Arc::new(Mutex::new(Vec::<TlsResult>::new()));
    let seen = Arc::clone(&results);
    let courier = Courier::builder(lab.resolver(), policies)
        .hello_name("client.example".parse().unwrap())
        .tls(lab.tls())
        .port(lab.mx.port())
        .on_tls_result(move |result| seen.lock().unwrap().push(result))
        .build();
    let text = MailData::new("Subject: hello\r\n\r\nHello.\r\n").unwrap();
    for (domain, expected, version, policy) in [
        ("dane.example", Some(Achieved::Dane), Some("TLSv1_3"), PolicyType::Tlsa),
        ("sts.example", Some(Achieved::Pkix), Some("TLSv1_3"), PolicyType::Sts),
        ("plain.example", Some(Achieved::Unverified), Some("TLSv1_2"), PolicyType::NoPolicyFound),
        ("broken.example", None, None, PolicyType::Tlsa),
    ] {
        let envelope = Envelope::new("a@client.example", [format!("b@{domain}")]).unwrap();
        let report = courier.deliver(&envelope, &text).await;
        let attempt = report.attempts().last().unwrap();
        assert_eq!(attempt.achieved, expected, "{domain}: {report:?}");
        assert_eq!(attempt.tls.as_ref().map(|tls| tls.version()), version, "{domain}");
        let (_, outcome) = report.outcomes().next().unwrap();
        assert_eq!(outcome.is_delivered(), expected.is_some(), "{domain}: {outcome}");
        assert!(outcome.is_delivered() || matches!(outcome, Outcome::Later { .. }), "{outcome}");
        let messages = lab.mx.server(&format!("mx.{domain}")).report();
        assert_eq!(messages.messages().len(), usize::from(expected.is_some()), "{domain}");
        let results = std::mem::take(&mut *results.lock().unwrap());
        assert!(
            results.iter().any(|result| result.policy.kind() == policy
                && (policy == PolicyType::NoPolicyFound
                    || result.failure.is_none() == expected.is_some())),
            "{domain}: {results:?}"
        );
    }
}
