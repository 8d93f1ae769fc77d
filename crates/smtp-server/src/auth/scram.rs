//! SCRAM-SHA-1 (RFC 5802) and SCRAM-SHA-256 (RFC 7677), with channel binding and without.
use std::{fmt, str, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac, digest::Digest};
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Login, Progress};
use crate::Refuse;

/// The hash of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScramHash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// What a server stores of a password for SCRAM. It is not enough to log in, but it allows to try
/// passwords, and to pretend to be the server.
///
/// Its text is `SCRAM-SHA-256$ITERATIONS:SALT$STORED_KEY:SERVER_KEY` with base64, as PostgreSQL and
/// others have it.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    hash: ScramHash,
    iterations: u32,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

/// The text is not that of [`ScramKeys`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SCRAM keys: the form is SCRAM-SHA-256$ITERATIONS:SALT$STORED_KEY:SERVER_KEY")]
#[allow(clippy::exhaustive_structs, reason = "a part of a secret is not shown")]
pub struct InvalidScramKeys;

/// The fewest iterations that are accepted (RFC 7677, 4).
const FEWEST: u32 = 4096;

impl ScramHash {
    const ALL: [(Self, &'static str, usize); 2] =
        [(Self::Sha1, "SCRAM-SHA-1", 20), (Self::Sha256, "SCRAM-SHA-256", 32)];

    fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    fn size(self) -> usize {
        Self::ALL[self as usize].2
    }

    fn digest(self, data: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
        })
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Sha1 => mac::<Hmac<Sha1>>(key, data).finalize().into_bytes().to_vec(),
            Self::Sha256 => mac::<Hmac<Sha256>>(key, data).finalize().into_bytes().to_vec(),
        })
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> M {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(data);
    mac
}

/// Returns octets that depend on a secret.
pub(super) fn derived(secret: &[u8], label: &[u8]) -> Zeroizing<Vec<u8>> {
    ScramHash::Sha256.hmac(secret, label)
}

/// Returns whether two values are equal, in constant time: what is compared are their keyed hashes.
fn same(key: &[u8], one: &[u8], two: &[u8]) -> bool {
    let tag = mac::<Hmac<Sha256>>(key, one).finalize().into_bytes();
    mac::<Hmac<Sha256>>(key, two).verify_slice(&tag).is_ok()
}

impl ScramKeys {
    /// The number of iterations that keys should have. A user who does not exist appears to have
    /// keys with so many.
    pub const ITERATIONS: u32 = 10_000;

    /// Makes the keys of a password. The salt has to be random; 16 octets are usual. It takes some
    /// milliseconds with [`ITERATIONS`](Self::ITERATIONS).
    pub fn derive(hash: ScramHash, password: &str, salt: &[u8], iterations: u32) -> Self {
        let iterations = iterations.max(FEWEST);
        let prepared = Zeroizing::new(prepared(password));
        let mut salted = Zeroizing::new(vec![0; hash.size()]);
        let password = prepared.as_bytes();
        match hash {
            ScramHash::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut salted),
            ScramHash::Sha256 => {
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut salted);
            }
        }
        Self {
            hash,
            iterations,
            salt: salt.to_vec(),
            stored_key: hash.digest(&hash.hmac(&salted, b"Client Key")).to_vec(),
            server_key: hash.hmac(&salted, b"Server Key").to_vec(),
        }
    }

    /// Returns whether these are the keys of this password, in constant time: for PLAIN and LOGIN, so
    /// that one stored value serves all mechanisms. It takes as long as [`derive`](Self::derive).
    pub fn verify(&self, password: &str) -> bool {
        let other = Self::derive(self.hash, password, &self.salt, self.iterations);
        same(&self.salt, &self.stored_key, &other.stored_key)
    }

    /// Returns the hash.
    pub fn hash(&self) -> ScramHash {
        self.hash
    }

    /// Returns keys that no password fits, always the same ones for one user.
    fn of_unknown_user(hash: ScramHash, secret: &[u8], user: &str) -> Self {
        let part = |label: &str| derived(secret, format!("{label} {user}").as_bytes()).to_vec();
        Self {
            hash,
            iterations: Self::ITERATIONS,
            salt: part("salt")[..16].to_vec(),
            stored_key: part("stored key")[..hash.size()].to_vec(),
            server_key: part("server key")[..hash.size()].to_vec(),
        }
    }
}

/// The string as SASLprep has it; what SASLprep does not know stays as it is.
fn prepared(text: &str) -> String {
    match stringprep::saslprep(text) {
        Ok(prepared) if !prepared.is_empty() => prepared.into_owned(),
        _ => text.to_owned(),
    }
}

impl FromStr for ScramKeys {
    type Err = InvalidScramKeys;

