//! The texts of errors: the only tests that compare them.

use std::{fmt::Display, io, net::SocketAddr, sync::Arc, time::Duration};

use smtp_error::{
    Advice, Attempt, Broken, Cause, Delivery, Ended, Error, ErrorKind, Excerpt, Extension, Field,
    Flaw, HeaderName, Hint, Invalid, InvalidAddress, InvalidEnvelope, MalformedReply, Misbehaved,
    NoMechanism, Obstacle, OfferedMechanism, OtherProtocol, Peer, ReplyCode, ReplyFault, SaslFault,
    Step, Unsupported, Verdict,
};

use crate::reply;

#[track_caller]
fn check(step: Step, kind: impl Into<ErrorKind>, sentence: &str) {
    let error = Error::new(step, kind);
    assert_eq!(error.to_string(), sentence);
    let doubted = error.with_in_doubt(true).to_string();
    assert_eq!(doubted, format!("{sentence} (the message may have been accepted)"));
}

#[track_caller]
fn reads(value: impl Display, text: &str) {
    assert_eq!(value.to_string(), text);
}

#[test]
fn refusals_and_421_show_the_reply() {
    let unknown = reply(550, "5.1.1 <bob@example.org> unknown\n5.1.1 ask\tagain");
    let refused = ErrorKind::Refused(unknown);
    check(
        Step::Rcpt,
        refused,
        "RCPT: refused: 550 5.1.1 <bob@example.org> unknown / 5.1.1 ask\tagain",
    );
    check(Step::Mail, ErrorKind::Refused(reply(451, "")), "MAIL: refused: 451");
    check(Step::Noop, Ended::ServerClosing(reply(421, "bye")), {
        "NOOP: the server is closing the connection: 421 bye"
    });
}

#[test]
fn protocol_violations_name_the_violation() {
    let malformed = MalformedReply::new(ReplyFault::Code, 2, 0);
    check(Step::Greeting, malformed, {
        "greeting: malformed reply: expected a reply code from 200 to 599 (line 2, octet 0)"
    });
    let (first, then) = (ReplyCode::OK, ReplyCode::MAILBOX_UNAVAILABLE);
    check(Step::Hello, MalformedReply::new(ReplyFault::CodeChanged { first, then }, 2, 0), {
        "hello: malformed reply: the code changed from 250 to 550 within one reply (line 2, octet 0)"
    });
    let reply = reply(354, "go on");
    check(Step::Quit, Misbehaved::WrongCode { step: Step::Quit, reply }, {
        "QUIT: unexpected reply to QUIT: 354 go on"
    });
    check(Step::StartTls, Misbehaved::PlaintextAfterStartTls, {
        "STARTTLS: received unencrypted octets after the reply to STARTTLS, possibly injected"
    });
}

#[test]
fn unsupported_requests_name_the_extension_and_the_limit() {
    let smtputf8 = Unsupported::Extension(Extension::SmtpUtf8);
    reads(Error::new(Step::Mail, smtputf8), {
        "MAIL: the server does not offer SMTPUTF8 (hint: SMTPUTF8 is for addresses and header fields \
         with octets outside ASCII: use another address, and encode header fields (RFC 2047))"
    });
    reads(Error::new(Step::Mail, Unsupported::Extension(Extension::EightBitMime)), {
        "MAIL: the server does not offer 8BITMIME (hint: 8BITMIME is for text with octets outside \
         ASCII: encode it as quoted-printable or base64, as message builders do, or set \
         `Sending::eight_bit` for a server that is known to keep such text)"
    });
    reads(Error::new(Step::Mail, Unsupported::Extension(Extension::BinaryMime)), {
        "MAIL: the server does not offer BINARYMIME (hint: BINARYMIME is for content that is not \
         lines: encode it as base64, for `MailData::new`)"
    });
    check(Step::Mail, Unsupported::TooBig { size: 1001, limit: 1000 }, {
        "MAIL: the message has 1001 octets, the server accepts at most 1000"
    });
}

