//! Invalid command lines: the fault of each, and its offset.

use proptest::{arbitrary::any, collection::vec, prop_assert, proptest};
use smtp_codec::{Command, CommandError, CommandFault, Deviations, Verb};
use smtp_error::{Field, Flaw, Invalid};

fn decode(line: &[u8]) -> Result<Command<'_>, CommandError> {
    Command::decode(line, Deviations::all()).map(|decoded| decoded.command)
}

/// The line is refused for this fault at this octet, whatever is tolerated.
#[track_caller]
fn check(line: impl AsRef<[u8]>, verb: Option<Verb>, fault: CommandFault, offset: usize) {
    let line = line.as_ref();
    let error = decode(line).unwrap_err();
    let found = (error.verb, error.fault, error.offset);
    assert_eq!(found, (verb, fault, offset), "{}", line.escape_ascii());
    assert!(Command::decode(line, Deviations::empty()).is_err());
}

/// This fault, at this octet, in each of these lines.
#[track_caller]
fn check_all(fault: CommandFault, rows: &[(&str, usize)]) {
    for &(line, offset) in rows {
        let verb = Verb::from_word(line.split(' ').next().unwrap().as_bytes());
        assert!(verb.is_some(), "{line} has a verb");
        check(line, verb, fault, offset);
    }
}

#[test]
fn a_line_begins_with_a_word() {
    for line in ["", " ", "  ", " QUIT", "  EHLO a"] {
        check(line, None, CommandFault::NoVerb, 0);
    }
}

#[test]
fn arguments_are_missing() {
    check_all(
        CommandFault::MissingArgument,
        &[
            ("EHLO", 4),
            ("EHLO ", 5),
            ("HELO  ", 6),
            ("LHLO", 4),
            ("MAIL", 4),
            ("MAIL ", 5),
            ("MAIL FROM:", 10),
            ("MAIL FROM: ", 11),
            ("RCPT", 4),
            ("RCPT TO:", 8),
            ("AUTH", 4),
            ("AUTH ", 5),
            ("BDAT", 4),
            ("BDAT ", 5),
            ("BURL", 4),
            ("ETRN", 4),
            ("ETRN ", 5),
            ("EXPN", 4),
            ("VRFY ", 5),
            ("XCLIENT", 7),
            ("XFORWARD ", 9),
        ],
    );
}

#[test]
fn arguments_are_superfluous() {
    check_all(
        CommandFault::UnexpectedArgument,
        &[
            ("DATA x", 5),
            ("DATA  x", 6),
            ("RSET x", 5),
            ("QUIT now", 5),
            ("STARTTLS x", 9),
            ("STARTTLS TLSv1 ", 9),
            ("ETRN a b", 7),
            ("ATRN a b", 7),
            ("ATRN a, b", 8),
            ("BURL a: FIRST", 8),
            ("BURL a: LAST x", 8),
            ("BDAT 1 FIRST", 7),
            ("BDAT 1 LASTX", 7),
            ("BDAT 1 LAST x", 7),
            ("BDAT 1 2", 7),
            ("BDAT 1 LAST LAST", 7),
        ],
    );
}

#[test]
fn the_size_of_a_chunk_is_a_number_that_fits() {
    check_all(
        CommandFault::ChunkSize,
        &[
            ("BDAT LAST", 5),
            ("BDAT x", 5),
            ("BDAT 18446744073709551616", 5),
            ("BDAT 18446744073709551616 LAST", 5),
            ("BDAT 99999999999999999999999", 5),
            ("BDAT 999999999999999999999999999999999999999999999 LAST", 5),
            ("BDAT  36893488147419103233", 6),
            ("BDAT -1", 5),
            ("BDAT +1", 5),
            ("BDAT 0x10", 5),
            ("BDAT 1e3", 5),
            ("BDAT 1,000", 5),
            ("BDAT 1.0", 5),
            ("BDAT 10LAST", 5),
            ("BDAT \u{661}", 5),
            ("BDAT \u{ff11}", 5),
        ],
    );
}

