//! AUTH on the side of the server (RFC 4954): what a client says of itself, and what proves it.
use std::{fmt, str};

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use smtp_codec::Mechanism;
use zeroize::Zeroizing;

use crate::{Client, Refuse, Settings};

mod scram;

pub use scram::{InvalidScramKeys, ScramHash, ScramKeys};

use scram::Scram;

/// What a client sent to authenticate.
///
/// The server accepts only what it has verified. The client is then logged in as `identity`, or as
/// `user` if that is empty.
///
/// Passwords and tokens are overwritten when the exchange ends, as far as they were decoded. The lines
/// in which they came are not: they were in buffers of the connection, of TLS and of the system, which
/// are used again or given back as they are.
#[non_exhaustive]
pub enum Login<'a> {
    /// PLAIN or LOGIN: a user and a password.
    Password {
        /// The identity to act as; empty for that of the user.
        identity: &'a str,
        /// The user.
        user: &'a str,
        /// The password.
        password: &'a str,
    },
    /// CRAM-MD5: a user, and a proof of knowing the password.
    CramMd5 {
        /// The user.
        user: &'a str,
        /// The proof.
        proof: &'a CramProof,
    },
    /// SCRAM begins: the keys of this user are needed
    /// ([`ServerSession::scram_keys`](crate::ServerSession::scram_keys)).
    ScramKeys {
        /// The user.
        user: &'a str,
        /// The hash that the keys are for.
        hash: ScramHash,
    },
    /// SCRAM: the user has proved to know the password.
    Scram {
        /// The identity to act as; empty for that of the user.
        identity: &'a str,
        /// The user.
        user: &'a str,
    },
    /// XOAUTH2 or OAUTHBEARER: a token, which says who the user is.
    Token {
        /// The user that the client names; empty if it names none.
        user: &'a str,
        /// The token.
        token: &'a str,
    },
    /// EXTERNAL: the certificate in [`TlsFacts`](crate::TlsFacts), or the Unix socket, says who the
    /// user is.
    External {
        /// The identity to act as; empty for the one that the certificate stands for.
        identity: &'a str,
    },
    /// ANONYMOUS: nothing is proved.
    Anonymous {
        /// What the client says of itself (RFC 4505).
        trace: &'a str,
    },
}

/// A proof of CRAM-MD5 (RFC 2195).
pub struct CramProof {
    challenge: Vec<u8>,
    digest: Vec<u8>,
}

/// The needs of a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// A connection that no third party can read.
    Confidentiality,
    /// Channel binding.
    Binding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Anonymous,
    CramMd5,
    External,
    Login,
    OauthBearer,
    Plain,
    Scram(ScramHash),
    ScramPlus(ScramHash),
    Xoauth2,
}

/// A mechanism, and what it needs.
type Row = (Mechanism<&'static str>, Kind, Needs);

const ROWS: [Row; 11] = [
    (Mechanism::ANONYMOUS, Kind::Anonymous, Needs::Nothing),
    (Mechanism::CRAM_MD5, Kind::CramMd5, Needs::Nothing),
    (Mechanism::EXTERNAL, Kind::External, Needs::Confidentiality),
    (Mechanism::LOGIN, Kind::Login, Needs::Confidentiality),
    (Mechanism::OAUTHBEARER, Kind::OauthBearer, Needs::Confidentiality),
    (Mechanism::PLAIN, Kind::Plain, Needs::Confidentiality),
    (Mechanism::SCRAM_SHA_1, Kind::Scram(ScramHash::Sha1), Needs::Nothing),
    (Mechanism::SCRAM_SHA_1_PLUS, Kind::ScramPlus(ScramHash::Sha1), Needs::Binding),
    (Mechanism::SCRAM_SHA_256, Kind::Scram(ScramHash::Sha256), Needs::Nothing),
    (Mechanism::SCRAM_SHA_256_PLUS, Kind::ScramPlus(ScramHash::Sha256), Needs::Binding),
    (Mechanism::XOAUTH2, Kind::Xoauth2, Needs::Confidentiality),
];

fn row(mechanism: &str) -> Option<&'static Row> {
    ROWS.iter().find(|(name, ..)| name.as_str().eq_ignore_ascii_case(mechanism))
}

/// Returns whether the mechanism is implemented.
pub(crate) fn is_known(mechanism: &str) -> bool {
    row(mechanism).is_some()
}

/// Returns what the mechanism needs.
pub(crate) fn needs(mechanism: &str) -> Needs {
    row(mechanism).map_or(Needs::Nothing, |(_, _, needs)| *needs)
}