#[test]
fn invalid_values_name_the_field_and_the_octet() {
    let control = Flaw::Control { character: '\r', offset: 3 };
    check(Step::Rcpt, Invalid::new(Field::ForwardPath, control), {
        "RCPT: forward-path: control character U+000D at octet 3"
    });
    reads(Invalid::new(Field::Recipients, Flaw::Empty), "recipients: must not be empty");
    reads(
        Invalid::new(Field::Text, Flaw::BareLf { offset: 9 }),
        "mail data: bare LF at octet 9; `MailData::normalize` and `Content::line_ends` convert it to CRLF",
    );
    let label = Flaw::InvalidLabel { offset: 4 };
    reads(Invalid::new(Field::Domain, label), "domain: invalid internationalized label at octet 4");
    let label = Flaw::LabelTooLong { offset: 2, length: 64, limit: 63 };
    reads(Invalid::new(Field::Domain, label), {
        "domain: label at octet 2 has 64 octets, at most 63 are allowed"
    });
    for (flaw, text) in [
        (Flaw::EmptyLabel { offset: 2 }, "domain: a label of the domain is empty, at octet 2"),
        (Flaw::NotALiteral { offset: 0 }, {
            "domain: not an address literal, such as [192.0.2.1] or [IPv6:2001:db8::1], at octet 0"
        }),
        (Flaw::OpenQuote, "domain: the quotation mark at its start is not closed"),
    ] {
        reads(Invalid::new(Field::Domain, flaw), text);
    }
    let flaw = Flaw::RawHeader { name: HeaderName::of_field(b"Subject: \xc3\xa9") };
    reads(Invalid::new(Field::Text, flaw), {
        "mail data: header field Subject has octets outside ASCII, which requires SMTPUTF8"
    });
    let flaw = Flaw::LineTooLong { line: 3, length: 999, limit: 998 };
    reads(Invalid::new(Field::Text, flaw), {
        "mail data: line 3 has 999 octets, at most 998 are allowed; wrap it, or encode the text as \
         quoted-printable or base64"
    });
    let flaw = Flaw::CommandTooLong { length: 513, limit: 512 };
    reads(Invalid::new(Field::AuthResponse, flaw), {
        "SASL response: the command line has 513 octets, at most 512 are allowed"
    });
    reads(Invalid::new(Field::Verb, Flaw::Reserved { verb: "EHLO" }), {
        "verb: EHLO has its own method or changes the session state; `command` sends only unnamed \
         verbs"
    });
}

#[test]
fn lost_connections_name_the_step_and_the_cause() {
    check(Step::EndOfText, Broken::Closed, "end of mail data: the server closed the connection");
    let after = Duration::from_secs(300);
    check(Step::Greeting, Broken::TimedOut { after }, "greeting: timed out after 300s");
    let limit = Duration::from_millis(1500);
    check(
        Step::Text,
        Broken::Deadline { limit },
        "mail data: the operation did not finish within 1.5s",
    );
    let cause = Cause::new(io::Error::other("no route"));
    check(Step::Connect, Broken::Io(cause.clone()), "connect: no route");
    check(Step::Connect, Broken::UnknownHost(cause.clone()), "connect: unknown host: no route");
    check(Step::Connect, Broken::NoConnection { after }, {
        "connect: all connections of the mailer were busy for 300s, its wait timeout"
    });
    check(Step::Connect, Broken::StillConnecting { after }, {
        "connect: no connection was open within 300s, the wait timeout of the mailer"
    });
    check(Step::Handshake, Broken::Tls(cause), "TLS handshake: no route");
}

#[test]
fn errors_of_an_ended_session_tell_why_it_ended() {
    reads(Error::new(Step::Mail, Ended::Quit), {
        "MAIL: the session has ended with QUIT (hint: open a new connection)"
    });
    check(Step::Connect, Ended::MailerClosed, {
        "connect: the mailer is closed; create another one"
    });
    check(Step::Mail, Ended::Closed, {
        "MAIL: the server closed the connection while it was idle"
    });
    let failed = Error::new(Step::Mail, Ended::Failed { step: Step::Rcpt });
    reads(failed.clone(), {
        "MAIL: the session ended when RCPT failed (hint: open a new connection)"
    });
    reads(failed.with_in_doubt(true), {
        "MAIL: the session ended when RCPT failed (the message may have been accepted)"
    });
    reads(Ended::Canceled { step: Step::Text, in_doubt: false }, {
        "the session ended when mail data was canceled"
    });
    reads(Ended::Canceled { step: Step::EndOfText, in_doubt: true }, {
        "the session ended when end of mail data was canceled (its message may have been accepted)"
    });
}

#[test]
fn every_address_that_failed_is_named() {
    let after = Duration::from_secs(30);
    let refused = Broken::Io(Cause::new(io::Error::other("refused")));
    let attempts = vec![
        Attempt::new(([192, 0, 2, 1], 25).into(), refused),
        Attempt::new(([192, 0, 2, 2], 25).into(), Broken::TimedOut { after }),
    ];
    check(
        Step::Connect,
        Broken::Unreachable(attempts),
        "connect: could not connect to any of 2 addresses; 192.0.2.1:25: refused; \
         192.0.2.2:25: timed out after 30s",
    );
}

