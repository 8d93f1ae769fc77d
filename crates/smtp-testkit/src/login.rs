//! Who may log in, and who did.

use std::fmt;

/// Somebody whom the server knows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user: String,
    pub(crate) secret: Secret,
}

/// What proves who one is; hidden in `Debug`.
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

/// How a client logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// The mechanism, in upper case.
    pub mechanism: String,
    /// Who it is: the user, the trace of ANONYMOUS, or the identity that EXTERNAL asks for.
    pub user: String,
    /// On whose behalf it acts, if it said so and that is somebody else.
    pub on_behalf_of: Option<String>,
}
