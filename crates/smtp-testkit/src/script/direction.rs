//! Parses stage directions: the lines in square brackets.

use std::time::Duration;

use super::{Event, ScriptErrorKind};
use crate::escape::unescape;

/// Parses a stage direction, including its brackets.
pub(super) fn event(text: &str) -> Result<Event, ScriptErrorKind> {
    let inside = text
        .trim_end()
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or(ScriptErrorKind::UnclosedBracket)?;
    let (name, argument) = match inside.trim().split_once(' ') {
        Some((name, argument)) => (name, Some(argument.trim())),
        None => (inside.trim(), None),
    };
    match name {
        "raw" => raw(argument).map(Event::Raw),
        "split" => {
            count("split", argument).and_then(|n| at_least_one("split", n)).map(Event::Split)
        }
        "chunk" => count("chunk", argument).map(Event::Chunk),
        "delay" => time("delay", argument).map(Event::Delay),
        "dribble" => dribble(argument),
        _ => match (bare(name), argument) {
            (Some((_, event)), None) => Ok(event),
            (Some((name, _)), Some(_)) => Err(ScriptErrorKind::UnexpectedArgument { name }),
            (None, _) => Err(ScriptErrorKind::UnknownDirection { name: name.to_owned() }),
        },
    }
}

/// The stage directions without arguments.
fn bare(name: &str) -> Option<(&'static str, Event)> {
    Some(match name {
        "text" => ("text", Event::Text),
        "tls" => ("tls", Event::Tls),
        "starttls" => ("starttls", Event::StartTls),
        "tls-abort" => ("tls-abort", Event::TlsAbort),
        "close" => ("close", Event::Close),
        "abort" => ("abort", Event::Abort),
        "reset" => ("reset", Event::Reset),
        "half-close" => ("half-close", Event::HalfClose),
        "stall" => ("stall", Event::Stall),
        "expect-close" => ("expect-close", Event::ExpectClose),
        "usual" => ("usual", Event::Usual),
        _ => return None,
    })
}

fn count(name: &'static str, argument: Option<&str>) -> Result<usize, ScriptErrorKind> {
    let needs = "a number of octets";
    let written = argument.ok_or(ScriptErrorKind::MissingArgument { name, needs })?;
    written.parse().map_err(|_| ScriptErrorKind::BadCount { name, written: written.to_owned() })
}

fn at_least_one(name: &'static str, octets: usize) -> Result<usize, ScriptErrorKind> {
    match octets {
        0 => Err(ScriptErrorKind::BadCount { name, written: "0".to_owned() }),
        _ => Ok(octets),
    }
}

fn dribble(argument: Option<&str>) -> Result<Event, ScriptErrorKind> {
    let (octets, every) = match argument.and_then(|argument| argument.split_once(' ')) {
        Some((octets, every)) => (Some(octets), Some(every.trim())),
        None => (argument, None),
    };
    let octets = count("dribble", octets).and_then(|n| at_least_one("dribble", n))?;
    Ok(Event::Dribble { octets, every: time("dribble", every)? })
}

fn time(name: &'static str, argument: Option<&str>) -> Result<Duration, ScriptErrorKind> {
    let needs = "a time such as `10ms`, `30s`, `5m` or `1h`";
    let written = argument.ok_or(ScriptErrorKind::MissingArgument { name, needs })?;
    let bad = || ScriptErrorKind::BadTime { written: written.to_owned() };

    let unit_at = written.find(|char: char| !char.is_ascii_digit()).ok_or_else(bad)?;
    let (number, unit) = written.split_at(unit_at);
    let number: u64 = number.parse().map_err(|_| bad())?;
    let milliseconds_each = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(bad()),
    };
    number.checked_mul(milliseconds_each).map(Duration::from_millis).ok_or_else(bad)
}

fn raw(argument: Option<&str>) -> Result<Vec<u8>, ScriptErrorKind> {
    let needs = "octets in double quotes";
    let quoted = argument.ok_or(ScriptErrorKind::MissingArgument { name: "raw", needs })?;
    let inside = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or(ScriptErrorKind::Unquoted)?;
    unescape(inside).map_err(|escape| ScriptErrorKind::BadEscape { escape })
}
