//! Reports: their format, and their bounds.
use serde_json::{Value, json};

use crate::{ResultType, StsPolicy};

use super::*;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn report(domain: &str) -> TlsReport {
    // 2016-04-01, from its first second to its last.
    let day = Period::new(1_459_468_800, 1_459_555_199).unwrap();
    TlsReport::new(name(domain), day, "5065427c-23d3-47ca-b6e0-946ea0e8c4be")
        .organization("Company-X")
        .contact("sts-reporting@company-x.example")
}

fn failure(result_type: ResultType, sending: &str, host: &str) -> TlsFailure {
    TlsFailure {
        sending_ip: Some(sending.parse().unwrap()),
        mx_hostname: Some(name(host)),
        ..TlsFailure::new(result_type)
    }
}

fn parsed(report: &TlsReport) -> Value {
    serde_json::from_str(&report.to_json()).unwrap()
}

/// The example of RFC 8460, appendix B; the patterns of MX hosts are a list, addresses have their
/// shortest form, and the details are in the order of their kinds.
fn example() -> Value {
    json!({
        "organization-name": "Company-X",
        "date-range": {
            "start-datetime": "2016-04-01T00:00:00Z",
            "end-datetime": "2016-04-01T23:59:59Z"
        },
        "contact-info": "sts-reporting@company-x.example",
        "report-id": "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
        "policies": [{
            "policy": {
                "policy-type": "sts",
                "policy-string": [
                    "version: STSv1",
                    "mode: testing",
                    "mx: *.mail.company-y.example",
                    "max_age: 86400"
                ],
                "policy-domain": "company-y.example",
                "mx-host": ["*.mail.company-y.example"]
            },
            "summary": {
                "total-successful-session-count": 5326,
                "total-failure-session-count": 303
            },
            "failure-details": [
                {
                    "result-type": "starttls-not-supported",
                    "sending-mta-ip": "2001:db8:abcd:13::1",
                    "receiving-mx-hostname": "mx2.mail.company-y.example",
                    "receiving-mx-helo": "mx2.mail.company-y.example",
                    "receiving-ip": "203.0.113.56",
                    "failed-session-count": 200
                },
                {
                    "result-type": "certificate-expired",
                    "sending-mta-ip": "2001:db8:abcd:12::1",
                    "receiving-mx-hostname": "mx1.mail.company-y.example",
                    "failed-session-count": 100
                },
                {
                    "result-type": "validation-failure",
                    "sending-mta-ip": "198.51.100.62",
                    "receiving-ip": "203.0.113.58",
                    "receiving-mx-hostname": "mx-backup.mail.company-y.example",
                    "failed-session-count": 3,
                    "failure-reason-code": "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"
                }
            ]
        }]
    })
}

#[test]
fn a_report_has_the_format_of_the_specification() {
    let mut report = report("company-y.example");
    let policy = StsPolicy::parse(
        b"version: STSv1\nmode: testing\nmx: *.mail.company-y.example\nmax_age: 86400\n",
    );
    let domain = name("company-y.example");
    let policy = AppliedPolicy::sts(domain.clone(), Some(&policy.unwrap()));
    let mx = |label| format!("{label}.mail.company-y.example");
    let expired = failure(ResultType::CertificateExpired, "2001:db8:abcd:0012::1", &mx("mx1"));
    let clear = TlsFailure {
        receiving_ip: Some([203, 0, 113, 56].into()),
        mx_helo: Some(mx("mx2")),
        ..failure(ResultType::StartTlsNotSupported, "2001:db8:abcd:0013::1", &mx("mx2"))
    };
    let invalid = TlsFailure {
        receiving_ip: Some([203, 0, 113, 58].into()),
        reason_code: Some("X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED".to_owned()),
        ..failure(ResultType::ValidationFailure, "198.51.100.62", &mx("mx-backup"))
    };
    for (failure, count) in
        [(Some(expired), 100), (Some(clear), 200), (Some(invalid), 3), (None, 5326)]
    {
        let (domain, policy) = (domain.clone(), policy.clone());
        let result = TlsResult { domain, policy, failure };
        (0..count).for_each(|_| report.add(&result));
    }
    assert_eq!(parsed(&report), example());
}

