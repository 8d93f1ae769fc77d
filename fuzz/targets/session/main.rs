//! Sessions against any server: they end, the text is written only where it was invited, and no
//! recipient is told what the server did not say.
#![no_main]

mod judge;
mod peer;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use smtp_client::session::{Ask, Conversation, Dialect, Hello, Next, Run, Session, Transaction};
use smtp_client::{Capabilities, Envelope, HelloName, Reply, ReplyCode, ReplyLimits, Text};
use smtp_fuzz::Input;

use judge::{Judge, MARK, Outcome};
use peer::Peer;

/// What an input chooses before the server speaks.
#[derive(Clone, Copy)]
struct Choice {
    dialect: Dialect,
    /// Whether the server has greeted well already and offers PIPELINING.
    greeted: bool,
    /// Whether PIPELINING is taken for offered whatever the server says.
    pipelined: bool,
    /// Whether the server is heard while there is something to write.
    early: bool,
    recipients: usize,
    /// After how many turns the second conversation is given up, and how.
    given_up: Option<(u8, GivenUp)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum GivenUp {
    Finished,
    Dropped,
}

impl Choice {
    fn take(input: &mut Input<'_>) -> Self {
        let flags = input.octet();
        let recipients = usize::from(input.octet() % 4) + 1;
        let turns = input.octet();
        let how = if turns & 1 == 0 { GivenUp::Finished } else { GivenUp::Dropped };
        Self {
            dialect: if flags & 1 == 0 { Dialect::Smtp } else { Dialect::Lmtp },
            greeted: flags & 2 != 0,
            pipelined: flags & 4 != 0,
            early: flags & 8 != 0,
            recipients,
            given_up: (flags & 16 != 0).then_some((turns / 2, how)),
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let choice = Choice::take(&mut input);
    let cuts = input.cuts();
    let mut peer = Peer::new(input.rest(), cuts, choice.early);
    let mut session = Session::new(choice.dialect, HelloName::localhost(), ReplyLimits::default());
    if !greet(&mut session, &mut peer, choice) {
        return check_over(&mut session, &mut peer);
    }
    let addresses = (0..choice.recipients).map(|number| format!("r{number}@rcpt.example"));
    let addresses: Vec<String> = addresses.collect();
    let envelope = Envelope::new("a@sender.example", &addresses).expect("these are mailboxes");
    let text = Text::new(format!("{MARK}.\r\n.\r\n..x\r\n\r\n.")).expect("this is a text");
    // The second one has to put right what the first may have left behind.
    for given_up in [choice.given_up, None] {
        if session.ended().is_some() {
            break;
        }
        let transaction = Transaction::new(&envelope, text.facts());
        let judge = Judge::new(&peer, choice.dialect, choice.recipients);
        let Ok(run) = session.run(transaction) else { break };
        let outcome = drive(run, &mut peer, text.octets(), given_up);
        judge.check(&session, &peer, &outcome);
    }
    check_over(&mut session, &mut peer);
});

/// Says hello; whether the session may go on.
fn greet(session: &mut Session, peer: &mut Peer<'_>, choice: Choice) -> bool {
    if choice.greeted {
        let hello = Reply::new(ReplyCode::OK, "mx.example.org\nPIPELINING\nSIZE 1000");
        session.set_capabilities(Capabilities::from_reply(hello));
        return true;
    }
    let run = session.run(Hello::after_greeting()).expect("nothing came in yet");
    let Outcome::Answered(Ok(())) = drive(run, peer, &Bytes::new(), None) else { return false };
    if choice.pipelined {
        let hello = Reply::new(ReplyCode::OK, "mx.example.org\nPIPELINING");
        session.set_capabilities(Capabilities::from_reply(hello));
    }
    true
}

/// A session that has ended writes nothing more; another one can still be ended.
fn check_over(session: &mut Session, peer: &mut Peer<'_>) {
    if session.ended().is_none() {
        let Ok(run) = session.run(Ask::quit()) else { return assert!(session.ended().is_some()) };
        let _ = drive(run, peer, &Bytes::new(), None);
    }
    assert!(session.ended().is_some(), "QUIT was answered and the session goes on");
    assert!(session.run(Ask::noop()).is_err());
    session.receive_idle(b"250 OK\r\n");
    assert!(session.run(Hello::again()).is_err());
}

/// Does what the run says until it is done or given up.
fn drive<C: Conversation>(
    mut run: Run<'_, C>,
    peer: &mut Peer<'_>,
    text: &Bytes,
    given_up: Option<(u8, GivenUp)>,
) -> Outcome<C::Answer> {
    let mut left = text.clone();
    // Each turn writes, reads or gives at least something in at most eight.
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
            Next::Text if left.is_empty() => {
                run.end_of_text();
                peer.note_end(run.output().len());
            }
            Next::Text => run.text(left.split_to(peer.length().clamp(1, left.len()))),
            Next::Message | Next::Result => unreachable!("it is no batch"),
            Next::Read => peer.read(&mut run),
            Next::Done => return Outcome::Answered(run.finish()),
        }
    }
    panic!("the run does not end");
}
