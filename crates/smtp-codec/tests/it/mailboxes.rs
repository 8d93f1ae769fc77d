//! A table of mailboxes, each with its verdict by the grammar (RFC 5321, 4.1.2 and 4.1.3; RFC 6531,
//! 3.3; RFC 5891).

use smtp_codec::{Command, Deviations, ForwardPath, Mail, Mailbox, Rcpt, ReversePath};

/// The verdict on a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The grammar has it, and any server can be sent it as it is.
    Good,
    /// The grammar has it, and it is sent in this form to any server.
    Sent(&'static str),
    /// The grammar has it with SMTPUTF8.
    Utf8,
    /// It exists although the grammar does not have it.
    Deviant(Deviations),
    /// It is none.
    None,
}

use Verdict::{Deviant, Good, None, Sent, Utf8};

const DOTS: Verdict = Deviant(Deviations::LOOSE_DOTS);
const UNDERSCORE: Verdict = Deviant(Deviations::UNDERSCORE);
const LONG: Verdict = Deviant(Deviations::LONG_LOCAL_PART);

#[track_caller]
fn check(text: &str, verdict: Verdict) {
    let strict = text.parse::<Mailbox>();
    let tolerant = Mailbox::tolerating(text, Deviations::all());
    let found = match (&strict, &tolerant) {
        (Err(_), Err(_)) => None,
        (Err(_), Ok(mailbox)) => Deviant(mailbox.deviations()),
        (Ok(mailbox), Ok(same)) => {
            assert_eq!((mailbox.borrowed(), mailbox.deviations()), (*same, Deviations::empty()));
            let canonical = mailbox.clone().canonical();
            match verdict {
                _ if mailbox.needs_smtputf8() => Utf8,
                Sent(form) if canonical.as_str() == form && form != text => verdict,
                _ if canonical == *mailbox => Good,
                _ => panic!("{text} is sent as {canonical}"),
            }
        }
        (Ok(_), Err(error)) => panic!("{text} is tolerated less than it is good: {error}"),
    };
    assert_eq!(found, verdict, "{text:?}");
    assert_eq!(text.parse::<ReversePath>().is_ok(), strict.is_ok(), "{text:?}");
    assert_eq!(text.parse::<ForwardPath>().is_ok(), strict.is_ok(), "{text:?}");
    assert_eq!(Mail::try_from(text).is_ok(), strict.is_ok(), "{text:?}");
    assert_eq!(Rcpt::try_from(text).is_ok(), strict.is_ok(), "{text:?}");
    let line = format!("MAIL FROM:<{text}>");
    let decoded = Command::decode(line.as_bytes(), Deviations::empty());
    assert_eq!(decoded.is_ok(), strict.is_ok(), "{line:?}");
    let Ok(mailbox) = tolerant else { return };
    assert_eq!(format!("{}@{}", mailbox.local_part(), mailbox.host()), text);
    let decoded = Command::decode(line.as_bytes(), Deviations::MAILBOX).unwrap();
    assert_eq!(decoded.deviations, mailbox.deviations());
    assert_eq!(decoded.command.to_string(), line);
}

#[test]
fn each_mailbox_of_the_table_has_its_verdict() {
    let rows = [ASCII, QUOTED, HOSTS, LITERALS, INTERNATIONALIZED, EXISTING, FORGED];
    for &(text, verdict) in rows.concat().iter() {
        check(text, verdict);
    }
    assert!(rows.iter().map(|rows| rows.len()).sum::<usize>() >= 150);
}

