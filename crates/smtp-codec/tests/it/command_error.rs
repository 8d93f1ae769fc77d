//! The replies of a server to invalid command lines.

use smtp_codec::{Command, Deviations, ReplyDecoder, ReplyLimits, encode_reply};
use smtp_error::{EnhancedCode, Reply};

type Enhanced = (u8, u16, u16);

const SYNTAX: Enhanced = (5, 5, 2);
const ARGUMENTS: Enhanced = (5, 5, 4);
const SENDER: Enhanced = (5, 1, 7);
const RECIPIENT: Enhanced = (5, 1, 3);

/// The reply is one line of printable ASCII that the strictest client takes.
#[track_caller]
fn is_clean(reply: &Reply) {
    let mut wire = Vec::new();
    encode_reply(reply, &mut wire);
    let line = wire.strip_suffix(b"\r\n").unwrap();
    assert!(line.iter().all(|octet| matches!(octet, b' '..=b'~')), "{reply}");
    assert!(wire.len() <= 512, "{reply}");
    let mut decoder = ReplyDecoder::new(ReplyLimits::default(), Deviations::empty());
    let decoded = decoder.decode(&mut &wire[..]).unwrap().unwrap();
    assert_eq!(decoded.reply, *reply);
}

#[track_caller]
fn check(line: impl AsRef<[u8]>, tolerated: Deviations, code: u16, enhanced: Enhanced) {
    let line = line.as_ref();
    let error = Command::decode(line, tolerated).unwrap_err();
    let reply = error.reply();
    let (class, subject, detail) = enhanced;
    assert_eq!(reply.code(), code, "{}", line.escape_ascii());
    let found = reply.enhanced();
    assert_eq!(found, EnhancedCode::new(class, subject, detail), "{}", line.escape_ascii());
    is_clean(&reply);
}

#[test]
fn a_line_without_a_verb_is_not_recognized() {
    for line in [&b""[..], b" ", b" QUIT", b"\xff\xfe", b"\0", b"EH\rLO a", b"QUIT\r", b"X\x7f"] {
        check(line, Deviations::all(), 500, SYNTAX);
    }
}

#[test]
fn a_known_verb_has_wrong_arguments() {
    for line in [
        &b"EHLO"[..],
        b"EHLO a\0",
        b"NOOP \xff",
        b"DATA x",
        b"STARTTLS x",
        b"BDAT",
        b"BDAT x",
        b"BDAT 99999999999999999999999 LAST",
        b"BDAT 1 FIRST",
        b"MAIL FROM",
        b"MAIL FROM:<a@b",
        b"MAIL FROM:<a@b>SIZE=1",
        b"MAIL FROM:<a@b> SIZE=x",
        b"MAIL FROM:<a@b> =",
        b"MAIL FROM:<a@b> X X",
        b"RCPT TO:<@a:>",
        b"RCPT TO:<a@b> NOTIFY=NEVER,DELAY",
        b"AUTH",
        b"AUTH PL.AIN",
        b"AUTH PLAIN = x",
        b"XCLIENT NAME",
        "ETRN a\u{202e}".as_bytes(),
    ] {
        check(line, Deviations::all(), 501, ARGUMENTS);
    }
}

#[test]
fn deviations_that_are_not_tolerated_are_syntax_errors() {
    for line in ["DATA ", "MAIL  FROM:<a@b>", "MAIL FROM: <a@b>", "MAIL FROM:a@b", "EHLO a_b"] {
        check(line, Deviations::empty(), 501, ARGUMENTS);
    }
}

#[test]
fn bad_addresses_are_those_of_the_sender_or_of_a_recipient() {
    let long = format!("{}@b", "a".repeat(65));
    let tolerated = Deviations::TOLERANT;
    for path in ["a", "a..b@c", "a@b_c", &long, "a@[::1]", "\"a\"b@c", "a@\u{3002}"] {
        check(format!("MAIL FROM:<{path}>"), tolerated, 501, SENDER);
        check(format!("RCPT TO:<{path}>"), tolerated, 501, RECIPIENT);
    }
    check("RCPT TO:<@[192.0.2.1]:a@b>", Deviations::STRICT, 501, RECIPIENT);
    check("RCPT TO:<@a:postmaster>", Deviations::STRICT, 501, RECIPIENT);
    check("MAIL FROM:<postmaster>", Deviations::all(), 501, SENDER);
    check("RCPT TO:<>", Deviations::all(), 501, RECIPIENT);
}

#[test]
fn invalid_base64_is_a_syntax_error() {
    for line in ["AUTH PLAIN A", "AUTH PLAIN ==", "AUTH PLAIN AAAA="] {
        check(line, Deviations::all(), 501, SYNTAX);
    }
    for line in [&b"A"[..], b"=", b"* ", b"AAAA AAAA", b"AAAA\r"] {
        let reply = Command::decode_auth_response(line).unwrap_err().reply();
        assert_eq!(reply.code(), 501);
        assert_eq!(reply.enhanced(), EnhancedCode::new(5, 5, 2));
        is_clean(&reply);
    }
}

#[test]
fn no_reply_repeats_octets_of_the_command() {
    for line in [
        "MAIL FROM:<evil(@b>",
        "RCPT TO:<a@evil_>",
        "MAIL FROM:<> evil_=1",
        "RCPT TO:<a@b> NOTIFY=evil",
        "AUTH evil.",
        "AUTH PLAIN evil!",
        "BDAT evil",
        "DATA evil",
        "XCLIENT evil",
    ] {
        let error = Command::decode(line.as_bytes(), Deviations::TOLERANT).unwrap_err();
        let shown = format!("{error} {error:?} {}", error.reply());
        assert!(!shown.contains("evil"), "{shown}");
    }
}
