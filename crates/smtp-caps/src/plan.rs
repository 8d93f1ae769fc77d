//! Plans: how to send a message to a server, or why it cannot be sent.
use smtp_codec::{Body, ByMode, Command, ContentFacts, Mail, MailParam};
use smtp_error::{Bound, ErrorKind, Extension, Field, Flaw, HeaderName, Invalid, Unsupported};

use crate::{Capabilities, Envelope};

/// How to send one message to one server.
///
/// A parameter that the caller set and the server does not offer is an [`Objection`], and so is a
/// message that needs an extension which the server does not offer. What a plan only derives is
/// left out where the server does not offer it: SIZE, pipelining, BODY for content that was not
/// scanned or that the caller [sends all the same](EightBit::Send), and SMTPUTF8 for a header section
/// with UTF-8 in it, unless the caller asks for [`RawHeaders::Refuse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    mail: Mail,
    framing: Framing,
    /// Whether the mail data cannot be sent with DATA.
    only_chunks: bool,
    chunking: bool,
    pipelined: bool,
    rcpt_max: Option<u32>,
    rcpts: usize,
    raw_header: Option<HeaderName>,
}

/// How to handle a header section with octets outside ASCII, if MAIL does not declare SMTPUTF8:
/// the server does not offer it, or the octets are not UTF-8.
///
/// RFC 6531, 3.2 does not allow such a header section. But mail software commonly sends them, and
/// nearly every server accepts them as 8-bit mail data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RawHeaders {
    /// Send it as 8-bit mail data, which needs 8BITMIME or [`EightBit::Send`].
    #[default]
    Send,
    /// Return an error that names the first such header field ([`Flaw::RawHeader`]).
    Refuse,
}

/// How to handle mail data with octets outside ASCII, if the server does not offer 8BITMIME.
///
/// RFC 6152 does not allow such mail data without 8BITMIME, and a server may clear the high bits
/// (RFC 5321, 2.4). But some servers pass every octet on and do not say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EightBit {
    /// Return an error before anything is sent: 8BITMIME is not offered
    /// ([`Unsupported::Extension`]).
    #[default]
    Refuse,
    /// Send it unchanged, and without the parameter BODY, which the server would refuse. Only for
    /// servers that are known to keep all eight bits: no reply shows that one does not.
    Send,
}

/// How the client sends the mail data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "SMTP has these two commands")]
pub enum Framing {
    /// With DATA: after the reply 354, dot-stuffed, up to a line of one dot.
    #[default]
    Data,
    /// With BDAT: in chunks of a stated size (RFC 3030).
    Chunks,
}

impl Plan {
    /// Returns the plan for a message with this envelope and content. The rule is for content with
    /// octets outside ASCII. It does not check content that was not scanned
    /// ([`ContentFacts::unseen`]): that is checked while it is sent.
    ///
    /// # Errors
    /// The message cannot be sent to this server. Nothing has been written then: a refusal in the
    /// middle of a transaction would cost round trips, and the reply seldom tells which parameter
    /// the server does not support.
    pub fn new(
        capabilities: &Capabilities,
        envelope: &Envelope,
        content: ContentFacts,
        rule: EightBit,
    ) -> Result<Self, Objection> {
        check_content(capabilities, envelope.mail(), content, rule)?;
        let utf8_envelope = check_envelope(capabilities, envelope)?;
        for rcpt in envelope.rcpts() {
            check_params(capabilities, rcpt.params().map(|param| param.extension()))?;
            // A server need not accept a longer line, and may close the connection after it.
            Command::Rcpt(rcpt.borrowed()).check(capabilities.rcpt_line_limit())?;
        }
        let mail = derive(capabilities, envelope.mail(), content, utf8_envelope)?;
        Command::Mail(mail.borrowed()).check(capabilities.mail_line_limit())?;
        let chunking = capabilities.has(Extension::Chunking);
        let binary = content.binary || envelope.mail().declared_body() == Some(Body::BinaryMime);
        // DATA cannot carry binary mail data (RFC 3030, 3), nor mail data that the server fetches
        // with BURL, which takes the place of a chunk (RFC 4468, 3).
        let only_chunks = content.fetched || binary;
        // DATA is the default even where CHUNKING is offered. The reply 354 keeps client and server
        // in step: the client sends mail data only after the server accepted a recipient for it, and
        // a surplus reply shows before the mail data is sent, so that it cannot pass for the verdict.
        let framing = if only_chunks { Framing::Chunks } else { Framing::Data };
        Ok(Self {
            mail,
            framing,
            only_chunks,
            chunking,
            pipelined: capabilities.has(Extension::Pipelining),
            rcpt_max: capabilities.limits().rcpt_max(),
            rcpts: envelope.rcpts().len(),
            raw_header: content.raw_header,
        })
    }

    /// Returns MAIL with the parameters that the caller set and those that the plan derived.
    pub fn mail(&self) -> &Mail {
        &self.mail
    }

    /// Returns how to send the mail data: with DATA, unless it is binary or the server fetches parts
    /// of it.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Sets how to send the mail data. Binary mail data, and mail data of which the server fetches
    /// parts, is sent in chunks in any case.
    ///
    /// # Errors
    /// The server does not offer CHUNKING, and `framing` is [`Framing::Chunks`].
    pub fn with_framing(mut self, framing: Framing) -> Result<Self, Objection> {
        match framing {
            Framing::Chunks if !self.chunking => {
                return Err(Unsupported::Extension(Extension::Chunking).into());
            }
            Framing::Data if self.only_chunks => {}
            framing => self.framing = framing,
        }
        Ok(self)
    }

