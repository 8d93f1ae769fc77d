//! Answers: what a server does instead of its usual reply.

use std::str::FromStr;

use crate::script::{Entry, Event, ScriptError, parse};

/// What a rule makes the server do: a piece of a script that has only lines of the server.
///
/// `S:` lines are the reply, and `[usual]` is the reply that the server would give without the
/// rule. The stage directions `[delay]`, `[split]`, `[dribble]`, `[raw]`, `[starttls]`,
/// `[tls-abort]`, `[half-close]`, `[stall]`, `[close]`, `[abort]` and `[reset]` mean the same as in
/// a [script](crate#the-format-of-scripts). If an answer neither replies nor ends the connection,
/// the usual reply follows it.
///
/// ```
/// use smtp_testkit::Answer;
///
/// let slow: Answer = "[delay 30s]".parse().unwrap();
/// let dribbled: Answer = "[split 1]\n[usual]".parse().unwrap();
/// let busy: Answer = "S: 421 4.3.2 try later\n[close]".parse().unwrap();
/// assert!("C: QUIT".parse::<Answer>().is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub(crate) entries: Vec<Entry>,
}

impl Answer {
    /// Makes an answer of a reply. Each line of `text` is sent as it is, with CRLF.
    pub fn reply(text: &str) -> Self {
        let entry = |(index, line): (usize, &str)| Entry {
            line: index + 1,
            event: Event::Server([line.as_bytes(), b"\r\n"].concat()),
        };
        Self { entries: text.lines().enumerate().map(entry).collect() }
    }

    /// Adds `[close]`, unless the answer gives the usual reply.
    pub(crate) fn then_close(mut self) -> Self {
        if !self.gives_usual() {
            let line = self.entries.last().map_or(1, |entry| entry.line + 1);
            self.entries.push(Entry { line, event: Event::Close });
        }
        self
    }

    /// Returns whether the answer gives the usual reply: it has `[usual]`, or it neither replies
    /// nor ends the connection.
    pub(crate) fn gives_usual(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.event, Event::Usual))
            || !self.replaces_reply()
    }

    pub(crate) fn starts_tls(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.event, Event::StartTls))
    }

    fn replaces_reply(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| !matches!(entry.event, Event::Delay(_) | Event::Split(_) | Event::Usual))
    }

    /// Returns the first code that the client receives, if the usual reply has the code `usual`.
    pub(crate) fn first_code(&self, usual: u16) -> Option<u16> {
        let (before, after) = self.around_usual();
        let usual = self.gives_usual().then_some(usual);
        code(before).or(usual).or_else(|| code(after))
    }

    /// The entries before the usual reply and those after it.
    pub(crate) fn around_usual(&self) -> (&[Entry], &[Entry]) {
        let usual = self.entries.iter().position(|entry| matches!(entry.event, Event::Usual));
        match usual {
            Some(at) => (&self.entries[..at], &self.entries[at + 1..]),
            None => (&self.entries, &[]),
        }
    }
}

fn code(entries: &[Entry]) -> Option<u16> {
    entries.iter().find_map(|entry| match &entry.event {
        Event::Server(octets) | Event::Raw(octets) => {
            std::str::from_utf8(octets.get(..3)?).ok()?.parse().ok()
        }
        _ => None,
    })
}

impl FromStr for Answer {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse::answer(text).map(|entries| Self { entries })
    }
}
