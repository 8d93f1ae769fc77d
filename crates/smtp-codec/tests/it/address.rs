//! Mailboxes, paths, domains and client names: what is one, what is none, and where it fails.

use smtp_codec::{Domain, ForwardPath, HelloName, Mailbox, Rcpt, ReversePath};
use smtp_error::{Field, Flaw, Invalid};

/// This is a mailbox of these two parts, and is kept as it is.
#[track_caller]
fn good(local: &str, host: &str) {
    let text = format!("{local}@{host}");
    let mailbox: Mailbox = text.parse().unwrap();
    assert_eq!(mailbox.as_str(), text);
    assert_eq!((mailbox.local_part(), mailbox.host()), (local, host));
    assert_eq!(mailbox.is_ascii(), text.is_ascii());
    assert_eq!(text.parse::<ReversePath>().unwrap().to_string(), format!("<{text}>"));
    assert_eq!(text.parse::<ForwardPath>().unwrap().to_string(), format!("<{text}>"));
}

/// This is neither a mailbox nor a path.
#[track_caller]
fn bad(text: &str, field: Field, flaw: Flaw) {
    let found = text.parse::<Mailbox>();
    assert_eq!(found, Err(Invalid::new(field, flaw)), "{text:?}");
    // What is too long is named. Otherwise it is the path that is wrong.
    let part = matches!(flaw, Flaw::TooLong { .. }) && field != Field::Mailbox;
    let of = |path| Invalid::new(if part { field } else { path }, flaw);
    assert_eq!(text.parse::<ReversePath>(), Err(of(Field::ReversePath)), "{text:?}");
    assert_eq!(text.parse::<ForwardPath>(), Err(of(Field::ForwardPath)), "{text:?}");
}

/// The grammar is left at this octet. The flaw names its place, or what is missing.
#[track_caller]
fn syntax(text: &str, field: Field, offset: usize) {
    let flaw = text.parse::<Mailbox>().unwrap_err().flaw;
    match flaw {
        Flaw::EmptyLabel { offset: at } | Flaw::NotALiteral { offset: at } => {
            assert_eq!(at, offset, "{text:?}");
        }
        Flaw::OpenQuote => assert!(text.starts_with('"'), "{text:?}"),
        Flaw::Unexpected { character, offset: at } => {
            assert_eq!(at, offset, "{text:?}");
            assert!(text[at..].starts_with(character), "{text:?}: {flaw}");
        }
        Flaw::NoAt => assert!(!text.contains('@'), "{text:?}"),
        Flaw::NoLocalPart => assert!(text.starts_with('@'), "{text:?}"),
        Flaw::Bracketed => assert!(text.contains('<') && text.ends_with('>'), "{text:?}"),
        flaw => panic!("{text:?}: {flaw}"),
    }
    bad(text, field, flaw);
}

#[test]
fn what_is_wrong_is_named() {
    let unexpected = |character, offset| Flaw::Unexpected { character, offset };
    let empty_label = |offset| Flaw::EmptyLabel { offset };
    for (text, field, flaw) in [
        ("bob", Field::Mailbox, Flaw::NoAt),
        ("bob smith", Field::Mailbox, Flaw::NoAt),
        ("@example.org", Field::Mailbox, Flaw::NoLocalPart),
        ("bob@", Field::Domain, Flaw::NoDomain),
        ("<bob@example.org>", Field::Mailbox, Flaw::Bracketed),
        ("Bob <bob@example.org>", Field::Mailbox, Flaw::Bracketed),
        ("b@c.example,d@e.example", Field::Domain, unexpected(',', 11)),
        ("b b@c.example", Field::Mailbox, unexpected(' ', 1)),
        (" b@c.example", Field::Mailbox, unexpected(' ', 0)),
        ("b@c@d.example", Field::Domain, unexpected('@', 3)),
        ("b@c_d.example", Field::Domain, unexpected('_', 3)),
        ("b@c..example", Field::Domain, empty_label(4)),
        ("b@.c.example", Field::Domain, empty_label(2)),
        ("b@c.example.", Field::Domain, empty_label(11)),
        ("b@-c.example", Field::Domain, unexpected('-', 2)),
        ("b@c-.example", Field::Domain, unexpected('-', 3)),
        ("b.@c.example", Field::Mailbox, unexpected('@', 2)),
        ("b@[::1]", Field::Domain, Flaw::NotALiteral { offset: 2 }),
        ("\"b@c.example", Field::Mailbox, Flaw::OpenQuote),
        ("\"b@c.example\"", Field::Mailbox, Flaw::NoAt),
    ] {
        bad(text, field, flaw);
    }
}