#[test]
fn fixed_words_brackets_and_spaces_have_their_place() {
    check_all(
        CommandFault::Syntax,
        &[
            ("MAIL <a@b>", 5),
            ("MAIL FROM", 5),
            ("MAIL FROM <a@b>", 5),
            ("MAIL FROM :<a@b>", 5),
            ("MAIL TO:<a@b>", 5),
            ("MAIL \u{fc}ROM:<a@b>", 5),
            ("RCPT FROM:<a@b>", 5),
            ("RCPT T\u{d6}:<a@b>", 5),
            ("RCPT <a@b>", 5),
            ("MAIL FROM:<a@b", 14),
            ("MAIL FROM:<", 11),
            ("MAIL FROM:<a@b>SIZE=10", 15),
            ("MAIL FROM:<>SIZE=10", 12),
            ("RCPT TO:<a@b>NOTIFY=NEVER", 13),
            ("RCPT TO:<a@b>>", 13),
            ("RCPT TO:<a@b>,<c@d>", 13),
            ("RCPT TO:<Postmaster>x", 20),
            ("MAIL FROM:<@>", 11),
            ("MAIL FROM:<@a:>", 14),
            ("RCPT TO:<@a:>", 12),
            ("RCPT TO:<@a>", 9),
            ("RCPT TO:<@a@b>", 9),
            ("RCPT TO:<@:a@b>", 9),
            ("RCPT TO:<@a,b:c@d>", 9),
            ("RCPT TO:<@a, @b:c@d>", 9),
            ("RCPT TO:<@a,:c@d>", 9),
            ("RCPT TO:<@-:c@d>", 9),
        ],
    );
}

#[test]
fn a_path_holds_one_mailbox() {
    let literal = Flaw::NotALiteral { offset: 2 };
    let unexpected = |character, offset| Flaw::Unexpected { character, offset };
    for (inner, flaw) in [
        ("a", Flaw::NoAt),
        ("..@c", unexpected('.', 0)),
        ("a. b@c", unexpected(' ', 2)),
        ("a..b\"@c", unexpected('"', 4)),
        ("a@-b", unexpected('-', 2)),
        ("a@b.", Flaw::EmptyLabel { offset: 3 }),
        ("a@b_-", unexpected('-', 4)),
        ("a@b_.", Flaw::EmptyLabel { offset: 4 }),
        ("a@_$", unexpected('$', 3)),
        ("a@", Flaw::NoDomain),
        ("a b@c", unexpected(' ', 1)),
        ("a@b c@d", unexpected(' ', 3)),
        ("a@b,c@d", unexpected(',', 3)),
        ("<a@b", unexpected('<', 0)),
        ("\"a\"b@c", unexpected('b', 3)),
        ("\"a", Flaw::NoAt),
        ("\"a@b", Flaw::OpenQuote),
        ("a@[IPv6:1::2:3:4:5:6:7:8]", literal),
        ("a@[999.1.1.1]", literal),
        ("a@[::1]", literal),
        ("a@[x:b", literal),
        (" ", Flaw::NoAt),
        ("a@b\u{3002}c", unexpected('\u{3002}', 3)),
    ] {
        let invalid = Invalid::new(Field::ReversePath, flaw);
        let line = format!("MAIL FROM:<{inner}>");
        check(line, Some(Verb::Mail), CommandFault::Path(invalid), 11);
        let invalid = Invalid::new(Field::ForwardPath, flaw);
        let line = format!("RCPT TO:<{inner}> NOTIFY=NEVER");
        check(line, Some(Verb::Rcpt), CommandFault::Path(invalid), 9);
    }
    let empty_path = CommandFault::Path(Invalid::new(Field::ForwardPath, Flaw::Empty));
    check("RCPT TO:<>", Some(Verb::Rcpt), empty_path, 9);
    check("RCPT TO:<> NOTIFY=NEVER", Some(Verb::Rcpt), empty_path, 9);
    let postmaster = Invalid::new(Field::ReversePath, Flaw::NoAt);
    check("MAIL FROM:<postmaster>", Some(Verb::Mail), CommandFault::Path(postmaster), 11);
}

#[test]
fn a_route_leads_to_a_mailbox() {
    let syntax = |field| CommandFault::Path(Invalid::new(field, Flaw::NoAt));
    check("MAIL FROM:<@a:b>", Some(Verb::Mail), syntax(Field::ReversePath), 14);
    check("RCPT TO:<@a:b>", Some(Verb::Rcpt), syntax(Field::ForwardPath), 12);
}

