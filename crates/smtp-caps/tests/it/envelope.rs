//! Envelopes: valid and invalid arguments.

use smtp_caps::Envelope;
use smtp_codec::{Deviations, ForwardPath, Mail, Mailbox, Rcpt, ReversePath};
use smtp_error::{Field, Flaw, Invalid, InvalidAddress, InvalidEnvelope};

#[track_caller]
fn check(envelope: &Envelope, mail: &str, rcpts: &[&str]) {
    assert_eq!(envelope.mail().path().to_string(), mail);
    let found: Vec<String> = envelope.rcpts().iter().map(|rcpt| rcpt.path().to_string()).collect();
    assert_eq!(found, rcpts);
}

#[track_caller]
fn refused(mail: &str, rcpts: &[&str], expected: &InvalidEnvelope) {
    let found = Envelope::new(mail, rcpts.iter().copied());
    assert_eq!(found.unwrap_err(), *expected);
}

fn sender(address: &str, flaw: Flaw) -> InvalidEnvelope {
    let why = Invalid::new(Field::ReversePath, flaw);
    InvalidEnvelope::Sender(InvalidAddress::new(address, why))
}

fn recipient(position: usize, address: &str, flaw: Flaw) -> InvalidEnvelope {
    let why = Invalid::new(Field::ForwardPath, flaw);
    InvalidEnvelope::Recipient { position, invalid: InvalidAddress::new(address, why) }
}

#[test]
fn strings_mailboxes_and_paths_make_an_envelope() {
    let mailbox: Mailbox = "a@example.org".parse().unwrap();
    let all = ["<a@example.org>"];
    check(&Envelope::new("a@example.org", ["a@example.org"]).unwrap(), all[0], &all);
    check(&Envelope::new(mailbox.clone(), [mailbox.clone()]).unwrap(), all[0], &all);
    let owned = String::from("a@example.org");
    check(&Envelope::new(&owned, [&owned]).unwrap(), all[0], &all);
    check(&Envelope::new(owned.clone(), vec![owned]).unwrap(), all[0], &all);
    let (reverse, forward) = (ReversePath::from(mailbox.clone()), ForwardPath::from(mailbox));
    check(&Envelope::new(reverse.clone(), [forward.clone()]).unwrap(), all[0], &all);
    let (mail, rcpt) = (Mail::new(reverse), Rcpt::new(forward));
    check(&Envelope::new(mail, [rcpt]).unwrap(), all[0], &all);
}

#[test]
fn the_null_reverse_path_and_the_postmaster_are_valid() {
    for null in ["", "<>"] {
        check(&Envelope::new(null, ["postmaster"]).unwrap(), "<>", &["<Postmaster>"]);
    }
}

#[test]
fn recipients_keep_their_order_and_number() {
    let given = ["c@d", "a@b", "c@d", "B@b"];
    let envelope = Envelope::new("a@b", given).unwrap();
    check(&envelope, "<a@b>", &["<c@d>", "<a@b>", "<c@d>", "<B@b>"]);
    let owned = given.map(String::from);
    assert_eq!(Envelope::new("a@b", &owned).unwrap(), envelope);
}

#[test]
fn a_mailbox_that_deviates_from_the_grammar_needs_the_tolerating_constructor() {
    let book = ["a..b@foo_bar.example", ".c@d", "e.@f"];
    for text in book {
        assert!(Envelope::new(text, ["c@d"]).is_err(), "{text}");
        assert!(Envelope::new("a@b", [text]).is_err(), "{text}");
    }
    let mailbox = |text| Mailbox::tolerating(text, Deviations::MAILBOX).map(|found| found.owned());
    let sender = mailbox("a..b@b\u{fc}_cher.example").unwrap();
    let envelope = Envelope::new(sender, book.map(|text| mailbox(text).unwrap())).unwrap();
    let rcpts = ["<a..b@foo_bar.example>", "<.c@d>", "<e.@f>"];
    check(&envelope, "<a..b@xn--b_cher-3ya.example>", &rcpts);
}

#[test]
fn invalid_addresses_and_no_recipients_are_refused() {
    refused("a@b", &[], &InvalidEnvelope::NoRecipients);
    refused("a", &["c@d"], &sender("a", Flaw::NoAt));
    refused("a@b", &["c@d", ""], &recipient(1, "", Flaw::Empty));
    refused("a@b", &["<>"], &recipient(0, "<>", Flaw::Bracketed));
    let comma = Flaw::Unexpected { character: ',', offset: 3 };
    refused("a@b", &["c@d,e@f"], &recipient(0, "c@d,e@f", comma));
    let control = Flaw::Control { character: '\r', offset: 3 };
    refused("a@b\r\nRSET", &["c@d"], &sender("a@b\r\nRSET", control));
}

#[test]
fn the_first_bad_address_of_many_is_named() {
    let given: Vec<String> = (0..1_000)
        .map(|number| match number {
            416 | 700 => format!("user{number}@@example.org"),
            number => format!("user{number}@example.org"),
        })
        .collect();
    let flaw = Flaw::Unexpected { character: '@', offset: 8 };
    let invalid = Envelope::new("a@b", &given).unwrap_err();
    assert_eq!(invalid, recipient(416, &given[416], flaw));
    assert_eq!(invalid.address().and_then(InvalidAddress::address), Some(&*given[416]));
    assert_eq!(Envelope::new("a@b", given).unwrap_err(), invalid);
}

/// A caller's own type, whose error knows the flaw alone.
struct Customer(&'static str);

impl TryFrom<Customer> for Rcpt {
    type Error = Invalid;

    fn try_from(customer: Customer) -> Result<Self, Invalid> {
        Ok(Self::new(customer.0.parse()?))
    }
}

#[test]
fn an_address_of_another_type_is_named_by_its_number() {
    let envelope = Envelope::new("a@b", [Customer("c@d")]).unwrap();
    check(&envelope, "<a@b>", &["<c@d>"]);
    let invalid = Envelope::new("a@b", [Customer("c@d"), Customer("c")]).unwrap_err();
    let why = Invalid::new(Field::ForwardPath, Flaw::NoAt);
    assert_eq!(invalid, InvalidEnvelope::Recipient { position: 1, invalid: why.into() });
}
