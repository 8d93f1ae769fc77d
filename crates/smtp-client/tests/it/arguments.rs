//! The arguments of VRFY, EXPN and HELP: how they are written, and which are refused before
//! anything is written.
use smtp_client::{Connection, Error, ErrorKind, Extension, Mailbox, Reply, Unsupported};
use smtp_error::{Field, Flaw, Invalid};

use crate::stage::play_on;

#[derive(Clone, Copy, Debug)]
enum Verb {
    Vrfy,
    Expn,
    Help,
}

const VERBS: [Verb; 3] = [Verb::Vrfy, Verb::Expn, Verb::Help];

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Self::Vrfy => "VRFY",
            Self::Expn => "EXPN",
            Self::Help => "HELP",
        }
    }

    fn field(self) -> Field {
        match self {
            Self::Vrfy => Field::VerifyArgument,
            Self::Expn => Field::ExpandArgument,
            Self::Help => Field::HelpTopic,
        }
    }

    async fn perform(self, connection: &mut Connection, argument: &str) -> Result<Reply, Error> {
        match self {
            Self::Vrfy => connection.verify(argument).await,
            Self::Expn => connection.expand(argument).await,
            Self::Help => connection.help(argument).await,
        }
    }
}

/// The argument is written like this, SMTPUTF8 included.
#[track_caller]
fn check_written(verb: Verb, keywords: &[&str], argument: &str, written: &str) {
    let rest = format!("C: {} {written}\nS: 252 perhaps", verb.word());
    let (outcome, _) = play_on(keywords, &rest, async |mut connection| {
        verb.perform(&mut connection, argument).await
    });
    assert_eq!(outcome.unwrap().code().get(), 252);
}

/// The argument is refused with nothing written, and the connection goes on.
#[track_caller]
fn check_invalid(verb: Verb, argument: &str, flaw: Flaw) {
    let (outcome, _) = play_on(&["SMTPUTF8"], "C: NOOP\nS: 250 ok", async |mut connection| {
        let outcome = verb.perform(&mut connection, argument).await;
        connection.noop().await.unwrap();
        outcome
    });
    match outcome.unwrap_err().kind() {
        ErrorKind::Invalid(invalid) => assert_eq!(*invalid, Invalid::new(verb.field(), flaw)),
        other => panic!("{verb:?} {argument:?}: {other:?}"),
    }
}

#[test]
fn an_atom_is_written_as_it_is() {
    for verb in VERBS {
        check_written(verb, &[], "Crispin", "Crispin");
        check_written(verb, &[], "a-b_c+d!#$%&'*/=?^`{|}~0", "a-b_c+d!#$%&'*/=?^`{|}~0");
    }
}

#[test]
fn what_is_no_atom_is_quoted() {
    for verb in VERBS {
        check_written(verb, &[], "Joe Smith", "\"Joe Smith\"");
        check_written(verb, &[], " ", "\" \"");
        check_written(verb, &[], "a@example.org", "\"a@example.org\"");
        check_written(verb, &[], "say \"hi\" \\ bye", "\"say \\\"hi\\\" \\\\ bye\"");
        check_written(verb, &[], "<a,b;c:d>", "\"<a,b;c:d>\"");
    }
}

#[test]
fn a_mailbox_is_written_as_it_is() {
    let rest = "C: VRFY a.b@example.org\nS: 250 yes\nC: EXPN \"x y\"@[192.0.2.1]\nS: 250 yes";
    play_on(&[], rest, async |mut connection| {
        let mailbox: Mailbox = "a.b@example.org".parse().unwrap();
        connection.verify(&mailbox).await.unwrap();
        let mailbox: Mailbox = "\"x y\"@[192.0.2.1]".parse().unwrap();
        connection.expand(&mailbox).await.unwrap();
    });
}

#[test]
fn an_empty_argument_is_refused() {
    for verb in VERBS {
        check_invalid(verb, "", Flaw::Empty);
    }
}

#[test]
fn every_control_character_is_refused_wherever_it_stands() {
    for verb in VERBS {
        for octet in (0..0x20).chain([0x7f]) {
            let character = char::from(octet);
            for (argument, offset) in [
                (format!("{character}"), 0),
                (format!("{character}ab"), 0),
                (format!("a{character}b"), 1),
                (format!("ab{character}"), 2),
            ] {
                check_invalid(verb, &argument, Flaw::Control { character, offset });
            }
        }
    }
}

#[test]
fn an_injected_command_is_refused() {
    for verb in VERBS {
        for end in ["\r\n", "\n", "\r"] {
            let character = if end.starts_with('\r') { '\r' } else { '\n' };
            let argument = format!("x{end}RSET");
            check_invalid(verb, &argument, Flaw::Control { character, offset: 1 });
        }
    }
}

#[test]
fn controls_outside_ascii_are_refused() {
    for verb in VERBS {
        for character in ['\u{80}', '\u{85}', '\u{9f}', '\u{2028}', '\u{2029}', '\u{202e}'] {
            let argument = format!("a{character}b");
            check_invalid(verb, &argument, Flaw::Control { character, offset: 1 });
        }
    }
}

#[test]
fn a_line_over_the_limit_is_refused() {
    for verb in VERBS {
        // The verb, a space and CRLF take seven octets.
        let longest = "x".repeat(512 - 7);
        check_written(verb, &[], &longest, &longest);
        let flaw = Flaw::CommandTooLong { length: 513, limit: 512 };
        check_invalid(verb, &"x".repeat(512 - 6), flaw);
        // It is the line that counts, with its quotes and backslashes.
        check_invalid(verb, &format!("{}\"", "x".repeat(512 - 7 - 3)), flaw);
    }
}

#[test]
fn outside_ascii_the_parameter_is_added_where_it_is_offered() {
    for verb in [Verb::Vrfy, Verb::Expn] {
        check_written(verb, &["smtputf8"], "Grün", "Grün SMTPUTF8");
        check_written(verb, &["SMTPUTF8"], "Grün Weiß", "\"Grün Weiß\" SMTPUTF8");
        check_written(verb, &["SMTPUTF8"], "ascii", "ascii");
    }
}

#[test]
fn outside_ascii_nothing_is_written_where_it_is_not_offered() {
    for verb in [Verb::Vrfy, Verb::Expn] {
        let rest = "C: NOOP\nS: 250 ok";
        let (outcome, _) = play_on(&["8BITMIME"], rest, async |mut connection| {
            let outcome = verb.perform(&mut connection, "Grün").await;
            connection.noop().await.unwrap();
            outcome
        });
        let error = outcome.unwrap_err();
        let lacking = Unsupported::Extension(Extension::SmtpUtf8);
        let matches = matches!(error.kind(), ErrorKind::Unsupported(found) if *found == lacking);
        assert!(matches, "{error:?}");
    }
}

#[test]
fn a_help_topic_is_ascii() {
    check_invalid(Verb::Help, "Grün", Flaw::NonAscii { offset: 2 });
}

#[test]
fn characters_that_end_in_cr_or_lf_when_cut_short_write_neither() {
    // The low octet of each of these is CR or LF.
    for character in ['\u{760d}', '\u{760a}', '\u{010d}', '\u{010a}', '\u{200a}'] {
        for verb in [Verb::Vrfy, Verb::Expn] {
            let argument = format!("a{character}RSET");
            let written = format!("{argument} SMTPUTF8");
            check_written(verb, &["SMTPUTF8"], &argument, &written);
        }
    }
}
