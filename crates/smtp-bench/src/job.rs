//! Jobs: the messages that all clients send.
use std::fmt;

/// A message and its recipients.
#[derive(Clone, Debug)]
pub struct Job {
    /// The address of the sender.
    pub from: String,
    /// The addresses of the recipients.
    pub rcpts: Vec<String>,
    /// Header section and body, with CRLF line ends. It is never freed.
    pub text: &'static [u8],
}

/// The length of a job's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

impl Job {
    /// Makes a message of this size for this many recipients.
    pub fn new(size: Size, rcpts: usize) -> Self {
        Self {
            from: "alice@mail.example.org".to_owned(),
            rcpts: (0..rcpts).map(|number| format!("bob.{number}@mail.example.com")).collect(),
            text: Box::leak(text(size.0).into_boxed_slice()),
        }
    }
}

/// Makes a header section and lines of 70 columns, of which one in a hundred begins with a dot.
fn text(size: usize) -> Vec<u8> {
    let words = "the mail went out. It took its time, as every mail does that has far to go; ";
    let mut text = Vec::with_capacity(size);
    text.extend_from_slice(b"From: alice@mail.example.org\r\nTo: bob@mail.example.com\r\n");
    text.extend_from_slice(b"Subject: a report\r\n\r\n");
    let mut number = 0;
    while text.len() < size {
        let dot = if number % 100 == 99 { "." } else { "" };
        let from = number % words.len();
        let line = [dot, &words[from..], &words[..from]].concat();
        let room = size - text.len();
        // The last line fills the rest, including its line end.
        let columns = if room < 72 + 3 { room.saturating_sub(2) } else { 70 };
        text.extend_from_slice(&line.as_bytes()[..columns]);
        text.extend_from_slice(b"\r\n");
        number += 1;
    }
    text
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            octets if octets >= 1 << 20 => write!(f, "{}-mib", octets >> 20),
            octets => write!(f, "{}-kib", octets >> 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_the_size_that_was_asked_for() {
        for size in [1 << 10, 100 << 10, 1 << 20] {
            let job = Job::new(Size(size), 1);
            assert_eq!(job.text.len(), size);
            assert!(smtp_codec::MailData::new(job.text).is_ok());
        }
    }
}
