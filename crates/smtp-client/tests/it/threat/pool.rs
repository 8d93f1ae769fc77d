//! Pooled connections: rows L9, L10, L13 and L14.
use std::time::Duration;

use smtp_client::{Ended, ErrorKind, Step};
use tokio::{
    task::{JoinHandle, yield_now},
    time::{Instant, sleep},
};

use crate::{
    host::{Answer::CloseWith, Host},
    mailer::{pool, send, spawn},
    stage::perform,
};

#[test]
fn l9_a_server_that_refuses_all_connections_is_not_flooded() {
    perform(async {
        let (host, connector) = Host::new(|_, line| match line {
            "" => CloseWith("421 too many connections\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 2).build();
        let begun = Instant::now();
        let sent: Vec<_> = (0..200).map(|n| spawn(&mailer, &format!("r{n}"))).collect();
        for one in sent {
            let error = one.await.unwrap().unwrap_err();
            assert_eq!((error.step(), error.in_doubt()), (Step::Greeting, false));
            assert_eq!(error.reply().unwrap().code().get(), 421);
        }
        // Two workers, three tries each, and pauses of one and two seconds or a half more.
        assert!(host.heard().len() <= 6);
        assert_eq!(host.count("MAIL"), 0);
        let elapsed = begun.elapsed();
        assert!(elapsed >= Duration::from_secs(3) && elapsed <= Duration::from_millis(4500));
    });
}

#[test]
fn l10_canceled_waiters_free_their_places() {
    perform(async {
        let (_, connector) = Host::new(|_, line| Host::good(line));
        let mailer = pool(connector, 1).queue_limit(2).build();
        for turns in 0..200 {
            let waiters: Vec<_> = (0..8).map(|n| spawn(&mailer, &format!("r{n}"))).collect();
            for _ in 0..turns {
                yield_now().await;
            }
            waiters.iter().for_each(JoinHandle::abort);
        }
        assert!(send(&mailer).await.unwrap().all_accepted());
        assert_eq!(mailer.waiting(), 0);
        mailer.close().await;
        assert_eq!(mailer.connections(), 0);
    });
}

#[test]
fn l13_a_session_that_the_server_ends_is_not_the_end_of_a_message() {
    perform(async {
        let (host, connector) = Host::aware(|host, number, line| match line {
            line if line.starts_with("MAIL") && host.count_on(number, "MAIL") == 4 => {
                CloseWith("421 enough\r\n")
            }
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).build();
        for _ in 0..10 {
            assert!(send(&mailer).await.unwrap().all_accepted());
        }
        // The sessions after the first one end in time.
        assert_eq!((host.count("MAIL"), host.heard().len()), (11, 4));
    });
}

#[test]
fn l14_a_mailer_that_is_dropped_leaves_nothing_open() {
    perform(async {
        let (host, connector) = Host::new(|_, line| Host::good(line));
        let mailer = pool(connector, 2).build();
        let sent: Vec<_> = (0..10).map(|n| spawn(&mailer, &format!("r{n}"))).collect();
        drop(mailer);
        for one in sent {
            assert!(one.await.unwrap().unwrap().all_accepted());
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!((host.count("QUIT"), host.open_now()), (2, 0));
    });
}

#[test]
fn l14_closing_finishes_the_queued_messages() {
    perform(async {
        let (host, connector) = Host::new(|_, line| Host::good(line));
        let mailer = pool(connector, 2).build();
        let sent: Vec<_> = (0..30).map(|n| spawn(&mailer, &format!("r{n}"))).collect();
        yield_now().await;
        mailer.close().await;
        assert_eq!((host.count("."), host.count("QUIT"), host.open_now()), (30, 2, 0));
        for one in sent {
            assert!(one.await.unwrap().unwrap().all_accepted());
        }
        let error = send(&mailer).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Ended(Ended::MailerClosed)));
    });
}