    fn from_str(text: &str) -> Result<Self, InvalidScramKeys> {
        let parse = || {
            let (name, rest) = text.split_once('$')?;
            let &(hash, _, size) = ScramHash::ALL.iter().find(|(_, one, _)| *one == name)?;
            let (salting, keys) = rest.split_once('$')?;
            let (iterations, salt) = salting.split_once(':')?;
            let (stored_key, server_key) = keys.split_once(':')?;
            let [salt, stored_key, server_key] =
                [salt, stored_key, server_key].map(|part| STANDARD.decode(part).ok());
            let key = |key: Option<Vec<u8>>| key.filter(|key| key.len() == size);
            let (stored_key, server_key) = (key(stored_key)?, key(server_key)?);
            let iterations = iterations.parse().ok().filter(|&count| count >= FEWEST)?;
            let salt = salt.filter(|salt| !salt.is_empty())?;
            Some(Self { hash, iterations, salt, stored_key, server_key })
        };
        parse().ok_or(InvalidScramKeys)
    }
}

impl fmt::Display for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored_key, server_key] =
            [&self.salt, &self.stored_key, &self.server_key].map(|part| STANDARD.encode(part));
        let (name, iterations) = (self.hash.name(), self.iterations);
        write!(f, "{name}${iterations}:{salt}${stored_key}:{server_key}")
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys(***)")
    }
}

/// What the server has to say about channel binding.
pub(super) enum Binding {
    /// It offers none.
    Absent,
    /// It offers it with another mechanism. A client that could use it and was not offered it has
    /// been deceived.
    Offered,
    /// The exchange is bound to this value.
    Needed([u8; 32]),
}

/// The exchange with one client.
pub(super) struct Scram {
    hash: ScramHash,
    nonce: Zeroizing<Vec<u8>>,
    secret: [u8; 32],
    user: String,
    identity: String,
    client_nonce: String,
    server_nonce: String,
    first_bare: String,
    /// What the client has to repeat: its header, and the binding.
    bound: Vec<u8>,
    state: State,
}

enum State {
    /// The keys are awaited.
    First,
    /// The proof is awaited.
    Proof {
        keys: ScramKeys,
        is_user: bool,
        server_first: String,
    },
    /// The proof is right; the server decides.
    Proved {
        signature: Vec<u8>,
    },
    /// The client acknowledges the signature of the server.
    Signed,
    Over,
}

impl Scram {
    /// Reads the client's first message; `None` if it breaks the rules.
    pub(super) fn begin(
        hash: ScramHash,
        binding: Binding,
        (nonce, secret): (Zeroizing<Vec<u8>>, [u8; 32]),
        message: &[u8],
    ) -> Option<Self> {
        let message = str::from_utf8(message).ok()?;
        let (flag, rest) = message.split_once(',')?;
        let (identity, bare) = rest.split_once(',')?;
        let header = &message[..message.len() - bare.len()];
        let mut bound = header.as_bytes().to_vec();
        match (flag, &binding) {
            ("n", Binding::Absent | Binding::Offered) | ("y", Binding::Absent) => {}
            ("p=tls-exporter", Binding::Needed(exporter)) => bound.extend_from_slice(exporter),
            _ => return None,
        }
        let identity = match identity {
            "" => String::new(),
            identity => unescaped(identity.strip_prefix("a=")?)?,
        };
        let mut attributes = bare.split(',');
        let user = unescaped(attributes.next()?.strip_prefix("n=")?)?;
        let client_nonce = attributes.next()?.strip_prefix("r=")?;
        let is_nonce = !client_nonce.is_empty() && client_nonce.bytes().all(is_printable);
        let is_plain = |text: &str| !text.chars().any(char::is_control);
        if user.is_empty() || !is_nonce || !is_plain(&user) || !is_plain(&identity) {
            return None;
        }
        Some(Self {
            hash,
            server_nonce: STANDARD.encode(&nonce[..18]),
            nonce,
            secret,
            user,
            identity,
            client_nonce: client_nonce.to_owned(),
            first_bare: bare.to_owned(),
            bound,
            state: State::First,
        })
    }

