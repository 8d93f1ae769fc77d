//! Connections that are dropped while they are opened: row L11.
use std::{
    io::{Read, Write},
    net::TcpListener,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use smtp_client::{Connector, Server, session::Dialect};
use smtp_testkit::{Pipe, pipe};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Handle,
    task::yield_now,
};

use crate::{
    answering::answer_all,
    stage::{connector, perform},
};

/// A pipe that is counted while it is open.
struct Counted(Pipe, #[allow(dead_code, reason = "it is there to be dropped")] Arc<()>);

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[test]
fn l11_ten_thousand_connects_that_are_dropped() {
    perform(async {
        let open = Arc::new(());
        let mut connected = 0;
        for number in 0..10_000_usize {
            let (client, server) = pipe(16);
            let heard = answer_all(server, |line| match line {
                "" => "220 hi\r\n".into(),
                _ => "250 hi\r\n".into(),
            });
            {
                let connector = connector(Dialect::Smtp);
                let connecting = connector.connect_over(Counted(client, Arc::clone(&open)));
                let mut connecting = pin!(connecting);
                for _ in 0..number % 32 {
                    let mut cx = Context::from_waker(Waker::noop());
                    if let Poll::Ready(done) = connecting.as_mut().poll(&mut cx) {
                        connected += usize::from(done.is_ok());
                        break;
                    }
                    yield_now().await;
                }
            }
            assert_eq!(Arc::strong_count(&open), 1, "{number}: the stream is closed");
            heard.await.unwrap();
        }
        // Some were dropped when they were connected, and most before.
        assert!((1000..9000).contains(&connected), "{connected}");
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "no task of ours is left");
    });
}

#[tokio::test]
async fn l11_connects_over_tcp_that_are_dropped() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // It meets one after the other, each until it is closed from the other side.
    let server = std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut heard = Vec::new();
            // The client may have closed already.
            let greeted = stream.write_all(b"220 hi\r\n");
            if let Err(error) = greeted.and_then(|()| stream.read_to_end(&mut heard)) {
                assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "it is left open");
            }
            if heard == b"end" {
                return number;
            }
        }
        unreachable!("a listener does not end")
    });
    let connector = Connector::new(Server::tcp("127.0.0.1", port));
    for number in 0..500 {
        let moment = Duration::from_micros(number);
        let dropped = tokio::time::timeout(moment, connector.connect()).await;
        assert!(dropped.is_err(), "EHLO is never answered: {dropped:?}");
    }
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap().write_all(b"end").unwrap();
    let met = server.join().unwrap();
    assert!(met > 250, "{met}");
}
