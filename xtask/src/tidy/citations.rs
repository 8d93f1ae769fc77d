//! Checks that sources and documents cite only RFCs that are in force.

use super::Finding;
use super::tree::{File, Tree};

/// A number that must not be cited, and the one that replaces it.
const REPLACED: &[(u32, u32)] = &[
    (821, 5321),
    (822, 5322),
    (1425, 5321),
    (1426, 6152),
    (1652, 6152),
    (1830, 3030),
    (1854, 2920),
    (1869, 5321),
    (1891, 3461),
    (1893, 3463),
    (2476, 6409),
    (2487, 3207),
    (2554, 4954),
    (2821, 5321),
    (2822, 5322),
    (4409, 6409),
    // Not obsolete, but one digit away from MT-PRIORITY, which is meant in this project.
    (6758, 6710),
];

/// What may separate `RFC` from its number, and the numbers of a list.
const SEPARATORS: &[char] =
    &[' ', '\u{a0}', ',', '.', '/', '&', '-', '_', '#', ':', '*', '`', '(', ')', '[', ']'];

/// The address type of delivery status notifications: a name, not a citation.
const ADDRESS_TYPE: &str = "rfc822";

/// A line with this word may name an obsolete number.
const OBSOLETE: &str = "obsolete";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let written = |file: &&File| [".rs", ".md", ".toml"].iter().any(|end| file.path.ends_with(end));
    tree.files().filter(written).flat_map(in_file).collect()
}

fn in_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut pending = false;
    for (number, line) in file.lines() {
        let line = line.to_ascii_lowercase().replace(ADDRESS_TYPE, "");
        let mut cited = cited(&line);
        if pending {
            let start = line.trim_start_matches(|next: char| !next.is_alphanumeric());
            cited.extend(numbers(start));
        }
        pending = line.trim_end().ends_with("rfc");
        if line.contains(OBSOLETE) {
            continue;
        }
        for (old, new) in REPLACED.iter().filter(|(old, _)| cited.contains(old)) {
            let text = format!("RFC {old} is not in force here; cite RFC {new}");
            findings.push(Finding::new(&file.path, number, text));
        }
    }
    findings
}

/// The numbers cited in a line of lower case: `rfc 1`, `rfc1`, `rfcs 1 and 2`, `rfc 1, 2`.
fn cited(line: &str) -> Vec<u32> {
    line.match_indices("rfc").flat_map(|(at, word)| numbers(&line[at + word.len()..])).collect()
}

/// The numbers at the start of `text`, up to the first word that is not part of a list of them.
fn numbers(text: &str) -> Vec<u32> {
    let mut found = Vec::new();
    let mut rest = text.strip_prefix('s').unwrap_or(text);
    loop {
        rest = rest.trim_start_matches(SEPARATORS);
        if let Some(more) = rest.strip_prefix("and ").or_else(|| rest.strip_prefix("or ")) {
            rest = more;
            continue;
        }
        let end = rest.find(|next: char| !next.is_ascii_digit()).unwrap_or(rest.len());
        let Ok(number) = rest[..end].parse() else { return found };
        found.push(number);
        rest = &rest[end..];
    }
}

#[cfg(test)]
mod tests;
