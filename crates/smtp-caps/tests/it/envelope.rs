//! Envelopes: valid and invalid arguments.

use smtp_caps::Envelope;
use smtp_codec::{Deviations, ForwardPath, Mail, Mailbox, Rcpt, ReversePath};
use smtp_error::{Field, Flaw, Invalid};

#[track_caller]
fn check(envelope: &Envelope, mail: &str, rcpts: &[&str]) {
    assert_eq!(envelope.mail().path().to_string(), mail);
    let found: Vec<String> = envelope.rcpts().iter().map(|rcpt| rcpt.path().to_string()).collect();
    assert_eq!(found, rcpts);
}

#[track_caller]
fn refused(mail: &str, rcpts: &[&str], field: Field, flaw: Flaw) {
    let found = Envelope::new(mail, rcpts.iter().copied());
    assert_eq!(found, Err(Invalid::new(field, flaw)));
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
    refused("a@b", &[], Field::Recipients, Flaw::Empty);
    refused("a", &["c@d"], Field::ReversePath, Flaw::NoAt);
    refused("a@b", &["c@d", ""], Field::ForwardPath, Flaw::Empty);
    refused("a@b", &["<>"], Field::ForwardPath, Flaw::Bracketed);
    let comma = Flaw::Unexpected { character: ',', offset: 3 };
    refused("a@b", &["c@d,e@f"], Field::ForwardPath, comma);
    let control = Flaw::Control { character: '\r', offset: 3 };
    refused("a@b\r\nRSET", &["c@d"], Field::ReversePath, control);
}
