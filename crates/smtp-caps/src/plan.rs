//! The plan: how a message is sent to a server, or why it cannot be.
use smtp_codec::{Body, ByMode, Command, ContentFacts, Mail, MailParam};
use smtp_error::{Bound, ErrorKind, Extension, Field, Flaw, HeaderName, Invalid, Unsupported};

use crate::{Capabilities, Envelope};

/// How one message goes to one server.
///
/// What was asked for and is not offered is an objection, and so is a message that needs what is
/// not offered. What is only derived is left out: SIZE, BODY, pipelining, and SMTPUTF8 for a
/// header section with UTF-8 in it, unless [`RawHeaders::Refuse`] is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    mail: Mail,
    framing: Framing,
    /// Whether the text cannot travel behind DATA.
    only_chunks: bool,
    chunking: bool,
    pipelined: bool,
    rcpt_max: Option<u32>,
    rcpts: usize,
    raw_header: Option<HeaderName>,
}

/// What is done with a text whose header section holds octets outside ASCII, if MAIL does not
/// declare SMTPUTF8: the server does not offer it, or the octets are not UTF-8.
///
/// RFC 6531, 3.2 does not allow such a header section. Mail software sends them all the time, and
/// nearly every server takes them as 8-bit text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RawHeaders {
    /// It is sent as 8-bit text, which needs 8BITMIME.
    #[default]
    Send,
    /// It is an error, which names the first such header field ([`Flaw::RawHeader`]).
    Refuse,
}

/// How a text travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "there are these two")]
pub enum Framing {
    /// After DATA and its reply 354, with dots stuffed, up to a line of one dot.
    #[default]
    Data,
    /// After BDAT, in chunks of a stated size (RFC 3030).
    Chunks,
}

impl Plan {
    /// The plan for a message of this envelope and text.
    ///
    /// # Errors
    /// Says why the message cannot be sent to this server; nothing needs to be written to know.
    pub fn new(
        capabilities: &Capabilities,
        envelope: &Envelope,
        text: ContentFacts,
    ) -> Result<Self, Objection> {
        check_text(capabilities, envelope.mail(), text)?;
        let utf8_envelope = check_envelope(capabilities, envelope)?;
        for rcpt in envelope.rcpts() {
            check_params(capabilities, rcpt.params().map(|param| param.extension()))?;
            Command::Rcpt(rcpt.borrowed()).check(capabilities.rcpt_line_limit())?;
        }
        let mail = derive(capabilities, envelope.mail(), text, utf8_envelope)?;
        Command::Mail(mail.borrowed()).check(capabilities.mail_line_limit())?;
        let chunking = capabilities.has(Extension::Chunking);
        let binary = text.binary || envelope.mail().declared_body() == Some(Body::BinaryMime);
        let only_chunks = text.fetched || binary;
        // 354 keeps client and server in step: the text leaves only when a recipient was accepted
        // for it, and no surplus reply can be taken for the verdict.
        let framing = if only_chunks { Framing::Chunks } else { Framing::Data };
        Ok(Self {
            mail,
            framing,
            only_chunks,
            chunking,
            pipelined: capabilities.has(Extension::Pipelining),
            rcpt_max: capabilities.limits().rcpt_max(),
            rcpts: envelope.rcpts().len(),
            raw_header: text.raw_header,
        })
    }

    /// MAIL with the parameters that were asked for and those that were derived.
    pub fn mail(&self) -> &Mail {
        &self.mail
    }

    /// How the text travels: after DATA, unless it is binary or the server fetches parts of it.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The same plan with this framing for the text. A text that is binary, or that the server
    /// fetches parts of, travels in chunks whatever is asked for.
    ///
    /// # Errors
    /// CHUNKING is not offered.
    pub fn framed(mut self, framing: Framing) -> Result<Self, Objection> {
        match framing {
            Framing::Chunks if !self.chunking => {
                return Err(Unsupported::Extension(Extension::Chunking).into());
            }
            Framing::Data if self.only_chunks => {}
            framing => self.framing = framing,
        }
        Ok(self)
    }

    /// Returns the same plan, held to this rule for the header section. Of a text that was not looked
    /// at yet ([`ContentFacts::unseen`]) nothing is known here: it is looked at as it passes.
    ///
    /// # Errors
    /// [`RawHeaders::Refuse`] is asked for, a header field holds an octet outside ASCII, and MAIL
    /// does not declare SMTPUTF8.
    pub fn raw_headers(self, rule: RawHeaders) -> Result<Self, Objection> {
        match self.raw_header.filter(|_| self.refuses_raw_headers(rule)) {
            Some(name) => Err(Invalid::new(Field::Text, Flaw::RawHeader { name }).into()),
            None => Ok(self),
        }
    }

    /// Returns whether a header field with an octet outside ASCII is an error by this rule.
    pub fn refuses_raw_headers(&self, rule: RawHeaders) -> bool {
        rule == RawHeaders::Refuse && !self.mail.is_smtputf8()
    }

    /// Whether commands go out in groups.
    pub fn is_pipelined(&self) -> bool {
        self.pipelined
    }

    /// The most recipients that the server takes in one transaction, if it says so (RFC 9422).
    pub fn rcpt_max(&self) -> Option<u32> {
        self.rcpt_max
    }

