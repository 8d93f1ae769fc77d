//! The session of the client against that of the server, in memory: whatever is sent, however it is
//! cut, and wherever the connection breaks, both agree on what was accepted.
mod pair;
mod wire;

use proptest::prelude::*;
use smtp_codec::Dialect;
use smtp_session::Hello;

use pair::{Act, MECHANISMS, PIECES, Pair, SENDERS, Setup};

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let message = (
        0..SENDERS.len(),
        prop::collection::vec(prop_oneof![4 => 0usize..3, 2 => 3usize..6, 1 => 6usize..7], 1..6),
        prop::collection::vec(0..PIECES.len(), 0..6),
        any::<bool>(),
    );
    let message =
        message.prop_map(|(from, to, content, prdr)| Act::Message { from, to, content, prdr });
    let others =
        prop_oneof![Just(Act::Noop), Just(Act::Reset), Just(Act::Verify), Just(Act::Hello),];
    let start_tls = any::<bool>().prop_map(|login| Act::StartTls { login });
    prop::collection::vec(prop_oneof![6 => message, 2 => others, 1 => start_tls], 1..6)
}

fn setups() -> impl Strategy<Value = Setup> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let mechanism = prop::option::weighted(0.05, 0..MECHANISMS.len());
    let numbers = (1usize..20, prop::option::of(1u32..4), mechanism, any::<u64>());
    let breaks = prop::option::of(0usize..600);
    (flags, numbers, breaks).prop_map(|(flags, numbers, breaks)| Setup {
        lmtp: flags.0,
        chunks: flags.1,
        with_commands: flags.2,
        pipelining: flags.3 || flags.0,
        chunk_size: numbers.0,
        rcpt_max: numbers.1,
        mechanism: numbers.2,
        cuts: numbers.3,
        breaks,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_agree_on_what_was_accepted(setup in setups(), acts in acts()) {
        Pair::play(setup, &acts);
    }
}

#[test]
fn every_mechanism_logs_in() {
    for lmtp in [false, true] {
        for mechanism in 0..MECHANISMS.len() {
            let setup = Setup {
                lmtp,
                chunks: false,
                chunk_size: 1,
                with_commands: false,
                pipelining: true,
                rcpt_max: None,
                mechanism: Some(mechanism),
                cuts: 7,
                breaks: None,
            };
            let mut pair = Pair::new(setup);
            pair.run(Hello::after_greeting()).unwrap();
            pair.log_in();
            assert_eq!(pair.wire.server.client().login(), Some("alice"));
            assert_eq!(pair.session.dialect() == Dialect::Lmtp, lmtp);
        }
    }
}
