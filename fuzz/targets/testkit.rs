//! The testkit's own small reader of commands beside the codec's: written twice, on purpose, so that
//! a mistake of one is not a mistake of both. Here the two are held against each other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_codec::{Command, Deviations, Params};
use smtp_testkit::Command as Read;

fuzz_target!(|data: &[u8]| {
    for line in data.split(|&octet| octet == b'\n') {
        compare(line.strip_suffix(b"\r").unwrap_or(line));
    }
});

/// What both take means the same to both, and what is ASCII is taken by both or by neither.
fn compare(line: &[u8]) {
    let theirs = Read::read(&[line, b"\r\n"].concat());
    let ours = Command::decode(line, Deviations::STRICT).map(|decoded| decoded.command);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => same(ours, theirs),
        (Ok(ours), Err(why)) if is_held(ours) && line.is_ascii() => {
            panic!("the codec takes {ours}, the testkit does not: {why}")
        }
        (Err(why), Ok(theirs)) if line.is_ascii() && is_strict(theirs) => {
            panic!("the testkit takes {theirs:?}, the codec does not: {why}")
        }
        _ => {}
    }
}

/// Commands whose arguments both read to the end. The others have free text, or a grammar of their
/// own that a server for tests need not know.
fn is_held(command: &Command<'_>) -> bool {
    matches!(
        command,
        Command::Mail(_)
            | Command::Rcpt(_)
            | Command::Bdat { .. }
            | Command::Data
            | Command::Quit
            | Command::Rset
            | Command::StartTls
    )
}

/// The same, as the testkit sees it; the codec also knows what the values of many parameters are,
/// which is here for another part of the testkit.
fn is_strict(command: &Read) -> bool {
    let held = ["MAIL", "RCPT", "BDAT", "DATA", "QUIT", "RSET", "STARTTLS"];
    // More parameters than anybody sends are refused by the codec.
    held.contains(&command.verb())
        && command.params().count() <= 64
        && command.params().all(|(name, _)| name.starts_with("X-"))
}

fn same(ours: &Command<'_>, theirs: &Read) {
    match ours {
        Command::Mail(mail) => {
            assert_eq!((theirs.verb(), theirs.path()), ("MAIL", Some(mail.path().as_str())));
            same_params(mail.raw_params(), theirs);
        }
        Command::Rcpt(rcpt) => {
            assert_eq!(theirs.verb(), "RCPT");
            let path = theirs.path().unwrap_or_default();
            let postmaster = path.eq_ignore_ascii_case("postmaster");
            assert!(postmaster || path == rcpt.path().as_str(), "{path}");
            same_params(rcpt.raw_params(), theirs);
        }
        Command::Bdat { size, last } => {
            let chunk = theirs.chunk().map(|(size, last)| (size as u64, last));
            assert_eq!((theirs.verb(), chunk), ("BDAT", Some((*size, *last))));
        }
        Command::Data => assert_eq!(theirs.verb(), "DATA"),
        Command::Quit => assert_eq!(theirs.verb(), "QUIT"),
        Command::Rset => assert_eq!(theirs.verb(), "RSET"),
        Command::StartTls => assert_eq!(theirs.verb(), "STARTTLS"),
        _ => {}
    }
}

fn same_params(ours: &Params<&str>, theirs: &Read) {
    let text = |(name, value): (&str, Option<&str>)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.to_owned(),
    };
    let theirs: Vec<String> = theirs.params().map(text).collect();
    let ours: Vec<String> = ours.iter().map(|param| param.to_string()).collect();
    assert_eq!(theirs, ours);
}
