//! What a handler shares with the program around it, and knows of the listener.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use smtp_client::{MailData, Mailer};
use smtp_server::{
    Accept, Client, Context, Data, Decision, Envelope, Handler, Hello, Listener, Outcome, Rcpt,
    Refuse, Server,
};

use crate::host::{Peer, TO_DATA};

/// Counts messages, and names the listener in its reply.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Handler for Counter {
    type State = usize;

    async fn hello(&self, cx: &mut Context<usize>, _: &Hello) -> Decision {
        *cx.state_mut() += 1;
        Ok(Accept::usual())
    }

    async fn rcpt(&self, cx: &mut Context<usize>, _: &Rcpt) -> Decision {
        assert_eq!(*cx.state(), 1);
        Ok(Accept::usual())
    }

    async fn message(
        &self,
        cx: &mut Context<usize>,
        _: &Envelope,
        _: &mut Data<'_>,
    ) -> Result<Outcome, Refuse> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Outcome::queued_as(cx.listener().unwrap_or("none"))?)
    }
}

#[tokio::test]
async fn a_handler_may_have_several_owners() {
    let counter = Arc::new(Counter::default());
    let server = Server::new(Arc::clone(&counter)).into_service().unwrap();
    let (near, far) = tokio::io::duplex(4096);
    tokio::spawn(async move { server.serve(far, Client::new()).await });
    let mut peer = Peer(near);
    peer.ask(TO_DATA, "354").await;
    peer.ask(".\r\n", "250").await;
    assert_eq!(counter.0.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_handler_knows_the_name_of_the_listener() {
    let listener = || Listener::tcp("127.0.0.1:0").unwrap();
    let server = Server::new(Counter::default())
        .listener(listener().name("inside"))
        .listener(listener())
        .listener(listener().name("outside"));
    let addresses = server.addresses();
    let running = tokio::spawn(server.run());
    for (address, expected) in addresses.iter().zip(["inside", "none", "outside"]) {
        let mailer = Mailer::from_url(&format!("smtp://{address}")).unwrap();
        let envelope = Envelope::new("a@a.example", ["b@b.example"]).unwrap();
        let sent = mailer.send(envelope, MailData::new("\r\n").unwrap()).await.unwrap();
        assert_eq!(sent[0].reply().to_string(), format!("250 2.0.0 Queued as {expected}"));
        mailer.close().await;
    }
    running.abort();
}
