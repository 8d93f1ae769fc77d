//! Batches against a server that keeps the protocol, against any octets, and against a connection
//! that fails: every message has exactly one result, its own, however reads and writes are cut.
use std::collections::VecDeque;

use bytes::Bytes;
use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, any},
    prop_assert, prop_assert_eq, prop_oneof, proptest,
    sample::select,
};
use smtp_client::{
    Ahead, Capabilities, Delivery, Envelope, Error, FirstChunk, Framing, HelloName, MailData,
    Reply, ReplyCode, ReplyLimits, Sending,
    session::{ActiveOperation, Batch, BatchRequest, Dialect, Next, Session, Transaction},
};

/// What the server decides about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Accepted,
    SenderRefused,
    RecipientRefused,
    TextRefused,
}

/// How messages are sent.
#[derive(Clone, Copy, Debug)]
struct Way {
    framing: Framing,
    first_chunk: FirstChunk,
    ahead: bool,
}

/// How reads and writes are cut: the sizes to use in turn, and what comes first where both a read
/// and something else are possible.
#[derive(Clone, Debug)]
struct Cuts {
    sizes: Vec<(usize, bool)>,
    at: usize,
}

impl Cuts {
    fn next(&mut self) -> (usize, bool) {
        self.at += 1;
        self.sizes[self.at % self.sizes.len()]
    }
}

/// A server: it reads commands, and appends its replies.
struct Peer {
    fates: VecDeque<Fate>,
    /// What it replies to RSET.
    reset: &'static str,
    input: Vec<u8>,
    replies: VecDeque<u8>,
    fate: Fate,
    has_recipient: bool,
    in_text: bool,
    /// How many octets of replies are sent before the connection closes.
    closes_after: usize,
    /// After how many more replies one too many is sent.
    surplus_after: Option<usize>,
    /// Of the messages whose MAIL has come, whether the text of each was accepted.
    accepted: Vec<bool>,
}

impl Peer {
    fn new(fates: &[Fate]) -> Self {
        Self {
            fates: fates.iter().copied().collect(),
            reset: "250 reset",
            input: Vec::new(),
            replies: VecDeque::new(),
            fate: Fate::Accepted,
            has_recipient: false,
            in_text: false,
            closes_after: usize::MAX,
            surplus_after: None,
            accepted: Vec::new(),
        }
    }

    fn take(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        while let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") {
            let line = String::from_utf8(self.input[..end].to_vec()).unwrap();
            let size = line.strip_prefix("BDAT ").filter(|_| !self.in_text);
            let size = size.map_or(0, |rest| rest.split(' ').next().unwrap().parse().unwrap());
            if self.input.len() < end + 2 + size {
                return;
            }
            self.input.drain(..end + 2 + size);
            self.answer(&line);
        }
    }

    fn answer(&mut self, line: &str) {
        let verb = line.split(' ').next().unwrap();
        let reply = match verb {
            "." if self.in_text => {
                self.in_text = false;
                self.finish()
            }
            _ if self.in_text => return,
            "MAIL" => {
                self.fate = self.fates.pop_front().expect("no more messages than were given");
                self.has_recipient = false;
                self.accepted.push(false);
                if self.fate == Fate::SenderRefused { "550 sender" } else { "250 sender" }
            }
            "RCPT" if self.fate == Fate::SenderRefused => "503 sender first",
            "RCPT" if self.fate == Fate::RecipientRefused => "550 recipient",
            "RCPT" => {
                self.has_recipient = true;
                "250 recipient"
            }
            "DATA" if !self.has_recipient => "503 recipient first",
            "DATA" => {
                self.in_text = true;
                "354 go"
            }
            "BDAT" => self.finish(),
            "RSET" => self.reset,
            _ => panic!("{line}"),
        };
        self.replies.extend(format!("{reply}\r\n").bytes());
        if self.surplus_after == Some(0) && reply != "354 go" {
            self.replies.extend(b"250 once more\r\n");
            self.surplus_after = None;
        }
        self.surplus_after = self.surplus_after.map(|left| left.saturating_sub(1));
    }

    fn messages(&self) -> usize {
        self.accepted.iter().filter(|accepted| **accepted).count()
    }

    fn finish(&mut self) -> &'static str {
        if let Some(accepted) = self.accepted.last_mut() {
            *accepted = self.has_recipient && self.fate == Fate::Accepted;
        }
        match (self.has_recipient, self.fate) {
            (false, _) => "503 recipient first",
            (true, Fate::TextRefused) => "554 text",
            (true, _) => "250 queued",
        }
    }

    /// The next octets, at most so many; `None` where it has closed.
    fn give(&mut self, most: usize) -> Option<Vec<u8>> {
        let given = most.min(self.replies.len()).min(self.closes_after);
        self.closes_after = self.closes_after.saturating_sub(given);
        if given == 0 && self.closes_after == 0 {
            return None;
        }
        Some(self.replies.drain(..given).collect())
    }
}