/// An AUTH exchange.
pub(crate) struct Exchange {
    kind: Kind,
    state: State,
}

enum State {
    /// Nothing has come yet.
    Begun(Box<Start>),
    /// CRAM-MD5: the challenge was sent.
    Challenged(Vec<u8>),
    /// LOGIN: the user is known.
    User(String),
    /// The server decides.
    Claimed(Claim),
    Scram(Box<Scram>),
    /// A token was refused: the client acknowledges that.
    Refused(Refuse),
    Over,
}

/// What is known at the beginning of an exchange.
struct Start {
    nonce: Zeroizing<Vec<u8>>,
    secret: [u8; 32],
    exporter: Option<[u8; 32]>,
    /// Whether a mechanism with channel binding is offered for the hash of this one.
    offers_binding: bool,
}

enum Claim {
    Password { identity: String, user: String, password: Zeroizing<String> },
    CramMd5 { user: String, proof: CramProof },
    Token { user: String, token: Zeroizing<String> },
    External { identity: String },
    Anonymous { trace: String },
}

/// How an exchange goes on.
pub(crate) enum Progress {
    /// A challenge is sent.
    Challenge(Vec<u8>),
    /// The server is asked.
    Ask,
    /// The client has authenticated as this identity.
    Authenticated(String),
    /// The client has not, as the server decided.
    Refused(Refuse),
    /// The client has not, which the server does not know yet.
    Failed(Refuse),
    /// The response breaks the rules of the mechanism, as this text says.
    Malformed(&'static str),
}

impl Exchange {
    /// Begins an exchange, with the number of the exchange in its session; `None` if the mechanism is
    /// not known.
    pub(crate) fn begin(
        mechanism: &str,
        initial: Option<Zeroizing<Vec<u8>>>,
        settings: &Settings,
        client: &Client,
        (nonce, number): ([u8; 32], u32),
    ) -> Option<(Self, Progress)> {
        let &(name, kind, _) = row(mechanism)?;
        let start = Start {
            nonce: scram::derived(&nonce, &number.to_be_bytes()),
            secret: settings.policy.secret.0,
            exporter: client.tls().and_then(|tls| tls.exporter),
            offers_binding: settings.allows(&format!("{name}-PLUS"), client),
        };
        let mut exchange = Self { kind, state: State::Begun(Box::new(start)) };
        let progress = match (kind, initial) {
            (Kind::CramMd5, None) => exchange.challenge(settings),
            // The challenge comes first (RFC 4954, 4).
            (Kind::CramMd5, Some(_)) => {
                Progress::Malformed("5.7.0 This mechanism begins with a challenge")
            }
            (Kind::Login, None) => Progress::Challenge(b"Username:".to_vec()),
            (_, None) => Progress::Challenge(Vec::new()),
            (_, Some(initial)) => exchange.respond(initial),
        };
        Some((exchange, progress))
    }

    /// Handles a response of the client.
    pub(crate) fn respond(&mut self, response: Zeroizing<Vec<u8>>) -> Progress {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Begun(start) => self.first(*start, &response),
            State::Challenged(challenge) => self.claim(cram_md5(challenge, &response)),
            State::User(user) => {
                let identity = String::new();
                let claim = password(&response).map(|password| Claim::Password {
                    identity,
                    user,
                    password,
                });
                self.claim(claim)
            }
            State::Scram(mut scram) => {
                let progress = scram.respond(&response);
                self.state = State::Scram(scram);
                progress
            }
            State::Refused(refuse) => Progress::Refused(refuse),
            State::Claimed(_) | State::Over => Progress::Malformed(MALFORMED),
        }
    }

