//! Retries: recipients that the server refused for now get the message later.
use std::time::Duration;

use smtp_client::{
    Content, Delivery, Envelope, Error, Mail, MailParam, Mailer, MailerBuilder, Message, Notify,
    Rate, Rcpt, RcptParam, ReplyCode, Ret, Retry, Server, Xtext,
};
use tokio::time::{Instant, sleep};

use crate::{
    host::{
        Answer::{self, Close, Late, Say},
        Host,
    },
    mailer::{envelope, pool, text},
    stage::perform,
};

const PAUSE: Duration = Duration::from_secs(300);

fn to(names: &[&str]) -> Envelope {
    let rcpts: Vec<_> = names.iter().map(|name| format!("{name}@example.org")).collect();
    Envelope::new("s@example.org", rcpts.iter().map(|rcpt| &**rcpt)).unwrap()
}

/// Refuses each recipient of this beginning the first time.
fn greylisting(beginning: &'static str) -> impl Fn(&Host, usize, &str) -> Answer {
    move |host, _, line| match line {
        line if line.starts_with("RCPT TO:<grey") && line.starts_with(beginning) => {
            let first = host.count(line) == 1;
            if first { Say("450 4.2.0 greylisted\r\n") } else { Say("250 2.1.5 now\r\n") }
        }
        line => Host::good(line),
    }
}

fn retrying(host: impl Fn(&Host, usize, &str) -> Answer + Send + Sync + 'static) -> Scene {
    let (host, connector) = Host::aware(host);
    Scene { host, builder: pool(connector, 1).retry(Retry::new(3)) }
}

struct Scene {
    host: Host,
    builder: MailerBuilder,
}

/// The codes of the verdicts, 0 where there is none.
fn codes(result: &Result<Delivery, Error>) -> Vec<u16> {
    let code = |one: &smtp_client::Verdict| one.reply().code().get();
    match result {
        Ok(delivery) => delivery.verdicts().map(|(_, one)| code(one)).collect(),
        Err(error) => error.verdicts().map(|(_, one)| one.map_or(0, code)).collect(),
    }
}

/// Checks that this much time has passed, in pauses that were extended by up to a half.
#[track_caller]
fn check_paused(since: Instant, pause: Duration) {
    let elapsed = since.elapsed();
    assert!(pause <= elapsed && elapsed < pause * 3 / 2 + Duration::from_secs(1), "{elapsed:?}");
}

#[test]
fn one_greylisted_recipient_of_three_is_sent_to_alone() {
    perform(async {
        let Scene { host, builder } = retrying(greylisting("RCPT"));
        let mailer = builder.build();
        let sending = mailer.clone();
        let begun = Instant::now();
        let sent = tokio::spawn(async move { sending.send(to(&["a", "grey", "c"]), text()).await });
        sleep(PAUSE - Duration::from_secs(1)).await;
        let stats = mailer.stats();
        assert_eq!((stats.paused, stats.queued, stats.open, host.open_now()), (1, 0, 0, 0));
        assert_eq!((mailer.connections(), stats.retries, stats.partly_accepted), (0, 0, 0));
        let delivery = sent.await.unwrap().unwrap();
        check_paused(begun, PAUSE);
        assert!(delivery.all_accepted(), "{delivery:?}");
        let named: Vec<_> = delivery.verdicts().map(|(rcpt, _)| rcpt.to_owned()).collect();
        assert_eq!(named, ["a@example.org", "grey@example.org", "c@example.org"]);
        let expected = ["MAIL FROM:<s@example.org>", "RCPT TO:<grey@example.org>", "DATA", "."];
        assert_eq!(host.heard()[1][1..], expected);
        assert_eq!((host.count("RCPT TO:<a@"), host.count("RCPT TO:<c@")), (1, 1));
        let stats = mailer.stats();
        assert_eq!((stats.paused, stats.retries, stats.accepted), (0, 1, 1));
    });
}

#[test]
fn there_are_no_retries_unless_they_are_set() {
    perform(async {
        let Scene { host, builder } = retrying(greylisting("RCPT"));
        let mailer = builder.retry(None).build();
        let begun = Instant::now();
        let sent = mailer.send(to(&["a", "grey"]), text()).await;
        assert_eq!((codes(&sent), begun.elapsed().as_secs()), (vec![250, 450], 0));
        sleep(PAUSE * 10).await;
        assert_eq!(host.count("MAIL"), 1);
    });
}

