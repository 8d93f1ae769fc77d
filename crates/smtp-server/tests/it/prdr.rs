//! PRDR: a reply for each recipient in SMTP, if the client asks for that.
use smtp_error::Extension;
use smtp_server::{Decision, Event, Refuse, Settings};

use crate::host::{Answer, Fate, Host, accept, refuse, usual};

fn host() -> Host {
    Host::of(Settings::smtp("mx.example.org").offer(|offer| offer.extensions([Extension::Prdr])))
}

fn mixed(event: &Event<'_>) -> Answer {
    match event {
        Event::End(_) => {
            let decisions: Vec<Decision> =
                vec![Ok(accept(250, "2.1.5 To b")), Err(refuse(550, "5.7.1 Not to d"))];
            Answer::Each(decisions)
        }
        other => usual(other),
    }
}

fn open(params: &str, rest: &str) -> String {
    format!(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<a@example.org>{params}
        C: RCPT TO:<b@example.org>
        C: RCPT TO:<no-c@example.org>
        C: RCPT TO:<d@example.org>
        S: 250 2.1.0 Ok
        S: 250 2.1.5 Ok
        S: 550 5.1.1 No such mailbox
        S: 250 2.1.5 Ok
        C: DATA
        S: 354 Send the message, and end it with a dot
        {rest}
        C: NOOP
        S: 250 2.0.0 Ok"
    )
}

#[test]
fn each_recipient_has_a_reply_and_the_message_one_more() {
    host().decides(mixed).play(&open(
        " PRDR",
        r"C: .
        S: 353 A reply for each recipient follows
        S: 250 2.1.5 To b
        S: 550 5.7.1 Not to d
        S: 250 2.1.5 To b",
    ));
}

#[test]
fn if_all_refuse_the_message_is_refused() {
    fn none(event: &Event<'_>) -> Answer {
        match event {
            Event::End(end) => {
                let decision = |_| Err(refuse(550, "5.7.1 Spam"));
                Answer::Each((0..end.decisions).map(decision).collect())
            }
            other => usual(other),
        }
    }
    host().decides(none).play(&open(
        " PRDR",
        r"C: .
        S: 353 A reply for each recipient follows
        S: 550 5.7.1 Spam
        S: 550 5.7.1 Spam
        S: 550 5.7.1 Spam",
    ));
}

#[test]
fn one_decision_is_one_reply() {
    host().play(&open(" PRDR", "C: .\nS: 250 2.0.0 Message accepted"));
    let journal = host().play(&open(
        " PRDR",
        r"C| \0\r\n.\r\n
        S: 554 5.6.0 The message has a NUL (octet 0); lines end with CRLF",
    ));
    assert_eq!(journal.messages[0].fate, Fate::Flawed);
}

#[test]
fn without_prdr_a_split_decision_is_a_refusal_for_now() {
    host().decides(mixed).play(&open("", "C: .\nS: 451 4.3.0 Try again later"));
}

#[test]
fn without_prdr_decisions_that_agree_are_one_reply() {
    fn both(event: &Event<'_>) -> Answer {
        match event {
            Event::End(end) => {
                assert_eq!(end.decisions, 1);
                Answer::Each(vec![Ok(accept(250, "First")), Ok(accept(250, "Second"))])
            }
            other => usual(other),
        }
    }
    fn neither(event: &Event<'_>) -> Answer {
        match event {
            Event::End(_) => {
                Answer::Each(vec![Err(refuse(550, "5.2.1 First")), Err(Refuse::for_now())])
            }
            other => usual(other),
        }
    }
    host().decides(both).play(&open("", "C: .\nS: 250 2.0.0 First"));
    host().decides(neither).play(&open("", "C: .\nS: 550 5.2.1 First"));
}

#[test]
fn prdr_is_refused_if_it_is_not_offered() {
    Host::smtp().play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<a@example.org> PRDR
        S: 555 5.5.4 Parameter not offered",
    );
}
