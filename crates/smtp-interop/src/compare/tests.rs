//! Every difference is seen, and only an exact change explains it.
use super::{Change, Comparison, compare};

const CHANGES: &[Change] = &[
    Change { name: "cut", apply: |sent| sent[..sent.len() - 1].to_vec() },
    Change { name: "mark", apply: |sent| [sent, b"!"].concat() },
];

#[track_caller]
fn check(delivered: &[u8], expected: Comparison) {
    assert_eq!(compare(b"one\r\n.two\r\n", delivered, CHANGES), expected);
}

#[test]
fn equal_octets_are_equal() {
    check(b"one\r\n.two\r\n", Comparison::Equal);
}

#[test]
fn a_change_explains_exactly_what_it_does() {
    check(b"one\r\n.two\r", Comparison::Changed(vec!["cut"]));
    check(b"one\r\n.two\r\n!", Comparison::Changed(vec!["mark"]));
    check(b"one\r\n.two\r!", Comparison::Changed(vec!["cut", "mark"]));
}

#[test]
fn any_other_octet_is_a_difference() {
    let others: [&[u8]; 6] = [
        b"",
        b"one\r\n..two\r\n",
        b"one\r\ntwo\r\n",
        b"one\n.two\n",
        b"one\r\n.two",
        b"one\r\n.two\r\n\r\n",
    ];
    for other in others {
        let compared = compare(b"one\r\n.two\r\n", other, CHANGES);
        assert!(matches!(compared, Comparison::Different(_)), "{:?}", other.escape_ascii());
    }
}

#[test]
fn a_difference_shows_where_it_is() {
    let Comparison::Different(difference) = compare(b"one\r\n.two\r\n", b"one\r\n..two\r\n", &[])
    else {
        panic!("no difference");
    };
    let text = "octet 6 of 11 differs (12 were delivered): sent `one\\r\\n.two\\r\\n`, \
                delivered `one\\r\\n..two\\r\\n`";
    assert_eq!(difference.to_string(), text);
}
