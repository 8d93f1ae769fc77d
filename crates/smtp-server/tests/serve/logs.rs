//! What is logged of logins.
use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use smtp_server::{
    Client, Context, Identity, Login, Mechanism, Refuse, ScramHash, ScramKeys, Server, Settings,
    Verify,
};
use tokio::io::duplex;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::host::{Host, Peer};

/// Collects what is logged at INFO and above.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("smtp_server") && *metadata.level() <= tracing::Level::INFO
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0.trim_start().to_owned());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Knows one user, and checks what it is told of the connection.
struct Users;

impl Verify for Users {
    async fn login(&self, cx: &Context, _: Login<'_>) -> Result<Identity, Refuse> {
        assert_eq!((cx.id(), cx.settings().mechanisms().len()), (1, 2));
        assert!(cx.client().hello().is_some());
        Err(Refuse::wrong_credentials())
    }

    async fn scram_keys(
        &self,
        cx: &Context,
        user: &str,
        hash: ScramHash,
    ) -> Result<Option<ScramKeys>, Refuse> {
        assert_eq!((cx.id(), cx.settings().mechanisms().len()), (1, 2));
        let keys = || ScramKeys::derive(hash, "secret", b"sixteen octets!!", 4096);
        Ok((user == "alice").then(keys))
    }
}

#[tokio::test]
async fn a_refused_login_is_logged_whoever_refused_it() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let settings = Settings::smtp("mx.example.org").passwords_in_clear();
    let settings = settings.auth([Mechanism::PLAIN, Mechanism::SCRAM_SHA_256]).build().unwrap();
    let server = Server::new(Host::default()).settings(settings).verifier(Users);
    let server = server.into_service().unwrap();
    let (near, far) = duplex(4096);
    let client = Client::at("192.0.2.1:4711".parse().unwrap());
    let _served = tokio::spawn(async move { server.serve(far, client).await.unwrap() });
    let mut peer = Peer(near);
    peer.ask("EHLO a.example\r\n", "250 ").await;

    peer.ask(&format!("AUTH PLAIN {}\r\n", STANDARD.encode("\0alice\0wrong")), "535").await;
    let refused = "message=login refused client=Some(192.0.2.1) code=535";
    assert_eq!(log.0.lock().unwrap()[..], [refused]);

    for (user, times) in [("alice", 2), ("nobody", 3)] {
        let first = STANDARD.encode(format!("n,,n={user},r=abc"));
        let challenge = peer.ask(&format!("AUTH SCRAM-SHA-256 {first}\r\n"), "334").await;
        let challenge = STANDARD.decode(challenge.trim_end().rsplit_once(' ').unwrap().1).unwrap();
        let challenge = String::from_utf8(challenge).unwrap();
        let nonce = challenge.split(',').next().unwrap();
        let proof = STANDARD.encode([7; 32]);
        let last = STANDARD.encode(format!("c=biws,{nonce},p={proof}"));
        peer.ask(&format!("{last}\r\n"), if times == 3 { "421" } else { "535" }).await;
        assert_eq!(log.0.lock().unwrap()[..], vec![refused; times], "{user}");
    }
}
