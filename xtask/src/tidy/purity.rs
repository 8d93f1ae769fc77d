//! Finds I/O, clocks and `.await` in the files that must not have them, by the words of the code.

use super::Finding;
use super::arrows::is_apart;
use super::lexer::Token;
use super::tree::Tree;

/// The crate whose dependencies of ours are the layers without I/O and clock.
const TOP_LAYER: &str = "smtp-client";

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

/// Modules of the standard library that are wrong in a pure file. Other words may have their names.
const IMPURE_MODULES: &[&str] = &["fs", "thread"];

const CLIENT: &str = "crates/smtp-client/src/";

/// The part of the client that may await.
const AWAITING: &str = "asynchronous/";

/// The server, whose session has no I/O, and the part of it that has.
const SERVER: &str = "crates/smtp-server/src/";
const SERVING: &str = "serve";

/// The sources of the layers below the top one.
pub(super) fn lower_layers(tree: &Tree) -> Vec<String> {
    let below = tree.below(TOP_LAYER).into_iter().filter(|name| !is_apart(name));
    below.map(|name| format!("crates/{name}/src/")).collect()
}

/// Finds I/O and clocks in the layers below the connection.
pub(super) fn purity(tree: &Tree) -> Vec<Finding> {
    let pure = lower_layers(tree);
    if pure.is_empty() {
        let text = format!("no layers below `{TOP_LAYER}`; correct xtask/src/tidy/purity.rs");
        return vec![Finding::new("Cargo.toml", 1, text)];
    }
    let mut findings = Vec::new();
    for file in tree.sources() {
        let in_session =
            file.path.strip_prefix(SERVER).is_some_and(|name| !name.starts_with(SERVING));
        if !in_session && !pure.iter().any(|place| file.path.starts_with(place)) {
            continue;
        }
        for (line, word) in impurities(&file.tokens) {
            let text = format!(
                "`{word}` in a layer without I/O and clock; take a value as an argument, or move \
                 this into the connection"
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
            // Code from a file that this rule does not read.
            || (word == "include" && text(Some(at + 1)) == "!")
            || (word == "path" && text(at.checked_sub(1)) == "[" && text(at.checked_sub(2)) == "#");
        if impure {
            found.push((token.line, word));
        }
    }
    found
}

/// Returns whether `::` stands before or after the token, as opposed to the `:` of a field or type.
pub(super) fn is_path(tokens: &[Token], at: usize) -> bool {
    let colons = |from: Option<usize>| {
        from.and_then(|from| tokens.get(from..from + 2))
            .is_some_and(|pair| pair.iter().all(|token| token.text == ":"))
    };
    colons(at.checked_sub(2)) || colons(Some(at + 1))
}

/// Finds `.await` in the files of the client that are not listed.
pub(super) fn awaits(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        let Some(name) = file.path.strip_prefix(CLIENT) else { continue };
        if name.starts_with(AWAITING) {
            continue;
        }
        for pair in file.tokens.windows(2) {
            if pair[0].text == "." && pair[1].text == "await" {
                let text = format!("`.await` is allowed only in {AWAITING}");
                findings.push(Finding::new(&file.path, pair[1].line, text));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests;