#[test]
fn a_message_that_is_refused_as_a_whole_is_sent_again_as_a_whole() {
    for (at, accepted) in [("MAIL", 1), ("RCPT", 1), ("DATA", 1), (".", 2)] {
        perform(async move {
            let Scene { host, builder } = retrying(move |host, _, line| match line {
                // Of two recipients, both are refused.
                line if line.starts_with(at) && host.count(line) == 1 => Say("451 4.3.0 later\r\n"),
                line => Host::good(line),
            });
            let begun = Instant::now();
            let sent = builder.build().send(to(&["a", "b"]), text()).await;
            assert!(sent.as_ref().unwrap().all_accepted(), "{at}: {sent:?}");
            check_paused(begun, PAUSE);
            assert_eq!((host.count("MAIL"), host.count(".")), (2, accepted), "{at}");
            assert_eq!((host.count("RCPT TO:<a@"), host.count("RCPT TO:<b@")), (2, 2), "{at}");
        });
    }
}

#[test]
fn only_transient_refusals_with_a_code_that_counts_are_followed_by_a_retry() {
    let refuse = |_: &Host, _: usize, line: &str| match line {
        line if line.starts_with("RCPT TO:<busy") => Say("450 4.2.1 busy\r\n"),
        line if line.starts_with("RCPT TO:<full") => Say("452 4.2.2 full\r\n"),
        line if line.starts_with("RCPT TO:<gone") => Say("550 5.1.1 unknown\r\n"),
        line => Host::good(line),
    };
    let heard = |retry: Retry| {
        perform(async move {
            let Scene { host, builder } = retrying(refuse);
            let mailer = builder.retry(retry).build();
            let sent = mailer.send(to(&["busy", "full", "gone", "a"]), text()).await;
            assert_eq!(codes(&sent), [450, 452, 550, 250]);
            let count = |name: &str| host.count(&format!("RCPT TO:<{name}@"));
            [count("busy"), count("full"), count("gone"), count("a")]
        })
    };
    let code = |code| ReplyCode::new(code).unwrap();
    assert_eq!(heard(Retry::new(1)), [2, 2, 1, 1]);
    assert_eq!(heard(Retry::new(1).codes([code(450), code(550)])), [2, 1, 1, 1]);
    assert_eq!(heard(Retry::new(1).codes([])), [1, 1, 1, 1]);
}

#[test]
fn pauses_double_up_to_the_longest_and_the_last_verdict_stands() {
    perform(async {
        let Scene { host, builder } = retrying(|host, _, line| match line {
            line if line.starts_with("RCPT TO:<grey") => match host.count(line) {
                4 => Say("459 4.2.0 the last\r\n"),
                _ => Say("450 4.2.0 greylisted\r\n"),
            },
            line => Host::good(line),
        });
        let retry = Retry::new(3).first_pause(PAUSE).longest_pause(PAUSE * 3);
        let mailer = builder.retry(retry).build();
        let begun = Instant::now();
        let sent = mailer.send(to(&["grey", "a"]), text()).await;
        assert_eq!((codes(&sent), host.count("MAIL")), (vec![459, 250], 4));
        check_paused(begun, PAUSE * 6);
        assert_eq!((mailer.stats().retries, mailer.stats().partly_accepted), (3, 1));
    });
}

#[test]
fn retries_are_limited_to_a_time() {
    perform(async {
        let Scene { host, builder } = retrying(|_, _, line| match line {
            line if line.starts_with("RCPT") => Say("450 4.2.0 greylisted\r\n"),
            line => Host::good(line),
        });
        // The first pause ends within this time, the second certainly not.
        let mailer = builder.retry(Retry::new(9).within(PAUSE * 2)).build();
        let begun = Instant::now();
        let sent = mailer.send(to(&["a"]), text()).await;
        assert_eq!((codes(&sent), host.count("MAIL")), (vec![450], 2));
        check_paused(begun, PAUSE);
    });
}

