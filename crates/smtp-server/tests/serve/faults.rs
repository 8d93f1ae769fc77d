//! Handlers that fail.
use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering},
};

use smtp_server::{
    Accept, Client, Closing, Context, Data, Decision, Envelope, Handler, Hello, Identity, Login,
    Mail, Mechanism, Outcome, Rcpt, Refuse, Server, Settings, Verify,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::TcpStream,
};

use crate::host::{Does, Host, Peer, TO_DATA};

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

/// A handler and verifier one of whose methods panics.
#[derive(Clone, Copy)]
struct Panics(&'static str);

impl Panics {
    fn at(self, method: &str) -> Decision {
        assert_ne!(self.0, method, "asked to");
        Ok(Accept::usual())
    }
}

impl Handler for Panics {
    type State = ();

    async fn connect(&self, _: &mut Context) -> Decision {
        self.at("connect")
    }

    async fn hello(&self, _: &mut Context, _: &Hello) -> Decision {
        self.at("hello")
    }

    async fn mail(&self, _: &mut Context, _: &Mail) -> Decision {
        self.at("mail")
    }

    async fn rcpt(&self, _: &mut Context, _: &Rcpt) -> Decision {
        self.at("rcpt")
    }

    async fn data(&self, _: &mut Context, _: &Envelope) -> Decision {
        self.at("data")
    }

    async fn message(
        &self,
        _: &mut Context,
        _: &Envelope,
        data: &mut Data<'_>,
    ) -> Result<Outcome, Refuse> {
        data.read_exact(&mut [0; 2]).await?;
        self.at("message").map(Outcome::from)
    }

    async fn verify(&self, _: &mut Context, _: &str) -> Decision {
        self.at("verify")
    }

    async fn expand(&self, _: &mut Context, _: &str) -> Decision {
        self.at("expand")
    }

    async fn command(&self, _: &mut Context, _: &str, _: &str) -> Decision {
        self.at("command")
    }

    async fn reset(&self, _: &mut Context) {
        let _ = self.at("reset");
    }

    async fn closed(&self, _: &mut Context, _: Closing) {
        let _ = self.at("closed");
    }
}

impl Verify for Panics {
    async fn login(&self, _: &Context, _: Login<'_>) -> Result<Identity, Refuse> {
        self.at("login").map(|_| Identity::as_claimed())
    }
}

#[tokio::test]
async fn a_panic_of_any_method_refuses_for_now_and_is_no_end() {
    let open = "EHLO a.example\r\nMAIL FROM:<>\r\n";
    let whole = "EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n";
    // The base64 is of `\0tim\0x`.
    let login = "EHLO a.example\r\nAUTH PLAIN AHRpbQB4\r\n";
    for (method, group, reply) in [
        ("connect", String::new(), "451 4.3.0"),
        ("hello", "EHLO a.example\r\n".into(), "451 4.3.0"),
        ("mail", open.into(), "451 4.3.0"),
        ("rcpt", format!("{open}RCPT TO:<b@b.example>\r\n"), "451 4.3.0"),
        ("data", whole.into(), "451 4.3.0"),
        ("message", format!("{whole}text\r\n.\r\n"), "451 4.3.0"),
        ("verify", "VRFY a\r\n".into(), "451 4.3.0"),
        ("expand", "EXPN a\r\n".into(), "451 4.3.0"),
        ("command", "XYZ a\r\n".into(), "451 4.3.0"),
        ("login", login.into(), "451 4.3.0"),
        ("reset", format!("{open}RSET\r\n"), "250 2.0.0"),
        ("closed", open.into(), "250 2.1.0"),
    ] {
        let settings = Settings::smtp("mx.example.org").auth([Mechanism::PLAIN]);
        let settings = settings.passwords_in_clear().build().unwrap();
        let server = Server::new(Panics(method)).verifier(Panics(method)).settings(settings);
        let server = server.into_service().unwrap();
        let (near, far) = duplex(4096);
        let served = tokio::spawn(async move { server.serve(far, Client::new()).await.unwrap() });
        let mut peer = Peer(near);
        peer.ask(&group, reply).await;
        if method == "connect" {
            assert_eq!(served.await.unwrap(), Closing::Refused);
            continue;
        }
        assert_eq!(peer.ask("NOOP\r\n", "250").await, "250 2.0.0 Ok\r\n", "{method}");
        assert_eq!(peer.ask("QUIT\r\n", "221").await, "221 2.0.0 Bye\r\n", "{method}");
        drop(peer);
        assert_eq!(served.await.unwrap(), Closing::Quit, "{method}");
    }
}
