//! What counts as handed over under TLS: a message is in doubt if the transport accepted an octet
//! of the record that has its final dot, and only then.
use std::{
    io,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use smtp_client::{
    Ahead, Connection, Connector, Envelope, MailData, Message, Security, session::Dialect,
};
use smtp_testkit::{Authority, Server as TestServer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    stage::{opening, parse, perform},
    starttls::trusting,
    tap::Tap,
    wait_timeout::bounds,
};

/// What becomes of a write when the transport has accepted all that it accepts.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The write fails.
    Fails,
    /// The write waits forever.
    Stalls,
}

/// A transport that accepts a number of octets.
struct Limited {
    tap: Tap,
    accepted: Arc<Mutex<Vec<u8>>>,
    limit: usize,
    end: End,
}

impl AsyncRead for Limited {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tap).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Limited {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let room = self.limit - self.accepted.lock().unwrap().len();
        if room == 0 {
            return match self.end {
                End::Fails => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                End::Stalls => Poll::Pending,
            };
        }
        let octets = &octets[..room.min(octets.len())];
        Pin::new(&mut self.tap).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tap).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tap).poll_shutdown(cx)
    }
}

/// Two messages, whose first has a text of this many octets: whether each is in doubt, and what
/// the transport accepted.
fn send(text: usize, limit: usize, end: End, ahead: bool) -> (Vec<bool>, Vec<u8>) {
    let authority = Authority::new();
    let connector = trusting(&authority, Dialect::Smtp, Security::Tls).timeouts(bounds());
    perform(async {
        let group = "C: MAIL FROM:<a@example.org>\nC: RCPT TO:<b@example.org>\nC: DATA\n";
        let granted = "S: 250 ok\nS: 250 ok\nS: 354 go\n";
        let begun = match ahead {
            // The first text leaves with the commands of the second message.
            true => format!("{group}{granted}[text]\n{group}S: 250 ok\n{granted}[text]\nS: 250 ok"),
            false => {
                format!("{group}{granted}[text]\nS: 250 ok\n{group}{granted}[text]\nS: 250 ok")
            }
        };
        let script = format!("[tls]\n{}{begun}", opening(Dialect::Smtp, &["PIPELINING"]));
        let builder = TestServer::builder().authority(authority).script(parse(&script));
        let (_server, pipe) = builder.pipe();
        let (tap, accepted) = Tap::new(pipe);
        let stream = Limited { tap, accepted: Arc::clone(&accepted), limit, end };
        let in_doubt = in_doubt(&connector, stream, text, ahead).await;
        let accepted = accepted.lock().unwrap().clone();
        (in_doubt, accepted)
    })
}

async fn in_doubt(connector: &Connector, stream: Limited, text: usize, ahead: bool) -> Vec<bool> {
    let mut connection: Connection = connector.connect_over(stream).await.unwrap();
    connection.sending_mut().ahead = ahead.then(Ahead::default);
    let message = |text| {
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        Message::new(envelope, MailData::new(text).unwrap())
    };
    let long = format!("{}\r\n", "x".repeat(62)).repeat(text / 64);
    let messages = [message(long), message("short\r\n".to_owned())];
    let mut sending = connection.send_many(messages).await.unwrap();
    let mut in_doubt = Vec::new();
    while let Some((_, result)) = sending.next().await {
        in_doubt.push(result.is_err_and(|error| error.in_doubt()));
    }
    in_doubt
}

/// The places of the records in what was accepted.
fn records(octets: &[u8]) -> Vec<Range<usize>> {
    let mut records = Vec::new();
    let mut at = 0;
    while at < octets.len() {
        let end = at + 5 + usize::from(u16::from_be_bytes([octets[at + 3], octets[at + 4]]));
        records.push(at..end);
        at = end;
    }
    records
}

#[track_caller]
fn check(text: usize, ahead: bool) {
    let (all, accepted) = send(text, usize::MAX, End::Fails, ahead);
    assert_eq!(all, [false, false]);
    let records = records(&accepted);
    // The text begins with the longest record. A full one is followed by more of the text.
    let longest = records.iter().map(Range::len).max().unwrap();
    let last = records.iter().rposition(|record| record.len() == longest).unwrap();
    let dot = records[last + usize::from(longest > 16 * 1024)].clone();
    // Every place near the ends of the record, and some between them.
    let near = (dot.start - 3..dot.start + 8).chain(dot.end - 8..dot.end);
    let places = near.chain((dot.start..dot.end).step_by(499));
    for limit in places {
        for end in [End::Fails, End::Stalls] {
            let (found, accepted) = send(text, limit, end, ahead);
            assert_eq!(accepted.len(), limit);
            let case = format!("{limit} octets of {dot:?}, then {end:?}");
            assert_eq!(found[0], limit > dot.start, "{case}");
            assert!(found[1..].iter().all(|second| !second), "{case}");
        }
    }
}

#[test]
fn a_message_in_one_record() {
    check(6_400, false);
}

#[test]
fn a_message_in_several_records() {
    check(41_600, false);
}

#[test]
fn a_message_whose_end_shares_a_record_with_the_next_commands() {
    check(6_400, true);
}
