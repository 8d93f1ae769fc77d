//! Sending: what a message to the sink costs each client.

use std::collections::HashMap;

use super::figures::{Figure, Section, Unit};
use super::programs::{Programs, Sink, number};

/// A message, and how it is measured.
struct Case {
    name: &'static str,
    size: usize,
    sink: Kind,
    /// The number of messages that are counted; 0 where only the speed matters.
    counted: u64,
    /// Whether memory is measured.
    memory: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Prompt,
    /// With delayed acknowledgments, which clients that wait for them notice.
    Plain,
    /// Each reply in a write of its own, and held back until the one before is acknowledged.
    Held,
    Tls,
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

const CASES: &[Case] = &[
    Case { name: "send-1-kib", size: KIB, sink: Kind::Prompt, counted: 100, memory: false },
    Case { name: "send-1-kib-tls", size: KIB, sink: Kind::Tls, counted: 50, memory: false },
    Case { name: "send-100-kib", size: 100 * KIB, sink: Kind::Prompt, counted: 20, memory: false },
    Case { name: "send-100-kib-tls", size: 100 * KIB, sink: Kind::Tls, counted: 10, memory: false },
    Case { name: "send-1-mib", size: MIB, sink: Kind::Prompt, counted: 5, memory: false },
    Case { name: "send-50-mib", size: 50 * MIB, sink: Kind::Prompt, counted: 0, memory: true },
    Case { name: "send-50-mib-tls", size: 50 * MIB, sink: Kind::Tls, counted: 0, memory: true },
    Case { name: "delayed-ack", size: KIB, sink: Kind::Plain, counted: 0, memory: false },
    Case { name: "held-replies", size: KIB, sink: Kind::Held, counted: 0, memory: false },
];

/// Connections that do nothing: the name of the case, how many there are, and their sink.
const IDLE: &[(&str, &str, Kind)] =
    &[("open-1000", "1000", Kind::Prompt), ("open-tls-1000", "1000", Kind::Tls)];

/// The clients with a connection of their own for each value, so that its memory can be counted.
const WITH_CONNECTION: &[&str] = &["ours, DATA", "lettre", "mail-send", "async-smtp", "daaki-smtp"];

const OPENED: Unit = Unit { name: "KiB, opened", places: 1, compared: true };
const USED: Unit = Unit { name: "KiB, after a message", places: 1, compared: true };

const ALLOCATIONS: Unit = Unit { name: "allocations", places: 1, compared: false };
const WRITES: Unit = Unit { name: "writes", places: 1, compared: false };
const READS: Unit = Unit { name: "reads", places: 1, compared: false };

pub(super) fn measure(
    programs: &Programs,
    wanted: impl Fn(&str) -> bool,
) -> Result<Section, String> {
    let mut section = Section::default();
    for case in CASES.iter().filter(|case| wanted(case.name)) {
        measure_case(programs, case, &mut section)?;
    }
    for (name, connections, kind) in IDLE.iter().filter(|(name, ..)| wanted(name)) {
        let (_sink, target) = kind.start(programs)?;
        for peer in WITH_CONNECTION {
            let words = ["idle", peer, connections, &target];
            let lines = programs.lines("deliver", &words)?;
            let cells = lines.first().ok_or("bench: deliver printed no figures")?;
            for (unit, kib) in [OPENED, USED].into_iter().zip(cells) {
                let (name, peer, value) = ((*name).into(), (*peer).into(), Some(number(kib)));
                section.push(Figure { name, peer, unit, value, ratio: None });
            }
        }
    }
    Ok(section)
}

impl Kind {
    /// Starts a sink of this kind, and returns it with the target that leads to it.
    fn start(self, programs: &Programs) -> Result<(Sink, String), String> {
        let pace = match self {
            Self::Tls => return programs.tls_sink(),
            Self::Prompt => "prompt",
            Self::Plain => "plain",
            Self::Held => "held",
        };
        let sink = programs.sink(&[pace])?;
        let port = sink.port.clone();
        Ok((sink, port))
    }
}

fn measure_case(programs: &Programs, case: &Case, section: &mut Section) -> Result<(), String> {
    let (_sink, target) = case.sink.start(programs)?;
    let bench = Bench { programs, case, size: case.size.to_string(), target };
    let speeds = bench.table("deliver", &["speed", &bench.size, &bench.target])?;
    let allocations = bench.allocations()?;
    for peer in bench.peers()? {
        let mut push = |unit, value: Option<f64>, ratio| {
            let (name, peer) = (case.name.to_owned(), peer.clone());
            section.push(Figure { name, peer, unit, value, ratio });
        };
        let speed = speeds.get(&peer);
        let rate = speed.map(|cells| 1.0 / number(&cells[0]));
        let ratio = speed.and_then(|cells| cells.get(1)).map(|ratio| 1.0 / number(ratio));
        match case.size {
            size if size >= 50 * MIB => {
                push(Unit::MEGABYTES, rate.map(|rate| rate * size as f64 / 1e6), ratio);
            }
            _ => push(Unit::MESSAGES, rate, ratio),
        }
        let can = speed.is_some();
        if case.counted > 0 {
            push(Unit::INSTRUCTIONS, if can { bench.instructions(&peer)? } else { None }, None);
            let asked = allocations.get(&peer).map(|cells| number(&cells[0]));
            push(ALLOCATIONS, asked.filter(|_| peer != EXTERNAL), None);
            let calls = if can { bench.system_calls(&peer)? } else { [None; 3] };
            for (unit, calls) in [Unit::SYSTEM_CALLS, WRITES, READS].into_iter().zip(calls) {
                push(unit, calls, None);
            }
        }
        if case.memory {
            let known = can && peer != EXTERNAL;
            push(Unit::MEMORY, if known { bench.memory(&peer)? } else { None }, None);
        }
    }
    Ok(())
}

/// The client that is a program of its own, whose memory this process cannot measure.
const EXTERNAL: &str = "smtp-source";

/// One case, with its sink.
struct Bench<'a> {
    programs: &'a Programs,
    case: &'a Case,
    size: String,
    target: String,
}