    /// Applies a rule for the header section. It does not check content that was not scanned
    /// ([`ContentFacts::unseen`]): that is checked while it is sent.
    ///
    /// # Errors
    /// The rule is [`RawHeaders::Refuse`], a header field has an octet outside ASCII, and MAIL does
    /// not declare SMTPUTF8.
    pub fn with_raw_headers(self, rule: RawHeaders) -> Result<Self, Objection> {
        match self.raw_header.filter(|_| self.refuses_raw_headers(rule)) {
            Some(name) => Err(Invalid::new(Field::Text, Flaw::RawHeader { name }).into()),
            None => Ok(self),
        }
    }

    /// Returns whether a header field with an octet outside ASCII is an error under this rule.
    pub fn refuses_raw_headers(&self, rule: RawHeaders) -> bool {
        rule == RawHeaders::Refuse && !self.mail.is_smtputf8()
    }

    /// Returns whether the client may send commands in groups (RFC 2920).
    pub fn is_pipelined(&self) -> bool {
        self.pipelined
    }

    /// Returns the most recipients that the server accepts in one transaction, if it states a limit
    /// (RFC 9422).
    pub fn rcpt_max(&self) -> Option<u32> {
        self.rcpt_max
    }

    /// Returns how many recipients the envelope has beyond [`rcpt_max`](Self::rcpt_max). The server
    /// may refuse them with 452, and may accept them in another transaction (RFC 5321, 4.5.3.1.10).
    pub fn excess_rcpts(&self) -> usize {
        let max = self.rcpt_max.and_then(|max| usize::try_from(max).ok());
        max.map_or(0, |max| self.rcpts.saturating_sub(max))
    }
}

/// Why a message cannot be sent to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Objection {
    /// The server does not offer what the message needs.
    Unsupported(Unsupported),
    /// No client may send this message: a command line is longer than the server must accept, or the
    /// content is not what the caller declared.
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

/// Checks that the server can receive the content unchanged. The toolkit converts nothing: it does
/// not parse MIME, and a conversion would break signatures such as DKIM.
fn check_content(
    capabilities: &Capabilities,
    mail: &Mail,
    content: ContentFacts,
    rule: EightBit,
) -> Result<(), Unsupported> {
    if content.binary {
        capabilities.require(Extension::BinaryMime)?;
    } else if content.eight_bit
        && mail.declared_body() != Some(Body::BinaryMime)
        && rule == EightBit::Refuse
    {
        capabilities.require(Extension::EightBitMime)?;
    }
    if content.fetched {
        capabilities.require(Extension::Burl)?;
    }
    // The server would refuse it after MAIL, or after all of the mail data (RFC 1870, 6.1).
    match (content.size, capabilities.size_limit()) {
        (Some(size), Some(limit)) if size > limit => Err(Unsupported::TooBig { size, limit }),
        _ => Ok(()),
    }
}

/// Returns whether an address or a parameter has characters outside ASCII, and checks that the
/// server offers SMTPUTF8 then. Without it there is no form to send them in (RFC 6531, 3.2): a
/// local-part, unlike a domain, has no encoding in ASCII.
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

/// Checks that the server offers the extension of each parameter that the caller set: a server
/// refuses unknown parameters with 555 (RFC 5321, 4.1.1.11), and one that ignored them would not do
/// what the caller relies on. A parameter that no known extension defines is sent as given.
fn check_params(
    capabilities: &Capabilities,
    needed: impl Iterator<Item = Option<Extension>>,
) -> Result<(), Unsupported> {
    needed.flatten().try_for_each(|extension| capabilities.require(extension))
}

/// Checks a value against the bounds that the server states, beyond which it refuses the message.
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

/// Checks that MTRK comes with ENVID: tracking identifies the message by it (RFC 3885).
fn check_tracked(asked: &Mail) -> Result<(), Invalid> {
    let has = |keyword| asked.raw_params().find(keyword).is_some();
    if has("MTRK") && !has("ENVID") {
        let flaw = Flaw::Requires { parameter: "ENVID" };
        return Err(Invalid::new(Field::ParameterKeyword, flaw));
    }
    Ok(())
}

/// Returns MAIL as the caller set it, with the parameters that follow from the content.
fn derive(
    capabilities: &Capabilities,
    asked: &Mail,
    content: ContentFacts,
    utf8_envelope: bool,
) -> Result<Mail, Objection> {
    check_params(capabilities, asked.params().map(|param| param.extension()))?;
    asked.params().try_for_each(|param| check_bound(capabilities, &param))?;
    check_tracked(asked)?;
    let mut mail = asked.clone();
    // With the size the server can refuse the message before the mail data is sent.
    if let (None, Some(size)) = (asked.declared_size(), content.size)
        && capabilities.has(Extension::Size)
    {
        mail = mail.size(size);
    }
    // A declaration that is not true would make the server damage the content, or pass it to a server
    // that does.
    match asked.declared_body() {
        Some(Body::SevenBit | Body::EightBitMime) if content.binary => {
            return Err(Invalid::new(Field::Text, Flaw::NotLines).into());
        }
        Some(Body::SevenBit) if content.eight_bit => {
            return Err(Invalid::new(Field::Text, Flaw::NotSevenBit).into());
        }
        None if content.binary => mail = mail.body(Body::BinaryMime),
        // Content that was not scanned may turn out to be 8-bit after MAIL was sent.
        None if (content.eight_bit || content.unseen)
            && capabilities.has(Extension::EightBitMime) =>
        {
            mail = mail.body(Body::EightBitMime);
        }
        _ => {}
    }
    // A next hop that does not support UTF-8 headers must know of them (RFC 6531, 3.4). A server
    // without SMTPUTF8 receives them as 8-bit mail data, see `RawHeaders`.
    if utf8_envelope || (content.utf8_headers && capabilities.has(Extension::SmtpUtf8)) {
        mail = mail.smtputf8();
    }
    Ok(mail)
}
