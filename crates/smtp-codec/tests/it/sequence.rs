//! Which command is legal in which state of a session, and what the others are answered.

use smtp_codec::{Command, Deviations, Sequence};
use smtp_error::{EnhancedCode, Reply};

fn command(line: &str) -> Command<'_> {
    Command::decode(line.as_bytes(), Deviations::empty()).unwrap().command
}

/// The session after these lines, each of which was legal and accepted; `.` is the end of a text.
#[track_caller]
fn after(mut sequence: Sequence, history: &[&str]) -> Sequence {
    for &line in history {
        if line == "." {
            sequence.end_of_text();
            continue;
        }
        assert_eq!(sequence.check(&command(line)), Ok(()), "{line}");
        sequence.accepted(&command(line));
    }
    sequence
}

/// The parts of a reply that a client acts on.
fn answer(reply: Result<(), Reply>) -> Option<(u16, Option<EnhancedCode>)> {
    reply.err().map(|reply| (reply.code().get(), reply.enhanced()))
}

const BAD_SEQUENCE: (u16, Option<EnhancedCode>) = (503, EnhancedCode::new(5, 5, 1));
const UNRECOGNIZED: (u16, Option<EnhancedCode>) = (500, EnhancedCode::new(5, 5, 1));
const REQUIRED: (u16, Option<EnhancedCode>) = (530, EnhancedCode::new(5, 7, 0));

#[track_caller]
fn legal(sequence: &Sequence, lines: &[&str]) {
    for line in lines {
        assert_eq!(answer(sequence.check(&command(line))), None, "{line}");
    }
}

#[track_caller]
fn refused(sequence: &Sequence, lines: &[&str], expected: (u16, Option<EnhancedCode>)) {
    for line in lines {
        assert_eq!(answer(sequence.check(&command(line))), Some(expected), "{line}");
    }
}

/// Commands that are legal at any time.
const ALWAYS: &[&str] = &["NOOP", "RSET", "QUIT", "HELP", "VRFY a", "EXPN a"];

/// Commands that belong outside of a transaction.
const OUTSIDE: &[&str] = &["AUTH PLAIN", "ETRN a", "XCLIENT NAME=a", "XFORWARD NAME=a"];

/// Commands that bring a text.
const TEXT: &[&str] = &["DATA", "BDAT 1", "BDAT 1 LAST", "BDAT 0 LAST", "BURL a:"];

const MAIL: &str = "MAIL FROM:<a@b>";
const RCPT: &str = "RCPT TO:<c@d>";

#[test]
fn a_session_begins_with_a_greeting() {
    let sequence = Sequence::smtp();
    legal(&sequence, ALWAYS);
    legal(&sequence, &["EHLO a", "HELO a", "XCLIENT NAME=a", "XFORWARD NAME=a"]);
    refused(&sequence, &["AUTH PLAIN", "ETRN a"], BAD_SEQUENCE);
    refused(&sequence, TEXT, BAD_SEQUENCE);
    refused(&sequence, &[MAIL, RCPT, "STARTTLS"], BAD_SEQUENCE);
}

#[test]
fn a_greeted_session_takes_mail() {
    for greeting in ["EHLO a", "HELO a"] {
        let sequence = after(Sequence::smtp(), &[greeting]);
        legal(&sequence, ALWAYS);
        legal(&sequence, OUTSIDE);
        legal(&sequence, &["EHLO a", "HELO a", MAIL, "STARTTLS"]);
        refused(&sequence, TEXT, BAD_SEQUENCE);
        refused(&sequence, &[RCPT], BAD_SEQUENCE);
    }
}

#[test]
fn a_transaction_has_one_sender_then_recipients_then_a_text() {
    let opened = after(Sequence::smtp(), &["EHLO a", MAIL]);
    assert_eq!(opened.rcpts(), 0);
    legal(&opened, ALWAYS);
    legal(&opened, &["EHLO a", RCPT]);
    refused(&opened, &[MAIL], BAD_SEQUENCE);
    refused(&opened, TEXT, BAD_SEQUENCE);
    refused(&opened, OUTSIDE, BAD_SEQUENCE);

    let addressed = after(opened, &[RCPT, RCPT]);
    assert_eq!(addressed.rcpts(), 2);
    legal(&addressed, ALWAYS);
    legal(&addressed, TEXT);
    legal(&addressed, &[RCPT]);
    refused(&addressed, &[MAIL], BAD_SEQUENCE);
    refused(&addressed, OUTSIDE, BAD_SEQUENCE);
}

