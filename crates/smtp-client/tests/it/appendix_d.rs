//! The four scenarios of RFC 5321, appendix D: with the session alone, and with a connection.
use std::collections::VecDeque;

use bytes::Bytes;
use smtp_client::{
    Connector, Delivery, Envelope, MailData, ReplyLimits, Server,
    session::{
        ActiveOperation, Dialect, Hello, Next, Operation, Session, SimpleCommand, Transaction,
    },
};
use smtp_testkit::{Event, Script};

use crate::stage::{Played, parse, play};

/// One scenario: who says EHLO, what is done, and what comes of it.
pub(crate) struct Scenario {
    pub(crate) transcript: &'static str,
    pub(crate) name: &'static str,
    pub(crate) acts: &'static [Act],
}

#[derive(Clone, Copy)]
pub(crate) enum Act {
    /// A mailbox is verified; the reply has this text.
    Verify(&'static str, &'static str),
    /// A message is sent; the verdicts have these codes.
    Send {
        from: &'static str,
        to: &'static [&'static str],
        text: &'static str,
        codes: &'static [u16],
    },
    Reset,
}

const BLAH: &str = "Blah blah blah...\r\n..etc. etc. etc.\r\n";
const MEETING: &str = "Date: Thu, 21 May 1998 05:33:29 -0700\r\n\
    From: John Q. Public <JQP@bar.com>\r\n\
    Subject: The Next Meeting of the Board\r\n\
    To: Jones@xyz.com\r\n\
    \r\n\
    Bill:\r\n\
    The next meeting of the board of directors will be\r\n\
    on Tuesday.\r\n\
    \x20                       John.\r\n";
const RELAYED: &str = "Received: from bar.com by foo.com ; Thu, 21 May 1998\r\n\
    \x20   05:33:29 -0700\r\n\
    Date: Thu, 21 May 1998 05:33:22 -0700\r\n\
    From: John Q. Public <JQP@bar.com>\r\n\
    Subject:  The Next Meeting of the Board\r\n\
    To: Jones@xyz.com\r\n\
    \r\n\
    Bill:\r\n\
    The next meeting of the board of directors will be\r\n\
    on Tuesday.\r\n\
    \x20                       John.\r\n";

pub(crate) const TYPICAL: Scenario = Scenario {
    transcript: include_str!("../transcripts/d1_typical.txt"),
    name: "bar.com",
    acts: &[Act::Send {
        from: "Smith@bar.com",
        to: &["Jones@foo.com", "Green@foo.com", "Brown@foo.com"],
        text: BLAH,
        codes: &[250, 550, 250],
    }],
};
pub(crate) const ABORTED: Scenario = Scenario {
    transcript: include_str!("../transcripts/d2_aborted.txt"),
    name: "bar.com",
    acts: &[
        Act::Send {
            from: "Smith@bar.com",
            to: &["Jones@foo.com", "Green@foo.com"],
            text: BLAH,
            codes: &[550, 550],
        },
        Act::Reset,
    ],
};
pub(crate) const RELAY: Scenario = Scenario {
    transcript: include_str!("../transcripts/d3_relay.txt"),
    name: "bar.com",
    acts: &[Act::Send {
        from: "JQP@bar.com",
        to: &["Jones@XYZ.COM"],
        text: MEETING,
        codes: &[250],
    }],
};
pub(crate) const DESTINATION: Scenario = Scenario {
    transcript: include_str!("../transcripts/d3_destination.txt"),
    name: "foo.com",
    acts: &[Act::Send {
        from: "JQP@bar.com",
        to: &["Jones@XYZ.COM"],
        text: RELAYED,
        codes: &[250],
    }],
};
pub(crate) const VERIFYING: Scenario = Scenario {
    transcript: include_str!("../transcripts/d4_verifying.txt"),
    name: "bar.com",
    acts: &[
        Act::Verify("Crispin", "Mark Crispin <Admin.MRC@foo.com>"),
        Act::Send { from: "EAK@bar.com", to: &["Admin.MRC@foo.com"], text: BLAH, codes: &[250] },
    ],
};

#[test]
fn a_typical_transaction_through_the_session() {
    check_session(&TYPICAL);
}

#[test]
fn an_aborted_transaction_through_the_session() {
    check_session(&ABORTED);
}

#[test]
fn a_relayed_message_through_the_session() {
    check_session(&RELAY);
    check_session(&DESTINATION);
}

#[test]
fn verifying_and_sending_through_the_session() {
    check_session(&VERIFYING);
}

#[test]
fn a_typical_transaction_over_a_connection() {
    check_connection(&TYPICAL);
}

#[test]
fn an_aborted_transaction_over_a_connection() {
    check_connection(&ABORTED);
}

