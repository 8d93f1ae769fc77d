//! Credentials: who the client is, and what it knows or has to prove that.
use std::{fmt, ops::RangeInclusive, sync::Arc};

use smtp_codec::Mechanism;
use smtp_error::{Field, Flaw, Invalid};

use super::{
    Secret, Token,
    bearer::{Bearer, Form},
    cram_md5::CramMd5,
    identity::Identity,
    password::{LoginExchange, Plain},
    scram::{Binding, Hash, Parts, Scram},
    secret::{check, check_controls},
    token::Fetching,
};
use crate::Exchange;

/// Who the client is, and what it knows or has to prove that. `Debug` shows no secret.
#[derive(Clone)]
pub struct Credentials {
    kind: Kind,
    /// Whom to act as; empty for whom the credentials are for.
    identity: String,
}

#[derive(Clone)]
enum Kind {
    Password { user: String, password: Secret },
    Bearer { user: String, token: Token },
    External,
    Anonymous { trace: String },
    Own(Arc<dyn Fn() -> Box<dyn Exchange> + Send + Sync>),
}

/// What an exchange depends on besides the credentials.
pub(super) struct Setting {
    pub(super) binding: Binding,
    pub(super) nonce: String,
    pub(super) iterations: RangeInclusive<u32>,
}

/// The mechanisms for a password, the strongest first: bound to TLS, then not saying the password,
/// then saying it.
const PASSWORD: &[Mechanism<&str>] = &[
    Mechanism::SCRAM_SHA_256_PLUS,
    Mechanism::SCRAM_SHA_1_PLUS,
    Mechanism::SCRAM_SHA_256,
    Mechanism::SCRAM_SHA_1,
    Mechanism::CRAM_MD5,
    Mechanism::PLAIN,
    Mechanism::LOGIN,
];

impl Credentials {
    /// A user name and a password.
    ///
    /// # Errors
    /// One of them is empty or holds a NUL.
    pub fn password(user: impl Into<String>, password: impl Into<Secret>) -> Result<Self, Invalid> {
        let (user, password) = (user.into(), password.into());
        check(Field::User, &user)?;
        password.check(Field::Password)?;
        Ok(Self::of(Kind::Password { user, password }))
    }

    /// A user name and an OAuth access token: a string, or [`Token::fetched`].
    ///
    /// # Errors
    /// The user name is empty or holds a control character; the token is empty or holds anything
    /// but visible ASCII characters.
    pub fn bearer(user: impl Into<String>, token: impl Into<Token>) -> Result<Self, Invalid> {
        let (user, token) = (user.into(), token.into());
        check(Field::User, &user)?;
        check_controls(Field::User, &user)?;
        token.check()?;
        Ok(Self::of(Kind::Bearer { user, token }))
    }

    /// What the server knows from elsewhere, such as the client's TLS certificate.
    pub fn external() -> Self {
        Self::of(Kind::External)
    }

    /// Anonymous access, with a trace for the server's log: a mail address, some other text without
    /// `@`, or nothing.
    ///
    /// # Errors
    /// The trace is longer than 255 characters or holds a control character.
    pub fn anonymous(trace: impl Into<String>) -> Result<Self, Invalid> {
        let trace = trace.into();
        check_controls(Field::Trace, &trace)?;
        match trace.chars().count() {
            length if length > 255 => {
                Err(Invalid::new(Field::Trace, Flaw::TooLong { length, limit: 255 }))
            }
            _ => Ok(Self::of(Kind::Anonymous { trace })),
        }
    }

