//! The messages of a run: the same text each time, with a Message-ID of its own where it is made here.
use std::fmt::Write;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mail_builder::headers::date::Date;
use smtp_client::{Content, Envelope, LineEnds, MailData, Message, Part};

use crate::failure::Failure;

/// What every message of a run has.
pub(super) struct Letter {
    envelope: Arc<Envelope>,
    text: Text,
}

enum Text {
    /// The same octets for each message.
    Given(MailData),
    /// A Message-ID of its own, and then this.
    Made { run: u128, rest: MailData },
}

/// A line of a body that is made: 70 characters and CRLF.
const FILLING: &str = "This line fills a message of smtpkit load to the size that was wanted.\r\n";

impl Letter {
    /// Every message has this text.
    pub(super) fn given(envelope: Envelope, text: MailData) -> Self {
        Self { envelope: Arc::new(envelope), text: Text::Given(text) }
    }

    /// Every message has `size` octets, if the header leaves room for that.
    pub(super) fn made(envelope: Envelope, size: usize) -> Result<Self, Failure> {
        let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let date = Date::now().to_rfc822();
        let mut rest = String::with_capacity(size);
        let from = match envelope.mail().path().as_str() {
            // A group without a member: RFC 6854 allows it for the sender of such a message.
            "" => "smtpkit:;".to_owned(),
            path => format!("<{path}>"),
        };
        let to = envelope.rcpts().first().map(|rcpt| rcpt.path().as_str()).unwrap_or_default();
        let header =
            format!("From: {from}\r\nTo: <{to}>\r\nDate: {date}\r\nSubject: smtpkit load\r\n\r\n");
        rest.push_str(&header);
        let missing = size.saturating_sub(message_id(run, 0).len() + rest.len());
        rest.extend(std::iter::repeat_n(FILLING, missing / FILLING.len()));
        let last = missing % FILLING.len();
        if last >= 2 {
            rest.extend(std::iter::repeat_n('x', last - 2));
            rest.push_str("\r\n");
        }
        let rest = MailData::normalize(rest, LineEnds::Strict);
        let rest = rest.map_err(|invalid| Failure::option("--from", invalid))?;
        Ok(Self { envelope: Arc::new(envelope), text: Text::Made { run, rest } })
    }

    /// Returns the message with this number.
    pub(super) fn message(&self, number: u64) -> Message<'static> {
        let content = match &self.text {
            Text::Given(text) => Content::from(text),
            Text::Made { run, rest } => match MailData::new(message_id(*run, number)) {
                Ok(id) => Content::from_parts([Part::Text(id), Part::Text(rest.clone())]),
                Err(_) => Content::from(rest),
            },
        };
        Message::new(Arc::clone(&self.envelope), content)
    }

    /// The size of each message in octets.
    pub(super) fn size(&self) -> u64 {
        let size = match &self.text {
            Text::Given(text) => text.octets().len(),
            Text::Made { run, rest } => message_id(*run, 0).len() + rest.octets().len(),
        };
        size as u64
    }
}

/// The first header field: as long for each message.
fn message_id(run: u128, number: u64) -> String {
    let mut field = String::with_capacity(80);
    // Writing to a string does not fail.
    let _ = write!(field, "Message-ID: <{run:x}.{number:012}@smtpkit.invalid>\r\n");
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_size_that_is_asked_for() {
        for size in [400, 1024, 1025, 100_000] {
            let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
            let letter = Letter::made(envelope, size).unwrap();
            assert!(letter.size().abs_diff(size as u64) <= 1, "{size}: {}", letter.size());
        }
    }

    #[test]
    fn each_message_has_its_own_identifier() {
        assert_ne!(message_id(7, 1), message_id(7, 2));
        assert_eq!(message_id(7, 1).len(), message_id(7, 999_999).len());
    }
}
