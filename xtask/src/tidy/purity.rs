//! Which files may do I/O, keep a clock or await; judged by the words of the code alone.

use super::Finding;
use super::lexer::Token;
use super::tree::Tree;

/// The folders that no socket, clock or runtime may enter.
const PURE: &[&str] = &[
    "crates/smtp-error/src/",
    "crates/smtp-codec/src/",
    "crates/smtp-caps/src/",
    "crates/smtp-session/src/",
];

/// Words that are wrong in a pure file wherever they stand.
const IMPURE: &[&str] = &[
    "async",
    "await",
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
    "UnixDatagram",
    "UnixListener",
    "UnixStream",
    "Instant",
    "SystemTime",
    "UNIX_EPOCH",
];

/// Modules of the standard library that are wrong in a pure file; as plain words they may be names.
const IMPURE_MODULES: &[&str] = &["fs", "thread"];

const CLIENT: &str = "crates/smtp-client/src/";

/// The part of the client that may await.
const AWAITING: &str = "asynchronous/";

/// The layers below the connection do no I/O and keep no clock.
pub(super) fn purity(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        if !PURE.iter().any(|place| file.path.starts_with(place)) {
            continue;
        }
        for (line, word) in impurities(&file.tokens) {
            let text = format!(
                "`{word}` where no I/O is done and no clock kept; take a value as an argument, \
                 or move this into the connection"
            );
            findings.push(Finding::new(&file.path, line, text));
        }
    }
    findings
}

fn impurities(tokens: &[Token]) -> Vec<(usize, &str)> {
    let text = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map_or("", |token| &token.text);
    let mut found = Vec::new();
    let mut importing = false;
    for (at, token) in tokens.iter().enumerate() {
        let word = token.text.as_str();
        match word {
            "use" => importing = true,
            ";" => importing = false,
            _ => {}
        }
        let impure = IMPURE.contains(&word)
            || word.starts_with("tokio")
            || (IMPURE_MODULES.contains(&word) && (importing || is_path(tokens, at)))
            // Code from a file that this rule does not look at.
            || (word == "include" && text(Some(at + 1)) == "!")
            || (word == "path" && text(at.checked_sub(1)) == "[" && text(at.checked_sub(2)) == "#");
        if impure {
            found.push((token.line, word));
        }
    }
    found
}

/// Whether `::` stands before or after, as opposed to the `:` of a field or a type.
pub(super) fn is_path(tokens: &[Token], at: usize) -> bool {
    let colons = |from: Option<usize>| {
        from.and_then(|from| tokens.get(from..from + 2))
            .is_some_and(|pair| pair.iter().all(|token| token.text == ":"))
    };
    colons(at.checked_sub(2)) || colons(Some(at + 1))
}

/// One loop awaits, and what is over it.
pub(super) fn awaits(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        let Some(name) = file.path.strip_prefix(CLIENT) else { continue };
        if name.starts_with(AWAITING) {
            continue;
        }
        for pair in file.tokens.windows(2) {
            if pair[0].text == "." && pair[1].text == "await" {
                let text = format!("`.await` belongs in {AWAITING} only");
                findings.push(Finding::new(&file.path, pair[1].line, text));
            }
        }
    }
    findings
}

/// No unsafe code anywhere, not even where a lint is switched off.
pub(super) fn unsafe_code(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        for token in file.tokens.iter().filter(|token| token.text == "unsafe") {
            let text = "`unsafe` code; find the safe way";
            findings.push(Finding::new(&file.path, token.line, text));
        }
    }
    findings
}

#[cfg(test)]
mod tests;
