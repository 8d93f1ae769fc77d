//! Internationalized domains: which labels are valid, and what a client sends for them.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use proptest::{collection::vec, prelude::Strategy, prop_assert, prop_assert_eq, proptest};
use smtp_codec::{
    Argument, Command, Deviations, Domain, ForwardPath, HelloName, Host, Mail, Mailbox, Rcpt,
    RcptParam, ReversePath,
};
use smtp_error::{Field, Flaw, Invalid};

/// The domain is one, and this is its form in ASCII.
#[track_caller]
fn good(domain: &str, ascii: &str) {
    let parsed: Domain = domain.parse().unwrap();
    assert_eq!((parsed.as_str(), &*parsed.to_ascii()), (domain, ascii));
    let host: Host = domain.parse().unwrap();
    assert_eq!(host.to_ascii(), ascii);
    assert_eq!(domain.parse::<HelloName>().unwrap().as_str(), ascii);
    assert_eq!(HelloName::try_from(domain).unwrap().as_str(), ascii);
    let mailbox: Mailbox = format!("a@{domain}").parse().unwrap();
    assert_eq!(mailbox.host(), domain);
    assert!(!mailbox.needs_smtputf8());
    assert_eq!(mailbox.canonical().as_str(), format!("a@{ascii}"));
}

/// The domain is none, and no mailbox, no path and no client has it.
#[track_caller]
fn bad(domain: &str) {
    let refused = domain.parse::<Domain>();
    assert!(refused.is_err(), "{domain:?}");
    assert!(domain.parse::<Host>().is_err(), "{domain:?}");
    assert!(domain.parse::<HelloName>().is_err(), "{domain:?}");
    assert!(Domain::tolerating(domain, Deviations::all()).is_err(), "{domain:?}");
    for local in ["a", "\u{fc}", "\"\""] {
        let text = format!("{local}@{domain}");
        assert!(text.parse::<Mailbox>().is_err(), "{text:?}");
        assert!(text.parse::<ReversePath>().is_err(), "{text:?}");
        assert!(text.parse::<ForwardPath>().is_err(), "{text:?}");
        let line = format!("RCPT TO:<{text}>");
        assert!(Command::decode(line.as_bytes(), Deviations::all()).is_err(), "{text:?}");
    }
}

#[track_caller]
fn flawed(domain: &str, flaw: Flaw) {
    bad(domain);
    assert_eq!(domain.parse::<Domain>(), Err(Invalid::new(Field::Domain, flaw)), "{domain:?}");
}

