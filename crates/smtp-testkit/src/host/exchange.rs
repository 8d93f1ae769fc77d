//! The server's side of the AUTH mechanisms.

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
pub(super) trait Mechanism: Send {
    /// Returns the next step after a response; `None` stands for a missing initial response.
    fn step(&mut self, response: Option<&[u8]>) -> MechanismStep;
}

/// What the server does next.
pub(super) enum MechanismStep {
    Challenge(Vec<u8>),
    Done(Login),
    Denied(Denial),
}

/// Why a login is refused.
#[derive(Clone, Copy, Debug)]
pub(super) enum Denial {
    /// The user is unknown, or the secret is wrong.
    Wrong,
    /// A response is malformed.
    Malformed,
    /// The client sent an initial response, but the server has to send first.
    TooEarly,
    /// The client canceled the exchange.
    Canceled,
    /// The server offers a mechanism that it does not implement.
    Unsupported,
}

impl Denial {
    pub(super) fn reply(self) -> Reply {
        match self {
            Self::Wrong => Reply::new(535, "5.7.8", "these credentials are wrong"),
            Self::Malformed => Reply::new(501, "5.5.2", "this response is malformed"),
            Self::TooEarly => Reply::new(501, "5.7.0", "the server sends first"),
            Self::Canceled => Reply::new(501, "5.7.0", "authentication canceled"),
            Self::Unsupported => Reply::new(504, "5.5.4", "this mechanism is unknown here"),
        }
    }
}

/// The properties of the connection that mechanisms use.
pub(super) struct Channel {
    pub(super) connection: usize,
    pub(super) client_certificate: bool,
    /// For `tls-exporter`.
    pub(super) exporter: Option<Vec<u8>>,
    /// For `tls-server-end-point`.
    pub(super) server_certificate: Option<Vec<u8>>,
}

