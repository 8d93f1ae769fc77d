//! Replies: their lines, codes and enhanced status codes, and how they are displayed.

use smtp_error::{EnhancedCode, ReplyClass, ReplyCode};

use crate::reply;

/// Checks the lines of this text, each with its enhanced status code and the text after it.
#[track_caller]
fn check(code: u16, text: &str, expected: &[(Option<&str>, &str)]) {
    let reply = reply(code, text);
    let lines: Vec<(Option<String>, String)> = reply
        .lines()
        .map(|line| (line.enhanced().map(|code| code.to_string()), line.text().into_owned()))
        .collect();
    let lines: Vec<(Option<&str>, &str)> =
        lines.iter().map(|(code, text)| (code.as_deref(), text.as_str())).collect();
    assert_eq!(lines, expected);
    let first = expected.iter().find_map(|(code, _)| *code);
    assert_eq!(reply.enhanced().map(|code| code.to_string()).as_deref(), first);
    assert_eq!(reply.as_bytes(), text.as_bytes());
}

#[test]
fn enhanced_codes_are_separated_from_the_text() {
    check(550, "5.1.1 unknown", &[(Some("5.1.1"), "unknown")]);
    check(550, "5.7.509 no", &[(Some("5.7.509"), "no")]);
    check(250, "2.0.0", &[(Some("2.0.0"), "")]);
    check(250, "2.0.0 ", &[(Some("2.0.0"), "")]);
    check(250, "2.0.0  two spaces", &[(Some("2.0.0"), " two spaces")]);
    check(451, "4.7.1 a\nb\n4.3.0 c", &[(Some("4.7.1"), "a"), (None, "b"), (Some("4.3.0"), "c")]);
    check(550, "a\n5.1.1 b", &[(None, "a"), (Some("5.1.1"), "b")]);
    check(250, "", &[(None, "")]);
    check(250, "\n", &[(None, ""), (None, "")]);
    check(550, " 5.1.1 x", &[(None, " 5.1.1 x")]);
}

#[test]
fn an_invalid_enhanced_code_is_text() {
    for (code, text) in [
        (550, "2.1.1 x"),
        (250, "5.7.1 x"),
        (450, "5.7.1 x"),
        (354, "3.0.0 x"),
        (334, "2.0.0 x"),
        (550, "5.1234.1 x"),
        (550, "5.1.1234 x"),
        (550, "5.1. x"),
        (550, "5.1 x"),
        (550, "5..1 x"),
        (550, "5.1.1.1 x"),
        (550, "5.1.1x"),
        (550, "5.1.1-x"),
        (550, "5.1.1:"),
        (550, "05.1.1 x"),
        (550, "+5.1.1 x"),
        (550, "5.-1.1 x"),
        (550, "5.1.1\tx"),
        (550, "."),
        (550, ".."),
    ] {
        check(code, text, &[(None, text)]);
    }
}

#[test]
fn enhanced_codes_have_a_class_and_two_parts_up_to_999() {
    for class in 0..=u8::MAX {
        let expected = matches!(class, 2 | 4 | 5);
        assert_eq!(EnhancedCode::new(class, 0, 0).is_some(), expected, "{class}");
    }
    let code = EnhancedCode::new(5, 999, 509).unwrap();
    assert_eq!((code.class(), code.subject(), code.detail()), (5, 999, 509));
    assert_eq!(EnhancedCode::new(5, 1000, 0), None);
    assert_eq!(EnhancedCode::new(5, 0, 1000), None);
}

#[test]
fn the_first_digit_gives_the_class() {
    for (code, class) in [
        (200, ReplyClass::Completion),
        (299, ReplyClass::Completion),
        (300, ReplyClass::Intermediate),
        (399, ReplyClass::Intermediate),
        (400, ReplyClass::Transient),
        (499, ReplyClass::Transient),
        (500, ReplyClass::Permanent),
        (599, ReplyClass::Permanent),
    ] {
        assert_eq!(ReplyCode::new(code).unwrap().class(), class);
        let reply = reply(code, "x");
        let is = (reply.is_completion(), reply.is_transient(), reply.is_permanent());
        let expected = |one| class == one;
        assert_eq!(
            is,
            (
                expected(ReplyClass::Completion),
                expected(ReplyClass::Transient),
                expected(ReplyClass::Permanent),
            )
        );
    }
}

#[test]
fn invalid_utf8_is_replaced_for_display_only() {
    let latin = reply(550, b"Usu\xe1rio\tdesconhecido");
    assert_eq!(latin.lines().next().unwrap().printable(), "Usu\u{fffd}rio\tdesconhecido");
    assert_eq!(latin.as_bytes(), b"Usu\xe1rio\tdesconhecido");
    let utf8 = reply(550, "caf\u{e9}");
    assert_eq!(utf8.lines().next().unwrap().printable(), "caf\u{e9}");
}

#[test]
fn control_characters_are_escaped_for_display() {
    let shown = |text: &str| reply(250, text).lines().next().unwrap().printable().into_owned();
    for character in ('\0'..='\u{9f}').filter(|character| *character != '\n') {
        let plain = !character.is_control() || character == '\t';
        assert_eq!(shown(&character.to_string()) == character.to_string(), plain, "{character:?}");
    }
    for character in
        "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}".chars()
    {
        assert_eq!(shown(&character.to_string()), character.escape_default().to_string());
    }
}

#[test]
fn equal_replies_have_the_same_octets() {
    assert_eq!(reply(250, "a"), reply(250, b"a"));
    assert_ne!(reply(250, "a"), reply(251, "a"));
    assert_ne!(reply(250, "a"), reply(250, "A"));
    assert_ne!(reply(250, ""), reply(250, "\n"));
}
