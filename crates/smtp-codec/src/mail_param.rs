//! What can be asked for a message as a whole: the parameters of MAIL, typed.
use alloc::string::String;
use core::fmt;

use smtp_error::{Extension, Field, Flaw, Invalid};

use crate::{
    Deviations, Mailbox, Param, Xtext,
    value::{self, NO_VALUE},
};

/// A parameter of MAIL. `Display` gives the form in which it is sent.
///
/// A value is checked when the parameter is added to a [`Mail`](crate::Mail).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MailParam<S = String> {
    /// AUTH: on whose behalf the message is submitted; `None` is `<>` (RFC 4954).
    Auth(Option<Xtext<S>>),
    /// BODY: what the text is made of (RFC 6152, RFC 3030).
    Body(Body),
    /// BY: deliver within so many seconds (RFC 2852).
    By {
        /// The time that is left; it may be negative unless `mode` is `Return`.
        seconds: i32,
        /// What is done when the time is over.
        mode: ByMode,
        /// Whether relays report.
        trace: bool,
    },
    /// CONPERM: the content may be converted (RFC 4141).
    Conperm,
    /// ENVID: an identifier for delivery reports, at most 100 octets as xtext (RFC 3461).
    EnvId(Xtext<S>),
    /// HOLDFOR: hold for so many seconds, from 1 to 999,999,999 (RFC 4865).
    HoldFor(u32),
    /// HOLDUNTIL: hold until this date and time of RFC 3339 (RFC 4865).
    HoldUntil(S),
    /// MT-PRIORITY: -9 to 9 (RFC 6710).
    MtPriority(i8),
    /// MTRK: the certifier for tracking, base64 without padding (RFC 3885).
    Mtrk {
        /// The certifier.
        certifier: S,
        /// How long tracking is asked for, in seconds.
        timeout: Option<u32>,
    },
    /// PRDR: one final reply per recipient (Exim).
    Prdr,
    /// REQUIRETLS: only over TLS, the whole way (RFC 8689).
    RequireTls,
    /// RET: what a failure report returns (RFC 3461).
    Ret(Ret),
    /// SIZE: the size of the text in octets (RFC 1870). A larger number than fits is the largest.
    Size(u64),
    /// SMTPUTF8: addresses or headers hold UTF-8 (RFC 6531).
    SmtpUtf8,
    /// SOLICIT: the classes of solicitation that the message belongs to (RFC 3865).
    Solicit(S),
    /// SUBMITTER: who is responsible for the last submission (RFC 4405).
    Submitter(Xtext<S>),
    /// TRANSID: the identifier of a transaction that can be resumed (RFC 1845).
    TransId(S),
    /// A parameter that has no name here.
    Other(Param<S>),
}

/// What a text is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Body {
    /// Lines of ASCII.
    SevenBit,
    /// Lines of octets.
    EightBitMime,
    /// Any octets; needs CHUNKING.
    BinaryMime,
}

/// What is done when the time of [`MailParam::By`] is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "RFC 2852 has these two")]
pub enum ByMode {
    /// `N`: a delay is reported.
    Notify,
    /// `R`: the message is returned. Needs a positive time.
    Return,
}

/// What a failure report returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "RFC 3461 has these two")]
pub enum Ret {
    /// The whole message.
    Full,
    /// Its header section.
    Headers,
}

impl<'a> MailParam<&'a str> {
    /// The typed form of this parameter.
    ///
    /// # Errors
    /// Refuses a value that a known parameter cannot have.
    pub fn parse(param: Param<&'a str>) -> Result<Self, Invalid> {
        Self::known(param).map_err(|flaw| Invalid::new(Field::ParameterValue, flaw))
    }

