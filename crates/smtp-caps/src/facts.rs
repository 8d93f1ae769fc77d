//! Facts: what the lines of each extension say, merged and typed.
//!
//! What is not offered, masked or malformed states nothing; the lines stay readable as they came,
//! and [`oddities`](Capabilities::oddities) names what is wrong with them.
use core::fmt;

use smtp_error::{Extension, Field, Flaw, Invalid};

use crate::{Capabilities, Capability, FutureRelease, form, release};

impl Capabilities {
    /// The shortest time, in seconds, that BY may ask for with `R`; `None` if there is no minimum
    /// (RFC 2852).
    pub fn deliver_by_min(&self) -> Option<u32> {
        let stated = self.lines(Extension::DeliverBy).filter_map(only);
        stated.filter_map(release::seconds).filter(|&minimum| minimum > 0).max()
    }

    /// How far in the future a message may be released; `None` also if the server says it in a way
    /// that makes no sense (RFC 4865).
    pub fn future_release(&self) -> Option<FutureRelease<'_>> {
        self.lines(Extension::FutureRelease).find_map(FutureRelease::parse)
    }

    /// The profile that the server's priorities follow, if it names one (RFC 6710).
    pub fn priority_profile(&self) -> Option<PriorityProfile<'_>> {
        let named = self.lines(Extension::MtPriority).filter_map(only);
        named.filter_map(form::text).find_map(|name| PriorityProfile::new(name).ok())
    }

    /// Where BURL may fetch from; `None` if it is not offered (RFC 4468).
    pub fn burl(&self) -> Option<Burl<'_>> {
        self.has(Extension::Burl).then_some(Burl { capabilities: self })
    }

    /// The classes of solicitation that the server refuses for everybody, in order, each once
    /// (RFC 3865).
    pub fn refused_solicitations(&self) -> impl Iterator<Item = &str> {
        distinct(move || {
            let lists = self.lines(Extension::NoSoliciting).filter_map(only);
            lists.filter(|list| form::is_class_list(list)).filter_map(form::text).flat_map(commas)
        })
    }

    /// The names of the attributes that XCLIENT takes, in order, each once.
    pub fn xclient_attributes(&self) -> impl Iterator<Item = &str> {
        self.names(Extension::Xclient, form::is_attribute)
    }

    /// The names of the attributes that XFORWARD takes, in order, each once.
    pub fn xforward_attributes(&self) -> impl Iterator<Item = &str> {
        self.names(Extension::Xforward, form::is_attribute)
    }

    /// The mechanisms that X-EXPS names: AUTH between the servers of one organization.
    pub fn xexps_mechanisms(&self) -> impl Iterator<Item = &str> {
        self.names(Extension::Xexps, form::is_mechanism)
    }

    fn names(
        &self,
        extension: Extension,
        is_name: fn(&[u8]) -> bool,
    ) -> impl Iterator<Item = &str> {
        distinct(move || {
            let words = self.lines(extension).flat_map(Capability::params);
            words.filter(move |word| is_name(word)).filter_map(form::text)
        })
    }
}

/// The parameter of a line that has just one.
fn only(line: Capability<'_>) -> Option<&[u8]> {
    let mut params = line.params();
    params.next().filter(|_| params.next().is_none())
}

fn commas(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
}

/// Each name once, in upper or lower case, where it stands first.
fn distinct<'a, I: Iterator<Item = &'a str>>(
    all: impl Fn() -> I + Clone,
) -> impl Iterator<Item = &'a str> {
    all().enumerate().filter_map(move |(place, name)| {
        let first = all().position(|other| other.eq_ignore_ascii_case(name));
        (first == Some(place)).then_some(name)
    })
}

/// The name of a set of priorities (RFC 6710, 9). The set of names is open, and case does not
/// matter.
#[derive(Clone, Copy, Debug)]
pub struct PriorityProfile<'a>(&'a str);

impl<'a> PriorityProfile<'a> {
    /// Six levels, after X.400.
    pub const MIXER: Self = Self("MIXER");
    /// Six levels, after STANAG 4406.
    pub const STANAG4406: Self = Self("STANAG4406");
    /// Five levels for national security and emergencies.
    pub const NSEP: Self = Self("NSEP");

    /// The profile of this name.
    ///
    /// # Errors
    /// A name is 1 to 20 letters, digits, hyphens, underscores and dots.
    pub fn new(name: &'a str) -> Result<Self, Invalid> {
        let allowed =
            |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
        let flaw = match name.bytes().position(|octet| !allowed(octet)) {
            _ if name.is_empty() => Flaw::Empty,
            Some(offset) => Flaw::Syntax { offset },
            None if name.len() > 20 => Flaw::TooLong { length: name.len(), limit: 20 },
            None => return Ok(Self(name)),
        };
        Err(Invalid::new(Field::Capability, flaw))
    }

    /// The name.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl PartialEq for PriorityProfile<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for PriorityProfile<'_> {}

impl fmt::Display for PriorityProfile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// What a line BURL says. Arguments that are not known are of no account.
#[derive(Clone, Copy, Debug)]
pub struct Burl<'a> {
    capabilities: &'a Capabilities,
}

impl<'a> Burl<'a> {
    /// Whether the client must authenticate before it learns more: nothing is said yet.
    pub fn needs_authentication(self) -> bool {
        self.words().next().is_none()
    }

    /// Whether an URL of any IMAP server may be tried.
    pub fn takes_any_imap(self) -> bool {
        self.words().any(|word| word.eq_ignore_ascii_case(b"imap"))
    }

    /// The IMAP servers that the server has an understanding with, as `imap://` URLs, each once.
    pub fn servers(self) -> impl Iterator<Item = &'a str> {
        distinct(move || {
            let urls = self.words().filter(|word| form::is_imap_url(word));
            urls.filter_map(form::text)
        })
    }

    fn words(self) -> impl Iterator<Item = &'a [u8]> {
        self.capabilities.lines(Extension::Burl).flat_map(Capability::params)
    }
}