#[test]
fn local_parts_are_dot_strings() {
    for local in [
        "a",
        "Smith",
        "a.b",
        "a.b.c",
        "a+tag",
        "user_name",
        "0",
        "-",
        "--",
        "=",
        "a-",
        "!#$%&'*+-/=?^_`{|}~",
        "a/b=c",
        "j.\u{f8}rgen",
        "\u{7528}\u{6237}",
        "\u{1f600}",
    ] {
        good(local, "example.org");
    }
}

#[test]
fn local_parts_are_quoted_strings() {
    for local in [
        r#""""#,
        r#"" ""#,
        r#""a b""#,
        r#""a@b""#,
        r#""a..b""#,
        r#"".""#,
        r#""a\"b""#,
        r#""a\\""#,
        r#""\a""#,
        r#""\ ""#,
        r#""a>b""#,
        r#""<>""#,
        r#""a,b;c:d(e)[f]""#,
        "\"\u{fc}\"",
    ] {
        good(local, "example.org");
    }
}

#[test]
fn hosts_are_domains_and_literals() {
    for host in [
        "a",
        "localhost",
        "example.org",
        "EXAMPLE.Org",
        "a.b.c.d.e",
        "1",
        "1.2.3.4",
        "0a",
        "a-b",
        "a--b.org",
        "xn--bcher-kva.example",
        "b\u{fc}cher.example",
        "[192.0.2.1]",
        "[IPv6:2001:db8::1]",
    ] {
        good("a", host);
    }
}

#[test]
fn invalid_local_parts_are_refused() {
    assert_eq!("".parse::<Mailbox>(), Err(Invalid::new(Field::Mailbox, Flaw::Empty)));
    for (text, offset) in [
        ("@b", 0),
        (".a@b", 0),
        ("a.@b", 2),
        ("a..c@b", 2),
        (".@b", 0),
        ("a b@c", 1),
        (" a@b", 0),
        ("a(c)@b", 1),
        ("a<b@c", 1),
        ("<a@b>", 0),
        ("a,b@c", 1),
        ("a:b@c", 1),
        ("a;b@c", 1),
        ("a[b@c", 1),
        ("a\\b@c", 1),
        ("a\\@b@c", 1),
        ("a\"b\"@c", 1),
        ("\u{fc}(@b", 2),
        ("Smith <a@b>", 5),
        ("@a,@b:c@d", 0),
    ] {
        syntax(text, Field::Mailbox, offset);
    }
}

#[test]
fn invalid_quoted_strings_are_refused() {
    for (text, offset) in [
        ("\"", 1),
        ("\"a", 2),
        ("\"a@b", 4),
        ("\"a\"b@c", 3),
        ("\"a\".b@c", 3),
        ("\"a\"\"b\"@c", 3),
        ("\"a\" @c", 3),
        ("\"a\\", 3),
        ("\"a\\\"@c", 6),
        ("\"a\\\u{fc}\"@c", 3),
        ("a.\"b\"@c", 2),
    ] {
        syntax(text, Field::Mailbox, offset);
    }
}

