//! CRAM-MD5 (RFC 2195).
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use smtp_codec::Mechanism;
use smtp_error::SaslFault;

use super::Secret;
use crate::{Challenge, Exchange, Exposure, Response};

/// The password is the key of a hash over the server's challenge.
pub(super) struct CramMd5 {
    pub(super) user: String,
    pub(super) password: Secret,
    pub(super) answered: bool,
}

impl Exchange for CramMd5 {
    fn mechanism(&self) -> Mechanism<&str> {
        Mechanism::CRAM_MD5
    }

    fn exposure(&self) -> Exposure {
        Exposure::Hidden
    }

    fn initial(&mut self) -> Option<Response> {
        None
    }

    fn respond(&mut self, challenge: Challenge<'_>) -> Result<Response, SaslFault> {
        if std::mem::replace(&mut self.answered, true) {
            return Err(SaslFault::SurplusChallenge);
        }
        let challenge = challenge.decode()?;
        if challenge.is_empty() {
            // Its answer would be the same at every login.
            return Err(SaslFault::Syntax);
        }
        let key = self.password.expose().as_bytes();
        let mut mac = Hmac::<Md5>::new_from_slice(key).map_err(|_| SaslFault::Syntax)?;
        mac.update(&challenge);
        let mut response = format!("{} ", self.user);
        for octet in mac.finalize().into_bytes() {
            // Writing to a string cannot fail.
            let _ = write!(response, "{octet:02x}");
        }
        Ok(response.into_bytes().into())
    }

    fn may_succeed(&self) -> bool {
        self.answered
    }

    fn secret(&self) -> Option<&[u8]> {
        Some(self.password.expose().as_bytes())
    }
}
