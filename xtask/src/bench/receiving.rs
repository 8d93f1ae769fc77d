//! Receiving: what a message costs each server, from one generator of load.

use std::collections::HashMap;

use super::figures::{Figure, Section, Unit};
use super::programs::{Programs, number};

/// A message, and how it is sent.
struct Case {
    name: &'static str,
    size: &'static str,
    connections: &'static str,
    /// Whether the client waits for each reply, or groups commands.
    pace: &'static str,
    measured: Measured,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Measured {
    Speed,
    /// Instructions and system calls as well.
    Counts,
    /// Octets instead of messages, and memory.
    Large,
}

const CASES: &[Case] = &[
    small("receive-1-kib-1", "1", "each", Measured::Counts),
    small("receive-1-kib-grouped-1", "1", "grouped", Measured::Counts),
    small("receive-1-kib-10", "10", "each", Measured::Speed),
    small("receive-1-kib-100", "100", "each", Measured::Speed),
    small("receive-1-kib-1000", "1000", "each", Measured::Speed),
    small("receive-1-kib-grouped-10", "10", "grouped", Measured::Speed),
    small("receive-1-kib-grouped-1000", "1000", "grouped", Measured::Speed),
    Case {
        name: "receive-50-mib",
        size: "52428800",
        connections: "1",
        pace: "each",
        measured: Measured::Large,
    },
];

const fn small(
    name: &'static str,
    connections: &'static str,
    pace: &'static str,
    measured: Measured,
) -> Case {
    Case { name, size: "1024", connections, pace, measured }
}

/// Connections that do nothing: the name of the case, what `load` calls it, and how many there are.
const IDLE: &[(&str, &str, &str)] = &[
    ("idle-1000", "idle", "1000"),
    ("idle-10000", "idle", "10000"),
    ("idle-tls-1000", "idle-tls", "1000"),
    ("idle-tls-10000", "idle-tls", "10000"),
];

/// The messages that are counted.
const COUNTED: u64 = 500;

const SPENT: Unit = Unit { name: "processor µs", places: 1, compared: true };
const GREETED: Unit = Unit { name: "KiB, greeted", places: 1, compared: true };
const BEGUN: Unit = Unit { name: "KiB, after MAIL", places: 1, compared: true };

pub(super) fn measure(
    programs: &Programs,
    wanted: impl Fn(&str) -> bool,
) -> Result<Section, String> {
    let mut section = Section::default();
    for case in CASES.iter().filter(|case| wanted(case.name)) {
        measure_case(programs, case, &mut section)?;
    }
    for (name, kind, connections) in IDLE.iter().filter(|(name, ..)| wanted(name)) {
        for cells in programs.lines("load", &[kind, connections])? {
            let [peer, greeted, begun] = &cells[..] else { continue };
            for (unit, kib) in [(GREETED, greeted), (BEGUN, begun)] {
                let (name, peer, value) = ((*name).to_owned(), peer.clone(), Some(number(kib)));
                section.push(Figure { name, peer, unit, value, ratio: None });
            }
        }
    }
    Ok(section)
}

fn measure_case(programs: &Programs, case: &Case, section: &mut Section) -> Result<(), String> {
    let speeds = programs.lines("load", &["speed", case.size, case.connections, case.pace])?;
    let memory: HashMap<String, f64> = match case.measured {
        Measured::Large => {
            let lines = programs.lines("load", &["memory", case.size])?;
            lines
                .iter()
                .filter_map(|cells| Some((cells.first()?.clone(), number(cells.get(1)?))))
                .collect()
        }
        _ => HashMap::new(),
    };
    for cells in programs.lines("load", &["list"])? {
        let [peer, counts] = &cells[..] else { continue };
        let speed = speeds.iter().find(|cells| cells.first() == Some(peer));
        let figure = |column: usize| speed.and_then(|cells| cells.get(column)).map(|it| number(it));
        let mut push = |unit, value, ratio| {
            let (name, peer) = (case.name.to_owned(), peer.clone());
            section.push(Figure { name, peer, unit, value, ratio });
        };
        let (rate, ratio) = (figure(1).map(f64::recip), figure(2).map(f64::recip));
        if case.measured == Measured::Large {
            let octets = number(case.size);
            push(Unit::MEGABYTES, rate.map(|rate| rate * octets / 1e6), ratio);
        } else {
            push(Unit::MESSAGES, rate, ratio);
            push(SPENT, figure(3).map(|seconds| seconds * 1e6), figure(4));
        }
        match case.measured {
            Measured::Large => push(Unit::MEMORY, memory.get(peer).copied(), None),
            Measured::Counts => {
                let can = counts == "true" && speed.is_some();
                let instructions = if can { instructions(programs, case, peer)? } else { None };
                push(Unit::INSTRUCTIONS, instructions, None);
                let calls = if can { system_calls(programs, case, peer)? } else { None };
                push(Unit::SYSTEM_CALLS, calls, None);
            }
            Measured::Speed => {}
        }
    }
    Ok(())
}

/// Instructions per message: the difference between a run and one with twice as many messages.
fn instructions(programs: &Programs, case: &Case, peer: &str) -> Result<Option<f64>, String> {
    difference(|messages| programs.server_instructions(&words(case, peer, &messages.to_string())))
}

/// System calls per message, in the same way.
fn system_calls(programs: &Programs, case: &Case, peer: &str) -> Result<Option<f64>, String> {
    difference(|messages| {
        let calls = programs.server_system_calls(&words(case, peer, &messages.to_string()))?;
        Ok(calls.map(|calls| calls.values().sum()))
    })
}

fn words<'a>(case: &Case, peer: &'a str, messages: &'a str) -> [&'a str; 5] {
    ["count", peer, case.size, messages, case.pace]
}

fn difference(counted: impl Fn(u64) -> Result<Option<f64>, String>) -> Result<Option<f64>, String> {
    let Some(once) = counted(COUNTED)? else { return Ok(None) };
    let twice = counted(2 * COUNTED)?;
    Ok(twice.map(|twice| (twice - once) / COUNTED as f64))
}