#[test]
fn invalid_hosts_are_refused() {
    for (text, offset) in [
        ("a@b@c", 3),
        ("a@.b", 2),
        ("a@b.", 3),
        ("a@b..c", 4),
        ("a@.", 2),
        ("a@-b", 2),
        ("a@b-", 3),
        ("a@b-.c", 3),
        ("a@b.-c", 4),
        ("a@b_c", 3),
        ("a@_b", 2),
        ("a@b c", 3),
        ("a@b ", 3),
        ("a@ b", 2),
        ("a@b>", 3),
        ("a@b,c@d", 3),
        ("a@b c@d", 3),
        ("a@b;c", 3),
        ("a@b:25", 3),
        ("a@b/c", 3),
        ("a@#1234", 2),
        ("a@[b]", 2),
        ("a@[192.0.2.1]c", 2),
        ("a@b[192.0.2.1]", 3),
        ("a@\"b\"", 2),
        ("a@\u{fc}!", 4),
        ("a@b(c)", 3),
    ] {
        syntax(text, Field::Domain, offset);
    }
    bad("a@", Field::Domain, Flaw::NoDomain);
    for text in ["a", "\"a\"", "a.b"] {
        syntax(text, Field::Mailbox, text.len());
    }
}

#[test]
fn another_full_stop_does_not_part_labels() {
    for stop in ['\u{3002}', '\u{ff0e}', '\u{ff61}'] {
        syntax(&format!("a@\u{ff41}{stop}org"), Field::Domain, 5);
        syntax(&format!("a@b{stop}org"), Field::Domain, 3);
    }
}

#[test]
fn what_deceives_a_reader_is_refused() {
    let bidirectional = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\
                         \u{2067}\u{2068}\u{2069}";
    let others = "\u{2028}\u{2029}\u{feff}\u{fff9}\u{fffa}\u{fffb}";
    for character in bidirectional.chars().chain(others.chars()).chain('\u{80}'..='\u{9f}') {
        bad(&format!("a{character}b@c"), Field::Mailbox, Flaw::Control { character, offset: 1 });
        bad(&format!("\"{character}\"@c"), Field::Mailbox, Flaw::Control { character, offset: 1 });
        bad(&format!("a@b{character}"), Field::Mailbox, Flaw::Control { character, offset: 3 });
        let text = format!("b{character}");
        let flaw = Flaw::Control { character, offset: 1 };
        assert_eq!(text.parse::<Domain>(), Err(Invalid::new(Field::Domain, flaw)));
        assert_eq!(text.parse::<HelloName>(), Err(Invalid::new(Field::HelloName, flaw)));
    }
}

/// A domain of this many octets.
fn domain(length: usize) -> String {
    let label = "x".repeat(59) + ".";
    let labels = label.repeat(length / 60);
    let rest = length - labels.len();
    if rest == 0 { labels[..length - 1].to_string() + "x" } else { labels + &"y".repeat(rest) }
}

#[test]
fn local_parts_have_up_to_64_octets() {
    let too_long = |length| Flaw::TooLong { length, limit: 64 };
    good(&"a".repeat(64), "b");
    bad(&("a".repeat(65) + "@b"), Field::LocalPart, too_long(65));
    good(&format!("\"{}\"", "a".repeat(62)), "b");
    bad(&format!("\"{}\"@b", "a".repeat(63)), Field::LocalPart, too_long(65));
    good(&"\u{fc}".repeat(32), "b");
    bad(&("\u{fc}".repeat(33) + "@b"), Field::LocalPart, too_long(66));
    bad(&("a".repeat(1100) + "@b"), Field::LocalPart, too_long(1100));
}

#[test]
fn domains_have_up_to_255_octets() {
    let check = |text: &str, expected: Option<Flaw>| {
        let expected = expected.map(|flaw| Invalid::new(Field::Domain, flaw));
        assert_eq!(text.parse::<Domain>().err(), expected, "{text}");
    };
    let too_long = |length, limit| Some(Flaw::TooLong { length, limit });
    check(&domain(255), None);
    check(&domain(256), too_long(256, 255));
    check(&"x".repeat(63), None);
    let long_label = |offset| Some(Flaw::LabelTooLong { offset, length: 64, limit: 63 });
    check(&"x".repeat(64), long_label(0));
    check(&format!("a.{}.org", "x".repeat(64)), long_label(2));
    // Its form in ASCII is what is limited, and that is not known here.
    check(&"\u{fc}".repeat(32), None);
}