#[test]
fn a_hint_follows_the_error() {
    let closed = Error::new(Step::Handshake, Broken::Closed);
    assert_eq!(closed.hint(), None);
    let hinted = closed.with_hint(Hint::NoTls);
    assert_eq!(hinted.hint(), Some(Hint::NoTls));
    reads(
        hinted,
        "TLS handshake: the server closed the connection (hint: the server does not start with TLS \
         on this port: use smtp+starttls://, or smtps:// with the port for implicit TLS, usually \
         465)",
    );
}

#[test]
fn the_server_is_named_with_all_that_is_known_of_it() {
    let address = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 587);
    let named = Peer::tcp("mx.example", 587);
    let literal = Peer::tcp("2001:db8::1", 25);
    for (step, peer, sentence) in [
        (
            Step::Connect,
            named.clone(),
            "connect to mx.example:587: the server closed the connection",
        ),
        (
            Step::Handshake,
            named.clone().with_address(address("192.0.2.1")),
            "TLS handshake with mx.example:587 (192.0.2.1): the server closed the connection",
        ),
        (
            Step::Greeting,
            literal.clone().with_address(address("2001:db8::1")),
            "greeting of [2001:db8::1]:25: the server closed the connection",
        ),
        (Step::Mail, literal, "MAIL at [2001:db8::1]:25: the server closed the connection"),
        (
            Step::Mail,
            Peer::unix("/run/a\nb"),
            "MAIL at /run/a\\nb: the server closed the connection",
        ),
    ] {
        let error = Error::new(step, Broken::Closed);
        assert_eq!(error.server(), None);
        let error = error.with_server(&Arc::new(peer.clone()));
        assert_eq!(error.server(), Some(&peer));
        reads(&error, sentence);
        // The first name is the true one.
        reads(error.with_server(&Arc::new(named.clone())), sentence);
    }
}

#[test]
fn an_envelope_names_the_address_that_is_wrong() {
    let why = |field| Invalid::new(field, Flaw::Unexpected { character: '@', offset: 4 });
    let recipient = |position, invalid| InvalidEnvelope::Recipient { position, invalid };
    let address = |text: &str, field| InvalidAddress::new(text, why(field));
    let bob = recipient(416, address("bob@@example.org", Field::ForwardPath));
    reads(&bob, "recipient 417, \"bob@@example.org\": unexpected '@' at octet 4");
    reads(Error::from(bob), {
        "RCPT: recipient 417, \"bob@@example.org\": unexpected '@' at octet 4"
    });
    let sender = InvalidEnvelope::Sender(address("a b", Field::ReversePath));
    reads(&sender, "sender \"a b\": unexpected '@' at octet 4");
    reads(Error::from(sender), "MAIL: sender \"a b\": unexpected '@' at octet 4");
    reads(InvalidEnvelope::NoRecipients, "an envelope needs at least one recipient");
    // Without the address, its number is known.
    reads(recipient(0, why(Field::ForwardPath).into()), "recipient 1: unexpected '@' at octet 4");
    reads(InvalidEnvelope::Sender(why(Field::Mailbox).into()), {
        "sender: unexpected '@' at octet 4"
    });
    // The part that is too long.
    let long = Invalid::new(Field::LocalPart, Flaw::TooLong { length: 65, limit: 64 });
    reads(recipient(0, InvalidAddress::new("a@b", long)), {
        "recipient 1, \"a@b\": local-part: 65 octets, at most 64 are allowed"
    });
}

#[test]
fn an_address_in_an_error_is_bounded_and_escaped() {
    let shown = |text: &str| {
        let invalid = InvalidAddress::new(text, Invalid::new(Field::Mailbox, Flaw::NoAt));
        let flaw = ": no @ between local-part and domain";
        invalid.to_string().strip_suffix(flaw).unwrap().to_owned()
    };
    assert_eq!(shown("a\r\n\u{202e}\"b\""), "\"a\\r\\n\\u{202e}\\\"b\\\"\"");
    assert_eq!(shown(&"\u{fc}".repeat(80)), format!("\"{}\"", "\u{fc}".repeat(80)));
    assert_eq!(shown(&"\u{fc}".repeat(81)), format!("\"{}...\"", "\u{fc}".repeat(80)));
}

