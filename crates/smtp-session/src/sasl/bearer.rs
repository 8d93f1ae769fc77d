//! OAUTHBEARER (RFC 7628) and XOAUTH2: an OAuth access token.
use smtp_codec::Mechanism;
use smtp_error::SaslFault;

use super::{Secret, scram::escaped};
use crate::{Challenge, Exchange, Exposure, Response, redaction::without_secret};

/// The token is sent; if the server rejects it, it sends the reason in a challenge, and refuses
/// once that is answered.
pub(super) struct Bearer {
    pub(super) form: Form,
    pub(super) user: String,
    pub(super) token: Secret,
    pub(super) complaint: Option<Vec<u8>>,
}

/// How the token is put, and how its failure is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    OAuthBearer,
    Xoauth2,
}

impl Exchange for Bearer {
    fn mechanism(&self) -> Mechanism<&str> {
        match self.form {
            Form::OAuthBearer => Mechanism::OAUTHBEARER,
            Form::Xoauth2 => Mechanism::XOAUTH2,
        }
    }

    fn exposure(&self) -> Exposure {
        Exposure::Revealed
    }

    fn initial(&mut self) -> Option<Response> {
        let user = match self.form {
            Form::OAuthBearer => format!("n,a={},", escaped(&self.user)),
            Form::Xoauth2 => format!("user={}", self.user),
        };
        let fields = [&user, "\x01auth=Bearer ", self.token.expose(), "\x01\x01"];
        let mut message = Vec::with_capacity(fields.iter().map(|field| field.len()).sum());
        fields.iter().for_each(|field| message.extend_from_slice(field.as_bytes()));
        Some(message.into())
    }

    fn respond(&mut self, challenge: Challenge<'_>) -> Result<Response, SaslFault> {
        if self.complaint.is_some() {
            return Err(SaslFault::SurplusChallenge);
        }
        let complaint = challenge.decode()?;
        self.complaint = Some(self.without_token(&complaint));
        Ok(match self.form {
            Form::OAuthBearer => b"\x01".as_slice().into(),
            Form::Xoauth2 => Response::empty(),
        })
    }

    /// A server that complained cannot be content.
    fn may_succeed(&self) -> bool {
        self.complaint.is_none()
    }

    fn complaint(&self) -> Option<&[u8]> {
        self.complaint.as_deref()
    }

    fn secret(&self) -> Option<&[u8]> {
        Some(self.token.expose().as_bytes())
    }
}

impl Bearer {
    /// The complaint goes into an error, and some servers repeat the token.
    fn without_token(&self, complaint: &[u8]) -> Vec<u8> {
        without_secret(complaint, self.token.expose().as_bytes())
    }
}
