//! Parameters of MAIL and RCPT, and the names of mechanisms: what may be one.

use smtp_codec::{Mail, Mechanism, Param, Rcpt};
use smtp_error::{Field, Flaw, Invalid};

#[track_caller]
fn keyword(text: &str, expected: Result<(), Flaw>) {
    let expected = expected.map_err(|flaw| Invalid::new(Field::ParameterKeyword, flaw));
    let found = Param::new(text);
    assert_eq!(found.clone().map(drop), expected, "{text:?}");
    if let Ok(param) = found {
        assert_eq!((param.keyword(), param.value()), (text, None));
    }
}

#[track_caller]
fn value(text: &str, expected: Result<(), Flaw>) {
    let expected = expected.map_err(|flaw| Invalid::new(Field::ParameterValue, flaw));
    let found = Param::new("X").unwrap().with(text);
    assert_eq!(found.clone().map(drop), expected, "{text:?}");
    if let Ok(param) = found {
        assert_eq!((param.keyword(), param.value()), ("X", Some(text)));
        assert_eq!(param.to_string(), format!("X={text}"));
    }
}

#[track_caller]
fn mechanism(text: &str, expected: Result<(), Flaw>) {
    let expected = expected.map_err(|flaw| Invalid::new(Field::AuthMechanism, flaw));
    assert_eq!(text.parse::<Mechanism>().map(|name| assert_eq!(name.as_str(), text)), expected);
}

#[test]
fn keywords_are_letters_digits_and_hyphens() {
    for text in ["SIZE", "x", "8", "8BITMIME", "MT-PRIORITY", "ret", "X-", "X--Y", "0-0"] {
        keyword(text, Ok(()));
    }
    keyword("", Err(Flaw::Empty));
    for (text, offset) in [
        ("-X", 0),
        ("X_Y", 1),
        ("X=1", 1),
        ("X Y", 1),
        ("SIZE ", 4),
        (" SIZE", 0),
        ("X.Y", 1),
        ("X\r\nRSET", 1),
        ("X\0", 1),
        ("\u{fc}", 0),
        ("X\u{2028}", 1),
        ("X>", 1),
    ] {
        keyword(text, Err(Flaw::Syntax { offset }));
    }
}

#[test]
fn values_are_printable_without_space_and_equals() {
    for text in ["1000", "a+2Bb", "<>", "x400;a@b", "!\"#$%&'()*+,-./:;<>?@[\\]^_`{|}~", "\u{fc}"] {
        value(text, Ok(()));
    }
    value("", Err(Flaw::Empty));
    value("a b", Err(Flaw::Syntax { offset: 1 }));
    value(" ", Err(Flaw::Syntax { offset: 0 }));
    value("a=b", Err(Flaw::Syntax { offset: 1 }));
    value("\u{fc}=", Err(Flaw::Syntax { offset: 2 }));
    value("a\r\nb", Err(Flaw::Control { character: '\r', offset: 1 }));
    value("a\tb", Err(Flaw::Control { character: '\t', offset: 1 }));
    value("a\u{7f}", Err(Flaw::Control { character: '\u{7f}', offset: 1 }));
    value("\u{fc}\u{85}", Err(Flaw::Control { character: '\u{85}', offset: 2 }));
}

#[test]
fn every_octet_is_judged_by_the_grammar() {
    for octet in 0..=0x7f_u8 {
        let text = char::from(octet).to_string();
        let good = octet.is_ascii_alphanumeric();
        assert_eq!(Param::new(&text).is_ok(), good, "{octet:#x} as a keyword");
        let good = good || octet == b'-';
        assert_eq!(Param::new(&format!("x{text}")).is_ok(), good, "{octet:#x} inside a keyword");
        let good = matches!(octet, b'!'..=b'<' | b'>'..=b'~');
        assert_eq!(Param::new("x").unwrap().with(&text).is_ok(), good, "{octet:#x} as a value");
        let good = octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        assert_eq!(text.parse::<Mechanism>().is_ok(), good, "{octet:#x} as a mechanism");
    }
}

#[test]
fn a_parameter_is_given_once() {
    let repeated = Invalid::new(Field::ParameterKeyword, Flaw::Repeated);
    let param = |keyword| Param::new(keyword).unwrap();
    let mail = || Mail::try_from("a@b").unwrap().param(param("RET")).unwrap();
    for keyword in ["RET", "ret", "Ret", "SIZE", "size", "BODY", "SMTPUTF8", "smtpUtf8"] {
        assert_eq!(mail().param(param(keyword)), Err(repeated), "{keyword}");
    }
    assert_eq!(mail().param(param("RETURN")).unwrap().params().len(), 2);

    let rcpt = || Rcpt::try_from("a@b").unwrap().param(param("NOTIFY")).unwrap();
    assert_eq!(rcpt().param(param("notify")), Err(repeated));
    let both = rcpt().param(param("ORCPT")).unwrap();
    let keywords: Vec<_> = both.params().iter().map(Param::keyword).collect();
    assert_eq!(keywords, ["NOTIFY", "ORCPT"]);
}

#[test]
fn mechanisms_have_up_to_20_letters_digits_hyphens_and_underscores() {
    for text in ["PLAIN", "plain", "SCRAM-SHA-256-PLUS", "KERBEROS_V4", "9", "A2345678901234567890"]
    {
        mechanism(text, Ok(()));
    }
    mechanism("", Err(Flaw::Empty));
    mechanism("A23456789012345678901", Err(Flaw::TooLong { length: 21, limit: 20 }));
    mechanism("PLAIN =", Err(Flaw::Syntax { offset: 5 }));
    mechanism("PLAIN\r\nRSET", Err(Flaw::Syntax { offset: 5 }));
    mechanism("PL\u{c4}IN", Err(Flaw::Syntax { offset: 2 }));
    mechanism("*", Err(Flaw::Syntax { offset: 0 }));
}
