//! Decodes commands from arbitrary octets: a decoded command must encode to one line that decodes
//! to the same, and every error must have a reply that a server can send.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_codec::{
    Command, CommandError, CommandFault, DecodedCommand, Deviations, LineFramer, Mailbox,
    ReplyDecoder, Sequence, encode_reply,
};
use smtp_error::Reply;
use smtp_fuzz::{no_limits, replies};

/// The deviations that remain after a deviant command was encoded, because its value keeps them.
const KEPT: Deviations = Deviations::HELLO_NAME
    .union(Deviations::LOOSE_ARGUMENT)
    .union(Deviations::MAILBOX)
    .union(Deviations::LOWER_HEX);

const LINE_LIMIT: usize = 2048;

fuzz_target!(|data: &[u8]| {
    check(data);
    check_auth_response(data);
    // Lines in any order, one by one, as a server reads them.
    let mut framer = LineFramer::new(LINE_LIMIT);
    let mut sequences = [Sequence::smtp(), Sequence::lmtp()];
    let mut rest = data;
    while !rest.is_empty() {
        let Ok(Some(line)) = framer.next(&mut rest) else { continue };
        let Some(command) = check(line.content) else { continue };
        for sequence in &mut sequences {
            match sequence.check(&command) {
                Ok(()) => sequence.accepted(&command),
                Err(reply) => sends(&reply),
            }
        }
    }
});

/// Decodes the command, if the line has one; the result must not depend on what is tolerated.
fn check(line: &[u8]) -> Option<Command<'_>> {
    let any = Command::decode(line, Deviations::all());
    for tolerated in [Deviations::TOLERANT, Deviations::STRICT, Deviations::empty()] {
        let decoded = Command::decode(line, tolerated);
        match (any, decoded) {
            (Err(error), decoded) => assert_eq!(decoded, Err(error)),
            (Ok(any), Ok(decoded)) => {
                assert_eq!(decoded, any);
                assert!(tolerated.contains(decoded.deviations));
            }
            (Ok(any), Err(error)) => {
                let refused = any.deviations - tolerated;
                assert_eq!(error.fault, CommandFault::Deviation(refused));
                assert!(!refused.is_empty());
                check_error(error, line);
            }
        }
    }
    match any {
        Ok(decoded) => check_encoded(decoded),
        Err(error) => check_error(error, line),
    }
    any.ok().map(|decoded| decoded.command)
}

fn check_error(error: CommandError, line: &[u8]) {
    assert!(error.offset <= line.len(), "{error:?}");
    assert!(!error.to_string().is_empty());
    sends(&error.reply());
}

/// Checks that the reply is one clean line.
fn sends(reply: &Reply) {
    let mut encoded = Vec::new();
    encode_reply(reply, &mut encoded);
    assert!(encoded.len() <= 512 && reply.enhanced().is_some());
    let mut decoder = ReplyDecoder::new(no_limits(), Deviations::empty());
    let (found, None) = replies(&mut decoder, [&*encoded].into_iter()) else {
        panic!("{reply} is malformed")
    };
    assert!(matches!(&*found, [one] if one.reply == *reply && one.reply.lines().count() == 1));
}

fn check_encoded(decoded: DecodedCommand<'_>) {
    let command = decoded.command;
    let line = encoded(command);
    let again = Command::decode(&line, Deviations::all());
    let Ok(again) = again else { panic!("{command} decodes, but its own line gives {again:?}") };
    assert_eq!(again.command, command);
    assert!((decoded.deviations & KEPT).contains(again.deviations), "{again:?}");
    match command {
        Command::Mail(mail) => {
            check_path(mail.path().as_str(), mail.owned().canonical().path().as_str())
        }
        Command::Rcpt(rcpt) => {
            check_path(rcpt.path().as_str(), rcpt.owned().canonical().path().as_str())
        }
        _ => {}
    }
}

/// Checks that the form in which a client sends this path is itself a path with the same form, and
/// with the same labels and local-part.
fn check_path(given: &str, sent: &str) {
    let Ok(mailbox) = Mailbox::tolerating(sent, Deviations::MAILBOX) else {
        assert_eq!(given, sent, "it is a path without a mailbox");
        return;
    };
    assert_eq!(mailbox.owned().canonical().as_str(), sent);
    assert!(mailbox.needs_smtputf8() || mailbox.is_ascii());
    assert_eq!(Some(mailbox.local_part()), given.get(..mailbox.local_part().len()));
    let labels = |path: &str| path[mailbox.local_part().len()..].split('.').count();
    assert_eq!(labels(given), labels(sent));
}

/// Returns the encoded command without its line end, and checks that it is one line.
fn encoded(command: Command<'_>) -> Vec<u8> {
    let mut line = b"before".to_vec();
    let outcome = command.encode(usize::MAX, &mut line);
    assert_eq!(outcome, Ok(()), "{command}");
    let line = line.split_off(b"before".len());
    assert_eq!(line.len(), command.line_length());
    assert!(line.ends_with(b"\r\n"));
    let content = &line[..line.len() - 2];
    let forbidden = |octet: &u8| octet.is_ascii_control();
    assert!(!content.iter().any(forbidden), "{}", content.escape_ascii());
    assert!(!command.to_string().chars().any(char::is_control));

    assert!(command.check(line.len()).is_ok() && command.check(line.len() - 1).is_err());
    let mut untouched = b"before".to_vec();
    assert!(command.encode(line.len() - 1, &mut untouched).is_err());
    assert_eq!(untouched, b"before");
    content.to_vec()
}

fn check_auth_response(line: &[u8]) {
    match Command::decode_auth_response(line) {
        Ok(command) => {
            assert_eq!(encoded(command), line);
            if let Command::AuthResponse(response) = command {
                assert!(
                    !format!("{command}{command:?}").contains(response.as_base64())
                        || response.as_base64().len() < 8
                );
            }
        }
        Err(error) => check_error(error, line),
    }
}
