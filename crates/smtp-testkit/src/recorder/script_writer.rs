//! Makes a script of the octets of both sides, without the secrets. It does no I/O.

use std::io;

use super::secrets::Secrets;
use crate::escape::Escaped;
use crate::matching::position;
use crate::message::END_OF_TEXT;

/// The side that sent the octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// A growing script.
#[derive(Default)]
pub(super) struct ScriptWriter {
    script: String,
    from_client: Vec<u8>,
    from_server: Vec<u8>,
    next: Next,
    /// The verb of the last command.
    verb: String,
    secrets: Secrets,
}

/// What the client sends next.
#[derive(Default)]
enum Next {
    #[default]
    Command,
    /// A response of AUTH.
    Secret,
    Text,
    Chunk(usize),
}

impl ScriptWriter {
    /// Adds octets; returns whether a TLS handshake follows them.
    pub(super) fn receive(&mut self, side: Side, octets: &[u8]) -> bool {
        match side {
            Side::Client => {
                self.from_client.extend_from_slice(octets);
                while self.client_piece() {}
                false
            }
            Side::Server => {
                self.from_server.extend_from_slice(octets);
                let mut starts_tls = false;
                while let Some(end) = position(&self.from_server, b"\n") {
                    let line: Vec<u8> = self.from_server.drain(..=end).collect();
                    starts_tls |= self.server_line(&line);
                }
                starts_tls && self.from_server.is_empty()
            }
        }
    }

    /// Records that both sides use TLS from now on.
    pub(super) fn encrypted(&mut self) {
        self.write(if self.script.is_empty() { "[tls]" } else { "[starttls]" });
        self.next = Next::Command;
    }

    /// Records that one side has ended the connection.
    pub(super) fn end(&mut self, side: Side) {
        let rest = std::mem::take(&mut self.from_server);
        if !rest.is_empty() {
            self.write(&format!("[raw {}]", Escaped(&rest)));
        }
        self.write(match side {
            Side::Client => "[expect-close]",
            Side::Server => "[close]",
        });
    }

    /// Records, as a comment, why the recording ends here.
    pub(super) fn failed(&mut self, error: &io::Error) {
        let text = error.to_string();
        let shown: String = text.chars().filter(|char| !char.is_control()).collect();
        self.write(&format!("# the recording ended: {shown}"));
    }

    pub(super) fn script(&self) -> String {
        self.script.clone()
    }

    fn write(&mut self, line: &str) {
        self.script.push_str(line);
        self.script.push('\n');
    }

    /// Consumes one complete piece of the client's octets, if there is one.
    fn client_piece(&mut self) -> bool {
        match self.next {
            Next::Command | Next::Secret => {
                let Some(end) = position(&self.from_client, b"\n") else { return false };
                let line: Vec<u8> = self.from_client.drain(..=end).collect();
                self.client_line(&line);
            }
            Next::Text => {
                let alone = &END_OF_TEXT[b"\r\n".len()..];
                let end = match self.from_client.starts_with(alone) {
                    true => Some(alone.len()),
                    false => {
                        position(&self.from_client, END_OF_TEXT).map(|at| at + END_OF_TEXT.len())
                    }
                };
                let Some(end) = end else { return false };
                self.from_client.drain(..end);
                self.write("[text]");
                self.next = Next::Command;
            }
            Next::Chunk(length) => {
                if self.from_client.len() < length {
                    return false;
                }
                self.from_client.drain(..length);
                self.write(&format!("[chunk {length}]"));
                self.next = Next::Command;
            }
        }
        true
    }

    fn client_line(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r\n").unwrap_or(line)).into_owned();
        if let Next::Secret = self.next {
            // The exchange lasts until the reply that ends it.
            self.secrets.response(text.trim());
            self.write(if text == "*" { "C: *" } else { "C~ *" });
            return;
        }
        // A client that puts a space first is refused, and its secret is one all the same.
        let command = text.trim_start_matches(' ');
        let mut words = command.split(' ');
        let verb = words.next().unwrap_or_default();
        self.verb = verb.to_ascii_uppercase();
        let argument = words.next().unwrap_or_default();
        match (self.verb.as_str(), words.next()) {
            ("AUTH", initial) => {
                self.secrets.begin(argument);
                // Some clients send a response, or a further one, without waiting for the challenge.
                self.next = Next::Secret;
                let Some(first) = initial else {
                    self.write(&format!("C: {text}"));
                    return;
                };
                [first].into_iter().chain(words).for_each(|word| self.secrets.response(word));
                let before = &text[..text.len() - command.len()];
                let opening = format!("C~ {before}{verb} {argument} *");
                self.write(&opening);
                return;
            }
            ("BDAT", _) => {
                if let Ok(length) = argument.parse() {
                    self.next = Next::Chunk(length);
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

    /// Adds a line of the server; returns whether a TLS handshake follows it.
    fn server_line(&mut self, line: &[u8]) -> bool {
        let text = line.strip_suffix(b"\r\n").filter(|_| is_plain(line));
        match text.and_then(|text| std::str::from_utf8(text).ok()) {
            Some("") => self.write("S:"),
            Some(text) => {
                let text = self.secrets.without(text);
                self.write(&format!("S: {text}"));
            }
            None => {
                let line = self.secrets.without_octets(line);
                self.write(&format!("[raw {}]", Escaped(&line)));
            }
        }
        let last = line.get(3) != Some(&b'-');
        if let Next::Secret = self.next
            && last
            && !line.starts_with(b"334")
        {
            self.next = Next::Command;
        }
        match line.get(..3) {
            Some(b"334") if last => self.next = Next::Secret,
            Some(b"354") if last && self.verb == "DATA" => self.next = Next::Text,
            Some(b"220") if last && self.verb == "STARTTLS" => {
                self.verb.clear();
                return true;
            }
            _ => {}
        }
        false
    }
}

/// Returns whether a script can contain this line as it is.
fn is_plain(line: &[u8]) -> bool {
    let body = line.strip_suffix(b"\r\n").unwrap_or(line);
    std::str::from_utf8(body).is_ok_and(|text| !text.chars().any(char::is_control))
}

/// The part of the line before the first octet that a script cannot contain or that has a meaning
/// there.
fn visible_start(line: &[u8]) -> String {
    let start = line.iter().take_while(|octet| matches!(octet, b' '..=b'~') && **octet != b'*');
    start.map(|octet| char::from(*octet)).collect()
}

#[cfg(test)]
mod tests;
