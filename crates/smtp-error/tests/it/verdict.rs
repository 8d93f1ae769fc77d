//! Verdicts and deliveries: which recipients were accepted.

use smtp_error::{Delivery, Step, Verdict};

use crate::reply;

#[track_caller]
fn check(step: Step, code: u16, accepted: bool, transient: bool) {
    let verdict = Verdict::new(step, reply(code, "text"));
    assert_eq!(verdict.is_accepted(), accepted, "{verdict}");
    assert_eq!(verdict.is_transient(), transient, "{verdict}");
    assert_eq!((verdict.step(), verdict.reply()), (step, &reply(code, "text")));
}

/// Checks the delivery of a message whose recipients got these codes at the end of the mail data.
#[track_caller]
fn delivered(codes: &[u16], all: bool, any: bool, refused: &[usize]) {
    let verdict = |&code| Verdict::new(Step::EndOfText, reply(code, "text"));
    let verdicts: Vec<Verdict> = codes.iter().map(verdict).collect();
    let delivery = Delivery::new(verdicts.clone());
    assert_eq!(delivery.verdicts(), verdicts);
    assert_eq!((delivery.all_accepted(), delivery.any_accepted()), (all, any), "{codes:?}");
    let found: Vec<usize> = delivery.refused().map(|(place, _)| place).collect();
    assert_eq!(found, refused, "{codes:?}");
    assert!(delivery.refused().all(|(place, verdict)| *verdict == verdicts[place]));
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
