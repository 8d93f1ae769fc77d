//! The parameters of RCPT, typed.
use alloc::{borrow::ToOwned, string::String};
use core::{fmt, str};

use smtp_error::{Extension, Field, Flaw, Invalid};

use crate::{
    Deviations, Mailbox, Param, Xtext,
    param::{Checked, table::params},
    value::{self, NO_VALUE},
    xtext,
};

params! {
    /// A parameter of RCPT. `Display` gives the form in which it is sent.
    ///
    /// A value is checked when the parameter is added to a [`Rcpt`](crate::Rcpt).
    pub enum RcptParam;
    /// CONNEG: the capabilities of the recipient's device (RFC 4141).
    Conneg = "CONNEG", Extension::Conneg;
    /// IGNOREQUOTA: deliver in spite of a quota, LMTP only.
    IgnoreQuota = "IGNOREQUOTA", Extension::IgnoreQuota;
    /// NOTIFY: when a report is wanted (RFC 3461).
    Notify(notify: Notify) = "NOTIFY", Extension::Dsn, Notify::parse => "{notify}";
    /// ORCPT: the original recipient, at most 500 octets in all (RFC 3461; RFC 6533).
    Orcpt {
        /// The type of the address, such as `rfc822` or `utf-8`.
        kind: S,
        /// The address in the form that its type asks for: xtext, or for `utf-8` one of the forms
        /// of RFC 6533, 3.
        address: S,
    } = "ORCPT", Extension::Dsn, orcpt => "{};{}", kind.as_ref(), address.as_ref()
        => xtext::deviations(address);
    /// RRVS: the mailbox must have had the same owner since this date and time of RFC 3339
    /// (RFC 7293).
    Rrvs {
        /// The date and time, without fractions of a second.
        since: S,
        /// What a server does if it does not know whether the owner changed.
        otherwise: Option<RrvsAction>,
    } = "RRVS", Extension::Rrvs,
        rrvs => "{}{}", since.as_ref(), otherwise.map_or("", RrvsAction::suffix);
}

/// When a report is wanted. None of the three means NEVER.
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

/// What a server does if it does not know whether the mailbox changed its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "RFC 7293 has these two")]
pub enum RrvsAction {
    /// `C`: it continues.
    Continue,
    /// `R`: it refuses.
    Reject,
}

impl RcptParam {
    /// Returns ORCPT for this mailbox in its [canonical](Mailbox::canonical) form: of type
    /// `rfc822`, or `utf-8` in its ASCII form if the mailbox needs SMTPUTF8.
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

impl RrvsAction {
    fn suffix(self) -> &'static str {
        match self {
            Self::Continue => ";C",
            Self::Reject => ";R",
        }
    }
}

impl Notify {
    /// No report at all.
    pub const NEVER: Self = Self { success: false, failure: false, delay: false };

    fn parse(text: &str) -> Result<Self, Flaw> {
        if value::is_word(text, "NEVER") {
            return Ok(Self::NEVER);
        }
        let mut notify = Self::NEVER;
        for word in text.as_bytes().split(|&octet| octet == b',') {
            let case = match word {
                _ if value::is_word(word, "SUCCESS") => &mut notify.success,
                _ if value::is_word(word, "FAILURE") => &mut notify.failure,
                _ if value::is_word(word, "DELAY") => &mut notify.delay,
                _ => return Err(NO_VALUE),
            };
            *case = true;
        }
        Ok(notify)
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

fn orcpt(text: &str) -> Result<(&str, &str), Flaw> {
    let end = value::up_to(500, text)?.bytes().position(|octet| octet == b';').ok_or(NO_VALUE)?;
    let (kind, address) = (&text[..end], &text[end + 1..]);
    let is_atom = !kind.is_empty() && kind.is_ascii() && kind.bytes().all(crate::grammar::is_atext);
    let well_formed = match kind.eq_ignore_ascii_case("utf-8") {
        true => is_utf8_address(address),
        false => Xtext::new(address).is_ok(),
    };
    (is_atom && well_formed).then_some((kind, address)).ok_or(NO_VALUE)
}

/// Returns whether it is an address of type `utf-8`: with `\x{HEX}` for each character that is not
/// plain (RFC 6533, 3), or xtext, into which relays convert any type.
fn is_utf8_address(text: &str) -> bool {
    let plain = |character| {
        matches!(character, '!'..='~' | '\u{a0}'..) && !matches!(character, '+' | '=' | '\\')
    };
    let mut rest = text;
    while let Some(at) = rest.find(|character| !plain(character)) {
        let Some(embedded) = rest[at..].strip_prefix("\\x{") else {
            return Xtext::new(text).is_ok();
        };
        let Some((digits, following)) = embedded.split_once('}') else { return false };
        let upper = |octet: u8| matches!(octet, b'0'..=b'9' | b'A'..=b'F');
        let character = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        let canonical = (2..=6).contains(&digits.len())
            && digits.bytes().all(upper)
            && (digits.len() == 2 || !digits.starts_with('0'));
        if !canonical || matches!(character, None | Some('\0')) {
            return false;
        }
        rest = following;
    }
    true
}

fn rrvs(text: &str) -> Result<(&str, Option<RrvsAction>), Flaw> {
    let (since, otherwise) = match text.split_once(';') {
        None => (text, None),
        Some((since, action)) => match action {
            "C" | "c" => (since, Some(RrvsAction::Continue)),
            "R" | "r" => (since, Some(RrvsAction::Reject)),
            _ => return Err(NO_VALUE),
        },
    };
    if since.contains('.') { Err(NO_VALUE) } else { Ok((value::date_time(since)?, otherwise)) }
}