/// What each message came to.
type Results = Vec<Result<Delivery, Error>>;

const TEXT: &str = "Subject: text\r\n\r\nline\r\n";

fn session() -> Session {
    let mut session = Session::new(Dialect::Smtp, HelloName::localhost(), ReplyLimits::default());
    let hello = "mx.example\nPIPELINING\nCHUNKING";
    session.set_capabilities(Capabilities::from_reply(Reply::new(ReplyCode::OK, hello)));
    session
}

/// Sends so many messages, and takes every result.
fn play(way: Way, messages: usize, peer: &mut Peer, mut cuts: Cuts) -> Results {
    let mut session = session();
    let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
    let text = MailData::new(TEXT).unwrap();
    let mut sending = Sending::default();
    (sending.framing, sending.first_chunk) = (way.framing, way.first_chunk);
    let mut run = session.run(Batch::new(way.ahead.then(Ahead::default))).unwrap();
    let (mut results, mut pushed) = (Vec::new(), 0);
    for _ in 0..100_000 {
        let next = run.next();
        if next != Next::Request(BatchRequest::Result) && run.wants_message() {
            if pushed < messages {
                run.push(Transaction::new(&envelope, text.facts()).sending(sending));
                pushed += 1;
            } else {
                run.no_more_messages();
            }
            continue;
        }
        let (size, reads_first) = cuts.next();
        match next {
            Next::Done => {
                assert_eq!(results.len(), pushed, "a message has no result of its own");
                return results;
            }
            // A driver may have read more before it takes a result.
            Next::Request(BatchRequest::Result)
                if reads_first && read_some(&mut run, peer, size) => {}
            Next::Request(BatchRequest::Result) => {
                results.push(run.take_result().expect("there is one"))
            }
            Next::Request(BatchRequest::Content(_)) => {
                run.text(Bytes::from_static(TEXT.as_bytes()));
                run.end_of_text();
            }
            Next::Write if reads_first && read_some(&mut run, peer, size) => {}
            Next::Write => {
                let slice = run.output().first();
                let taken = slice.len().min(size);
                peer.take(&slice[..taken]);
                run.wrote(taken);
            }
            Next::Request(BatchRequest::Message) => unreachable!("one was given"),
            Next::Read => match peer.give(size) {
                Some(octets) if !octets.is_empty() => run.receive(&octets),
                // It has nothing more to send, and everything was written.
                _ => run.closed(),
            },
        }
    }
    panic!("it does not end");
}

/// Hands over what the server has sent, if there is anything.
fn read_some(run: &mut ActiveOperation<'_, Batch<'_>>, peer: &mut Peer, size: usize) -> bool {
    let octets = peer.give(size).unwrap_or_default();
    run.receive(&octets);
    !octets.is_empty()
}

/// The code that the server's decision makes of a message.
fn code(fate: Fate) -> u16 {
    match fate {
        Fate::Accepted => 250,
        Fate::SenderRefused | Fate::RecipientRefused => 550,
        Fate::TextRefused => 554,
    }
}

fn ways() -> impl Strategy<Value = Way> {
    let framings = select(
        &[
            (Framing::Data, FirstChunk::AfterRecipients),
            (Framing::Chunks, FirstChunk::AfterRecipients),
            (Framing::Chunks, FirstChunk::WithCommands),
        ][..],
    );
    (framings, any::<bool>()).prop_map(|((framing, first_chunk), ahead)| Way {
        framing,
        first_chunk,
        ahead,
    })
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        5 => Just(Fate::Accepted),
        1 => Just(Fate::SenderRefused),
        2 => Just(Fate::RecipientRefused),
        1 => Just(Fate::TextRefused),
    ];
    vec(fate, 1..9)
}

