//! Replies in pieces of any length: the same replies, deviations and errors as in one piece.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_codec::ReplyDecoder;
use smtp_fuzz::{Cuts, Input, policy, replies};

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (limits, tolerated) = policy(input.octet());
    let cuts = input.cuts();
    let octets = input.rest();
    let decoded = |cuts: Cuts<'_>| {
        let mut decoder = ReplyDecoder::new(limits, tolerated);
        let found = replies(&mut decoder, cuts.pieces(octets));
        (found, decoder.is_idle())
    };
    let whole = decoded(Cuts::NONE);
    assert_eq!(decoded(cuts), whole);
    assert_eq!(decoded(Cuts::EVERYWHERE), whole);
});
