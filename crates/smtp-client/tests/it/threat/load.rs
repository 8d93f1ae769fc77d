//! Time and load: rows L1 to L8, and D16.
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use smtp_client::{
    Broken, Connection, Connector, Content, Delivery, Envelope, Error, ErrorKind, Framing,
    MailData, Sending, Server, Step, session::Dialect,
};
use smtp_testkit::pipe;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::yield_now,
    time::Instant,
};

use super::{BOTH, Fate, STEPS, answered, asked, fate};
use crate::{
    answering::answer_all,
    host::{Answer, Host},
    stage::{connector, opening, perform, play_on},
    wait_timeout::{bounds, check_timed_out},
};

mod chorus;
mod dropped;

use chorus::{Chorus, Stop};

#[test]
fn l1_a_greeting_that_never_comes() {
    for dialect in BOTH {
        let connector = connector(dialect);
        let played = crate::stage::play("[stall]", &connector, async |outcome| outcome);
        let five_minutes = Duration::from_secs(300);
        check_timed_out(&played.outcome.unwrap_err(), Step::Greeting, five_minutes);
        assert_eq!(played.elapsed, five_minutes, "no default is without end");
    }
}

#[test]
fn l2_an_octet_now_and_then() {
    let dribble = "[delay 500ms]\n[raw \"x\"]\n".repeat(200);
    for dialect in BOTH {
        for step in STEPS {
            let code = match step {
                Step::Greeting => 220,
                Step::Data => 354,
                _ => 250,
            };
            let came = answered(dialect, step, &format!("[raw \"{code} \"]\n{dribble}"));
            let doubt = step == Step::EndOfText;
            let expected = if doubt { Fate::InDoubt } else { Fate::NotSent };
            assert_eq!(came.spent(), expected);
            check_timed_out(came.error(), step, bounds().for_step(step));
            assert_eq!(came.elapsed, bounds().for_step(step), "the bound is for the whole reply");
        }
    }
}

async fn send_octets(connection: &mut Connection, octets: usize) -> Result<Delivery, Error> {
    let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
    let text = MailData::new(format!("{}\r\n", "x".repeat(78)).repeat(octets / 80)).unwrap();
    connection.send(&envelope, text).await
}

#[test]
fn l3_a_reader_that_stops_in_the_middle_of_the_text() {
    let three_minutes = Duration::from_secs(180);
    for behavior in
        ["[stall]", "[chunk 4000]\n[stall]", "[chunk 1]\n[delay 100s]\n[chunk 200000]\n[stall]"]
    {
        let rest = format!("{}{behavior}", asked(Dialect::Smtp, Step::Text));
        let rest = &rest[opening(Dialect::Smtp, &[]).len()..];
        let ((outcome, elapsed), _) = play_on(&[], rest, async |mut connection| {
            let begun = Instant::now();
            (send_octets(&mut connection, 1 << 20).await, begun.elapsed())
        });
        assert_eq!(fate(&outcome), Fate::NotSent);
        check_timed_out(&outcome.unwrap_err(), Step::Text, three_minutes);
        let before = if behavior.contains("delay") { 100 } else { 0 };
        assert_eq!(elapsed, three_minutes + Duration::from_secs(before), "{behavior}");
    }
}

#[test]
fn l4_a_reader_of_ten_octets_a_second() {
    let limit = Duration::from_secs(600);
    let (outcome, elapsed) = perform(async {
        let (client, mut server) = pipe(1024);
        tokio::spawn(async move {
            let mut octets = [0; 1024];
            for reply in ["220 hi", "250 hi", "250 sender", "250 recipient", "354 go"] {
                server.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
                let _ = server.read(&mut octets).await.unwrap();
            }
            while server.read(&mut octets[..10]).await.is_ok_and(|read| read > 0) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let mut connection = connector(Dialect::Smtp).connect_over(client).await.unwrap();
        connection.timeouts_mut().operation = Some(limit);
        let begun = Instant::now();
        (send_octets(&mut connection, 1 << 20).await, begun.elapsed())
    });
    // It never stalls, so that the bound for the operation is what ends it.
    assert_eq!((fate(&outcome), elapsed), (Fate::NotSent, limit));
    let error = outcome.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Deadline { .. })), "{error:?}");
    assert_eq!(error.step(), Step::Text);
}

