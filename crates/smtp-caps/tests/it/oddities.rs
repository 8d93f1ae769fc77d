//! Lines that violate the grammar, or that are easily misread.

use smtp_caps::Capabilities;
use smtp_error::{Extension, Reply, ReplyCode};

use crate::{capabilities, words};

/// Checks the keyword, parameters and extension of a line, and that it is kept as received.
#[track_caller]
fn check(line: &str, keyword: &str, params: &str, extension: Option<Extension>) {
    let found = capabilities(&["HELP", line, "8BITMIME"]);
    let one = found.iter().nth(1).unwrap();
    assert_eq!(one.as_bytes(), line.as_bytes());
    assert_eq!(one.keyword(), keyword.as_bytes(), "{line:?}");
    assert_eq!(words(one.params()), params, "{line:?}");
    assert_eq!(one.extension(), extension, "{line:?}");
    for &known in Extension::ALL {
        let beside = matches!(known, Extension::Help | Extension::EightBitMime);
        assert_eq!(found.has(known), beside || extension == Some(known), "{known} in {line:?}");
    }
}

#[track_caller]
fn size(lines: &[&str], limit: Option<u64>) {
    let found = capabilities(lines);
    assert!(found.has(Extension::Size));
    assert_eq!(found.size_limit(), limit, "{lines:?}");
}

#[track_caller]
fn mechanisms(lines: &[&str], expected: &str) {
    let found = capabilities(lines);
    assert!(found.has(Extension::Auth));
    assert_eq!(words(found.mechanisms()), expected, "{lines:?}");
}

#[test]
fn the_case_of_a_keyword_does_not_matter() {
    check("starttls", "starttls", "", Some(Extension::StartTls));
    check("StartTls", "StartTls", "", Some(Extension::StartTls));
    check("Auth plain", "Auth", "plain", Some(Extension::Auth));
    check("size 1000", "size", "1000", Some(Extension::Size));
    check("mt-Priority MIXER", "mt-Priority", "MIXER", Some(Extension::MtPriority));
}

#[test]
fn unexpected_parameters_are_ignored() {
    check("STARTTLS REQUIRED", "STARTTLS", "REQUIRED", Some(Extension::StartTls));
    check("SMTPUTF8 x", "SMTPUTF8", "x", Some(Extension::SmtpUtf8));
    check("DSN a b c", "DSN", "a b c", Some(Extension::Dsn));
    check("PIPELINING=yes", "PIPELINING", "yes", Some(Extension::Pipelining));
}

#[test]
fn any_spaces_and_tabs_separate_parameters() {
    check("STARTTLS ", "STARTTLS", "", Some(Extension::StartTls));
    check("STARTTLS\t", "STARTTLS", "", Some(Extension::StartTls));
    check("AUTH  PLAIN\tLOGIN ", "AUTH", "PLAIN LOGIN", Some(Extension::Auth));
    check("AUTH\tPLAIN", "AUTH", "PLAIN", Some(Extension::Auth));
    check("SIZE  1000", "SIZE", "1000", Some(Extension::Size));
    check("LIMITS RCPTMAX=20 X=1", "LIMITS", "RCPTMAX=20 X=1", Some(Extension::Limits));
    check("AUTH==", "AUTH", "=", Some(Extension::Auth));
    let many = "X ".to_owned() + &["y"; 60].join(" ");
    check(&many, "X", &["y"; 60].join(" "), None);
}

#[test]
fn a_keyword_is_compared_as_a_whole() {
    for line in [
        "DSNX",
        "HELPME",
        "X-STARTTLS",
        "STARTTLS-X",
        "XSTARTTLS",
        "START",
        "8BITMIMES",
        "SIZE1000",
        "STARTTLS.",
        "STARTTLS;",
        "AUTHPLAIN",
        "STARTTLS\0",
        "ＳＴＡＲＴＴＬＳ",
    ] {
        check(line, line, "", None);
    }
    check("X STARTTLS", "X", "STARTTLS", None);
    check("X=STARTTLS", "X", "STARTTLS", None);
    check("XXXXXXXA", "XXXXXXXA", "", None);
}

#[test]
fn a_malformed_line_does_not_affect_others() {
    check("X_PIPE_CONNECT", "X_PIPE_CONNECT", "", Some(Extension::PipeConnect));
    check("!!! junk", "!!!", "junk", None);
    check("%1", "%1", "", None);
    check("", "", "", None);
    check(" ", "", "", None);
    check("=", "", "", None);
    check("-", "-", "", None);
    check("250-SIZE", "250-SIZE", "", None);
}

