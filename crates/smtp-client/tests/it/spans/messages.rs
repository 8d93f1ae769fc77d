//! The spans of many messages and of a mailer: one for each message, in the span of the caller.
use std::time::Duration;

use smtp_client::{Connector, Envelope, Excess, MailData, Mailer, Message, Retry, Sending, Server};
use smtp_testkit::Server as TestServer;
use tracing::{Instrument, Level};

use super::{CALLER, Seen, Witness, check, check_discreet, check_duration, span, watched};
use crate::{
    host::{
        Answer::{Close, Late, Say},
        Host,
    },
    mailer::{envelope, pool, text},
    stage::perform,
};

/// Everything that is seen while this is awaited in the span `caller`.
fn witness(act: impl Future<Output = ()>) -> Vec<Seen> {
    let witness = Witness::default();
    watched(&witness, || {
        perform(async {
            let caller = tracing::info_span!(target: CALLER, "caller");
            act.instrument(caller).await;
        });
    });
    witness.all()
}

/// The spans of messages, which are children of the caller's.
#[track_caller]
fn sends(all: &[Seen]) -> Vec<&Seen> {
    let caller = all.iter().position(|seen| seen.name == "caller").unwrap();
    let sends: Vec<_> = all.iter().filter(|seen| !seen.is_event && seen.name == "send").collect();
    for send in &sends {
        assert_eq!(send.parent, Some(caller as u64 + 1), "{send:?}");
    }
    sends
}

/// The one event at WARN, and its reason.
#[track_caller]
fn warning(all: &[Seen]) -> (&str, &str) {
    let warnings: Vec<_> = all.iter().filter(|seen| seen.level == Level::WARN).collect();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    (warnings[0].field("message").unwrap(), warnings[0].field("reason").unwrap())
}

fn refusing_bob() -> Connector {
    let (_, connector) = Host::new(|_, line| match line {
        line if line.starts_with("RCPT TO:<secret.bob") => Say("550 5.1.1 secret.bob who?\r\n"),
        line => Host::good(line),
    });
    connector
}

#[test]
fn each_of_many_messages_has_a_span_in_that_of_the_caller() {
    let all = witness(async {
        let mut connection = refusing_bob().connect().await.unwrap();
        let messages = ["a", "secret.bob", "c"].map(|name| Message::new(envelope(name), text()));
        let mut sending = connection.send_many(messages).await.unwrap();
        // The results are asked for outside of the span: it is that of the call.
        let results = async { while sending.next().await.is_some() {} };
        results.instrument(tracing::Span::none()).await;
    });
    let outcomes: Vec<_> = sends(&all).iter().map(|send| send.field("outcome").unwrap()).collect();
    assert_eq!(outcomes, ["accepted", "refused", "accepted"]);
    check(sends(&all)[1], Level::INFO, &[("code", "550"), ("accepted", "0"), ("refused", "1")]);
    let reason = "RCPT: 550 5.1.1 bad destination mailbox address (1 of 1 recipients refused)";
    assert_eq!(warning(&all), ("send: refused", reason));
    check_discreet(&all);
}

