//! The mailer: a pool of connections for many tasks.
use std::time::Duration;

use smtp_client::{
    Ahead, Broken, Connector, Content, Delivery, Envelope, Error, ErrorKind, MailData, Mailer,
    MailerBuilder, Rate, Sending,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    host::{
        Answer::{self, Close, CloseWith, Late, Say, Stall},
        Host,
    },
    stage::perform,
};

pub(crate) fn envelope(name: &str) -> Envelope {
    Envelope::new("s@example.org", [&*format!("{name}@example.org")]).unwrap()
}

pub(crate) fn text() -> MailData {
    MailData::new("a: b\r\n").unwrap()
}

pub(crate) fn pool(connector: Connector, connections: usize) -> MailerBuilder {
    Mailer::builder(connector).connections(connections)
}

/// Sends in a task of its own.
pub(crate) fn spawn(mailer: &Mailer, name: &str) -> JoinHandle<Result<Delivery, Error>> {
    let (mailer, envelope) = (mailer.clone(), envelope(name));
    tokio::spawn(async move { mailer.send(envelope, text()).await })
}

pub(crate) async fn send(mailer: &Mailer) -> Result<Delivery, Error> {
    mailer.send(envelope("b"), text()).await
}

#[test]
fn many_tasks_share_few_connections() {
    perform(async {
        let (host, connector) = Host::new(|_, line| Host::good(line));
        let mailer = pool(connector, 3).build();
        let sent: Vec<_> = (0..50).map(|n| spawn(&mailer, &format!("r{n}"))).collect();
        for one in sent {
            assert!(one.await.unwrap().unwrap().all_accepted());
        }
        assert_eq!((host.count("MAIL"), host.most_at_once()), (50, 3));
        mailer.close().await;
        assert_eq!((host.count("QUIT"), host.open_now()), (3, 0));
    });
}

#[test]
fn one_task_needs_one_connection() {
    perform(async {
        let (host, connector) = Host::new(|_, line| Host::good(line));
        let mailer = Mailer::new(connector);
        for _ in 0..10 {
            assert!(send(&mailer).await.unwrap().all_accepted());
        }
        assert_eq!((host.heard().len(), host.count("RSET"), host.count("NOOP")), (1, 0, 0));
    });
}

#[test]
fn what_waits_runs_ahead_if_that_is_wanted() {
    perform(async {
        let (host, connector) = Host::new(|_, line| Host::good(line));
        let mut sending = Sending::default();
        sending.ahead = Some(Ahead::default());
        let mailer = pool(connector.sending(sending), 1).build();
        let sent: Vec<_> = (0..20).map(|n| spawn(&mailer, &format!("r{n}"))).collect();
        for one in sent {
            assert!(one.await.unwrap().unwrap().all_accepted());
        }
        assert_eq!((host.count("MAIL"), host.heard().len()), (20, 1));
    });
}

#[test]
fn a_connection_closed_while_idle_is_replaced_unnoticed() {
    for farewell in ["", "421 4.4.2 idle for too long\r\n"] {
        perform(async move {
            let (host, connector) = Host::new(move |_, line| match line {
                "." if farewell.is_empty() => CloseWith("250 taken\r\n"),
                "." => CloseWith("250 taken\r\n421 4.4.2 idle for too long\r\n"),
                line => Host::good(line),
            });
            let mailer = Mailer::new(connector);
            for _ in 0..3 {
                assert!(send(&mailer).await.unwrap().all_accepted());
                sleep(Duration::from_secs(1)).await;
            }
            assert_eq!((host.heard().len(), host.count("MAIL")), (3, 3));
        });
    }
}

/// The server does this at this line of the first connections, and accepts everything on later
/// ones. Checks the result of one message, and the numbers of MAIL commands and texts received.
#[track_caller]
fn troubled(
    bad: usize,
    at: &'static str,
    answer: fn() -> Answer,
) -> (Result<Delivery, Error>, usize, usize) {
    perform(async move {
        let (host, connector) = Host::new(move |number, line| match line {
            line if number < bad && line.starts_with(at) => answer(),
            line => Host::good(line),
        });
        let mailer = Mailer::new(connector);
        // The first connection has done its work once.
        let outcome = send(&mailer).await;
        (outcome, host.count("MAIL"), host.count("."))
    })
}

#[test]
fn what_was_certainly_not_accepted_is_sent_again() {
    for at in ["MAIL", "RCPT", "DATA"] {
        let (outcome, mails, texts) = troubled(1, at, || Close);
        assert!(outcome.unwrap().all_accepted(), "{at}");
        assert_eq!((mails, texts), (2, 1), "{at}");
    }
    let (outcome, mails, _) = troubled(9, "RCPT", || Close);
    let error = outcome.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Closed)) && !error.in_doubt());
    assert_eq!(mails, 3);
}

#[test]
fn what_is_in_doubt_is_not_sent_again() {
    for answer in [|| Close, || Say("354 what\r\n"), || CloseWith("250-half\r\n")] {
        let (outcome, mails, texts) = troubled(9, ".", answer);
        assert!(outcome.unwrap_err().in_doubt());
        assert_eq!((mails, texts), (1, 1));
    }
}

#[test]
fn a_refusal_is_final() {
    for (at, answer) in
        [("RCPT", Say as fn(_) -> _), (".", Say)].map(|(at, say)| (at, move || say("450 no\r\n")))
    {
        perform(async move {
            let (host, connector) = Host::new(move |_, line| match line {
                line if line.starts_with(at) => answer(),
                line => Host::good(line),
            });
            let delivery = send(&Mailer::new(connector)).await.unwrap();
            assert_eq!(delivery[0].reply().code().get(), 450);
            assert_eq!(host.count("MAIL"), 1);
        });
    }
}

