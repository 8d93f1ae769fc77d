//! SCRAM, the server's side, with and without channel binding (RFC 5802, RFC 7677,
//! RFC 9266).

use std::num::NonZeroU32;
use std::sync::Arc;

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::saslprep::{is_same, prepare};
use super::{Channel, Denial, Mechanism, MechanismStep, done};
use crate::host::Host;

/// Few, so that tests are fast, but the minimum of RFC 7677.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("it is not zero");
/// The salt is not a secret; the same for all users keeps dialogues the same.
const SALT: &[u8] = b"smtp-testkit salt";

#[derive(Clone, Copy)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Sha256 => "SCRAM-SHA-256",
        }
    }

    fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec()
    }

    fn digest(self, octets: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
        };
        digest::digest(algorithm, octets).as_ref().to_vec()
    }

    fn salted(self, password: &[u8]) -> Vec<u8> {
        let (algorithm, length) = match self {
            Self::Sha1 => (pbkdf2::PBKDF2_HMAC_SHA1, digest::SHA1_OUTPUT_LEN),
            Self::Sha256 => (pbkdf2::PBKDF2_HMAC_SHA256, digest::SHA256_OUTPUT_LEN),
        };
        let mut salted = vec![0; length];
        pbkdf2::derive(algorithm, ITERATIONS, SALT, password, &mut salted);
        salted
    }
}

pub(super) struct Scram {
    host: Arc<Host>,
    hash: Hash,
    bound: bool,
    channel: Channel,
    stage: Stage,
}

enum Stage {
    First,
    Last(Opening),
    /// The client has to confirm that it has read the server's signature.
    Confirm(String),
}

/// The contents of the first two messages.
struct Opening {
    user: String,
    gs2_header: String,
    client_first: String,
    server_first: String,
    nonce: String,
    binding: Vec<u8>,
}

impl Scram {
    pub(super) fn new(host: Arc<Host>, hash: Hash, bound: bool, channel: Channel) -> Self {
        Self { host, hash, bound, channel, stage: Stage::First }
    }

    fn mechanism(&self) -> String {
        format!("{}{}", self.hash.name(), if self.bound { "-PLUS" } else { "" })
    }

    /// Returns whether the client was offered channel binding. A client that claims otherwise was
    /// deceived by an attacker on the path (RFC 5802, 6).
    fn could_bind(&self) -> bool {
        let bound = format!("{}-PLUS", self.hash.name());
        let offered = self.host.offered("AUTH").unwrap_or_default();
        self.channel.exporter.is_some() && offered.contains(&bound.as_str())
    }

    /// Parses `client-first-message`: the flag, the identity, the name and the nonce.
    fn open(&self, message: &str) -> Option<Opening> {
        let mut parts = message.splitn(3, ',');
        let (flag, identity, bare) = (parts.next()?, parts.next()?, parts.next()?);
        let binding = match (self.bound, flag.strip_prefix("p=")) {
            (true, Some("tls-exporter")) => self.channel.exporter.clone()?,
            (true, Some("tls-server-end-point")) => {
                Hash::Sha256.digest(self.channel.server_certificate.as_deref()?)
            }
            (false, None) if flag == "n" || (flag == "y" && !self.could_bind()) => Vec::new(),
            _ => return None,
        };
        let mut fields = bare.split(',');
        let user = fields.next()?.strip_prefix("n=")?;
        let client_nonce = fields.next()?.strip_prefix("r=").filter(|nonce| !nonce.is_empty())?;
        let nonce = format!("{client_nonce}testkit{}", self.channel.connection + 1);
        let salt = STANDARD.encode(SALT);
        Some(Opening {
            user: user.replace("=2C", ",").replace("=3D", "="),
            gs2_header: format!("{flag},{identity},"),
            client_first: bare.to_owned(),
            server_first: format!("r={nonce},s={salt},i={ITERATIONS}"),
            nonce,
            binding,
        })
    }

    /// Verifies `client-final-message`; returns the server's signature and the user name.
    fn close(&self, opening: &Opening, message: &str) -> Result<(String, String), Denial> {
        let (unproven, proof) = message.rsplit_once(",p=").ok_or(Denial::Malformed)?;
        let proof = STANDARD.decode(proof).map_err(|_| Denial::Malformed)?;
        let mut fields = unproven.split(',');
        let bound = [opening.gs2_header.as_bytes(), &opening.binding].concat();
        let binding = format!("c={}", STANDARD.encode(bound));
        let nonce = format!("r={}", opening.nonce);
        if (fields.next(), fields.next()) != (Some(binding.as_str()), Some(nonce.as_str())) {
            return Err(Denial::Wrong);
        }
        let account = self.host.password_where(|known| is_same(known, &opening.user));
        let (user, password) = account.ok_or(Denial::Wrong)?;
        let password = prepare(password).ok_or(Denial::Wrong)?;
        let salted = self.hash.salted(password.as_bytes());
        let signed =
            [&opening.client_first, &opening.server_first, unproven].map(|it| it.as_bytes());
        let signed = signed.join(&b',');
        let stored = self.hash.digest(&self.hash.hmac(&salted, b"Client Key"));
        let signature = self.hash.hmac(&stored, &signed);
        let key: Vec<u8> = proof.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
        if proof.len() != signature.len() || self.hash.digest(&key) != stored {
            return Err(Denial::Wrong);
        }
        let server = self.hash.hmac(&self.hash.hmac(&salted, b"Server Key"), &signed);
        Ok((format!("v={}", STANDARD.encode(server)), user.to_owned()))
    }
}

impl Mechanism for Scram {
    fn step(&mut self, response: Option<&[u8]>) -> MechanismStep {
        let Some(response) = response else { return MechanismStep::Challenge(Vec::new()) };
        let Ok(message) = std::str::from_utf8(response) else {
            return MechanismStep::Denied(Denial::Malformed);
        };
        match &self.stage {
            Stage::First => match self.open(message) {
                Some(opening) => {
                    let challenge = opening.server_first.clone().into_bytes();
                    self.stage = Stage::Last(opening);
                    MechanismStep::Challenge(challenge)
                }
                None => MechanismStep::Denied(Denial::Malformed),
            },
            Stage::Last(opening) => match self.close(opening, message) {
                Ok((proof, user)) => {
                    self.stage = Stage::Confirm(user);
                    MechanismStep::Challenge(proof.into_bytes())
                }
                Err(denial) => MechanismStep::Denied(denial),
            },
            Stage::Confirm(user) if message.is_empty() => done(&self.mechanism(), user, ""),
            Stage::Confirm(_) => MechanismStep::Denied(Denial::Malformed),
        }
    }
}
