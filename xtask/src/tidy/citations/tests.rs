//! Numbers that are not in force, however they are written.
//!
//! The numbers are put together here, so that these lines cite nothing themselves.

use super::super::tests::finds;
use super::*;

const DOC: &str = "docs/extensions.md";

#[track_caller]
fn found(text: &str, line: usize) {
    finds(check, &[(DOC, text)], &[&format!("{DOC}:{line}")]);
}

#[track_caller]
fn fine(text: &str) {
    finds(check, &[(DOC, text)], &[]);
}

#[test]
fn every_replaced_number_is_found() {
    for (old, _) in REPLACED {
        found(&format!("as RFC {old}, 3.2 says"), 1);
    }
}

#[test]
fn every_spelling_is_found() {
    let old = 2821;
    found(&format!("RFC {old}"), 1);
    found(&format!("RFC{old}"), 1);
    found(&format!("x\n\n[it](https://example.org/rfc/rfc{old}.html#section-4)"), 3);
    found(&format!("(RFC-{old})"), 1);
    found(&format!("RFCs 5321 and {old}"), 1);
    found(&format!("RFC 5321, {old}"), 1);
    found(&format!("RFC 5321/{old}"), 1);
    found(&format!("//! is in RFC\n//! {old}, 4.2"), 2);
}

#[test]
fn a_number_called_obsolete_is_fine() {
    fine(&format!("RFC {} is obsolete", 2821));
    fine(&format!("Obsoletes RFC {}.", 2821));
    found(&format!("obsolete\nRFC {}", 2821), 2);
}

#[test]
fn current_numbers_and_other_numbers_are_fine() {
    fine("RFC 5321, RFC 5322, RFC 6152, RFC 3030, RFC 2920, RFC 3461, RFC 3463, RFC 3207");
    fine("RFC 4954, RFC 6409, RFC 6710, RFC 5321, 4.5.3.2");
    fine("RFC 28210 and RFC 12821");
    fine("821 octets, port 2487, RFC 5321 allows 822 octets");
    fine("no number for an RFC\n\n821 octets");
}

#[test]
fn only_sources_and_documents_are_read() {
    let text = format!("RFC {}", 2821);
    let files = [
        ("README.md", text.as_str()),
        ("crates/a/Cargo.toml", &text),
        ("crates/a/src/lib.rs", &text),
        ("crates/a/tests/transcripts/old-server.txt", &text),
    ];
    finds(check, &files, &["README.md:1", "crates/a/Cargo.toml:1", "crates/a/src/lib.rs:1"]);
}