#[test]
fn a_connection_is_used_for_so_many_messages() {
    perform(async {
        let (host, connector) = Host::new(|_, line| Host::good(line));
        let mailer = pool(connector, 1).messages_per_connection(3).build();
        for _ in 0..7 {
            assert!(send(&mailer).await.unwrap().all_accepted());
        }
        mailer.close().await;
        let mails =
            |lines: &Vec<String>| lines.iter().filter(|one| one.starts_with("MAIL")).count();
        let heard = host.heard();
        assert_eq!(heard.iter().map(mails).collect::<Vec<_>>(), [3, 3, 1]);
        assert!(heard.iter().all(|lines| lines.last().unwrap() == "QUIT"));
    });
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    perform(async {
        let (host, connector) = Host::new(|_, line| Host::good(line));
        let mailer = Mailer::new(connector);
        assert!(send(&mailer).await.unwrap().all_accepted());
        sleep(Duration::from_secs(59)).await;
        assert_eq!((host.count("QUIT"), mailer.connections()), (0, 1));
        sleep(Duration::from_secs(2)).await;
        assert_eq!((host.count("QUIT"), mailer.connections()), (1, 0));
        assert!(send(&mailer).await.unwrap().all_accepted());
        assert_eq!(host.heard().len(), 2);
    });
}

#[test]
fn no_message_waits_for_the_reply_to_quit_on_an_idle_connection() {
    perform(async {
        let (host, connector) = Host::new(|number, line| match line {
            "QUIT" if number == 0 => Late(Duration::from_secs(20), "221 bye\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 2).idle_timeout(Duration::from_secs(5)).build();
        assert!(send(&mailer).await.unwrap().all_accepted());
        sleep(Duration::from_secs(6)).await;
        assert_eq!((host.count("QUIT"), host.open_now()), (1, 1));
        let begun = Instant::now();
        assert!(send(&mailer).await.unwrap().all_accepted());
        assert_eq!((begun.elapsed(), host.heard().len()), (Duration::ZERO, 2));
    });
}

#[test]
fn no_more_are_begun_than_the_rate_allows() {
    perform(async {
        let (_, connector) = Host::new(|_, line| Host::good(line));
        let mailer = pool(connector, 4).rate(Rate::new(5, Duration::from_secs(60))).build();
        let begun = Instant::now();
        let sent: Vec<_> = (0..12).map(|n| spawn(&mailer, &format!("r{n}"))).collect();
        let mut times = Vec::new();
        for one in sent {
            assert!(one.await.unwrap().unwrap().all_accepted());
            times.push(begun.elapsed().as_secs());
        }
        assert_eq!(times, [0, 0, 0, 0, 0, 60, 60, 60, 60, 60, 120, 120]);
        assert_eq!(Rate::new(0, Duration::from_secs(60)).messages(), 1);
    });
}

#[test]
fn a_wait_timeout_is_an_error_and_nothing_is_sent() {
    perform(async {
        let (host, connector) = Host::new(|_, line| match line {
            line if line.starts_with("MAIL") => Stall,
            line => Host::good(line),
        });
        let mailer =
            pool(connector, 1).queue_limit(1).wait_timeout(Duration::from_secs(20)).build();
        let first = spawn(&mailer, "first");
        sleep(Duration::from_secs(1)).await;
        // One has a place in the waiting room, the other has none.
        let begun = Instant::now();
        let (second, third) = (spawn(&mailer, "second"), spawn(&mailer, "third"));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(mailer.waiting(), 1);
        for one in [second, third] {
            let error = one.await.unwrap().unwrap_err();
            let ErrorKind::Broken(Broken::NoConnection { after }) = error.kind() else {
                panic!("{error:?}")
            };
            assert_eq!((after.as_secs(), error.in_doubt(), error.waited()), (20, false, None));
        }
        assert_eq!(begun.elapsed().as_secs(), 20);
        assert_eq!((mailer.waiting(), host.count("MAIL")), (0, 1));
        first.abort();
    });
}

#[test]
fn a_dropped_future_cancels_only_what_was_not_begun() {
    perform(async {
        let (host, connector) = Host::new(|_, line| match line {
            "DATA" => Late(Duration::from_secs(5), "354 go\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).build();
        let sent = ["first", "second", "third"].map(|name| spawn(&mailer, name));
        sleep(Duration::from_secs(1)).await;
        let [first, second, third] = sent;
        first.abort();
        second.abort();
        assert!(third.await.unwrap().unwrap().all_accepted());
        let said = |name: &str| host.count(&format!("RCPT TO:<{name}"));
        assert_eq!((said("first"), said("second"), said("third")), (1, 0, 1));
        assert_eq!((host.heard().len(), host.count(".")), (1, 2));
    });
}

#[test]
fn a_text_that_can_be_given_only_once_is_tried_once() {
    perform(async {
        let (host, connector) = Host::new(|_, line| match line {
            "DATA" => Close,
            line => Host::good(line),
        });
        let mailer = Mailer::new(connector);
        let error = mailer.send(envelope("b"), Content::read(&b"a: b\r\n"[..])).await.unwrap_err();
        assert!(!error.in_doubt());
        assert_eq!(host.count("MAIL"), 1);
    });
}
