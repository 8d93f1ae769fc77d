//! Typed views of the lines of each extension. Several lines with one keyword are merged.
//!
//! A line that is masked or malformed states nothing, and neither does one that is missing. The
//! lines stay readable as received, and [`oddities`](Capabilities::oddities) reports their flaws.
use core::fmt;

use smtp_error::{Extension, Field, Flaw, Invalid};

use crate::{Capabilities, Capability, FutureRelease, form, release};

impl Capabilities {
    /// Returns the shortest time that the server accepts for BY with the mode `R`, in seconds; `None`
    /// if there is no minimum (RFC 2852).
    pub fn deliver_by_min(&self) -> Option<u32> {
        let stated = self.lines(Extension::DeliverBy).filter_map(only);
        stated.filter_map(release::seconds).filter(|&minimum| minimum > 0).max()
    }

    /// Returns how far in the future a message may be released (RFC 4865); `None` also if the line is
    /// malformed.
    pub fn future_release(&self) -> Option<FutureRelease<'_>> {
        self.lines(Extension::FutureRelease).find_map(FutureRelease::parse)
    }

    /// Returns the profile of the server's priorities, if the server names one (RFC 6710).
    pub fn priority_profile(&self) -> Option<PriorityProfile<'_>> {
        let named = self.lines(Extension::MtPriority).filter_map(only);
        named.filter_map(form::text).find_map(|name| PriorityProfile::new(name).ok())
    }

    /// Returns where BURL may fetch from; `None` if the server does not offer it (RFC 4468).
    pub fn burl(&self) -> Option<Burl<'_>> {
        self.has(Extension::Burl).then_some(Burl { capabilities: self })
    }

    /// Returns the classes of solicitation that the server refuses for all recipients, in order and
    /// without duplicates (RFC 3865).
    pub fn refused_solicitations(&self) -> impl Iterator<Item = &str> {
        distinct(move || {
            let lists = self.lines(Extension::NoSoliciting).filter_map(only);
            lists.filter(|list| form::is_class_list(list)).filter_map(form::text).flat_map(commas)
        })
    }

    /// Returns the names of the attributes that XCLIENT accepts, in order and without duplicates.
    pub fn xclient_attributes(&self) -> impl Iterator<Item = &str> {
        self.names(Extension::Xclient, form::is_attribute)
    }

    /// Returns the names of the attributes that XFORWARD accepts, in order and without duplicates.
    pub fn xforward_attributes(&self) -> impl Iterator<Item = &str> {
        self.names(Extension::Xforward, form::is_attribute)
    }

    /// Returns the mechanisms of X-EXPS, which is authentication between the Exchange servers of one
    /// organization.
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

/// Returns the parameter of a line that has exactly one.
fn only(line: Capability<'_>) -> Option<&[u8]> {
    let mut params = line.params();
    params.next().filter(|_| params.next().is_none())
}

fn commas(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
}

/// Drops names that occurred before, in upper or lower case.
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

    /// Returns the profile of this name.
    ///
    /// # Errors
    /// The name is not 1 to 20 letters, digits, hyphens, underscores and dots.
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

    /// Returns the name.
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

/// The parameters of BURL. Unknown parameters are ignored (RFC 4468).
#[derive(Clone, Copy, Debug)]
pub struct Burl<'a> {
    capabilities: &'a Capabilities,
}

impl<'a> Burl<'a> {
    /// Returns whether BURL has no parameters: the server lists them after authentication.
    pub fn needs_authentication(self) -> bool {
        self.words().next().is_none()
    }

    /// Returns whether the client may try the URL of any IMAP server.
    pub fn accepts_any_imap(self) -> bool {
        self.words().any(|word| word.eq_ignore_ascii_case(b"imap"))
    }

    /// Returns the `imap://` URLs of the IMAP servers that the server can fetch from, without
    /// duplicates.
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