#[test]
fn a_permanent_refusal_ends_the_retries_of_its_recipient() {
    perform(async {
        let Scene { host, builder } = retrying(|host, _, line| match line {
            line if line.starts_with("RCPT TO:<grey1") && host.count(line) == 2 => {
                Say("550 5.1.1 unknown\r\n")
            }
            line if line.starts_with("RCPT TO:<grey") && host.count(line) < 3 => {
                Say("450 4.2.0 greylisted\r\n")
            }
            line => Host::good(line),
        });
        let sent = builder.build().send(to(&["grey1", "a", "grey2"]), text()).await;
        assert_eq!(codes(&sent), [550, 250, 250]);
        assert_eq!((host.count("RCPT TO:<grey1"), host.count("RCPT TO:<grey2")), (2, 3));
    });
}

#[test]
fn a_retry_that_leaves_doubt_is_the_last_and_what_was_known_stays_known() {
    perform(async {
        let Scene { host, builder } = retrying(|host, number, line| match line {
            line if line.starts_with("RCPT TO:<grey2") => Say("450 4.2.0 greylisted\r\n"),
            line if line.starts_with("RCPT TO:<grey") => greylisting("RCPT")(host, number, line),
            "." if number > 0 => Close,
            line => Host::good(line),
        });
        let mailer = builder.build();
        let sent = mailer.send(to(&["a", "grey1", "grey2", "b"]), text()).await;
        assert_eq!(codes(&sent), [250, 0, 450, 250]);
        let error = sent.unwrap_err();
        assert!(error.in_doubt(), "{error}");
        assert_eq!(error.verdicts().nth(1).unwrap().0, "grey1@example.org");
        sleep(PAUSE * 10).await;
        assert_eq!((host.count("MAIL"), mailer.stats().in_doubt), (2, 1));
    });
}

#[test]
fn a_message_in_doubt_has_no_retries() {
    perform(async {
        let Scene { host, builder } = retrying(|host, number, line| match line {
            "." => Close,
            line => greylisting("RCPT")(host, number, line),
        });
        let sent = builder.build().send(to(&["a", "grey"]), text()).await;
        assert_eq!(codes(&sent), [0, 450]);
        assert!(sent.unwrap_err().in_doubt());
        assert_eq!(host.count("MAIL"), 1);
    });
}

#[test]
fn a_retry_that_cannot_be_made_leaves_the_refusal_and_the_next_one_follows() {
    // Each retry has three attempts to connect, and so many fail.
    for (failing, expected, mails) in [(3, vec![250, 250], 2), (9, vec![250, 450], 1)] {
        perform(async move {
            let Scene { host, builder } = retrying(move |host, number, line| match line {
                "" if (1..=failing).contains(&number) => Close,
                line => greylisting("RCPT")(host, number, line),
            });
            let sent = builder.build().send(to(&["a", "grey"]), text()).await;
            assert_eq!((codes(&sent), host.count("MAIL")), (expected, mails));
            assert!(sent.is_ok());
        });
    }
    // A failure that no attempt can mend ends them.
    perform(async {
        let Scene { host, builder } = retrying(|host, number, line| match line {
            "" if number > 0 => Say("554 5.7.1 go away\r\n"),
            line => greylisting("RCPT")(host, number, line),
        });
        let sent = builder.build().send(to(&["a", "grey"]), text()).await;
        assert_eq!((codes(&sent), host.heard().len()), (vec![250, 450], 2));
        // The server that gave the verdicts is named, not the one that did not answer.
        assert!(sent.unwrap().server().is_some());
    });
}

#[test]
fn the_attempts_of_a_retry_are_its_own() {
    perform(async {
        let Scene { host, builder } = retrying(|host, number, line| match line {
            // In the second and third transaction the connection fails.
            "DATA" if (2..=3).contains(&host.count("MAIL")) => Close,
            line => greylisting("RCPT")(host, number, line),
        });
        let mailer = builder.build();
        let sent = mailer.send(to(&["a", "grey"]), text()).await;
        assert_eq!((codes(&sent), host.count("MAIL")), (vec![250, 250], 4));
        assert_eq!(mailer.stats().retries, 1);
    });
}

