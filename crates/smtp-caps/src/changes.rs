//! Changes: how two replies to EHLO differ, before and after TLS, authentication, or a day.
use smtp_error::Extension;

use crate::{Capabilities, Capability};

impl Capabilities {
    /// How `after` differs: what is lost or has other parameters, in the order of these
    /// capabilities, then what is gained, in the order of `after`.
    ///
    /// Lines with one keyword count as one, in whatever case, and masked ones do not count.
    ///
    /// Held against what the same server offered another time, a STARTTLS that is lost tells of
    /// somebody in between; held against what it offered before TLS, it shows what is worth having
    /// from then on only:
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

    /// The lines that are the first with their keyword and not masked.
    fn firsts(&self) -> impl Iterator<Item = Capability<'_>> {
        self.iter().enumerate().filter_map(|(number, line)| {
            let repeated = self.iter().take(number).any(|other| other.is_same(line));
            let counts = !repeated && !line.keyword().is_empty() && self.is_visible(line);
            counts.then_some(line)
        })
    }

    fn like(&self, line: Capability<'_>) -> impl Iterator<Item = Capability<'_>> {
        self.iter().filter(move |other| other.is_same(line) && self.is_visible(*other))
    }
}

/// A keyword that one of two replies has and the other has not, or has with other parameters.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    first: Capability<'a>,
    before: &'a Capabilities,
    after: &'a Capabilities,
}

impl<'a> Change<'a> {
    /// The keyword, as it was spelled before if it was there.
    pub fn keyword(self) -> &'a [u8] {
        self.first.keyword()
    }

    /// The extension that the keyword names, if it is one that has a name.
    pub fn extension(self) -> Option<Extension> {
        self.first.extension()
    }

    /// Whether the keyword was not there before.
    pub fn is_gained(self) -> bool {
        self.before().next().is_none()
    }

    /// Whether the keyword is not there afterwards.
    pub fn is_lost(self) -> bool {
        self.after().next().is_none()
    }

    /// The lines with the keyword before; none if it is gained.
    pub fn before(self) -> impl Iterator<Item = Capability<'a>> {
        self.before.like(self.first)
    }

    /// The lines with the keyword afterwards; none if it is lost.
    pub fn after(self) -> impl Iterator<Item = Capability<'a>> {
        self.after.like(self.first)
    }

    fn is_nothing(self) -> bool {
        let before = self.before().flat_map(Capability::params);
        let after = self.after().flat_map(Capability::params);
        !self.is_gained() && !self.is_lost() && before.eq(after)
    }
}
