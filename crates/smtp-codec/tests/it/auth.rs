//! AUTH and the lines of its exchange, as a server reads them.

use smtp_codec::{Command, CommandFault, Deviations, Mechanism, SaslResponse, Verb};
use smtp_error::{Field, Flaw, Invalid};

/// The line is AUTH with this mechanism and these octets, and is encoded as it came.
#[track_caller]
fn check(line: &str, name: &str, octets: Option<&[u8]>) {
    let command = Command::decode(line.as_bytes(), Deviations::empty()).unwrap().command;
    let mechanism = Mechanism::new(name).unwrap();
    let response = octets.map(SaslResponse::new);
    let initial = response.as_ref().map(SaslResponse::borrowed);
    assert_eq!(command, Command::Auth { mechanism, initial });
    let mut out = Vec::new();
    command.encode(512, &mut out).unwrap();
    assert_eq!(out, format!("{line}\r\n").into_bytes());
    let Command::Auth { initial, .. } = command else { panic!("it is AUTH") };
    assert_eq!(initial.map(|initial| initial.decode().unwrap()).as_deref(), octets);
}

#[track_caller]
fn refused(line: &[u8], fault: CommandFault, offset: usize) {
    let error = Command::decode(line, Deviations::all()).unwrap_err();
    let found = (error.verb, error.fault, error.offset);
    assert_eq!(found, (Some(Verb::Auth), fault, offset), "{}", line.escape_ascii());
}

/// The line of an exchange is refused for this flaw at this octet of the response.
#[track_caller]
fn response_refused(line: &str, offset: usize) {
    let error = Command::decode_auth_response(line.as_bytes()).unwrap_err();
    let invalid = Invalid::new(Field::AuthResponse, Flaw::Syntax { offset });
    let found = (error.verb, error.fault, error.offset);
    assert_eq!(found, (Some(Verb::Auth), CommandFault::Argument(invalid), 0), "{line:?}");
}

#[test]
fn no_response_an_empty_one_and_one_with_octets_are_three_things() {
    check("AUTH PLAIN", "PLAIN", None);
    check("AUTH EXTERNAL =", "EXTERNAL", Some(b""));
    check("AUTH PLAIN AGEAYg==", "PLAIN", Some(b"\0a\0b"));
    check("AUTH PLAIN AGEAYmM=", "PLAIN", Some(b"\0a\0bc"));
    check("AUTH PLAIN AGEAYmNk", "PLAIN", Some(b"\0a\0bcd"));
    check("AUTH PLAIN +/++", "PLAIN", Some(b"\xfb\xff\xbe"));
}

#[test]
fn the_name_of_a_mechanism_is_kept() {
    for name in ["SCRAM-SHA-512-PLUS", "login", "X_NEW-1", "OAUTHBEARER"] {
        check(&format!("AUTH {name}"), name, None);
    }
}

#[test]
fn invalid_mechanisms_are_refused() {
    let fault = |flaw| CommandFault::Argument(Invalid::new(Field::AuthMechanism, flaw));
    refused(b"AUTH PLA.IN", fault(Flaw::Syntax { offset: 3 }), 5);
    refused(b"AUTH  *", fault(Flaw::Syntax { offset: 0 }), 6);
    refused("AUTH PL\u{c4}IN".as_bytes(), fault(Flaw::Syntax { offset: 2 }), 5);
    let long = format!("AUTH {}", "A".repeat(21));
    refused(long.as_bytes(), fault(Flaw::TooLong { length: 21, limit: 20 }), 5);
}

/// Invalid base64, and the octet that is wrong.
const NO_BASE64: &[(&str, usize)] = &[
    ("==", 2),
    ("A", 1),
    ("AA", 2),
    ("AAA", 3),
    ("A===", 4),
    ("AA=", 3),
    ("AAAA=", 5),
    ("AAAA==", 6),
    ("AAAA====", 8),
    ("A=AA", 1),
    ("AA==AA==", 2),
    ("A_-A", 1),
    ("AA.A", 2),
    ("*AAA", 0),
    ("AAA\u{fc}", 3),
    ("****", 0),
];