/// Dot-strings.
const ASCII: &[(&str, Verdict)] = &[
    ("simple@example.com", Good),
    ("Smith@bar.com", Good),
    ("very.common@example.com", Good),
    ("x@example.com", Good),
    ("long.address-with-hyphens@and.subdomains.example.com", Good),
    ("user.name+tag+sorting@example.com", Good),
    ("name/surname@example.com", Good),
    ("admin@example", Good),
    ("mailhost!username@example.org", Good),
    ("user%example.com@example.org", Good),
    ("user-@example.org", Good),
    ("-user@example.org", Good),
    ("!#$%&'*+-/=?^_`{|}~@example.org", Good),
    ("a/b=c@example.org", Good),
    ("{curly}@example.org", Good),
    ("it's@example.org", Good),
    ("0123456789@example.org", Good),
    ("_______@example.com", Good),
    ("SRS0=HHH=TT=example.org=alice@forwarder.example", Good),
    ("bounce+alice=example.org@lists.example", Good),
    ("postmaster@example.org", Good),
    ("A.B.C.D.E.F.G@example.org", Good),
    ("@", None),
    ("@example.com", None),
    ("plain", None),
    ("plain.example.com", None),
    ("a@", None),
    ("a@b@c@example.com", None),
    ("a@@example.com", None),
    ("a b@example.com", None),
    (" a@example.com", None),
    ("a @example.com", None),
    ("a@ example.com", None),
    ("a@example.com ", None),
    ("a(comment)@example.com", None),
    ("a@example.com(comment)", None),
    ("a,b@example.com", None),
    ("a:b@example.com", None),
    ("a;b@example.com", None),
    ("a[b@example.com", None),
    ("a]b@example.com", None),
    ("a\\b@example.com", None),
    ("a\\@b@example.com", None),
    ("a\\ b@example.com", None),
    ("a<b@example.com", None),
    ("a>b@example.com", None),
    ("<a@example.com>", None),
    ("Alice <a@example.com>", None),
    ("a@example.com,b@example.com", None),
    ("mailto:a@example.com", None),
];