#[test]
fn paths_have_up_to_256_octets() {
    assert_eq!(Mailbox::MAX_PATH, 256);
    good("a", &domain(252));
    good(&"a".repeat(64), &domain(189));
    for text in ["a@".to_string() + &domain(253), "a".repeat(64) + "@" + &domain(190)] {
        bad(&text, Field::Mailbox, Flaw::TooLong { length: 255, limit: 254 });
    }
    bad(
        &("a@".to_string() + &domain(256)),
        Field::Domain,
        Flaw::TooLong { length: 256, limit: 255 },
    );
}

#[test]
fn only_a_reverse_path_may_be_null() {
    for text in ["", "<>"] {
        assert_eq!(text.parse::<ReversePath>(), Ok(ReversePath::Null));
    }
    let refused = |text: &str| text.parse::<ForwardPath>().unwrap_err();
    assert_eq!(refused(""), Invalid::new(Field::ForwardPath, Flaw::Empty));
    assert_eq!(refused("<>"), Invalid::new(Field::ForwardPath, Flaw::Bracketed));
    assert_eq!(Rcpt::try_from("").unwrap_err().why(), refused(""));
    for (text, flaw) in
        [("<", Flaw::NoAt), ("<><>", Flaw::Bracketed), (" ", Flaw::NoAt), ("< >", Flaw::Bracketed)]
    {
        let invalid = Invalid::new(Field::ReversePath, flaw);
        assert_eq!(text.parse::<ReversePath>(), Err(invalid), "{text:?}");
    }
}

#[test]
fn only_a_recipient_may_be_the_postmaster() {
    for text in ["postmaster", "Postmaster", "POSTMASTER"] {
        assert_eq!(text.parse::<ForwardPath>(), Ok(ForwardPath::Postmaster));
        let invalid = Invalid::new(Field::ReversePath, Flaw::NoAt);
        assert_eq!(text.parse::<ReversePath>(), Err(invalid));
    }
    assert_eq!(ForwardPath::<String>::Postmaster.to_string(), "<Postmaster>");
    let named: ForwardPath = "postmaster@example.org".parse().unwrap();
    assert_eq!(named.to_string(), "<postmaster@example.org>");
    assert!("postmasters".parse::<ForwardPath>().is_err());
}

#[test]
fn client_names_are_ascii() {
    let check = |text: &str, expected: Result<(), Flaw>| {
        let expected = expected.map_err(|flaw| Invalid::new(Field::HelloName, flaw));
        assert_eq!(text.parse::<HelloName>().map(|name| assert_eq!(name.as_str(), text)), expected);
        assert_eq!(HelloName::try_from(text).map(drop), expected);
    };
    check("client.example.org", Ok(()));
    check("xn--bcher-kva.example", Ok(()));
    check("[192.0.2.1]", Ok(()));
    check("", Err(Flaw::Empty));
    let given = HelloName::new("b\u{fc}cher.example");
    assert_eq!(given, Err(Invalid::new(Field::HelloName, Flaw::NonAscii { offset: 1 })));
    check("me\r\nMAIL FROM:<evil@x>", Err(Flaw::Control { character: '\r', offset: 2 }));
    check("a b", Err(Flaw::Unexpected { character: ' ', offset: 1 }));
    check("a_b", Err(Flaw::Unexpected { character: '_', offset: 1 }));
    check("a.", Err(Flaw::EmptyLabel { offset: 1 }));
    check("a..b", Err(Flaw::EmptyLabel { offset: 2 }));
    check("[a", Err(Flaw::NotALiteral { offset: 0 }));
}