#[test]
fn words_and_attributes_are_checked() {
    let argument = |field, flaw| CommandFault::Argument(Invalid::new(field, flaw));
    let keyword = |offset| argument(Field::ParameterKeyword, Flaw::Syntax { offset });
    let value = |flaw| argument(Field::ParameterValue, flaw);
    check("XCLIENT A_B=c", Some(Verb::Xclient), keyword(1), 8);
    check("XCLIENT NAME", Some(Verb::Xclient), value(Flaw::Empty), 8);
    check("XCLIENT NAME=", Some(Verb::Xclient), value(Flaw::Empty), 13);
    check("XCLIENT NAME=a+b", Some(Verb::Xclient), value(Flaw::Syntax { offset: 1 }), 8);
    let repeated = argument(Field::ParameterKeyword, Flaw::Repeated);
    check("XFORWARD NAME=a Addr=b name=c", Some(Verb::Xforward), repeated, 23);
}

#[test]
fn a_line_is_text() {
    for (line, verb, offset) in [
        (&b"\xff"[..], None, 0),
        (b"\0", None, 0),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", None, 8),
        (b"EH\rLO a", None, 2),
        (b"QUIT\r", None, 4),
        (b"EHLO\ta", None, 4),
        (b"EHLO a\t", Some(Verb::Ehlo), 6),
        (b"EHLO a\0", Some(Verb::Ehlo), 6),
        (b"EHLO \xfc", Some(Verb::Ehlo), 5),
        (b"MAIL FROM:<a\r@b>", Some(Verb::Mail), 12),
        (b"MAIL FROM:<a@b>\nRCPT TO:<c@d>", Some(Verb::Mail), 15),
        (b"RCPT TO:<\xc3\xbc@\xc3>", Some(Verb::Rcpt), 12),
        (b"RCPT TO:<\xc0\xaf@b>", Some(Verb::Rcpt), 9),
        (b"RCPT TO:<\xed\xa0\x80@b>", Some(Verb::Rcpt), 9),
        (b"NOOP \x7f", Some(Verb::Noop), 5),
        (b"BDAT 1\0", Some(Verb::Bdat), 6),
        (b"X \x1b[2J", None, 2),
        ("MAIL FROM:<a@b\u{85}>".as_bytes(), Some(Verb::Mail), 14),
        ("ETRN a\u{202e}".as_bytes(), Some(Verb::Etrn), 6),
        ("NOOP a\u{202e}".as_bytes(), Some(Verb::Noop), 6),
        ("EHLO a\u{202e}".as_bytes(), Some(Verb::Ehlo), 6),
        ("X a\u{202e}b".as_bytes(), None, 3),
        ("X\u{85} a".as_bytes(), None, 1),
    ] {
        check(line, verb, CommandFault::NotText, offset);
    }
}

#[test]
fn no_octet_passes_that_may_stand_in_no_line() {
    for line in ["EHLO a", "MAIL FROM:<a@b> X=y", "NOOP a", "BDAT 1 LAST", "XYZ a", "QUIT"] {
        for at in 0..=line.len() {
            for octet in (0..b' ').chain(0x7f..=0xff) {
                let wire = [&line.as_bytes()[..at], &[octet], &line.as_bytes()[at..]].concat();
                let error = decode(&wire).unwrap_err();
                assert_eq!(error.fault, CommandFault::NotText, "{}", wire.escape_ascii());
                assert_eq!(error.offset, at, "{}", wire.escape_ascii());
            }
        }
    }
}

proptest! {
    #[test]
    fn any_octets_are_a_command_or_an_error_inside_the_line(
        verb in proptest::sample::select(Verb::ALL),
        rest in vec(any::<u8>(), 0..80),
    ) {
        for line in [rest.clone(), [verb.as_str().as_bytes(), b" ", &rest].concat()] {
            match decode(&line) {
                Ok(command) => {
                    let mut out = Vec::new();
                    command.encode(usize::MAX, &mut out).unwrap();
                    prop_assert!(out.len() <= line.len() + 2 + "<>".len());
                    prop_assert!(!out[..out.len() - 2].iter().any(u8::is_ascii_control));
                }
                Err(error) => prop_assert!(error.offset <= line.len()),
            }
            let _ = Command::decode_auth_response(&line);
        }
    }
}
