//! Round trips of each client: its time with a sink that delays all replies, divided by the delay.

use super::figures::{Figure, Section, Unit};
use super::programs::{Programs, number};

const ROUND_TRIPS: Unit = Unit { name: "round trips", places: 1, compared: true };

/// Messages on one connection, and recipients of each.
const CASES: &[(u32, u32)] = &[(1, 1), (1, 10), (20, 1), (200, 1)];

/// In milliseconds: so long that all other work hardly counts.
const DELAY: &str = "20";

pub(super) fn measure(
    programs: &Programs,
    wanted: impl Fn(&str) -> bool,
) -> Result<Section, String> {
    let mut section = Section::default();
    for (messages, rcpts) in CASES {
        let name = format!("round-trips-{messages}x{rcpts}");
        if !wanted(&name) {
            continue;
        }
        let sink = programs.sink(&[&format!("late:{DELAY}")])?;
        let (messages, rcpts) = (messages.to_string(), rcpts.to_string());
        let words = ["trips", &messages, &rcpts, DELAY, &sink.port];
        for cells in programs.lines("deliver", &words)? {
            let [peer, trips] = &cells[..] else { continue };
            let value = Some(number(trips));
            let (name, peer) = (name.clone(), peer.clone());
            section.push(Figure { name, peer, unit: ROUND_TRIPS, value, ratio: None });
        }
    }
    Ok(section)
}
