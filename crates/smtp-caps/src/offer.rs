//! Offers: what a server says in reply to EHLO or LHLO.
use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use smtp_codec::Host;
use smtp_error::{Extension, Field, Flaw, Invalid, Reply, ReplyCode};

use crate::{Capability, FutureRelease, Limits, PriorityProfile, form, line};

/// What a server offers, in the order in which it was added.
///
/// It makes a legal reply whatever is done with it: each setter refuses what cannot be said, and
/// takes the place of what was said with the same keyword. [`Capabilities`](crate::Capabilities)
/// that are made from the reply say the same, and their
/// [`oddities`](crate::Capabilities::oddities) find what is legal and yet makes no sense, such as
/// BINARYMIME without CHUNKING.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    host: String,
    greeting: String,
    lines: Vec<String>,
}

impl Offer {
    /// The offer of a server with this name, which is a domain in ASCII or an address literal.
    ///
    /// # Errors
    /// Refuses what is neither.
    pub fn new(host: &str) -> Result<Self, Invalid> {
        Host::new(host)?;
        match host.find(|character: char| !character.is_ascii()) {
            Some(offset) => Err(Invalid::new(Field::Domain, Flaw::NonAscii { offset })),
            None => Ok(Self { host: host.into(), greeting: String::new(), lines: Vec::new() }),
        }
    }

    /// What is said behind the name; it is for people to read.
    ///
    /// # Errors
    /// Refuses what is no printable ASCII, and what makes the first line longer than 512 octets.
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
    /// Refuses FUTURERELEASE, whose parameters may not be left out.
    pub fn extensions(
        self,
        extensions: impl IntoIterator<Item = Extension>,
    ) -> Result<Self, Invalid> {
        extensions.into_iter().try_fold(self, |offer, one| offer.line(one.keyword()))
    }

    /// Offers SIZE with the largest message that is taken, in octets; 0 says that there is no fixed
    /// limit (RFC 1870).
    #[must_use]
    pub fn size(self, limit: u64) -> Self {
        self.say(&format!("{} {limit}", Extension::Size))
    }

    /// Offers LIMITS (RFC 9422).
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.say(&format!("{}{limits}", Extension::Limits))
    }

    /// Offers MT-PRIORITY with the profile that the priorities follow (RFC 6710).
    #[must_use]
    pub fn mt_priority(self, profile: PriorityProfile<'_>) -> Self {
        self.say(&format!("{} {profile}", Extension::MtPriority))
    }

    /// Offers FUTURERELEASE (RFC 4865).
    #[must_use]
    pub fn future_release(self, limit: FutureRelease<'_>) -> Self {
        let (interval, date_time) = (limit.max_interval(), limit.max_date_time());
        self.say(&format!("{} {interval} {date_time}", Extension::FutureRelease))
    }

    /// Offers DELIVERBY with the shortest time in seconds that BY may ask for with `R`; 0 says that
    /// there is no minimum (RFC 2852).
    ///
    /// # Errors
    /// Refuses a number of more than nine digits.
    pub fn deliver_by(self, minimum: u32) -> Result<Self, Invalid> {
        self.line(&format!("{} {minimum}", Extension::DeliverBy))
    }

    /// Offers AUTH with these SASL mechanisms (RFC 4954).
    ///
    /// # Errors
    /// Refuses what is no name of a mechanism, and more than a line holds.
    pub fn auth<S: AsRef<str>>(
        self,
        mechanisms: impl IntoIterator<Item = S>,
    ) -> Result<Self, Invalid> {
        self.words(Extension::Auth, mechanisms, form::is_mechanism)
    }

    /// Offers BURL: `imap` if an URL of any IMAP server may be tried, and the servers that there is
    /// an understanding with, as `imap://` URLs; nothing if the client must authenticate first
    /// (RFC 4468).
    ///
    /// # Errors
    /// Refuses everything else, and more than a line holds.
    pub fn burl<S: AsRef<str>>(
        self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Self, Invalid> {
        let known = |word: &[u8]| word.eq_ignore_ascii_case(b"imap") || form::is_imap_url(word);
        self.words(Extension::Burl, arguments, known)
    }

    /// Offers NO-SOLICITING with the classes that are refused for everybody (RFC 3865).
    ///
    /// # Errors
    /// Refuses what is no name of a class, and more than a line holds.
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

    /// Offers XCLIENT with the attributes that it takes.
    ///
    /// # Errors
    /// Refuses what is no name of an attribute, and more than a line holds.
    pub fn xclient<S: AsRef<str>>(
        self,
        attributes: impl IntoIterator<Item = S>,
    ) -> Result<Self, Invalid> {
        self.words(Extension::Xclient, attributes, form::is_attribute)
    }

    /// Offers XFORWARD with the attributes that it takes.
    ///
    /// # Errors
    /// Refuses what is no name of an attribute, and more than a line holds.
    pub fn xforward<S: AsRef<str>>(
        self,
        attributes: impl IntoIterator<Item = S>,
    ) -> Result<Self, Invalid> {
        self.words(Extension::Xforward, attributes, form::is_attribute)
    }

    /// Offers what this line says: a keyword and its parameters, a space before each.
    ///
    /// # Errors
    /// Refuses what is no such line, parameters that the keyword does not have, and more than 512
    /// octets in all.
    pub fn line(self, line: &str) -> Result<Self, Invalid> {
        line::legal(line)?;
        Ok(self.say(line))
    }

    /// The same offer without this extension: what is offered before TLS only, or after it only.
    #[must_use]
    pub fn without(mut self, extension: Extension) -> Self {
        self.lines.retain(|line| capability(line).extension() != Some(extension));
        self
    }

    /// The reply to EHLO or LHLO.
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

    /// The line of these words; none may be two, or the line would have others.
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

    /// Adds a line that is known to be legal.
    fn say(mut self, line: &str) -> Self {
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