/// Starts the mechanism of this name, if it is implemented.
pub(super) fn begin(name: &str, host: Arc<Host>, channel: Channel) -> Option<Box<dyn Mechanism>> {
    let (plain, bound) = match name.strip_suffix("-PLUS") {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    Some(match plain {
        "SCRAM-SHA-1" => Box::new(Scram::new(host, Hash::Sha1, bound, channel)),
        "SCRAM-SHA-256" => Box::new(Scram::new(host, Hash::Sha256, bound, channel)),
        _ if bound => return None,
        "PLAIN" => Box::new(Plain { host }),
        "LOGIN" => Box::new(LoginPrompts { host, user: None, prompted: false }),
        "CRAM-MD5" => Box::new(CramMd5 {
            host,
            challenge: format!("<{}@{}>", channel.connection + 1, super::NAME),
            prompted: false,
        }),
        "XOAUTH2" => Box::new(Bearer { host, kind: BearerKind::Xoauth2, failed: false }),
        "OAUTHBEARER" => Box::new(Bearer { host, kind: BearerKind::OauthBearer, failed: false }),
        "EXTERNAL" => Box::new(External { certified: channel.client_certificate }),
        "ANONYMOUS" => Box::new(Anonymous),
        _ => return None,
    })
}

fn done(mechanism: &str, user: &str, on_behalf_of: &str) -> MechanismStep {
    let other = !on_behalf_of.is_empty() && on_behalf_of != user;
    MechanismStep::Done(Login {
        mechanism: mechanism.to_owned(),
        user: user.to_owned(),
        on_behalf_of: other.then(|| on_behalf_of.to_owned()),
    })
}

/// The response as text, or the denial.
fn text(response: &[u8]) -> Result<&str, MechanismStep> {
    std::str::from_utf8(response).map_err(|_| MechanismStep::Denied(Denial::Malformed))
}

/// RFC 4616; section 2 requires the server to prepare names and passwords.
struct Plain {
    host: Arc<Host>,
}

impl Mechanism for Plain {
    fn step(&mut self, response: Option<&[u8]>) -> MechanismStep {
        let Some(response) = response else { return MechanismStep::Challenge(Vec::new()) };
        let words = match text(response) {
            Ok(text) => text.split('\0').collect::<Vec<_>>(),
            Err(denied) => return denied,
        };
        let [on_behalf_of, user, password] = words[..] else {
            return MechanismStep::Denied(Denial::Malformed);
        };
        match self.host.password_where(|known| saslprep::is_same(known, user)) {
            Some((name, known)) if saslprep::is_same(known, password) => {
                done("PLAIN", name, on_behalf_of)
            }
            _ if self.host.admits_any(user) => done("PLAIN", user, on_behalf_of),
            _ => MechanismStep::Denied(Denial::Wrong),
        }
    }
}

/// LOGIN: two prompts, specified in no RFC.
struct LoginPrompts {
    host: Arc<Host>,
    user: Option<String>,
    prompted: bool,
}

impl Mechanism for LoginPrompts {
    fn step(&mut self, response: Option<&[u8]>) -> MechanismStep {
        let Some(response) = response else {
            return MechanismStep::Challenge(b"Username:".to_vec());
        };
        let word = match text(response) {
            Ok(word) => word,
            Err(denied) => return denied,
        };
        if !std::mem::replace(&mut self.prompted, true) {
            self.user = Some(word.to_owned());
            return MechanismStep::Challenge(b"Password:".to_vec());
        }
        let user = self.user.as_deref().unwrap_or_default();
        match self.host.password(user) {
            Some(known) if known == word => done("LOGIN", user, ""),
            _ if self.host.admits_any(user) => done("LOGIN", user, ""),
            _ => MechanismStep::Denied(Denial::Wrong),
        }
    }
}

/// RFC 2195.
struct CramMd5 {
    host: Arc<Host>,
    challenge: String,
    prompted: bool,
}

impl Mechanism for CramMd5 {
    fn step(&mut self, response: Option<&[u8]>) -> MechanismStep {
        let Some(response) = response else {
            self.prompted = true;
            return MechanismStep::Challenge(self.challenge.clone().into_bytes());
        };
        if !self.prompted {
            return MechanismStep::Denied(Denial::TooEarly);
        }
        let Some((user, digest)) = text(response).ok().and_then(|text| text.rsplit_once(' '))
        else {
            return MechanismStep::Denied(Denial::Malformed);
        };
        let password = self.host.password(user).unwrap_or_default();
        let right = hmac_md5(password.as_bytes(), self.challenge.as_bytes());
        let known = right == digest && !password.is_empty();
        match known || self.host.admits_any(user) {
            true => done("CRAM-MD5", user, ""),
            false => MechanismStep::Denied(Denial::Wrong),
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

/// A bearer token. After a wrong token, the client has to respond to an error challenge.
struct Bearer {
    host: Arc<Host>,
    kind: BearerKind,
    failed: bool,
}

impl Mechanism for Bearer {
    fn step(&mut self, response: Option<&[u8]>) -> MechanismStep {
        if self.failed {
            // The client has confirmed the error challenge.
            return MechanismStep::Denied(Denial::Wrong);
        }
        let Some(response) = response else { return MechanismStep::Challenge(Vec::new()) };
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
            _ => return MechanismStep::Denied(Denial::Malformed),
        };
        let token = fields.find_map(|field| field.strip_prefix("auth=Bearer "));
        let Some(token) = token.filter(|_| response.ends_with("\x01\x01")) else {
            return MechanismStep::Denied(Denial::Malformed);
        };
        if let Some(account) = self.host.knows_token(user, token) {
            return done(name, &account.user, "");
        }
        if let Some(user) = user.filter(|user| self.host.admits_any(user)) {
            return done(name, user, "");
        }
        self.failed = true;
        MechanismStep::Challenge(match self.kind {
            BearerKind::Xoauth2 => {
                br#"{"status":"400","schemes":"Bearer","scope":"https://mail.testkit.example/"}"#
                    .to_vec()
            }
            BearerKind::OauthBearer => br#"{"status":"invalid_token"}"#.to_vec(),
        })
    }
}

/// RFC 4422, appendix A: the client certificate identifies the client.
struct External {
    certified: bool,
}

impl Mechanism for External {
    fn step(&mut self, response: Option<&[u8]>) -> MechanismStep {
        let Some(response) = response else { return MechanismStep::Challenge(Vec::new()) };
        match (text(response), self.certified) {
            (Ok(user), true) => done("EXTERNAL", user, ""),
            (Ok(_), false) => MechanismStep::Denied(Denial::Wrong),
            (Err(denied), _) => denied,
        }
    }
}

/// RFC 4505.
struct Anonymous;

impl Mechanism for Anonymous {
    fn step(&mut self, response: Option<&[u8]>) -> MechanismStep {
        let Some(response) = response else { return MechanismStep::Challenge(Vec::new()) };
        match text(response) {
            Ok(trace) => done("ANONYMOUS", trace, ""),
            Err(denied) => denied,
        }
    }
}
