//! Servers that limit connections, or messages per connection: no message fails because of it.
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use smtp_client::{
    Ahead, Broken, Connector, Content, Delivery, Error, ErrorKind, Mailer, Sending, Step,
};
use tokio::time::{Instant, sleep};

use crate::{
    host::{
        Answer::{self, Close, CloseWith, Late, Say},
        Host,
    },
    mailer::{envelope, pool, send, spawn, text},
    stage::perform,
};

/// Sends as many messages at once; their results.
pub(crate) async fn send_all(mailer: &Mailer, count: usize) -> Vec<Result<Delivery, Error>> {
    let sent: Vec<_> = (0..count).map(|n| spawn(mailer, &format!("r{n}"))).collect();
    let mut results = Vec::new();
    for one in sent {
        results.push(one.await.unwrap());
    }
    results
}

#[track_caller]
pub(crate) fn check_accepted(results: &[Result<Delivery, Error>], told: &str) {
    for (number, result) in results.iter().enumerate() {
        assert!(result.as_ref().is_ok_and(Delivery::all_accepted), "{told}: {number}: {result:?}");
    }
}

fn ahead(connector: Connector) -> Connector {
    let mut sending = Sending::default();
    sending.ahead = Some(Ahead::default());
    connector.sending(sending)
}

/// A server that answers MAIL in this way once a session has had three messages.
fn three_per_session(refusal: fn() -> Answer) -> (Host, Connector) {
    Host::aware(move |host, number, line| match line {
        line if line.starts_with("MAIL") && host.count_on(number, "MAIL") > 3 => refusal(),
        line => Host::good(line),
    })
}

const PER_SESSION: [fn() -> Answer; 8] = [
    || Say("452 4.4.5 too many messages in this session\r\n"),
    || Say("452 4.5.3 too many messages\r\n"),
    || Say("450 enough\r\n"),
    || Say("451 4.7.1 enough for one session\r\n"),
    || Say("454 4.3.0 enough\r\n"),
    || Say("503 5.5.1 too many messages in this session\r\n"),
    || CloseWith("421 4.7.0 enough\r\n"),
    || Say("421 enough\r\n"),
];

#[test]
fn a_session_that_refuses_more_messages_is_replaced_and_the_next_ones_end_earlier() {
    for refusal in PER_SESSION {
        perform(async move {
            let (host, connector) = three_per_session(refusal);
            let mailer = pool(connector, 1).build();
            let begun = Instant::now();
            check_accepted(&send_all(&mailer, 10).await, "all at once");
            mailer.close().await;
            // Nothing waits for anything.
            assert_eq!(begun.elapsed(), Duration::ZERO);
            let mails = |number| host.count_on(number, "MAIL");
            assert_eq!((0..host.heard().len()).map(mails).collect::<Vec<_>>(), [4, 3, 3, 1]);
            // After 503 the client does not know the state of the session, and sends nothing more.
            let says = |code: &str| matches!(refusal(), Say(reply) if reply.starts_with(code));
            let ended = matches!(refusal(), CloseWith(_)) || says("421") || says("503");
            let quits = (0..4).map(|number| host.count_on(number, "QUIT")).collect::<Vec<_>>();
            assert_eq!((quits, host.open_now()), (vec![usize::from(!ended), 1, 1, 1], 0));
        });
    }
}

#[test]
fn sessions_that_take_few_messages_cost_no_message() {
    for refusal in PER_SESSION {
        for (connections, runs_ahead) in [(1, true), (4, false), (4, true)] {
            perform(async move {
                let (host, connector) = three_per_session(refusal);
                let connector = if runs_ahead { ahead(connector) } else { connector };
                let mailer = pool(connector, connections).build();
                check_accepted(&send_all(&mailer, 100).await, "many");
                assert_eq!(host.count("."), 100, "none was accepted twice");
                assert!(host.heard().len() <= 45, "{}", host.heard().len());
            });
        }
    }
}

#[test]
fn a_text_that_can_be_given_only_once_is_given_to_the_next_session() {
    for refusal in PER_SESSION {
        perform(async move {
            let (host, connector) = three_per_session(refusal);
            let mailer = pool(connector, 1).build();
            check_accepted(&send_all(&mailer, 3).await, "as many as a session takes");
            let content = Content::read(&b"a: b\r\n"[..]);
            let sent = mailer.send(envelope("once"), content).await;
            check_accepted(&[sent], "the next one");
            assert_eq!((host.count("MAIL"), host.count(".")), (5, 4));
        });
    }
}

