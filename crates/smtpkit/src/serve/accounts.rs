//! The users that can log in, from the file of `--users`.

use std::fmt;
use std::fs;
use std::path::Path;

use smtp_testkit::ServerBuilder;

use crate::failure::Failure;

/// The mechanisms that need no password which the server knows.
const ANY_USER: &str = "AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2 OAUTHBEARER";
const USERS: &str = "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS \
    SCRAM-SHA-256-PLUS";

/// The users of listeners with AUTH.
#[derive(Clone)]
pub(crate) enum Accounts {
    /// Each with a password.
    Users(Vec<(String, String)>),
    /// Every user, with any password.
    Any,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accounts")
    }
}

impl Accounts {
    /// Reads a file with `name:password` in each line. Empty lines, and those that begin with `#`,
    /// have no meaning.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
        let mut users = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once(':') {
                Some((name, password)) if !name.is_empty() && !password.is_empty() => {
                    users.push((name.to_owned(), password.to_owned()));
                }
                // The line is not shown, since it may have a password.
                _ => {
                    let why = format!("line {}: write name:password", index + 1);
                    return Err(Failure::file(path, why));
                }
            }
        }
        if users.is_empty() {
            return Err(Failure::file(path, "the file has no user; write name:password in a line"));
        }
        Ok(Self::Users(users))
    }

    /// The line of the EHLO reply.
    pub(crate) fn offer(&self) -> &'static str {
        match self {
            Self::Users(_) => USERS,
            Self::Any => ANY_USER,
        }
    }

    /// Adds the users to a server.
    pub(crate) fn add_to(&self, server: ServerBuilder) -> ServerBuilder {
        match self {
            Self::Users(users) => {
                users.iter().fold(server, |server, (name, password)| server.user(name, password))
            }
            Self::Any => server.any_login(),
        }
    }
}
