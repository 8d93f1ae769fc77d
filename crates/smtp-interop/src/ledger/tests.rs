//! What is delivered has to be what the client has claimed.
use super::{Claim, Ledger};
use crate::store::Copy;

fn copy(recipient: &str, octets: &str) -> Copy {
    Copy { recipient: recipient.into(), id: "1".into(), octets: octets.as_bytes().to_vec() }
}

#[track_caller]
fn check(claim: Claim, copies: Vec<Copy>, faults: &[&str], missing: usize) {
    let mut ledger = Ledger::default();
    ledger.record("case", "1", b"text", [("a@example.org".to_owned(), claim)]);
    ledger.take_in(copies, &[]);
    assert_eq!(ledger.take_faults(), faults);
    assert_eq!(ledger.missing().len(), missing);
}

#[test]
fn an_accepted_message_is_delivered_once() {
    check(Claim::Accepted, vec![copy("a@example.org", "text")], &[], 0);
    check(Claim::Accepted, vec![], &[], 1);
    let twice = vec![copy("a@example.org", "text"), copy("a@example.org", "text")];
    check(Claim::Accepted, twice, &["1 (case) was delivered to a@example.org twice"], 0);
}

#[test]
fn what_was_not_accepted_is_not_delivered() {
    check(Claim::NotAccepted, vec![], &[], 0);
    let fault = "1 (case) was delivered to a@example.org, but reported as not";
    check(Claim::NotAccepted, vec![copy("a@example.org", "text")], &[fault], 0);
}

#[test]
fn what_is_in_doubt_is_delivered_or_not() {
    check(Claim::InDoubt, vec![], &[], 0);
    check(Claim::InDoubt, vec![copy("a@example.org", "text")], &[], 0);
}

#[test]
fn another_recipient_is_a_fault() {
    let fault = "1 (case) was delivered to b@example.org, who is no recipient";
    check(Claim::Accepted, vec![copy("b@example.org", "text")], &[fault], 1);
}

#[test]
fn another_text_is_a_fault() {
    let fault = "1 (case) to a@example.org: octet 4 of 4 differs (5 were delivered): \
                 sent `text`, delivered `text!`";
    check(Claim::Accepted, vec![copy("a@example.org", "text!")], &[fault], 0);
}

#[test]
fn a_message_that_nobody_has_sent_is_a_fault() {
    let mut ledger = Ledger::default();
    ledger.take_in(vec![copy("a@example.org", "text")], &[]);
    let fault = "delivered to a@example.org, but it was not sent: `text`";
    assert_eq!(ledger.take_faults(), [fault]);
}

#[test]
fn only_what_was_delivered_before_a_crash_may_be_repeated() {
    let mut ledger = Ledger::default();
    ledger.record("case", "1", b"text", [("a@example.org".to_owned(), Claim::Accepted)]);
    ledger.allow_repeats();
    ledger.take_in(vec![copy("a@example.org", "text")], &[]);
    ledger.take_in(vec![copy("a@example.org", "text")], &[]);
    assert_eq!(ledger.take_faults(), ["1 (case) was delivered to a@example.org twice"]);

    let mut ledger = Ledger::default();
    ledger.record("case", "1", b"text", [("a@example.org".to_owned(), Claim::Accepted)]);
    ledger.take_in(vec![copy("a@example.org", "text")], &[]);
    ledger.allow_repeats();
    ledger.take_in(vec![copy("a@example.org", "text")], &[]);
    assert_eq!(ledger.take_faults(), [""; 0]);
    let repeated = "it delivered a message again after it was killed";
    assert_eq!(Vec::from_iter(ledger.take_changes()), [repeated]);
}
