//! The server's side of a dialogue without I/O: it receives octets and returns replies.
use memchr::{memchr, memmem};

/// The dialogue of one connection.
#[derive(Debug, Default)]
pub struct Dialogue {
    state: State,
    /// The beginning of a command line whose end has not arrived.
    line: Vec<u8>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Commands,
    /// A text after DATA, and its last four octets.
    Text([u8; 4]),
    /// A chunk, and the number of its octets that are still to arrive.
    Chunk(usize),
    Over,
}

const GREETING: &[u8] = b"220 sink.example.org ESMTP\r\n";
const OFFER: &[u8] = b"250-sink.example.org\r\n\
    250-PIPELINING\r\n\
    250-SIZE 1073741824\r\n\
    250-ENHANCEDSTATUSCODES\r\n\
    250-8BITMIME\r\n\
    250 CHUNKING\r\n";
const SENDER: &[u8] = b"250 2.1.0 Ok\r\n";
const RECIPIENT: &[u8] = b"250 2.1.5 Ok\r\n";
const INVITATION: &[u8] = b"354 Go ahead\r\n";
const TAKEN: &[u8] = b"250 2.0.0 Ok: queued as 4Zx9Qk1bTz\r\n";
const OK: &[u8] = b"250 2.0.0 Ok\r\n";
const BYE: &[u8] = b"221 2.0.0 Bye\r\n";
const UNKNOWN: &[u8] = b"500 5.5.2 Unknown\r\n";
const END: &[u8] = b"\r\n.\r\n";

impl Dialogue {
    /// The greeting.
    pub fn greeting() -> &'static [u8] {
        GREETING
    }

    /// Receives octets, and appends the replies to them.
    pub fn receive(&mut self, mut octets: &[u8], replies: &mut Vec<u8>) {
        while !octets.is_empty() && !self.is_over() {
            octets = match self.state {
                State::Commands => self.command(octets, replies),
                State::Text(tail) => self.text(tail, octets, replies),
                State::Chunk(left) => self.chunk(left, octets, replies),
                State::Over => &[],
            };
        }
    }

    /// Returns whether the client has sent QUIT.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Consumes one line, or the part of it that has arrived, and returns the octets after it.
    fn command<'a>(&mut self, octets: &'a [u8], replies: &mut Vec<u8>) -> &'a [u8] {
        let Some(end) = memchr(b'\n', octets) else {
            self.line.extend_from_slice(octets);
            return &[];
        };
        let (line, rest) = octets.split_at(end + 1);
        if self.line.is_empty() {
            self.answer(line, replies);
        } else {
            let mut whole = std::mem::take(&mut self.line);
            whole.extend_from_slice(line);
            self.answer(&whole, replies);
        }
        rest
    }

    fn answer(&mut self, line: &[u8], replies: &mut Vec<u8>) {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        replies.extend_from_slice(match &verb[..] {
            b"EHLO" | b"HELO" => OFFER,
            b"MAIL" => SENDER,
            b"RCPT" => RECIPIENT,
            b"DATA" => {
                // The text begins at the start of a line.
                self.state = State::Text(*b"\0\0\r\n");
                INVITATION
            }
            b"BDAT" => match size(line) {
                Some(0) => TAKEN,
                Some(size) => {
                    self.state = State::Chunk(size);
                    b""
                }
                None => UNKNOWN,
            },
            b"RSET" | b"NOOP" => OK,
            b"QUIT" => {
                self.state = State::Over;
                BYE
            }
            _ => UNKNOWN,
        });
    }

    fn text<'a>(&mut self, tail: [u8; 4], octets: &'a [u8], replies: &mut Vec<u8>) -> &'a [u8] {
        let first = &octets[..octets.len().min(END.len() - 1)];
        let seam = [&tail[..], first].concat();
        let end = match memmem::find(&seam, END) {
            Some(at) => Some(at + END.len() - tail.len()),
            None => memmem::find(octets, END).map(|at| at + END.len()),
        };
        if let Some(end) = end {
            self.state = State::Commands;
            replies.extend_from_slice(TAKEN);
            return &octets[end..];
        }
        let kept = if octets.len() >= tail.len() { octets } else { &seam };
        self.state = State::Text(*kept.last_chunk().unwrap_or(&tail));
        &[]
    }

    fn chunk<'a>(&mut self, left: usize, octets: &'a [u8], replies: &mut Vec<u8>) -> &'a [u8] {
        let (taken, rest) = octets.split_at(left.min(octets.len()));
        self.state = State::Chunk(left - taken.len());
        if left == taken.len() {
            self.state = State::Commands;
            replies.extend_from_slice(TAKEN);
        }
        rest
    }
}

fn size(line: &[u8]) -> Option<usize> {
    std::str::from_utf8(line).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &[u8], codes: &[&str]) {
        for step in 1..=input.len() {
            let (mut dialogue, mut replies) = (Dialogue::default(), Vec::new());
            input.chunks(step).for_each(|piece| dialogue.receive(piece, &mut replies));
            let replies = String::from_utf8(replies).unwrap();
            let found: Vec<&str> = replies.lines().map(|line| &line[..3]).collect();
            assert_eq!(found, codes, "in pieces of {step}");
        }
    }

    #[test]
    fn a_text_ends_at_its_dot_however_it_is_cut() {
        let input = b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\na\r\n..\r\n.\n.\r\r\n.\r\nRSET\r\n";
        check(input, &["250", "250", "354", "250", "250"]);
    }

    #[test]
    fn an_empty_text_ends_at_once() {
        check(b"DATA\r\n.\r\nQUIT\r\n", &["354", "250", "221"]);
    }

    #[test]
    fn a_chunk_is_counted() {
        check(b"BDAT 6\r\n.\r\nabcBDAT 0 LAST\r\nQUIT\r\n", &["250", "250", "221"]);
    }
}
