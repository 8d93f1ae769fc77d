//! Sessions with arbitrary servers: they must end, write the text only after an invitation, and
//! report no verdict that the server did not give.
#![no_main]

mod choice;
mod dialogue;
mod judge;
mod peer;

use libfuzzer_sys::fuzz_target;
use smtp_codec::{HelloName, MailData, ReplyLimits};
use smtp_fuzz::Input;
use smtp_session::{ActiveOperation, Hello, Next, Operation, Session, SimpleCommand, Transaction};

use choice::{Choice, GivenUp};
use dialogue::TEXT;
use judge::{Judge, Outcome};
use peer::Peer;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let choice = Choice::take(&mut input);
    let cuts = input.cuts();
    let mut peer = Peer::new(input.rest(), cuts, choice.early);
    let mut session = Session::new(choice.dialect, HelloName::localhost(), ReplyLimits::default());
    if !greet(&mut session, &mut peer, choice) {
        return check_over(&mut session, &mut peer);
    }
    let envelope = choice.envelope();
    // The text has no final line end; the client adds it.
    let open = &TEXT[..TEXT.len() - b"\r\n".len()];
    let text = MailData::new(open).expect("this is a text");
    // The second transaction must clean up after the first.
    for given_up in [choice.given_up, None] {
        if session.ended().is_some() {
            break;
        }
        let transaction = Transaction::new(&envelope, text.facts()).sending(choice.sending);
        let judge = Judge::new(&peer, choice);
        let Ok(run) = session.run(transaction) else { break };
        let mut left = text.octets().clone();
        let outcome = drive(run, &mut peer, given_up, |run, _, length| {
            if left.is_empty() {
                run.end_of_text();
                // Another transaction takes it from the beginning.
                left = text.octets().clone();
            } else {
                run.text(left.split_to(length.clamp(1, left.len())));
            }
        });
        judge.check(&session, &peer, &outcome);
    }
    check_over(&mut session, &mut peer);
});

/// Performs EHLO; returns whether the session may continue.
fn greet(session: &mut Session, peer: &mut Peer<'_>, choice: Choice) -> bool {
    if choice.greeted {
        session.set_capabilities(choice.capabilities());
        return true;
    }
    let run = session.run(Hello::after_greeting()).expect("nothing came in yet");
    let Outcome::Answered(Ok(())) = drive(run, peer, None, |_, none, _| match none {}) else {
        return false;
    };
    if choice.offered {
        session.set_capabilities(choice.capabilities());
    }
    true
}

/// Checks that a session that has ended writes nothing; any other can still be ended.
fn check_over(session: &mut Session, peer: &mut Peer<'_>) {
    if session.ended().is_none() {
        let Ok(run) = session.run(SimpleCommand::quit()) else {
            return assert!(session.ended().is_some());
        };
        let _ = drive(run, peer, None, |_, none, _| match none {});
    }
    assert!(session.ended().is_some(), "QUIT was answered and the session goes on");
    assert!(session.run(SimpleCommand::noop()).is_err());
    session.receive_idle(b"250 OK\r\n");
    assert!(session.run(Hello::again()).is_err());
}

/// Runs until the run is done or given up.
fn drive<C: Operation>(
    mut run: ActiveOperation<'_, C>,
    peer: &mut Peer<'_>,
    given_up: Option<(u8, GivenUp)>,
    mut give: impl FnMut(&mut ActiveOperation<'_, C>, C::Request, usize),
) -> Outcome<C::Answer> {
    // At least one of eight steps writes, reads or gives something.
    for turn in 0..1_000_000 {
        if let Some((at, how)) = given_up
            && turn == u32::from(at)
        {
            return match how {
                GivenUp::Finished => Outcome::Answered(run.finish()),
                GivenUp::Dropped => Outcome::Dropped,
            };
        }
        match run.next() {
            Next::Write => peer.write(&mut run),
            Next::Request(request) => {
                let length = peer.length();
                give(&mut run, request, length);
            }
            Next::Read => peer.read(&mut run),
            Next::Done => return Outcome::Answered(run.finish()),
        }
    }
    panic!("the run does not end");
}
