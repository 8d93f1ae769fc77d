//! What can be asked for one recipient: the parameters of RCPT, typed.
use alloc::{borrow::ToOwned, string::String};
use core::{fmt, str};

use smtp_error::{Extension, Field, Flaw, Invalid};

use crate::{
    Deviations, Mailbox, Param, Xtext,
    value::{self, NO_VALUE},
};

/// A parameter of RCPT. `Display` gives the form in which it is sent.
///
/// A value is checked when the parameter is added to a [`Rcpt`](crate::Rcpt).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RcptParam<S = String> {
    /// CONNEG: the capabilities of the recipient's device (RFC 4141).
    Conneg,
    /// IGNOREQUOTA: deliver in spite of a quota, LMTP only.
    IgnoreQuota,
    /// NOTIFY: when a report is wanted (RFC 3461).
    Notify(Notify),
    /// ORCPT: the original recipient, at most 500 octets in all (RFC 3461; RFC 6533).
    Orcpt {
        /// The type of the address, such as `rfc822` or `utf-8`.
        kind: S,
        /// The address in the form that its type asks for: xtext, or for `utf-8` one of the forms
        /// of RFC 6533, 3.
        address: S,
    },
    /// RRVS: the mailbox must have had the same owner since this date and time of RFC 3339
    /// (RFC 7293).
    Rrvs {
        /// The date and time, without fractions of a second.
        since: S,
        /// What a server does that cannot tell.
        otherwise: Option<RrvsAction>,
    },
    /// A parameter that has no name here.
    Other(Param<S>),
}

/// When a report is wanted: in none of the three cases means NEVER.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "RFC 3461 has these three")]
pub struct Notify {
    /// On delivery.
    pub success: bool,
    /// On failure.
    pub failure: bool,
    /// On delay.
    pub delay: bool,
}

/// What a server does that cannot tell whether a mailbox changed its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "RFC 7293 has these two")]
pub enum RrvsAction {
    /// `C`: it continues.
    Continue,
    /// `R`: it refuses.
    Reject,
}

impl RcptParam {
    /// ORCPT for this mailbox in its [canonical](Mailbox::canonical) form: of type `rfc822`, or
    /// `utf-8` in its ASCII form if the mailbox needs SMTPUTF8.
    pub fn orcpt<S: AsRef<str>>(mailbox: &Mailbox<S>) -> Self {
        let mailbox = mailbox.owned().canonical();
        if mailbox.is_ascii() {
            let address = Xtext::encode(mailbox.as_str()).as_str().to_owned();
            return Self::Orcpt { kind: "rfc822".into(), address };
        }
        let mut address = String::new();
        for character in mailbox.as_str().chars() {
            match character {
                '!'..='~' if !matches!(character, '+' | '=' | '\\') => address.push(character),
                _ => address.extend(alloc::format!("\\x{{{:02X}}}", u32::from(character)).chars()),
            }
        }
        Self::Orcpt { kind: "utf-8".into(), address }
    }
}

impl<'a> RcptParam<&'a str> {
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
            (b"CONNEG", None) => Self::Conneg,
            (b"IGNOREQUOTA", None) => Self::IgnoreQuota,
            (b"NOTIFY", Some(text)) => Self::Notify(Notify::parse(text).ok_or(NO_VALUE)?),
            (b"ORCPT", Some(text)) => orcpt(value::up_to(500, text)?).ok_or(NO_VALUE)?,
            (b"RRVS", Some(text)) => rrvs(text).ok_or(NO_VALUE)?,
            (b"CONNEG" | b"IGNOREQUOTA" | b"NOTIFY" | b"ORCPT" | b"RRVS", _) => {
                return Err(NO_VALUE);
            }
            _ => Self::Other(param),
        })
    }

    /// How the form of the value deviates.
    pub(crate) fn deviations(&self) -> Deviations {
        match self {
            Self::Orcpt { address, .. } => {
                Xtext::new(*address).map_or(Deviations::empty(), |xtext| xtext.deviations())
            }
            _ => Deviations::empty(),
        }
    }
}

impl<S: AsRef<str>> RcptParam<S> {
    /// The keyword, in upper case if it is one with a name here.
    pub fn keyword(&self) -> &str {
        match self {
            Self::Conneg => "CONNEG",
            Self::IgnoreQuota => "IGNOREQUOTA",
            Self::Notify(_) => "NOTIFY",
            Self::Orcpt { .. } => "ORCPT",
            Self::Rrvs { .. } => "RRVS",
            Self::Other(param) => param.keyword(),
        }
    }

