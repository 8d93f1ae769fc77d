//! SCRAM-SHA-1 (RFC 5802) and SCRAM-SHA-256 (RFC 7677), with channel binding and without.
use std::ops::RangeInclusive;

use smtp_codec::{Mechanism, SaslResponse};
use smtp_error::SaslFault;
use zeroize::Zeroizing;

use super::Secret;
use crate::{Challenge, ChannelBinding, Exchange, Exposure, Response};

mod hash;
mod message;

pub(super) use hash::Hash;
pub(super) use message::escaped;

use message::{ServerFinal, ServerFirst};

/// Both sides prove that they know the password, or a value derived from it, and neither sends it.
pub(super) struct Scram {
    hash: Hash,
    binding: Binding,
    user: String,
    identity: String,
    password: Secret,
    nonce: String,
    iterations: RangeInclusive<u32>,
    state: State,
}

/// What the client sends about channel binding.
pub(super) enum Binding {
    /// The client cannot, or does not want to.
    No,
    /// The client could, but the server did not offer it. A server that did offer it notices that
    /// an attacker removed the offer.
    NotOffered,
    /// The exchange is bound to the TLS connection.
    To(ChannelBinding),
}

enum State {
    First,
    /// The server's signature is awaited: over what, and with which key.
    Final {
        signed: Vec<u8>,
        key: Zeroizing<Vec<u8>>,
    },
    Proved,
    Failed,
}

/// The inputs of an exchange.
pub(super) struct Parts {
    pub(super) hash: Hash,
    pub(super) binding: Binding,
    pub(super) user: String,
    pub(super) identity: String,
    pub(super) password: Secret,
    pub(super) nonce: String,
    /// How many iterations the server may ask for.
    pub(super) iterations: RangeInclusive<u32>,
}

impl Scram {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { hash, binding, user, identity, password, nonce, iterations } = parts;
        Self { hash, binding, user, identity, password, nonce, iterations, state: State::First }
    }

    /// Returns the header: whether and how the exchange is bound, and the authorization identity.
    fn header(&self) -> String {
        let flag = match &self.binding {
            Binding::No => "n".to_owned(),
            Binding::NotOffered => "y".to_owned(),
            Binding::To(binding) => format!("p={}", binding.name()),
        };
        match self.identity.as_str() {
            "" => format!("{flag},,"),
            identity => format!("{flag},a={},", escaped(identity)),
        }
    }

    fn first_bare(&self) -> String {
        format!("n={},r={}", escaped(&prepared(&self.user)), self.nonce)
    }

    /// Answers the server's first message with the proof.
    fn prove(&mut self, challenge: &[u8]) -> Result<Response, SaslFault> {
        let first = ServerFirst::parse(challenge, &self.nonce, &self.iterations)?;
        let mut bound = self.header().into_bytes();
        if let Binding::To(binding) = &self.binding {
            bound.extend_from_slice(binding.data());
        }
        let bound = SaslResponse::new(bound).into_base64();
        let without_proof = format!("c={bound},r={}", first.nonce);
        let mut signed = self.first_bare().into_bytes();
        for part in [b",", challenge, b",", without_proof.as_bytes()] {
            signed.extend_from_slice(part);
        }

        let hash = self.hash;
        let password = Zeroizing::new(prepared(self.password.expose()));
        let salted = hash.salted(password.as_bytes(), &first.salt, first.iterations);
        let client_key = hash.hmac(&salted, b"Client Key");
        let stored_key = hash.digest(&client_key);
        let signature = hash.hmac(&stored_key, &signed);
        let proof: Zeroizing<Vec<u8>> =
            Zeroizing::new(client_key.iter().zip(signature.iter()).map(|(a, b)| a ^ b).collect());
        let proof = Zeroizing::new(SaslResponse::new(&*proof).into_base64());

        let key = hash.hmac(&salted, b"Server Key");
        self.state = State::Final { signed, key };
        Ok(format!("{without_proof},p={}", *proof).into_bytes().into())
    }
}

impl Exchange for Scram {
    fn mechanism(&self) -> Mechanism<&str> {
        match (self.hash, &self.binding) {
            (Hash::Sha1, Binding::To(_)) => Mechanism::SCRAM_SHA_1_PLUS,
            (Hash::Sha1, _) => Mechanism::SCRAM_SHA_1,
            (Hash::Sha256, Binding::To(_)) => Mechanism::SCRAM_SHA_256_PLUS,
            (Hash::Sha256, _) => Mechanism::SCRAM_SHA_256,
        }
    }

    fn exposure(&self) -> Exposure {
        Exposure::Hidden
    }

    fn initial(&mut self) -> Option<Response> {
        Some(format!("{}{}", self.header(), self.first_bare()).into_bytes().into())
    }

    fn respond(&mut self, challenge: Challenge<'_>) -> Result<Response, SaslFault> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::First => self.prove(&challenge.decode()?),
            State::Final { signed, key } => match ServerFinal::parse(&challenge.decode()?)? {
                ServerFinal::Signature(signature)
                    if self.hash.verify(&key, &signed, &signature) =>
                {
                    self.state = State::Proved;
                    Ok(Response::empty())
                }
                ServerFinal::Signature(_) => Err(SaslFault::Signature),
                ServerFinal::Error => Err(SaslFault::Reported),
            },
            State::Proved | State::Failed => Err(SaslFault::SurplusChallenge),
        }
    }

    fn may_succeed(&self) -> bool {
        matches!(self.state, State::Proved)
    }

    fn secret(&self) -> Option<&[u8]> {
        Some(self.password.expose().as_bytes())
    }
}

/// The string as SASLprep has it. What SASLprep does not know, such as characters that are younger
/// than it, stays as it is: the server did the same when the password was set, or will refuse it.
fn prepared(text: &str) -> String {
    match stringprep::saslprep(text) {
        Ok(prepared) if !prepared.is_empty() => prepared.into_owned(),
        _ => text.to_owned(),
    }
}
