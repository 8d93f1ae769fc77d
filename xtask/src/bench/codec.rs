//! The codec's cases: instructions, time and allocations of one call.

use super::figures::{Figure, Section, Unit};
use super::programs::{Programs, number};

const INSTRUCTIONS: Unit = Unit { name: "instructions", places: 0, compared: true };
const ALLOCATIONS: Unit = Unit { name: "allocations", places: 0, compared: false };
const NANOSECONDS: Unit = Unit { name: "ns", places: 0, compared: true };

pub(super) fn measure(
    programs: &Programs,
    wanted: impl Fn(&str) -> bool,
) -> Result<Section, String> {
    let listed = programs.lines("smtp-bench", &["list"])?;
    let mut rows: Vec<Row> = listed.iter().filter_map(|cells| Row::listed(cells)).collect();
    rows.retain(|row| wanted(&row.case));
    let mut section = Section::default();
    if rows.is_empty() {
        return Ok(section);
    }
    time(programs, &mut rows)?;
    allocations(programs, &mut rows)?;
    for row in &rows {
        let instructions = instructions(programs, row)?;
        for (unit, value, ratio) in [
            (INSTRUCTIONS, instructions, None),
            (ALLOCATIONS, row.allocations, None),
            (NANOSECONDS, row.nanoseconds, row.time_ratio),
        ] {
            let (name, peer) = (row.case.clone(), row.peer.clone());
            section.push(Figure { name, peer, unit, value, ratio });
        }
    }
    Ok(section)
}

/// What one call of a case costs with one peer.
struct Row {
    case: String,
    peer: String,
    /// The number of calls that the profiler counts.
    calls: u64,
    nanoseconds: Option<f64>,
    /// The median of the ratios of all rounds, and not the ratio of the medians.
    time_ratio: Option<f64>,
    allocations: Option<f64>,
}

impl Row {
    fn listed(cells: &[String]) -> Option<Self> {
        let [case, peer, calls] = cells else { return None };
        Some(Self {
            case: case.clone(),
            peer: peer.clone(),
            calls: calls.parse().ok()?,
            nanoseconds: None,
            time_ratio: None,
            allocations: None,
        })
    }
}

fn time(programs: &Programs, rows: &mut [Row]) -> Result<(), String> {
    let mut cases: Vec<String> = rows.iter().map(|row| row.case.clone()).collect();
    cases.dedup();
    for case in cases {
        for cells in programs.lines("smtp-bench", &["time", &case])? {
            let [case, peer, nanoseconds, ratio] = &cells[..] else { continue };
            if let Some(row) = find(rows, case, peer) {
                row.nanoseconds = Some(number(nanoseconds));
                row.time_ratio = Some(number(ratio));
            }
        }
    }
    Ok(())
}

fn allocations(programs: &Programs, rows: &mut [Row]) -> Result<(), String> {
    for cells in programs.lines("allocations", &[])? {
        let [case, peer, allocations] = &cells[..] else { continue };
        if let Some(row) = find(rows, case, peer) {
            row.allocations = Some(number(allocations));
        }
    }
    Ok(())
}

/// Instructions per call: the difference between a run and one with twice as many calls, so that
/// starting the program and making the input do not count.
fn instructions(programs: &Programs, row: &Row) -> Result<Option<f64>, String> {
    let counted = |calls: u64| {
        let words = ["count", &row.case, &row.peer, &calls.to_string()];
        programs.instructions("smtp-bench", &words)
    };
    let Some(once) = counted(row.calls)? else { return Ok(None) };
    let twice = counted(2 * row.calls)?;
    Ok(twice.map(|twice| (twice - once) / row.calls as f64))
}

fn find<'a>(rows: &'a mut [Row], case: &str, peer: &str) -> Option<&'a mut Row> {
    rows.iter_mut().find(|row| row.case == case && row.peer == peer)
}
