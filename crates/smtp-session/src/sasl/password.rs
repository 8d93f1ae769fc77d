//! PLAIN (RFC 4616) and LOGIN: user name and password as they are.
use smtp_codec::Mechanism;
use smtp_error::SaslFault;

use super::Secret;
use crate::{Challenge, Exchange, Exposure, Response};

/// PLAIN: one response holds everything.
pub(super) struct Plain {
    pub(super) identity: String,
    pub(super) user: String,
    pub(super) password: Secret,
}

impl Exchange for Plain {
    fn mechanism(&self) -> Mechanism<&str> {
        Mechanism::PLAIN
    }

    fn exposure(&self) -> Exposure {
        Exposure::Revealed
    }

    fn initial(&mut self) -> Option<Response> {
        let fields = [&self.identity, "\0", &self.user, "\0", self.password.expose()];
        // Allocated at its full length: a buffer that grows leaves copies in freed memory.
        let mut message = Vec::with_capacity(fields.iter().map(|field| field.len()).sum());
        fields.iter().for_each(|field| message.extend_from_slice(field.as_bytes()));
        Some(message.into())
    }

    fn respond(&mut self, _: Challenge<'_>) -> Result<Response, SaslFault> {
        Err(SaslFault::SurplusChallenge)
    }

    fn may_succeed(&self) -> bool {
        true
    }

    fn secret(&self) -> Option<&[u8]> {
        Some(self.password.expose().as_bytes())
    }
}

/// LOGIN: the server asks twice, in whatever words. The first answer is the user name, the second
/// the password; the text of the questions is ignored, or they could be put the wrong way
/// round.
pub(super) struct LoginExchange {
    pub(super) user: String,
    pub(super) password: Secret,
    pub(super) asked: usize,
}

impl Exchange for LoginExchange {
    fn mechanism(&self) -> Mechanism<&str> {
        Mechanism::LOGIN
    }

    fn exposure(&self) -> Exposure {
        Exposure::Revealed
    }

    fn initial(&mut self) -> Option<Response> {
        None
    }

    fn respond(&mut self, _: Challenge<'_>) -> Result<Response, SaslFault> {
        self.asked += 1;
        match self.asked {
            1 => Ok(self.user.as_bytes().into()),
            2 => Ok(self.password.expose().as_bytes().into()),
            _ => Err(SaslFault::SurplusChallenge),
        }
    }

    fn may_succeed(&self) -> bool {
        self.asked == 2
    }

    fn secret(&self) -> Option<&[u8]> {
        Some(self.password.expose().as_bytes())
    }
}
