//! Changes between two replies to EHLO: before and after TLS, authentication, or a reconnect.
use smtp_error::Extension;

use crate::{Capabilities, Capability};

impl Capabilities {
    /// Returns the changes from `self` to `after`: first the keywords that are lost or have other
    /// parameters, in the order of `self`, then those that are gained, in the order of `after`.
    ///
    /// Lines with the same keyword, in upper or lower case, are one change. Masked lines are ignored.
    ///
    /// If `self` is from an earlier session, a lost STARTTLS indicates that an attacker removes it.
    /// If `self` is from before STARTTLS, the changes show what the server offers inside TLS only:
    ///
    /// ```
    /// use smtp_caps::Capabilities;
    /// use smtp_error::{Extension, Reply, ReplyCode};
    ///
    /// let offered = |text: &str| Capabilities::from_reply(Reply::new(ReplyCode::OK, text));
    /// let clear = offered("mx.example.org\nSIZE 1000\nSTARTTLS");
    /// let inside = offered("mx.example.org\nSIZE 9000\nAUTH PLAIN");
    /// let changes: Vec<_> = clear.changes(&inside).collect();
    /// assert_eq!(changes[0].after().next().unwrap().as_bytes(), b"SIZE 9000");
    /// assert!(changes[1].is_lost() && changes[1].extension() == Some(Extension::StartTls));
    /// assert!(changes[2].is_gained() && changes[2].extension() == Some(Extension::Auth));
    /// ```
    pub fn changes<'a>(&'a self, after: &'a Self) -> impl Iterator<Item = Change<'a>> {
        let lost = self.firsts().filter_map(move |first| {
            let change = Change { first, before: self, after };
            (!change.is_nothing()).then_some(change)
        });
        let gained = after.firsts().filter_map(move |first| {
            let change = Change { first, before: self, after };
            change.is_gained().then_some(change)
        });
        lost.chain(gained)
    }

    /// Returns the lines that are the first with their keyword and are not masked.
    fn firsts(&self) -> impl Iterator<Item = Capability<'_>> {
        self.iter().enumerate().filter_map(|(number, line)| {
            let repeated = self.iter().take(number).any(|other| other.is_same(line));
            let included = !repeated && !line.keyword().is_empty() && self.is_visible(line);
            included.then_some(line)
        })
    }

    fn with_keyword_of(&self, line: Capability<'_>) -> impl Iterator<Item = Capability<'_>> {
        self.iter().filter(move |other| other.is_same(line) && self.is_visible(*other))
    }
}

/// A keyword that only one of two replies has, or that has other parameters in the second.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    first: Capability<'a>,
    before: &'a Capabilities,
    after: &'a Capabilities,
}

impl<'a> Change<'a> {
    /// Returns the keyword, spelled as in the first reply that has it.
    pub fn keyword(self) -> &'a [u8] {
        self.first.keyword()
    }

    /// Returns the extension of the keyword, if it is a known one.
    pub fn extension(self) -> Option<Extension> {
        self.first.extension()
    }

    /// Returns whether only the second reply has the keyword.
    pub fn is_gained(self) -> bool {
        self.before().next().is_none()
    }

    /// Returns whether only the first reply has the keyword.
    pub fn is_lost(self) -> bool {
        self.after().next().is_none()
    }

    /// Returns the lines with the keyword in the first reply; none if it is gained.
    pub fn before(self) -> impl Iterator<Item = Capability<'a>> {
        self.before.with_keyword_of(self.first)
    }

    /// Returns the lines with the keyword in the second reply; none if it is lost.
    pub fn after(self) -> impl Iterator<Item = Capability<'a>> {
        self.after.with_keyword_of(self.first)
    }

    fn is_nothing(self) -> bool {
        let before = self.before().flat_map(Capability::params);
        let after = self.after().flat_map(Capability::params);
        !self.is_gained() && !self.is_lost() && before.eq(after)
    }
}