#[test]
fn octets_outside_ascii_do_not_affect_other_lines() {
    let text = b"mx\nX-\xe9 \xff\nSIZE 1000\n\x1b[2J\nSTARTTLS";
    let found = Capabilities::from_reply(Reply::new(ReplyCode::OK, text));
    assert!(found.has(Extension::StartTls));
    assert_eq!(found.size_limit(), Some(1000));
    let kept: Vec<&[u8]> = found.iter().map(|one| one.as_bytes()).collect();
    assert_eq!(kept, [&b"X-\xe9 \xff"[..], b"SIZE 1000", b"\x1b[2J", b"STARTTLS"]);
}

#[test]
fn the_first_line_is_never_a_keyword() {
    for text in
        ["STARTTLS", "STARTTLS\nHELP", "SIZE 10\nHELP", "mx STARTTLS AUTH PLAIN", "AUTH=PLAIN"]
    {
        let found = Capabilities::from_reply(Reply::new(ReplyCode::OK, text));
        assert!(!found.has(Extension::StartTls) && !found.has(Extension::Auth), "{text:?}");
        assert!(!found.has(Extension::Size) && found.find("STARTTLS").is_none(), "{text:?}");
        assert_eq!(found.reply().unwrap().as_bytes(), text.as_bytes());
    }
    let nameless = Capabilities::from_reply(Reply::new(ReplyCode::OK, "\nSTARTTLS"));
    assert!(nameless.has(Extension::StartTls));
}

#[test]
fn sizes_that_are_limits() {
    size(&["SIZE 1000"], Some(1000));
    size(&["SIZE=1000"], Some(1000));
    size(&["SIZE 1"], Some(1));
    size(&["SIZE 00000000000000000000000001000"], Some(1000));
    size(&["SIZE 18446744073709551615"], Some(u64::MAX));
}

#[test]
fn sizes_that_are_not_limits() {
    for line in [
        "SIZE",
        "SIZE ",
        "SIZE=",
        "SIZE 0",
        "SIZE 00",
        "SIZE -1",
        "SIZE +1",
        "SIZE 1.5",
        "SIZE 10M",
        "SIZE x",
        "SIZE 0x10",
        "SIZE 1,000",
        "SIZE 18446744073709551616",
        "SIZE 99999999999999999999",
        "SIZE 999999999999999999999",
        "SIZE \u{661}",
    ] {
        size(&[line], None);
    }
}

#[test]
fn the_smallest_of_several_sizes_applies() {
    size(&["SIZE 2000", "SIZE 1000"], Some(1000));
    size(&["SIZE 1000", "SIZE 2000"], Some(1000));
    size(&["SIZE 1000", "SIZE 0"], Some(1000));
    size(&["SIZE", "SIZE=1000", "size x"], Some(1000));
    size(&["SIZE 1000", "SIZE 99999999999999999999"], Some(1000));
    size(&["SIZE 1000 5"], Some(1000));
}

#[test]
fn mechanisms_of_all_lines_are_merged() {
    mechanisms(&["AUTH PLAIN LOGIN"], "PLAIN LOGIN");
    mechanisms(&["AUTH=PLAIN LOGIN"], "PLAIN LOGIN");
    mechanisms(&["AUTH = PLAIN"], "= PLAIN");
    mechanisms(&["AUTH PLAIN LOGIN", "AUTH=LOGIN PLAIN"], "PLAIN LOGIN");
    mechanisms(&["AUTH=LOGIN", "HELP", "auth plain Login"], "LOGIN plain");
    mechanisms(&["AUTH PLAIN plain PLAIN X-OWN"], "PLAIN X-OWN");
    mechanisms(&["AUTH"], "");
    mechanisms(&["AUTH="], "");
    mechanisms(&["AUTH", "AUTH PLAIN"], "PLAIN");
}

#[test]
fn the_first_line_of_a_keyword_is_found() {
    let found = capabilities(&["X-LOCAL a", "x-local b", "HELP"]);
    assert_eq!(found.find("X-Local").unwrap().as_bytes(), b"X-LOCAL a");
    assert_eq!(found.find("help").unwrap().as_bytes(), b"HELP");
    assert!(found.find("X").is_none() && found.find("mx.example.org").is_none());
}

#[test]
fn a_thousand_unknown_keywords_are_kept() {
    let lines: Vec<String> = (0..1_000).map(|number| format!("X{number:06}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).chain(["STARTTLS"]).collect();
    let found = capabilities(&lines);
    assert_eq!(found.iter().count(), 1_001);
    assert!(found.has(Extension::StartTls));
}
