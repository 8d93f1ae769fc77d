//! Offers: the reply of a server to EHLO or LHLO.
use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use smtp_codec::Host;
use smtp_error::{Extension, Field, Flaw, Invalid, Reply, ReplyCode};

use crate::{Capability, FutureRelease, Limits, PriorityProfile, form, line};

/// The extensions that a server offers, in the order in which they were added.
///
/// An offer always makes a legal reply: each setter refuses what must not be sent, and replaces the
/// line with the same keyword. [`Capabilities`](crate::Capabilities) from the reply are equal to the
/// offer, and their [`oddities`](crate::Capabilities::oddities) report combinations that are legal
/// but useless, such as BINARYMIME without CHUNKING.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    host: String,
    greeting: String,
    lines: Vec<String>,
}

impl Offer {
    /// Returns the offer of a server with this name, which is a domain in ASCII or an address
    /// literal.
    ///
    /// # Errors
    /// The name is neither.
    pub fn new(host: &str) -> Result<Self, Invalid> {
        Host::new(host)?;
        match host.find(|character: char| !character.is_ascii()) {
            Some(offset) => Err(Invalid::new(Field::Domain, Flaw::NonAscii { offset })),
            None => Ok(Self { host: host.into(), greeting: String::new(), lines: Vec::new() }),
        }
    }

    /// Sets the text after the name, which is for people to read.
    ///
    /// # Errors
    /// The text is not printable ASCII, or makes the first line longer than 512 octets.
    pub fn greeting(mut self, text: &str) -> Result<Self, Invalid> {
        let invalid = |flaw| Err(Invalid::new(Field::Greeting, flaw));
        let limit = line::MAX.saturating_sub(self.host.len() + 1);
        match text.char_indices().find(|(_, character)| !matches!(character, ' '..='~')) {
            Some((offset, character)) if character.is_ascii() => {
                invalid(Flaw::Control { character, offset })
            }
            Some((offset, _)) => invalid(Flaw::NonAscii { offset }),
            None if text.len() > limit => invalid(Flaw::TooLong { length: text.len(), limit }),
            None => {
                self.greeting = text.into();
                Ok(self)
            }
        }
    }

    /// Offers these extensions, without parameters.
    ///
    /// # Errors
    /// One of them is FUTURERELEASE, which requires parameters.
    pub fn extensions(
        self,
        extensions: impl IntoIterator<Item = Extension>,
    ) -> Result<Self, Invalid> {
        extensions.into_iter().try_fold(self, |offer, one| offer.line(one.keyword()))
    }

    /// Offers SIZE with the largest message that the server accepts, in octets; 0 means that there is
    /// no fixed limit (RFC 1870).
    #[must_use]
    pub fn size(self, limit: u64) -> Self {
        self.set(&format!("{} {limit}", Extension::Size))
    }

