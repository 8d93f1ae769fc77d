//! Address literals: which ones the grammar has.

use std::net::IpAddr;

use smtp_codec::{AddressLiteral, Domain, HelloName, Host, Mailbox};
use smtp_error::{Field, Flaw, Invalid};

#[track_caller]
fn good(text: &str) {
    let literal: AddressLiteral = text.parse().unwrap();
    assert_eq!(literal.as_str(), text);
    assert_eq!(text.parse::<Host>().unwrap(), Host::Literal(literal));
    assert_eq!(text.parse::<HelloName>().unwrap().as_str(), text);
    assert_eq!(format!("a@{text}").parse::<Mailbox>().unwrap().host(), text);
}

#[track_caller]
fn bad(text: &str) {
    let invalid = Invalid::new(Field::Domain, Flaw::NotALiteral { offset: 0 });
    assert_eq!(text.parse::<AddressLiteral>(), Err(invalid), "{text:?}");
    assert!(text.parse::<Host>().is_err(), "{text:?}");
    assert!(text.parse::<HelloName>().is_err(), "{text:?}");
    assert!(format!("a@{text}").parse::<Mailbox>().is_err(), "{text:?}");
}

#[test]
fn four_numbers_make_an_ipv4_literal() {
    for text in ["[192.0.2.1]", "[0.0.0.0]", "[255.255.255.255]", "[192.0.2.01]", "[000.00.0.255]"]
    {
        good(text);
    }
    for text in [
        "[]",
        "[",
        "]",
        "[ ]",
        "[192.0.2]",
        "[192.0.2.1.1]",
        "[192.0.2.256]",
        "[192.0.2.]",
        "[.0.2.1]",
        "[192.0.2.-1]",
        "[192.0.2.1",
        "192.0.2.1]",
        "[ 192.0.2.1]",
        "[192.0.2.1 ]",
        "[192.0.2.1]]",
        "[[192.0.2.1]]",
        "[192.0.2.1].",
        "[192.0.2.1]x",
        "[192.0.2.1]:25",
        "[0x7f.0.0.1]",
        "[1]",
        "[192.0.2.1\u{661}]",
        "[example.org]",
        "[999.1.1.1]",
        "[192.0.2.0001]",
        "[192.0.2.256]",
        "[192.0.2.+1]",
    ] {
        bad(text);
    }
}

#[test]
fn eight_groups_make_an_ipv6_literal() {
    for text in [
        "[IPv6:2001:db8:0:0:0:0:0:1]",
        "[IPv6:0001:0002:0003:0004:0005:0006:0007:0008]",
        "[IPv6:1:2:3:4:5:6:192.0.2.1]",
        "[IPv6:1:2:3:4:5:6:192.0.02.001]",
        "[IPv6:::ffff:192.0.2.010]",
        "[ipv6:1:2:3:4:5:6:7:8]",
        "[IPV6:ABCD:EF01:2345:6789:abcd:ef01:2345:6789]",
    ] {
        good(text);
    }
    for text in [
        "[IPv6:1:2:3:4:5:6:7]",
        "[IPv6:1:2:3:4:5:6:7:8:9]",
        "[IPv6:1:2:3:4:5:6:7:12345]",
        "[IPv6:1:2:3:4:5:6:7:g]",
        "[IPv6:1:2:3:4:5:6:7:192.0.2.1]",
        "[IPv6:1:2:3:4:5:6:192.0.2]",
        "[IPv6:1:2:3:4:5:192.0.2.1:6]",
        "[IPv6:]",
        "[IPv6]",
        "[IPv6:192.0.2.1]",
        "[IPv6:1:2:3:4:5:6:7:192.0.2.01]",
        "[IPv6:1:2:3:4:5:6:192.0.2.0001]",
        "[IPv6:192.0.2.01:1:2:3:4:5:6]",
    ] {
        bad(text);
    }
}

#[test]
fn two_colons_stand_for_two_groups_or_more() {
    for text in [
        "[IPv6:::]",
        "[IPv6:::1]",
        "[IPv6:1::]",
        "[IPv6:2001:db8::1]",
        "[IPv6:1:2:3:4:5:6::]",
        "[IPv6:::3:4:5:6:7:8]",
        "[IPv6:1:2:3::6:7:8]",
        "[IPv6:::192.0.2.1]",
        "[IPv6:::ffff:192.0.2.1]",
        "[IPv6:1:2:3:4::192.0.2.1]",
    ] {
        good(text);
    }
    for text in [
        "[IPv6::1]",
        "[IPv6:1:2:3:4:5:6:7::]",
        "[IPv6:::2:3:4:5:6:7:8]",
        "[IPv6:1:2:3::5:6:7:8]",
        "[IPv6:1:2:3:4:5::192.0.2.1]",
        "[IPv6:1::2::3]",
        "[IPv6:::1::]",
        "[IPv6::::]",
        "[IPv6:::1:]",
        "[::1]",
        "[IPv6:fe80::1%eth0]",
        "[IPv6:::1/128]",
        "[IPv6: ::1]",
        "[IPv6:[::1]]",
    ] {
        bad(text);
    }
}

#[test]
fn other_tags_have_printable_content() {
    for text in ["[IPv7:anything]", "[x-1:!\"#$%&'()*+,-./:;<=>?@AZ^_`az{|}~]", "[-x:y]", "[9:9]"] {
        good(text);
    }
    for text in [
        "[x-:y]",
        "[x:]",
        "[:y]",
        "[x y:z]",
        "[x_y:z]",
        "[x:y z]",
        "[x:\\]",
        "[x:y[]",
        "[x:y]z]",
        "[x:\u{fc}]",
        "[\u{fc}:x]",
        "[x:\u{7f}]",
        "[x:\r\n]",
        "[x:\0]",
    ] {
        bad(text);
    }
}

#[test]
fn a_literal_is_at_most_as_long_as_a_domain() {
    let text = |length: usize| format!("[x:{}]", "y".repeat(length - 4));
    assert!(text(Domain::MAX).parse::<AddressLiteral>().is_ok());
    let flaw = Flaw::TooLong { length: 256, limit: 255 };
    assert_eq!(text(256).parse::<AddressLiteral>(), Err(Invalid::new(Field::Domain, flaw)));
}

#[test]
fn addresses_become_literals_that_the_grammar_has() {
    for (address, text) in [
        ("192.0.2.1", "[192.0.2.1]"),
        ("::", "[IPv6:0:0:0:0:0:0:0:0]"),
        ("2001:db8::1", "[IPv6:2001:db8:0:0:0:0:0:1]"),
        ("1:2:3:0:5:6:7:8", "[IPv6:1:2:3:0:5:6:7:8]"),
        ("::ffff:192.0.2.1", "[IPv6:0:0:0:0:0:ffff:c000:201]"),
    ] {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(AddressLiteral::from(address).as_str(), text);
        assert_eq!(HelloName::from(address).as_str(), text);
        good(text);
    }
}

#[test]
fn zeros_at_the_beginning_of_a_number_do_not_make_it_octal() {
    for (text, address) in [
        ("[192.0.2.010]", "192.0.2.10"),
        ("[099.008.000.255]", "99.8.0.255"),
        ("[IPv6:::ffff:192.0.2.010]", "::ffff:192.0.2.10"),
        ("[IPv6:1:2:3:4:5:6:192.0.2.1]", "1:2:3:4:5:6:c000:201"),
    ] {
        let literal: AddressLiteral = text.parse().unwrap();
        assert_eq!(literal.ip(), Some(address.parse().unwrap()), "{text}");
    }
}
