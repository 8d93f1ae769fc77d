//! Clients that go away while a handler is busy.
use std::sync::{Arc, Mutex};

use smtp_server::{
    Accept, Client, Closing, Context, Data, Decision, Envelope, Handler, Outcome, Rcpt, Refuse,
    Server,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::TcpStream,
    sync::Notify,
    task::JoinHandle,
    time::{Duration, sleep},
};

use crate::host::{Peer, TO_DATA};

/// A handler that takes its time with a message after it has read it, and gives up if the client is
/// gone.
#[derive(Clone, Default)]
struct Careful {
    begun: Arc<Notify>,
    go: Arc<Notify>,
    outcomes: Arc<Mutex<Vec<&'static str>>>,
    ended: Arc<Notify>,
}

impl Handler for Careful {
    type State = ();

    async fn rcpt(&self, _: &mut Context, _: &Rcpt) -> Decision {
        Ok(Accept::usual())
    }

    async fn message(
        &self,
        _: &mut Context,
        _: &Envelope,
        data: &mut Data<'_>,
    ) -> Result<Outcome, Refuse> {
        data.read_to_end(&mut Vec::new()).await?;
        self.begun.notify_one();
        tokio::select! {
            () = self.go.notified() => {
                self.outcomes.lock().unwrap().push("stored");
                Ok(Outcome::accepted())
            }
            () = data.disconnected() => {
                self.outcomes.lock().unwrap().push("given up");
                Err(Refuse::for_now())
            }
        }
    }

    async fn closed(&self, _: &mut Context, _: Closing) {
        self.ended.notify_one();
    }
}

impl Careful {
    fn connect(&self) -> (Peer, JoinHandle<Closing>) {
        let server = Server::new(self.clone()).into_service().unwrap();
        let (near, far) = duplex(4096);
        let served = tokio::spawn(async move { server.serve(far, Client::new()).await.unwrap() });
        (Peer(near), served)
    }

    fn outcomes(&self) -> Vec<&'static str> {
        self.outcomes.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_handler_that_asks_learns_that_its_client_has_gone() {
    let handler = Careful::default();
    let (mut peer, served) = handler.connect();
    peer.ask(TO_DATA, "354").await;
    peer.0.write_all(b"x\r\n.\r\n").await.unwrap();
    handler.begun.notified().await;
    drop(peer);
    assert_eq!(served.await.unwrap(), Closing::Disconnected);
    assert_eq!(handler.outcomes(), ["given up"]);
}

#[tokio::test]
async fn a_connection_that_is_reset_is_noticed_too() {
    let handler = Careful::default();
    let running = Server::new(handler.clone()).listen("127.0.0.1:0").unwrap().spawn().unwrap();
    let mut stream = TcpStream::connect(running.addresses()[0]).await.unwrap();
    stream.write_all(TO_DATA.as_bytes()).await.unwrap();
    stream.write_all(b"x\r\n.\r\n").await.unwrap();
    handler.begun.notified().await;
    // Octets are unread, so that this is a reset.
    drop(stream);
    handler.ended.notified().await;
    assert_eq!(handler.outcomes(), ["given up"]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_or_has_sent_more_is_not_taken_for_gone() {
    let handler = Careful::default();
    let (mut peer, _served) = handler.connect();
    peer.ask(TO_DATA, "354").await;
    peer.0.write_all(b"x\r\n.\r\n").await.unwrap();
    handler.begun.notified().await;
    sleep(Duration::from_secs(600)).await;
    assert!(handler.outcomes().is_empty());
    handler.go.notify_one();
    peer.hear("250").await;

    // It has sent its last command, and closed its direction. The replies are still wanted.
    peer.ask(&TO_DATA[16..], "354").await;
    peer.0.write_all(b"x\r\n.\r\n").await.unwrap();
    handler.begun.notified().await;
    peer.0.write_all(b"NOOP\r\nQUIT\r\n").await.unwrap();
    peer.0.shutdown().await.unwrap();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(handler.outcomes(), ["stored"]);
    handler.go.notify_one();
    let replies = peer.rest().await;
    assert_eq!(replies, "250 2.0.0 Message accepted\r\n250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n");
    assert_eq!(handler.outcomes(), ["stored", "stored"]);
}
