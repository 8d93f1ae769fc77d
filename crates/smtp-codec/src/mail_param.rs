//! The parameters of MAIL, typed.
use alloc::string::String;
use core::fmt;

use smtp_error::{Extension, Field, Flaw, Invalid};

use crate::{
    Deviations, Mailbox, Param, Xtext,
    param::{Checked, table::params},
    value::{self, NO_VALUE},
};

params! {
    /// A parameter of MAIL. `Display` gives the form in which it is sent.
    ///
    /// A value is checked when the parameter is added to a [`Mail`](crate::Mail).
    pub enum MailParam;
    /// AUTH: on whose behalf the message is submitted; `None` is `<>` (RFC 4954).
    Auth(identity: Option<Xtext<S>>) = "AUTH", Extension::Auth,
        identity => "{}", identity.as_ref().map_or("<>", Xtext::as_str)
        => identity.as_ref().map_or(Deviations::empty(), Xtext::deviations);
    /// BODY: what the content consists of (RFC 6152, RFC 3030).
    Body(body: Body) = "BODY", body.extension(), Body::parse => "{}", body.as_str();
    /// BY: deliver within this time (RFC 2852).
    By {
        /// The time that is left, in seconds; it may be negative unless `mode` is `Return`.
        seconds: i32,
        /// What a server does when the time is over.
        mode: ByMode,
        /// Whether relays report.
        trace: bool,
    } = "BY", Extension::DeliverBy,
        by => "{seconds};{}{}", mode.as_str(), if *trace { "T" } else { "" };
    /// CONPERM: the content may be converted (RFC 4141).
    Conperm = "CONPERM", Extension::Conperm;
    /// ENVID: an identifier for delivery reports, at most 100 octets as xtext (RFC 3461).
    EnvId(id: Xtext<S>) = "ENVID", Extension::Dsn, envelope_id => "{id}" => id.deviations();
    /// HOLDFOR: hold for this time in seconds, from 1 to 999,999,999 (RFC 4865).
    HoldFor(seconds: u32) = "HOLDFOR", Extension::FutureRelease, interval => "{seconds}";
    /// HOLDUNTIL: hold until this date and time of RFC 3339 (RFC 4865).
    HoldUntil(until: S) = "HOLDUNTIL" excludes HoldFor, Extension::FutureRelease,
        value::date_time => "{}", until.as_ref();
    /// MT-PRIORITY: -9 to 9 (RFC 6710).
    MtPriority(priority: i8) = "MT-PRIORITY", Extension::MtPriority, priority => "{priority}";
    /// MTRK: the certifier for tracking, base64 without padding (RFC 3885).
    Mtrk {
        /// The certifier.
        certifier: S,
        /// How long the message is tracked, in seconds.
        timeout: Option<u32>,
    } = "MTRK", Extension::Mtrk, mtrk => "{}{}", certifier.as_ref(), Timeout(*timeout);
    /// PRDR: one final reply per recipient (Exim).
    Prdr = "PRDR", Extension::Prdr;
    /// REQUIRETLS: only over TLS, the whole way (RFC 8689).
    RequireTls = "REQUIRETLS", Extension::RequireTls;
    /// RET: what a failure report returns (RFC 3461).
    Ret(ret: Ret) = "RET", Extension::Dsn, Ret::parse => "{}", ret.as_str();
    /// SIZE: the size of the content in octets (RFC 1870). A number above `u64::MAX` is read as
    /// `u64::MAX`.
    Size(octets: u64) = "SIZE", Extension::Size, value::size => "{octets}";
    /// SMTPUTF8: addresses or headers hold UTF-8 (RFC 6531).
    SmtpUtf8 = "SMTPUTF8", Extension::SmtpUtf8;
    /// SOLICIT: the classes of solicitation that the message belongs to (RFC 3865).
    Solicit(classes: S) = "SOLICIT", Extension::NoSoliciting,
        solicitation => "{}", classes.as_ref();
    /// SUBMITTER: the mailbox that is responsible for the last submission (RFC 4405).
    Submitter(mailbox: Xtext<S>) = "SUBMITTER", Extension::Submitter,
        submitter => "{mailbox}" => mailbox.deviations();
    /// TRANSID: the identifier of a transaction that can be resumed (RFC 1845).
    TransId(id: S) = "TRANSID", Extension::Checkpoint, transaction_id => "{}", id.as_ref();
}

/// The kind of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Body {
    /// Lines of ASCII.
    SevenBit,
    /// Lines of any octets.
    EightBitMime,
    /// Any octets; needs CHUNKING.
    BinaryMime,
}

