//! A server for tests of software that sends mail by SMTP or LMTP.
//!
#![doc = include_str!("../guide/page.md")]

mod acceptor;
mod answer;
mod asked;
mod bind;
mod builder;
mod certificate;
mod command;
mod counted;
mod escape;
mod host;
mod inbox;
mod journal;
mod keep;
mod lint;
mod login;
mod matching;
mod message;
mod mismatch;
mod pace;
mod pipe;
mod player;
mod recorder;
mod report;
mod rule;
mod runtime;
mod script;
mod server;
mod stream;
mod tls;
mod transcript;
mod waiting;
mod watchdog;

pub use self::acceptor::Dialer;
pub use self::answer::Answer;
pub use self::asked::Asked;
pub use self::bind::BindError;
pub use self::builder::ServerBuilder;
pub use self::certificate::{Authority, CertificateKind, Identity, InvalidName, InvalidPem};
pub use self::command::{Command, Malformed};
pub use self::host::{Greeting, Protocol};
pub use self::keep::Keep;
pub use self::lint::{Finding, Lint};
pub use self::login::Login;
pub use self::matching::Matching;
pub use self::message::Message;
pub use self::mismatch::{Mismatch, MismatchKind};
pub use self::pipe::{Pipe, pipe};
pub use self::recorder::{Recorder, Recording};
pub use self::report::{Conversation, Line, Report, Speaker, TlsFacts, TlsVersion};
pub use self::rule::{Rule, Scope, When};
pub use self::script::{Entry, Event, Script, ScriptError, ScriptErrorKind};
pub use self::server::Server;
pub use self::tls::{ClientCertificate, TlsVersions};
pub use self::waiting::Waiting;
