//! What the client of a script does, one move after the other.
use smtp_testkit::{Event, Matching, Script};

/// A move of the client, and the line of the script where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) line: usize,
    pub(super) what: Move,
}

/// What the client does, or expects of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// The client writes.
    Write(Written),
    /// The server sends a line, which has its line end unless the script has only a part of it.
    Read(Vec<u8>),
    /// A TLS handshake.
    Handshake,
    /// A TLS handshake that the server ends.
    FailedHandshake,
    /// The server closes its side.
    ServerCloses,
    /// The client closes its side.
    ClientCloses,
}

/// What the client writes, and how it is shown: secrets are in the octets only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) octets: Vec<u8>,
    pub(super) shown: Vec<String>,
}

/// What the script leaves open.
pub(super) struct Open<'o> {
    /// The message for `[text]`, with its end mark.
    pub(super) text: &'o [u8],
    /// What stands for each `*` of a `C~` line, in order.
    pub(super) fillings: &'o mut dyn Iterator<Item = String>,
}

/// A `C~` line for which nothing was given: its number and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfilled {
    pub(super) line: usize,
    pub(super) pattern: String,
}

/// Returns the moves of the client of a script.
pub(super) fn moves(script: &Script, open: &mut Open<'_>) -> Result<Vec<Step>, Unfilled> {
    let mut steps = Vec::new();
    // Octets of the server that are no whole line yet.
    let mut part: Option<(usize, Vec<u8>)> = None;
    for entry in script.entries() {
        let (line, event) = (entry.line, &entry.event);
        if let Event::Server(octets) | Event::Raw(octets) = event {
            let (began, mut all) = part.take().unwrap_or((line, Vec::new()));
            all.extend_from_slice(octets);
            let end = all.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
            let rest = all.split_off(end);
            for read in all.split_inclusive(|octet| *octet == b'\n') {
                steps.push(Step { line: began, what: Move::Read(read.to_vec()) });
            }
            part = (!rest.is_empty()).then_some((if end > 0 { line } else { began }, rest));
            continue;
        }
        // How the server times and cuts its octets is not for the client to see.
        if matches!(event, Event::Split(_) | Event::Dribble { .. } | Event::Delay(_)) {
            continue;
        }
        if let Some((line, rest)) = part.take() {
            steps.push(Step { line, what: Move::Read(rest) });
        }
        match event {
            Event::Client { octets, matching } => {
                let octets = match matching {
                    Matching::Glob => filled(line, octets, open)?,
                    _ => octets.clone(),
                };
                write(&mut steps, line, octets, event.to_string());
            }
            Event::Text => write(&mut steps, line, open.text.to_vec(), event.to_string()),
            Event::Chunk(size) => write(&mut steps, line, chunk(*size), event.to_string()),
            other => steps.extend(other_move(other).map(|what| Step { line, what })),
        }
    }
    steps.extend(part.map(|(line, rest)| Step { line, what: Move::Read(rest) }));
    Ok(steps)
}

fn other_move(event: &Event) -> Option<Move> {
    Some(match event {
        Event::Tls | Event::StartTls => Move::Handshake,
        Event::TlsAbort => Move::FailedHandshake,
        Event::Close | Event::Abort | Event::Reset | Event::HalfClose => Move::ServerCloses,
        // A server that does nothing any more waits for the client to give up.
        Event::ExpectClose | Event::Stall => Move::ClientCloses,
        _ => return None,
    })
}

/// Adds octets to a write; adjacent lines of the client are one write.
fn write(steps: &mut Vec<Step>, line: usize, octets: Vec<u8>, shown: String) {
    if let Some(Step { what: Move::Write(before), .. }) = steps.last_mut() {
        before.octets.extend(octets);
        before.shown.push(shown);
    } else {
        let what = Move::Write(Written { octets, shown: vec![shown] });
        steps.push(Step { line, what });
    }
}

