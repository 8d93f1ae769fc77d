//! Advice: what to do about a refusal that has to do with who the client is.
use core::fmt;

use crate::{Error, ErrorKind, Reply, Step, Unsupported, Verdict};

/// What to do about an error that has to do with authentication (RFC 4954, 6; RFC 5248).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// The server takes this from known clients only (530): authenticate, and begin TLS before if
    /// the connection is in clear.
    Authenticate,
    /// It needs TLS (523, 524, 538, and 530 where the reply speaks of TLS).
    BeginTls,
    /// User name, password or token are wrong, or have expired (535; with 5.7.139 only if the text
    /// says that the credentials were incorrect). Some providers want a
    /// password that is made for one application and refuse the usual one in this way.
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
    /// A policy of the provider does not allow this kind of login for this account, whatever the
    /// password (535 with 5.7.139, 550 with 5.7.30): use OAuth, or have SMTP AUTH allowed.
    AllowLogin,
    /// The provider wants the user to sign in with a web browser first (534 with 5.7.14); the
    /// text of the reply has the address.
    SignInByBrowser,
    /// The response is longer than this server takes (500 with 5.5.6): use a shorter token or
    /// another mechanism.
    ShortenResponse,
    /// The server cannot authenticate anybody, or begin TLS, just now (454): try again later.
    TryLater,
}

impl Advice {
    /// What to do about this reply at this step; `None` if it is not about authentication, or if
    /// it may be about something else as well: advice that misleads is worse than none.
    ///
    /// The enhanced code decides where there is one. Large providers send the basic codes of
    /// authentication for other reasons: 432 for too many connections, 454 for a rate limit or a
    /// relay that is closed, 550 with 5.7.x for mail that fails SPF, DKIM or DMARC.
    pub fn about(step: Step, reply: &Reply) -> Option<Self> {
        let detail = reply.enhanced().map(|code| (code.subject(), code.detail()));
        match step {
            Step::Auth => Self::about_auth(reply, detail),
            Step::StartTls => (reply.code() == 454).then_some(Self::TryLater),
            // Nobody can have authenticated by then.
            Step::Connect | Step::Handshake | Step::Greeting | Step::Hello => None,
            _ => Self::about_command(reply, detail),
        }
    }

    /// A refusal of AUTH: each code is about authentication, unless its enhanced code is not.
    fn about_auth(reply: &Reply, detail: Option<(u16, u16)>) -> Option<Self> {
        let code = reply.code().get();
        Some(match (code, detail) {
            (422 | 432, None | Some((7, 12))) => Self::RenewPassword,
            (454, _) => Self::TryLater,
            (400..=499, Some((3 | 7, _))) => Self::TryLater,
            (400..=499, _) => return None,
            (_, Some((7, 10 | 11))) => Self::BeginTls,
            (523 | 524 | 538, None | Some((7, _))) => Self::BeginTls,
            (530, _) => return mentions_tls(reply).then_some(Self::BeginTls),
            (_, Some((7, 8))) => Self::CheckCredentials,
            (_, Some((7, 9))) => Self::UseStrongerMechanism,
            (525, None) | (_, Some((7, 13))) => Self::AskAdministrator,
            (534, Some((7, 14))) => Self::SignInByBrowser,
            (534, None | Some((7, _))) => Self::UseStrongerMechanism,
            // Microsoft 365 sends this code for a wrong password, too. Only the text tells.
            (535, Some((7, 139))) if mentions(reply, b"credentials were incorrect") => {
                Self::CheckCredentials
            }
            (535, Some((7, 139))) | (550, Some((7, 30))) => Self::AllowLogin,
            // 5.7.0, 5.7.1 and 5.7.3 are in use for wrong passwords.
            (535, None | Some((7, 0 | 1 | 3))) => Self::CheckCredentials,
            (504, None | Some((5, _)) | Some((7, 4))) => Self::UseAnotherMechanism,
            (500..=502, Some((5, 6))) => Self::ShortenResponse,
            _ => return None,
        })
    }

    /// A refusal of another command: only what is certainly about authentication.
    fn about_command(reply: &Reply, detail: Option<(u16, u16)>) -> Option<Self> {
        Some(match (reply.code().get(), detail) {
            (523 | 524 | 530 | 538, Some((7, 10 | 11))) => Self::BeginTls,
            // RFC 3207 and RFC 4954 have the same code, and 5.7.0 goes with both: nothing but the
            // text tells them apart. 5.5.1 and 5.7.1 are in use for both, too.
            (530, None | Some((5 | 7, 0 | 1))) => {
                if mentions_tls(reply) && !mentions(reply, b"auth") {
                    Self::BeginTls
                } else {
                    Self::Authenticate
                }
            }
            (530 | 550, Some((7, 57))) => Self::Authenticate,
            (535, Some((7, 8))) => Self::CheckCredentials,
            (534, Some((7, 9))) => Self::UseStrongerMechanism,
            (525, Some((7, 13))) => Self::AskAdministrator,
            (422 | 432, Some((7, 12))) => Self::RenewPassword,
            (454, Some((7, 0))) => Self::TryLater,
            _ => return None,
        })
    }
}

/// Returns whether the text of a reply speaks of TLS or its predecessor.
fn mentions_tls(reply: &Reply) -> bool {
    [&b"tls"[..], b"ssl", b"encrypt"].iter().any(|word| mentions(reply, word))
}

/// Returns whether the text of a reply contains this, in whatever case.
fn mentions(reply: &Reply, word: &[u8]) -> bool {
    reply.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

impl Error {
    /// What to do, if it is an error that has to do with authentication.
    pub fn advice(&self) -> Option<Advice> {
        match self.kind() {
            ErrorKind::Refused(reply) => Advice::about(self.step(), reply),
            ErrorKind::Unsupported(Unsupported::ClearText) => Some(Advice::BeginTls),
            ErrorKind::Unsupported(Unsupported::Mechanism(_)) => Some(Advice::UseAnotherMechanism),
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
            Self::CheckCredentials => {
                "check user name and password (some providers want one made for this application), \
                 or get a fresh token"
            }
            Self::UseStrongerMechanism => {
                "use a stronger mechanism, or a password made for this application"
            }
            Self::UseAnotherMechanism => "use another mechanism",
            Self::RenewPassword => "authenticate once with PLAIN inside TLS, or set a new password",
            Self::AskAdministrator => "ask the administrator: the account is disabled",
            Self::AllowLogin => {
                "use OAuth, or ask the administrator to allow SMTP AUTH for the account"
            }
            Self::SignInByBrowser => "sign in with a web browser first, or use OAuth",
            Self::ShortenResponse => "use a shorter token or another mechanism",
            Self::TryLater => "try again later",
        })
    }
}
