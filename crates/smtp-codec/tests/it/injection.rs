//! Nothing that a caller gives can end a line or add to it.

use smtp_codec::{
    AddressLiteral, Argument, Command, Domain, HelloName, Host, Mail, Mailbox, Mechanism, Param,
    Rcpt, ReversePath, SaslResponse, encode_reply,
};
use smtp_error::{Flaw, Invalid, Reply, ReplyCode};

/// A kind of argument: its name, a valid one before and after the place where octets are put, and
/// the line that it makes.
struct Kind {
    name: &'static str,
    before: &'static str,
    after: &'static str,
    line: fn(&str) -> Result<Vec<u8>, Invalid>,
}

impl Kind {
    fn line(&self, inserted: &str) -> Result<Vec<u8>, Invalid> {
        (self.line)(&format!("{}{inserted}{}", self.before, self.after))
    }
}

fn line(command: Command<'_>) -> Result<Vec<u8>, Invalid> {
    let mut out = Vec::new();
    command.encode(usize::MAX, &mut out)?;
    Ok(out)
}

fn hello(text: &str) -> Result<Vec<u8>, Invalid> {
    line(Command::Ehlo(text.parse::<HelloName>()?.borrowed()))
}

fn domain(text: &str) -> Result<Vec<u8>, Invalid> {
    Ok(text.parse::<Domain>()?.as_str().into())
}

fn literal(text: &str) -> Result<Vec<u8>, Invalid> {
    Ok(text.parse::<AddressLiteral>()?.as_str().into())
}

fn host(text: &str) -> Result<Vec<u8>, Invalid> {
    Ok(text.parse::<Host>()?.as_str().into())
}

fn mail(text: &str) -> Result<Vec<u8>, Invalid> {
    line(Command::Mail(Mail::try_from(text)?.borrowed()))
}

fn rcpt(text: &str) -> Result<Vec<u8>, Invalid> {
    line(Command::Rcpt(Rcpt::try_from(text)?.borrowed()))
}

fn keyword(text: &str) -> Result<Vec<u8>, Invalid> {
    line(Command::Rcpt(Rcpt::try_from("a@b")?.param(Param::new(text)?)?.borrowed()))
}

fn value(text: &str) -> Result<Vec<u8>, Invalid> {
    let mail = Mail::new(ReversePath::Null);
    line(Command::Mail(mail.param(Param::new("X")?.with(text)?)?.borrowed()))
}

fn verify(text: &str) -> Result<Vec<u8>, Invalid> {
    line(Command::Vrfy { argument: Argument::new(text)?.borrowed(), smtputf8: true })
}

fn verify_mailbox(text: &str) -> Result<Vec<u8>, Invalid> {
    let argument = Argument::from(&text.parse::<Mailbox>()?);
    line(Command::Vrfy { argument: argument.borrowed(), smtputf8: false })
}

fn expand(text: &str) -> Result<Vec<u8>, Invalid> {
    line(Command::Expn { argument: Argument::new(text)?.borrowed(), smtputf8: false })
}

fn help(text: &str) -> Result<Vec<u8>, Invalid> {
    line(Command::Help(Some(Argument::new(text)?.borrowed())))
}

fn noop(text: &str) -> Result<Vec<u8>, Invalid> {
    line(Command::Noop(Some(Argument::new(text)?.borrowed())))
}

fn auth(text: &str) -> Result<Vec<u8>, Invalid> {
    line(Command::Auth { mechanism: text.parse::<Mechanism>()?.borrowed(), initial: None })
}

/// Every argument of every command, at each kind of place.
fn kinds() -> Vec<Kind> {
    let kind = |name, before, after, line| Kind { name, before, after, line };
    vec![
        kind("HelloName", "a", "b.org", hello),
        kind("HelloName at the end", "a.org", "", hello),
        kind("HelloName with a literal", "[x:a", "b]", hello),
        kind("Domain", "a", "b.org", domain),
        kind("AddressLiteral", "[x:a", "b]", literal),
        kind("AddressLiteral with IPv6", "[IPv6:::1", "]", literal),
        kind("Host", "a", "b.org", host),
        kind("Mail", "a", "b@c.org", mail),
        kind("Mail at the start", "", "a@c.org", mail),
        kind("Mail with a domain", "a@b", "c.org", mail),
        kind("Mail at the end", "a@b.org", "", mail),
        kind("Mail with quotes", "\"a", "b\"@c.org", mail),
        kind("Mail with a quoted pair", "\"a\\", "\"@c.org", mail),
        kind("Mail with a literal", "a@[x:", "y]", mail),
        kind("Rcpt", "a", "b@c.org", rcpt),
        kind("Rcpt with a domain", "a@b", "c.org", rcpt),
        kind("Rcpt with quotes", "\"a", "b\"@c.org", rcpt),
        kind("Rcpt to the postmaster", "postmaster", "", rcpt),
        kind("keyword", "X", "Y", keyword),
        kind("keyword at the end", "X", "", keyword),
        kind("value", "x", "y", value),
        kind("value at the end", "x", "", value),
        kind("VRFY", "a", "b", verify),
        kind("VRFY with a mailbox", "\"a", "b\"@c.org", verify_mailbox),
        kind("EXPN", "a", "b", expand),
        kind("HELP", "", "a", help),
        kind("NOOP", "a", "", noop),
        kind("mechanism", "A", "B", auth),
    ]
}

