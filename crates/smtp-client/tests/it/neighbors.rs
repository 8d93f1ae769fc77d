//! Neighbors: whatever happens to one message on a connection, the messages around it are accepted.
use std::io;

use bytes::Bytes;
use smtp_client::{Ahead, Content, Delivery, Error, MailData, Part, Sending};

use crate::{
    host::{
        Answer::{self, Close, CloseWith, Say},
        Host,
    },
    mailer::{envelope, pool, text},
    stage::perform,
};

/// What happens to one message.
#[derive(Clone, Copy)]
enum Event {
    /// The server answers this line of its transaction in this way, whenever it is sent.
    Answered(&'static str, fn() -> Answer),
    /// It has this content.
    Content(fn() -> Content<'static>),
}

/// Which message that is, and how many there are.
const BAD: usize = 3;
const ALL: usize = 8;

/// The results of messages one of which this happens to.
fn results(event: Event, connections: usize, ahead: bool) -> Vec<Result<Delivery, Error>> {
    perform(async move {
        let (_, connector) = Host::aware(move |host, number, line| {
            let Event::Answered(at, answer) = event else { return Host::good(line) };
            // The message that is under way on this connection.
            let heard = host.heard();
            let mail = heard[number].iter().rev().find(|one| one.starts_with("MAIL"));
            let of_bad = || mail.is_some_and(|mail| mail.contains("bad@"));
            if line.starts_with(at) && of_bad() { answer() } else { Host::good(line) }
        });
        let mut sending = Sending::default();
        sending.ahead = ahead.then(Ahead::default);
        let mailer = pool(connector.sending(sending), connections).build();
        let sent: Vec<_> = (0..ALL)
            .map(|number| {
                let mailer = mailer.clone();
                let (sender, content) = match event {
                    Event::Content(content) if number == BAD => ("bad@example.org", content()),
                    _ if number == BAD => ("bad@example.org", Content::from(text())),
                    _ => ("s@example.org", Content::from(text())),
                };
                let rcpt = format!("r{number}@example.org");
                let envelope = smtp_client::Envelope::new(sender, [&*rcpt]).unwrap();
                tokio::spawn(async move { mailer.send(envelope, content).await })
            })
            .collect();
        let mut results = Vec::new();
        for one in sent {
            results.push(one.await.unwrap());
        }
        // And the mailer still works.
        assert!(mailer.send(envelope("after"), text()).await.unwrap().all_accepted());
        mailer.close().await;
        assert_eq!(mailer.connections(), 0);
        results
    })
}

fn answers() -> Vec<(&'static str, Event)> {
    let mut events = Vec::new();
    for at in ["MAIL", "RCPT", "DATA", "."] {
        let answers: [fn() -> Answer; 12] = [
            || Close,
            || CloseWith("550 5.7.1 no\r\n"),
            || CloseWith("421 4.3.0 going\r\n"),
            || CloseWith("250-half of it\r\n"),
            || Say("550 5.7.1 no\r\n"),
            || Say("503 5.5.1 out of place\r\n"),
            || Say("450 no\r\n"),
            || Say("452 4.4.5 no\r\n"),
            || Say("432 4.3.2 too many\r\n"),
            || Say("421 4.3.0 going\r\n"),
            || Say("hello?\r\n"),
            || Say("355 what\r\n"),
        ];
        events.extend(answers.map(|answer| (at, Event::Answered(at, answer))));
    }
    events
}

fn contents() -> Vec<(&'static str, Event)> {
    let failing = || {
        let pieces = [Ok(Bytes::from_static(b"a: b\r\n")), Err(io::Error::other("a bad disk"))];
        Content::pieces(pieces)
    };
    let ill_formed = || Content::pieces([Ok(Bytes::from_static(b"a: b\n\nbare\n"))]);
    let of_another_size = || Content::pieces([Ok(Bytes::from_static(b"a: b\r\n"))]).size(5);
    let binary = || Content::from(MailData::binary(&b"\0"[..]));
    let fetched = || Content::from_parts([Part::fetched("imap://example.org/1").unwrap()]);
    let panicking = || Content::from(text()).on_progress(|_| panic!("as the test wants it"));
    vec![
        ("a source that fails", Event::Content(failing)),
        ("an ill-formed text", Event::Content(ill_formed)),
        ("another size than declared", Event::Content(of_another_size)),
        ("an extension that is not offered", Event::Content(binary)),
        ("a part that cannot be fetched", Event::Content(fetched)),
        ("a panic", Event::Content(panicking)),
    ]
}

#[track_caller]
fn check(told: &str, event: Event, connections: usize) {
    let results = results(event, connections, false);
    for (number, result) in results.iter().enumerate().filter(|&(number, _)| number != BAD) {
        let accepted = result.as_ref().is_ok_and(Delivery::all_accepted);
        assert!(accepted, "{told}, {connections}: message {number}: {result:?}");
    }
    let bad = &results[BAD];
    assert!(!bad.as_ref().is_ok_and(Delivery::all_accepted), "{told}: {bad:?}");
}

#[test]
fn what_the_server_does_about_one_message_touches_no_other() {
    for (at, event) in answers() {
        for connections in [1, 3] {
            check(at, event, connections);
        }
    }
}

#[test]
fn what_is_wrong_with_one_content_touches_no_other_message() {
    for (told, event) in contents() {
        for connections in [1, 3] {
            check(told, event, connections);
        }
    }
}

#[test]
fn what_runs_ahead_with_a_bad_message_is_accepted_or_in_doubt() {
    for (told, event) in answers().into_iter().chain(contents()) {
        let results = results(event, 1, true);
        for (number, result) in results.iter().enumerate().filter(|&(number, _)| number != BAD) {
            let known = match result {
                Ok(delivery) => delivery.all_accepted(),
                // It was written before the connection was closed for another one.
                Err(error) => error.in_doubt(),
            };
            assert!(known, "{told}: message {number}: {result:?}");
        }
    }
}
