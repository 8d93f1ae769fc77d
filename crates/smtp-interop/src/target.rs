//! What the suite is run against: one protocol of one server.

use std::{path::PathBuf, time::Duration};

use smtp_client::{Security, Server, session::Dialect};

use crate::{compare::Change, process::Launch, store::Store};

/// The domain that every server delivers for.
pub(crate) const DOMAIN: &str = "interop.test";

/// The accounts: user name and password. The second password has what is often treated wrongly.
pub(crate) const ACCOUNTS: [(&str, &str); 2] =
    [("alice@interop.test", "secret-alice"), ("bob@interop.test", "pä ss\"w\\rd")];

/// The access token of the first account: a JWT, signed with this key and HS256, that ends in 2100.
pub(crate) const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZUBpbnRlcm9w\
    LnRlc3QiLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODAwfQ.0szJGmJAMxa56mFH8\
    y0V-9AjzwQ-k85q8hPHmc8PmZE";
/// In base64.
pub(crate) const TOKEN_KEY: &str = "aW50ZXJvcCBrZXksIG5vdCBhIHNlY3JldCBhdCBhbGw=";

/// How many recipients `r0`, `r1` and so on there are, besides `alice`, `bob` and `ünï`. Names that
/// begin with `nosuch` are refused at RCPT.
pub(crate) const MANY: usize = 1100;

/// The largest message of every server that can be told one, in octets.
pub(crate) const SIZE_LIMIT: usize = 32 << 20;

/// A server that is ready to be started.
pub(crate) struct Prepared {
    pub(crate) version: String,
    pub(crate) launch: Launch,
    /// The protocols that it serves; each is a column of the table.
    pub(crate) targets: Vec<Target>,
}

/// One protocol of a server, and what is known of it.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) endpoints: Endpoints,
    pub(crate) store: Store,
    /// What it does to messages.
    pub(crate) changes: &'static [Change],
    /// Cases that fail with it.
    pub(crate) exceptions: &'static [Exception],
    pub(crate) rules: Rules,
}

/// What it asks of a client.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rules {
    /// It takes no message without a login, wherever it listens.
    pub(crate) needs_login: bool,
    /// It accepts every recipient.
    pub(crate) accepts_any: bool,
}

/// Where it listens, by protection. The first that is there is the main one.
#[derive(Default)]
pub(crate) struct Endpoints {
    pub(crate) clear: Option<Server>,
    pub(crate) starttls: Option<Server>,
    pub(crate) tls: Option<Server>,
    pub(crate) unix: Option<Server>,
    /// Inside TLS, with AUTH.
    pub(crate) login: Option<Server>,
    /// Closes a connection that was idle for this time.
    pub(crate) idle: Option<(Server, Duration)>,
}

impl Endpoints {
    /// The usual ports of a server for SMTP: with STARTTLS, which it need not take, and inside TLS,
    /// for logins too.
    pub(crate) fn smtp(clear: u16, tls: u16) -> Self {
        Self {
            clear: smtp(clear, Security::Plain),
            starttls: smtp(clear, Security::StartTls),
            tls: smtp(tls, Security::Tls),
            login: smtp(tls, Security::Tls),
            ..Self::default()
        }
    }

    /// Besides, a port in clear where a connection ends that was idle for this time.
    pub(crate) fn idle_after(mut self, port: u16, time: Duration) -> Self {
        self.idle = smtp(port, Security::Plain).map(|server| (server, time));
        self
    }
}

/// Cases that fail with a server as it is known to behave, and why.
pub(crate) struct Exception {
    /// How the names of these cases begin.
    pub(crate) cases: &'static [&'static str],
    /// One of these is in the text of the fault.
    pub(crate) faults: &'static [&'static str],
    pub(crate) why: &'static str,
}

impl Exception {
    /// Returns whether this fault is the expected one.
    pub(crate) fn explains(&self, fault: &str) -> bool {
        self.faults.iter().any(|text| fault.contains(text))
    }
}

impl Target {
    pub(crate) fn new(name: &'static str, endpoints: Endpoints, store: Store) -> Self {
        Self { name, endpoints, store, changes: &[], exceptions: &[], rules: Rules::default() }
    }

    /// Returns where most cases connect to.
    pub(crate) fn main(&self) -> Option<&Server> {
        let Endpoints { clear, starttls, tls, unix, .. } = &self.endpoints;
        [clear, starttls, tls, unix].into_iter().find_map(Option::as_ref)
    }

    /// Returns why a case is expected to fail, if it is.
    pub(crate) fn exception(&self, case: &str) -> Option<&Exception> {
        let applies = |exception: &&Exception| {
            exception.cases.iter().any(|beginning| case.starts_with(beginning))
        };
        self.exceptions.iter().find(applies)
    }
}

/// An SMTP server on a port of this machine.
pub(crate) fn smtp(port: u16, security: Security) -> Option<Server> {
    Some(Server::tcp("127.0.0.1", port).security(security))
}

/// An LMTP server on a port of this machine.
pub(crate) fn lmtp(port: u16, security: Security) -> Option<Server> {
    smtp(port, security).map(|server| server.dialect(Dialect::Lmtp))
}

/// An LMTP server on a Unix socket.
pub(crate) fn lmtp_socket(path: impl Into<PathBuf>) -> Option<Server> {
    Some(Server::unix(path).dialect(Dialect::Lmtp))
}

/// Returns the recipient with this number.
pub(crate) fn recipient(number: usize) -> String {
    format!("r{number}@{DOMAIN}")
}

/// Returns every mailbox that is accepted.
pub(crate) fn mailboxes() -> impl Iterator<Item = String> {
    let named = ["alice", "bob", "ünï"].map(|name| format!("{name}@{DOMAIN}"));
    named.into_iter().chain((0..MANY).map(recipient))
}