#[test]
fn a_relayed_message_over_a_connection() {
    check_connection(&RELAY);
    check_connection(&DESTINATION);
}

#[test]
fn verifying_and_sending_over_a_connection() {
    check_connection(&VERIFYING);
}

#[track_caller]
fn check_session(scenario: &Scenario) {
    let name = scenario.name.parse().unwrap();
    let mut session = Session::new(Dialect::Smtp, name, ReplyLimits::default());
    let mut prompter = Prompter::new(&parse(scenario.transcript));
    prompter.play(session.run(Hello::after_greeting()).unwrap(), |_, none| match none {});
    for act in scenario.acts {
        match *act {
            Act::Verify(who, answer) => {
                let argument = who.try_into().unwrap();
                let reply = prompter
                    .play(session.run(SimpleCommand::verify(&argument)).unwrap(), |_, none| {
                        match none {}
                    });
                assert_eq!(reply.as_bytes(), answer.as_bytes());
            }
            Act::Send { from, to, text, codes } => {
                let envelope = Envelope::new(from, to.iter().copied()).unwrap();
                let facts = MailData::new(text).unwrap().facts();
                let transaction = Transaction::new(&envelope, facts);
                let delivery = prompter.play(session.run(transaction).unwrap(), |run, _| {
                    run.text(Bytes::from_static(text.as_bytes()));
                    run.end_of_text();
                });
                assert_eq!(codes_of(&delivery), codes);
            }
            Act::Reset => {
                prompter
                    .play(session.run(SimpleCommand::reset()).unwrap(), |_, none| match none {});
            }
        }
    }
    prompter.play(session.run(SimpleCommand::quit()).unwrap(), |_, none| match none {});
    assert!(prompter.lines.is_empty(), "left over: {:?}", prompter.lines);
}

#[track_caller]
fn check_connection(scenario: &Scenario) {
    let connector = Connector::new(Server::tcp("foo.com", 25));
    let connector = connector.hello_name(scenario.name.parse().unwrap());
    let Played { verdict, .. } = play(scenario.transcript, &connector, async |connected| {
        let mut connection = connected.unwrap();
        for act in scenario.acts {
            match *act {
                Act::Verify(who, answer) => {
                    let reply = connection.verify(who).await.unwrap();
                    assert_eq!(reply.as_bytes(), answer.as_bytes());
                }
                Act::Send { from, to, text, codes } => {
                    let envelope = Envelope::new(from, to.iter().copied()).unwrap();
                    let text = MailData::new(text).unwrap();
                    let delivery = connection.send(&envelope, &text).await.unwrap();
                    assert_eq!(codes_of(&delivery), codes);
                }
                Act::Reset => {
                    connection.reset().await.unwrap();
                }
            }
        }
        connection.quit().await.unwrap();
    });
    verdict.unwrap();
}

pub(crate) fn codes_of(delivery: &Delivery) -> Vec<u16> {
    delivery.verdicts().map(|(_, verdict)| verdict.reply().code().get()).collect()
}

/// Walks a script and holds a session against it, without a socket, a clock or a runtime.
struct Prompter {
    lines: VecDeque<Event>,
    /// Octets that the session has written and the script has not reached.
    written: Vec<u8>,
}

impl Prompter {
    fn new(script: &Script) -> Self {
        let lines = script.entries().iter().map(|entry| entry.event.clone()).collect();
        Self { lines, written: Vec::new() }
    }

    #[track_caller]
    fn play<C: Operation>(
        &mut self,
        mut run: ActiveOperation<'_, C>,
        mut give: impl FnMut(&mut ActiveOperation<'_, C>, C::Request),
    ) -> C::Answer {
        loop {
            match run.next() {
                Next::Done => return run.finish().unwrap(),
                Next::Request(request) => give(&mut run, request),
                Next::Write => {
                    self.written.extend_from_slice(run.output().first());
                    run.wrote(run.output().first().len());
                    self.hear();
                }
                Next::Read => {
                    assert!(self.written.is_empty(), "a line that is not whole");
                    match self.lines.pop_front() {
                        Some(Event::Server(octets)) => run.receive(&octets),
                        other => panic!("the session waits for a reply, the script has {other:?}"),
                    }
                }
            }
        }
    }

    #[track_caller]
    fn hear(&mut self) {
        while let Some(end) = self.written.iter().position(|&octet| octet == b'\n') {
            let line: Vec<u8> = self.written.drain(..=end).collect();
            match self.lines.pop_front() {
                Some(Event::Client { octets, matching }) => {
                    assert!(matching.accepts(&octets, &line), "{}", line.escape_ascii());
                }
                other => panic!("the session writes {line:?}, the script has {other:?}"),
            }
        }
    }
}
