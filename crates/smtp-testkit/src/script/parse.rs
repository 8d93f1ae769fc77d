//! Parses the text of a script, and checks the order of its lines.

use super::{Entry, Event, ScriptError, ScriptErrorKind, direction};
use crate::matching::Matching;

/// Parses a whole script.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, ScriptError> {
    let (entries, last) = read(text, Order::default())?;
    match last {
        Some((line, event @ (Event::Split(_) | Event::Dribble { .. }))) => {
            Err(ScriptError::new(line, &event.to_string(), ScriptErrorKind::SplitWithoutReply))
        }
        _ => Ok(entries),
    }
}

/// Parses an answer: what the server does instead of its usual reply.
pub(crate) fn answer(text: &str) -> Result<Vec<Entry>, ScriptError> {
    read(text, Order { answers: true, ..Order::default() }).map(|(entries, _)| entries)
}

type Last = Option<(usize, Event)>;

fn read(text: &str, mut order: Order) -> Result<(Vec<Entry>, Last), ScriptError> {
    let mut entries = Vec::new();
    for (line, text) in text.split('\n').enumerate().map(|(index, text)| (index + 1, text)) {
        let text = text.strip_suffix('\r').unwrap_or(text).trim_start_matches([' ', '\t']);
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let event = event(text).map_err(|kind| ScriptError::new(line, text, kind))?;
        order.admit(&event).map_err(|kind| ScriptError::new(line, text, kind))?;
        order.last = Some((line, event.clone()));
        entries.push(Entry { line, event });
    }
    Ok((entries, order.last))
}

fn event(text: &str) -> Result<Event, ScriptErrorKind> {
    if text.starts_with('[') {
        return direction::event(text);
    }
    for (prefix, speaker) in [
        ("S:", None),
        ("C:", Some(Matching::Exact)),
        ("C|", Some(Matching::Group)),
        ("C~", Some(Matching::Glob)),
    ] {
        let Some(rest) = text.strip_prefix(prefix) else { continue };
        let line = match rest.strip_prefix(' ') {
            Some(line) => line,
            None if rest.is_empty() => rest,
            None => return Err(ScriptErrorKind::MissingSpace { prefix }),
        };
        let octets = [line.as_bytes(), b"\r\n"].concat();
        return Ok(match speaker {
            Some(matching) => Event::Client { octets, matching },
            None => Event::Server(octets),
        });
    }
    Err(ScriptErrorKind::UnknownLine)
}

/// What may follow the lines so far.
#[derive(Default)]
struct Order {
    /// The text is an answer: only the server acts, and `[usual]` is allowed.
    answers: bool,
    usual: bool,
    last: Last,
    tls: bool,
    server_done: bool,
    client_done: bool,
}

impl Order {
    fn admit(&mut self, event: &Event) -> Result<(), ScriptErrorKind> {
        match &self.last {
            Some((_, last)) if ends_connection(last) => {
                return Err(ScriptErrorKind::AfterTheEnd { last: last.to_string() });
            }
            Some((_, Event::Split(_) | Event::Dribble { .. }))
                if !matches!(event, Event::Server(_) | Event::Usual) =>
            {
                return Err(ScriptErrorKind::SplitWithoutReply);
            }
            _ => {}
        }
        match event {
            Event::Usual if self.usual || !self.answers => {
                return Err(ScriptErrorKind::UsualMisplaced);
            }
            Event::Tls | Event::Text | Event::Chunk(_) | Event::ExpectClose if self.answers => {
                return Err(ScriptErrorKind::NotAnAnswer);
            }
            Event::Client { .. } if self.answers => return Err(ScriptErrorKind::NotAnAnswer),
            Event::Tls if self.last.is_some() => return Err(ScriptErrorKind::TlsNotFirst),
            Event::StartTls | Event::TlsAbort if self.tls => {
                return Err(ScriptErrorKind::TlsTwice);
            }
            _ => {}
        }
        if self.server_done && server_writes(event) {
            return Err(ScriptErrorKind::AfterHalfClose);
        }
        if self.client_done && client_writes(event) {
            return Err(ScriptErrorKind::AfterExpectClose);
        }
        self.usual |= matches!(event, Event::Usual);
        self.tls |= matches!(event, Event::Tls | Event::StartTls);
        self.server_done |= matches!(event, Event::HalfClose);
        self.client_done |= matches!(event, Event::ExpectClose);
        Ok(())
    }
}

fn ends_connection(event: &Event) -> bool {
    matches!(event, Event::Close | Event::Abort | Event::Reset | Event::Stall | Event::TlsAbort)
}

fn server_writes(event: &Event) -> bool {
    matches!(
        event,
        Event::Server(_)
            | Event::Raw(_)
            | Event::Split(_)
            | Event::Dribble { .. }
            | Event::StartTls
            | Event::HalfClose
    )
}

fn client_writes(event: &Event) -> bool {
    matches!(event, Event::Client { .. } | Event::Text | Event::Chunk(_) | Event::StartTls)
}
