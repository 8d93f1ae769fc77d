//! The plan: how a message is sent to a server, or why it cannot be.
use smtp_codec::{Body, Command, Mail, Param, TextFacts};
use smtp_error::{ErrorKind, Extension, Field, Flaw, Invalid, Unsupported};

use crate::{Capabilities, Envelope};

/// How one message goes to one server.
///
/// What was asked for and is not offered is an objection, and so is a message that needs what is
/// not offered. What is only derived is left out: SIZE, BODY, pipelining, and SMTPUTF8 for a
/// header section with UTF-8 in it, which servers without SMTPUTF8 take as 8-bit text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    mail: Mail,
    pipelined: bool,
}

impl Plan {
    /// The plan for a message of this envelope and text.
    ///
    /// # Errors
    /// Says why the message cannot be sent to this server; nothing needs to be written to know.
    pub fn new(
        capabilities: &Capabilities,
        envelope: &Envelope,
        text: TextFacts,
    ) -> Result<Self, Objection> {
        check_text(capabilities, text)?;
        let utf8_envelope = check_envelope(capabilities, envelope)?;
        for rcpt in envelope.rcpts() {
            check_params(capabilities, rcpt.params())?;
            Command::Rcpt(rcpt).check(capabilities.rcpt_line_limit())?;
        }
        let mail = derive(capabilities, envelope.mail(), text, utf8_envelope)?;
        Command::Mail(&mail).check(capabilities.mail_line_limit())?;
        Ok(Self { mail, pipelined: capabilities.has(Extension::Pipelining) })
    }

    /// MAIL with the parameters that were asked for and those that were derived.
    pub fn mail(&self) -> &Mail {
        &self.mail
    }

    /// Whether commands go out in groups.
    pub fn is_pipelined(&self) -> bool {
        self.pipelined
    }
}

/// Why a message cannot be sent to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Objection {
    /// The server lacks what the message needs.
    Unsupported(Unsupported),
    /// A command line would be longer than the server need accept.
    Invalid(Invalid),
}

impl core::fmt::Display for Objection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unsupported(unsupported) => unsupported.fmt(f),
            Self::Invalid(invalid) => invalid.fmt(f),
        }
    }
}

impl core::error::Error for Objection {}

impl From<Invalid> for Objection {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<Unsupported> for Objection {
    fn from(unsupported: Unsupported) -> Self {
        Self::Unsupported(unsupported)
    }
}

impl From<Objection> for ErrorKind {
    fn from(objection: Objection) -> Self {
        match objection {
            Objection::Unsupported(unsupported) => unsupported.into(),
            Objection::Invalid(invalid) => invalid.into(),
        }
    }
}

fn require(capabilities: &Capabilities, extension: Extension) -> Result<(), Unsupported> {
    if capabilities.has(extension) { Ok(()) } else { Err(Unsupported::Extension(extension)) }
}

fn check_text(capabilities: &Capabilities, text: TextFacts) -> Result<(), Unsupported> {
    if text.eight_bit {
        require(capabilities, Extension::EightBitMime)?;
    }
    match capabilities.size_limit() {
        Some(limit) if text.size > limit => Err(Unsupported::TooBig { size: text.size, limit }),
        _ => Ok(()),
    }
}

/// Whether an address or a parameter is outside ASCII, which needs SMTPUTF8.
fn check_envelope(capabilities: &Capabilities, envelope: &Envelope) -> Result<bool, Unsupported> {
    let is_ascii = |path: &str, params: &[Param]| {
        path.is_ascii() && params.iter().filter_map(Param::value).all(str::is_ascii)
    };
    let mail = envelope.mail();
    let ascii = is_ascii(mail.path().as_str(), mail.params())
        && envelope.rcpts().iter().all(|rcpt| is_ascii(rcpt.path().as_str(), rcpt.params()));
    if !ascii || mail.is_smtputf8() {
        require(capabilities, Extension::SmtpUtf8)?;
    }
    Ok(!ascii)
}

fn check_params(capabilities: &Capabilities, params: &[Param]) -> Result<(), Unsupported> {
    let needed = params.iter().filter_map(|param| needed_for(param.keyword()));
    needed.into_iter().try_for_each(|extension| require(capabilities, extension))
}

/// The extension that defines this parameter. One that no registered extension defines is the
/// caller's own, and is sent as it is.
fn needed_for(keyword: &str) -> Option<Extension> {
    let known = PARAMETERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(keyword));
    known.map(|&(_, extension)| extension)
}

const PARAMETERS: &[(&str, Extension)] = &[
    ("AUTH", Extension::Auth),
    ("BY", Extension::DeliverBy),
    ("CONNEG", Extension::Conneg),
    ("CONPERM", Extension::Conperm),
    ("ENVID", Extension::Dsn),
    ("HOLDFOR", Extension::FutureRelease),
    ("HOLDUNTIL", Extension::FutureRelease),
    ("IGNOREQUOTA", Extension::IgnoreQuota),
    ("MT-PRIORITY", Extension::MtPriority),
    ("MTRK", Extension::Mtrk),
    ("NOTIFY", Extension::Dsn),
    ("ORCPT", Extension::Dsn),
    ("PRDR", Extension::Prdr),
    ("REQUIRETLS", Extension::RequireTls),
    ("RET", Extension::Dsn),
    ("RRVS", Extension::Rrvs),
    ("SOLICIT", Extension::NoSoliciting),
    ("TRANSID", Extension::Checkpoint),
];

/// MAIL as it was asked for, with what follows from the text.
fn derive(
    capabilities: &Capabilities,
    asked: &Mail,
    text: TextFacts,
    utf8_envelope: bool,
) -> Result<Mail, Objection> {
    check_params(capabilities, asked.params())?;
    let mut mail = asked.clone();
    match asked.declared_size() {
        Some(_) => require(capabilities, Extension::Size)?,
        None if capabilities.has(Extension::Size) => mail = mail.size(text.size),
        None => {}
    }
    match asked.declared_body() {
        Some(Body::SevenBit) if text.eight_bit => {
            return Err(Invalid::new(Field::Text, Flaw::NotSevenBit).into());
        }
        Some(_) => require(capabilities, Extension::EightBitMime)?,
        None if text.eight_bit => mail = mail.body(Body::EightBitMime),
        None => {}
    }
    if utf8_envelope || (text.utf8_headers && capabilities.has(Extension::SmtpUtf8)) {
        mail = mail.smtputf8();
    }
    Ok(mail)
}
