//! Verdicts and deliveries: which recipients were accepted.

use std::sync::Arc;

use smtp_error::{Delivery, KnownVerdicts, Peer, Step, Verdict};

use crate::reply;

#[track_caller]
fn check(step: Step, code: u16, accepted: bool, transient: bool) {
    let verdict = Verdict::new(step, reply(code, "text"));
    assert_eq!(verdict.is_accepted(), accepted, "{verdict}");
    assert_eq!(verdict.is_transient(), transient, "{verdict}");
    assert_eq!((verdict.step(), verdict.reply()), (step, &reply(code, "text")));
}

const RECIPIENTS: [&str; 3] = ["b@example.org", "c@example.org", "Postmaster"];

/// Checks the delivery of a message whose recipients got these codes at the end of the mail data.
#[track_caller]
fn delivered(codes: &[u16], all: bool, any: bool, refused: &[usize]) {
    let verdict = |&code| Verdict::new(Step::EndOfText, reply(code, "text"));
    let pairs: Vec<_> = RECIPIENTS.into_iter().zip(codes.iter().map(verdict)).collect();
    let delivery = Delivery::from_iter(pairs.clone());
    assert!(delivery.verdicts().eq(pairs.iter().map(|(path, verdict)| (*path, verdict))));
    assert!(
        pairs.iter().enumerate().all(|(position, (_, verdict))| delivery[position] == *verdict)
    );
    assert_eq!((delivery.all_accepted(), delivery.any_accepted()), (all, any), "{codes:?}");
    let refused = refused.iter().map(|&position| (pairs[position].0, &pairs[position].1));
    assert!(delivery.refused().eq(refused), "{codes:?}");
}

#[test]
fn only_the_reply_to_the_end_of_the_mail_data_accepts() {
    check(Step::EndOfText, 250, true, false);
    check(Step::EndOfText, 299, true, false);
    check(Step::Rcpt, 250, false, false);
    check(Step::Data, 250, false, false);
}

#[test]
fn any_step_may_refuse() {
    for step in [Step::Mail, Step::Rcpt, Step::Data, Step::EndOfText] {
        check(step, 450, false, true);
        check(step, 550, false, false);
        check(step, 354, false, false);
    }
}

#[test]
fn recipients_are_counted_in_the_order_of_the_envelope() {
    delivered(&[250], true, true, &[]);
    delivered(&[250, 250], true, true, &[]);
    delivered(&[550, 250, 450], false, true, &[0, 2]);
    delivered(&[450, 550], false, false, &[0, 1]);
}

#[test]
fn a_delivery_equals_another_with_the_same_recipients_and_verdicts() {
    let verdict = |code| Verdict::new(Step::EndOfText, reply(code, "text"));
    let delivery = |path: &str, code| Delivery::from_iter([(path, verdict(code))]);
    let one = delivery("b@example.org", 250);
    assert_eq!(one, Delivery::new(Arc::new(vec!["b@example.org"]), vec![verdict(250)]));
    assert_ne!(one, delivery("c@example.org", 250));
    assert_ne!(one, delivery("b@example.org", 251));
    let twice = [("b@example.org", verdict(250)), ("b@example.org", verdict(250))];
    assert_ne!(one, Delivery::from_iter(twice));
}

#[test]
fn known_verdicts_keep_their_recipients_when_some_are_taken_back() {
    let verdict = |code| Some(Verdict::new(Step::EndOfText, reply(code, "text")));
    let known = vec![verdict(250), None, verdict(550)];
    let mut known = KnownVerdicts::new(Arc::new(RECIPIENTS.to_vec()), known);
    known.retain(|verdict| !verdict.is_accepted());
    let code =
        |(path, verdict): (_, Option<&Verdict>)| (path, verdict.map(|one| one.reply().code()));
    let found: Vec<_> = known.iter().map(code).collect();
    let [b, c, postmaster] = RECIPIENTS;
    assert_eq!(found, [(b, None), (c, None), (postmaster, Some(reply(550, "").code()))]);
    assert_eq!(KnownVerdicts::default().iter().len(), 0);
}

#[test]
fn a_refused_recipient_is_an_error_for_those_who_want_one() {
    let accepted = || Verdict::new(Step::EndOfText, reply(250, "ok"));
    let refused = || Verdict::new(Step::Rcpt, reply(550, "5.1.1 unknown\u{202e}"));
    let all = Delivery::from_iter([("b@example.org", accepted())]);
    assert_eq!(all.clone().all_or_error().unwrap().into_delivery(), all);
    let some = Delivery::from_iter([("b@example.org", accepted()), ("c@example.org", refused())]);
    let error = some.clone().all_or_error().unwrap_err();
    assert_eq!(error.delivery(), &some);
    let text = error.to_string();
    let start =
        "the server refused the message for 1 of 2 recipients: <c@example.org> at RCPT: 550 ";
    assert!(text.starts_with(start) && text.contains("5.1.1 unknown"), "{text}");
    assert!(text.contains("accepted for 1") && !text.contains('\u{202e}'), "{text}");
    assert_eq!(error.into_delivery(), some);
}

#[test]
fn that_error_names_the_server_and_what_to_do() {
    let login = Verdict::new(Step::Mail, reply(530, "5.7.0 Authentication required"));
    let server = Arc::new(Peer::tcp("mail.example.org", 587));
    let delivery = Delivery::from_iter([("b@example.org", login)]).with_server(&server);
    assert_eq!(delivery.server(), Some(&server));
    assert_eq!(
        delivery.all_or_error().unwrap_err().to_string(),
        "mail.example.org:587 refused the message for 1 of 1 recipients: <b@example.org> at MAIL: \
         530 5.7.0 Authentication required (hint: log in, inside TLS: set a login, or write user \
         and password into the URL)"
    );
}

#[test]
fn the_text_of_that_error_is_bounded() {
    let verdict = || Verdict::new(Step::Rcpt, reply(550, "x".repeat(10_000)));
    let none = (0..1000).map(|number| (format!("{number}@{}", "e".repeat(5000)), verdict()));
    let text = none.collect::<Delivery>().all_or_error().unwrap_err().to_string();
    assert!(text.len() < 1500, "{}", text.len());
    assert!(
        text.contains("1000 of 1000") && text.contains("and 997 more") && !text.contains("again")
    );
}
