//! Many messages over all connections of a mailer, each with a tag.
use std::{
    collections::BTreeSet,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use smtp_client::{
    Content, Credentials, Delivery, Ended, Error, ErrorKind, Login, Message, SendAll, Step,
    TaggedMessages, session::ClearText,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use crate::{
    host::{
        Answer::{Close, Late, Say, Stall},
        Host,
    },
    mailer::{envelope, pool, send, text},
    stage::perform,
};

/// So many messages; the recipient of each is `r` with its tag.
fn messages(count: usize) -> impl Iterator<Item = (usize, Message<'static>)> + Send {
    (0..count).map(|tag| (tag, Message::new(envelope(&format!("r{tag}")), text())))
}

/// The results of all, which are checked to have each tag once.
async fn results(mut sending: SendAll<'_, usize>) -> Vec<(usize, Result<Delivery, Error>)> {
    let mut results = Vec::new();
    while let Some(result) = sending.next().await {
        results.push(result);
    }
    assert_eq!(sending.pending(), 0);
    let tags: BTreeSet<usize> = results.iter().map(|(tag, _)| *tag).collect();
    assert_eq!((tags.len(), tags.last()), (results.len(), Some(&(results.len() - 1))));
    results
}

#[track_caller]
fn check_accepted(results: &[(usize, Result<Delivery, Error>)], count: usize) {
    assert_eq!(results.len(), count);
    for (tag, result) in results {
        assert!(result.as_ref().is_ok_and(Delivery::all_accepted), "{tag}: {result:?}");
    }
}

#[test]
fn each_result_has_the_tag_of_its_message_and_all_connections_are_used() {
    perform(async {
        let (host, connector) = Host::new(|_, line| match line {
            line if line.starts_with("RCPT TO:<r7@") => Say("550 5.1.1 unknown\r\n"),
            "DATA" => Late(Duration::from_secs(1), "354 go\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 3).build();
        for (tag, result) in results(mailer.send_all(messages(200))).await {
            assert_eq!(result.unwrap().all_accepted(), tag != 7);
        }
        assert_eq!((host.count("MAIL"), host.most_at_once()), (200, 3));
        mailer.close().await;
    });
}

#[test]
fn results_come_as_they_are_known() {
    perform(async {
        let (_, connector) = Host::new(|number, line| match line {
            "DATA" if number == 0 => Late(Duration::from_secs(60), "354 go\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 2).build();
        let results = results(mailer.send_all(messages(9))).await;
        check_accepted(&results, 9);
        assert_eq!(results.last().unwrap().0, 0, "the slow one is the last");
    });
}

#[test]
fn connections_that_fail_are_replaced_and_what_is_in_doubt_is_not_sent_again() {
    perform(async {
        let (host, connector) = Host::aware(|host, number, line| match line {
            // Every connection fails in its fourth message: some at RCPT, some at the dot.
            line if line.starts_with("RCPT") && number % 2 == 0 => {
                if host.count_on(number, "RCPT") == 4 { Close } else { Host::good(line) }
            }
            "." if number % 2 == 1 && host.count_on(number, "MAIL") == 4 => Close,
            line => Host::good(line),
        });
        let mailer = pool(connector, 2).build();
        let results = results(mailer.send_all(messages(50))).await;
        assert_eq!(results.len(), 50);
        let mut doubtful = 0;
        for (tag, result) in &results {
            match result {
                Ok(delivery) => assert!(delivery.all_accepted()),
                Err(error) => {
                    assert!(error.in_doubt(), "{tag}: {error}");
                    doubtful += 1;
                }
            }
        }
        assert!(doubtful > 3, "{doubtful}");
        // Each content was sent to its end once, whether or not the reply came.
        assert_eq!(host.count("."), 50);
    });
}

#[test]
fn no_more_messages_are_taken_than_connections_need() {
    perform(async {
        let (host, connector) = Host::new(|_, line| match line {
            line if line.starts_with("RCPT TO:<r100@") => Stall,
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).messages_per_connection(1000).build();
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&taken);
        let counted = messages(10_000).inspect(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let mut sending = mailer.send_all(counted);
        sleep(Duration::from_secs(1)).await;
        assert_eq!((taken.load(Ordering::SeqCst), host.heard().len()), (0, 0));
        for number in 0..100 {
            assert_eq!(sending.next().await.unwrap().0, number);
            assert!(taken.load(Ordering::SeqCst) <= number + 32);
        }
        timeout(Duration::from_secs(100), sending.next()).await.unwrap_err();
        assert_eq!((taken.load(Ordering::SeqCst), sending.pending()), (132, 32));
    });
}

#[test]
fn dropping_the_results_ends_it_and_what_was_begun_is_sent() {
    perform(async {
        let (host, connector) = Host::new(|_, line| match line {
            "DATA" => Late(Duration::from_secs(5), "354 go\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).build();
        let mut sending = mailer.send_all(messages(100));
        assert_eq!(sending.next().await.unwrap().0, 0);
        sleep(Duration::from_secs(1)).await;
        drop(sending);
        assert!(send(&mailer).await.unwrap().all_accepted());
        assert_eq!((host.count("RCPT TO:<r"), host.count(".")), (2, 3));
        assert_eq!(mailer.waiting(), 0);
    });
}

#[test]
fn an_outage_is_waited_for_up_to_the_wait_timeout() {
    let down_for = |connections: usize| {
        Host::new(move |number, line| match line {
            "" if number < connections => Close,
            line => Host::good(line),
        })
    };
    perform(async move {
        let (host, connector) = down_for(9);
        let mailer = pool(connector, 2).build();
        check_accepted(&results(mailer.send_all(messages(500))).await, 500);
        assert_eq!(host.count("."), 500);
    });
    perform(async move {
        let (_, connector) = down_for(usize::MAX);
        let wait = Duration::from_secs(300);
        let mailer = pool(connector, 1).build();
        let begun = Instant::now();
        for (_, result) in results(mailer.send_all(messages(5))).await {
            let error = result.unwrap_err();
            assert_eq!((error.step(), error.waited()), (Step::Greeting, Some(wait)));
            assert!(!error.in_doubt());
        }
        assert!((300..350).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
        // A single message does not wait for that many attempts.
        assert_eq!(send(&mailer).await.unwrap_err().waited(), None);
    });
}

#[test]
fn a_wrong_password_is_tried_once_a_minute() {
    perform(async {
        let (host, connector) = Host::new(|_, line| match line {
            line if line.starts_with("EHLO") => Say("250-hi\r\n250 AUTH PLAIN\r\n"),
            line if line.starts_with("AUTH") => Say("535 5.7.8 wrong\r\n"),
            line => Host::good(line),
        });
        let login = Login::new(Credentials::password("tim", "wrong").unwrap());
        let connector = connector.login(login.clear_text(ClearText::Allowed));
        let mailer = pool(connector, 1).build();
        for round in 1..3 {
            let results = results(mailer.send_all(messages(1000))).await;
            assert_eq!(results.len(), 1000);
            for (_, result) in results {
                assert_eq!(result.unwrap_err().reply().unwrap().code().get(), 535);
            }
            assert_eq!(host.count("AUTH"), round);
            sleep(Duration::from_secs(61)).await;
        }
        // A message of its own asks at once.
        send(&mailer).await.unwrap_err();
        send(&mailer).await.unwrap_err();
        assert_eq!(host.count("AUTH"), 4);
    });
}

/// A stream of messages that come one by one.
struct Incoming(mpsc::Receiver<(usize, Message<'static>)>);

impl Stream for Incoming {
    type Item = (usize, Message<'static>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

#[test]
fn messages_of_a_stream_are_sent_as_they_come() {
    perform(async {
        let (host, connector) = Host::new(|_, line| Host::good(line));
        let mailer = pool(connector, 2).build();
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            for message in messages(10) {
                sender.send(message).await.unwrap();
                sleep(Duration::from_secs(10)).await;
            }
        });
        let mut sending = mailer.send_all(TaggedMessages::stream(Incoming(receiver)));
        let begun = Instant::now();
        for tag in 0..10 {
            let (found, result) = sending.next().await.unwrap();
            assert!(found == tag && result.unwrap().all_accepted());
            assert_eq!(begun.elapsed().as_secs(), 10 * tag as u64);
        }
        assert!(sending.next().await.is_none());
        assert_eq!(host.heard().len(), 1);
    });
}

#[test]
fn a_closed_mailer_sends_none_and_says_so_of_each() {
    perform(async {
        let (host, connector) = Host::new(|_, line| Host::good(line));
        let mailer = pool(connector, 2).build();
        mailer.close().await;
        let results = results(mailer.send_all(messages(100))).await;
        assert_eq!((results.len(), host.heard().len()), (100, 0));
        for (_, result) in results {
            let error = result.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Ended(Ended::MailerClosed)));
        }
    });
}

#[test]
fn a_panic_in_a_message_leaves_that_one_in_doubt() {
    perform(async {
        let (_, connector) = Host::new(|_, line| Host::good(line));
        let mailer = pool(connector, 1).build();
        let messages = (0..9).map(|tag| {
            let content = Content::from(text());
            let content = content.on_progress(move |_| assert!(tag != 4, "as the test wants it"));
            (tag, Message::new(envelope(&format!("r{tag}")), content))
        });
        for (tag, result) in results(mailer.send_all(messages)).await {
            match result {
                Ok(delivery) => assert!(tag != 4 && delivery.all_accepted()),
                Err(error) => assert!(tag == 4 && error.in_doubt(), "{tag}: {error}"),
            }
        }
    });
}
