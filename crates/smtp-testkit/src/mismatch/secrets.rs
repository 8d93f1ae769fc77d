//! Hides what a client sends with AUTH, for reports that others may see.

use crate::report::{Line, Speaker};

/// What replaces the arguments of AUTH and the responses.
const MARK: &[u8] = b"***\r\n";

/// Hides the secrets in a dialogue. Returns the lines that had one, each with what replaces it.
pub(super) fn hide(dialogue: &mut [Line]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut hidden = Vec::new();
    let mut is_response = false;
    for line in dialogue {
        match line.speaker {
            Speaker::Server => is_response = line.octets.starts_with(b"334"),
            Speaker::Client => {
                let Some(shown) = without_secret(&line.octets, &mut is_response) else { continue };
                hidden.push((std::mem::replace(&mut line.octets, shown.clone()), shown));
            }
            Speaker::Stage => {}
        }
    }
    hidden
}

/// Hides the same lines in other octets.
pub(super) fn hide_lines(octets: &mut Vec<u8>, hidden: &[(Vec<u8>, Vec<u8>)]) {
    let lines = octets.split_inclusive(|octet| *octet == b'\n').flat_map(|line| {
        let found = hidden.iter().find(|(secret, _)| secret == line);
        found.map_or(line, |(_, shown)| shown)
    });
    *octets = lines.copied().collect();
}

/// Returns a line of the client without its secret, if it has one.
fn without_secret(line: &[u8], is_response: &mut bool) -> Option<Vec<u8>> {
    if *is_response {
        return (line != b"*\r\n").then(|| MARK.to_vec());
    }
    let text = line.trim_ascii();
    if !text.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH")) {
        return None;
    }
    let mut words = text.splitn(3, |octet| *octet == b' ');
    // A response, or a further one, may follow before the challenge.
    *is_response = true;
    let (verb, mechanism) = (words.next()?, words.next().unwrap_or_default());
    if words.next().is_some() {
        return Some([verb, b" ", mechanism, b" ", MARK].concat());
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn responses_that_do_not_wait_are_hidden() {
        let line = |octets: &str| Line {
            speaker: Speaker::Client,
            octets: octets.as_bytes().to_vec(),
            omitted: 0,
            elapsed: Duration::ZERO,
            script_line: None,
        };
        for first in ["AUTH LOGIN\r\n", "AUTH LOGIN dGlt\r\n"] {
            let mut dialogue = [line(first), line("aHVudGVyMg==\r\n")];
            hide(&mut dialogue);
            assert_eq!(dialogue[1].octets, MARK, "{first}");
        }
    }
}