#[test]
fn closing_the_mailer_ends_the_pause_with_what_is_known() {
    // While the connection is idle, and when it was closed for that.
    for (after, open) in [(1, 1), (299, 0)] {
        perform(async move {
            let Scene { host, builder } = retrying(greylisting("RCPT"));
            let mailer = builder.build();
            let sending = mailer.clone();
            let sent = tokio::spawn(async move { sending.send(to(&["grey", "a"]), text()).await });
            sleep(Duration::from_secs(after)).await;
            assert_eq!(mailer.connections(), open);
            let begun = Instant::now();
            mailer.close().await;
            assert_eq!((mailer.stats().paused, mailer.stats().partly_accepted), (0, 1));
            let elapsed = begun.elapsed().as_secs();
            assert_eq!((codes(&sent.await.unwrap()), elapsed), (vec![450, 250], 0));
            assert_eq!(host.count("MAIL"), 1);
        });
    }
}

#[test]
fn a_refusal_after_the_mailer_was_closed_is_final() {
    perform(async {
        let Scene { host, builder } = retrying(|host, number, line| match line {
            "DATA" => Late(Duration::from_secs(5), "354 go\r\n"),
            line => greylisting("RCPT")(host, number, line),
        });
        let mailer = builder.build();
        let sending = mailer.clone();
        let sent = tokio::spawn(async move { sending.send(to(&["grey", "a"]), text()).await });
        sleep(Duration::from_secs(1)).await;
        mailer.close().await;
        assert_eq!(codes(&sent.await.unwrap()), [450, 250]);
        assert_eq!((host.count("MAIL"), mailer.stats().paused), (1, 0));
    });
}

#[test]
fn a_future_that_is_dropped_in_the_pause_sends_nothing_more() {
    perform(async {
        let Scene { host, builder } = retrying(greylisting("RCPT"));
        let mailer = builder.build();
        let sending = mailer.clone();
        let sent = tokio::spawn(async move { sending.send(to(&["grey", "a"]), text()).await });
        sleep(Duration::from_secs(1)).await;
        assert_eq!(mailer.stats().paused, 1);
        sent.abort();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(mailer.stats().paused, 0);
        sleep(PAUSE * 10).await;
        assert_eq!(host.count("MAIL"), 1);
    });
}

#[test]
fn parameters_are_those_of_the_first_attempt() {
    perform(async {
        let Scene { host, builder } = retrying(|host, number, line| match line {
            line if line.starts_with("EHLO") => Say("250-hi\r\n250-PIPELINING\r\n250 DSN\r\n"),
            line => greylisting("RCPT")(host, number, line),
        });
        let envid = MailParam::EnvId(Xtext::new("id1".to_owned()).unwrap());
        let mail = Mail::try_from("s@example.org").unwrap();
        let mail = mail.with(MailParam::Ret(Ret::Headers)).unwrap().with(envid).unwrap();
        let rcpt = |path: &str, notify| {
            let rcpt = Rcpt::try_from(path).unwrap();
            rcpt.with(RcptParam::Notify(notify)).unwrap()
        };
        let rcpts = [
            rcpt("a@example.org", Notify::NEVER),
            rcpt("grey@example.org", Notify { failure: true, delay: true, ..Notify::NEVER }),
        ];
        let envelope = Envelope::new(mail, rcpts).unwrap();
        assert!(builder.build().send(envelope, text()).await.unwrap().all_accepted());
        let heard = host.heard();
        assert_eq!(heard[1][1], heard[0][1]);
        assert!(heard[0][1].contains("RET=HDRS") && heard[0][1].contains("ENVID=id1"));
        assert_eq!(heard[1][2], heard[0][3]);
        assert!(heard[1][2].contains("NOTIFY=FAILURE,DELAY"), "{}", heard[1][2]);
    });
}

#[test]
fn a_content_that_can_be_given_only_once_is_sent_again_if_nothing_was_taken() {
    for (at, mails) in [("RCPT", 2), (".", 1)] {
        perform(async move {
            let Scene { host, builder } = retrying(move |host, _, line| match line {
                line if line.starts_with(at) && host.count(line) == 1 => Say("451 4.3.0 later\r\n"),
                line => Host::good(line),
            });
            let content = Content::read(&b"a: b\r\n"[..]);
            let sent = builder.build().send(envelope("a"), content).await.unwrap();
            assert_eq!((sent.all_accepted(), host.count("MAIL")), (mails == 2, mails), "{at}");
        });
    }
}

