//! A mailer whose runtime or callers fail: no caller waits forever, and no result claims more than
//! is known.
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use smtp_client::{Content, Ended, ErrorKind, Mailer};
use tokio::{
    runtime::Builder,
    time::{Instant, sleep, timeout},
};

use crate::{
    host::{
        Answer::{CloseWith, Late, Say, Stall},
        Host,
    },
    mailer::{envelope, pool, send, spawn, text},
    stage::perform,
};

#[test]
fn a_panic_in_the_middle_leaves_doubt_and_a_mailer_that_works() {
    perform(async {
        let (host, connector) = Host::new(|_, line| Host::good(line));
        let mailer = pool(connector, 1).build();
        let content = Content::from(text()).on_progress(|_| panic!("as the test wants it"));
        let error = mailer.send(envelope("b"), content).await.unwrap_err();
        assert!(error.in_doubt(), "{error:?}");
        assert!(send(&mailer).await.unwrap().all_accepted());
        assert_eq!(host.heard().len(), 2);
        timeout(Duration::from_secs(60), mailer.close()).await.unwrap();
        assert_eq!(mailer.connections(), 0);
    });
}

#[test]
fn a_worker_that_is_dropped_fails_the_queued_jobs() {
    let (_, connector) = Host::new(|_, line| match line {
        "." => Stall,
        line => Host::good(line),
    });
    let mailer = pool(connector, 1).build();
    let first = Builder::new_current_thread().enable_all().build().unwrap();
    first.block_on(async {
        drop(spawn(&mailer, "driver"));
        sleep(Duration::from_millis(100)).await;
    });
    let waiting = mailer.clone();
    let waits = std::thread::spawn(move || {
        let second = Builder::new_current_thread().enable_all().build().unwrap();
        second.block_on(waiting.send(envelope("c"), text()))
    });
    while mailer.waiting() == 0 {
        std::thread::yield_now();
    }
    drop(first);
    let error = waits.join().unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Ended(Ended::Closed)), "{error:?}");
    assert!(!error.in_doubt());
    let third = Builder::new_current_thread().enable_all().build().unwrap();
    third.block_on(async { timeout(Duration::from_secs(5), mailer.close()).await.unwrap() });
}

#[test]
fn a_server_that_admits_one_connection_gets_all_messages_on_it() {
    perform(async {
        let (host, connector) = Host::new(|number, line| match line {
            "" if number > 0 => CloseWith("421 too many connections\r\n"),
            "DATA" => Late(Duration::from_secs(1), "354 go\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 4).build();
        let first = spawn(&mailer, "first");
        sleep(Duration::from_millis(10)).await;
        let sent: Vec<_> = (0..20).map(|n| spawn(&mailer, &format!("r{n}"))).collect();
        assert!(first.await.unwrap().unwrap().all_accepted());
        for one in sent {
            assert!(one.await.unwrap().unwrap().all_accepted());
        }
        assert_eq!(host.count("MAIL"), 21);
        mailer.close().await;
        assert_eq!(mailer.connections(), 0);
    });
}

#[test]
fn idle_time_counts_from_the_end_of_what_was_done() {
    perform(async {
        let (host, connector) = Host::new(|_, line| match line {
            "." => Late(Duration::from_secs(90), "250 at last\r\n"),
            line => Host::good(line),
        });
        let mailer = Mailer::new(connector);
        assert!(send(&mailer).await.unwrap().all_accepted());
        sleep(Duration::from_secs(59)).await;
        assert_eq!((host.count("QUIT"), mailer.connections()), (0, 1));
        sleep(Duration::from_secs(2)).await;
        assert_eq!((host.count("QUIT"), mailer.connections()), (1, 0));
    });
}

#[test]
fn waiters_that_gave_up_leave_their_places_at_once() {
    perform(async {
        let (_, connector) = Host::new(|_, line| match line {
            "." => Late(Duration::from_secs(100), "250 at last\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).queue_limit(2).build();
        let first = spawn(&mailer, "first");
        sleep(Duration::from_secs(1)).await;
        let head = spawn(&mailer, "head");
        sleep(Duration::from_secs(1)).await;
        for _ in 0..20 {
            let waiter = spawn(&mailer, "waiter");
            sleep(Duration::from_secs(1)).await;
            assert_eq!(mailer.waiting(), 2);
            waiter.abort();
            let _ = waiter.await;
            assert_eq!(mailer.waiting(), 1);
        }
        for one in [first, head] {
            assert!(one.await.unwrap().unwrap().all_accepted());
        }
    });
}

#[test]
fn a_closed_connection_consumes_no_text_that_can_be_read_only_once() {
    perform(async {
        let texts = AtomicUsize::new(0);
        let (host, connector) = Host::new(move |_, line| match line {
            "." if texts.fetch_add(1, Ordering::SeqCst) == 0 => CloseWith("250 taken\r\n"),
            "." => Say("250 taken\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).build();
        // Both wait when the connection is closed after the first.
        let begun = Instant::now();
        let first = spawn(&mailer, "first");
        tokio::task::yield_now().await;
        let content = Content::read(&b"a: b\r\n"[..]);
        let sent = mailer.send(envelope("b"), content).await;
        assert!(sent.unwrap().all_accepted(), "after {:?}", begun.elapsed());
        assert!(first.await.unwrap().unwrap().all_accepted());
        assert_eq!(host.heard().len(), 2);
    });
}