/// Quoted-strings.
const QUOTED: &[(&str, Verdict)] = &[
    (r#""john..doe"@example.org"#, Good),
    (r#"" "@example.org"#, Good),
    (r#"""@example.org"#, Good),
    (r#""very.(),:;<>[]\".VERY.\"very@\\ \"very\".unusual"@strange.example.com"#, Good),
    (r#""Joe.\\Blow"@example.org"#, Good),
    (r#""Abc@def"@example.org"#, Good),
    (r#""Fred Bloggs"@example.org"#, Good),
    (r#""a\b"@example.org"#, Good),
    (r#"".a."@example.org"#, Good),
    (r#""<script>"@example.org"#, Good),
    ("\"\u{fc}\"@example.org", Utf8),
    (r#""a"b@example.org"#, None),
    (r#"a"b"@example.org"#, None),
    (r#""a"."b"@example.org"#, None),
    (r#"a."b".c@example.org"#, None),
    (r#""a@example.org"#, None),
    (r#"a"@example.org"#, None),
    (r#"""""@example.org"#, None),
    (r#""a\"@example.org"#, None),
    ("\"a\\\u{fc}\"@example.org", None),
    ("\"a\tb\"@example.org", None),
    ("\"a\0b\"@example.org", None),
    (r#""a" @example.org"#, None),
    (r#"("a")@example.org"#, None),
];

/// Domains in ASCII.
const HOSTS: &[(&str, Verdict)] = &[
    ("a@b", Good),
    ("a@1", Good),
    ("a@123.456", Good),
    ("a@192.0.2.1", Good),
    ("a@b-c.example", Good),
    ("a@b--c.example", Good),
    ("a@3com.example", Good),
    ("a@EXAMPLE.ORG", Good),
    ("a@xn--bcher-kva.example", Good),
    ("a@x.y.z.example", Good),
    ("a@example.museum", Good),
    ("a@aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123.example", Good),
    ("a@aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff1234.example", None),
    ("a@example.com.", None),
    ("a@.example.com", None),
    ("a@example..com", None),
    ("a@.", None),
    ("a@-example.com", None),
    ("a@example-.com", None),
    ("a@example.-com", None),
    ("a@example.com-", None),
    ("a@-", None),
    ("a@exam ple.com", None),
    ("a@exam!ple.com", None),
    ("a@exam+ple.com", None),
    ("a@exam=ple.com", None),
    ("a@example.com:25", None),
    ("a@example.com/x", None),
    ("a@\"example.com\"", None),
    ("a@#123", None),
    ("a@*.example.com", None),
    ("a@(example.com)", None),
    ("a@example.com>", None),
];

/// Address literals.
const LITERALS: &[(&str, Verdict)] = &[
    ("a@[192.0.2.1]", Good),
    ("a@[192.0.2.01]", Good),
    ("a@[127.000.000.001]", Good),
    ("a@[255.255.255.255]", Good),
    ("a@[IPv6:2001:db8::1]", Good),
    ("a@[IPv6:2001:db8:1234:5678:9abc:def0:1234:5678]", Good),
    ("a@[IPv6:::]", Good),
    ("a@[IPv6:::ffff:192.0.2.1]", Good),
    ("a@[ipv6:1:2:3:4:5:6:7:8]", Good),
    ("a@[X-tag:content]", Good),
    ("\"a b\"@[192.0.2.1]", Good),
    ("\u{fc}@[192.0.2.1]", Utf8),
    ("a@[256.0.2.1]", None),
    ("a@[192.0.2]", None),
    ("a@[192.0.2.1.5]", None),
    ("a@[192.0.2.0001]", None),
    ("a@[192.0.2.]", None),
    ("a@[192.0.2.1", None),
    ("a@192.0.2.1]", None),
    ("a@[]", None),
    ("a@[::1]", None),
    ("a@[2001:db8::1]", None),
    ("a@[IPv6:2001:db8::1::2]", None),
    ("a@[IPv6:1:2:3:4:5:6:7]", None),
    ("a@[IPv6:1:2:3:4:5:6:7:8:9]", None),
    ("a@[IPv6:1:2:3:4:5:6:7::]", None),
    ("a@[IPv6:192.0.2.1]", None),
    ("a@[IPv6:12345::]", None),
    ("a@[IPv6:fe80::1%eth0]", None),
    ("a@[example.com]", None),
    ("a@[X-tag:]", None),
    ("a@[X-tag:a b]", None),
    ("a@[192.0.2.1].example", None),
    ("a@[\u{661}92.0.2.1]", None),
];

/// Characters outside ASCII.
const INTERNATIONALIZED: &[(&str, Verdict)] = &[
    ("a@b\u{fc}cher.example", Sent("a@xn--bcher-kva.example")),
    ("a@B\u{dc}CHER.example", Sent("a@xn--bcher-kva.example")),
    ("a@fa\u{df}.example", Sent("a@xn--fa-hia.example")),
    ("a@\u{4f8b}\u{3048}.\u{30c6}\u{30b9}\u{30c8}", Sent("a@xn--r8jz45g.xn--zckzah")),
    ("\"a b\"@b\u{fc}cher.example", Sent("\"a b\"@xn--bcher-kva.example")),
    ("a@\u{ff45}xample.org", Sent("a@example.org")),
    ("Pel\u{e9}@example.com", Utf8),
    ("\u{7528}\u{6237}@\u{4f8b}\u{5b50}.\u{5e7f}\u{544a}", Utf8),
    ("\u{2709}@example.com", Utf8),
    ("\u{447}\u{435}\u{431}@\u{44f}\u{449}\u{438}\u{43a}.\u{440}\u{444}", Utf8),
    ("j.\u{f8}rgen@example.org", Utf8),
    ("\u{5d0}@\u{5d0}.example", Utf8),
    ("\u{fc}.@example.org", DOTS),
    ("a@\u{fc}_.example", UNDERSCORE),
    ("\u{fc} @example.org", None),
    ("\u{85}@example.org", None),
    ("a\u{202e}b@example.org", None),
    ("a\u{2028}b@example.org", None),
    ("a\u{feff}b@example.org", None),
    ("a\u{ff20}example.org", None),
    ("a@b\u{3002}example", None),
    ("a@b\u{ff0e}example", None),
    ("a@b\u{ff61}example", None),
    ("a@b\u{2024}example", None),
    ("a@b\u{2026}example", None),
    ("a@b\u{2488}example", None),
    ("a@b\u{249b}example", None),
    ("a@b\u{200b}.example", None),
    ("a@b\u{ad}.example", None),
    ("a@b\u{2060}.example", None),
    ("a@b\u{a0}c.example", None),
    ("a@\u{3000}.example", None),
    ("a@\u{2800}.example", None),
    ("a@\u{3164}.example", None),
    ("a@b\u{5d0}.example", None),
    ("a@\u{301}.example", None),
    ("a@b\u{ff0f}c.example", None),
    ("a@b\u{ff20}c.example", None),
    ("a@\u{e000}.example", None),
    ("a@\u{fffd}.example", None),
    ("a@b\u{fc}..example", None),
    ("a@-\u{fc}.example", None),
    ("a@\u{fc}-.example", None),
];

/// What the grammar does not have, and yet exists.
const EXISTING: &[(&str, Verdict)] = &[
    ("a..b@example.org", DOTS),
    ("a...b@example.org", DOTS),
    (".a@example.org", DOTS),
    ("a.@example.org", DOTS),
    ("...a@example.org", DOTS),
    ("a..@example.org", DOTS),
    (".a.@example.org", DOTS),
    ("-..-@example.org", DOTS),
    ("a@foo_bar.example", UNDERSCORE),
    ("a@_dmarc.example", UNDERSCORE),
    ("a@_.example", UNDERSCORE),
    ("a@example_", UNDERSCORE),
    ("a..b@_c.example", Deviant(Deviations::LOOSE_DOTS.union(Deviations::UNDERSCORE))),
    ("1234567890123456789012345678901234567890123456789012345678901234@example.com", Good),
    ("1234567890123456789012345678901234567890123456789012345678901234+x@example.com", LONG),
    ("\"234567890123456789012345678901234567890123456789012345678901234\"@example.com", LONG),
    ("SRS1=abcd=forwarder.one.example==HHH=TT=a-domain-name.example=alice.of.it@two.example", LONG),
    (".@example.org", None),
    ("..@example.org", None),
    ("a. b@example.org", None),
    ("a..\"b\"@example.org", None),
    ("a@-_.example", None),
    ("a@_-.example", None),
    ("a@_..example", None),
    ("a@_ .example", None),
];

/// What would be more than a mailbox, were it one.
const FORGED: &[(&str, Verdict)] = &[
    ("a@example.org> SIZE=1", None),
    ("a@example.org>\r\nRCPT TO:<b@example.org", None),
    ("a@example.org\r\nRSET", None),
    ("a\r\n@example.org", None),
    ("a\n@example.org", None),
    ("a@example.org\n", None),
    ("a\0@example.org", None),
    ("a@example.org\0", None),
    ("a\t@example.org", None),
    ("a\u{7f}@example.org", None),
    ("a..b> X@example.org", None),
    ("a@foo_bar> X", None),
    ("a@foo_bar b", None),
    ("a..b\r@example.org", None),
    ("@relay.example:a@example.org", None),
    ("a@relay.example:b@example.org", None),
];

#[test]
fn a_tolerance_is_for_what_it_names_and_nothing_else() {
    let long = format!("{}@b", "a".repeat(65));
    for (text, deviation) in [
        ("a..b@c", Deviations::LOOSE_DOTS),
        ("a@b_c", Deviations::UNDERSCORE),
        (&*long, Deviations::LONG_LOCAL_PART),
    ] {
        assert!(Mailbox::tolerating(text, deviation).is_ok(), "{text}");
        let others = Deviations::all() - deviation;
        let refused = Mailbox::tolerating(text, others).unwrap_err();
        assert_eq!(refused, text.parse::<Mailbox>().unwrap_err());
        assert_eq!(ReversePath::tolerating(text, others).unwrap_err().flaw, refused.flaw);
        assert_eq!(ForwardPath::tolerating(text, others).unwrap_err().flaw, refused.flaw);
        assert!(ReversePath::tolerating(text, deviation).is_ok());
        assert!(ForwardPath::tolerating(text, deviation).is_ok());
        for default in [Deviations::TOLERANT, Deviations::STRICT] {
            assert!(Mailbox::tolerating(text, default).is_err(), "{text}");
        }
    }
}

#[test]
fn a_long_local_part_ends_where_the_path_does() {
    let mailbox = |octets: usize| {
        let text = format!("{}@b.example", "a".repeat(octets - "@b.example".len()));
        Mailbox::tolerating(text, Deviations::all())
    };
    assert_eq!(mailbox(254).unwrap().deviations(), Deviations::LONG_LOCAL_PART);
    assert!(mailbox(255).is_err());
}

#[test]
fn no_tolerance_lets_a_character_in_that_is_none_of_a_mailbox() {
    let forbidden = (0..=b' ').chain(*b"()<>[]\\,;:@\"\x7f").map(char::from);
    for character in forbidden {
        for text in [
            format!("a..{character}b@foo_bar.example"),
            format!("{character}..b@foo_bar.example"),
            format!("a..{character}@foo_bar.example"),
            format!("a..b@foo{character}_bar.example"),
            format!("a..b@foo_bar.example{character}"),
            format!("a..b@{character}foo_bar.example"),
        ] {
            assert!(Mailbox::tolerating(&*text, Deviations::all()).is_err(), "{text:?}");
        }
    }
}