#[test]
fn responses_are_base64_with_padding() {
    for &(text, offset) in NO_BASE64 {
        let invalid = Invalid::new(Field::AuthResponse, Flaw::Syntax { offset });
        refused(format!("AUTH PLAIN {text}").as_bytes(), CommandFault::Argument(invalid), 11);
        response_refused(text, offset);
    }
}

#[test]
fn nothing_follows_the_initial_response() {
    refused(b"AUTH PLAIN = x", CommandFault::UnexpectedArgument, 13);
    refused(b"AUTH PLAIN AAAA BBBB", CommandFault::UnexpectedArgument, 16);
    refused(b"AUTH PLAIN AAAA  =", CommandFault::UnexpectedArgument, 17);
}

#[test]
fn bits_that_stand_for_nothing_are_noticed_when_it_is_decoded() {
    let invalid = Invalid::new(Field::AuthResponse, Flaw::Syntax { offset: 4 });
    for text in ["AB==", "AAB="] {
        assert_eq!(SaslResponse::from_base64(text).unwrap().decode(), Err(invalid));
    }
}

#[test]
fn a_response_to_a_challenge_is_a_line_of_its_own() {
    for (line, octets) in
        [("", &b""[..]), ("AA==", b"\0"), ("Zm9v", b"foo"), ("+/++", b"\xfb\xff\xbe")]
    {
        let command = Command::decode_auth_response(line.as_bytes()).unwrap();
        let Command::AuthResponse(response) = command else { panic!("it is a response") };
        assert_eq!(response.decode().unwrap(), octets);
        let mut out = Vec::new();
        command.encode(512, &mut out).unwrap();
        assert_eq!(out, format!("{line}\r\n").into_bytes());
        assert!(!format!("{command:?}{command}").contains("Zm9v"));
    }
}

#[test]
fn an_asterisk_alone_cancels() {
    assert_eq!(Command::decode_auth_response(b"*"), Ok(Command::AuthCancel));
    response_refused("* ", 0);
    response_refused(" *", 0);
    response_refused("**", 0);
}

#[test]
fn a_response_is_nothing_but_base64() {
    response_refused("=", 1);
    response_refused("AAAA ", 4);
    response_refused(" AAAA", 0);
    response_refused("AAAA BBBB", 4);
    response_refused("AAAA\r", 4);
    response_refused("QUIT\0", 4);
    let error = Command::decode_auth_response(b"AA\xff").unwrap_err();
    let found = (error.verb, error.fault, error.offset);
    assert_eq!(found, (Some(Verb::Auth), CommandFault::NotText, 2));
}

#[test]
fn no_error_shows_a_response() {
    for line in ["AUTH PLAIN c2Vjcm!0", "AUTH PLAIN c2VjcmV0 c2VjcmV0", "AUTH c2VjcmV0/ x"] {
        let error = Command::decode(line.as_bytes(), Deviations::all()).unwrap_err();
        let shown = format!("{error} {error:?} {}", error.reply());
        assert!(!shown.contains("c2Vj"), "{shown}");
    }
}

#[test]
fn the_mechanisms_that_have_names_here_have_sound_ones() {
    for mechanism in [
        Mechanism::ANONYMOUS,
        Mechanism::CRAM_MD5,
        Mechanism::EXTERNAL,
        Mechanism::LOGIN,
        Mechanism::OAUTHBEARER,
        Mechanism::PLAIN,
        Mechanism::SCRAM_SHA_1,
        Mechanism::SCRAM_SHA_1_PLUS,
        Mechanism::SCRAM_SHA_256,
        Mechanism::SCRAM_SHA_256_PLUS,
        Mechanism::XOAUTH2,
    ] {
        let owned = Mechanism::from(mechanism);
        assert_eq!(mechanism.as_str().parse::<Mechanism>().unwrap(), owned);
        assert_eq!(owned.borrowed(), mechanism);
    }
}

#[test]
fn a_response_gives_its_base64_away() {
    assert_eq!(SaslResponse::new("tim").into_base64(), "dGlt");
    assert_eq!(SaslResponse::new("").into_base64(), "");
}
