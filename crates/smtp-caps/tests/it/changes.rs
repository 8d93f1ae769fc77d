//! Changes between two replies, and lines that the caller replaces.

use smtp_caps::{Capabilities, Capability, Change, Channel};
use smtp_error::Extension;

use crate::capabilities;

/// Returns a change as text: `+` gained, `-` lost, `~` changed, and the lines before and after.
fn shown(change: Change<'_>) -> String {
    let sign = match (change.is_gained(), change.is_lost()) {
        (true, _) => '+',
        (_, true) => '-',
        _ => '~',
    };
    let text = |line: Capability<'_>| line.as_bytes().escape_ascii().to_string();
    let before: Vec<String> = change.before().map(text).collect();
    let after: Vec<String> = change.after().map(text).collect();
    format!("{sign}{}: {} > {}", change.keyword().escape_ascii(), before.join("|"), after.join("|"))
}

#[track_caller]
fn check(before: &Capabilities, after: &Capabilities, expected: &[&str]) {
    let changes: Vec<String> = before.changes(after).map(shown).collect();
    assert_eq!(changes, expected);
}

#[test]
fn gained_lost_and_changed_keywords_are_in_order() {
    let before = ["PIPELINING", "SIZE 1000", "STARTTLS", "X-OLD a", "HELP"];
    let after = ["AUTH PLAIN", "HELP", "SIZE 2000", "PIPELINING", "X-NEW"];
    check(
        &capabilities(&before),
        &capabilities(&after),
        &[
            "~SIZE: SIZE 1000 > SIZE 2000",
            "-STARTTLS: STARTTLS > ",
            "-X-OLD: X-OLD a > ",
            "+AUTH:  > AUTH PLAIN",
            "+X-NEW:  > X-NEW",
        ],
    );
}

#[test]
fn order_and_case_are_not_changes() {
    let before = capabilities(&["HELP", "starttls", "X_PIPE_CONNECT", "AUTH=PLAIN", "", "x-own a"]);
    let after = capabilities(&["X-OWN  a ", "AUTH PLAIN", "PIPECONNECT", "STARTTLS", "HELP"]);
    check(&before, &after, &[]);
    check(&after, &before, &[]);
    check(&before, &before, &[]);
}

#[test]
fn lines_with_the_same_keyword_are_one_change() {
    check(
        &capabilities(&["AUTH PLAIN", "HELP", "AUTH=LOGIN"]),
        &capabilities(&["AUTH PLAIN LOGIN"]),
        &["-HELP: HELP > "],
    );
    check(
        &capabilities(&["X a", "X b"]),
        &capabilities(&["x a", "X c", "y", "Y z"]),
        &["~X: X a|X b > x a|X c", "+y:  > y|Y z"],
    );
}

#[test]
fn masked_lines_are_ignored() {
    let all = capabilities(&["SIZE 1", "STARTTLS"]);
    let masked = all.clone().without(Extension::StartTls);
    check(&all, &masked, &["-STARTTLS: STARTTLS > "]);
    check(&masked, &all, &["+STARTTLS:  > STARTTLS"]);
    check(&Capabilities::none(), &masked, &["+SIZE:  > SIZE 1"]);
    check(&masked, &masked.clone().with_line("SIZE 2").unwrap(), &["~SIZE: SIZE 1 > SIZE 2"]);
}

#[test]
fn a_stripped_starttls_is_a_lost_keyword() {
    let yesterday = capabilities(&["PIPELINING", "STARTTLS", "HELP"]);
    let today = capabilities(&["PIPELINING", "XXXXXXXA", "HELP"]);
    let lost = yesterday.changes(&today).find(|change| change.is_lost()).unwrap();
    assert_eq!(lost.extension(), Some(Extension::StartTls));
    assert!(lost.after().next().is_none());
}

/// Checks the lines of capabilities.
#[track_caller]
fn lines(found: &Capabilities, expected: &[&str]) {
    let lines: Vec<String> =
        found.iter().map(|line| line.as_bytes().escape_ascii().to_string()).collect();
    assert_eq!(lines, expected);
}

#[test]
fn a_line_from_the_caller_replaces_those_of_the_server() {
    let said = capabilities(&["AUTH PLAIN", "SIZE 1000", "auth=LOGIN", "X-OWN a", "PIPE_CONNECT"]);
    let found = said.clone().with_line("AUTH XOAUTH2").unwrap();
    lines(&found, &["AUTH XOAUTH2", "SIZE 1000", "X-OWN a", "PIPE_CONNECT"]);
    assert_eq!(found.mechanisms().collect::<Vec<_>>(), [b"XOAUTH2"]);
    let found = found.with_line("size 5").and_then(|found| found.with_line("PIPECONNECT")).unwrap();
    let found = found.with_line("x-own b").and_then(|found| found.with_line("STARTTLS")).unwrap();
    lines(&found, &["AUTH XOAUTH2", "size 5", "x-own b", "PIPECONNECT", "STARTTLS"]);
    assert_eq!(found.size_limit(), Some(5));
    assert!(found.has(Extension::StartTls) && found.find("X-OWN").is_some());
    assert_eq!(found.reply(), said.reply());
    assert_eq!(found.reply().unwrap().lines().count(), 6);
}

#[test]
fn a_line_from_the_caller_needs_no_reply() {
    let found = Capabilities::none().with_line("8BITMIME").unwrap();
    lines(&found, &["8BITMIME"]);
    assert!(found.has(Extension::EightBitMime) && found.reply().is_none());
}

#[test]
fn a_line_from_the_caller_ends_the_mask_of_its_extension() {
    let said = capabilities(&["SIZE 1000", "STARTTLS", "HELP"]).with_channel(Channel::TLS);
    let masked = said.without(Extension::Size).without(Extension::Help);
    let found = masked.with_line("SIZE 5").unwrap();
    assert_eq!(found.size_limit(), Some(5));
    assert!(!found.has(Extension::Help) && found.channel() == Channel::TLS);
    assert_eq!(found.without(Extension::Size).size_limit(), None);
}