    /// Returns what the server decides about.
    pub(crate) fn login(&self) -> Login<'_> {
        match &self.state {
            State::Claimed(Claim::Password { identity, user, password }) => {
                Login::Password { identity, user, password }
            }
            State::Claimed(Claim::CramMd5 { user, proof }) => Login::CramMd5 { user, proof },
            State::Claimed(Claim::Token { user, token }) => Login::Token { user, token },
            State::Claimed(Claim::External { identity }) => Login::External { identity },
            State::Claimed(Claim::Anonymous { trace }) => Login::Anonymous { trace },
            State::Scram(scram) => scram.login(),
            _ => Login::Anonymous { trace: "" },
        }
    }

    /// Takes the keys that SCRAM needs; `None` if it needs none.
    pub(crate) fn keys(&mut self, keys: Option<ScramKeys>) -> Option<Progress> {
        match &mut self.state {
            State::Scram(scram) => scram.keys(keys),
            _ => None,
        }
    }

    /// The server has accepted the claim, perhaps under another identity.
    pub(crate) fn accepted(&mut self, identity: Option<&str>) -> Progress {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Scram(mut scram) => {
                let progress = scram.accepted(identity);
                self.state = State::Scram(scram);
                progress
            }
            State::Claimed(claim) => match identity.map_or_else(|| claim.identity(), str::to_owned)
            {
                // Nothing says who the client is.
                identity if identity.is_empty() => Progress::Failed(Refuse::no_login()),
                identity => Progress::Authenticated(identity),
            },
            _ => Progress::Failed(Refuse::no_login()),
        }
    }

    /// The server has refused the claim.
    pub(crate) fn refused(&mut self, refuse: Refuse) -> Progress {
        match self.state {
            // The client learns why before the exchange ends (RFC 7628, 3.2.3).
            State::Claimed(Claim::Token { .. }) => {
                self.state = State::Refused(refuse);
                Progress::Challenge(br#"{"status":"invalid_token","schemes":"bearer"}"#.to_vec())
            }
            _ => {
                self.state = State::Over;
                Progress::Refused(refuse)
            }
        }
    }

    fn challenge(&mut self, settings: &Settings) -> Progress {
        let State::Begun(start) = &self.state else { return Progress::Malformed(MALFORMED) };
        let unique: String =
            start.nonce.iter().take(16).map(|octet| format!("{octet:02x}")).collect();
        let host = settings.helo.lines().next().map(|line| line.printable().into_owned());
        let challenge = format!("<{unique}@{}>", host.unwrap_or_default()).into_bytes();
        self.state = State::Challenged(challenge.clone());
        Progress::Challenge(challenge)
    }

    fn first(&mut self, start: Start, response: &[u8]) -> Progress {
        let claim = match self.kind {
            Kind::Plain => plain(response),
            Kind::Login => match text(response).filter(|user| !user.is_empty()) {
                Some(user) => {
                    self.state = State::User(user);
                    return Progress::Challenge(b"Password:".to_vec());
                }
                None => None,
            },
            Kind::External => text(response).map(|identity| Claim::External { identity }),
            Kind::Anonymous => text(response).map(|trace| Claim::Anonymous { trace }),
            Kind::Xoauth2 => xoauth2(response),
            Kind::OauthBearer => oauth_bearer(response),
            Kind::CramMd5 => None,
            Kind::Scram(hash) | Kind::ScramPlus(hash) => {
                let is_bound = matches!(self.kind, Kind::ScramPlus(_));
                let binding = match (is_bound, start.exporter) {
                    (true, Some(exporter)) => scram::Binding::Needed(exporter),
                    (true, None) => return Progress::Malformed(MALFORMED),
                    (false, _) if start.offers_binding => scram::Binding::Offered,
                    (false, _) => scram::Binding::Absent,
                };
                let secrets = (start.nonce, start.secret);
                return match Scram::begin(hash, binding, secrets, response) {
                    Some(scram) => {
                        self.state = State::Scram(Box::new(scram));
                        Progress::Ask
                    }
                    None => Progress::Malformed(MALFORMED),
                };
            }
        };
        self.claim(claim)
    }

    fn claim(&mut self, claim: Option<Claim>) -> Progress {
        match claim {
            Some(claim) => {
                self.state = State::Claimed(claim);
                Progress::Ask
            }
            None => Progress::Malformed(MALFORMED),
        }
    }
}

impl Claim {
    fn identity(&self) -> String {
        let identity = match self {
            Self::Password { identity, user, .. } if identity.is_empty() => user,
            Self::Password { identity, .. } | Self::External { identity } => identity,
            Self::CramMd5 { user, .. } | Self::Token { user, .. } => user,
            Self::Anonymous { .. } => "anonymous",
        };
        identity.to_owned()
    }
}

impl CramProof {
    /// Returns whether the client knows this password, in constant time.
    pub fn verify(&self, password: &str) -> bool {
        let mac = <Hmac<Md5> as KeyInit>::new_from_slice(password.as_bytes());
        let mut mac = mac.expect("HMAC takes a key of any length");
        mac.update(&self.challenge);
        mac.verify_slice(&self.digest).is_ok()
    }
}

const MALFORMED: &str = "5.5.2 The response does not fit the mechanism";