    /// Offers LIMITS (RFC 9422).
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.set(&format!("{}{limits}", Extension::Limits))
    }

    /// Offers MT-PRIORITY with the profile of the priorities (RFC 6710).
    #[must_use]
    pub fn mt_priority(self, profile: PriorityProfile<'_>) -> Self {
        self.set(&format!("{} {profile}", Extension::MtPriority))
    }

    /// Offers FUTURERELEASE (RFC 4865).
    #[must_use]
    pub fn future_release(self, limit: FutureRelease<'_>) -> Self {
        let (interval, date_time) = (limit.max_interval(), limit.max_date_time());
        self.set(&format!("{} {interval} {date_time}", Extension::FutureRelease))
    }

    /// Offers DELIVERBY with the shortest time that the server accepts for BY with the mode `R`, in
    /// seconds; 0 means that there is no minimum (RFC 2852).
    ///
    /// # Errors
    /// The number has more than nine digits.
    pub fn deliver_by(self, minimum: u32) -> Result<Self, Invalid> {
        self.line(&format!("{} {minimum}", Extension::DeliverBy))
    }

    /// Offers AUTH with these SASL mechanisms (RFC 4954).
    ///
    /// # Errors
    /// A name is not that of a mechanism, or the line is too long.
    pub fn auth<S: AsRef<str>>(
        self,
        mechanisms: impl IntoIterator<Item = S>,
    ) -> Result<Self, Invalid> {
        self.words(Extension::Auth, mechanisms, form::is_mechanism)
    }

    /// Offers BURL (RFC 4468): with `imap` if the client may try the URL of any IMAP server, and with
    /// the `imap://` URLs of the servers that this server can fetch from; with no argument if the
    /// client must authenticate first.
    ///
    /// # Errors
    /// An argument is something else, or the line is too long.
    pub fn burl<S: AsRef<str>>(
        self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Self, Invalid> {
        let known = |word: &[u8]| word.eq_ignore_ascii_case(b"imap") || form::is_imap_url(word);
        self.words(Extension::Burl, arguments, known)
    }

    /// Offers NO-SOLICITING with the classes that the server refuses for all recipients (RFC 3865).
    ///
    /// # Errors
    /// A name is not that of a class, or the line is too long.
    pub fn no_soliciting<S: AsRef<str>>(
        self,
        classes: impl IntoIterator<Item = S>,
    ) -> Result<Self, Invalid> {
        let mut line = String::from(Extension::NoSoliciting.keyword());
        for (number, class) in classes.into_iter().enumerate() {
            line.push(if number == 0 { ' ' } else { ',' });
            line.push_str(class.as_ref());
        }
        self.line(&line)
    }

    /// Offers XCLIENT with the attributes that the server accepts.
    ///
    /// # Errors
    /// A name is not that of an attribute, or the line is too long.
    pub fn xclient<S: AsRef<str>>(
        self,
        attributes: impl IntoIterator<Item = S>,
    ) -> Result<Self, Invalid> {
        self.words(Extension::Xclient, attributes, form::is_attribute)
    }

    /// Offers XFORWARD with the attributes that the server accepts.
    ///
    /// # Errors
    /// A name is not that of an attribute, or the line is too long.
    pub fn xforward<S: AsRef<str>>(
        self,
        attributes: impl IntoIterator<Item = S>,
    ) -> Result<Self, Invalid> {
        self.words(Extension::Xforward, attributes, form::is_attribute)
    }

    /// Adds a line: a keyword and its parameters, a space before each.
    ///
    /// # Errors
    /// The line violates the grammar, the keyword does not have such parameters, or the line of the
    /// reply is longer than 512 octets.
    pub fn line(self, line: &str) -> Result<Self, Invalid> {
        line::legal(line)?;
        Ok(self.set(line))
    }

    /// Returns the same offer without this extension, which the server offers only before TLS, or
    /// only inside it.
    #[must_use]
    pub fn without(mut self, extension: Extension) -> Self {
        self.lines.retain(|line| capability(line).extension() != Some(extension));
        self
    }

    /// Returns the reply to EHLO or LHLO.
    pub fn reply(&self) -> Reply {
        let mut text = self.host.clone();
        if !self.greeting.is_empty() {
            text.push(' ');
            text.push_str(&self.greeting);
        }
        for line in &self.lines {
            text.push('\n');
            text.push_str(line);
        }
        Reply::new(ReplyCode::OK, text)
    }

    /// Adds a line with these parameters. Each is checked alone, because a parameter with a space in
    /// it would become two.
    fn words<S: AsRef<str>>(
        self,
        extension: Extension,
        words: impl IntoIterator<Item = S>,
        is_known: fn(&[u8]) -> bool,
    ) -> Result<Self, Invalid> {
        let mut line = String::from(extension.keyword());
        for word in words {
            let word = word.as_ref();
            if !is_known(word.as_bytes()) {
                return Err(Invalid::new(Field::Capability, Flaw::Syntax { offset: line.len() }));
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(&line)
    }

    /// Adds a line that is known to be legal, in place of one with the same keyword.
    fn set(mut self, line: &str) -> Self {
        let same = |other: &&mut String| capability(other).is_same(capability(line));
        match self.lines.iter_mut().find(same) {
            Some(place) => line.clone_into(place),
            None => self.lines.push(line.into()),
        }
        self
    }
}

fn capability(line: &str) -> Capability<'_> {
    Capability::new(line.as_bytes())
}