#[test]
fn refused_recipients_do_not_count() {
    let opened = after(Sequence::smtp(), &["EHLO a", MAIL]);
    assert_eq!(opened.check(&command(RCPT)), Ok(()));
    refused(&opened, TEXT, BAD_SEQUENCE);
}

#[test]
fn a_transaction_ends_with_its_text_rset_or_a_greeting() {
    for end in [&["DATA", "."][..], &["BDAT 9", "BDAT 1 LAST", "."], &["RSET"], &["EHLO a"]] {
        let sequence = after(Sequence::smtp(), &["EHLO a", MAIL, RCPT]);
        let sequence = after(sequence, end);
        assert_eq!(sequence.rcpts(), 0);
        legal(&sequence, &[MAIL, "AUTH PLAIN"]);
        refused(&sequence, TEXT, BAD_SEQUENCE);
        refused(&sequence, &[RCPT], BAD_SEQUENCE);
        let again = after(sequence, &[MAIL]);
        assert_eq!(again.rcpts(), 0);
        refused(&again, TEXT, BAD_SEQUENCE);
    }
}

#[test]
fn what_is_ignored_leaves_a_transaction_open() {
    let sequence = after(Sequence::smtp(), &["EHLO a", MAIL, RCPT]);
    let sequence = after(sequence, &["NOOP", "VRFY a", "EXPN a", "HELP", "QUIT"]);
    assert_eq!(sequence.rcpts(), 1);
    legal(&sequence, TEXT);
}

#[test]
fn chunks_and_data_do_not_mix() {
    for chunk in ["BDAT 1", "BDAT 0", "BURL a:"] {
        let sequence = after(Sequence::smtp(), &["EHLO a", MAIL, RCPT, chunk]);
        legal(&sequence, &["BDAT 1", "BDAT 0 LAST", "BURL a: LAST", "RSET", "NOOP"]);
        refused(&sequence, &["DATA", RCPT, MAIL], BAD_SEQUENCE);
        let sequence = after(sequence, &["RSET", MAIL, RCPT]);
        legal(&sequence, TEXT);
    }
}

#[test]
fn binary_text_comes_in_chunks() {
    let mail = "MAIL FROM:<a@b> BODY=BINARYMIME";
    let sequence = after(Sequence::smtp(), &["EHLO a", mail, RCPT]);
    legal(&sequence, &["BDAT 1", "BDAT 1 LAST", "BURL a:"]);
    refused(&sequence, &["DATA"], BAD_SEQUENCE);
    let lower = after(Sequence::smtp(), &["EHLO a", "mail from:<> body=binarymime", RCPT]);
    refused(&lower, &["DATA"], BAD_SEQUENCE);
    let next = after(sequence, &["BDAT 1 LAST", ".", MAIL, RCPT]);
    legal(&next, TEXT);
}

#[test]
fn unknown_verbs_are_not_recognized() {
    for sequence in [Sequence::smtp(), Sequence::lmtp()] {
        refused(&sequence, &["TURN", "SEND FROM:<a@b>", "XYZ", "GET / HTTP/1.1"], UNRECOGNIZED);
    }
}

#[test]
fn smtp_and_lmtp_have_their_own_greetings() {
    refused(&Sequence::smtp(), &["LHLO a"], UNRECOGNIZED);
    let lmtp = Sequence::lmtp();
    refused(&lmtp, &["EHLO a", "HELO a"], UNRECOGNIZED);
    legal(&lmtp, &["LHLO a"]);
    refused(&lmtp, &[MAIL, "STARTTLS"], BAD_SEQUENCE);
    let greeted = after(lmtp, &["LHLO a"]);
    legal(&greeted, &[MAIL, "STARTTLS", "AUTH PLAIN"]);
    refused(&greeted, &["EHLO a"], UNRECOGNIZED);
    let opened = after(greeted, &[MAIL]);
    refused(&opened, TEXT, BAD_SEQUENCE);
    legal(&after(opened, &[RCPT]), TEXT);
}