#[test]
fn a_message_of_a_mailer_has_a_span_over_its_wait_and_all_attempts() {
    let all = witness(async {
        let (_, connector) = Host::new(|number, line| match line {
            "DATA" if number == 0 => Close,
            "DATA" => Late(Duration::from_secs(2), "354 go\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).build();
        assert!(mailer.send(envelope("b"), text()).await.unwrap().all_accepted());
        mailer.close().await;
    });
    let sent = [("outcome", "accepted"), ("attempts", "2"), ("accepted", "1"), ("code", "250")];
    check(sends(&all)[0], Level::INFO, &sent);
    assert_eq!(sends(&all)[0].field("retries"), None);
    check_duration(sends(&all)[0], 2000);
    assert_eq!(sends(&all).len(), 1);
    let is_repeat = |seen: &&Seen| seen.is_event && seen.field("message") == Some("repeated");
    let repeat = all.iter().find(is_repeat).unwrap();
    check(repeat, Level::DEBUG, &[("attempt", "1")]);
    // The connections serve many messages, and belong to none.
    let connects = all.iter().filter(|seen| !seen.is_event && seen.name == "connect");
    assert_eq!(connects.map(|seen| seen.parent).collect::<Vec<_>>(), [None, None]);
}

#[test]
fn a_message_that_is_retried_has_one_span_over_its_pauses() {
    let all = witness(async {
        let (_, connector) = Host::aware(|host, _, line| match line {
            line if line.starts_with("RCPT TO:<secret.bob") && host.count(line) < 3 => {
                Say("450 4.2.1 secret.bob is busy\r\n")
            }
            line => Host::good(line),
        });
        let retry = Retry::new(2).first_pause(Duration::ZERO);
        let mailer = pool(connector, 1).retry(retry).build();
        let rcpts = ["a@example.org", "secret.bob@example.org"];
        let envelope = Envelope::new("s@example.org", rcpts).unwrap();
        assert!(mailer.send(envelope, text()).await.unwrap().all_accepted());
    });
    let sent = [("outcome", "accepted"), ("attempts", "3"), ("retries", "2"), ("recipients", "2")];
    assert_eq!(sends(&all).len(), 1);
    check(sends(&all)[0], Level::INFO, &sent);
    let is_pause = |seen: &&Seen| seen.is_event && seen.field("message") == Some("pausing");
    let reason = "RCPT: 450 4.2.1 mailbox disabled, not accepting messages (1 of 2 recipients \
                  refused)";
    let pauses: Vec<_> = all.iter().filter(is_pause).collect();
    check(pauses[0], Level::DEBUG, &[("retry", "1"), ("seconds", "0"), ("reason", reason)]);
    assert_eq!(pauses.len(), 2);
    check_discreet(&all);
}

#[test]
fn a_message_has_the_queue_identifier_that_all_accepted_recipients_share() {
    let queue_id = |replies: &'static str| {
        let all = witness(async move {
            let lmtp = "lmtp://localhost:24".parse().unwrap();
            let (_, connector) = Host::at(lmtp, move |_, _, line| match line {
                "." => Say(replies),
                line => Host::good(line),
            });
            let rcpts = ["a@example.org", "b@example.org", "c@example.org"];
            let envelope = Envelope::new("s@example.org", rcpts).unwrap();
            let mailer = pool(connector, 1).build();
            assert!(mailer.send(envelope, text()).await.is_ok_and(|sent| sent.any_accepted()));
        });
        check_discreet(&all);
        sends(&all)[0].field("queue_id").map(str::to_owned)
    };
    let ok = "250 ok: queued as 4XyZ\r\n250 b: queued as 4XyZ\r\n550 queued as 5\r\n";
    assert_eq!(queue_id(ok).as_deref(), Some("4XyZ"));
    let other = "250 ok: queued as 4XyZ\r\n250 b: queued as 4XyW\r\n550 no\r\n";
    assert_eq!(queue_id(other), None);
    let unnamed = "250 ok: queued as 4XyZ\r\n250 ok\r\n550 no\r\n";
    assert_eq!(queue_id(unnamed), None);
    let address = "250 queued as secret.b1@example.org\r\n550 no\r\n550 no\r\n";
    assert_eq!(queue_id(address), None);
}

#[test]
fn a_retry_that_was_not_made_is_not_counted() {
    let all = witness(async {
        let (_, connector) = Host::new(|_, line| match line {
            line if line.starts_with("RCPT TO:<b") => Say("450 4.2.1 busy\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).retry(Retry::new(2)).build();
        let messages = ["a", "b"].map(|name| ((), Message::new(envelope(name), text())));
        let mut results = mailer.send_all(messages);
        assert!(results.next().await.unwrap().1.unwrap().all_accepted());
        mailer.close().await;
        assert!(!results.next().await.unwrap().1.unwrap().any_accepted());
    });
    check(sends(&all)[1], Level::INFO, &[("outcome", "refused"), ("attempts", "1")]);
    assert_eq!(sends(&all)[1].field("retries"), None);
}

#[test]
fn messages_of_send_all_have_spans_in_that_of_the_call() {
    let all = witness(async {
        let mailer = pool(refusing_bob(), 1).build();
        let messages = ["a", "secret.bob"].map(|name| ((), Message::new(envelope(name), text())));
        let mut results = mailer.send_all(messages);
        let taken = async { while results.next().await.is_some() {} };
        taken.instrument(tracing::Span::none()).await;
    });
    let outcomes: Vec<_> = sends(&all).iter().map(|send| send.field("outcome").unwrap()).collect();
    assert_eq!(outcomes, ["accepted", "refused"]);
    check_discreet(&all);
}

#[test]
fn a_failure_is_a_warning_that_stands_for_itself() {
    let all = witness(async {
        let (_, connector) = Host::new(|_, line| match line {
            "" => Say("554 5.7.1 <secret.host> go away\r\n"),
            line => Host::good(line),
        });
        connector.connect().await.unwrap_err();
    });
    let reason = "greeting: 554 5.7.1 delivery not authorized, message refused";
    assert_eq!(warning(&all), ("connect: refused", reason));
    let warned = all.iter().find(|seen| seen.level == Level::WARN).unwrap();
    assert_eq!(warned.field("server"), Some("smtp://localhost:25"));
    check_discreet(&all);
    let all = witness(async {
        let (_, connector) = Host::new(|_, line| match line {
            "." => Close,
            line => Host::good(line),
        });
        Mailer::new(connector).send(envelope("b"), text()).await.unwrap_err();
    });
    let reason = "end of mail data: the server closed the connection (the message may have been \
                  accepted)";
    assert_eq!(warning(&all), ("send: broken", reason));
}

#[test]
fn a_connection_over_tcp_has_its_host_and_address() {
    let witness = Witness::default();
    let address = watched(&witness, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = TestServer::builder().tcp().unwrap();
            let port = server.addr().port();
            let connector = Connector::new(Server::tcp("127.0.0.1", port));
            let mut connection = connector.connect().await.unwrap();
            let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
            let _ = connection.send(&envelope, &MailData::new("x\r\n").unwrap()).await.unwrap();
            server.addr().to_string()
        })
    });
    let all = witness.all();
    let expected = [("host", "127.0.0.1"), ("address", &*address), ("outcome", "done")];
    check(span(&all, "connect"), Level::INFO, &expected);
}

#[test]
fn a_recipient_that_is_refused_beside_others_is_not_told_as_a_repetition() {
    let all = witness(async {
        let mut sending = Sending::default();
        sending.excess = Excess::Continue;
        let mailer = pool(refusing_bob().sending(sending), 1).build();
        let rcpts = ["ann@example.org", "secret.bob@example.org"];
        let envelope = Envelope::new("s@example.org", rcpts).unwrap();
        let delivery = mailer.send(envelope, text()).await.unwrap();
        assert!(delivery.any_accepted() && !delivery.all_accepted());
    });
    let repeated = |seen: &&Seen| seen.is_event && seen.field("message") == Some("repeated");
    assert_eq!(all.iter().filter(repeated).count(), 0);
}