fn names(recipients: usize) -> Vec<String> {
    (0..recipients).map(|number| format!("r{number}@example.org")).collect()
}

fn crowd(recipients: usize) -> Envelope {
    let names = names(recipients);
    Envelope::new("a@example.org", names.iter().map(|name| &**name)).unwrap()
}

/// Every verdict is that of its own recipient; every other one is accepted.
#[track_caller]
fn check_every_other(delivery: &Delivery, recipients: usize) {
    assert_eq!(delivery.verdicts().len(), recipients);
    for (place, (_, verdict)) in delivery.verdicts().enumerate() {
        assert_eq!(verdict.is_accepted(), place % 2 == 0, "{place}");
    }
}

#[test]
fn l5_both_sides_write_through_a_kibibyte() {
    for (window, recipients, padding) in [(1024, 20_000, 0), (1024, 2000, 400), (1, 50, 400)] {
        let delivery = perform(async {
            let (client, server) = pipe(window);
            let padding = "x".repeat(padding);
            let mut asked = 0;
            // It reads nothing until its reply was read.
            let heard = answer_all(server, move |line| match line.split(':').next().unwrap() {
                "" => "220 hi\r\n".into(),
                "EHLO client.example" => "250-hi\r\n250 PIPELINING\r\n".into(),
                "RCPT TO" => {
                    asked += 1;
                    let code = if asked % 2 == 1 { 250 } else { 550 };
                    format!("{code} {padding}\r\n")
                }
                "DATA" => "354 go\r\n".into(),
                _ => "250 ok\r\n".into(),
            });
            let mut connection = connector(Dialect::Smtp).connect_over(client).await.unwrap();
            let text = MailData::new("text\r\n").unwrap();
            let delivery = connection.send(&crowd(recipients), &text).await.unwrap();
            drop(connection);
            heard.await.unwrap();
            delivery
        });
        check_every_other(&delivery, recipients);
    }
}

#[tokio::test]
async fn l5_both_sides_write_over_tcp() {
    const RECIPIENTS: usize = 100_000;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // It answers each line with 400 octets before it reads on.
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::with_capacity(4096, stream.try_clone().unwrap());
        let long = |code: u16| format!("{code} {}\r\n", "x".repeat(394)).into_bytes();
        let replies = [long(250), long(550)];
        stream.write_all(b"220 hi\r\n").unwrap();
        let mut line = Vec::new();
        for number in 0.. {
            line.clear();
            if reader.read_until(b'\n', &mut line).unwrap() == 0 || line == b".\r\n" {
                break;
            }
            let reply = match &line[..4] {
                b"EHLO" => b"250-hi\r\n250 PIPELINING\r\n",
                b"RCPT" => &replies[number % 2][..],
                b"MAIL" => b"250 ok\r\n",
                b"DATA" => b"354 go\r\n",
                _ => b"",
            };
            stream.write_all(reply).unwrap();
        }
        stream.write_all(b"250 taken\r\n").unwrap();
        let _ = reader.read(&mut [0]);
    });
    let mut connection = Connector::new(Server::tcp("127.0.0.1", port)).connect().await.unwrap();
    let text = MailData::new("text\r\n").unwrap();
    let delivery = connection.send(&crowd(RECIPIENTS), &text).await.unwrap();
    check_every_other(&delivery, RECIPIENTS);
    drop(connection);
    server.join().unwrap();
}

/// The peak of allocated octets while a message is sent to this number of recipients.
fn memory(recipients: usize) -> u64 {
    let envelope = crowd(recipients);
    let mut delivery = None;
    let allocated = allocation_counter::measure(|| {
        delivery = Some(perform(async {
            let (chorus, _) = Chorus::new(recipients, Stop::Never);
            let mut connection = connector(Dialect::Smtp).connect_over(chorus).await.unwrap();
            connection.send(&envelope, MailData::new("text\r\n").unwrap()).await.unwrap()
        }));
    });
    check_every_other(&delivery.unwrap(), recipients);
    allocated.bytes_max
}