    /// How many recipients the envelope has beyond [`rcpt_max`](Self::rcpt_max). The server may
    /// refuse them for now; in a transaction of their own they may be accepted.
    pub fn excess_rcpts(&self) -> usize {
        let max = self.rcpt_max.and_then(|max| usize::try_from(max).ok());
        max.map_or(0, |max| self.rcpts.saturating_sub(max))
    }
}

/// Why a message cannot be sent to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Objection {
    /// The server lacks what the message needs.
    Unsupported(Unsupported),
    /// The caller asked for what no client may send: a command line that is longer than the server
    /// need accept, or a text that is not what it was declared to be.
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

fn check_text(
    capabilities: &Capabilities,
    mail: &Mail,
    text: ContentFacts,
) -> Result<(), Unsupported> {
    if text.binary {
        capabilities.require(Extension::BinaryMime)?;
    } else if text.eight_bit && mail.declared_body() != Some(Body::BinaryMime) {
        capabilities.require(Extension::EightBitMime)?;
    }
    if text.fetched {
        capabilities.require(Extension::Burl)?;
    }
    match (text.size, capabilities.size_limit()) {
        (Some(size), Some(limit)) if size > limit => Err(Unsupported::TooBig { size, limit }),
        _ => Ok(()),
    }
}

/// Whether an address or a parameter is outside ASCII, which needs SMTPUTF8.
fn check_envelope(capabilities: &Capabilities, envelope: &Envelope) -> Result<bool, Unsupported> {
    let mail = envelope.mail();
    let ascii = mail.path().as_str().is_ascii()
        && mail.raw_params().as_str().is_ascii()
        && envelope
            .rcpts()
            .iter()
            .all(|rcpt| rcpt.path().as_str().is_ascii() && rcpt.raw_params().as_str().is_ascii());
    if !ascii {
        capabilities.require(Extension::SmtpUtf8)?;
    }
    Ok(!ascii)
}

/// Every parameter that was asked for needs its extension. One that no extension defines is the
/// caller's own, and is sent as it is.
fn check_params(
    capabilities: &Capabilities,
    needed: impl Iterator<Item = Option<Extension>>,
) -> Result<(), Unsupported> {
    needed.flatten().try_for_each(|extension| capabilities.require(extension))
}

/// What a parameter asks for must lie within what the server grants.
fn check_bound(capabilities: &Capabilities, param: &MailParam<&str>) -> Result<(), Unsupported> {
    let bound = match (param, capabilities.future_release(), capabilities.deliver_by_min()) {
        (&MailParam::By { seconds, mode: ByMode::Return, .. }, _, Some(minimum)) => {
            let asked = u32::try_from(seconds).unwrap_or(0);
            (asked < minimum).then_some(Bound::AtLeast { asked, minimum })
        }
        (&MailParam::HoldFor(asked), Some(limit), _) => {
            let maximum = limit.max_interval();
            (asked > maximum).then_some(Bound::AtMost { asked, maximum })
        }
        (MailParam::HoldUntil(date_time), Some(limit), _) => {
            limit.is_before(date_time).then_some(Bound::NotAfter)
        }
        _ => None,
    };
    match (bound, param.extension()) {
        (Some(bound), Some(extension)) => Err(Unsupported::OutOfRange { extension, bound }),
        _ => Ok(()),
    }
}

/// MTRK tracks what ENVID identifies (RFC 3885).
fn check_tracked(asked: &Mail) -> Result<(), Invalid> {
    let has = |keyword| asked.raw_params().find(keyword).is_some();
    if has("MTRK") && !has("ENVID") {
        let flaw = Flaw::Requires { parameter: "ENVID" };
        return Err(Invalid::new(Field::ParameterKeyword, flaw));
    }
    Ok(())
}

/// MAIL as it was asked for, with what follows from the text.
fn derive(
    capabilities: &Capabilities,
    asked: &Mail,
    text: ContentFacts,
    utf8_envelope: bool,
) -> Result<Mail, Objection> {
    check_params(capabilities, asked.params().map(|param| param.extension()))?;
    asked.params().try_for_each(|param| check_bound(capabilities, &param))?;
    check_tracked(asked)?;
    let mut mail = asked.clone();
    if let (None, Some(size)) = (asked.declared_size(), text.size)
        && capabilities.has(Extension::Size)
    {
        mail = mail.size(size);
    }
    match asked.declared_body() {
        Some(Body::SevenBit | Body::EightBitMime) if text.binary => {
            return Err(Invalid::new(Field::Text, Flaw::NotLines).into());
        }
        Some(Body::SevenBit) if text.eight_bit => {
            return Err(Invalid::new(Field::Text, Flaw::NotSevenBit).into());
        }
        None if text.binary => mail = mail.body(Body::BinaryMime),
        None if text.eight_bit || (text.unseen && capabilities.has(Extension::EightBitMime)) => {
            mail = mail.body(Body::EightBitMime);
        }
        _ => {}
    }
    if utf8_envelope || (text.utf8_headers && capabilities.has(Extension::SmtpUtf8)) {
        mail = mail.smtputf8();
    }
    Ok(mail)
}
