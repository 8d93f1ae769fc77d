//! The messages that a client hands over, as sent and as meant.

use std::fmt;

use crate::command::Command;
use crate::escape::Escaped;
use crate::login::Login;
use crate::report::TlsFacts;

/// A message that the client handed over.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// How many messages came before it on all connections.
    pub(crate) number: usize,
    pub(crate) mail: Option<String>,
    pub(crate) rcpts: Vec<String>,
    pub(crate) sent: Vec<u8>,
    pub(crate) text: Vec<u8>,
    pub(crate) chunks: Vec<usize>,
    pub(crate) tls: Option<TlsFacts>,
    pub(crate) login: Option<Login>,
}

impl Message {
    /// The MAIL command that the client sent before it, without CRLF.
    pub fn mail(&self) -> Option<&str> {
        self.mail.as_deref()
    }

    /// The RCPT commands that the client sent before it, without CRLF; of a server with rules,
    /// those that were accepted.
    pub fn rcpts(&self) -> &[String] {
        &self.rcpts
    }

    /// The address that it comes from, without angle brackets; empty for a notification.
    pub fn sender(&self) -> Option<String> {
        address(self.mail()?)
    }

    /// The addresses that it goes to, without angle brackets.
    pub fn recipients(&self) -> Vec<String> {
        self.rcpts.iter().filter_map(|line| address(line)).collect()
    }

    /// What a parameter of MAIL says; empty for one without a value.
    pub fn mail_param(&self, name: &str) -> Option<String> {
        param(self.mail()?, name)
    }

    /// What a parameter of the RCPT for this recipient says; empty for one without a value.
    pub fn rcpt_param(&self, recipient: &str, name: &str) -> Option<String> {
        let to_them = |line: &&String| address(line).is_some_and(|to| to == recipient);
        param(self.rcpts.iter().find(to_them)?, name)
    }

    /// The octets on the wire; with DATA, including dots added and the line with a single dot.
    pub fn sent(&self) -> &[u8] {
        &self.sent
    }

    /// The text as the client meant it: dots that were added are gone, and so is the last line.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// How many octets came in each BDAT chunk; empty with DATA.
    pub fn chunks(&self) -> &[usize] {
        &self.chunks
    }

    /// How TLS had gone when a server with rules took the message; `None` in clear.
    pub fn tls(&self) -> Option<TlsFacts> {
        self.tls
    }

    /// As whom the client had logged in when a server with rules took the message.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("mail", &self.mail)
            .field("rcpts", &self.rcpts)
            .field("text", &Escaped(&self.text))
            .field("chunks", &self.chunks)
            .field("tls", &self.tls)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

fn address(line: &str) -> Option<String> {
    Command::of_line(line)?.path().map(str::to_owned)
}

fn param(line: &str, name: &str) -> Option<String> {
    Command::of_line(line)?.param(name).map(str::to_owned)
}

/// The transaction that the client's command lines have built up so far.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pending: Message,
    last_chunk: bool,
}

impl Transaction {
    /// Notes what a line means to the transaction, if it is a command that means something to it.
    pub(crate) fn line(&mut self, octets: &[u8]) {
        let line = String::from_utf8_lossy(octets.strip_suffix(b"\r\n").unwrap_or(octets));
        let upper = line.to_ascii_uppercase();
        let verb = upper.split([' ', ':']).next().unwrap_or_default();
        match verb {
            "MAIL" => {
                self.pending = Message { mail: Some(line.into_owned()), ..Message::default() };
            }
            "RCPT" => self.pending.rcpts.push(line.into_owned()),
            "BDAT" => self.last_chunk = upper.ends_with(" LAST"),
            "RSET" | "EHLO" | "HELO" | "LHLO" => self.pending = Message::default(),
            _ => {}
        }
    }

    /// A text arrived that ends with the line with a single dot.
    pub(crate) fn text(&mut self, sent: &[u8]) -> Message {
        let message = std::mem::take(&mut self.pending);
        Message { sent: sent.to_vec(), text: unstuff(sent), ..message }
    }

    /// A chunk arrived; the message, if the BDAT before it said that it was the last.
    pub(crate) fn chunk(&mut self, octets: &[u8]) -> Option<Message> {
        self.pending.sent.extend_from_slice(octets);
        self.pending.text.extend_from_slice(octets);
        self.pending.chunks.push(octets.len());
        std::mem::take(&mut self.last_chunk).then(|| std::mem::take(&mut self.pending))
    }
}

/// The line that ends a text, when another line comes before it.
pub(crate) const END_OF_TEXT: &[u8] = b"\r\n.\r\n";

/// Takes the last line off, and the first dot of each other line that begins with one. Only CRLF
/// ends a line here (RFC 5321, 4.5.2).
pub(crate) fn unstuff(sent: &[u8]) -> Vec<u8> {
    let body = sent.strip_suffix(b".\r\n").unwrap_or(sent);
    let mut text = Vec::with_capacity(body.len());
    let mut line_begins = true;
    for (at, &octet) in body.iter().enumerate() {
        if !(line_begins && octet == b'.') {
            text.push(octet);
        }
        line_begins = octet == b'\n' && at > 0 && body[at - 1] == b'\r';
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_that_were_added_go() {
        assert_eq!(unstuff(b"a\r\n..b\r\n...\r\n.\r\n"), b"a\r\n.b\r\n..\r\n");
        assert_eq!(unstuff(b"..a\r\n.\r\n"), b".a\r\n");
        assert_eq!(unstuff(b".\r\n"), b"");
    }

    #[test]
    fn only_crlf_begins_a_line() {
        assert_eq!(unstuff(b"a\n..b\r..c\r\n.\r\n"), b"a\n..b\r..c\r\n");
    }

    #[test]
    fn the_commands_before_a_text_belong_to_it() {
        let mut transaction = Transaction::default();
        transaction.line(b"MAIL FROM:<old@example.org>\r\n");
        transaction.line(b"rset\r\n");
        transaction.line(b"mail from:<a@example.org> SIZE=3\r\n");
        transaction.line(b"RCPT TO:<b@example.org>\r\n");
        transaction.line(b"RCPT TO:<c@example.org>\r\n");
        let message = transaction.text(b"x\r\n.\r\n");
        assert_eq!(message.mail(), Some("mail from:<a@example.org> SIZE=3"));
        assert_eq!(message.rcpts(), ["RCPT TO:<b@example.org>", "RCPT TO:<c@example.org>"]);

        assert_eq!(transaction.text(b".\r\n").mail(), None);
    }

    #[test]
    fn chunks_are_one_message_with_the_last() {
        let mut transaction = Transaction::default();
        transaction.line(b"MAIL FROM:<a@example.org>\r\n");
        transaction.line(b"BDAT 2\r\n");
        assert_eq!(transaction.chunk(b".\r"), None);
        transaction.line(b"BDAT 3 last\r\n");
        let message = transaction.chunk(b"\n.a").unwrap();
        assert_eq!(message.chunks(), [2, 3]);
        assert_eq!(message.text(), b".\r\n.a");
        assert_eq!(message.sent(), message.text());
    }
}