#[test]
fn a_greeting_of_another_protocol_is_recognized() {
    for (octets, name) in [
        ("HTTP/1.1 400 Bad Request\r\n", Some("HTTP")),
        ("SSH-2.0-OpenSSH_9.6\r\n", Some("SSH")),
        ("+OK ready\r\n", Some("POP3")),
        ("* OK [CAPABILITY IMAP4rev1] ready\r\n", Some("IMAP")),
        ("220 mx.example ESMTP\r\n", None),
        ("+", None),
        ("", None),
    ] {
        let found = OtherProtocol::of_greeting(octets.as_bytes()).map(|one| one.to_string());
        assert_eq!(found.as_deref(), name, "{octets}");
    }
}

#[test]
fn an_error_at_the_end_of_a_wait_says_how_long_it_was() {
    let closed = Error::new(Step::Greeting, Broken::Closed);
    assert_eq!(closed.waited(), None);
    let waited = closed.with_waited(Duration::from_secs(300));
    assert_eq!(waited.waited(), Some(Duration::from_secs(300)));
    reads(waited, "greeting: the server closed the connection (waited 300s for a connection)");
}

#[test]
fn failed_authentication_tells_why() {
    check(Step::Auth, Misbehaved::from(SaslFault::Signature), {
        "AUTH: SASL exchange: server signature is wrong: the server does not know the secret, or the \
         connection is intercepted"
    });
    check(Step::Auth, Misbehaved::from(SaslFault::WorkFactor { least: 4096, most: 100_000 }), {
        "AUTH: SASL exchange: SCRAM iteration count is not a number from 4096 to 100000"
    });
    check(Step::Auth, Misbehaved::from(SaslFault::Nonce), {
        "AUTH: SASL exchange: server nonce does not start with the client nonce, or adds nothing to it"
    });
    check(Step::Auth, Misbehaved::from(SaslFault::Salt), {
        "AUTH: SASL exchange: SCRAM salt is empty or not valid base64"
    });
    let offered = [
        OfferedMechanism::new(b"GSSAPI", Obstacle::Credentials),
        OfferedMechanism::new(b"PLAIN", Obstacle::NotAllowed),
        OfferedMechanism::new(b"SCRAM-SHA-1-PLUS", Obstacle::ChannelBinding),
        OfferedMechanism::new(b"LOGIN\x1b", Obstacle::ActAs),
    ];
    let none = NoMechanism::new(offered, ["SCRAM-SHA-256", "SCRAM-SHA-1"]);
    check(Step::Auth, Unsupported::Mechanism(none), {
        "AUTH: no AUTH mechanism in common: the server offers GSSAPI (not implemented, or needs \
         other credentials), PLAIN (not in the list of allowed mechanisms), SCRAM-SHA-1-PLUS (needs \
         channel binding, which needs TLS 1.3), LOGIN\\u{1b} (cannot carry an authorization \
         identity); the client can use SCRAM-SHA-256, SCRAM-SHA-1"
    });
    check(Step::Auth, Unsupported::Mechanism(NoMechanism::new([], [""; 0])), {
        "AUTH: no AUTH mechanism in common: the server offers none; the client can use none"
    });
    reads(Error::new(Step::Auth, Unsupported::ClearText), {
        "AUTH: refusing to send the password or token over an unencrypted connection (hint: connect \
         with TLS: smtps:// or smtp+starttls://)"
    });
    reads(Error::new(Step::Auth, Unsupported::Unverified), {
        "AUTH: refusing to send the password or token to a server whose certificate was not verified \
         (hint: require TLS with a verified certificate: smtps:// or smtp+starttls://; \
         `Tls::authorities`, or tls-ca in the URL, trusts an authority)"
    });
    let token = OfferedMechanism::new(b"XOAUTH2", Obstacle::Token);
    let token = NoMechanism::new([token], ["PLAIN"]);
    reads(Error::new(Step::Auth, Unsupported::Mechanism(token)), {
        "AUTH: no AUTH mechanism in common: the server offers XOAUTH2 (needs an access token); the \
         client can use PLAIN (hint: log in with an access token: `Credentials::bearer`)"
    });
    check(Step::Auth, Unsupported::Authenticated, "AUTH: the session is already authenticated");
    let cause = Cause::new(io::Error::other("the token service is down"));
    check(Step::Auth, ErrorKind::Token(cause), {
        "AUTH: fetching the access token failed: the token service is down"
    });
    reads(Invalid::new(Field::Password, Flaw::Nul { offset: 2 }), "password: NUL at octet 2");
    reads(Advice::TryLater, "try again later");
}

