//! A mailer and servers that accept few recipients, and end the session when there are more.
use smtp_client::{Connector, Delivery, Envelope, Error, Excess, Mailer, Partial, Sending};

use crate::{
    host::{
        Answer::{self, CloseWith, Say},
        Host,
    },
    mailer::{pool, text},
    stage::perform,
};

/// A server that answers RCPT so, given how many were accepted in this session and refused.
fn server(answer: fn(&str, usize, usize) -> Answer) -> (Host, Connector) {
    let (host, connector) = Host::aware(move |host, number, line| match line {
        line if line.starts_with("RCPT") => {
            let lines = &host.heard()[number];
            let begun = lines.iter().rposition(|line| line.starts_with("MAIL")).unwrap();
            let rcpts = |bad: bool, from: usize| {
                let rcpts = lines[from..].iter().filter(|line| line.starts_with("RCPT"));
                rcpts.filter(|line| line.contains("<bad") == bad).count()
            };
            answer(line, rcpts(false, begun), rcpts(true, 0))
        }
        line => Host::good(line),
    });
    let mut sending = Sending::default();
    sending.excess = Excess::Continue;
    (host, connector.sending(sending))
}

/// Answers 421 to a recipient after 100 of a transaction.
fn closing_after_100(_: &str, accepted: usize, _: usize) -> Answer {
    if accepted > 100 { CloseWith("421 4.5.3 too many\r\n") } else { Say("250 ok\r\n") }
}

fn to(count: usize, bad: fn(usize) -> bool) -> Envelope {
    let name = |number| if bad(number) { "bad" } else { "r" };
    let rcpts: Vec<_> = (0..count).map(|n| format!("{}{n}@example.org", name(n))).collect();
    Envelope::new("s@example.org", rcpts.iter().map(|rcpt| &**rcpt)).unwrap()
}

fn codes(result: &Result<Delivery, Error>) -> Vec<u16> {
    let delivery = result.as_ref().unwrap();
    delivery.verdicts().map(|(_, one)| one.reply().code().get()).collect()
}

/// How many RCPT commands each transaction had.
fn transactions(host: &Host) -> Vec<usize> {
    let heard: Vec<String> = host.heard().into_iter().flatten().collect();
    let parts = heard.split(|line| line.starts_with("MAIL")).skip(1);
    parts.map(|part| part.iter().filter(|line| line.starts_with("RCPT")).count()).collect()
}

async fn send(mailer: &Mailer, envelope: Envelope) -> Result<Delivery, Error> {
    mailer.send(envelope, text()).await
}

#[test]
fn a_server_that_ends_the_session_after_100_recipients_gets_200_in_two_transactions() {
    perform(async {
        let (host, connector) = server(closing_after_100);
        let mailer = pool(connector, 1).build();
        let sent = send(&mailer, to(200, |_| false)).await;
        assert_eq!(codes(&sent), [250; 200]);
        assert_eq!((transactions(&host), host.count(".")), (vec![101, 100, 100], 2));
    });
}

#[test]
fn the_learned_limit_counts_for_later_messages_and_connections() {
    perform(async {
        let (host, connector) = server(closing_after_100);
        let mailer = pool(connector, 1).messages_per_connection(1).build();
        assert_eq!(codes(&send(&mailer, to(150, |_| false)).await), [250; 150]);
        assert_eq!(codes(&send(&mailer, to(201, |_| false)).await), [250; 201]);
        assert_eq!(transactions(&host), [101, 100, 50, 100, 100, 1]);
    });
}

#[test]
fn recipients_that_were_refused_are_not_sent_to_again() {
    perform(async {
        // Three refusals in a session end it.
        let (host, connector) = server(|line, _, refused| match (line.contains("<bad"), refused) {
            (true, 3..) => CloseWith("421 4.7.0 too many errors\r\n"),
            (true, _) => Say("550 5.1.1 unknown\r\n"),
            (false, _) => Say("250 ok\r\n"),
        });
        let mailer = pool(connector, 1).build();
        let sent = send(&mailer, to(12, |number| number % 2 == 1)).await;
        let expected: Vec<u16> = (0..12).map(|n| if n % 2 == 1 { 550 } else { 250 }).collect();
        assert_eq!(codes(&sent), expected);
        for number in (0..12).step_by(2) {
            // Each was accepted for a text once, and no bad one was named after its refusal.
            assert!(host.count(&format!("RCPT TO:<r{number}@")) >= 1);
        }
        let refused = |number: usize| host.count(&format!("RCPT TO:<bad{number}@"));
        assert_eq!((refused(1), refused(3)), (1, 1));
    });
}

#[test]
fn refusals_as_too_many_that_end_in_421_leave_no_recipient_without_the_message() {
    perform(async {
        let (host, connector) = server(|_, accepted, _| match accepted {
            0..=100 => Say("250 ok\r\n"),
            101..=103 => Say("452 4.5.3 too many\r\n"),
            _ => CloseWith("421 4.7.0 too many errors\r\n"),
        });
        let mailer = pool(connector, 1).build();
        assert_eq!(codes(&send(&mailer, to(200, |_| false)).await), [250; 200]);
        assert_eq!(host.count("."), 2);
    });
}

#[test]
fn a_session_that_takes_few_recipients_in_all_is_followed_by_others() {
    perform(async {
        let (host, connector) = Host::aware(|host, number, line| match line {
            line if line.starts_with("RCPT") && host.count_on(number, "RCPT") > 10 => {
                CloseWith("421 4.7.0 enough\r\n")
            }
            line => Host::good(line),
        });
        let mut sending = Sending::default();
        sending.excess = Excess::Continue;
        let mailer = pool(connector.sending(sending), 1).build();
        assert_eq!(codes(&send(&mailer, to(55, |_| false)).await), [250; 55]);
        assert_eq!(host.count("."), 6, "no recipient got it twice");
    });
}

#[test]
fn a_recipient_that_is_refused_for_now_is_not_among_those_that_the_session_left() {
    perform(async {
        let (host, connector) = server(|line, accepted, _| match line {
            line if line.contains("<bad") => Say("450 4.2.0 greylisted\r\n"),
            _ => closing_after_100("", accepted, 0),
        });
        let sent = send(&pool(connector, 1).build(), to(150, |number| number == 3)).await;
        let codes = codes(&sent);
        assert_eq!((codes[3], codes.iter().filter(|&&code| code == 250).count()), (450, 149));
        assert_eq!((host.count("RCPT TO:<bad"), host.count(".")), (1, 2));
    });
}

#[test]
fn without_leave_to_continue_the_421_is_the_verdict() {
    for partial in [Partial::Deliver, Partial::Withhold] {
        perform(async move {
            let (host, connector) = server(closing_after_100);
            let mut sending = Sending::default();
            sending.partial = partial;
            let mailer = pool(connector.sending(sending), 1).build();
            let sent = send(&mailer, to(200, |_| false)).await;
            assert_eq!((host.count("MAIL"), host.count(".")), (1, 0));
            assert_eq!(sent.is_ok(), partial == Partial::Deliver, "{sent:?}");
        });
    }
}

#[test]
fn a_server_that_ends_each_session_at_its_first_recipient_is_asked_once() {
    perform(async {
        let (host, connector) = server(|_, _, _| CloseWith("421 4.3.2 not now\r\n"));
        let sent = send(&pool(connector, 1).build(), to(3, |_| false)).await;
        assert_eq!((codes(&sent), host.count("MAIL")), (vec![421; 3], 1));
    });
}
