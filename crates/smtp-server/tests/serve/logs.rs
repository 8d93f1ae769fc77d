//! What the server logs: each login that was refused, and nothing that a client has written.
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
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::host::{Does, Host, Peer};

/// Collects what is logged at a level and above, with the fields of spans.
#[derive(Clone)]
struct Log {
    level: Level,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Log {
    fn at(level: Level) -> Self {
        Self { level, lines: Arc::default() }
    }

    fn push(&self, Line(line): Line) {
        self.lines.lock().unwrap().push(line.trim_start().to_owned());
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("smtp_server") && *metadata.level() <= self.level
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut line = Line("span".to_owned());
        attributes.record(&mut line);
        self.push(line);
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.push(line);
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
    let log = Log::at(Level::INFO);
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
    let logged = || {
        let lines = log.lines.lock().unwrap();
        lines.iter().filter(|line| !line.starts_with("span")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(logged(), [refused]);

    for (user, times) in [("alice", 2), ("nobody", 3)] {
        let first = STANDARD.encode(format!("n,,n={user},r=abc"));
        let challenge = peer.ask(&format!("AUTH SCRAM-SHA-256 {first}\r\n"), "334").await;
        let challenge = STANDARD.decode(challenge.trim_end().rsplit_once(' ').unwrap().1).unwrap();
        let challenge = String::from_utf8(challenge).unwrap();
        let nonce = challenge.split(',').next().unwrap();
        let proof = STANDARD.encode([7; 32]);
        let last = STANDARD.encode(format!("c=biws,{nonce},p={proof}"));
        peer.ask(&format!("{last}\r\n"), if times == 3 { "421" } else { "535" }).await;
        assert_eq!(logged(), vec![refused; times], "{user}");
    }
}

#[tokio::test]
async fn no_text_of_a_client_is_logged() {
    let log = Log::at(Level::TRACE);
    let _guard = tracing::subscriber::set_default(log.clone());
    for does in [Does::Accepts, Does::Fails, Does::Panics, Does::Each] {
        let settings = Settings::smtp("mx.example.org").passwords_in_clear();
        let settings = settings.auth([Mechanism::PLAIN, Mechanism::SCRAM_SHA_256]).build().unwrap();
        let server = Server::new(Host::that(does)).settings(settings).verifier(Users);
        let server = server.into_service().unwrap();
        let (near, far) = duplex(4096);
        let served = tokio::spawn(async move { server.serve(far, Client::new()).await.unwrap() });
        let mut peer = Peer(near);
        let login = STANDARD.encode("\0EVIL\0EVIL");
        let group = format!(
            "EHLO EVIL.example\r\nEVIL EVIL\r\nEVIL\0\r\nVRFY EVIL\r\nNOOP EVIL\r\n\
             AUTH PLAIN {login}\r\nAUTH EVIL\r\nMAIL FROM:<EVIL\x7f>\r\n\
             MAIL FROM:<EVIL@a.example> EVIL=EVIL\r\nMAIL FROM:<EVIL@a.example>\r\n\
             RCPT TO:<unknown-EVIL@b.example>\r\nRCPT TO:<panic-EVIL@b.example>\r\n\
             RCPT TO:<EVIL@b.example>\r\nRCPT TO:<EVIL2@b.example>\r\nDATA\r\n"
        );
        peer.ask(&group, "354").await;
        peer.ask("Subject: EVIL\r\n\r\nEVIL\r\n.\r\nQUIT\r\n", "221").await;
        drop(peer);
        served.await.unwrap();
    }
    let shown = log.lines.lock().unwrap().join("\n");
    for known in ["login refused", "message accepted", "disk full", "panicked", "id="] {
        assert!(shown.contains(known), "{known:?} is logged, or the test tests nothing: {shown}");
    }
    let login = STANDARD.encode("\0EVIL\0EVIL");
    assert!(!shown.to_ascii_uppercase().contains("EVIL") && !shown.contains(&login), "{shown}");
}
