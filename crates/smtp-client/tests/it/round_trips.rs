//! Round trips, counted in virtual time: the server takes one second for each batch of replies.
use std::time::Duration;

use smtp_client::{Ahead, Envelope, FirstChunk, MailData, Message, Sending, session::Dialect};
use smtp_testkit::{Pipe, pipe};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep, timeout},
};

use crate::stage::{connector, early_chunks, perform};

/// Answers everything that has come, a second after the first of it.
async fn serve(mut stream: Pipe, offer: &'static str) {
    let mut heard = Vec::with_capacity(1 << 20);
    let mut says = b"220 hi\r\n".to_vec();
    let mut in_text = false;
    loop {
        sleep(Duration::from_secs(1)).await;
        // What is there by now belongs to the same batch.
        while let Ok(Ok(1..)) = timeout(Duration::ZERO, stream.read_buf(&mut heard)).await {}
        answer(&mut heard, &mut in_text, offer, &mut says);
        let _ = stream.write_all(&says).await;
        says.clear();
        if stream.read_buf(&mut heard).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

/// Removes complete commands, and adds the replies.
fn answer(heard: &mut Vec<u8>, in_text: &mut bool, offer: &str, says: &mut Vec<u8>) {
    while let Some(end) = heard.iter().position(|&octet| octet == b'\n') {
        let line = String::from_utf8_lossy(&heard[..=end]).trim_end().to_owned();
        let chunk = line.strip_prefix("BDAT ").map(|rest| rest.split(' ').next().unwrap());
        let after: usize = chunk.filter(|_| !*in_text).map_or(0, |size| size.parse().unwrap());
        if heard.len() < end + 1 + after {
            return;
        }
        heard.drain(..=end + after);
        match line.as_str() {
            "." => *in_text = false,
            _ if *in_text => continue,
            "DATA" => {
                *in_text = true;
                says.extend(b"354 go\r\n");
                continue;
            }
            line if line.starts_with("EHLO") => {
                says.extend(format!("250-hi\r\n{offer}250 HELP\r\n").bytes());
                continue;
            }
            _ => {}
        }
        says.extend(b"250 ok\r\n");
    }
}

/// Returns the number of round trips of these messages and recipients.
fn trips(offer: &'static str, sending: Sending, messages: usize, recipients: usize) -> u64 {
    perform(async move {
        let (client, server) = pipe(1 << 20);
        tokio::spawn(serve(server, offer));
        let mut connection = connector(Dialect::Smtp).connect_over(client).await.unwrap();
        *connection.sending_mut() = sending;
        let rcpts: Vec<String> = (0..recipients).map(|n| format!("r{n}@example.org")).collect();
        let envelope = Envelope::new("a@example.org", rcpts.iter().map(|one| &**one)).unwrap();
        let text = MailData::new("a: b\r\n".repeat(170)).unwrap();
        let begun = Instant::now();
        let all = (0..messages).map(|_| Message::new(&envelope, &text));
        let mut sending = connection.send_many(all).await.unwrap();
        while let Some((_, result)) = sending.next().await {
            assert!(result.unwrap().all_accepted());
        }
        begun.elapsed().as_secs()
    })
}

/// How the texts leave.
#[derive(Clone, Copy)]
enum Way {
    Data,
    Chunks,
    EarlyChunks,
}

fn sending(way: Way, ahead: bool) -> Sending {
    let mut sending = match way {
        Way::Data => Sending::default(),
        Way::Chunks | Way::EarlyChunks => early_chunks(),
    };
    if matches!(way, Way::Chunks) {
        sending.first_chunk = FirstChunk::AfterRecipients;
    }
    sending.ahead = ahead.then(|| {
        let mut ahead = Ahead::default();
        ahead.messages = 1000;
        ahead
    });
    sending
}

const OFFER: &str = "250-PIPELINING\r\n250-CHUNKING\r\n";

#[test]
fn a_message_takes_two_round_trips_or_one() {
    for (way, each) in [(Way::Data, 2), (Way::Chunks, 2), (Way::EarlyChunks, 1)] {
        for recipients in [1, 10, 500] {
            assert_eq!(trips(OFFER, sending(way, false), 1, recipients), each);
        }
        assert_eq!(trips(OFFER, sending(way, false), 20, 1), 20 * each);
    }
}

#[test]
fn ahead_it_is_one_more_than_messages_or_a_constant() {
    for messages in [1, 2, 20, 200] {
        for way in [Way::Data, Way::Chunks] {
            assert_eq!(trips(OFFER, sending(way, true), messages, 1), messages as u64 + 1);
        }
        assert!(trips(OFFER, sending(Way::EarlyChunks, true), messages, 1) <= 2);
    }
}

#[test]
fn without_pipelining_it_is_one_for_each_command() {
    assert_eq!(trips("", sending(Way::Data, true), 2, 3), 2 * 6);
    assert_eq!(trips("250-CHUNKING\r\n", sending(Way::EarlyChunks, true), 2, 3), 6 - 1 + 6);
}