    /// Returns what the server is asked.
    pub(super) fn login(&self) -> Login<'_> {
        match self.state {
            State::Proved { .. } => Login::Scram { identity: &self.identity, user: &self.user },
            _ => Login::ScramKeys { user: &self.user, hash: self.hash },
        }
    }

    /// Challenges the client with the keys of the user, or with some that no password fits.
    pub(super) fn keys(&mut self, keys: Option<ScramKeys>) -> Option<Progress> {
        if !matches!(self.state, State::First) {
            return None;
        }
        let known = keys.filter(|keys| keys.hash == self.hash);
        let is_user = known.is_some();
        let keys = known
            .unwrap_or_else(|| ScramKeys::of_unknown_user(self.hash, &self.secret, &self.user));
        let salt = STANDARD.encode(&keys.salt);
        let (client_nonce, nonce, iterations) =
            (&self.client_nonce, &self.server_nonce, keys.iterations);
        let server_first = format!("r={client_nonce}{nonce},s={salt},i={iterations}");
        let challenge = server_first.clone().into_bytes();
        self.state = State::Proof { keys, is_user, server_first };
        Some(Progress::Challenge(challenge))
    }

    /// Handles a response after the first.
    pub(super) fn respond(&mut self, response: &[u8]) -> Progress {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Proof { keys, is_user, server_first } => {
                let Some((without_proof, proof)) = self.client_final(response, &server_first)
                else {
                    return Progress::Malformed(super::MALFORMED);
                };
                let signed = format!("{},{server_first},{without_proof}", self.first_bare);
                let signature = self.hash.hmac(&keys.stored_key, signed.as_bytes());
                let client_key: Zeroizing<Vec<u8>> = Zeroizing::new(
                    proof.iter().zip(signature.iter()).map(|(a, b)| a ^ b).collect(),
                );
                let digest = self.hash.digest(&client_key);
                if !(same(&self.nonce, &digest, &keys.stored_key) && is_user) {
                    return Progress::Failed(Refuse::wrong_credentials());
                }
                let signature = self.hash.hmac(&keys.server_key, signed.as_bytes()).to_vec();
                self.state = State::Proved { signature };
                Progress::Ask
            }
            State::Signed if response.is_empty() => {
                let identity = if self.identity.is_empty() { &self.user } else { &self.identity };
                Progress::Authenticated(identity.clone())
            }
            _ => Progress::Malformed(super::MALFORMED),
        }
    }

    /// Proves that the server knows the keys, too.
    pub(super) fn accepted(&mut self, identity: Option<&str>) -> Progress {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Proved { signature } => {
                if let Some(identity) = identity {
                    identity.clone_into(&mut self.identity);
                }
                self.state = State::Signed;
                Progress::Challenge(format!("v={}", STANDARD.encode(signature)).into_bytes())
            }
            // The keys were asked for, and not whether the client may log in.
            _ => Progress::Failed(Refuse::no_login()),
        }
    }

    /// Reads the client's final message: what is signed of it, and the proof.
    fn client_final<'a>(
        &self,
        message: &'a [u8],
        server_first: &str,
    ) -> Option<(&'a str, Vec<u8>)> {
        let message = str::from_utf8(message).ok()?;
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let bound = STANDARD.decode(attributes.next()?.strip_prefix("c=")?).ok()?;
        let nonce = attributes.next()?;
        let expected = server_first.split(',').next()?;
        let proof = STANDARD.decode(proof).ok()?;
        let right = bound == self.bound && nonce == expected && proof.len() == self.hash.size();
        right.then_some((without_proof, proof))
    }
}

fn is_printable(octet: u8) -> bool {
    matches!(octet, b'!'..=b'~') && octet != b','
}

/// Decodes `=2C` and `=3D` in a name; `None` for another `=`.
pub(super) fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (character, rest) = if let Some(rest) = part.strip_prefix("2C") {
            (',', rest)
        } else {
            ('=', part.strip_prefix("3D")?)
        };
        plain.push(character);
        plain.push_str(rest);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays an example of an RFC: the messages of client and server, one after the other.
    fn play(hash: ScramHash, salt: &str, nonce: &str, messages: [&str; 4]) {
        let [client_first, server_first, client_final, server_final] = messages;
        let secrets = (Zeroizing::new(vec![0; 32]), [0; 32]);
        let scram = Scram::begin(hash, Binding::Absent, secrets, client_first.as_bytes());
        let mut scram = scram.expect("it is a first message");
        scram.server_nonce = nonce.to_owned();
        let salt = STANDARD.decode(salt).unwrap();
        let keys = ScramKeys::derive(hash, "pencil", &salt, 4096);
        let sent = |progress| match progress {
            Progress::Challenge(octets) => String::from_utf8(octets).unwrap(),
            _ => panic!("no challenge"),
        };
        assert_eq!(sent(scram.keys(Some(keys)).unwrap()), server_first);
        assert!(matches!(scram.respond(client_final.as_bytes()), Progress::Ask));
        assert_eq!(sent(scram.accepted(None)), server_final);
        let last = scram.respond(b"");
        assert!(matches!(last, Progress::Authenticated(user) if user == "user"));
    }

    #[test]
    fn the_examples_of_the_standards() {
        play(
            ScramHash::Sha1,
            "QSXCR+Q6sek8bf92",
            "3rfcNHYJY1ZVvWVs7j",
            [
                "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
                "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
                "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,\
                 p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
                "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
            ],
        );
        play(
            ScramHash::Sha256,
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            [
                "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
                "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                 s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                 p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            ],
        );
    }
}