/// What a server does when the time of [`MailParam::By`] is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "RFC 2852 has these two")]
pub enum ByMode {
    /// `N`: it reports the delay.
    Notify,
    /// `R`: it returns the message. Needs a positive time.
    Return,
}

/// The part of a message that a failure report returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "RFC 3461 has these two")]
pub enum Ret {
    /// The whole message.
    Full,
    /// Its header section.
    Headers,
}

impl Body {
    fn parse(text: &str) -> Result<Self, Flaw> {
        let all = [Self::SevenBit, Self::EightBitMime, Self::BinaryMime];
        all.into_iter().find(|body| value::is_word(text, body.as_str())).ok_or(NO_VALUE)
    }

    /// Returns the value of the parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }

    fn extension(self) -> Extension {
        match self {
            Self::SevenBit | Self::EightBitMime => Extension::EightBitMime,
            Self::BinaryMime => Extension::BinaryMime,
        }
    }
}

impl ByMode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Notify => "N",
            Self::Return => "R",
        }
    }
}

impl Ret {
    fn parse(text: &str) -> Result<Self, Flaw> {
        let all = [Self::Full, Self::Headers];
        all.into_iter().find(|ret| value::is_word(text, ret.as_str())).ok_or(NO_VALUE)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        }
    }
}

/// The end of a value of MTRK.
struct Timeout(Option<u32>);

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |seconds| write!(f, ":{seconds}"))
    }
}

fn identity(text: &str) -> Result<Option<Xtext<&str>>, Flaw> {
    if text == "<>" { Ok(None) } else { xtext(text).map(Some) }
}

fn submitter(text: &str) -> Result<Xtext<&str>, Flaw> {
    if text == "<>" { Err(NO_VALUE) } else { xtext(text) }
}

fn xtext(text: &str) -> Result<Xtext<&str>, Flaw> {
    Xtext::new(text).map_err(|_| NO_VALUE)
}

/// Parses at most 100 octets of xtext that stand for printable ASCII (RFC 3461, 4.4).
fn envelope_id(text: &str) -> Result<Xtext<&str>, Flaw> {
    let id = xtext(value::up_to(100, text)?)?;
    // An octet that is not encoded is printable.
    let is_printable = |digits: &[u8]| match digits {
        [b'2'..=b'6', ..] => true,
        [b'7', second, ..] => !matches!(second, b'F' | b'f'),
        _ => false,
    };
    let mut encoded = text.as_bytes().split(|&octet| octet == b'+').skip(1);
    if encoded.all(is_printable) { Ok(id) } else { Err(NO_VALUE) }
}

/// Parses one to nine digits that do not begin with a zero (RFC 4865, 4).
fn interval(text: &str) -> Result<u32, Flaw> {
    let seconds = value::seconds(text)?;
    if text.starts_with('0') { Err(NO_VALUE) } else { Ok(seconds) }
}

fn by(text: &str) -> Result<(i32, ByMode, bool), Flaw> {
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
    Ok((seconds, mode, trace))
}

fn priority(text: &str) -> Result<i8, Flaw> {
    let canonical = text == "0" || matches!(text.trim_start_matches('-').as_bytes(), [b'1'..=b'9']);
    if canonical && text.len() <= 2 { text.parse().map_err(|_| NO_VALUE) } else { Err(NO_VALUE) }
}

fn mtrk(text: &str) -> Result<(&str, Option<u32>), Flaw> {
    let (certifier, timeout) = match text.split_once(':') {
        Some((certifier, timeout)) => (certifier, Some(value::seconds(timeout)?)),
        None => (text, None),
    };
    let base64 = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
    if certifier.is_empty() || !certifier.bytes().all(base64) {
        return Err(NO_VALUE);
    }
    Ok((certifier, timeout))
}

/// Parses one or more solicitation class keywords with commas between (RFC 3865, 2.3). A keyword
/// has no slash.
fn solicitation(text: &str) -> Result<&str, Flaw> {
    let allowed =
        |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b':' | b'.');
    let is_class = |class: &str| {
        class.starts_with(|first: char| first.is_ascii_alphabetic()) && class.bytes().all(allowed)
    };
    let is_list = value::up_to(1000, text)?.split(',').all(is_class);
    if is_list { Ok(text) } else { Err(NO_VALUE) }
}

fn transaction_id(text: &str) -> Result<&str, Flaw> {
    let inner = value::up_to(80, text)?.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    let is_id = inner.is_some_and(|inner| Mailbox::new(inner).is_ok());
    is_id.then_some(text).ok_or(NO_VALUE)
}