    /// The extension that defines the parameter; `None` for one without a name here.
    pub fn extension(&self) -> Option<Extension> {
        Some(match self {
            Self::Conneg => Extension::Conneg,
            Self::IgnoreQuota => Extension::IgnoreQuota,
            Self::Notify(_) | Self::Orcpt { .. } => Extension::Dsn,
            Self::Rrvs { .. } => Extension::Rrvs,
            Self::Other(_) => return None,
        })
    }
}

impl<S: AsRef<str>> fmt::Display for RcptParam<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conneg | Self::IgnoreQuota => f.write_str(self.keyword()),
            Self::Notify(notify) => write!(f, "NOTIFY={notify}"),
            Self::Orcpt { kind, address } => {
                write!(f, "ORCPT={};{}", kind.as_ref(), address.as_ref())
            }
            Self::Rrvs { since, otherwise } => {
                let action = match otherwise {
                    None => "",
                    Some(RrvsAction::Continue) => ";C",
                    Some(RrvsAction::Reject) => ";R",
                };
                write!(f, "RRVS={}{action}", since.as_ref())
            }
            Self::Other(param) => param.fmt(f),
        }
    }
}

impl Notify {
    /// No report in any case.
    pub const NEVER: Self = Self { success: false, failure: false, delay: false };

    fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("NEVER") {
            return Some(Self::NEVER);
        }
        let mut notify = Self::NEVER;
        for word in text.as_bytes().split(|&octet| octet == b',') {
            let case = match word {
                _ if word.eq_ignore_ascii_case(b"SUCCESS") => &mut notify.success,
                _ if word.eq_ignore_ascii_case(b"FAILURE") => &mut notify.failure,
                _ if word.eq_ignore_ascii_case(b"DELAY") => &mut notify.delay,
                _ => return None,
            };
            *case = true;
        }
        Some(notify)
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.success, "SUCCESS"), (self.failure, "FAILURE"), (self.delay, "DELAY")];
        let mut comma = "";
        for (_, word) in words.iter().filter(|(wanted, _)| *wanted) {
            write!(f, "{comma}{word}")?;
            comma = ",";
        }
        if comma.is_empty() { f.write_str("NEVER") } else { Ok(()) }
    }
}

fn orcpt(text: &str) -> Option<RcptParam<&str>> {
    let end = text.bytes().position(|octet| octet == b';')?;
    let (kind, address) = (&text[..end], &text[end + 1..]);
    let is_atom = !kind.is_empty() && kind.is_ascii() && kind.bytes().all(crate::grammar::is_atext);
    let well_formed = match kind.eq_ignore_ascii_case("utf-8") {
        true => is_utf8_address(address),
        false => Xtext::new(address).is_ok(),
    };
    (is_atom && well_formed).then_some(RcptParam::Orcpt { kind, address })
}

/// The forms that an address of type `utf-8` has: `\x{HEX}` for what is no plain character
/// (RFC 6533, 3), or xtext, which relays make of any type.
fn is_utf8_address(text: &str) -> bool {
    let plain = |character| {
        matches!(character, '!'..='~' | '\u{a0}'..) && !matches!(character, '+' | '=' | '\\')
    };
    let mut rest = text;
    while let Some(at) = rest.find(|character| !plain(character)) {
        let Some(embedded) = rest[at..].strip_prefix("\\x{") else {
            return Xtext::new(text).is_ok();
        };
        let Some((digits, behind)) = embedded.split_once('}') else { return false };
        let upper = |octet: u8| matches!(octet, b'0'..=b'9' | b'A'..=b'F');
        let character = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        let canonical = (2..=6).contains(&digits.len())
            && digits.bytes().all(upper)
            && (digits.len() == 2 || !digits.starts_with('0'));
        if !canonical || matches!(character, None | Some('\0')) {
            return false;
        }
        rest = behind;
    }
    true
}

fn rrvs(text: &str) -> Option<RcptParam<&str>> {
    let (since, otherwise) = match text.split_once(';') {
        None => (text, None),
        Some((since, action)) => match action {
            "C" | "c" => (since, Some(RrvsAction::Continue)),
            "R" | "r" => (since, Some(RrvsAction::Reject)),
            _ => return None,
        },
    };
    (value::is_date_time(since) && !since.contains('.'))
        .then_some(RcptParam::Rrvs { since, otherwise })
}