#[test]
fn over_lmtp_those_that_were_accepted_are_not_sent_to_again() {
    perform(async {
        let lmtp = "lmtp://localhost:24".parse::<Server>().unwrap();
        let (host, connector) = Host::at(lmtp, |host, _, line| match line {
            "." if host.count(".") == 1 => Say("250 1\r\n450 4.2.1 busy\r\n250 3\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).retry(Retry::new(1)).build();
        let sent = mailer.send(to(&["a", "b", "c"]), text()).await;
        assert!(sent.unwrap().all_accepted());
        let heard = host.heard();
        let rcpts: Vec<_> = heard[1].iter().filter(|line| line.starts_with("RCPT")).collect();
        assert_eq!(rcpts, ["RCPT TO:<b@example.org>"]);
    });
}

#[test]
fn an_address_that_was_accepted_is_not_sent_to_again_for_its_second_place() {
    perform(async {
        let Scene { host, builder } = retrying(|host, _, line| match line {
            line if line.starts_with("RCPT") && host.count(line) == 2 => Say("450 4.2.1 again\r\n"),
            line => Host::good(line),
        });
        let sent = builder.build().send(to(&["a", "a"]), text()).await;
        assert_eq!((codes(&sent), host.count("MAIL")), (vec![250, 450], 1));
    });
}

#[test]
fn retries_count_toward_the_rate() {
    perform(async {
        let Scene { host, builder } = retrying(greylisting("RCPT"));
        let mailer = builder.rate(Rate::new(1, PAUSE * 4)).build();
        let begun = Instant::now();
        assert!(mailer.send(to(&["grey"]), text()).await.unwrap().all_accepted());
        assert_eq!((begun.elapsed(), host.count("MAIL")), (PAUSE * 4, 2));
    });
}

#[test]
fn pauses_of_send_all_hold_up_no_other_message() {
    perform(async {
        // More than are taken for one connection at a time.
        let messages = (0..200).map(|tag| {
            let name = if tag % 2 == 0 { format!("grey{tag}") } else { format!("r{tag}") };
            (tag, Message::new(envelope(&name), text()))
        });
        let Scene { host, builder } = retrying(greylisting("RCPT"));
        let mailer = builder.build();
        let mut results = mailer.send_all(messages);
        let begun = Instant::now();
        let mut tags = Vec::new();
        while let Some((tag, result)) = results.next().await {
            assert!(result.unwrap().all_accepted());
            assert_eq!(tags.len() < 100, tag % 2 == 1, "{tag}");
            assert!(tags.len() >= 100 || begun.elapsed().as_secs() == 0);
            tags.push(tag);
        }
        check_paused(begun, PAUSE);
        tags.sort_unstable();
        assert!(tags.into_iter().eq(0..200));
        assert_eq!((host.count("MAIL"), mailer.stats().retries), (300, 100));
    });
}

#[test]
fn the_room_for_messages_of_send_all_that_pause_is_limited() {
    perform(async {
        let messages =
            (0..200).map(|tag| (tag, Message::new(envelope(&format!("grey{tag}")), text())));
        let Scene { host, builder } = retrying(greylisting("RCPT"));
        let mailer = builder.queue_limit(10).build();
        let mut results = mailer.send_all(messages);
        let next = tokio::time::timeout(PAUSE / 2, results.next()).await;
        assert!(next.is_err());
        assert_eq!((host.count("MAIL"), results.pending(), mailer.stats().paused), (42, 42, 42));
        drop(results);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(mailer.stats().paused, 0);
        sleep(PAUSE * 10).await;
        assert_eq!(host.count("MAIL"), 42);
    });
}

#[test]
fn the_url_has_the_number_and_the_first_pause() {
    let from_url = |value: &str| {
        let builder = Mailer::builder_from_url(&format!("smtp://mail.example.org?retry={value}"));
        format!("{:?}", builder.unwrap())
    };
    let set = |retry: Retry| {
        let (_, connector) = Host::new(|_, line| Host::good(line));
        format!("{:?}", Mailer::builder(connector).retry(retry))
    };
    assert_eq!(from_url("2"), set(Retry::new(2)));
    assert_eq!(from_url("2/30s"), set(Retry::new(2).first_pause(Duration::from_secs(30))));
    assert_ne!(from_url("2"), from_url("3"));
}