fn cuts() -> impl Strategy<Value = Cuts> {
    let size = prop_oneof![3 => 1..40_usize, 1 => Just(usize::MAX)];
    vec((size, any::<bool>()), 1..12).prop_map(|sizes| Cuts { sizes, at: 0 })
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn each_message_has_the_servers_decision_about_it(
        way in ways(), fates in fates(), cuts in cuts(),
    ) {
        let mut peer = Peer::new(&fates);
        let results = play(way, fates.len(), &mut peer, cuts);
        for (result, fate) in results.iter().zip(&fates) {
            let Ok(delivery) = result else { panic!("{fate:?}: {result:?}") };
            prop_assert_eq!(delivery[0].reply().code().get(), code(*fate));
        }
        prop_assert_eq!(results.len(), fates.len());
        let accepted = fates.iter().filter(|&&fate| fate == Fate::Accepted).count();
        prop_assert_eq!(peer.messages(), accepted);
    }

    #[test]
    fn a_connection_that_closes_leaves_each_message_one_true_result(
        way in ways(), fates in fates(), cuts in cuts(), closes_after in 0..400_usize,
    ) {
        let mut peer = Peer::new(&fates);
        peer.closes_after = closes_after;
        let results = play(way, fates.len(), &mut peer, cuts);
        let mut accepted = 0;
        for (result, fate) in results.iter().zip(&fates) {
            match result {
                Ok(delivery) => {
                    let verdict = &delivery[0];
                    prop_assert_eq!(verdict.reply().code().get(), code(*fate));
                    accepted += usize::from(verdict.is_accepted());
                }
                Err(error) => accepted += usize::from(error.in_doubt()),
            }
        }
        // What the server has is accepted, or in doubt.
        prop_assert!(peer.messages() <= accepted, "{} of {results:?}", peer.messages());
    }

    #[test]
    fn with_data_no_surplus_reply_makes_a_false_result(
        ahead in any::<bool>(), fates in fates(), cuts in cuts(), surplus_after in 0..30_usize,
    ) {
        let way = Way { framing: Framing::Data, first_chunk: FirstChunk::AfterRecipients, ahead };
        let mut peer = Peer::new(&fates);
        peer.surplus_after = Some(surplus_after);
        let results = play(way, fates.len(), &mut peer, cuts);
        for (place, result) in results.iter().enumerate() {
            let has_it = peer.accepted.get(place).copied().unwrap_or(false);
            match result {
                Ok(delivery) => prop_assert_eq!(delivery.all_accepted(), has_it, "{:?}", result),
                Err(error) => prop_assert!(error.in_doubt() || !has_it, "{error:?}"),
            }
        }
    }

    #[test]
    fn a_refused_reset_is_no_refusal_of_a_message(
        way in ways(), fates in fates(), cuts in cuts(), code in select(&["450", "500", "502", "554"][..]),
    ) {
        let mut peer = Peer::new(&fates);
        peer.reset = code;
        let results = play(way, fates.len(), &mut peer, cuts);
        for (result, fate) in results.iter().zip(&fates) {
            match result {
                Ok(delivery) => {
                    prop_assert_eq!(delivery[0].reply().code().get(), self::code(*fate));
                }
                // A chunk that left with the commands may have been added to another transaction.
                Err(error) => {
                    prop_assert!(error.is_transient(), "{error:?}");
                    let early = way.first_chunk == FirstChunk::WithCommands && way.ahead;
                    prop_assert!(early || !error.in_doubt(), "{error:?}");
                }
            }
        }
    }

    #[test]
    fn any_octets_leave_each_message_one_result(
        way in ways(), cuts in cuts(), replies in vec(select(REPLIES), 0..24), messages in 1..6_usize,
    ) {
        let mut peer = Peer::new(&[Fate::Accepted; 8]);
        peer.closes_after = replies.iter().map(|reply| reply.len()).sum();
        let mut replies: VecDeque<u8> = replies.concat().bytes().collect();
        std::mem::swap(&mut peer.replies, &mut replies);
        peer.fates.extend([Fate::Accepted; 100]);
        // `play` counts the results.
        play(way, messages, &mut peer, cuts);
    }
}

const REPLIES: &[&str] = &[
    "250 ok\r\n",
    "250 ok\r\n",
    "250 ok\r\n",
    "250-more\r\n250 ok\r\n",
    "354 go\r\n",
    "354 go\r\n",
    "550 no\r\n",
    "503 no\r\n",
    "421 bye\r\n",
    "250 2.1.5 ok\r\n",
    "hm\r\n",
    "25",
];