/// Puts what was given in the place of each `*`.
fn filled(line: usize, pattern: &[u8], open: &mut Open<'_>) -> Result<Vec<u8>, Unfilled> {
    let mut octets = Vec::new();
    let mut parts = pattern.split(|octet| *octet == b'*');
    octets.extend_from_slice(parts.next().unwrap_or_default());
    for part in parts {
        let filling = open.fillings.next().ok_or_else(|| Unfilled {
            line,
            pattern: String::from_utf8_lossy(pattern).trim_end().to_owned(),
        })?;
        octets.extend_from_slice(filling.as_bytes());
        octets.extend_from_slice(part);
    }
    Ok(octets)
}

/// Returns a chunk of this size: a header field if there is room for one, and lines of text.
fn chunk(size: usize) -> Vec<u8> {
    const HEADER: &[u8] = b"Subject: smtpkit drive\r\n\r\n";
    const LINE: &[u8] = b"This line stands for the octets of a chunk that was recorded.\r\n";
    let mut octets = Vec::with_capacity(size);
    if size >= HEADER.len() {
        octets.extend_from_slice(HEADER);
    }
    while octets.len() + LINE.len() <= size {
        octets.extend_from_slice(LINE);
    }
    let missing = size - octets.len();
    if missing >= 2 {
        octets.resize(size - 2, b'x');
        octets.extend_from_slice(b"\r\n");
    }
    octets.resize(size, b'x');
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(script: &str, fillings: &[&str], expected: Result<&[(usize, &str)], usize>) {
        let script: Script = script.parse().unwrap();
        let mut fillings = fillings.iter().map(|filling| (*filling).to_owned());
        let mut open = Open { text: b"hi\r\n.\r\n", fillings: &mut fillings };
        let moves = moves(&script, &mut open).map_err(|unfilled| unfilled.line);
        let shown = moves.map(|steps| {
            let shown = steps.iter().map(|Step { line, what }| {
                let what = match what {
                    Move::Write(written) => {
                        format!("C {}", String::from_utf8_lossy(&written.octets))
                    }
                    Move::Read(octets) => format!("S {}", String::from_utf8_lossy(octets)),
                    other => format!("{other:?}"),
                };
                (*line, what)
            });
            shown.collect::<Vec<_>>()
        });
        let expected = expected.map(|steps| {
            steps.iter().map(|(line, what)| (*line, (*what).to_owned())).collect::<Vec<_>>()
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn adjacent_lines_of_the_client_are_one_write() {
        check(
            "S: 220 a\nC: MAIL\nC: DATA\nS: 250 b\nS: 354 c\n[text]\nS: 250 d\n[close]",
            &[],
            Ok(&[
                (1, "S 220 a\r\n"),
                (2, "C MAIL\r\nDATA\r\n"),
                (4, "S 250 b\r\n"),
                (5, "S 354 c\r\n"),
                (6, "C hi\r\n.\r\n"),
                (7, "S 250 d\r\n"),
                (8, "ServerCloses"),
            ]),
        );
    }

    #[test]
    fn stars_are_filled_in_order() {
        check(
            "C~ AUTH LOGIN *\nS: 334 x\nC~ *",
            &["dGlt", "c2VjcmV0"],
            Ok(&[(1, "C AUTH LOGIN dGlt\r\n"), (2, "S 334 x\r\n"), (3, "C c2VjcmV0\r\n")]),
        );
        check("C~ A *\nS: 334 x\nC~ *", &["dGlt"], Err(3));
    }

    #[test]
    fn raw_octets_make_lines() {
        check(
            "[raw \"220 \"]\n[raw \"a\\r\\n250\"]\n[delay 1s]\nC: X\n[tls-abort]",
            &[],
            Ok(&[(1, "S 220 a\r\n"), (2, "S 250"), (4, "C X\r\n"), (5, "FailedHandshake")]),
        );
    }

    #[test]
    fn a_chunk_has_its_size() {
        for size in [0, 1, 2, 25, 26, 100, 1000] {
            assert_eq!(chunk(size).len(), size);
        }
    }
}
