//! Compares the command parser of the testkit with that of the codec. There are two on purpose, so
//! that a mistake in one is not a mistake in both.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_codec::{Command, Deviations, Params};
use smtp_testkit::Command as Read;

fuzz_target!(|data: &[u8]| {
    for line in data.split(|&octet| octet == b'\n') {
        compare(line.strip_suffix(b"\r").unwrap_or(line));
    }
});

/// Checks that both give a command the same meaning if both accept it, and that both accept or both
/// refuse ASCII.
fn compare(line: &[u8]) {
    let theirs = Read::read(&[line, b"\r\n"].concat());
    let ours = Command::decode(line, Deviations::STRICT).map(|decoded| decoded.command);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => same(ours, theirs),
        (Ok(ours), Err(why)) if is_held(ours) && line.is_ascii() => {
            panic!("the codec accepts {ours}, but the testkit does not: {why}")
        }
        (Err(why), Ok(theirs)) if line.is_ascii() && is_strict(theirs) => {
            panic!("the testkit accepts {theirs:?}, but the codec does not: {why}")
        }
        _ => {}
    }
}

/// Commands whose arguments both parse completely. The others have free text, or a grammar that the
/// testkit does not parse.
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

/// Returns whether the codec must accept a command that the testkit accepts. The codec also checks the
/// values of the parameters that it knows; in the testkit, another part does that.
fn is_strict(command: &Read) -> bool {
    let held = ["MAIL", "RCPT", "BDAT", "DATA", "QUIT", "RSET", "STARTTLS"];
    // The codec limits the number of parameters to more than any client sends.
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
