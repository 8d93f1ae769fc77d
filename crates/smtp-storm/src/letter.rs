//! The messages: each follows from the seed and its number, and its content names both.
use std::fmt::Write as _;

use smtp_client::{Envelope, MailData, Message};

use crate::{Problem, random::Random};

/// The header field, the first one, with seed and number of a message.
pub(crate) const FIELD: &str = "X-Storm: ";

/// What all messages of a run have in common.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) seed: u64,
    pub(crate) domain: String,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) number: u64,
    pub(crate) recipients: Vec<String>,
    pub(crate) content: String,
}

impl Post {
    /// Returns the message of this number.
    pub(crate) fn letter(&self, number: u64) -> Letter {
        let mut random = Random::new(&[self.seed, 1, number]);
        let first = random.below(90) + 1;
        let mut recipients: Vec<String> =
            (0..=random.below(3)).map(|next| self.mailbox(&format!("r{}", first + next))).collect();
        if random.percent(15) {
            let at = random.below(recipients.len() as u64 + 1) as usize;
            recipients.insert(at, self.mailbox("nobody"));
        }
        if random.percent(4) {
            recipients = vec![self.mailbox("nobody")];
        }
        Letter { number, recipients, content: self.content(number, &mut random) }
    }

    fn mailbox(&self, name: &str) -> String {
        format!("{name}@{}", self.domain)
    }

    /// Returns a content of up to 64 KiB, most of them small, with what travels in other octets than
    /// it has: lines with dots, and lines that look like commands.
    fn content(&self, number: u64, random: &mut Random) -> String {
        let mut content = format!("{FIELD}{}.{number}\r\n", self.seed);
        // Servers add a date and an identifier where there are none.
        let _ = write!(
            content,
            "From: <me@{0}>\r\nDate: Sun, 29 Nov 2026 06:00:00 +0000\r\n\
             Message-Id: <{1}.{number}@{0}>\r\nSubject: storm\r\n\r\n",
            self.domain, self.seed
        );
        let size = content.len() + random.scale(16) as usize;
        while content.len() < size {
            match random.below(8) {
                0 => content.push('.'),
                1 => content.push_str(".."),
                2 => content.push_str("RCPT TO:<r1@example.org>"),
                3 => content.push_str("BDAT 5 LAST"),
                _ => {}
            }
            let length = random.below(76);
            content.extend((0..length).map(|_| char::from(b'!' + random.below(94) as u8)));
            content.push_str("\r\n");
        }
        content
    }
}

impl Letter {
    fn sender(&self) -> String {
        format!("s{}@example.org", self.number)
    }

    /// Returns envelope and content as the client takes them.
    pub(crate) fn parts(&self) -> Result<(Envelope, MailData), Problem> {
        let recipients = self.recipients.iter().map(String::as_str);
        let envelope = Envelope::new(&*self.sender(), recipients)?;
        Ok((envelope, MailData::new(self.content.clone().into_bytes())?))
    }

    /// Returns both as one.
    pub(crate) fn message(&self) -> Result<Message<'static>, Problem> {
        self.parts().map(|(envelope, content)| Message::new(envelope, content))
    }
}

/// Returns the number that a reverse-path names.
pub(crate) fn number_of_sender(path: &str) -> Option<u64> {
    path.strip_prefix('s')?.split_once('@')?.0.parse().ok()
}

/// Returns the seed and the number that a content names, and the content from there on: servers put
/// header fields before it.
pub(crate) fn named(content: &str) -> Option<(u64, u64, &str)> {
    let at = match content.starts_with(FIELD) {
        true => 0,
        false => content.find(&format!("\n{FIELD}"))? + 1,
    };
    let content = &content[at..];
    let (seed, number) = content[FIELD.len()..].lines().next()?.split_once('.')?;
    Some((seed.parse().ok()?, number.parse().ok()?, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_names_its_message() {
        let post = Post { seed: 3, domain: "example.test".to_owned() };
        let letter = post.letter(14);
        assert_eq!(letter, post.letter(14));
        assert_ne!(letter.content, post.letter(15).content);
        assert_eq!(named(&letter.content), Some((3, 14, &*letter.content)));
        let traced = format!("Received: from a\r\n{}", letter.content);
        assert_eq!(named(&traced), Some((3, 14, &*letter.content)));
        assert_eq!(named("Subject: another\r\n"), None);
        assert_eq!(number_of_sender(&letter.sender()), Some(14));
    }
}
