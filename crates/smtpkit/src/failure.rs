//! Why a command failed.
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use smtp_client::{Broken, Error, ErrorKind, InvalidEnvelope, InvalidUrl, Unsupported};
use smtp_delivery::{DnsError, NoRoute};
use thiserror::Error as ThisError;

use crate::exit::Exit;

/// Why a command did not do what was asked for.
#[derive(Debug, ThisError)]
pub(crate) enum Failure {
    /// The command line cannot be understood: the text of the parser, in one line.
    #[error("{0} (--help shows the options)")]
    CommandLine(String),
    /// The value of an option or of an argument cannot be used.
    #[error("{option}: {reason}")]
    Option {
        /// The option, such as `--from`.
        option: &'static str,
        /// What is wrong, and what to write instead.
        reason: Reason,
    },
    /// The URL of a server cannot be used.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    /// The envelope cannot be sent.
    #[error(transparent)]
    Envelope(#[from] InvalidEnvelope),
    /// A file cannot be read, or what it contains cannot be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: Reason,
    },
    /// A file cannot be written, or something else of this machine failed.
    #[error("{what}: {error}")]
    Machine {
        /// What was attempted.
        what: String,
        /// Why it failed.
        error: io::Error,
    },
    /// A lookup in the DNS failed.
    #[error(transparent)]
    Lookup(#[from] DnsError),
    /// No mail can be sent to a domain.
    #[error("{domain}: {reason}")]
    NoRoute {
        /// The domain.
        domain: String,
        /// Why there is no mail host.
        reason: NoRoute,
    },
    /// The command was interrupted before there was a result; what was done by then.
    #[error("interrupted {0}")]
    Interrupted(&'static str),
    /// The client failed.
    #[error("{error}{option}", error = .0, option = option_for(.0))]
    Client(#[from] Error),
}

/// What is wrong with a value: the error of the library that refused it, with its own text.
pub(crate) type Reason = Box<dyn std::error::Error + Send + Sync>;

impl Failure {
    /// The value of an option that cannot be used.
    pub(crate) fn option(option: &'static str, reason: impl Into<Reason>) -> Self {
        Self::Option { option, reason: reason.into() }
    }

    /// A file that cannot be used.
    pub(crate) fn file(path: impl AsRef<Path>, reason: impl Into<Reason>) -> Self {
        Self::File { path: path.as_ref().to_owned(), reason: reason.into() }
    }

    /// Something of this machine that failed.
    pub(crate) fn machine(what: impl Display, error: io::Error) -> Self {
        Self::Machine { what: what.to_string(), error }
    }

    /// The exit status.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Client(error) => Exit::of_error(error),
            Self::Machine { .. } => Exit::Failed,
            Self::Interrupted(_) => Exit::Interrupted,
            Self::Lookup(_) | Self::NoRoute { .. } => Exit::Dns,
            Self::CommandLine(_)
            | Self::Option { .. }
            | Self::Url(_)
            | Self::Envelope(_)
            | Self::File { .. } => Exit::Usage,
        }
    }

    /// The error of the client, if it is one.
    pub(crate) fn client(&self) -> Option<&Error> {
        match self {
            Self::Client(error) => Some(error),
            _ => None,
        }
    }
}

/// Which option helps; the text of the library names its own items.
fn option_for(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Broken(Broken::Tls(_)) => {
            "; --ca FILE trusts the authority of a server, --insecure accepts any certificate"
        }
        ErrorKind::Unsupported(Unsupported::ClearText) => "; --clear-text allows it",
        _ => "",
    }
}