#[test]
fn labels_have_a_form_in_ascii() {
    for (domain, ascii) in [
        ("b\u{fc}cher.example", "xn--bcher-kva.example"),
        ("B\u{dc}CHER.Example", "xn--bcher-kva.example"),
        ("bu\u{308}cher.example", "xn--bcher-kva.example"),
        ("fa\u{df}.example", "xn--fa-hia.example"),
        ("\u{3b2}\u{3cc}\u{3bb}\u{3bf}\u{3c2}.example", "xn--nxasmm1c.example"),
        ("\u{4f8b}\u{3048}.\u{30c6}\u{30b9}\u{30c8}", "xn--r8jz45g.xn--zckzah"),
        ("\u{4f8b}\u{5b50}.\u{6d4b}\u{8bd5}", "xn--fsqu00a.xn--0zwm56d"),
        ("\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}.\u{440}\u{444}", "xn--e1afmkfd.xn--p1ai"),
        ("\u{5d3}\u{5d5}\u{5d2}\u{5de}\u{5d4}.example", "xn--6dbbec0c.example"),
        ("\u{645}\u{62b}\u{627}\u{644}.example", "xn--mgbh0fb.example"),
        ("\u{646}\u{627}\u{645}\u{647}\u{200c}\u{627}\u{6cc}.com", "xn--mgba3gch31f060k.com"),
        ("\u{dc1}\u{dca}\u{200d}\u{dbb}\u{dd3}.com", "xn--10cl1a0b660p.com"),
        ("xn--bcher-kva.\u{fc}.example", "xn--bcher-kva.xn--tda.example"),
        ("a.b-c.\u{fc}1.example", "a.b-c.xn--1-dha.example"),
        ("\u{ff41}\u{ff42}.example", "ab.example"),
        ("example.org", "example.org"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ] {
        match domain.parse::<Domain>() {
            Ok(parsed) => assert_eq!(parsed.to_ascii(), ascii, "{domain}"),
            Err(error) => panic!("{domain}: {error}"),
        }
        good(domain, ascii);
    }
}

/// What readers that follow IDNA, or that normalize for compatibility, take for a dot or for text
/// with a dot in it.
const DOTS: &[(char, char)] = &[
    ('\u{2024}', '\u{2026}'),
    ('\u{2488}', '\u{249b}'),
    ('\u{3002}', '\u{3002}'),
    ('\u{33c2}', '\u{33c2}'),
    ('\u{33c7}', '\u{33c7}'),
    ('\u{33d8}', '\u{33d8}'),
    ('\u{fe19}', '\u{fe19}'),
    ('\u{fe30}', '\u{fe30}'),
    ('\u{fe52}', '\u{fe52}'),
    ('\u{ff0e}', '\u{ff0e}'),
    ('\u{ff61}', '\u{ff61}'),
    ('\u{1f100}', '\u{1f100}'),
];

#[test]
fn no_other_character_is_a_dot() {
    let mut count = 0;
    for dot in DOTS.iter().flat_map(|&(first, last)| first..=last) {
        count += 1;
        for (domain, offset) in [
            (format!("b{dot}example"), 1),
            (format!("\u{fc}{dot}example"), 2),
            (format!("{dot}example"), 0),
            (format!("example{dot}"), 7),
            (format!("b.{dot}.example"), 2),
            (format!("b{dot}"), 1),
        ] {
            flawed(&domain, Flaw::Unexpected { character: dot, offset });
        }
    }
    assert_eq!(count, 33);
}

#[test]
fn no_character_at_all_parts_or_joins_labels() {
    // Of ideographs, syllables and planes without characters a few stand for all.
    let is_alike = |code: u32| {
        matches!(code, 0x3400..=0x9fff | 0xac00..=0xd7a3 | 0x1_3000..=0x1_4fff | 0x1_6800..=0x1_cbff)
            || (code >= 0x2_0000 && !(0xe_0000..0xe_0200).contains(&code))
    };
    let codes = (0x80..=0x10_ffff).filter(|&code| !is_alike(code) || code % 997 == 0);
    for character in codes.filter_map(char::from_u32) {
        let Ok(domain) = format!("a{character}b.example").parse::<Domain>() else { continue };
        let ascii = domain.to_ascii();
        assert_eq!(ascii.split('.').count(), 2, "U+{:04X}", u32::from(character));
        assert!(Domain::new(&*ascii).is_ok(), "U+{:04X}", u32::from(character));
        assert!(ascii.is_ascii() && ascii != "ab.example", "U+{:04X}", u32::from(character));
    }
}

#[test]
fn invisible_characters_are_refused_in_labels() {
    let ignored = "\u{ad}\u{34f}\u{115f}\u{1160}\u{17b4}\u{180b}\u{180e}\u{200b}\u{2060}\u{2064}\
                   \u{206a}\u{3164}\u{fe0e}\u{fe0f}\u{ffa0}\u{1bca0}\u{1d173}\u{e0100}";
    let blank = "\u{2800}\u{13441}\u{13442}\u{16fe4}\u{1d159}";
    for character in ignored.chars().chain(blank.chars()) {
        flawed(&format!("ab{character}.example"), Flaw::InvalidLabel { offset: 2 });
        flawed(&format!("x.{character}"), Flaw::InvalidLabel { offset: 2 });
        flawed(&format!("\u{fc}.{character}b"), Flaw::InvalidLabel { offset: 3 });
    }
    let spaces = "\u{a0}\u{1680}\u{2000}\u{2003}\u{200a}\u{202f}\u{205f}\u{3000}";
    for character in spaces.chars() {
        flawed(&format!("x.a{character}b"), Flaw::InvalidLabel { offset: 2 });
    }
    // Joiners where they join nothing.
    for character in ['\u{200c}', '\u{200d}'] {
        flawed(&format!("x.a{character}b"), Flaw::InvalidLabel { offset: 2 });
        bad(&character.to_string());
    }
}

#[test]
fn invalid_labels_are_refused() {
    for (domain, offset) in [
        // Not assigned, for private use, no character, a replacement.
        ("a\u{378}", 0),
        ("x.\u{e000}", 2),
        ("x.\u{fffe}", 2),
        ("x.\u{fffd}", 2),
        ("x.\u{10ffff}", 2),
        // Mapped to a character that no label has.
        ("a\u{ff20}b", 0),
        ("a\u{fe6b}b", 0),
        ("a\u{2100}b", 0),
        ("a\u{ff0f}b", 0),
        ("a\u{226e}b", 1),
        ("\u{2260}", 0),
        ("x.a\u{226f}", 3),
        ("a\u{ff1a}25", 0),
        ("\u{2a74}", 0),
        ("\u{37e}x", 0),
        // Mapped to a hyphen at an end, or third and fourth.
        ("\u{ff0d}\u{fc}", 0),
        ("\u{fc}\u{ff0d}", 0),
        ("ab--\u{fc}", 0),
        ("x.ab\u{ff0d}\u{ff0d}\u{fc}", 2),
        // A mark without a letter.
        ("\u{308}a", 0),
        ("x.\u{94d}", 2),
        ("\u{20dd}", 0),
        // Directions mixed in a label, with a digit at either end.
        ("a\u{5d0}", 0),
        ("\u{5d0}a", 0),
        ("x.1\u{5d0}", 2),
        ("\u{661}\u{5d0}", 0),
        ("\u{5d0}1\u{661}", 0),
        ("\u{627}b.example", 0),
        // Invalid Punycode, or Punycode for a character that is not allowed.
        ("xn--a.\u{fc}", 0),
        ("xn--999999999999.\u{fc}", 0),
        ("xn--0.\u{fc}", 0),
        ("\u{fc}.xn--\u{fc}", 3),
    ] {
        flawed(domain, Flaw::InvalidLabel { offset });
    }
    let wide_underscore = "a\u{ff3f}b".parse::<Domain>();
    let flaw = Flaw::InvalidLabel { offset: 0 };
    assert_eq!(wide_underscore, Err(Invalid::new(Field::Domain, flaw)));
    // Valid each, but not beside each other.
    flawed("1a.\u{5d0}", Flaw::InvalidLabel { offset: 0 });
    good("a1.\u{5d0}", "a1.xn--4db");
}

#[test]
fn what_ascii_has_no_place_for_has_none_beside_other_characters() {
    for (domain, offset) in [
        ("-\u{fc}", 0),
        ("\u{fc}-", 2),
        ("\u{fc} b", 2),
        ("\u{fc}_", 2),
        ("\u{fc}@b", 2),
        ("\u{fc}>", 2),
        ("\u{fc}:25", 2),
        ("\u{fc}/b", 2),
    ] {
        let character = domain[offset..].chars().next().unwrap();
        assert_eq!(
            domain.parse::<Domain>(),
            Err(Invalid::new(Field::Domain, Flaw::Unexpected { character, offset })),
            "{domain:?}",
        );
    }
    for (domain, offset) in [("\u{fc}..b", 3), (".\u{fc}", 0), ("\u{fc}.", 2)] {
        flawed(domain, Flaw::EmptyLabel { offset });
    }
}

#[test]
fn the_form_in_ascii_is_held_to_the_limits() {
    // 4 octets of prefix, one digit of the difference for each repetition.
    let label = |count: usize| "\u{fc}".repeat(count);
    let ascii = |count: usize| label(count).parse::<Domain>().map(|domain| domain.to_ascii().len());
    let longest = (1..).take_while(|&count| ascii(count).is_ok()).last().unwrap();
    assert!((55..=63).contains(&ascii(longest).unwrap()));
    let Err(Invalid { flaw, .. }) = ascii(longest + 1) else { panic!("it is too long") };
    let Flaw::LabelTooLong { offset: 0, length, limit: 63 } = flaw else {
        panic!("its length is what is wrong")
    };
    assert!(length > 63);
    let long = format!("x.{}", label(longest + 1));
    flawed(&long, Flaw::LabelTooLong { offset: 2, length, limit: 63 });
    let long = format!("x.{}.example", "a".repeat(64));
    flawed(&long, Flaw::LabelTooLong { offset: 2, length: 64, limit: 63 });
    // As text it is shorter than a domain may be.
    let wide = ["\u{10400}\u{10400}x\u{3042}\u{ac00}y\u{1d00}z"; 12].join(".");
    let Err(Invalid { flaw: Flaw::TooLong { length, limit: 255 }, .. }) = wide.parse::<Domain>()
    else {
        panic!("its length is what is wrong")
    };
    assert!(length > 255 && wide.len() <= 255);
    bad(&wide);
}

#[test]
fn a_path_is_as_long_as_it_may_be_in_the_form_that_is_sent() {
    let domain = ["\u{10400}\u{3042}\u{ac00}"; 12].join(".");
    let ascii = domain.parse::<Domain>().unwrap().to_ascii().len();
    assert!(ascii > domain.len());
    let fits = "a".repeat(254 - 1 - ascii);
    let mailbox: Mailbox = format!("{fits}@{domain}").parse().unwrap();
    assert_eq!(mailbox.canonical().as_str().len(), 254);
    let flaw = Flaw::TooLong { length: 255, limit: 254 };
    let longer = format!("a{fits}@{domain}").parse::<Mailbox>();
    assert_eq!(longer, Err(Invalid::new(Field::Mailbox, flaw)));
}

#[test]
fn a_mailbox_is_sent_with_the_labels_that_its_local_part_allows() {
    for (given, sent, needs_smtputf8) in [
        ("a@b\u{fc}cher.example", "a@xn--bcher-kva.example", false),
        ("\"a b\"@B\u{dc}CHER.Example", "\"a b\"@xn--bcher-kva.example", false),
        ("\u{fc}@b\u{fc}cher.example", "\u{fc}@b\u{fc}cher.example", true),
        ("\u{dc}@B\u{dc}CHER.example", "\u{dc}@b\u{fc}cher.example", true),
        ("\u{fc}@xn--bcher-kva.example", "\u{fc}@xn--bcher-kva.example", true),
        ("\u{fc}@Example.org", "\u{fc}@Example.org", true),
        ("\"\u{fc}\"@[192.0.2.1]", "\"\u{fc}\"@[192.0.2.1]", true),
        ("A@Example.ORG", "A@Example.ORG", false),
    ] {
        let mailbox: Mailbox = given.parse().unwrap();
        assert_eq!(mailbox.as_str(), given);
        assert_eq!(mailbox.needs_smtputf8(), needs_smtputf8, "{given}");
        let canonical = mailbox.clone().canonical();
        assert_eq!(canonical.as_str(), sent);
        assert_eq!(canonical.clone().canonical(), canonical);
        assert_eq!(sent.parse(), Ok(canonical));

        let mail = Mail::try_from(given).unwrap().canonical();
        assert_eq!(Command::Mail(mail.borrowed()).to_string(), format!("MAIL FROM:<{sent}>"));
        let rcpt = Rcpt::try_from(given).unwrap().canonical();
        assert_eq!(Command::Rcpt(rcpt.borrowed()).to_string(), format!("RCPT TO:<{sent}>"));
        assert_eq!(Argument::from(&mailbox).as_str(), sent);
        let kind = if needs_smtputf8 { "utf-8" } else { "rfc822" };
        let orcpt = rcpt.param(RcptParam::orcpt(&mailbox)).unwrap();
        assert!(orcpt.raw_params().as_str().starts_with(&format!("ORCPT={kind};")));
    }
    assert_eq!(ReversePath::Null.canonical(), ReversePath::Null);
    assert_eq!(ForwardPath::Postmaster.canonical(), ForwardPath::Postmaster);
}

/// Whether UTS 46 takes this label, non-transitional, with the STD3 rules and checked hyphens.
fn is_valid(label: &str) -> bool {
    let form = Uts46::new().to_ascii(
        label.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::Check,
        DnsLength::Verify,
    );
    form.is_ok_and(|form| !form.contains('.'))
}

#[test]
fn a_random_sample_of_labels_is_judged_by_uts_46() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    // Planes and blocks that letters come from, and everything else.
    let ranges =
        [(0x80, 0x250), (0x80, 0x3000), (0x80, 0xffff), (0x80, 0x1_f000), (0x80, 0x10_ffff)];
    let (mut valid, mut invalid) = (0, 0);
    for _ in 0..10_000 {
        let (low, high) = ranges[next(5) as usize];
        let label: String = (0..=next(4))
            .filter_map(|_| char::from_u32(low + next(u64::from(high - low)) as u32))
            .collect();
        if label.is_empty() {
            continue;
        }
        let accepted = label.parse::<Domain>().is_ok();
        let alone = |character: char| {
            let text = format!("a{character}b");
            text.parse::<Domain>().is_err() && is_valid(&text)
        };
        // What is stricter here is so because of one character.
        let expected = is_valid(&label) && !label.chars().any(alone);
        assert_eq!(accepted, expected, "{}", label.escape_unicode());
        if accepted { valid += 1 } else { invalid += 1 }
    }
    assert!(valid > 2_000 && invalid > 2_000, "{valid} valid, {invalid} invalid");
}

