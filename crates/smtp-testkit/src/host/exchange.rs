//! The mechanisms of AUTH, the server's side: what is asked, and whether the answer is right.

mod saslprep;
mod scram;

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use self::scram::{Hash, Scram};
use super::Host;
use super::reply::Reply;
use crate::login::Login;

/// One run of a mechanism.
pub(super) trait Exchange: Send {
    /// What follows from a response; `None` where the client gave no initial response.
    fn step(&mut self, response: Option<&[u8]>) -> Step;
}

/// What the server says next.
pub(super) enum Step {
    Challenge(Vec<u8>),
    Done(Login),
    Denied(Denial),
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Denial {
    /// The secret is wrong, or nobody has that name.
    Wrong,
    /// A response is not what the mechanism asks for.
    Malformed,
    /// An initial response where the server speaks first.
    TooEarly,
    /// The client gave up.
    Given,
    /// The server offers what it does not know.
    Unsupported,
}

impl Denial {
    pub(super) fn reply(self) -> Reply {
        match self {
            Self::Wrong => Reply::new(535, "5.7.8", "these credentials are wrong"),
            Self::Malformed => Reply::new(501, "5.5.2", "this response is malformed"),
            Self::TooEarly => Reply::new(501, "5.7.0", "the server speaks first"),
            Self::Given => Reply::new(501, "5.7.0", "given up"),
            Self::Unsupported => Reply::new(504, "5.5.4", "this mechanism is unknown here"),
        }
    }
}

/// What a mechanism can know of the connection.
pub(super) struct Channel {
    pub(super) connection: usize,
    pub(super) client_certificate: bool,
    /// For `tls-exporter`.
    pub(super) exporter: Option<Vec<u8>>,
    /// For `tls-server-end-point`.
    pub(super) server_certificate: Option<Vec<u8>>,
}

/// Begins a mechanism, if there is one of this name.
pub(super) fn begin(name: &str, host: Arc<Host>, channel: Channel) -> Option<Box<dyn Exchange>> {
    let (plain, bound) = match name.strip_suffix("-PLUS") {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    Some(match plain {
        "SCRAM-SHA-1" => Box::new(Scram::new(host, Hash::Sha1, bound, channel)),
        "SCRAM-SHA-256" => Box::new(Scram::new(host, Hash::Sha256, bound, channel)),
        _ if bound => return None,
        "PLAIN" => Box::new(Plain { host }),
        "LOGIN" => Box::new(LoginWords { host, user: None, asked: false }),
        "CRAM-MD5" => Box::new(CramMd5 {
            host,
            challenge: format!("<{}@{}>", channel.connection + 1, super::NAME),
            asked: false,
        }),
        "XOAUTH2" => Box::new(Bearer { host, kind: BearerKind::Xoauth2, failed: false }),
        "OAUTHBEARER" => Box::new(Bearer { host, kind: BearerKind::OauthBearer, failed: false }),
        "EXTERNAL" => Box::new(External { certified: channel.client_certificate }),
        "ANONYMOUS" => Box::new(Anonymous),
        _ => return None,
    })
}

fn done(mechanism: &str, user: &str, on_behalf_of: &str) -> Step {
    let other = !on_behalf_of.is_empty() && on_behalf_of != user;
    Step::Done(Login {
        mechanism: mechanism.to_owned(),
        user: user.to_owned(),
        on_behalf_of: other.then(|| on_behalf_of.to_owned()),
    })
}

/// The response as text, or the end of the exchange.
fn text(response: &[u8]) -> Result<&str, Step> {
    std::str::from_utf8(response).map_err(|_| Step::Denied(Denial::Malformed))
}

/// RFC 4616; its section 2 has the server prepare what it compares.
struct Plain {
    host: Arc<Host>,
}

impl Exchange for Plain {
    fn step(&mut self, response: Option<&[u8]>) -> Step {
        let Some(response) = response else { return Step::Challenge(Vec::new()) };
        let words = match text(response) {
            Ok(text) => text.split('\0').collect::<Vec<_>>(),
            Err(denied) => return denied,
        };
        let [on_behalf_of, user, password] = words[..] else {
            return Step::Denied(Denial::Malformed);
        };
        match self.host.password_where(|known| saslprep::is_same(known, user)) {
            Some((name, known)) if saslprep::is_same(known, password) => {
                done("PLAIN", name, on_behalf_of)
            }
            _ => Step::Denied(Denial::Wrong),
        }
    }
}

/// Two questions, of no RFC.
struct LoginWords {
    host: Arc<Host>,
    user: Option<String>,
    asked: bool,
}

impl Exchange for LoginWords {
    fn step(&mut self, response: Option<&[u8]>) -> Step {
        let Some(response) = response else {
            return Step::Challenge(b"Username:".to_vec());
        };
        let word = match text(response) {
            Ok(word) => word,
            Err(denied) => return denied,
        };
        if !std::mem::replace(&mut self.asked, true) {
            self.user = Some(word.to_owned());
            return Step::Challenge(b"Password:".to_vec());
        }
        let user = self.user.as_deref().unwrap_or_default();
        match self.host.password(user) {
            Some(known) if known == word => done("LOGIN", user, ""),
            _ => Step::Denied(Denial::Wrong),
        }
    }
}

/// RFC 2195.
struct CramMd5 {
    host: Arc<Host>,
    challenge: String,
    asked: bool,
}

impl Exchange for CramMd5 {
    fn step(&mut self, response: Option<&[u8]>) -> Step {
        let Some(response) = response else {
            self.asked = true;
            return Step::Challenge(self.challenge.clone().into_bytes());
        };
        if !self.asked {
            return Step::Denied(Denial::TooEarly);
        }
        let Some((user, digest)) = text(response).ok().and_then(|text| text.rsplit_once(' '))
        else {
            return Step::Denied(Denial::Malformed);
        };
        let password = self.host.password(user).unwrap_or_default();
        let right = hmac_md5(password.as_bytes(), self.challenge.as_bytes());
        match right == digest && !password.is_empty() {
            true => done("CRAM-MD5", user, ""),
            false => Step::Denied(Denial::Wrong),
        }
    }
}

fn hmac_md5(key: &[u8], message: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(key) else { return String::new() };
    mac.update(message);
    mac.finalize().into_bytes().iter().map(|octet| format!("{octet:02x}")).collect()
}

#[derive(Clone, Copy)]
enum BearerKind {
    Xoauth2,
    /// RFC 7628.
    OauthBearer,
}

/// A token, and the detour that a wrong one takes.
struct Bearer {
    host: Arc<Host>,
    kind: BearerKind,
    failed: bool,
}

impl Exchange for Bearer {
    fn step(&mut self, response: Option<&[u8]>) -> Step {
        if self.failed {
            // The client says that it has read the error.
            return Step::Denied(Denial::Wrong);
        }
        let Some(response) = response else { return Step::Challenge(Vec::new()) };
        let response = match text(response) {
            Ok(response) => response,
            Err(denied) => return denied,
        };
        let (head, name) = match self.kind {
            BearerKind::Xoauth2 => ("user=", "XOAUTH2"),
            BearerKind::OauthBearer => ("n,a=", "OAUTHBEARER"),
        };
        let mut fields = response.split('\x01');
        let first = fields.next().unwrap_or_default();
        let user = match (first.strip_prefix(head), self.kind) {
            (Some(user), _) => Some(user.trim_end_matches(',')),
            (None, BearerKind::OauthBearer) if first == "n,," => None,
            _ => return Step::Denied(Denial::Malformed),
        };
        let token = fields.find_map(|field| field.strip_prefix("auth=Bearer "));
        let Some(token) = token.filter(|_| response.ends_with("\x01\x01")) else {
            return Step::Denied(Denial::Malformed);
        };
        if let Some(account) = self.host.knows_token(user, token) {
            return done(name, &account.user, "");
        }
        self.failed = true;
        Step::Challenge(match self.kind {
            BearerKind::Xoauth2 => {
                br#"{"status":"400","schemes":"Bearer","scope":"https://mail.testkit.example/"}"#
                    .to_vec()
            }
            BearerKind::OauthBearer => br#"{"status":"invalid_token"}"#.to_vec(),
        })
    }
}

/// RFC 4422, appendix A: the certificate of the client says who it is.
struct External {
    certified: bool,
}

impl Exchange for External {
    fn step(&mut self, response: Option<&[u8]>) -> Step {
        let Some(response) = response else { return Step::Challenge(Vec::new()) };
        match (text(response), self.certified) {
            (Ok(user), true) => done("EXTERNAL", user, ""),
            (Ok(_), false) => Step::Denied(Denial::Wrong),
            (Err(denied), _) => denied,
        }
    }
}

/// RFC 4505.
struct Anonymous;

impl Exchange for Anonymous {
    fn step(&mut self, response: Option<&[u8]>) -> Step {
        let Some(response) = response else { return Step::Challenge(Vec::new()) };
        match text(response) {
            Ok(trace) => done("ANONYMOUS", trace, ""),
            Err(denied) => denied,
        }
    }
}