/// Reads a password. An empty one is refused: directories take it for an anonymous login.
fn password(octets: &[u8]) -> Option<Zeroizing<String>> {
    let text = str::from_utf8(octets).ok().filter(|text| !text.is_empty())?;
    Some(Zeroizing::new(text.to_owned()))
}

/// Reads text without control characters.
fn text(octets: &[u8]) -> Option<String> {
    let text = str::from_utf8(octets).ok()?;
    (!text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// Reads the message of PLAIN (RFC 4616).
fn plain(response: &[u8]) -> Option<Claim> {
    let mut fields = response.split(|&octet| octet == 0);
    let [identity, user, secret] = [fields.next()?, fields.next()?, fields.next()?];
    if fields.next().is_some() || user.is_empty() {
        return None;
    }
    let password = password(secret)?;
    Some(Claim::Password { identity: text(identity)?, user: text(user)?, password })
}

/// Reads a user and a digest in hexadecimal.
fn cram_md5(challenge: Vec<u8>, response: &[u8]) -> Option<Claim> {
    let response = text(response)?;
    let (user, digits) = response.rsplit_once(' ')?;
    let octet = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    let is_hex = digits.len() == 32 && digits.bytes().all(|octet| octet.is_ascii_hexdigit());
    let digest = digits.as_bytes().chunks(2).map(octet).collect::<Option<Vec<u8>>>();
    let digest = digest.filter(|_| is_hex)?;
    Some(Claim::CramMd5 { user: user.to_owned(), proof: CramProof { challenge, digest } })
}

/// Reads `user=USER^Aauth=Bearer TOKEN^A^A`.
fn xoauth2(response: &[u8]) -> Option<Claim> {
    let response = str::from_utf8(response).ok()?.strip_suffix("\u{1}\u{1}")?;
    let (user, rest) = response.strip_prefix("user=")?.split_once('\u{1}')?;
    let token = bearer(rest.strip_prefix("auth=")?)?;
    Some(Claim::Token { user: text(user.as_bytes())?, token })
}

/// Reads a header with an identity, and pairs (RFC 7628, 3.1).
fn oauth_bearer(response: &[u8]) -> Option<Claim> {
    let response = str::from_utf8(response).ok()?.strip_suffix("\u{1}\u{1}")?;
    let (header, pairs) = response.split_once('\u{1}')?;
    let identity = header.strip_prefix("n,").or_else(|| header.strip_prefix("y,"))?;
    let user = match identity.strip_suffix(',')? {
        "" => String::new(),
        identity => scram::unescaped(identity.strip_prefix("a=")?)?,
    };
    let mut tokens = pairs.split('\u{1}').filter_map(|pair| pair.strip_prefix("auth="));
    Some(Claim::Token { user: text(user.as_bytes())?, token: bearer(tokens.next()?)? })
}

fn bearer(value: &str) -> Option<Zeroizing<String>> {
    let (scheme, token) = value.split_once(' ')?;
    let is_token = !token.is_empty() && token.bytes().all(|octet| matches!(octet, b'!'..=b'~'));
    let is_bearer = scheme.eq_ignore_ascii_case("Bearer") && is_token;
    is_bearer.then(|| Zeroizing::new(token.to_owned()))
}

impl fmt::Debug for Login<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { identity, user, .. } => {
                let mut shown = f.debug_struct("Password");
                shown.field("identity", identity).field("user", user).finish_non_exhaustive()
            }
            Self::CramMd5 { user, .. } => {
                f.debug_struct("CramMd5").field("user", user).finish_non_exhaustive()
            }
            Self::ScramKeys { user, hash } => {
                f.debug_struct("ScramKeys").field("user", user).field("hash", hash).finish()
            }
            Self::Scram { identity, user } => {
                f.debug_struct("Scram").field("identity", identity).field("user", user).finish()
            }
            Self::Token { user, .. } => {
                f.debug_struct("Token").field("user", user).finish_non_exhaustive()
            }
            Self::External { identity } => {
                f.debug_struct("External").field("identity", identity).finish()
            }
            Self::Anonymous { trace } => f.debug_struct("Anonymous").field("trace", trace).finish(),
        }
    }
}

impl fmt::Debug for CramProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CramProof(***)")
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_cram_md5() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>".to_vec();
        let response = b"tim b913a602c7eda7a495b4e6e7334d3890";
        let claim = cram_md5(challenge, response);
        let Some(Claim::CramMd5 { user, proof }) = claim else { panic!("no claim") };
        assert_eq!(user, "tim");
        assert!(proof.verify("tanstaaftanstaaf"));
        assert!(!proof.verify("tanstaaftanstaa"));
    }
}
