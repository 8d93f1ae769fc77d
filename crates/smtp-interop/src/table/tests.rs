//! No outcome is shown as another.
use super::{Column, NotStarted, Table};
use crate::suite::Outcome;

fn table() -> Table {
    let fault = Outcome::Fault { text: "reply lost".into(), dialogue: vec!["C: NOOP".into()] };
    let outcomes = [
        ("dots", Outcome::Equal),
        ("VRFY", Outcome::Known("adds a field".into())),
        ("ETRN", Outcome::Skipped("ETRN is not offered".into())),
        ("NOOP", fault),
    ];
    let outcomes = outcomes.map(|(name, outcome)| (name.to_owned(), outcome)).to_vec();
    Table {
        columns: vec![Column { name: "exim".into(), version: "4.96".into(), outcomes }],
        not_started: vec![NotStarted { name: "haraka".into(), reason: "no network".into() }],
    }
}

#[test]
fn every_outcome_has_its_symbol_and_its_reason() {
    let expected = "\
| Case | exim 4.96 |
| ---- | --------- |
| dots | =         |
| VRFY | ~         |
| ETRN | -         |
| NOOP | X         |

**exim 4.96**: 1 of 4 equal

- `-` ETRN is not offered: ETRN
- `X` reply lost: NOOP
- `~` adds a field: VRFY

**haraka**: not run: no network
";
    assert_eq!(table().markdown(), expected);
}

#[test]
fn faults_are_counted_and_have_their_dialogue() {
    assert_eq!(table().faults(), 1);
    assert_eq!(table().transcripts(), "\nfault: exim: NOOP: reply lost\n    C: NOOP\n");
}
