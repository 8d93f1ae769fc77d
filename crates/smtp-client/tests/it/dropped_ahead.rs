//! A mailer that runs ahead, and a server that drops what follows the final dot in one segment.
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use smtp_client::{Ahead, Connector, Sending, Server};
use smtp_testkit::{Pipe, pipe};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use crate::{
    limited::{check_accepted, send_all},
    mailer::pool,
    stage::perform,
};

/// Replies to every line of a read, and drops those after a final dot.
async fn serve(mut stream: Pipe) {
    let _ = stream.write_all(b"220 hi\r\n").await;
    let (mut read, mut in_text) = ([0; 4096], false);
    while let Ok(octets @ 1..) = stream.read(&mut read).await {
        let mut replies = String::new();
        for line in std::str::from_utf8(&read[..octets]).unwrap().lines() {
            match line {
                "." => {
                    in_text = false;
                    replies += "250 ok\r\n";
                    break;
                }
                _ if in_text => {}
                "DATA" => {
                    in_text = true;
                    replies += "354 go\r\n";
                }
                line if line.starts_with("EHLO") => replies += "250-hi\r\n250 PIPELINING\r\n",
                _ => replies += "250 ok\r\n",
            }
        }
        let _ = stream.write_all(replies.as_bytes()).await;
    }
}

#[test]
fn commands_that_were_dropped_cost_one_timeout_and_no_message() {
    perform(async {
        let connections = Arc::new(AtomicUsize::new(0));
        let opened = Arc::clone(&connections);
        let mut sending = Sending::default();
        sending.ahead = Some(Ahead::default());
        let connector = Connector::new(Server::tcp("localhost", 25))
            .hello_name("client.example".parse().unwrap())
            .sending(sending)
            .dialer(move |_| {
                let (client, stream) = pipe(65_536);
                opened.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream));
                async { Ok::<Pipe, io::Error>(client) }
            });
        let mailer = pool(connector, 1).wait_timeout(Duration::from_secs(3600)).build();
        let begun = Instant::now();
        check_accepted(&send_all(&mailer, 10).await, "dropped");
        assert_eq!(connections.load(Ordering::SeqCst), 2);
        assert_eq!(begun.elapsed().as_secs(), 300, "MAIL is waited for once");
    });
}
