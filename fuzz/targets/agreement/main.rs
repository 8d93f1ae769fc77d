//! The session of the client against that of the server: both have to agree on what was accepted.
//! The decisions, and the comparison, are those of the tests of `smtp-server`.
#![no_main]

#[path = "../../../crates/smtp-server/tests/it/client_session/pair.rs"]
#[allow(clippy::unwrap_used, reason = "what fails here is a finding")]
mod pair;
#[path = "../../../crates/smtp-server/tests/it/client_session/wire.rs"]
mod wire;

use libfuzzer_sys::fuzz_target;
use smtp_fuzz::Input;

use pair::{Act, MECHANISMS, PIECES, Pair, RECIPIENTS, SENDERS, Setup};

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let setup = setup(&mut input);
    let mut acts = Vec::new();
    while !input.rest().is_empty() && acts.len() < 6 {
        acts.push(act(&mut input));
    }
    Pair::play(setup, &acts);
});

fn setup(input: &mut Input<'_>) -> Setup {
    let (flags, more) = (input.octet(), input.octet());
    let lmtp = flags & 1 != 0;
    // A login by SCRAM takes long, so that few inputs have one.
    let mechanism = (more & 0xf0 == 0xf0).then(|| usize::from(more & 15) % MECHANISMS.len());
    let breaks = u16::from_be_bytes([input.octet(), input.octet()]);
    Setup {
        lmtp,
        chunks: flags & 2 != 0,
        chunk_size: usize::from(flags >> 5) + 1,
        with_commands: flags & 4 != 0,
        pipelining: lmtp || flags & 8 != 0,
        rcpt_max: (more & 3 != 0).then_some(u32::from(more & 3)),
        mechanism,
        cuts: u64::from(input.octet()),
        breaks: (flags & 16 != 0).then_some(usize::from(breaks) % 1000),
    }
}

fn act(input: &mut Input<'_>) -> Act {
    let choice = input.octet();
    match choice & 7 {
        0 => Act::Noop,
        1 => Act::Reset,
        2 => Act::Verify,
        3 => Act::Hello,
        4 => Act::StartTls { login: choice & 8 != 0 },
        _ => {
            let from = usize::from(choice >> 4) % SENDERS.len();
            let (recipients, pieces) = (input.octet() % 4, input.octet() % 6);
            let mut pick = |most: usize| usize::from(input.octet()) % most;
            let to = (0..=recipients).map(|_| pick(RECIPIENTS.len())).collect();
            let content = (0..pieces).map(|_| pick(PIECES.len())).collect();
            Act::Message { from, to, content, prdr: choice & 8 != 0 }
        }
    }
}
