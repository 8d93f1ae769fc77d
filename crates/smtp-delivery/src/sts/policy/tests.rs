//! Policies: what is one, what is none, and which hosts they permit.
use proptest::{collection::vec, prelude::*};

use super::{InvalidStsPolicy::*, *};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn policy(text: &str) -> StsPolicy {
    StsPolicy::parse(text.as_bytes()).unwrap()
}

#[track_caller]
fn check(text: &str, expected: InvalidStsPolicy) {
    assert_eq!(StsPolicy::parse(text.as_bytes()), Err(expected), "{text:?}");
}

const VALID: &str = "version: STSv1\nmode: enforce\nmx: mx.example\nmax_age: 86400\n";

#[test]
fn a_policy_is_read() {
    let found = policy(
        "version: STSv1\r\nmode: testing\r\nmx: mail.example.com\r\nmx: *.Example.NET\r\nmax_age: \
         604800\r\n",
    );
    assert_eq!(found.mode(), StsMode::Testing);
    assert_eq!(found.max_age(), Duration::from_secs(604_800));
    let patterns: Vec<_> = found.patterns().iter().map(ToString::to_string).collect();
    assert_eq!(patterns, ["mail.example.com", "*.example.net"]);
}

#[test]
fn line_ends_and_spaces_make_no_difference() {
    let expected = policy(VALID);
    for text in [
        VALID.replace('\n', "\r\n"),
        VALID.replace("STSv1\n", "STSv1\r\n"),
        VALID.trim_end().to_owned(),
        VALID.replace(": ", ":"),
        VALID.replace(": ", ": \t"),
        VALID.replace('\n', " \t\r\n"),
        format!("{VALID}\r\n\n"),
        "max_age: 86400\nmx: mx.example.\nmode: enforce\nversion: STSv1".to_owned(),
    ] {
        assert_eq!(policy(&text), expected, "{text:?}");
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let text = format!("{VALID}Mode: none\nx: \u{e4} b\n9-a_b.c: \nx:y:z\n");
    assert_eq!(policy(&text), policy(VALID));
}

#[test]
fn the_first_of_two_equal_fields_counts() {
    let text = format!("{VALID}version: STSv2\nmode: nothing\nmax_age: never\n");
    assert_eq!(policy(&text), policy(VALID));
    check(&format!("mode: nothing\n{VALID}"), Mode);
}

#[test]
fn a_revoked_policy_needs_no_hosts() {
    let text = "version: STSv1\nmode: none\nmax_age: 0";
    let found = policy(text);
    assert_eq!((found.mode(), found.max_age()), (StsMode::None, Duration::ZERO));
    assert!(found.patterns().is_empty() && !found.permits(&name("mx.example")));
}

#[test]
fn what_is_not_a_policy_is_named() {
    for field in ["version", "mode", "mx", "max_age"] {
        let without: Vec<_> = VALID.lines().filter(|line| !line.starts_with(field)).collect();
        check(&without.join("\n"), Missing { field });
    }
    check("", Missing { field: "version" });
    check(&VALID.replace("STSv1", "STSv2"), Version);
    check(&VALID.replace("enforce", "Enforce"), Mode);
    check(&VALID.replace("enforce", ""), Mode);
    check(&format!("{VALID}nothing\n"), Line { number: 5 });
    check(&format!(" {VALID}"), Line { number: 1 });
    check(&format!("\u{feff}{VALID}"), Line { number: 1 });
    check(&VALID.replace('\n', "\r"), Version);
    check(&format!("{VALID}x: a\rb\n"), Line { number: 5 });
    check(&format!("{VALID}x y: a\n"), Line { number: 5 });
    check("<!DOCTYPE html>\n<html>\n</html>\n", Line { number: 1 });
}

#[test]
fn a_lifetime_is_a_number_of_up_to_ten_digits() {
    for (value, seconds) in [
        ("0", 0),
        ("0000000001", 1),
        ("31557600", 31_557_600),
        ("31557601", 31_557_600),
        ("9999999999", 31_557_600),
    ] {
        let found = policy(&VALID.replace("86400", value));
        assert_eq!(found.max_age(), Duration::from_secs(seconds), "{value}");
    }
    for value in ["", "-1", "+1", "1 2", "1.5", "00000000001", "one"] {
        check(&VALID.replace("86400", value), MaxAge);
    }
}

#[test]
fn patterns_of_hosts_are_checked() {
    let reject = |pattern: &str, reason| {
        let number = 2;
        check(&format!("{VALID}mx: {pattern}\n"), Mx { number, reason });
    };
    for pattern in ["*", "a.*.example", "*a.example", "*.*.example", "mx example", "a@b.example"] {
        let found = StsPolicy::parse(format!("{VALID}mx: {pattern}\n").as_bytes());
        assert!(matches!(found, Err(Mx { number: 2, .. })), "{pattern}: {found:?}");
    }
    reject("", InvalidMxPattern::Name(InvalidName::Empty));
    reject(".example", InvalidMxPattern::Name(InvalidName::EmptyLabel));
    reject("*.", InvalidMxPattern::Name(InvalidName::Empty));
    reject("b\u{fc}cher.example", InvalidMxPattern::NotAscii);
    reject("*a.example", InvalidMxPattern::NotAHost);
    reject("*.*.example", InvalidMxPattern::NotAHost);
}

#[test]
fn a_wildcard_stands_for_exactly_one_label() {
    for (pattern, host, expected) in [
        ("mx.example", "mx.example", true),
        ("MX.example", "mx.EXAMPLE.", true),
        ("mx.example", "mx2.example", false),
        ("mx.example", "a.mx.example", false),
        ("*.example", "mx.example", true),
        ("*.example", "example", false),
        ("*.example", "a.mx.example", false),
        ("*.example", "mx.xexample", false),
        ("*.example", ".", false),
        ("*.xn--bcher-kva.example", "mx.b\u{fc}cher.example", true),
    ] {
        let pattern: MxPattern = pattern.parse().unwrap();
        assert_eq!(pattern.matches(&name(host)), expected, "{pattern} {host}");
    }
}

#[test]
fn a_text_and_its_patterns_are_bounded() {
    let comments = "x: y\n".repeat(StsPolicy::MAX_SIZE / 5);
    let (text, fits) = (format!("{VALID}{comments}"), &comments[VALID.len()..]);
    check(&text, TooLarge { size: text.len() });
    let start = fits.find('\n').unwrap() + 1;
    assert_eq!(policy(&format!("{VALID}{}", &fits[start..])), policy(VALID));

    let full = format!("{VALID}{}", "mx: a.example\n".repeat(StsPolicy::MAX_PATTERNS - 1));
    assert_eq!(policy(&full).patterns().len(), StsPolicy::MAX_PATTERNS);
    check(&format!("{full}mx: a.example\n"), TooManyPatterns);
}

#[test]
fn a_policy_made_by_hand_is_checked() {
    let pattern = || "*.example".parse::<MxPattern>();
    let new = |mode, patterns: Vec<_>, age| StsPolicy::new(mode, patterns, age);
    let age = StsPolicy::MAX_AGE;
    let one = || vec![pattern().unwrap()];
    assert_eq!(new(StsMode::Testing, vec![], age), Err(Missing { field: "mx" }));
    assert_eq!(new(StsMode::None, vec![], age + Duration::from_secs(1)), Err(MaxAge));
    assert_eq!(new(StsMode::None, vec![pattern().unwrap(); 101], age), Err(TooManyPatterns));
    let short = new(StsMode::Enforce, one(), Duration::from_millis(1999)).unwrap();
    assert_eq!(short.max_age(), Duration::from_secs(1));
}

fn any_policy() -> impl Strategy<Value = StsPolicy> {
    let pattern = "(\\*\\.)?[a-z0-9]{1,9}(\\.[a-z]{2,9}){0,3}";
    let mode = prop_oneof![Just(StsMode::Enforce), Just(StsMode::Testing), Just(StsMode::None)];
    (mode, vec(pattern, 1..9), 0..=StsPolicy::MAX_AGE.as_secs()).prop_map(|(mode, mx, age)| {
        let patterns = mx.iter().map(|text| text.parse::<MxPattern>().unwrap());
        StsPolicy::new(mode, patterns, Duration::from_secs(age)).unwrap()
    })
}

proptest! {
    #[test]
    fn a_policy_is_read_as_it_is_written(policy in any_policy()) {
        prop_assert_eq!(StsPolicy::parse(policy.to_string().as_bytes()), Ok(policy));
    }

    #[test]
    fn any_octets_are_read_without_panic(octets in any::<Vec<u8>>()) {
        let _ = StsPolicy::parse(&octets);
    }

    #[test]
    fn what_is_read_is_within_bounds_and_can_be_written(
        lines in vec("(version: STSv1|mode: (enforce|none)|mx: \\*?\\.?[a-zA-Z.]{0,5}|max_age: [0-9]{0,11}|[a-z]{0,3}:?.{0,4})\r?", 0..9)
    ) {
        if let Ok(policy) = StsPolicy::parse(lines.join("\n").as_bytes()) {
            prop_assert!(policy.max_age() <= StsPolicy::MAX_AGE);
            prop_assert!(policy.mode() == StsMode::None || !policy.patterns().is_empty());
            prop_assert_eq!(StsPolicy::parse(policy.to_string().as_bytes()), Ok(policy));
        }
    }
}