    /// A mechanism of your own. `exchange` makes a fresh one for every attempt, and to learn its
    /// name.
    pub fn own<E: Exchange + 'static>(exchange: impl Fn() -> E + Send + Sync + 'static) -> Self {
        Self::of(Kind::Own(Arc::new(move || Box::new(exchange()))))
    }

    /// Asks to act as another identity than that of the credentials. Mechanisms that cannot ask for
    /// that (LOGIN, CRAM-MD5, XOAUTH2, ANONYMOUS) are left out then; one of your own has to know by
    /// itself.
    ///
    /// # Errors
    /// The identity is empty or holds a control character.
    pub fn act_as(mut self, identity: impl Into<String>) -> Result<Self, Invalid> {
        let identity = identity.into();
        check(Field::AuthIdentity, &identity)?;
        check_controls(Field::AuthIdentity, &identity)?;
        self.identity = identity;
        Ok(self)
    }

    fn of(kind: Kind) -> Self {
        Self { kind, identity: String::new() }
    }

    /// The mechanisms that may be used, the strongest first.
    pub(super) fn mechanisms(&self) -> Vec<Mechanism> {
        let known: &[Mechanism<&str>] = match &self.kind {
            Kind::Password { .. } => PASSWORD,
            Kind::Bearer { .. } => &[Mechanism::OAUTHBEARER, Mechanism::XOAUTH2],
            Kind::External => &[Mechanism::EXTERNAL],
            Kind::Anonymous { .. } => &[Mechanism::ANONYMOUS],
            Kind::Own(exchange) => return vec![exchange().mechanism().into()],
        };
        known.iter().map(|&mechanism| mechanism.into()).collect()
    }

    /// An exchange by the mechanism of this name, in upper case; `None` if it is none for these
    /// credentials.
    pub(super) fn exchange(&self, name: &str, setting: Setting) -> Option<Box<dyn Exchange>> {
        let identity = self.identity.clone();
        match (&self.kind, name) {
            (Kind::Own(exchange), name) => {
                Some(exchange()).filter(|one| one.mechanism().as_str().eq_ignore_ascii_case(name))
            }
            (Kind::Password { user, password }, name) => {
                password_exchange(user.clone(), password.clone(), identity, name, setting)
            }
            (Kind::Bearer { user, token }, name) => {
                let form = match name {
                    "OAUTHBEARER" => Form::OAuthBearer,
                    "XOAUTH2" if identity.is_empty() => Form::Xoauth2,
                    _ => return None,
                };
                let user = if identity.is_empty() { user.clone() } else { identity };
                let token = token.given().cloned().unwrap_or_else(|| Secret::from(""));
                Some(Box::new(Bearer { form, user, token, complaint: None }))
            }
            (Kind::External, "EXTERNAL") => {
                Some(Box::new(Identity { mechanism: Mechanism::EXTERNAL, message: identity }))
            }
            (Kind::Anonymous { trace }, "ANONYMOUS") if identity.is_empty() => {
                let message = trace.clone();
                Some(Box::new(Identity { mechanism: Mechanism::ANONYMOUS, message }))
            }
            _ => None,
        }
    }

    /// Begins to fetch the token, if it is still to be fetched.
    pub(super) fn fetch(&self) -> Option<Fetching> {
        match &self.kind {
            Kind::Bearer { token, .. } => token.fetch(),
            _ => None,
        }
    }

    /// Whether the token is still to be fetched.
    pub(super) fn lacks_token(&self) -> bool {
        matches!(&self.kind, Kind::Bearer { token, .. } if token.given().is_none())
    }

    /// The same credentials, with this token in place of one that is to be fetched.
    pub(super) fn token(mut self, token: Secret) -> Result<Self, Invalid> {
        let token = Token::from(token);
        token.check()?;
        if let Kind::Bearer { token: place, .. } = &mut self.kind {
            *place = token;
        }
        Ok(self)
    }
}

fn password_exchange(
    user: String,
    password: Secret,
    identity: String,
    name: &str,
    setting: Setting,
) -> Option<Box<dyn Exchange>> {
    let hash = match name {
        "PLAIN" => return Some(Box::new(Plain { identity, user, password })),
        "LOGIN" if identity.is_empty() => {
            return Some(Box::new(LoginExchange { user, password, asked: 0 }));
        }
        "CRAM-MD5" if identity.is_empty() => {
            return Some(Box::new(CramMd5 { user, password, answered: false }));
        }
        "SCRAM-SHA-1" | "SCRAM-SHA-1-PLUS" => Hash::Sha1,
        "SCRAM-SHA-256" | "SCRAM-SHA-256-PLUS" => Hash::Sha256,
        _ => return None,
    };
    let Setting { binding, nonce, iterations } = setting;
    // Without a binding there is no -PLUS, and with one nothing else.
    if name.ends_with("-PLUS") != matches!(binding, Binding::To(_)) {
        return None;
    }
    let parts = Parts { hash, binding, user, identity, password, nonce, iterations };
    Some(Box::new(Scram::new(parts)))
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Password { .. } => "password",
            Kind::Bearer { .. } => "bearer",
            Kind::External => "external",
            Kind::Anonymous { .. } => "anonymous",
            Kind::Own(_) => "own",
        };
        write!(f, "Credentials({kind}, ***)")
    }
}