    fn known(param: Param<&'a str>) -> Result<Self, Flaw> {
        let (keyword, value) = param.into_parts();
        let mut upper = [0; 12];
        Ok(match (value::upper(keyword, &mut upper), value) {
            (b"CONPERM", None) => Self::Conperm,
            (b"PRDR", None) => Self::Prdr,
            (b"REQUIRETLS", None) => Self::RequireTls,
            (b"SMTPUTF8", None) => Self::SmtpUtf8,
            (b"AUTH", Some("<>")) => Self::Auth(None),
            (b"AUTH", Some(text)) => Self::Auth(Some(xtext(text)?)),
            (b"BODY", Some(text)) => Self::Body(Body::parse(text).ok_or(NO_VALUE)?),
            (b"BY", Some(text)) => by(text)?,
            (b"ENVID", Some(text)) => Self::EnvId(envelope_id(text)?),
            (b"HOLDFOR", Some(text)) => Self::HoldFor(interval(text)?),
            (b"HOLDUNTIL", Some(text)) if value::is_date_time(text) => Self::HoldUntil(text),
            (b"MT-PRIORITY", Some(text)) => Self::MtPriority(priority(text).ok_or(NO_VALUE)?),
            (b"MTRK", Some(text)) => mtrk(text)?,
            (b"RET", Some(text)) => Self::Ret(Ret::parse(text).ok_or(NO_VALUE)?),
            (b"SIZE", Some(text)) => Self::Size(value::size(text)?),
            (b"SOLICIT", Some(text)) => Self::Solicit(solicitation(text)?),
            (b"SUBMITTER", Some(text)) if text != "<>" => Self::Submitter(xtext(text)?),
            (b"TRANSID", Some(text)) => Self::TransId(transaction_id(text)?),
            (
                b"CONPERM" | b"PRDR" | b"REQUIRETLS" | b"SMTPUTF8" | b"AUTH" | b"BODY" | b"BY"
                | b"ENVID" | b"HOLDFOR" | b"HOLDUNTIL" | b"MT-PRIORITY" | b"MTRK" | b"RET"
                | b"SIZE" | b"SOLICIT" | b"SUBMITTER" | b"TRANSID",
                _,
            ) => return Err(NO_VALUE),
            _ => Self::Other(param),
        })
    }

    /// How the form of the value deviates.
    pub(crate) fn deviations(&self) -> Deviations {
        match self {
            Self::Auth(Some(xtext)) | Self::EnvId(xtext) | Self::Submitter(xtext) => {
                xtext.deviations()
            }
            _ => Deviations::empty(),
        }
    }
}

impl<S: AsRef<str>> MailParam<S> {
    /// The keyword, in upper case if it is one with a name here.
    pub fn keyword(&self) -> &str {
        match self {
            Self::Auth(_) => "AUTH",
            Self::Body(_) => "BODY",
            Self::By { .. } => "BY",
            Self::Conperm => "CONPERM",
            Self::EnvId(_) => "ENVID",
            Self::HoldFor(_) => "HOLDFOR",
            Self::HoldUntil(_) => "HOLDUNTIL",
            Self::MtPriority(_) => "MT-PRIORITY",
            Self::Mtrk { .. } => "MTRK",
            Self::Prdr => "PRDR",
            Self::RequireTls => "REQUIRETLS",
            Self::Ret(_) => "RET",
            Self::Size(_) => "SIZE",
            Self::SmtpUtf8 => "SMTPUTF8",
            Self::Solicit(_) => "SOLICIT",
            Self::Submitter(_) => "SUBMITTER",
            Self::TransId(_) => "TRANSID",
            Self::Other(param) => param.keyword(),
        }
    }

    /// The extension that defines the parameter; `None` for one without a name here.
    pub fn extension(&self) -> Option<Extension> {
        Some(match self {
            Self::Auth(_) => Extension::Auth,
            Self::Body(Body::BinaryMime) => Extension::BinaryMime,
            Self::Body(_) => Extension::EightBitMime,
            Self::By { .. } => Extension::DeliverBy,
            Self::Conperm => Extension::Conperm,
            Self::EnvId(_) | Self::Ret(_) => Extension::Dsn,
            Self::HoldFor(_) | Self::HoldUntil(_) => Extension::FutureRelease,
            Self::MtPriority(_) => Extension::MtPriority,
            Self::Mtrk { .. } => Extension::Mtrk,
            Self::Prdr => Extension::Prdr,
            Self::RequireTls => Extension::RequireTls,
            Self::Size(_) => Extension::Size,
            Self::SmtpUtf8 => Extension::SmtpUtf8,
            Self::Solicit(_) => Extension::NoSoliciting,
            Self::Submitter(_) => Extension::Submitter,
            Self::TransId(_) => Extension::Checkpoint,
            Self::Other(_) => return None,
        })
    }
}

