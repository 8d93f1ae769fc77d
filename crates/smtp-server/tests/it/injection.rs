//! What a client writes into addresses and names, and what that does to replies and to the fields that
//! a server adds to a message.
use std::sync::Arc;

use smtp_codec::{Deviations, Mechanism};
use smtp_server::{Client, Event, ServerSession, Settings, SettingsBuilder, Trace};

/// Plays a client that is trusted, and returns the output of the session and the fields of the
/// messages that it sent.
fn fields(settings: SettingsBuilder, octets: &[u8]) -> (String, Vec<String>) {
    let client = Client::at("192.0.2.1:4711".parse().unwrap()).trusted().private();
    let settings = Arc::new(settings.build().unwrap());
    let mut session = ServerSession::new(settings, client, [7; 32]);
    let (mut input, mut fields) = (octets, Vec::new());
    loop {
        match session.next(&mut input) {
            Event::Read | Event::Close(_) => break,
            Event::Message(envelope) => {
                let (envelope, client) = (envelope.clone(), Arc::clone(session.client()));
                let trace = Trace::new(&client, &envelope, "mx.example.org");
                fields.push(trace.return_path() + &trace.received("the date"));
                session.accept();
            }
            _ => session.accept(),
        }
    }
    (String::from_utf8(session.output().clone()).unwrap(), fields)
}

fn settings(tolerated: Deviations) -> SettingsBuilder {
    Settings::smtp("mx.example.org")
        .tolerate(tolerated)
        .auth([Mechanism::PLAIN])
        .passwords_in_clear()
        .offer(|offer| offer.xclient(["NAME", "ADDR", "HELO", "LOGIN"]))
}

/// A session with this in the place of its `*`, and another that ends the same way without it.
const SESSIONS: [&str; 9] = [
    "EHLO a*b.example\r\nMAIL FROM:<>",
    "EHLO a*b\r\nMAIL FROM:<>",
    "HELO a*b.example\r\nMAIL FROM:<>",
    "EHLO [IPv6:*]\r\nMAIL FROM:<>",
    "EHLO a.example\r\nMAIL FROM:<a*b@c.example> SMTPUTF8",
    "EHLO a.example\r\nMAIL FROM:<\"a*b\"@c.example> SMTPUTF8",
    "EHLO a.example\r\nMAIL FROM:<\"a\\*b\"@c.example> SMTPUTF8",
    "EHLO a.example\r\nMAIL FROM:<a@c*d.example> SMTPUTF8",
    "EHLO a.example\r\nMAIL FROM:<> SMTPUTF8\r\nRCPT TO:<\"a*b\"@c.example>",
];

/// Attributes of XCLIENT are in xtext, which can hold every octet.
const ATTRIBUTES: [&str; 3] = ["NAME", "HELO", "LOGIN"];

/// Checks that the fields are those of one message: each line begins as it must.
fn check_fields(fields: &str, what: &str) {
    let lines: Vec<_> =
        fields.strip_suffix("\r\n").expect("the last line ends").split("\r\n").collect();
    let begins = |at: usize, with: &str| lines.get(at).is_some_and(|line| line.starts_with(with));
    let is_right = begins(0, "Return-Path: <")
        && begins(1, "Received: from ")
        && begins(2, "\tby mx.example.org with ")
        && lines[3..].iter().all(|line| line.starts_with("\tfor <") || *line == "\tthe date");
    assert!(is_right && lines.len() <= 5, "{what}: {fields:?}");
    let is_odd = |line: &&str| {
        let rest = line.strip_prefix('\t').unwrap_or(line);
        rest.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}'))
    };
    assert!(!lines.iter().any(is_odd), "{what}: {fields:?}");
    // Nothing ends the comment with the address of the client before its time.
    let from = lines[1];
    assert!(from.ends_with(")") && from.matches(['(', ')']).count() == 2, "{what}: {fields:?}");
}

#[test]
fn no_character_of_a_client_adds_a_field_or_a_line() {
    let rest = "\r\nRCPT TO:<b@c.example>\r\nBDAT 0 LAST\r\n";
    let others =
        ['\u{80}', '\u{85}', '\u{9f}', '\u{2028}', '\u{2029}', '\u{202e}', 'ü', '\u{ff0e}'];
    let mut count = 0;
    for character in ('\0'..='\x7f').chain(others) {
        for text in [character.to_string(), format!("{character}Subject: x{character}")] {
            for tolerated in [Deviations::empty(), Deviations::all()] {
                let sessions = SESSIONS.iter().map(|one| one.replace('*', &text));
                let xtext =
                    text.bytes().fold(String::new(), |all, octet| format!("{all}+{octet:02X}"));
                let named = ATTRIBUTES.iter().map(|name| {
                    format!(
                        "EHLO a.example\r\nXCLIENT {name}=a{xtext}b ADDR=192.0.2.9\r\n\
                         EHLO a.example\r\nMAIL FROM:<> SMTPUTF8"
                    )
                });
                for session in sessions.chain(named) {
                    let octets = format!("{session}{rest}");
                    let (output, fields) = fields(settings(tolerated), octets.as_bytes());
                    for line in output.split_terminator("\r\n") {
                        let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
                        assert!(code.is_some(), "{octets:?}: {output:?}");
                        assert!(
                            line.bytes().all(|octet| (b' '..=b'~').contains(&octet)),
                            "{octets:?}"
                        );
                    }
                    count += fields.len();
                    fields.iter().for_each(|fields| check_fields(fields, &octets));
                }
            }
        }
    }
    assert!(count > 1000, "{count}");
}