impl Bench<'_> {
    /// All clients, including those that cannot do this case.
    fn peers(&self) -> Result<Vec<String>, String> {
        let listed = self.programs.lines("deliver", &["list"])?;
        Ok(listed.into_iter().filter_map(|cells| cells.into_iter().next()).collect())
    }

    /// The columns that a program prints, by client.
    fn table(&self, program: &str, words: &[&str]) -> Result<HashMap<String, Vec<String>>, String> {
        let lines = self.programs.lines(program, words)?;
        Ok(lines.into_iter().map(|mut cells| (cells.remove(0), cells)).collect())
    }

    fn allocations(&self) -> Result<HashMap<String, Vec<String>>, String> {
        if self.case.counted == 0 {
            return Ok(HashMap::new());
        }
        let words = [&self.size[..], &self.case.counted.to_string(), &self.target];
        self.table("allocations", &words)
    }

    /// Instructions per message: the difference between a run and one with twice as many messages.
    fn instructions(&self, peer: &str) -> Result<Option<f64>, String> {
        let counted = |messages: u64| {
            let words = ["send", peer, &self.size, &messages.to_string(), &self.target];
            self.programs.instructions("deliver", &words)
        };
        let Some(once) = counted(self.case.counted)? else { return Ok(None) };
        let twice = counted(2 * self.case.counted)?;
        Ok(twice.map(|twice| (twice - once) / self.case.counted as f64))
    }

    /// System calls per message: all, writes, reads.
    fn system_calls(&self, peer: &str) -> Result<[Option<f64>; 3], String> {
        // More than for the profiler, because the number of waits varies.
        let messages = 5 * self.case.counted;
        let counted = |messages: u64| {
            let words = ["send", peer, &self.size, &messages.to_string(), &self.target];
            self.programs.system_calls("deliver", &words)
        };
        let (Some(once), Some(twice)) = (counted(messages)?, counted(2 * messages)?) else {
            return Ok([None; 3]);
        };
        let more = |counts: &dyn Fn(&str) -> bool| {
            let sum = |calls: &HashMap<String, f64>| -> f64 {
                calls.iter().filter(|(name, _)| counts(name)).map(|(_, calls)| calls).sum()
            };
            Some((sum(&twice) - sum(&once)) / messages as f64)
        };
        let writes = ["write", "writev", "sendto", "sendmsg"];
        let reads = ["read", "readv", "recvfrom", "recvmsg"];
        Ok([
            more(&|_| true),
            more(&|name| writes.contains(&name)),
            more(&|name| reads.contains(&name)),
        ])
    }

    fn memory(&self, peer: &str) -> Result<Option<f64>, String> {
        let lines = self.programs.lines("deliver", &["memory", peer, &self.size, &self.target])?;
        Ok(lines.first().and_then(|cells| cells.first()).map(|cell| number(cell)))
    }
}
