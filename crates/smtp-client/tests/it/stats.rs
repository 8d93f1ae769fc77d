//! The statistics of a mailer.
use std::time::Duration;

use smtp_client::Mailer;
use tokio::time::sleep;

use crate::{
    host::{
        Answer::{Close, Late, Say},
        Host,
    },
    mailer::{envelope, pool, send, spawn, text},
    stage::perform,
};

async fn send_to(mailer: &Mailer, names: &[&str]) {
    let rcpts = names.iter().map(|name| format!("{name}@example.org"));
    let rcpts: Vec<String> = rcpts.collect();
    let envelope =
        smtp_client::Envelope::new("s@example.org", rcpts.iter().map(String::as_str)).unwrap();
    let _ = mailer.send(envelope, text()).await;
}

#[test]
fn messages_are_counted_by_outcome() {
    perform(async {
        let (_, connector) = Host::new(|_, line| match line {
            line if line.starts_with("RCPT TO:<unknown") => Say("550 5.1.1 unknown\r\n"),
            line if line.starts_with("RCPT TO:<lost") => Close,
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).build();
        assert_eq!(mailer.stats(), mailer.stats());
        send_to(&mailer, &["a"]).await;
        send_to(&mailer, &["a"]).await;
        send_to(&mailer, &["a", "unknown"]).await;
        send_to(&mailer, &["unknown"]).await;
        send_to(&mailer, &["lost"]).await;
        let stats = mailer.stats();
        let by_outcome = [stats.accepted, stats.partly_accepted, stats.refused, stats.not_sent];
        assert_eq!((by_outcome, stats.in_doubt), ([2, 1, 1, 1], 0));
        // The last one was tried three times.
        assert_eq!((stats.connections_opened, stats.connections_reused), (3, 4));
        assert_eq!((stats.waiting.count(), stats.sending.count()), (7, 7));
    });
    perform(async {
        let (_, connector) = Host::new(|_, line| match line {
            "." => Close,
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).build();
        assert!(send(&mailer).await.unwrap_err().in_doubt());
        assert_eq!((mailer.stats().in_doubt, mailer.stats().not_sent), (1, 0));
    });
}

#[test]
fn connections_are_counted_by_what_they_do() {
    perform(async {
        let (_, connector) = Host::new(|number, line| match line {
            "" if number == 0 => Close,
            "DATA" => Late(Duration::from_secs(3), "354 go\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).build();
        let sent = ["a", "b"].map(|name| spawn(&mailer, name));
        sleep(Duration::from_secs(2)).await;
        let stats = mailer.stats();
        assert_eq!((stats.connections_opened, stats.connections_failed), (1, 1));
        assert_eq!((stats.open, stats.idle, stats.queued), (1, 0, 1));
        for one in sent {
            assert!(one.await.unwrap().unwrap().all_accepted());
        }
        let stats = mailer.stats();
        assert_eq!((stats.open, stats.idle, stats.queued), (1, 1, 0));
        let waited: Vec<_> = stats.waiting.buckets().filter(|(_, count)| *count > 0).collect();
        // One waited for the second attempt to connect, the other for the first message too.
        assert_eq!(waited, [(Some(Duration::from_secs(2)), 1), (Some(Duration::from_secs(5)), 1)]);
        let sending: Vec<_> = stats.sending.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(sending, [(Some(Duration::from_secs(5)), 2)]);
        assert_eq!(stats.sending.sum().as_secs(), 6);
        assert_eq!(mailer.send(envelope("c"), text()).await.unwrap().verdicts().len(), 1);
        mailer.close().await;
        assert_eq!((mailer.stats().open, mailer.stats().idle), (0, 0));
    });
}