#[test]
fn an_error_of_two_ports_names_both_and_has_one_hint() {
    let at = |step, kind: ErrorKind, port| {
        Error::new(step, kind).with_server(&Arc::new(Peer::tcp("mx.example", port)))
    };
    let refused = at(Step::Connect, Broken::Closed.into(), 465).with_hint(Hint::ConnectTimedOut);
    let lacks = Unsupported::Extension(Extension::StartTls);
    let error = at(Step::StartTls, lacks.into(), 587).with_hint(Hint::NoStartTls);
    let error = error.with_other_port(refused);
    assert_eq!(error.other_port().map(Error::step), Some(Step::Connect));
    reads(error, {
        "STARTTLS at mx.example:587: the server does not offer STARTTLS; other port: connect to \
         mx.example:465: the server closed the connection (hint: use a port that offers STARTTLS, \
         usually 587, or smtps:// with port 465)"
    });
}

#[test]
fn an_explanation_is_bounded_and_escaped() {
    let refused = || Error::new(Step::Auth, ErrorKind::Refused(reply(535, "5.7.8 no")));
    let error = refused().with_explanation(b"{\"status\":\"400\"}");
    reads(&error, {
        "AUTH: refused: 535 5.7.8 no ({\"status\":\"400\"}) (hint: check the user name and the \
         password or token; some providers require an application-specific password)"
    });
    assert_eq!(error.explanation(), Some("{\"status\":\"400\"}"));
    let error = refused().with_explanation(b"a\r\nb\x1b[2J");
    assert_eq!(error.explanation(), Some("a\\r\\nb\\u{1b}[2J"));
    let error = refused().with_explanation(&[b'x'; 5000]);
    assert_eq!(error.explanation().map(str::len), Some(1024));
    assert_eq!(refused().explanation(), None);
}

#[test]
fn an_excerpt_is_shown_on_one_line() {
    let received = |octets: &[u8]| {
        let error = Error::new(Step::EndOfText, Broken::Closed);
        error.with_excerpt(Excerpt::new(octets)).with_in_doubt(true).to_string()
    };
    assert_eq!(
        received(b"250-2.0.0 ok\r\n250 2.0.0 Que"),
        "end of mail data: the server closed the connection (received \"250-2.0.0 ok\\r\\n250 2.0.0 Que\") \
         (the message may have been accepted)"
    );
    let excerpt = |octets: &[u8]| Excerpt::new(octets).to_string();
    assert_eq!(excerpt(b"\x15\x03\x01\0\x02\x02\x46"), "\\u{15}\\u{3}\\u{1}\\u{0}\\u{2}\\u{2}F");
    assert_eq!(excerpt(b"a \"b\" \\ \xff\xe2\x80\xae\xc3\xa9"), {
        "a \\\"b\\\" \\\\ \\xff\\u{202e}\u{e9}"
    });
    let long = Excerpt::new(&[b'x'; 1025]);
    assert!(long.is_truncated() && long.to_string().ends_with("x..."));
    assert_eq!(long.as_bytes().len(), Excerpt::LIMIT);
    assert!(!Excerpt::new(&[b'x'; 1024]).is_truncated());
}

#[test]
fn verdicts_show_the_step_and_the_reply() {
    reads(Verdict::new(Step::EndOfText, reply(250, "2.0.0 queued")), {
        "accepted at end of mail data: 250 2.0.0 queued"
    });
    reads(Verdict::new(Step::Rcpt, reply(550, "no")), "refused at RCPT: 550 no");
}

#[test]
fn names_can_be_padded() {
    assert_eq!(format!("[{:>8}]", Step::Rcpt), "[    RCPT]");
    assert_eq!(format!("[{:<8}]", Extension::Size), "[SIZE    ]");
    assert_eq!(format!("[{:^8}]", Field::Domain), "[ domain ]");
    assert_eq!(format!("[{:5}]", ReplyCode::OK), "[  250]");
}

#[test]
fn a_reply_cannot_forge_a_log_line() {
    let hostile =
        reply(550, b"no\r\x1b[2J\0\x85\xff\nMail accepted\xe2\x80\xa8\xe2\x80\xae\xd8\x9c");
    let verdict = Verdict::new(Step::Rcpt, hostile.clone());
    let delivery = Delivery::from_iter([("b@example.org\r\n250 ok\u{202e}", verdict)]);
    let error = Error::new(Step::Rcpt, ErrorKind::Refused(hostile)).with_verdicts(delivery.into());
    for shown in [error.to_string(), format!("{error:?}")] {
        let forges = |character: char| {
            character.is_control() || matches!(character, '\u{2028}' | '\u{202e}' | '\u{61c}')
        };
        assert!(!shown.contains(forges), "{shown:?}");
        assert!(shown.contains("Mail accepted"), "{shown:?}");
    }
}
