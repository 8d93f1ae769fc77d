//! Clients that are silent or slow. The clock is paused.
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use smtp_server::{Client, Closing, Server, Settings};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    time::{Instant, sleep},
};

use crate::host::{Does, Host, TO_DATA};

#[tokio::test(start_paused = true)]
async fn a_silent_client_gets_421_after_five_minutes() {
    let host = Host::default();
    let begun = Instant::now();
    let (mut peer, served) = host.connect();
    peer.hear("220").await;
    assert_eq!(peer.hear("421").await, "421 4.4.2 Idle for too long\r\n");
    assert_eq!(begun.elapsed().as_secs(), 300);
    assert_eq!(peer.rest().await, "");
    assert_eq!(served.await.unwrap(), Closing::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_line_octet_by_octet_gets_no_more_time() {
    let (mut peer, served) = Host::default().connect();
    peer.hear("220").await;
    let begun = Instant::now();
    let (_reader, mut writer) = tokio::io::split(peer.0);
    while !served.is_finished() {
        // The server may have closed.
        let _ = writer.write_all(b"x").await;
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(served.await.unwrap(), Closing::TimedOut);
    assert!(begun.elapsed().as_secs() <= 360, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_proxy_header_octet_by_octet_gets_no_more_time() {
    let settings = Settings::smtp("mx.example.org").proxy_header().build().unwrap();
    let server = Server::new(Host::default()).settings(settings).into_service().unwrap();
    let (peer, served) = Host::default().connect_to(server);
    let begun = Instant::now();
    let (mut reader, mut writer) = tokio::io::split(peer.0);
    for octet in b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 25" {
        if served.is_finished() {
            break;
        }
        let _ = writer.write_all(&[*octet]).await;
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(served.await.unwrap(), Closing::TimedOut);
    assert!(begun.elapsed().as_secs() <= 360, "{:?}", begun.elapsed());
    let mut written = Vec::new();
    reader.read_to_end(&mut written).await.unwrap();
    assert!(written.is_empty(), "{}", written.escape_ascii());
}

#[tokio::test(start_paused = true)]
async fn every_command_begins_the_time_again() {
    let (mut peer, _served) = Host::default().connect();
    peer.ask("EHLO a.example\r\n", "250 ").await;
    for _ in 0..20 {
        sleep(Duration::from_secs(299)).await;
        assert_eq!(peer.ask("NOOP\r\n", "250").await, "250 2.0.0 Ok\r\n");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_stalls_ends_the_session() {
    let host = Host::default();
    let (mut peer, served) = host.connect();
    peer.ask(TO_DATA, "354").await;
    let begun = Instant::now();
    peer.0.write_all(b"half\r\n").await.unwrap();
    assert_eq!(peer.hear("421").await, "421 4.4.2 Idle for too long\r\n");
    assert_eq!(begun.elapsed().as_secs(), 180);
    assert_eq!(served.await.unwrap(), Closing::TimedOut);
    assert!(host.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_trickles_ends_after_an_hour() {
    let host = Host::default();
    let (mut peer, served) = host.connect();
    peer.ask(TO_DATA, "354").await;
    let begun = Instant::now();
    let (_reader, mut writer) = tokio::io::split(peer.0);
    while !served.is_finished() {
        let _ = writer.write_all(b"x").await;
        sleep(Duration::from_secs(100)).await;
    }
    assert_eq!(served.await.unwrap(), Closing::TimedOut);
    assert!((3600..3800).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert!(host.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_take_its_time() {
    let host = Host::that(Does::Waits);
    let (mut peer, _served) = host.connect();
    peer.ask(TO_DATA, "354").await;
    peer.0.write_all(b"x\r\n.\r\n").await.unwrap();
    sleep(Duration::from_secs(600)).await;
    host.go.notify_one();
    peer.hear("250").await;
}

/// A stream that is flushed once, and never again.
struct FlushedOnce(DuplexStream, bool);

impl AsyncRead for FlushedOnce {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, room)
    }
}

impl AsyncWrite for FlushedOnce {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match std::mem::replace(&mut self.1, true) {
            true => Poll::Pending,
            false => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_flushed_before_a_message_ends_the_session() {
    let server = Server::new(Host::default()).into_service().unwrap();
    let (mut near, far) = duplex(4096);
    near.write_all(TO_DATA.as_bytes()).await.unwrap();
    let begun = Instant::now();
    server.serve(FlushedOnce(far, false), Client::new()).await.unwrap();
    assert!(begun.elapsed().as_secs() < 200, "{:?}", begun.elapsed());
}