#[test]
fn l6_the_memory_of_a_crowd_is_linear_and_small() {
    let (ten, hundred) = (memory(10_000), memory(100_000));
    println!("10,000: {ten} octets, 100,000: {hundred} octets");
    assert!(hundred < 300 * 100_000, "{hundred}");
    assert!(hundred < 11 * ten, "{ten}, {hundred}");
}

#[test]
fn d16_a_text_that_does_not_fit_into_memory() {
    const PIECES: u64 = 16_384;
    let line = format!("{}\r\n", "x".repeat(62));
    let piece = Bytes::from(line.repeat(64));
    for framing in [Framing::Data, Framing::Chunks] {
        let allocated = allocation_counter::measure(|| {
            perform(async {
                let (host, connector) = Host::new(|_, line| match line {
                    line if line.starts_with("EHLO") => Answer::Say("250-hi\r\n250 CHUNKING\r\n"),
                    line => Host::good(line),
                });
                let mut connection = connector.connect().await.unwrap();
                let pieces = (0..PIECES).map(|_| Ok(piece.clone()));
                let mut sending = Sending::default();
                sending.framing = framing;
                let mut sending = connection.scoped_sending(sending);
                let sent = sending.send(&crowd(1), Content::pieces(pieces)).await.unwrap();
                assert!(sent.all_accepted());
                drop(host);
            });
        });
        // 64 MiB passed, and of them a chunk was held at most, and what waits to be written.
        assert!(allocated.bytes_max < 3 << 20, "{framing:?}: {}", allocated.bytes_max);
    }
}

#[test]
fn l7_a_thousand_connections_that_stall() {
    const CONNECTIONS: usize = 1000;
    let stops = [Stop::Greeting, Stop::Hello, Stop::Text, Stop::EndOfText];
    let envelope = Arc::new(crowd(1));
    let text = MailData::new(format!("{}\r\n", "x".repeat(78)).repeat(13_000)).unwrap();
    let allocated = allocation_counter::measure(|| {
        perform(async {
            let begun = Instant::now();
            let tasks: Vec<_> = (0..CONNECTIONS)
                .map(|number| {
                    let stop = stops[number % stops.len()];
                    let (envelope, text) = (Arc::clone(&envelope), text.clone());
                    tokio::spawn(async move {
                        let (chorus, _) = Chorus::new(1, stop);
                        let connector = connector(Dialect::Smtp).timeouts(bounds());
                        let outcome = match connector.connect_over(chorus).await {
                            Ok(mut connection) => connection.send(&envelope, &text).await,
                            Err(error) => Err(error),
                        };
                        (stop, outcome, begun.elapsed())
                    })
                })
                .collect();
            for task in tasks {
                let (stop, outcome, elapsed) = task.await.unwrap();
                let step = match stop {
                    Stop::Greeting => Step::Greeting,
                    Stop::Hello => Step::Hello,
                    Stop::Text => Step::Text,
                    _ => Step::EndOfText,
                };
                check_timed_out(&outcome.unwrap_err(), step, bounds().for_step(step));
                assert_eq!(elapsed, bounds().for_step(step), "each is in time");
            }
        });
    });
    let each = allocated.bytes_max / CONNECTIONS as u64;
    println!("{each} octets for each connection");
    assert!(each < 64 * 1024, "{each}");
}

/// The most octets that are read in one poll, while a server is always ready to be read.
fn longest_turn(recipients: usize) -> usize {
    perform(async {
        let (chorus, read) = Chorus::new(recipients, Stop::Never);
        let envelope = crowd(recipients);
        let mut connection = connector(Dialect::Smtp).connect_over(chorus).await.unwrap();
        let mut sending = pin!(connection.send(&envelope, MailData::new("text\r\n").unwrap()));
        let (mut longest, mut before) = (0, read.load(Ordering::Relaxed));
        loop {
            let polled = sending.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let now = read.load(Ordering::Relaxed);
            (longest, before) = (longest.max(now - before), now);
            if let Poll::Ready(outcome) = polled {
                check_every_other(&outcome.unwrap(), recipients);
                return longest;
            }
            yield_now().await;
        }
    })
}

#[test]
fn l8_a_server_that_is_always_ready_starves_no_other_task() {
    let longest = longest_turn(100_000);
    println!("{longest} octets in one turn");
    assert!(longest < 1 << 20, "{longest}");
}
