//! Octets of both sides to the lines of a script, without the secrets. It does no I/O.

use crate::escape::Escaped;
use crate::matching::position;
use crate::message::END_OF_TEXT;

/// Whose octets they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    Client,
    Server,
}

/// A script while it is written.
#[derive(Default)]
pub(super) struct Scribe {
    script: String,
    said: Vec<u8>,
    replied: Vec<u8>,
    due: Due,
    /// The verb of the last command.
    verb: String,
}

/// What the client sends next.
#[derive(Default)]
enum Due {
    #[default]
    Command,
    /// A response of AUTH.
    Secret,
    Text,
    Chunk(usize),
}

impl Scribe {
    /// Notes octets; whether a TLS handshake follows them.
    pub(super) fn hear(&mut self, speaker: Speaker, octets: &[u8]) -> bool {
        match speaker {
            Speaker::Client => {
                self.said.extend_from_slice(octets);
                while self.client_piece() {}
                false
            }
            Speaker::Server => {
                self.replied.extend_from_slice(octets);
                let mut starts_tls = false;
                while let Some(end) = position(&self.replied, b"\n") {
                    let line: Vec<u8> = self.replied.drain(..=end).collect();
                    starts_tls |= self.server_line(&line);
                }
                starts_tls && self.replied.is_empty()
            }
        }
    }

    /// Both sides are under TLS now.
    pub(super) fn encrypted(&mut self) {
        self.write(if self.script.is_empty() { "[tls]" } else { "[starttls]" });
        self.due = Due::Command;
    }

    /// One side has ended the connection.
    pub(super) fn end(&mut self, speaker: Speaker) {
        let rest = std::mem::take(&mut self.replied);
        if !rest.is_empty() {
            self.write(&format!("[raw {}]", Escaped(&rest)));
        }
        self.write(match speaker {
            Speaker::Client => "[expect-close]",
            Speaker::Server => "[close]",
        });
    }

    pub(super) fn script(&self) -> String {
        self.script.clone()
    }

    fn write(&mut self, line: &str) {
        self.script.push_str(line);
        self.script.push('\n');
    }

    /// Takes one piece of what the client said, if a whole one is there.
    fn client_piece(&mut self) -> bool {
        match self.due {
            Due::Command | Due::Secret => {
                let Some(end) = position(&self.said, b"\n") else { return false };
                let line: Vec<u8> = self.said.drain(..=end).collect();
                self.client_line(&line);
            }
            Due::Text => {
                let alone = &END_OF_TEXT[b"\r\n".len()..];
                let end = match self.said.starts_with(alone) {
                    true => Some(alone.len()),
                    false => position(&self.said, END_OF_TEXT).map(|at| at + END_OF_TEXT.len()),
                };
                let Some(end) = end else { return false };
                self.said.drain(..end);
                self.write("[text]");
                self.due = Due::Command;
            }
            Due::Chunk(length) => {
                if self.said.len() < length {
                    return false;
                }
                self.said.drain(..length);
                self.write(&format!("[chunk {length}]"));
                self.due = Due::Command;
            }
        }
        true
    }

    fn client_line(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r\n").unwrap_or(line)).into_owned();
        if let Due::Secret = self.due {
            self.due = Due::Command;
            self.write(if text == "*" { "C: *" } else { "C~ *" });
            return;
        }
        let mut words = text.split(' ');
        self.verb = words.next().unwrap_or_default().to_ascii_uppercase();
        let argument = words.next().unwrap_or_default();
        match (self.verb.as_str(), words.next()) {
            ("AUTH", Some(_)) => {
                let opening = format!("C~ AUTH {argument} *");
                self.write(&opening);
                return;
            }
            ("BDAT", _) => {
                if let Ok(length) = argument.parse() {
                    self.due = Due::Chunk(length);
                }
            }
            _ => {}
        }
        let plain = line.ends_with(b"\r\n") && is_plain(line);
        match plain {
            true if text.is_empty() => self.write("C:"),
            true => self.write(&format!("C: {text}")),
            false => self.write(&format!("C~ {}*", visible_start(line))),
        }
    }

    /// Notes a line of the server; whether a handshake follows it.
    fn server_line(&mut self, line: &[u8]) -> bool {
        let text = line.strip_suffix(b"\r\n").filter(|_| is_plain(line));
        match text.and_then(|text| std::str::from_utf8(text).ok()) {
            Some("") => self.write("S:"),
            Some(text) => self.write(&format!("S: {text}")),
            None => self.write(&format!("[raw {}]", Escaped(line))),
        }
        let last = line.get(3) != Some(&b'-');
        match line.get(..3) {
            Some(b"334") if last => self.due = Due::Secret,
            Some(b"354") if last && self.verb == "DATA" => self.due = Due::Text,
            Some(b"220") if last && self.verb == "STARTTLS" => {
                self.verb.clear();
                return true;
            }
            _ => {}
        }
        false
    }
}

/// Whether a script can have this line as it is.
fn is_plain(line: &[u8]) -> bool {
    let body = line.strip_suffix(b"\r\n").unwrap_or(line);
    std::str::from_utf8(body).is_ok_and(|text| !text.chars().any(char::is_control))
}

/// What stands before the first octet that a script cannot have, or that means something in it.
fn visible_start(line: &[u8]) -> String {
    let start = line.iter().take_while(|octet| matches!(octet, b' '..=b'~') && **octet != b'*');
    start.map(|octet| char::from(*octet)).collect()
}

#[cfg(test)]
mod tests;
