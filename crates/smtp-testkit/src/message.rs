//! Messages of a client, as sent and as decoded.

use std::fmt;

use crate::command::Command;
use crate::escape::Escaped;
use crate::lint::Finding;
use crate::login::Login;
use crate::report::TlsFacts;

/// A message that the client has sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// The number of messages before it, on all connections.
    pub(crate) number: usize,
    /// The number of its connection, counted from zero.
    pub(crate) connection: usize,
    pub(crate) mail: Option<String>,
    pub(crate) rcpts: Vec<String>,
    pub(crate) sent: Vec<u8>,
    pub(crate) text: Vec<u8>,
    pub(crate) chunks: Vec<usize>,
    pub(crate) tls: Option<TlsFacts>,
    pub(crate) login: Option<Login>,
    pub(crate) findings: Vec<Finding>,
}

impl Message {
    /// The number of the message, counted from one, in the order in which the server accepted all
    /// messages.
    pub fn number(&self) -> usize {
        self.number + 1
    }

    /// The number of its connection, counted from one.
    pub fn connection(&self) -> usize {
        self.connection + 1
    }

    /// The MAIL command before it, without CRLF.
    pub fn mail(&self) -> Option<&str> {
        self.mail.as_deref()
    }

    /// The RCPT commands before it, without CRLF; with a server with rules, only those that were
    /// accepted.
    pub fn rcpts(&self) -> &[String] {
        &self.rcpts
    }

    /// The address in MAIL, without angle brackets; empty for the null reverse-path.
    pub fn sender(&self) -> Option<String> {
        address(self.mail()?)
    }

    /// The addresses in RCPT, without angle brackets.
    pub fn recipients(&self) -> Vec<String> {
        self.rcpts.iter().filter_map(|line| address(line)).collect()
    }

    /// The value of a parameter of MAIL; empty for one without a value.
    pub fn mail_param(&self, name: &str) -> Option<String> {
        param(self.mail()?, name)
    }

    /// The value of a parameter of the RCPT for this recipient; empty for one without a value.
    pub fn rcpt_param(&self, recipient: &str, name: &str) -> Option<String> {
        let to_them = |line: &&String| address(line).is_some_and(|to| to == recipient);
        param(self.rcpts.iter().find(to_them)?, name)
    }

    /// The octets as sent; with DATA, including added dots and the final line with a single dot.
    pub fn sent(&self) -> &[u8] {
        &self.sent
    }

    /// The message text, without added dots and without the final line with a single dot.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The number of octets in each BDAT chunk; empty with DATA.
    pub fn chunks(&self) -> &[usize] {
        &self.chunks
    }

    /// The facts of the TLS session, if a server with rules accepted the message under TLS.
    pub fn tls(&self) -> Option<TlsFacts> {
        self.tls
    }

    /// The login of the client, if it had logged in before a server with rules accepted the
    /// message.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// The mistakes of the client on this connection, after the message before and up to the end of
    /// this one.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
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

/// The transaction that the client's command lines have built so far.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pending: Message,
    last_chunk: bool,
}

impl Transaction {
    /// Records a line if it is a command that changes the transaction.
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

    /// Returns the message of a text that ends with a single dot.
    pub(crate) fn text(&mut self, sent: &[u8]) -> Message {
        let message = std::mem::take(&mut self.pending);
        Message { sent: sent.to_vec(), text: unstuff(sent), ..message }
    }

    /// Adds a chunk, and returns the message if the BDAT command before it said LAST.
    pub(crate) fn chunk(&mut self, octets: &[u8]) -> Option<Message> {
        self.pending.sent.extend_from_slice(octets);
        self.pending.text.extend_from_slice(octets);
        self.pending.chunks.push(octets.len());
        std::mem::take(&mut self.last_chunk).then(|| std::mem::take(&mut self.pending))
    }
}

/// The end of a text that has at least one line before it.
pub(crate) const END_OF_TEXT: &[u8] = b"\r\n.\r\n";

/// Removes the final line, and the first dot of every other line that begins with one. Only CRLF
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
    fn added_dots_are_removed() {
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
