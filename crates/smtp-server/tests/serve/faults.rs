//! Handlers that fail.
use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering},
};

use smtp_server::{
    Accept, Context, Data, Decision, Envelope, Handler, Outcome, Rcpt, Refuse, Server,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::host::{Does, Host, TO_DATA};

#[tokio::test]
async fn an_error_refuses_for_now_and_stays_with_the_server() {
    let (mut peer, _served) = Host::that(Does::Fails).connect();
    peer.ask(TO_DATA, "354").await;
    assert_eq!(peer.ask("x\r\n.\r\n", "451").await, "451 4.3.0 Try again later\r\n");
    peer.ask("NOOP\r\n", "250").await;
}

#[tokio::test]
async fn a_panic_refuses_one_message_and_ends_nothing_else() {
    let (mut peer, _served) = Host::that(Does::Panics).connect();
    peer.ask(TO_DATA, "354").await;
    assert_eq!(peer.ask("x\r\n.\r\n", "451").await, "451 4.3.0 Try again later\r\n");
    peer.ask("MAIL FROM:<a@a.example>\r\n", "250").await;
    let reply = peer.ask("RCPT TO:<panic@b.example>\r\n", "451").await;
    assert_eq!(reply, "451 4.3.0 Try again later\r\n");
    assert_eq!(peer.ask("RCPT TO:<b@b.example>\r\n", "250").await, "250 2.1.5 Ok\r\n");
}

/// A handler that panics outside of the futures of its methods.
struct Careless;

static STATES: AtomicUsize = AtomicUsize::new(0);

/// The state of the first connection cannot be made.
struct Fragile;

impl Default for Fragile {
    fn default() -> Self {
        assert!(STATES.fetch_add(1, Ordering::Relaxed) > 0, "asked to");
        Self
    }
}

impl Handler for Careless {
    type State = Fragile;

    // No `async fn`: it panics where it is called, and not where it is polled.
    #[allow(clippy::manual_async_fn, reason = "that is the subject")]
    fn rcpt(&self, _: &mut Context<Fragile>, rcpt: &Rcpt) -> impl Future<Output = Decision> + Send {
        assert!(!rcpt.path().as_str().starts_with("panic"), "asked to");
        std::future::ready(Ok(Accept::usual()))
    }

    async fn message(
        &self,
        _: &mut Context<Fragile>,
        _: &Envelope,
        _: &mut Data<'_>,
    ) -> Result<Outcome, Refuse> {
        Ok(Outcome::accepted())
    }
}

#[tokio::test]
async fn a_panic_outside_of_a_future_ends_neither_the_listener_nor_a_session() {
    let server = Server::new(Careless).listen("127.0.0.1:0").unwrap();
    let address = server.addresses()[0];
    let running = tokio::spawn(server.run());
    let mut first = TcpStream::connect(address).await.unwrap();
    assert_eq!(first.read(&mut [0; 512]).await.unwrap_or_default(), 0, "it has no state");

    let mut stream = TcpStream::connect(address).await.unwrap();
    let group = "EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<panic@b.example>\r\n\
                 RCPT TO:<b@b.example>\r\nQUIT\r\n";
    stream.write_all(group.as_bytes()).await.unwrap();
    // The client may close its direction before it reads.
    stream.shutdown().await.unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).await.unwrap();
    let end = "451 4.3.0 Try again later\r\n250 2.1.5 Ok\r\n221 2.0.0 Bye\r\n";
    assert!(replies.ends_with(end), "{replies}");
    running.abort();
}
