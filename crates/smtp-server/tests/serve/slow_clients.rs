//! Clients that do not read, do not close, or do nothing, one of them or ten thousand. The clock is
//! paused.
use std::{sync::Arc, time::Duration};

use smtp_server::{Client, Closing, Server, Settings, StartTls};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    time::{Instant, sleep},
};

use crate::{
    host::{Host, Peer, TO_DATA},
    tls::pem,
};

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_replies_is_dropped() {
    for group in ["EHLO a.example\r\n", "VRFY a\r\nVRFY a\r\n", "MAIL FROM:<>\r\nRSET\r\n"] {
        let server = Server::new(Host::default()).into_service().unwrap();
        let (mut near, far) = duplex(64);
        let begun = Instant::now();
        let served = tokio::spawn(async move { server.serve(far, Client::new()).await.unwrap() });
        while !served.is_finished() {
            // It may send as much as it likes: nothing is taken from it.
            let _ = tokio::time::timeout(Duration::from_secs(1), near.write_all(group.as_bytes()))
                .await;
        }
        assert_eq!(served.await.unwrap(), Closing::TimedOut, "{group}");
        assert!(begun.elapsed().as_secs() <= 310, "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_its_direction_gets_its_replies() {
    let host = Host::default();
    let (mut peer, served) = host.connect();
    peer.0.write_all(format!("{TO_DATA}text\r\n.\r\nNOOP\r\n").as_bytes()).await.unwrap();
    peer.0.shutdown().await.unwrap();
    let replies = peer.rest().await;
    assert!(replies.ends_with("250 2.0.0 Queued as 4711\r\n250 2.0.0 Ok\r\n"), "{replies}");
    assert_eq!(served.await.unwrap(), Closing::Disconnected);
    assert_eq!(host.messages().len(), 1);

    let host = Host::default();
    let (mut peer, served) = host.connect();
    peer.0.write_all(format!("{TO_DATA}half\r\n.").as_bytes()).await.unwrap();
    peer.0.shutdown().await.unwrap();
    let replies = peer.rest().await;
    assert!(replies.ends_with("354 Send the message, and end it with a dot\r\n"), "{replies}");
    assert_eq!(served.await.unwrap(), Closing::Disconnected);
    assert!(host.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_close_is_left_after_a_second() {
    let (mut peer, served) = Host::default().connect();
    peer.ask("QUIT\r\n", "221").await;
    let begun = Instant::now();
    assert_eq!(served.await.unwrap(), Closing::Quit);
    assert!(begun.elapsed() <= Duration::from_secs(1), "{:?}", begun.elapsed());

    // However much it sends.
    let (mut peer, served) = Host::default().connect();
    peer.ask("QUIT\r\n", "221").await;
    let mut sent = 0;
    while peer.0.write_all(&[b'x'; 4096]).await.is_ok() {
        sent += 4096;
        assert!(sent < 2 << 20, "the server reads without end");
    }
    assert_eq!(served.await.unwrap(), Closing::Quit);
}

#[tokio::test(start_paused = true)]
async fn chunks_that_trickle_end_after_an_hour() {
    let host = Host::default();
    let (mut peer, served) = host.connect();
    let begun = Instant::now();
    peer.ask("EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@b.example>\r\n", "250 2.1.5").await;
    let (_reader, mut writer) = tokio::io::split(peer.0);
    while !served.is_finished() {
        let _ = writer.write_all(b"BDAT 1\r\nx").await;
        sleep(Duration::from_secs(170)).await;
    }
    assert_eq!(served.await.unwrap(), Closing::TimedOut);
    assert!((3600..3800).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert!(host.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_stalls_ends_after_half_a_minute() {
    let (chain, key) = pem("localhost");
    let config = smtp_server::Certificates::pem(&chain, &key).unwrap().config().unwrap();
    let config = Arc::new(config);
    for implicit in [false, true] {
        let settings = Settings::smtp("localhost");
        let settings = match implicit {
            true => settings.implicit_tls(),
            false => settings.starttls(StartTls::Offered),
        };
        let server = Server::new(Host::default()).settings(settings.build().unwrap());
        let server = server.tls(Arc::clone(&config)).into_service().unwrap();
        let (near, far) = duplex(4096);
        let served = tokio::spawn(async move { server.serve(far, Client::new()).await.unwrap() });
        let mut peer = Peer(near);
        if !implicit {
            peer.ask("EHLO a.example\r\n", "250 ").await;
            peer.ask("STARTTLS\r\n", "220 2.0.0").await;
        }
        let begun = Instant::now();
        let (mut reader, mut writer) = tokio::io::split(peer.0);
        // A record of 16 KiB, an octet at a time.
        writer.write_all(&[0x16, 0x03, 0x01, 0x40, 0x00]).await.unwrap();
        while !served.is_finished() {
            let _ = writer.write_all(&[1]).await;
            sleep(Duration::from_secs(10)).await;
        }
        assert_eq!(served.await.unwrap(), Closing::TimedOut, "{implicit}");
        assert!((30..=45).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"", "no reply would be understood");
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_idle_clients_hold_no_other_up_and_are_told_to_go() {
    let server = Arc::new(Server::new(Host::default()).into_service().unwrap());
    let begun = Instant::now();
    let connect = || {
        let (near, far) = duplex(256);
        let server = Arc::clone(&server);
        let served = tokio::spawn(async move { server.serve(far, Client::new()).await.unwrap() });
        (Peer(near), served)
    };
    let mut idle: Vec<_> = (0..10_000).map(|_| connect()).collect();
    for (peer, _) in &mut idle {
        peer.hear("220").await;
    }
    let (mut busy, _served) = connect();
    busy.ask(TO_DATA, "354").await;
    assert_eq!(busy.ask("x\r\n.\r\n", "250").await, "250 2.0.0 Queued as 4711\r\n");
    assert_eq!(begun.elapsed(), Duration::ZERO, "nothing waited for anything");
    for (peer, served) in idle {
        assert_eq!(peer.rest().await, "421 4.4.2 Idle for too long\r\n");
        assert_eq!(served.await.unwrap(), Closing::TimedOut);
    }
    assert!(begun.elapsed().as_secs() <= 301, "{:?}", begun.elapsed());
}
