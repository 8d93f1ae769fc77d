//! The accounts of a server, and the login of a client.

use std::fmt;

/// A user of the server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user: String,
    pub(crate) secret: Secret,
}

/// The secret of a user; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    Password(String),
    Token(String),
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The login of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// The mechanism, in upper case.
    pub mechanism: String,
    /// The user name, the trace of ANONYMOUS, or the identity that EXTERNAL requests.
    pub user: String,
    /// The authorization identity, if the client gave one other than `user`.
    pub on_behalf_of: Option<String>,
}