#[test]
fn the_learned_messages_per_session_expire() {
    perform(async {
        let generous = std::sync::Arc::new(AtomicUsize::new(3));
        let most = std::sync::Arc::clone(&generous);
        let (host, connector) = Host::aware(move |host, number, line| match line {
            line if line.starts_with("MAIL")
                && host.count_on(number, "MAIL") > most.load(Ordering::SeqCst) =>
            {
                Say("452 4.4.5 enough\r\n")
            }
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).build();
        check_accepted(&send_all(&mailer, 7).await, "few");
        generous.store(100, Ordering::SeqCst);
        sleep(Duration::from_secs(300)).await;
        let before = host.heard().len();
        check_accepted(&send_all(&mailer, 9).await, "soon");
        assert_eq!(host.heard().len() - before, 3);
        sleep(Duration::from_secs(600)).await;
        let before = host.heard().len();
        check_accepted(&send_all(&mailer, 20).await, "later");
        assert_eq!(host.heard().len() - before, 1);
    });
}

/// Sends to a server that refuses MAIL of these recipients' messages with this reply; how many
/// connections that takes, with one at a time, and the codes of all messages.
#[track_caller]
fn refused_by_name(reply: &'static str, bad: fn(usize) -> bool) -> (usize, Vec<u16>) {
    perform(async move {
        let (host, connector) = Host::new(move |_, line| match line {
            line if line.starts_with("MAIL FROM:<bad") => Say(reply),
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).build();
        let mut codes = Vec::new();
        for number in 0..10 {
            let sender = if bad(number) { "bad@example.org" } else { "s@example.org" };
            let envelope = smtp_client::Envelope::new(sender, ["b@example.org"]).unwrap();
            let delivery = mailer.send(envelope, text()).await.unwrap();
            codes.push(delivery[0].reply().code().get());
        }
        (host.heard().len(), codes)
    })
}

#[test]
fn a_message_that_is_refused_as_the_first_of_a_session_is_refused() {
    // Each of the bad ones costs a connection at most, and no session is cut short for it.
    let (connections, codes) = refused_by_name("450 not from you\r\n", |number| number % 5 == 3);
    assert_eq!(connections, 3);
    assert_eq!(codes, [250, 250, 250, 450, 250, 250, 250, 250, 450, 250]);
    // Once a session has refused its first message, refusals prove nothing about it.
    let (connections, codes) = refused_by_name("450 not from you\r\n", |number| number >= 2);
    assert_eq!((connections, &codes[2..]), (2, &[450; 8][..]));
    // An enhanced code about an address is believed.
    for reply in ["450 4.1.8 no such domain\r\n", "452 4.2.2 full\r\n", "451 4.6.0 odd\r\n"] {
        assert_eq!(refused_by_name(reply, |number| number % 2 == 1).0, 1);
    }
    // So is a permanent refusal.
    assert_eq!(refused_by_name("550 5.7.1 no\r\n", |number| number % 2 == 1).0, 1);
}

#[test]
fn a_server_that_refuses_every_message_is_not_flooded() {
    for connections in [1, 4] {
        perform(async move {
            let mails = AtomicUsize::new(0);
            let (host, connector) = Host::new(move |_, line| match line {
                line if line.starts_with("MAIL") && mails.fetch_add(1, Ordering::SeqCst) >= 5 => {
                    Say("452 4.3.1 disk full\r\n")
                }
                line => Host::good(line),
            });
            let mailer = pool(connector, connections).build();
            let results = send_all(&mailer, 100).await;
            let accepted = results.iter().flatten().filter(|one| one.all_accepted()).count();
            assert_eq!((accepted, results.iter().flatten().count()), (5, 100));
            assert!(host.heard().len() <= 2 * connections, "{}", host.heard().len());
        });
    }
}

#[test]
fn a_server_without_rset_costs_connections_and_no_message() {
    for refusal in ["500 what?\r\n", "502 no\r\n", "503 not now\r\n", "450 later\r\n"] {
        for (connections, runs_ahead) in [(1, false), (1, true), (3, false), (3, true)] {
            perform(async move {
                let (host, connector) = Host::new(move |_, line| match line {
                    "RSET" => Say(refusal),
                    line if line.starts_with("RCPT TO:<r") && line.contains("0@") => {
                        Say("550 5.1.1 unknown\r\n")
                    }
                    "DATA" => Say("354 go\r\n"),
                    line => Host::good(line),
                });
                let connector = if runs_ahead { ahead(connector) } else { connector };
                let mailer = pool(connector, connections).build();
                for (number, result) in send_all(&mailer, 30).await.into_iter().enumerate() {
                    let delivery = result.unwrap();
                    let code = delivery[0].reply().code().get();
                    assert_eq!(code, if number % 10 == 0 { 550 } else { 250 }, "{number}");
                }
                assert_eq!(host.count("."), 27, "none was accepted twice");
            });
        }
    }
}

/// A server that greets this number of connections, and others in this way.
fn admitting(most: usize, other: fn() -> Answer) -> (Host, Connector) {
    Host::aware(move |host, _, line| match line {
        "" if host.admitted() >= most => other(),
        "DATA" => Late(Duration::from_secs(1), "354 go\r\n"),
        line => Host::good(line),
    })
}

const TURNED_AWAY: [fn() -> Answer; 7] = [
    || Say("554 5.7.0 too many connections\r\n"),
    || CloseWith("554 5.7.0 too many connections\r\n"),
    || Say("450 4.3.2 too many connections\r\n"),
    || Say("421 4.7.0 too many connections\r\n"),
    || CloseWith("421 4.7.0 too many connections\r\n"),
    || Late(Duration::from_millis(500), "521 5.3.2 not you\r\n"),
    || Close,
];

#[test]
fn messages_wait_for_the_connections_that_are_admitted() {
    for other in TURNED_AWAY {
        for most in [1, 2, 3] {
            perform(async move {
                let (host, connector) = admitting(most, other);
                let mailer = pool(connector, 4).build();
                let begun = Instant::now();
                check_accepted(&send_all(&mailer, 20).await, "at once");
                assert_eq!(mailer.connections(), most);
                // No attempt but the first ones, and all of the admitted connections are used.
                assert_eq!(host.heard().len(), 4);
                assert_eq!(begun.elapsed().as_secs() as usize, 20_usize.div_ceil(most));
                mailer.close().await;
            });
        }
    }
}

#[test]
fn an_idle_connection_makes_room_for_a_new_one_only_where_no_further_is_admitted() {
    // A session forgets its login, which says nothing about the number of its messages; and two
    // connections were admitted before the limit was one.
    for (full, connections, closed) in [(true, 4, 1), (false, 3, 0)] {
        perform(async move {
            let (host, connector) = Host::aware(move |host, number, line| match line {
                "" if full && number >= 2 && host.admitted() > 0 => {
                    CloseWith("421 too many connections\r\n")
                }
                "." => Late(Duration::from_secs(1), "250 taken\r\n"),
                line if line.starts_with("MAIL") && host.count_on(number, "MAIL") > 1 => {
                    Say("530 5.7.0 log in first\r\n")
                }
                line => Host::good(line),
            });
            let mailer = pool(connector, 2).build();
            check_accepted(&send_all(&mailer, 2).await, "on two connections");
            assert_eq!((mailer.connections(), host.heard().len()), (2, 2));
            let begun = Instant::now();
            check_accepted(&[send(&mailer).await], "on a new one");
            assert_eq!((begun.elapsed().as_secs(), host.heard().len()), (1, connections));
            assert_eq!(host.count("QUIT"), closed);
        });
    }
}

#[test]
fn a_message_that_waits_for_a_busy_connection_does_not_fail_with_the_refusal_of_another() {
    perform(async {
        let (_host, connector) = Host::new(|number, line| match line {
            "" if number > 0 => CloseWith("421 too many connections\r\n"),
            "." => Late(Duration::from_secs(60), "250 taken\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 2).wait_timeout(Duration::from_secs(10)).build();
        let first = spawn(&mailer, "a");
        sleep(Duration::from_secs(1)).await;
        let error = send(&mailer).await.unwrap_err();
        let ErrorKind::Broken(Broken::NoConnection { after }) = error.kind() else {
            panic!("{error:?}");
        };
        assert_eq!(*after, Duration::from_secs(10));
        check_accepted(&[first.await.unwrap()], "the first");
    });
}

#[test]
fn connections_that_are_admitted_slowly_are_waited_for() {
    perform(async {
        let (host, connector) = Host::new(|number, line| match line {
            "" if number < 2 => Late(Duration::from_secs(20), "220 hi\r\n"),
            "" => CloseWith("554 5.7.0 too many connections\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 4).build();
        check_accepted(&send_all(&mailer, 20).await, "slowly");
        assert_eq!((host.heard().len(), mailer.connections()), (4, 2));
    });
}

#[test]
fn a_server_that_admits_no_connection_fails_what_waits_once_each_has_been_tried() {
    for (answer, code, most) in [
        ((|| Say("554 5.3.2 no service\r\n")) as fn() -> Answer, 554, 5),
        (|| CloseWith("521 5.3.2 no service\r\n"), 521, 5),
        (|| Say("450 4.3.2 not now\r\n"), 450, 6),
        (|| CloseWith("421 4.3.2 not now\r\n"), 421, 6),
    ] {
        perform(async move {
            let (host, connector) = admitting(0, answer);
            let mailer = pool(connector, 4).build();
            for result in send_all(&mailer, 20).await {
                let error = result.unwrap_err();
                assert_eq!((error.step(), error.in_doubt()), (Step::Greeting, false));
                assert_eq!(error.reply().unwrap().code().get(), code);
            }
            assert_eq!((host.heard().len(), host.admitted()), (most, 0));
            assert_eq!((mailer.connections(), mailer.waiting()), (0, 0));
        });
    }
}

#[test]
fn a_permanent_refusal_of_the_only_connection_is_not_repeated() {
    for (answer, tries) in [
        ((|| Say("554 5.3.2 no service\r\n")) as fn() -> Answer, 1),
        (|| CloseWith("521 5.3.2 no service\r\n"), 1),
        (|| Say("450 4.3.2 not now\r\n"), 3),
    ] {
        perform(async move {
            let (host, connector) = admitting(0, answer);
            let error = send(&pool(connector, 4).build()).await.unwrap_err();
            assert_eq!((error.step(), host.heard().len()), (Step::Greeting, tries));
        });
    }
}

#[test]
fn a_connection_that_was_just_closed_may_still_be_counted() {
    perform(async {
        let opened = AtomicUsize::new(0);
        let (host, connector) = Host::new(move |_, line| match line {
            "" if opened.fetch_add(1, Ordering::SeqCst) == 1 => Say("554 one is enough\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).messages_per_connection(2).build();
        check_accepted(&send_all(&mailer, 4).await, "one after the other");
        assert_eq!(host.heard().len(), 3);
    });
}

#[test]
fn one_connection_more_is_tried_from_time_to_time() {
    perform(async {
        let most = std::sync::Arc::new(AtomicUsize::new(1));
        let admitted = std::sync::Arc::clone(&most);
        let (host, connector) = Host::aware(move |host, _, line| match line {
            "" if host.admitted() >= admitted.load(Ordering::SeqCst) => {
                Say("554 too many connections\r\n")
            }
            "DATA" => Late(Duration::from_secs(1), "354 go\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 3).messages_per_connection(1000).build();
        check_accepted(&send_all(&mailer, 50).await, "one connection");
        assert_eq!((host.heard().len(), mailer.connections()), (3, 1));
        // After a minute one more is tried, and only one.
        check_accepted(&send_all(&mailer, 20).await, "a probe");
        assert_eq!((host.heard().len(), mailer.connections()), (4, 1));
        // It was in vain, so that the next has to wait for two; and it is admitted.
        most.store(3, Ordering::SeqCst);
        check_accepted(&send_all(&mailer, 60).await, "not yet");
        assert_eq!(mailer.connections(), 1);
        check_accepted(&send_all(&mailer, 90).await, "a second connection");
        assert_eq!(mailer.connections(), 2);
        check_accepted(&send_all(&mailer, 250).await, "a third connection");
        assert_eq!(mailer.connections(), 3);
    });
}
