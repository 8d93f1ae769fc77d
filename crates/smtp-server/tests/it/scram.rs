//! SCRAM (RFC 5802, RFC 7677) as a client sees it. The examples of the RFCs are tested where the
//! nonce can be chosen.
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use smtp_codec::Mechanism;
use smtp_server::{
    Client, Event, Login, Refuse, ScramHash, ScramKeys, ServerSession, Settings, TlsFacts,
};

use crate::host::{Answer, Host, usual};

const SALT: &[u8] = b"0123456789abcdef";

fn keys() -> ScramKeys {
    ScramKeys::derive(ScramHash::Sha256, "pencil", SALT, 4096)
}

fn knows_user(event: &Event<'_>) -> Answer {
    match event {
        Event::Auth(Login::ScramKeys { user: "user", hash: ScramHash::Sha256 }) => {
            Answer::Keys(Some(keys()))
        }
        Event::Auth(Login::ScramKeys { .. }) => Answer::Keys(None),
        Event::Auth(Login::Scram { identity: "boss", .. }) => {
            Answer::Decide(Err(Refuse::wrong_credentials()))
        }
        Event::Auth(Login::Scram { .. }) => Answer::Usual,
        other => usual(other),
    }
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// A client of the mechanism, and the session that it talks to.
struct Exchange {
    session: ServerSession,
    policy: fn(&Event<'_>) -> Answer,
    /// The codes of the logins that failed by themselves.
    failed: Vec<u16>,
}

impl Exchange {
    fn new(tls: Option<TlsFacts>, policy: fn(&Event<'_>) -> Answer) -> Self {
        let settings = Settings::smtp("mx.example.org").implicit_tls();
        let mechanisms = [Mechanism::SCRAM_SHA_256, Mechanism::SCRAM_SHA_256_PLUS];
        let host = Host::of(settings.auth(mechanisms));
        let mut session = ServerSession::new(host.settings, Client::new(), [9; 32]);
        session.tls_started(tls.unwrap_or_default());
        let mut exchange = Self { session, policy, failed: Vec::new() };
        exchange.send("EHLO a.example");
        exchange
    }

    fn send(&mut self, line: &str) -> String {
        let line = format!("{line}\r\n");
        let mut input = line.as_bytes();
        loop {
            let event = self.session.next(&mut input);
            if let Event::Read | Event::Close(_) = event {
                break;
            }
            if let Event::LoginFailed(code) = event {
                self.failed.push(code.get());
            }
            match (self.policy)(&event) {
                Answer::Keys(keys) => self.session.scram_keys(keys),
                Answer::Decide(decision) => self.session.decide(decision),
                _ => self.session.accept(),
            }
        }
        let output = std::mem::take(self.session.output());
        String::from_utf8(output).unwrap().trim_end().to_owned()
    }

    /// Sends a response, and returns the challenge.
    fn challenge(&mut self, line: &str) -> String {
        let reply = self.send(line);
        let encoded = reply.strip_prefix("334 ").unwrap_or_else(|| panic!("{reply}"));
        String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
    }

    /// Does the whole exchange.
    fn log_in(&mut self, login: &ScramLogin<'_>) -> String {
        let ScramLogin { mechanism, header, bare, bound, password } = login;
        let first = STANDARD.encode(format!("{header}{bare}"));
        let server_first = self.challenge(&format!("AUTH {mechanism} {first}"));
        let mut parts = server_first.split(',');
        let nonce = parts.next().unwrap();
        let salt = STANDARD.decode(parts.next().unwrap().strip_prefix("s=").unwrap()).unwrap();
        let iterations: u32 = parts.next().unwrap().strip_prefix("i=").unwrap().parse().unwrap();
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, iterations, &mut salted);
        let client_key = hmac(&salted, b"Client Key");
        let binding = STANDARD.encode([header.as_bytes(), bound].concat());
        let without_proof = format!("c={binding},{nonce}");
        let signed = format!("{bare},{server_first},{without_proof}");
        let signature = hmac(&Sha256::digest(&client_key), signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let last = format!("{without_proof},p={}", STANDARD.encode(proof));
        let reply = self.send(&STANDARD.encode(last));
        let Some(encoded) = reply.strip_prefix("334 ") else { return reply };
        let signature = hmac(&hmac(&salted, b"Server Key"), signed.as_bytes());
        assert_eq!(
            STANDARD.decode(encoded).unwrap(),
            format!("v={}", STANDARD.encode(signature)).into_bytes()
        );
        assert_eq!(self.session.client().login(), None, "the client has to acknowledge that");
        self.send("")
    }
}

#[derive(Clone)]
struct ScramLogin<'a> {
    mechanism: &'a str,
    header: &'a str,
    bare: &'a str,
    bound: &'a [u8],
    password: &'a str,
}

const PLAIN: ScramLogin<'_> = ScramLogin {
    mechanism: "SCRAM-SHA-256",
    header: "n,,",
    bare: "n=user,r=abcdefgh",
    bound: b"",
    password: "pencil",
};

const OK: &str = "235 2.7.0 Authentication succeeded";
const NO: &str = "535 5.7.8 Authentication failed";

#[test]
fn the_right_password_logs_in() {
    let mut exchange = Exchange::new(None, knows_user);
    assert_eq!(exchange.log_in(&PLAIN), OK);
    assert_eq!(exchange.session.client().login(), Some("user"));
    let other = ScramLogin { header: "n,a=other=3D,", ..PLAIN };
    let mut exchange = Exchange::new(None, knows_user);
    assert_eq!(exchange.log_in(&other), OK);
    assert_eq!(exchange.session.client().login(), Some("other="));
    let boss = ScramLogin { header: "n,a=boss,", ..PLAIN };
    assert_eq!(Exchange::new(None, knows_user).log_in(&boss), NO);
}

#[test]
fn a_wrong_password_and_a_stranger_look_the_same() {
    let mut exchange = Exchange::new(None, knows_user);
    assert_eq!(exchange.log_in(&ScramLogin { password: "pen", ..PLAIN }), NO);
    let stranger = ScramLogin { bare: "n=stranger,r=abcdefgh", ..PLAIN };
    assert_eq!(exchange.log_in(&stranger), NO);
    assert_eq!(exchange.session.client().login(), None);
    assert_eq!(exchange.failed, [535, 535]);
    // The salt of a stranger stays the same.
    let salt = |challenge: String| challenge.split(',').nth(1).unwrap().to_owned();
    let first = STANDARD.encode("n,,n=stranger,r=x");
    let mut again = Exchange::new(None, knows_user);
    let salts = [(); 2].map(|()| {
        let challenge = again.challenge(&format!("AUTH SCRAM-SHA-256 {first}"));
        again.send("*");
        salt(challenge)
    });
    assert_eq!(salts[0], salts[1]);
}

#[test]
fn the_exchange_is_bound_to_the_connection() {
    let tls = TlsFacts::default();
    let bound = |exporter| {
        let mut facts = tls.clone();
        facts.exporter = Some(exporter);
        Exchange::new(Some(facts), knows_user)
    };
    let plus = ScramLogin {
        mechanism: "SCRAM-SHA-256-PLUS",
        header: "p=tls-exporter,,",
        bound: &[5; 32],
        ..PLAIN
    };
    assert_eq!(bound([5; 32]).log_in(&plus), OK);
    let malformed = "501 5.5.2 The response does not fit the mechanism";
    assert_eq!(bound([6; 32]).log_in(&plus), malformed, "another connection");
    // A client that could bind it and believes that the server cannot has been deceived.
    let first = STANDARD.encode("y,,n=user,r=abcdefgh");
    assert_eq!(bound([5; 32]).send(&format!("AUTH SCRAM-SHA-256 {first}")), malformed);
    assert_eq!(bound([5; 32]).log_in(&PLAIN), OK);
    let unbound = ScramLogin { header: "y,,", ..PLAIN };
    assert_eq!(Exchange::new(None, knows_user).log_in(&unbound), OK);
}

#[test]
fn keys_that_are_asked_for_are_no_login() {
    for answer in [Answer::Usual, Answer::Nothing] {
        let is_usual = matches!(answer, Answer::Usual);
        let policy: fn(&Event<'_>) -> Answer =
            if is_usual { |_| Answer::Usual } else { |_| Answer::Nothing };
        let mut exchange = Exchange::new(None, policy);
        let first = STANDARD.encode("n,,n=user,r=abcdefgh");
        let reply = exchange.send(&format!("AUTH SCRAM-SHA-256 {first}"));
        assert_eq!(reply, "454 4.7.0 Authentication is not possible now");
        assert_eq!(exchange.session.client().login(), None);
        assert_eq!(exchange.send("NOOP"), "250 2.0.0 Ok");
    }
}

#[test]
fn keys_at_the_wrong_moment_change_nothing() {
    // Keys for `Login::Scram` are ignored, so that it is undecided.
    fn always_keys(event: &Event<'_>) -> Answer {
        match event {
            Event::Auth(_) => Answer::Keys(Some(keys())),
            other => usual(other),
        }
    }
    let mut exchange = Exchange::new(None, always_keys);
    let reply = exchange.log_in(&PLAIN);
    assert_eq!(reply, "454 4.7.0 Authentication is not possible now");
    assert_eq!(exchange.session.client().login(), None);
}

#[test]
fn keys_of_another_hash_are_no_keys() {
    fn other_hash(event: &Event<'_>) -> Answer {
        match event {
            Event::Auth(Login::ScramKeys { .. }) => {
                Answer::Keys(Some(ScramKeys::derive(ScramHash::Sha1, "pencil", SALT, 4096)))
            }
            other => usual(other),
        }
    }
    assert_eq!(Exchange::new(None, other_hash).log_in(&PLAIN), NO);
}

#[test]
fn messages_that_break_the_rules() {
    let malformed = "501 5.5.2 The response does not fit the mechanism";
    for first in [
        "",
        "n",
        "n,",
        "n,,",
        "n,,r=a",
        "n,,n=,r=a",
        "n,,n=user",
        "n,,n=user,r=",
        "n,,m=x,n=user,r=a",
        "n,,n=us=er,r=a",
        "n,,n=us=2cer,r=a",
        "p=tls-exporter,,n=user,r=a",
        "n,x,n=user,r=a",
        "n,,n=us\u{1}er,r=a",
        "n,,n=user,r=a b",
        "x,,n=user,r=a",
    ] {
        let mut exchange = Exchange::new(None, knows_user);
        assert_eq!(exchange.send("AUTH SCRAM-SHA-256"), "334");
        assert_eq!(exchange.send(&STANDARD.encode(first)), malformed, "{first:?}");
    }
    for change in [
        "c=biws",
        "c=eSws,{r},p=AAAA",
        "c=biws,{r}x,p=AAAA",
        "c=biws,{r},p=AAAA",
        "{r},c=biws,p=AAAA",
    ] {
        let mut exchange = Exchange::new(None, knows_user);
        let first = STANDARD.encode("n,,n=user,r=abcdefgh");
        let server_first = exchange.challenge(&format!("AUTH SCRAM-SHA-256 {first}"));
        let nonce = server_first.split(',').next().unwrap();
        let last = change.replace("{r}", nonce);
        assert_eq!(exchange.send(&STANDARD.encode(last)), malformed, "{change}");
    }
}

#[test]
fn keys_have_a_text() {
    let text = keys().to_string();
    assert!(text.starts_with("SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$"));
    assert_eq!(text.parse::<ScramKeys>().unwrap(), keys());
    let read = ScramKeys::derive(ScramHash::Sha1, "pencil", b"another salt", 4096).to_string();
    let read: ScramKeys = read.parse().unwrap();
    assert!(read.verify("pencil") && !read.verify("Pencil") && !read.verify(""));
    for wrong in [
        "",
        "SCRAM-SHA-256",
        "SCRAM-SHA-512$4096:AAAA$AAAA:AAAA",
        &text.replace("4096", "4095"),
        &text.replace("4096", "-1"),
        &text.replace("SHA-256", "SHA-1"),
        &text[..text.len() - 4],
        &text.replace("MDEyMzQ1Njc4OWFiY2RlZg==", ""),
    ] {
        assert!(wrong.parse::<ScramKeys>().is_err(), "{wrong}");
    }
}