#[test]
fn each_policy_is_counted_for_itself() {
    let mut report = report("example");
    assert!(report.is_empty());
    let tlsa = AppliedPolicy::tlsa(name("mx.example"), ["3 1 1 00ff".to_owned()]);
    for policy in [AppliedPolicy::none(name("example")), tlsa] {
        report.add(&TlsResult::success(name("example"), policy));
    }
    let success = json!({ "total-successful-session-count": 1, "total-failure-session-count": 0 });
    let tlsa = json!({
        "policy-type": "tlsa", "policy-string": ["3 1 1 00ff"], "policy-domain": "mx.example"
    });
    let none = json!({ "policy-type": "no-policy-found", "policy-domain": "example" });
    let expected = json!([
        { "policy": tlsa, "summary": success },
        { "policy": none, "summary": success },
    ]);
    assert_eq!(parsed(&report)["policies"], expected);
}

#[test]
fn results_of_other_domains_are_not_disclosed() {
    let mut report = report("example");
    report.add(&TlsResult::success(name("other.example"), AppliedPolicy::none(name("example"))));
    assert!(report.is_empty());
}

#[test]
fn a_report_is_bounded() {
    let mut report = report("example");
    let text = "\u{e4}".repeat(10_000);
    for number in 0..TlsReport::MAX_DETAILS + 5 {
        let failure = TlsFailure {
            mx_helo: Some(text.clone()),
            reason_code: Some(number.to_string()),
            ..TlsFailure::new(ResultType::ValidationFailure)
        };
        let policy = AppliedPolicy::none(name("example"));
        report.add(&TlsResult::failure(name("example"), policy, failure));
    }
    let results = &parsed(&report)["policies"][0];
    let details = results["failure-details"].as_array().unwrap();
    assert_eq!(details.len(), TlsReport::MAX_DETAILS);
    assert_eq!(details[0]["receiving-mx-helo"], "\u{e4}".repeat(255));
    let failures = &results["summary"]["total-failure-session-count"];
    assert_eq!(failures, TlsReport::MAX_DETAILS + 5);

    for number in 0..TlsReport::MAX_POLICIES + 5 {
        let policy = AppliedPolicy::tlsa(name("mx.example"), [number.to_string()]);
        report.add(&TlsResult::success(name("example"), policy));
    }
    assert_eq!(parsed(&report)["policies"].as_array().unwrap().len(), TlsReport::MAX_POLICIES);
    assert_eq!(report.omitted(), 6);

    let many = (0..1000).map(|number| number.to_string());
    let policy = AppliedPolicy::tlsa(name("mx.example"), many);
    assert_eq!(policy.strings().len(), AppliedPolicy::MAX_STRINGS);
}

#[test]
fn the_file_and_the_subject_name_the_domain_and_the_submitter() {
    let (report, submitter) = (report("company-y.example"), name("mail.company-x.example"));
    assert_eq!(
        report.file_name(&submitter),
        "mail.company-x.example!company-y.example!1459468800!1459555199.json"
    );
    assert_eq!(
        report.subject(&submitter),
        "Report Domain: company-y.example Submitter: mail.company-x.example Report-ID: \
         <5065427c-23d3-47ca-b6e0-946ea0e8c4be@mail.company-x.example>"
    );
}

#[test]
fn a_period_is_between_two_dates() {
    assert!(Period::new(5, 5).is_ok() && Period::new(0, 253_402_300_799).is_ok());
    for (start, end) in [(6, 5), (0, 253_402_300_800), (0, u64::MAX)] {
        assert_eq!(Period::new(start, end), Err(InvalidPeriod { start, end }));
    }
}

#[test]
fn every_kind_of_failure_has_its_name() {
    use ResultType as Kind;
    for (kind, name) in [
        (Kind::StartTlsNotSupported, "starttls-not-supported"),
        (Kind::CertificateHostMismatch, "certificate-host-mismatch"),
        (Kind::CertificateExpired, "certificate-expired"),
        (Kind::CertificateNotTrusted, "certificate-not-trusted"),
        (Kind::ValidationFailure, "validation-failure"),
        (Kind::TlsaInvalid, "tlsa-invalid"),
        (Kind::DnssecInvalid, "dnssec-invalid"),
        (Kind::DaneRequired, "dane-required"),
        (Kind::StsPolicyFetchError, "sts-policy-fetch-error"),
        (Kind::StsPolicyInvalid, "sts-policy-invalid"),
        (Kind::StsWebPkiInvalid, "sts-webpki-invalid"),
    ] {
        assert_eq!(kind.to_string(), name);
    }
}
