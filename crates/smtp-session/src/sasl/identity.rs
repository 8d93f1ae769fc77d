//! EXTERNAL (RFC 4422, appendix A) and ANONYMOUS (RFC 4505): one message, and no secret.
use smtp_codec::Mechanism;
use smtp_error::SaslFault;

use crate::{Challenge, Exchange, Exposure, Response};

/// A mechanism that sends an identity and proves nothing.
pub(super) struct Identity {
    pub(super) mechanism: Mechanism<&'static str>,
    pub(super) message: String,
}

impl Exchange for Identity {
    fn mechanism(&self) -> Mechanism<&str> {
        self.mechanism
    }

    fn exposure(&self) -> Exposure {
        Exposure::Hidden
    }

    fn initial(&mut self) -> Option<Response> {
        Some(self.message.as_bytes().into())
    }

    fn respond(&mut self, _: Challenge<'_>) -> Result<Response, SaslFault> {
        Err(SaslFault::SurplusChallenge)
    }

    fn may_succeed(&self) -> bool {
        true
    }
}
