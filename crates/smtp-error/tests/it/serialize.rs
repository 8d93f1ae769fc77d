//! The serde forms: as documented, and the same value after a round trip.
use serde::{Serialize, de::DeserializeOwned};
use smtp_error::{Delivery, EnhancedCode, Reply, ReplyCode, Step, Verdict};

#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, form: &str) {
    assert_eq!(serde_json::to_string(value).unwrap(), form);
    assert_eq!(&serde_json::from_str::<T>(form).unwrap(), value);
}

#[track_caller]
fn refused<T: DeserializeOwned>(form: &str) {
    assert!(serde_json::from_str::<T>(form).is_err(), "{form}");
}

fn unknown() -> Reply {
    Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, "5.1.1 unknown\nsecond line")
}

#[test]
fn values_survive_a_round_trip() {
    check(&ReplyCode::OK, "250");
    check(&EnhancedCode::new(5, 7, 509).unwrap(), r#""5.7.509""#);
    check(&Step::EndOfText, r#""end-of-text""#);
    let reply = r#"{"code":550,"text":"5.1.1 unknown\nsecond line"}"#;
    check(&unknown(), reply);
    let verdict = Verdict::new(Step::Rcpt, unknown());
    let form = format!(r#"{{"step":"rcpt","reply":{reply}}}"#);
    check(&verdict, &form);
    let pairs = [("bob@example.org", verdict.clone()), ("Postmaster", verdict)];
    let form =
        |recipient| format!(r#"{{"recipient":"{recipient}","step":"rcpt","reply":{reply}}}"#);
    let forms = format!("[{},{}]", form("bob@example.org"), form("Postmaster"));
    check(&Delivery::from_iter(pairs), &forms);
}

#[test]
fn text_that_is_not_utf8_is_stored_as_octets() {
    let latin1 = Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, b"Usu\xe1rio");
    check(&latin1, r#"{"code":550,"text":[85,115,117,225,114,105,111]}"#);
}

#[test]
fn invalid_forms_are_refused() {
    for form in ["199", "600", "\"250\"", "-1"] {
        refused::<ReplyCode>(form);
    }
    for form in ["\"3.1.1\"", "\"5.1\"", "\"5.1.1 \"", "\"5.1.1000\"", "\"\"", "511"] {
        refused::<EnhancedCode>(form);
    }
    refused::<Step>("\"nowhere\"");
    refused::<Reply>(r#"{"code":550}"#);
    refused::<Delivery>(r#"[{"step":"rcpt","reply":{"code":550,"text":""}}]"#);
}
