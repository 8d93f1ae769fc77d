//! `SendMany::next` dropped after every poll and called again: nothing is lost or changed.
use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use smtp_client::{Ahead, Content, Envelope, Message, SendMany, session::Dialect};
use smtp_testkit::pipe;
use tokio::{
    io::{AsyncWriteExt, simplex},
    task::yield_now,
};

use crate::{
    answering::answer_all,
    stage::{connector, perform},
};

/// A message whose text comes from a reader that yields one octet at a time.
fn message(number: usize) -> Message<'static> {
    let envelope = Envelope::new("s@example.org", [&*format!("r{number}@example.org")]).unwrap();
    let (reader, mut writer) = simplex(1);
    tokio::spawn(async move {
        let text = format!("number: {number}\r\n\r\n.dot\r\n");
        let _ = writer.write_all(text.as_bytes()).await;
        let _ = writer.shutdown().await;
    });
    Message::new(envelope, Content::read(reader))
}

/// The result of one poll of `next`, which is dropped then.
fn poll_once(sending: &mut SendMany<'_, '_>) -> Poll<Option<String>> {
    let next = pin!(sending.next());
    let polled = next.poll(&mut Context::from_waker(Waker::noop()));
    polled.map(|result| result.map(|result| format!("{result:?}")))
}

/// The results of five messages, and what the server received.
fn sent(keywords: &'static str, ahead: bool, dropping: bool) -> (Vec<String>, Vec<String>) {
    perform(async {
        let (client, server) = pipe(16);
        let (mut texts, mut taken) = (0, false);
        let heard = answer_all(server, move |line| {
            let end = line == "." || line.ends_with(" LAST");
            texts += usize::from(end);
            taken = match line.split(' ').next().unwrap() {
                "RCPT" => !line.contains("r3@"),
                _ => taken,
            };
            match line.split(' ').next().unwrap() {
                "" => "220 hi\r\n".into(),
                "EHLO" => format!("250-hi\r\n250 {keywords}\r\n"),
                "DATA" if taken => "354 go\r\n".into(),
                "RCPT" | "DATA" if !taken => "550 no\r\n".into(),
                _ if end => format!("250 taken {texts}\r\n"),
                _ => "250 ok\r\n".into(),
            }
        });
        let mut connection = connector(Dialect::Smtp).connect_over(client).await.unwrap();
        connection.sending_mut().ahead = ahead.then(Ahead::default);
        let mut sending = connection.send_many((0..5).map(message)).await.unwrap();
        let mut results = Vec::new();
        for _ in 0..100_000 {
            let next = if dropping {
                match poll_once(&mut sending) {
                    Poll::Ready(next) => next,
                    Poll::Pending => {
                        yield_now().await;
                        continue;
                    }
                }
            } else {
                sending.next().await.map(|result| format!("{result:?}"))
            };
            match next {
                Some(result) => results.push(result),
                None => break,
            }
        }
        drop(sending);
        assert_eq!(connection.ended(), None, "{results:#?}");
        connection.noop().await.unwrap();
        drop(connection);
        (results, heard.await.unwrap())
    })
}

#[test]
fn a_next_that_is_dropped_after_every_poll_changes_nothing() {
    for ahead in [false, true] {
        for keywords in ["HELP", "PIPELINING"] {
            let (whole, dropped) = (sent(keywords, ahead, false), sent(keywords, ahead, true));
            assert_eq!(whole.0.len(), 5);
            assert_eq!(whole, dropped, "{keywords}, ahead: {ahead}");
        }
    }
}