impl<S: AsRef<str>> fmt::Display for MailParam<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Other(param) = self {
            return param.fmt(f);
        }
        f.write_str(self.keyword())?;
        match self {
            Self::Auth(None) => f.write_str("=<>"),
            Self::Auth(Some(xtext)) | Self::EnvId(xtext) | Self::Submitter(xtext) => {
                write!(f, "={xtext}")
            }
            Self::Body(body) => write!(f, "={}", body.as_str()),
            Self::By { seconds, mode, trace } => {
                let mode = if *mode == ByMode::Notify { 'N' } else { 'R' };
                write!(f, "={seconds};{mode}{}", if *trace { "T" } else { "" })
            }
            Self::HoldFor(seconds) => write!(f, "={seconds}"),
            Self::HoldUntil(text) | Self::Solicit(text) | Self::TransId(text) => {
                write!(f, "={}", text.as_ref())
            }
            Self::MtPriority(priority) => write!(f, "={priority}"),
            Self::Mtrk { certifier, timeout: None } => write!(f, "={}", certifier.as_ref()),
            Self::Mtrk { certifier, timeout: Some(seconds) } => {
                write!(f, "={}:{seconds}", certifier.as_ref())
            }
            Self::Ret(Ret::Full) => f.write_str("=FULL"),
            Self::Ret(Ret::Headers) => f.write_str("=HDRS"),
            Self::Size(size) => write!(f, "={size}"),
            _ => Ok(()),
        }
    }
}

impl Body {
    fn parse(text: &str) -> Option<Self> {
        let all = [Self::SevenBit, Self::EightBitMime, Self::BinaryMime];
        all.into_iter().find(|body| text.eq_ignore_ascii_case(body.as_str()))
    }

    /// The value of the parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }
}

impl Ret {
    fn parse(text: &str) -> Option<Self> {
        let all = [(Self::Full, "FULL"), (Self::Headers, "HDRS")];
        all.into_iter().find(|(_, word)| text.eq_ignore_ascii_case(word)).map(|(ret, _)| ret)
    }
}

fn xtext(text: &str) -> Result<Xtext<&str>, Flaw> {
    Xtext::new(text).map_err(|_| NO_VALUE)
}

/// At most 100 octets of xtext that stand for printable ASCII (RFC 3461, 4.4).
fn envelope_id(text: &str) -> Result<Xtext<&str>, Flaw> {
    let id = xtext(value::up_to(100, text)?)?;
    id.octets().all(|octet| matches!(octet, b' '..=b'~')).then_some(id).ok_or(NO_VALUE)
}

/// One to nine digits, of which the first is no zero (RFC 4865, 4).
fn interval(text: &str) -> Result<u32, Flaw> {
    let seconds = value::seconds(text)?;
    if text.starts_with('0') { Err(NO_VALUE) } else { Ok(seconds) }
}

fn by(text: &str) -> Result<MailParam<&str>, Flaw> {
    let (time, mode) = text.split_once(';').ok_or(NO_VALUE)?;
    let digits = time.strip_prefix(['-', '+']).unwrap_or(time);
    let seconds = i32::try_from(value::seconds(digits)?).map_err(|_| NO_VALUE)?;
    let seconds = if time.starts_with('-') { -seconds } else { seconds };
    let (mode, trace) = match mode.as_bytes() {
        [mode] => (mode, false),
        [mode, b'T' | b't'] => (mode, true),
        _ => return Err(NO_VALUE),
    };
    let mode = match mode {
        b'N' | b'n' => ByMode::Notify,
        b'R' | b'r' if seconds > 0 => ByMode::Return,
        _ => return Err(NO_VALUE),
    };
    Ok(MailParam::By { seconds, mode, trace })
}

fn priority(text: &str) -> Option<i8> {
    let canonical = text == "0" || matches!(text.trim_start_matches('-').as_bytes(), [b'1'..=b'9']);
    (canonical && text.len() <= 2).then(|| text.parse().ok())?
}

fn mtrk(text: &str) -> Result<MailParam<&str>, Flaw> {
    let (certifier, timeout) = match text.split_once(':') {
        Some((certifier, timeout)) => (certifier, Some(value::seconds(timeout)?)),
        None => (text, None),
    };
    let base64 = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
    if certifier.is_empty() || !certifier.bytes().all(base64) {
        return Err(NO_VALUE);
    }
    Ok(MailParam::Mtrk { certifier, timeout })
}

/// One or more solicitation class keywords, parted by commas (RFC 3865, 2.3).
fn solicitation(text: &str) -> Result<&str, Flaw> {
    let class = |class: &str| {
        let allowed =
            |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b':' | b'.');
        class.starts_with(|first: char| first.is_ascii_alphabetic()) && class.bytes().all(allowed)
    };
    value::up_to(1000, text)?.split(',').all(class).then_some(text).ok_or(NO_VALUE)
}

fn transaction_id(text: &str) -> Result<&str, Flaw> {
    let inner = value::up_to(80, text)?.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    let is_id = inner.is_some_and(|inner| Mailbox::new(inner).is_ok());
    is_id.then_some(text).ok_or(NO_VALUE)
}
