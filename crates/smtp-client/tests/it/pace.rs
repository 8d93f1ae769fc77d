//! Servers that refuse messages for concurrency or rate: the mailer sends fewer at a time.
use std::{
    collections::HashSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use smtp_client::Step;
use tokio::time::{Instant, sleep};

use crate::{
    host::{
        Answer::{CloseWith, Late, Say},
        Host,
    },
    limited::{check_accepted, send_all},
    mailer::{envelope, pool, send, spawn, text},
    stage::perform,
};

/// Sends one message to a server that answers this line so once; how often it was sent, after how
/// many seconds it was accepted, and with which code otherwise.
fn refused_once(at: &'static str, reply: &'static str) -> (usize, Result<u64, u16>) {
    perform(async move {
        let refused = AtomicUsize::new(0);
        let (host, connector) = Host::new(move |_, line| match line {
            line if line.starts_with(at) && refused.fetch_add(1, Ordering::SeqCst) == 0 => {
                Say(reply)
            }
            line => Host::good(line),
        });
        let begun = Instant::now();
        let delivery = send(&pool(connector, 1).build()).await.unwrap();
        let code = delivery[0].reply().code().get();
        let accepted = delivery.all_accepted().then(|| begun.elapsed().as_secs());
        (host.count("MAIL"), accepted.ok_or(code))
    })
}

#[test]
fn a_refusal_for_concurrency_or_rate_is_tried_again_after_a_pause() {
    for (at, reply) in [
        (".", "432 4.3.2 Concurrent connections limit exceeded\r\n"),
        (".", "432 too many\r\n"),
        (".", "450 4.3.2 too many connections\r\n"),
        (".", "451 4.4.5 congestion\r\n"),
        (".", "452 4.7.28 too many messages\r\n"),
        (".", "451 4.7.500 server busy\r\n"),
        (".", "450 4.7.1 rate limit exceeded\r\n"),
        (".", "451 4.7.0 try again\r\n"),
        ("DATA", "451 4.3.2 too many\r\n"),
        ("MAIL", "432 4.3.2 Concurrent connections limit exceeded\r\n"),
        ("MAIL", "450 4.7.1 too much mail from you\r\n"),
        ("MAIL", "452 4.4.5 congestion\r\n"),
        ("MAIL", "421 4.7.0 too many\r\n"),
    ] {
        assert_eq!(refused_once(at, reply), (2, Ok(1)), "{at}: {reply}");
    }
}

#[test]
fn other_refusals_are_results() {
    for (at, reply, code) in [
        (".", "450 no\r\n", 450),
        (".", "451 4.3.0 no\r\n", 451),
        (".", "452 4.2.2 mailbox full\r\n", 452),
        (".", "452 4.3.1 disk full\r\n", 452),
        (".", "550 5.3.2 too many\r\n", 550),
        (".", "554 5.7.1 no\r\n", 554),
        ("RCPT", "450 4.7.1 greylisted\r\n", 450),
        ("RCPT", "452 4.5.3 too many recipients\r\n", 452),
        ("MAIL", "450 no\r\n", 450),
        ("MAIL", "450 4.1.8 no such domain\r\n", 450),
    ] {
        assert_eq!(refused_once(at, reply), (1, Err(code)), "{at}: {reply}");
    }
}

#[test]
fn a_server_that_delivers_few_messages_at_a_time_gets_fewer_connections() {
    for refusal in [
        "432 4.3.2 Concurrent connections limit exceeded\r\n",
        "450 4.3.2 too many at a time\r\n",
        "451 4.4.5 congestion\r\n",
        "452 4.7.28 too many\r\n",
    ] {
        perform(async move {
            let (host, connector) = Host::aware(move |host, number, line| match line {
                "." if number >= 2 && host.admitted() > 2 => Late(Duration::from_secs(1), refusal),
                "." => Late(Duration::from_secs(1), "250 taken\r\n"),
                line => Host::good(line),
            });
            let mailer = pool(connector, 6).build();
            check_accepted(&send_all(&mailer, 20).await, refusal);
            assert_eq!((mailer.connections(), host.heard().len()), (2, 6));
        });
    }
}

#[test]
fn a_rate_is_kept_to_once_it_was_refused() {
    perform(async {
        // No more than five messages within ten seconds.
        let taken = Mutex::new(Vec::<Instant>::new());
        let (host, connector) = Host::new(move |_, line| match line {
            "." => {
                let (mut taken, now) = (taken.lock().unwrap(), Instant::now());
                taken.retain(|&time| now - time < Duration::from_secs(10));
                if taken.len() >= 5 {
                    return Say("451 4.7.28 too fast\r\n");
                }
                taken.push(now);
                Say("250 taken\r\n")
            }
            line => Host::good(line),
        });
        let mailer = pool(connector, 4).attempts(6).build();
        check_accepted(&send_all(&mailer, 30).await, "in time");
        // Every pause is longer than the one before until messages are accepted again.
        assert!(host.count("MAIL") <= 30 + 6 * 6, "{}", host.count("MAIL"));
    });
}

#[test]
fn a_refusal_that_lasts_is_the_result() {
    perform(async {
        let (host, connector) = Host::new(|_, line| match line {
            "." => Say("432 4.3.2 Concurrent connections limit exceeded\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 4).build();
        for result in send_all(&mailer, 3).await {
            let delivery = result.unwrap();
            let verdict = &delivery[0];
            assert_eq!((verdict.step(), verdict.reply().code().get()), (Step::EndOfText, 432));
        }
        assert_eq!((host.count("MAIL"), mailer.connections()), (9, 1));
    });
}

#[test]
fn the_pause_grows_with_refusals_in_a_row_and_is_short_again_after_an_acceptance() {
    perform(async {
        let (_host, connector) = Host::aware(|host, _, line| match line {
            "." if host.count(".") != 5 => Say("451 4.3.2 not now\r\n"),
            line => Host::good(line),
        });
        // A refusal is the result of its message at once, and the next one waits.
        let mailer = pool(connector, 1).attempts(1).build();
        let mut waited = Vec::new();
        for number in 1..=7 {
            let begun = Instant::now();
            assert_eq!(send(&mailer).await.unwrap().all_accepted(), number == 5);
            waited.push(begun.elapsed().as_secs_f64());
        }
        // Each pause is extended by up to a half.
        for (waited, pause) in waited.iter().zip([0.0, 1.0, 2.0, 4.0, 8.0, 0.0, 1.0]) {
            assert!((pause..pause * 1.5 + 0.1).contains(waited), "{pause}: {waited}");
        }
    });
}

#[test]
fn a_connection_that_was_closed_is_not_replaced_before_the_pause_is_over() {
    perform(async {
        let (host, connector) = Host::new(|number, line| match line {
            "." if number == 0 => CloseWith("451 4.3.2 not now\r\n"),
            line => Host::good(line),
        });
        let sent = spawn(&pool(connector, 1).build(), "a");
        sleep(Duration::from_millis(900)).await;
        assert_eq!(host.heard().len(), 1, "it would be idle, and counted by the server");
        assert!(sent.await.unwrap().unwrap().all_accepted());
        assert_eq!(host.heard().len(), 2);
    });
}

#[test]
fn greylisting_does_not_reduce_the_connections() {
    perform(async {
        let seen = Mutex::new(HashSet::new());
        let (host, connector) = Host::aware(move |host, number, line| match line {
            "." => {
                let heard = host.heard();
                let name = heard[number].iter().rev().find(|one| one.starts_with("RCPT")).unwrap();
                match seen.lock().unwrap().insert(name.clone()) {
                    true => Late(Duration::from_secs(5), "451 4.7.1 greylisted\r\n"),
                    false => Late(Duration::from_secs(5), "250 taken\r\n"),
                }
            }
            line => Host::good(line),
        });
        let mailer = pool(connector, 4).build();
        check_accepted(&send_all(&mailer, 8).await, "the second time");
        assert_eq!((mailer.connections(), host.heard().len()), (4, 4));
    });
}

#[test]
fn what_the_server_replied_is_the_result_if_there_is_no_other_connection() {
    perform(async {
        let (host, connector) = Host::new(|number, line| match line {
            "" if number > 0 => CloseWith("554 gone\r\n"),
            "." => CloseWith("421 4.3.2 too many\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).build();
        let delivery = send(&mailer).await.unwrap();
        let verdict = &delivery[0];
        assert_eq!((verdict.step(), verdict.reply().code().get()), (Step::EndOfText, 421));
        assert!(host.heard().len() > 1);
    });
}

#[test]
fn a_closed_mailer_sends_what_waits_for_a_pause() {
    perform(async {
        let refused = AtomicUsize::new(0);
        let (host, connector) = Host::new(move |_, line| match line {
            "." if refused.fetch_add(1, Ordering::SeqCst) < 2 => Say("432 4.3.2 too many\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 2).build();
        let sent = ["a", "b", "c"].map(|name| spawn(&mailer, name));
        while host.count(".") < 2 {
            sleep(Duration::from_millis(1)).await;
        }
        mailer.close().await;
        assert_eq!((mailer.connections(), host.open_now()), (0, 0));
        for one in sent {
            assert!(one.await.unwrap().unwrap().all_accepted());
        }
        let error = mailer.send(envelope("late"), text()).await.unwrap_err();
        assert!(!error.in_doubt());
    });
}