/// The line ends with CRLF, and holds no other CR, LF or NUL.
fn is_one_line(wire: &[u8]) -> bool {
    let inside = wire.strip_suffix(b"\r\n").unwrap_or(wire);
    !inside.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0))
}

#[test]
fn no_argument_holds_a_control_character() {
    for kind in kinds() {
        for octet in (0..=0x1f_u8).chain([0x7f]) {
            let inserted = char::from(octet).to_string();
            assert!(kind.line(&inserted).is_err(), "{octet:#04x} in {}", kind.name);
        }
    }
}

#[test]
fn no_argument_holds_a_second_line() {
    let inserted = [
        "\r\nRSET",
        "\r\nRSET\r\n",
        "\nRSET",
        "\rRSET",
        ">\r\nRCPT TO:<evil@example.com",
        "> SIZE=1\r\nDATA\r\n",
        "\u{85}RSET",
        "\u{2028}RSET",
        "\u{2029}RSET",
        "\u{b}RSET",
        "\u{c}RSET",
    ];
    for kind in kinds() {
        for inserted in inserted {
            assert!(kind.line(inserted).is_err(), "{inserted:?} in {}", kind.name);
        }
    }
}

#[test]
fn no_character_turns_into_a_line_end() {
    let wide = |low: u32| (0..=0x10ff).map(move |high| high << 8 | low).filter_map(char::from_u32);
    for kind in kinds() {
        for character in wide(0x0a).chain(wide(0x0d)) {
            if let Ok(wire) = kind.line(&character.to_string()) {
                let code = u32::from(character);
                assert!(is_one_line(&wire), "U+{code:04X} in {}", kind.name);
                let wire = String::from_utf8(wire).unwrap();
                let kept = wire.contains(character)
                    || (kind.name.starts_with("HelloName") && wire.is_ascii());
                assert!(kept, "U+{code:04X} is lost in {}", kind.name);
            }
        }
    }
}

#[test]
fn every_argument_holds_what_it_may() {
    for kind in kinds() {
        let inserted = if kind.name.contains("IPv6") { "a" } else { "a1" };
        match kind.line(inserted) {
            Ok(wire) => assert!(is_one_line(&wire), "{}", kind.name),
            Err(error) => assert_eq!(kind.name, "Rcpt to the postmaster", "{error:?}"),
        }
    }
}

#[test]
fn no_parameter_comes_in_with_an_address() {
    for text in [
        "a@b> NOTIFY=NEVER",
        "a@b>NOTIFY=NEVER",
        "<a@b> NOTIFY=NEVER",
        "a@b NOTIFY=NEVER",
        "a@b.org,c@d.org",
        "a@b.org c@d.org",
        "a@b.org;c@d.org",
        "a@b>,<c@d",
        "a@b> <c@d",
        "t@x> NOTIFY=NEVER@b",
    ] {
        assert!(mail(text).is_err(), "{text}");
        assert!(rcpt(text).is_err(), "{text}");
    }
    let quoted = "\"t@x> NOTIFY=NEVER\"@b.org";
    assert_eq!(rcpt(quoted).unwrap(), format!("RCPT TO:<{quoted}>\r\n").into_bytes());
    let escaped = "\"t\\\" NOTIFY=NEVER\"@b.org";
    assert_eq!(rcpt(escaped).unwrap(), format!("RCPT TO:<{escaped}>\r\n").into_bytes());
}

#[test]
fn arguments_that_are_controls_are_refused_with_their_place() {
    for (text, character, offset) in
        [("\r\n", '\r', 0), ("x\nRSET", '\n', 1), ("\u{fc}\0", '\0', 2), ("ab\u{85}", '\u{85}', 2)]
    {
        assert_eq!(Argument::new(text).unwrap_err().flaw, Flaw::Control { character, offset });
        assert_eq!(mail(text).unwrap_err().flaw, Flaw::Control { character, offset });
        assert_eq!(rcpt(text).unwrap_err().flaw, Flaw::Control { character, offset });
    }
    assert_eq!(Argument::new("").unwrap_err().flaw, Flaw::Empty);
}

#[test]
fn no_response_ends_a_line() {
    let mechanism: Mechanism = "PLAIN".parse().unwrap();
    for length in [1, 57, 58, 76, 600, 12_288] {
        let response = SaslResponse::new(b"\r\n.\0".repeat(length));
        assert!(is_one_line(&line(Command::AuthResponse(response.borrowed())).unwrap()));
        let initial = Some(response.borrowed());
        assert!(is_one_line(
            &line(Command::Auth { mechanism: mechanism.borrowed(), initial }).unwrap()
        ));
    }
}

#[test]
fn no_text_ends_a_line_of_a_reply() {
    for octet in (0..=u8::MAX).filter(|&octet| octet != b'\n') {
        let mut out = Vec::new();
        encode_reply(&Reply::new(ReplyCode::OK, [b'a', octet, b'b']), &mut out);
        assert!(is_one_line(&out), "{octet:#04x}");
    }
}