#[test]
fn tls_resets_the_session() {
    for history in [&["EHLO a"][..], &["EHLO a", MAIL, RCPT], &["EHLO a", "AUTH PLAIN"]] {
        let sequence = after(after(Sequence::smtp(), history), &["STARTTLS"]);
        assert_eq!(sequence.rcpts(), 0);
        refused(&sequence, &[MAIL, RCPT, "STARTTLS", "AUTH PLAIN"], BAD_SEQUENCE);
        refused(&sequence, TEXT, BAD_SEQUENCE);
        let sequence = after(sequence, &["EHLO a"]);
        legal(&sequence, &[MAIL, "AUTH PLAIN"]);
        refused(&sequence, &["STARTTLS"], BAD_SEQUENCE);
    }
    let lmtp = after(Sequence::lmtp(), &["LHLO a", "STARTTLS"]);
    refused(&lmtp, &["EHLO a"], UNRECOGNIZED);
    legal(&lmtp, &["LHLO a"]);
}

#[test]
fn authentication_is_given_once_and_outside_a_transaction() {
    let sequence = after(Sequence::smtp(), &["EHLO a", "AUTH PLAIN"]);
    refused(&sequence, &["AUTH PLAIN", "AUTH LOGIN"], BAD_SEQUENCE);
    legal(&sequence, &[MAIL, "ATRN", "ATRN a,b"]);
    // A new greeting does not undo it.
    refused(&after(sequence, &["EHLO a"]), &["AUTH PLAIN"], BAD_SEQUENCE);
    let opened = after(Sequence::smtp(), &["EHLO a", MAIL]);
    refused(&opened, &["AUTH PLAIN"], BAD_SEQUENCE);
}

#[test]
fn roles_change_after_authentication() {
    refused(&Sequence::smtp(), &["ATRN"], REQUIRED);
    refused(&after(Sequence::smtp(), &["EHLO a"]), &["ATRN"], REQUIRED);
    let opened = after(Sequence::smtp(), &["EHLO a", "AUTH PLAIN", MAIL]);
    refused(&opened, &["ATRN"], BAD_SEQUENCE);
}

#[test]
fn tls_may_be_required() {
    let sequence = after(Sequence::smtp().require_tls(), &["EHLO a"]);
    legal(&sequence, ALWAYS);
    legal(&sequence, &["STARTTLS", "EHLO a"]);
    refused(&sequence, &[MAIL, "AUTH PLAIN"], REQUIRED);
    refused(&sequence, &[RCPT, "DATA"], BAD_SEQUENCE);
    let secured = after(sequence, &["STARTTLS", "EHLO a"]);
    legal(&secured, &[MAIL, "AUTH PLAIN"]);
}

#[test]
fn authentication_may_be_required() {
    let sequence = after(Sequence::smtp().require_authentication(), &["EHLO a"]);
    refused(&sequence, &[MAIL], REQUIRED);
    legal(&sequence, &["AUTH PLAIN", "STARTTLS"]);
    let authenticated = after(sequence, &["AUTH PLAIN"]);
    legal(&authenticated, &[MAIL]);
    // All that was sent before TLS is void.
    let secured = after(authenticated, &["STARTTLS", "EHLO a"]);
    refused(&secured, &[MAIL], REQUIRED);
    legal(&secured, &["AUTH PLAIN"]);
}

#[test]
fn both_may_be_required() {
    let both = Sequence::smtp().require_authentication().require_tls();
    refused(&both, &[MAIL, "AUTH PLAIN"], BAD_SEQUENCE);
    let greeted = after(both, &["EHLO a"]);
    refused(&greeted, &[MAIL, "AUTH PLAIN"], REQUIRED);
    let secured = after(greeted, &["STARTTLS", "EHLO a"]);
    refused(&secured, &[MAIL], REQUIRED);
    legal(&after(secured, &["AUTH PLAIN"]), &[MAIL]);
}

#[test]
fn another_client_begins_another_session() {
    let proxied = Sequence::smtp().require_authentication();
    let sequence = after(proxied, &["EHLO a", "AUTH PLAIN", "XCLIENT NAME=b"]);
    refused(&sequence, &[MAIL, "STARTTLS", "AUTH PLAIN"], BAD_SEQUENCE);
    let sequence = after(sequence, &["XCLIENT ADDR=192.0.2.1", "EHLO b"]);
    // What the proxy may do is not what its client may do.
    refused(&sequence, &[MAIL], REQUIRED);
    legal(&sequence, &["AUTH PLAIN"]);
    let secured = after(Sequence::smtp(), &["EHLO a", "STARTTLS", "XCLIENT NAME=b", "EHLO b"]);
    refused(&secured, &["STARTTLS"], BAD_SEQUENCE);
    let filtered = after(Sequence::smtp(), &["EHLO a", "XFORWARD NAME=b"]);
    legal(&filtered, &[MAIL]);
}
