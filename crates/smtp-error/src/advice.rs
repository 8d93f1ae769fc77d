//! Advice: what to do about a refusal that concerns authentication.
use core::fmt;

use crate::{Error, ErrorKind, Obstacle, Reply, Step, Unsupported, Verdict};

/// What to do about an error that concerns authentication (RFC 4954, 6; RFC 5248).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// The server accepts the command from authenticated clients only (530): authenticate, and start
    /// TLS before that if the connection is in clear.
    Authenticate,
    /// The server requires TLS (523, 524, 538, and 530 if the text of the reply mentions TLS).
    BeginTls,
    /// User name, password or token is wrong or has expired (535; with 5.7.139 only if the text says
    /// that the credentials were incorrect). Some providers require an application-specific password
    /// and refuse the usual one with this code.
    CheckCredentials,
    /// The mechanism is too weak for this user (534). Some providers require an application-specific
    /// password, or OAuth.
    UseStrongerMechanism,
    /// The server does not support the mechanism (504), or offers none that the client can use.
    UseAnotherMechanism,
    /// The server offers a mechanism that the client could use with an access token (OAuth).
    UseToken,
    /// The server does not have the verifier that the mechanism needs (432): authenticate once with
    /// PLAIN inside TLS, or set a new password, so that the server can derive it.
    RenewPassword,
    /// The account is disabled (525): only its administrator can help.
    AskAdministrator,
    /// A policy of the provider does not allow password logins for this account (535 with 5.7.139,
    /// 550 with 5.7.30): use OAuth, or have the administrator allow SMTP AUTH.
    AllowLogin,
    /// The provider requires that the user sign in with a web browser first (534 with 5.7.14). The
    /// text of the reply has the URL.
    SignInByBrowser,
    /// The SASL response is longer than the server accepts (500 with 5.5.6): use a shorter token, or
    /// another mechanism.
    ShortenResponse,
    /// The server cannot authenticate clients, or start TLS, at the moment (454): try again later.
    TryLater,
}

impl Advice {
    /// Returns what to do about this reply at this step; `None` if the reply does not concern
    /// authentication, or may concern something else as well: wrong advice is worse than none.
    ///
    /// The enhanced status code decides, if there is one. Large providers send the basic codes of
    /// authentication for other reasons: 432 for too many connections, 454 for a rate limit or a
    /// denied relay, 550 with 5.7.x for mail that fails SPF, DKIM or DMARC.
    pub fn about(step: Step, reply: &Reply) -> Option<Self> {
        let detail = reply.enhanced().map(|code| (code.subject(), code.detail()));
        match step {
            Step::Auth => Self::about_auth(reply, detail),
            Step::StartTls => (reply.code() == 454).then_some(Self::TryLater),
            // No client can authenticate before the reply to EHLO.
            Step::Connect | Step::Handshake | Step::Greeting | Step::Hello => None,
            _ => Self::about_command(reply, detail),
        }
    }

    /// Returns the advice for a refusal of AUTH: each code concerns authentication, unless its
    /// enhanced status code does not.
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
            // Microsoft 365 sends this code for a wrong password, too. Only the text tells which.
            (535, Some((7, 139))) if mentions(reply, b"credentials were incorrect") => {
                Self::CheckCredentials
            }
            (535, Some((7, 139))) | (550, Some((7, 30))) => Self::AllowLogin,
            // Yahoo sends 5.7.0 and Exchange Online 5.7.3 for wrong passwords; 5.7.1 is in use, too.
            (535, None | Some((7, 0 | 1 | 3))) => Self::CheckCredentials,
            (504, None | Some((5, _)) | Some((7, 4))) => Self::UseAnotherMechanism,
            (500..=502, Some((5, 6))) => Self::ShortenResponse,
            _ => return None,
        })
    }

    /// Returns the advice for a refusal of another command: only codes that certainly concern
    /// authentication count.
    fn about_command(reply: &Reply, detail: Option<(u16, u16)>) -> Option<Self> {
        Some(match (reply.code().get(), detail) {
            (523 | 524 | 530 | 538, Some((7, 10 | 11))) => Self::BeginTls,
            // RFC 3207 (TLS required) and RFC 4954 (authentication required) define the same code,
            // and servers send 5.7.0, 5.5.1 and 5.7.1 with both: only the text tells them apart.
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

/// Returns whether the text of a reply mentions TLS, SSL or encryption.
fn mentions_tls(reply: &Reply) -> bool {
    [&b"tls"[..], b"ssl", b"encrypt"].iter().any(|word| mentions(reply, word))
}

/// Returns whether the text of a reply contains `word`, in upper or lower case.
fn mentions(reply: &Reply, word: &[u8]) -> bool {
    reply.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

impl Error {
    /// Returns what to do, if the error concerns authentication.
    pub fn advice(&self) -> Option<Advice> {
        match self.kind() {
            ErrorKind::Refused(reply) => Advice::about(self.step(), reply),
            ErrorKind::Unsupported(Unsupported::ClearText) => Some(Advice::BeginTls),
            ErrorKind::Unsupported(Unsupported::Mechanism(none)) => {
                let wants_token = none.offered().iter().any(|one| one.obstacle == Obstacle::Token);
                Some(if wants_token { Advice::UseToken } else { Advice::UseAnotherMechanism })
            }
            _ => None,
        }
    }
}

impl Verdict {
    /// Returns what to do, if the refusal concerns authentication.
    pub fn advice(&self) -> Option<Advice> {
        Advice::about(self.step(), self.reply())
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Authenticate => {
                "log in, inside TLS: set a login, or write user and password into the URL"
            }
            Self::BeginTls => "connect with TLS: smtps:// or smtp+starttls://",
            Self::CheckCredentials => {
                "check the user name and the password or token; some providers require an \
                 application-specific password"
            }
            Self::UseStrongerMechanism => {
                "use a stronger mechanism, or an application-specific password"
            }
            Self::UseAnotherMechanism => "use another AUTH mechanism",
            Self::UseToken => "log in with an access token: `Credentials::bearer`",
            Self::RenewPassword => "authenticate once with PLAIN inside TLS, or set a new password",
            Self::AskAdministrator => "ask the administrator to enable the account",
            Self::AllowLogin => {
                "use OAuth, or ask the administrator to allow SMTP AUTH for the account"
            }
            Self::SignInByBrowser => "sign in with a web browser first, or use OAuth",
            Self::ShortenResponse => "use a shorter token, or another AUTH mechanism",
            Self::TryLater => "try again later",
        })
    }
}
