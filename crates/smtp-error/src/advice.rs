//! Advice: what to do about a refusal that has to do with who the client is.
use core::fmt;

use crate::{Error, ErrorKind, Reply, Step, Unsupported, Verdict};

/// What to do about an error that has to do with authentication (RFC 4954, 6; RFC 5248).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// The server takes this from known clients only, or inside TLS only (530): authenticate, and
    /// begin TLS before if the connection is in clear.
    Authenticate,
    /// It needs TLS (523, 524, 538, and 530 to AUTH itself).
    BeginTls,
    /// User name, password or token are wrong, or have expired (535).
    CheckCredentials,
    /// This mechanism is too weak for this user (534); some providers ask for a password that is
    /// made for one application, or for OAuth.
    UseStrongerMechanism,
    /// The server does not know this mechanism, or offers none that may be used (504).
    UseAnotherMechanism,
    /// This mechanism needs something that the server makes out of the password (432): authenticate
    /// once with PLAIN inside TLS, or set the password anew.
    RenewPassword,
    /// The account is disabled (525): only its administrator can help.
    AskAdministrator,
    /// The response is longer than this server takes (500 with 5.5.6): use a shorter token or
    /// another mechanism.
    ShortenResponse,
    /// The server cannot authenticate anybody, or begin TLS, just now (454): try again later.
    TryLater,
}

impl Advice {
    /// What to do about this reply at this step; `None` if it is not about authentication.
    pub fn about(step: Step, reply: &Reply) -> Option<Self> {
        let auth = step == Step::Auth;
        Some(match reply.code().get() {
            432 => Self::RenewPassword,
            523 | 524 | 538 => Self::BeginTls,
            525 => Self::AskAdministrator,
            530 if auth => Self::BeginTls,
            534 => Self::UseStrongerMechanism,
            535 => return Self::enhanced(reply).or(Some(Self::CheckCredentials)),
            530 => return Self::enhanced(reply).or(Some(Self::Authenticate)),
            454 => return Self::enhanced(reply).or(Some(Self::TryLater)),
            504 if auth => Self::UseAnotherMechanism,
            _ if auth => return Self::enhanced(reply),
            _ => return None,
        })
    }

    /// What the enhanced code says, where it says more than the code.
    fn enhanced(reply: &Reply) -> Option<Self> {
        let code = reply.enhanced()?;
        Some(match (code.subject(), code.detail()) {
            (5, 4) => Self::UseAnotherMechanism,
            (5, 6) => Self::ShortenResponse,
            (7, 8) => Self::CheckCredentials,
            (7, 9) => Self::UseStrongerMechanism,
            (7, 10 | 11) => Self::BeginTls,
            (7, 12) => Self::RenewPassword,
            (7, 13) => Self::AskAdministrator,
            _ => return None,
        })
    }
}

impl Error {
    /// What to do, if it is an error that has to do with authentication.
    pub fn advice(&self) -> Option<Advice> {
        match self.kind() {
            ErrorKind::Refused(reply) => Advice::about(self.step(), reply),
            ErrorKind::Unsupported(Unsupported::ClearText) => Some(Advice::BeginTls),
            ErrorKind::Unsupported(Unsupported::Mechanism) => Some(Advice::UseAnotherMechanism),
            _ => None,
        }
    }
}

impl Verdict {
    /// What to do, if the refusal has to do with authentication.
    pub fn advice(&self) -> Option<Advice> {
        Advice::about(self.step(), self.reply())
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Authenticate => "authenticate first, inside TLS",
            Self::BeginTls => "connect with TLS",
            Self::CheckCredentials => "check user name and password, or get a fresh token",
            Self::UseStrongerMechanism => {
                "use a stronger mechanism, or a password made for this application"
            }
            Self::UseAnotherMechanism => "use another mechanism",
            Self::RenewPassword => "authenticate once with PLAIN inside TLS, or set a new password",
            Self::AskAdministrator => "ask the administrator: the account is disabled",
            Self::ShortenResponse => "use a shorter token or another mechanism",
            Self::TryLater => "try again later",
        })
    }
}
