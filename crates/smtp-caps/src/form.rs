//! The parameters that each keyword may have.
use smtp_codec::{MailParam, Mechanism, Param};
use smtp_error::Extension;

use crate::{Capability, FutureRelease, OddityKind, PriorityProfile, limits, release};

/// The parameters that a keyword may have.
enum Form {
    /// None.
    Bare,
    /// At most one.
    Optional(fn(&[u8]) -> bool),
    /// Any number.
    Words(fn(&[u8]) -> bool),
    /// An interval and a date.
    Release,
}

fn form(extension: Option<Extension>) -> Form {
    let Some(extension) = extension else { return Form::Words(is_word) };
    match extension {
        Extension::Size => Form::Optional(is_size),
        Extension::DeliverBy => Form::Optional(|word| release::seconds(word).is_some()),
        Extension::NoSoliciting => Form::Optional(is_class_list),
        Extension::MtPriority => Form::Optional(is_profile),
        Extension::Auth | Extension::Xexps => Form::Words(is_mechanism),
        Extension::Limits => Form::Words(limits::is_valid),
        Extension::Xclient | Extension::Xforward => Form::Words(is_attribute),
        Extension::FutureRelease => Form::Release,
        // RFC 4468 requires that unknown parameters of BURL be ignored. The other extensions have
        // no specification of their lines.
        Extension::Burl
        | Extension::Verp
        | Extension::XanonymousTls
        | Extension::Xexch50
        | Extension::Xlink2State
        | Extension::Xverp => Form::Words(is_word),
        _ => Form::Bare,
    }
}

/// Checks the parameters of a line.
pub(crate) fn check(line: Capability<'_>) -> Result<(), OddityKind> {
    let mut params = line.params();
    let valid = match form(line.extension()) {
        Form::Bare => return params.next().map_or(Ok(()), |_| Err(OddityKind::Unexpected)),
        Form::Optional(is_valid) => params.next().is_none_or(is_valid) && params.next().is_none(),
        Form::Words(is_valid) => params.all(is_valid),
        Form::Release => FutureRelease::parse(line).is_some(),
    };
    if valid { Ok(()) } else { Err(OddityKind::Malformed) }
}

/// Returns whether this is a keyword of RFC 5321, 4.1.1.1: a letter or digit, then letters, digits
/// and hyphens.
pub(crate) fn is_keyword(word: &[u8]) -> bool {
    let allowed = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'-';
    matches!(word, [first, rest @ ..] if first.is_ascii_alphanumeric() && rest.iter().all(allowed))
}

/// Returns whether this is a parameter of RFC 5321, 4.1.1.1.
pub(crate) fn is_word(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(u8::is_ascii_graphic)
}

/// Returns the word as text; `None` if it is not a valid parameter.
pub(crate) fn text(word: &[u8]) -> Option<&str> {
    str::from_utf8(word).ok().filter(|_| is_word(word))
}

fn is_size(word: &[u8]) -> bool {
    (1..=20).contains(&word.len()) && word.iter().all(u8::is_ascii_digit)
}

fn is_profile(word: &[u8]) -> bool {
    text(word).is_some_and(|name| PriorityProfile::new(name).is_ok())
}

/// Returns whether this is the name of a SASL mechanism.
pub(crate) fn is_mechanism(word: &[u8]) -> bool {
    text(word).is_some_and(|name| Mechanism::new(name).is_ok())
}

/// Returns whether this is the name of an attribute of XCLIENT or XFORWARD.
pub(crate) fn is_attribute(word: &[u8]) -> bool {
    let allowed = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    !word.is_empty() && word.iter().all(allowed)
}

/// Returns whether this is the URL of an IMAP server.
pub(crate) fn is_imap_url(word: &[u8]) -> bool {
    const SCHEME: &[u8] = b"imap://";
    word.len() > SCHEME.len() && word[..SCHEME.len()].eq_ignore_ascii_case(SCHEME) && is_word(word)
}

/// Returns whether these are classes of solicitation, separated by commas (RFC 3865, 2.3).
pub(crate) fn is_class_list(word: &[u8]) -> bool {
    text(word).is_some_and(|classes| {
        let solicit = Param::new("SOLICIT").and_then(|param| param.with(classes));
        solicit.and_then(MailParam::parse).is_ok()
    })
}
