//! What a server does in place of its usual reply.

use std::str::FromStr;

use crate::script::{Entry, Event, ScriptError, parse};

/// What a rule makes the server do: a piece of a script with the server's lines only.
///
/// `S:` lines are the reply, `[usual]` is the reply that would have been given, and the stage
/// directions `[delay]`, `[split]`, `[dribble]`, `[raw]`, `[starttls]`, `[tls-abort]`, `[half-close]`, `[stall]`,
/// `[close]`, `[abort]` and `[reset]` do what they do in a [script](crate#the-format-of-scripts).
/// An answer that neither replies nor ends the connection is followed by the usual reply.
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
    /// A reply as it is: each line of `text` is one of the server's, whatever it says.
    pub fn reply(text: &str) -> Self {
        let entry = |(index, line): (usize, &str)| Entry {
            line: index + 1,
            event: Event::Server([line.as_bytes(), b"\r\n"].concat()),
        };
        Self { entries: text.lines().enumerate().map(entry).collect() }
    }

    /// The same, and then the server closes, unless the usual reply is given.
    pub(crate) fn then_close(mut self) -> Self {
        if !self.gives_usual() {
            let line = self.entries.last().map_or(1, |entry| entry.line + 1);
            self.entries.push(Entry { line, event: Event::Close });
        }
        self
    }

    /// Whether the usual reply is given: where `[usual]` stands, or because nothing else is.
    pub(crate) fn gives_usual(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.event, Event::Usual)) || !self.settles()
    }

    pub(crate) fn starts_tls(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.event, Event::StartTls))
    }

    fn settles(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| !matches!(entry.event, Event::Delay(_) | Event::Split(_) | Event::Usual))
    }

    /// The code that the client is told first, where the usual reply has the code `usual`.
    pub(crate) fn told(&self, usual: u16) -> Option<u16> {
        let (before, after) = self.around_usual();
        let usual = self.gives_usual().then_some(usual);
        code(before).or(usual).or_else(|| code(after))
    }

    /// What happens before the usual reply, and what after it.
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