#[test]
fn what_is_received_is_kept() {
    let line = "MAIL FROM:<a@B\u{dc}CHER.example> SMTPUTF8";
    let decoded = Command::decode(line.as_bytes(), Deviations::empty()).unwrap();
    assert_eq!(decoded.command.to_string(), line);
}

fn characters() -> impl Strategy<Value = char> {
    proptest::char::range('\u{80}', '\u{2fff}').boxed()
}

proptest! {
    #[test]
    fn what_is_valid_has_one_form_and_no_other(
        parts in vec(vec(characters(), 1..5), 1..4),
        ascii in "[a-z][a-z0-9]{0,5}",
    ) {
        let labels: Vec<String> = parts.into_iter().map(String::from_iter).collect();
        let text = format!("{}.{ascii}", labels.join("."));
        if let Ok(domain) = text.parse::<Domain>() {
            let form = domain.to_ascii();
            prop_assert_eq!(form.split('.').count(), labels.len() + 1);
            prop_assert!(form.is_ascii() && Domain::new(&*form).is_ok());
            let mailbox: Mailbox = format!("\u{fc}@{text}").parse().unwrap();
            let sent = mailbox.canonical();
            let again: Domain = sent.host().parse().unwrap();
            prop_assert_eq!(again.to_ascii(), form);
        }
    }
}
