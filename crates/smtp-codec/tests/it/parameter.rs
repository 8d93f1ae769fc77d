//! Parameters of MAIL and RCPT, and the names of mechanisms: what may be one.

use smtp_codec::{Body, Command, CommandFault, Deviations, Mail, Mechanism, Param, Rcpt};
use smtp_error::{Field, Flaw, Invalid};

#[track_caller]
fn keyword(text: &str, expected: Result<(), Flaw>) {
    let expected = expected.map_err(|flaw| Invalid::new(Field::ParameterKeyword, flaw));
    let found = Param::new(text);
    assert_eq!(found.map(drop), expected, "{text:?}");
    if let Ok(param) = found {
        assert_eq!((param.keyword(), param.value()), (text, None));
    }
}

#[track_caller]
fn value(text: &str, expected: Result<(), Flaw>) {
    let expected = expected.map_err(|flaw| Invalid::new(Field::ParameterValue, flaw));
    let found = Param::new("X").unwrap().with(text);
    assert_eq!(found.map(drop), expected, "{text:?}");
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
    let mail = || {
        let mail = Mail::try_from("a@b").unwrap().size(1).body(Body::SevenBit).smtputf8();
        mail.param("RET=FULL").unwrap()
    };
    for param in ["RET=FULL", "ret=HDRS", "Ret=full", "SIZE=1", "size=2", "BODY=7BIT", "SMTPUTF8"] {
        assert_eq!(mail().param(param), Err(repeated), "{param}");
    }
    assert_eq!(mail().param("smtpUtf8"), Err(repeated));
    assert_eq!(mail().param("RETURN").unwrap().params().count(), 5);

    let rcpt = || Rcpt::try_from("a@b").unwrap().param("NOTIFY=NEVER").unwrap();
    assert_eq!(rcpt().param("notify=DELAY"), Err(repeated));
    let both = rcpt().param("ORCPT=rfc822;a@b").unwrap();
    let keywords: Vec<_> = both.params().map(|param| param.keyword().to_string()).collect();
    assert_eq!(keywords, ["NOTIFY", "ORCPT"]);
}

#[test]
fn what_is_declared_again_replaces_what_was_declared_before() {
    let mail = Mail::try_from("a@b").unwrap().size(1).param("RET=HDRS").unwrap().smtputf8();
    let mail = mail.body(Body::SevenBit).size(2).body(Body::EightBitMime).smtputf8();
    assert_eq!(mail.raw_params().as_str(), "RET=HDRS SIZE=2 BODY=8BITMIME SMTPUTF8");
    assert_eq!(mail.declared_size(), Some(2));
    assert_eq!(mail.declared_body(), Some(Body::EightBitMime));
    assert!(mail.is_smtputf8());
    let lower = Mail::try_from("a@b").unwrap().param("size=1").unwrap().size(2);
    assert_eq!(lower.raw_params().as_str(), "SIZE=2");
}

/// MAIL with these parameters is refused for this flaw, at this octet of the parameters.
#[track_caller]
fn refused(params: &str, field: Field, flaw: Flaw, offset: usize) {
    for start in ["MAIL FROM:<a@b> ", "RCPT TO:<a@b> "] {
        let line = format!("{start}{params}");
        let error = Command::decode(line.as_bytes(), Deviations::all()).unwrap_err();
        let expected = CommandFault::Argument(Invalid::new(field, flaw));
        assert_eq!((error.fault, error.offset), (expected, start.len() + offset), "{line}");
    }
}

#[test]
fn parameters_are_words_of_keyword_and_value() {
    let keyword = |params, at, offset| {
        refused(params, Field::ParameterKeyword, Flaw::Syntax { offset }, at);
    };
    let value = |params, flaw, at| refused(params, Field::ParameterValue, flaw, at);
    keyword("X_Y=1", 0, 1);
    keyword("X X_Y", 2, 1);
    keyword("-X", 0, 0);
    keyword("X  Y;Z", 3, 1);
    keyword("<c@d>", 0, 0);
    refused("=1", Field::ParameterKeyword, Flaw::Empty, 0);
    refused("X =1", Field::ParameterKeyword, Flaw::Empty, 2);
    value("X=", Flaw::Empty, 2);
    value("X= 1", Flaw::Empty, 2);
    value("X Y= Z", Flaw::Empty, 4);
    value("X=a=b", Flaw::Syntax { offset: 1 }, 2);
    value("X=a==", Flaw::Syntax { offset: 1 }, 2);
    value("X==", Flaw::Syntax { offset: 0 }, 2);
}

#[test]
fn no_keyword_comes_twice_in_any_case() {
    for (params, at) in
        [("X X", 2), ("X=1 x=1", 4), ("X=1 Y x", 6), ("a-b=1 c A-B", 8), ("x X-Y X=z", 6)]
    {
        refused(params, Field::ParameterKeyword, Flaw::Repeated, at);
    }
    for (line, at) in [
        ("MAIL FROM:<a@b> SIZE=1 size=1", 23),
        ("MAIL FROM:<a@b> BODY=7BIT BODY=8BITMIME", 26),
        ("RCPT TO:<a@b> NOTIFY=NEVER notify=DELAY", 27),
    ] {
        let error = Command::decode(line.as_bytes(), Deviations::all()).unwrap_err();
        let repeated = Invalid::new(Field::ParameterKeyword, Flaw::Repeated);
        assert_eq!((error.fault, error.offset), (CommandFault::Argument(repeated), at), "{line}");
    }
}

#[test]
fn a_command_has_up_to_64_parameters() {
    let params = |count: usize| {
        let words: Vec<_> = (0..count).map(|number| format!("X{number}=y")).collect();
        words.join(" ")
    };
    let line = format!("MAIL FROM:<a@b> {}", params(64));
    let decoded = Command::decode(line.as_bytes(), Deviations::empty()).unwrap();
    let Command::Mail(mail) = decoded.command else { panic!("it is MAIL") };
    assert_eq!(mail.params().count(), 64);
    let offset = params(64).len() + 1;
    let too_many = Flaw::TooManyParameters { limit: 64 };
    refused(&params(65), Field::ParameterKeyword, too_many, offset);
    refused(&params(10_000), Field::ParameterKeyword, too_many, offset);
    let full = params(64).split(' ').try_fold(Mail::try_from("a@b").unwrap(), Mail::param).unwrap();
    let repeated = Invalid::new(Field::ParameterKeyword, too_many);
    assert_eq!(full.param("X64"), Err(repeated));
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
