//! Laws: properties of a transaction for any server output and any segmentation.
use bytes::Bytes;
use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, any},
    prop_assert, prop_assert_eq, prop_oneof, proptest,
    sample::select,
};
use smtp_client::{
    Delivery, Ended, Envelope, Error, ErrorKind, FirstChunk, Framing, MailData, Misbehaved,
    ReplyLimits, Sending, Step, Verdict,
    session::{ActiveOperation, Dialect, Hello, Next, Session, SimpleCommand, Transaction},
};

#[derive(Clone, Copy, Debug)]
struct Way {
    dialect: Dialect,
    pipelined: bool,
    framing: Framing,
    first_chunk: FirstChunk,
}

impl Way {
    /// The octets that end the text and put the message in doubt.
    fn end(self) -> &'static [u8] {
        match self.framing {
            Framing::Data => b"last line\r\n.",
            Framing::Chunks => b"last line\r\n",
        }
    }

    /// Whether the text is sent before the server has replied for any recipient.
    fn is_eager(self) -> bool {
        self.framing == Framing::Chunks
            && self.first_chunk == FirstChunk::WithCommands
            && self.pipelined
            && self.dialect == Dialect::Smtp
    }
}

/// Octets that the server sends at once.
#[derive(Clone, Debug)]
struct Chunk {
    octets: Vec<u8>,
    /// Whether they come before what waits to be written is written.
    early: bool,
}

/// What came of a transaction.
struct Played {
    outcome: Result<Delivery, Error>,
    written: Vec<u8>,
    /// What the server sent, each with how much had been written before.
    heard: Vec<(usize, Vec<u8>)>,
    session: Session,
}

const RECIPIENTS: [&str; 3] = ["b@example.org", "c@example.org", "d@example.org"];
const TEXT: &str = "Subject: text\r\n\r\n.text\r\nlast line\r\n";

/// Plays a transaction of which the server says these chunks, each handed over in pieces of so
/// many octets, and then closes.
fn play(way: Way, chunks: &[Chunk], piece: usize) -> Played {
    let mut session = greeted(way);
    let envelope = Envelope::new("a@example.org", RECIPIENTS).unwrap();
    let facts = MailData::new(TEXT).unwrap().facts();
    let mut sending = Sending::default();
    (sending.framing, sending.first_chunk) = (way.framing, way.first_chunk);
    let transaction = Transaction::new(&envelope, facts).sending(sending);
    let mut run = session.run(transaction).unwrap();
    let mut chunks = chunks.iter().peekable();
    let (mut written, mut heard) = (Vec::new(), Vec::new());
    for _ in 0..10_000 {
        let next = run.next();
        let early = chunks.peek().is_some_and(|chunk| chunk.early);
        match next {
            Next::Done => {
                let outcome = run.finish();
                return Played { outcome, written, heard, session };
            }
            Next::Request(_) => {
                run.text(Bytes::from_static(TEXT.as_bytes()));
                run.end_of_text();
            }
            Next::Write if !early => {
                let slice = run.output().first();
                // A transport may take less than it is offered.
                let taken = slice.len().min(40);
                written.extend_from_slice(&slice[..taken]);
                run.wrote(taken);
            }
            Next::Write | Next::Read => match chunks.next() {
                Some(chunk) => {
                    heard.push((written.len(), chunk.octets.clone()));
                    hand_over(&mut run, &chunk.octets, piece);
                }
                None => run.closed(),
            },
        }
    }
    panic!("it does not end");
}

fn hand_over(run: &mut ActiveOperation<'_, Transaction<'_>>, octets: &[u8], piece: usize) {
    for piece in octets.chunks(piece) {
        run.receive(piece);
        run.next();
    }
}

fn greeted(way: Way) -> Session {
    let name = "client.example".parse().unwrap();
    let mut session = Session::new(way.dialect, name, ReplyLimits::default());
    let mut run = session.run(Hello::after_greeting()).unwrap();
    assert_eq!(run.next(), Next::Read);
    run.receive(b"220 hi\r\n");
    assert_eq!(run.next(), Next::Write);
    run.wrote(run.output().len());
    let pipelining = if way.pipelined { "PIPELINING" } else { "HELP" };
    run.receive(format!("250-hi\r\n250-CHUNKING\r\n250 {pipelining}\r\n").as_bytes());
    assert_eq!(run.next(), Next::Done);
    run.finish().unwrap();
    session
}

/// The verdicts by step and code; `None` where the server's reply is missing.
fn verdicts(outcome: &Result<Delivery, Error>) -> Vec<Option<(Step, u16)>> {
    let word = |verdict: &Verdict| (verdict.step(), verdict.reply().code().get());
    match outcome {
        Ok(delivery) => delivery.verdicts().map(|(_, verdict)| Some(word(verdict))).collect(),
        Err(error) => error.verdicts().map(|(_, one)| one.map(word)).collect(),
    }
}

/// The verdicts that follow from these reply codes, by a simple reference implementation.
fn model(way: Way, codes: &[u16]) -> Vec<Option<(Step, u16)>> {
    let mut words = vec![None; RECIPIENTS.len()];
    let mut codes = codes.iter().copied();
    let settle = |words: &mut Vec<Option<(Step, u16)>>, step, code| {
        words.iter_mut().for_each(|word| *word = word.or(Some((step, code))));
    };
    match codes.next() {
        Some(250) => {}
        Some(code @ 400..) => {
            settle(&mut words, Step::Mail, code);
            return words;
        }
        _ => return words,
    }
    for recipient in 0..RECIPIENTS.len() {
        match codes.next() {
            Some(250..=252) => {}
            // The text has been handed over: it is the reply for this recipient alone.
            Some(421) if way.is_eager() => {
                words[recipient] = Some((Step::Rcpt, 421));
                return words;
            }
            Some(421) => {
                settle(&mut words, Step::Rcpt, 421);
                return words;
            }
            Some(code @ 400..) => words[recipient] = Some((Step::Rcpt, code)),
            _ => return words,
        }
    }
    let taken: Vec<usize> = (0..words.len()).filter(|&place| words[place].is_none()).collect();
    if taken.is_empty() {
        return words;
    }
    if way.framing == Framing::Data {
        match codes.next() {
            Some(354) => {}
            Some(code @ 400..) => {
                settle(&mut words, Step::Data, code);
                return words;
            }
            _ => return words,
        }
    }
    for place in taken {
        match codes.next() {
            Some(code @ (200..300 | 400..)) if way.dialect == Dialect::Smtp => {
                settle(&mut words, Step::EndOfText, code);
                return words;
            }
            Some(code @ (200..300 | 400..)) => {
                words[place] = Some((Step::EndOfText, code));
                if code == 421 {
                    return words;
                }
            }
            _ => return words,
        }
    }
    words
}

/// Whether the text was accepted after a refused sender: the result is unknown then.
fn is_contradicted(codes: &[u16]) -> bool {
    let refused = |code: &u16| matches!(code, 400..=420 | 422..);
    let recipient = |code: &u16| matches!(code, 250..=252) || refused(code);
    let (before, rest) = codes.split_at(codes.len().min(1 + RECIPIENTS.len()));
    before.first().is_some_and(refused)
        && before[1..].iter().all(recipient)
        && matches!(rest.first(), Some(200..300))
}

/// How many lines that end a 2yz reply are in these octets.
fn acceptances(octets: &[u8]) -> usize {
    let lines = octets.split_inclusive(|&octet| octet == b'\n');
    lines
        .filter(|line| {
            line.starts_with(b"2") && line.ends_with(b"\n") && line.get(3) != Some(&b'-')
        })
        .count()
}

/// How many lines that end a reply are in these octets, up to a 421, which may come at any time and
/// after which nothing counts.
fn replies(octets: &[u8]) -> usize {
    let lines = octets.split_inclusive(|&octet| octet == b'\n');
    let lines = lines.take_while(|line| !line.starts_with(b"421"));
    lines.filter(|line| line.get(3) != Some(&b'-')).count()
}

/// How many commands were written that a reply answers.
fn commands(written: &[u8]) -> usize {
    let begins = |word: &&[u8]| written.windows(word.len()).filter(|window| window == word).count();
    [&b"MAIL FROM"[..], b"RCPT TO", b"BDAT "].iter().map(begins).sum()
}

const ODD_CODES: &[u16] =
    &[200, 220, 221, 235, 251, 252, 299, 334, 399, 450, 471, 500, 503, 554, 571, 599];
const ODD_OCTETS: &[&str] =
    &["250\n", "250 ok\r\r\n", "250 ok", "\r\n", "250ok\r\n", "25", "354", "hm\r\n", "250-"];
const BEGINNINGS: &[&[&str]] = &[
    &[],
    &["250", "250"],
    &["250", "250", "550", "250", "354"],
    &["250", "550", "550", "550"],
    &["550", "250", "250", "250"],
];

fn ways() -> impl Strategy<Value = Way> {
    let dialects = select(&[Dialect::Smtp, Dialect::Lmtp][..]);
    let framings = select(
        &[
            (Framing::Data, FirstChunk::AfterRecipients),
            (Framing::Chunks, FirstChunk::AfterRecipients),
            (Framing::Chunks, FirstChunk::WithCommands),
        ][..],
    );
    (dialects, any::<bool>(), framings).prop_map(|(dialect, pipelined, (framing, first_chunk))| {
        Way { dialect, pipelined, framing, first_chunk }
    })
}

fn codes() -> impl Strategy<Value = u16> {
    prop_oneof![
        12 => Just(250), 4 => Just(354), 3 => Just(550), 1 => Just(421), 3 => select(ODD_CODES),
    ]
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    let line = codes().prop_map(|code| format!("{code} ok\r\n").into_bytes());
    let lines = codes().prop_map(|code| format!("{code}-one\r\n{code} two\r\n").into_bytes());
    let glued = vec(codes(), 2..4).prop_map(|codes| {
        codes.into_iter().flat_map(|code| format!("{code} ok\r\n").into_bytes()).collect()
    });
    let mixed = (codes(), codes())
        .prop_map(|(one, other)| format!("{one}-one\r\n{other} two\r\n").into_bytes());
    let odd = select(ODD_OCTETS).prop_map(|odd| odd.as_bytes().to_vec());
    prop_oneof![
        24 => line, 4 => lines, 2 => glued, 1 => mixed, 1 => odd, 1 => vec(any::<u8>(), 1..12),
    ]
}

fn chunks() -> impl Strategy<Value = Vec<Chunk>> {
    let early = prop_oneof![30 => Just(false), 1 => Just(true)];
    let chunk = (octets(), early).prop_map(|(octets, early)| Chunk { octets, early });
    let good = |words: &'static [&str]| {
        words.iter().map(|word| Chunk { octets: format!("{word} ok\r\n").into(), early: false })
    };
    // A beginning in order leads to where it matters more often.
    let begun = select(BEGINNINGS);
    (begun, vec(chunk, 0..10)).prop_map(move |(begun, rest)| good(begun).chain(rest).collect())
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn well_formed_replies_give_the_verdicts_of_the_model(way in ways(), codes in vec(codes(), 0..10)) {
        let line = |code: &u16| Chunk { octets: format!("{code} ok\r\n").into(), early: false };
        let played = play(way, &codes.iter().map(line).collect::<Vec<_>>(), usize::MAX);
        let contradicted = way.is_eager() && is_contradicted(&codes);
        let expected = if contradicted { vec![None; RECIPIENTS.len()] } else { model(way, &codes) };
        prop_assert_eq!(verdicts(&played.outcome), expected);
    }

    #[test]
    fn no_recipient_is_accepted_without_a_reply_to_the_dot(way in ways(), chunks in chunks()) {
        let played = play(way, &chunks, usize::MAX);
        let words = verdicts(&played.outcome);
        let accepted = |word: &&Option<(Step, u16)>| matches!(word, Some((_, 200..300)));
        let accepted = words.iter().filter(accepted).count();
        let end = way.end();
        let dot = played.written.windows(end.len()).position(|window| window == end);
        let after = |(at, _): &&(usize, Vec<u8>)| dot.is_some_and(|dot| *at >= dot + end.len());
        let said: Vec<u8> = played.heard.iter().filter(after).flat_map(|one| one.1.clone()).collect();
        let needed = if way.dialect == Dialect::Lmtp { accepted } else { accepted.min(1) };
        prop_assert!(acceptances(&said) >= needed);
    }

    #[test]
    fn in_chunks_an_acceptance_has_a_command_for_each_reply(way in ways(), chunks in chunks()) {
        let played = play(way, &chunks, usize::MAX);
        let words = verdicts(&played.outcome);
        let accepted = words.iter().any(|word| matches!(word, Some((_, 200..300))));
        if accepted && way.framing == Framing::Chunks && way.dialect == Dialect::Smtp {
            let heard: Vec<u8> = played.heard.iter().flat_map(|one| one.1.clone()).collect();
            prop_assert_eq!(replies(&heard), commands(&played.written));
        }
    }

    #[test]
    fn no_surplus_reply_makes_doubt_where_an_acceptance_is_excluded(way in ways(), chunks in chunks()) {
        let played = play(way, &chunks, usize::MAX);
        if let Err(error) = &played.outcome
            && let ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)) = error.kind()
            && error.in_doubt()
        {
            let heard: Vec<u8> = played.heard.iter().flat_map(|one| one.1.clone()).collect();
            // MAIL, one recipient, and the text.
            prop_assert!(acceptances(&heard) >= 3, "{error:?}");
        }
    }

    #[test]
    fn no_text_is_written_uninvited(way in ways(), chunks in chunks()) {
        let played = play(way, &chunks, usize::MAX);
        let text = played.written.windows(8).position(|window| window == b"Subject:");
        if let Some(text) = text {
            let before = |(at, _): &&(usize, Vec<u8>)| *at <= text;
            let said: Vec<u8> = played.heard.iter().filter(before).flat_map(|one| one.1.clone()).collect();
            let lines: Vec<&[u8]> = said.split_inclusive(|&octet| octet == b'\n').collect();
            let invited = lines.iter().any(|line| line.starts_with(b"354") && line.ends_with(b"\n"));
            // MAIL, and one recipient at least.
            let taken = said.starts_with(b"250") && acceptances(&said) >= 2;
            prop_assert!(taken || way.is_eager());
            let (invited, line) = match way.framing {
                Framing::Data => (invited, &b"DATA\r\n"[..]),
                Framing::Chunks => (true, &b"BDAT 35 LAST\r\n"[..]),
            };
            prop_assert!(invited && played.written[..text].ends_with(line));
        }
    }

    #[test]
    fn in_doubt_means_that_the_dot_was_written_and_no_reply_came(way in ways(), chunks in chunks()) {
        let played = play(way, &chunks, usize::MAX);
        let end = way.end();
        let dot = played.written.windows(end.len()).any(|window| window == end);
        match &played.outcome {
            Err(error) => {
                prop_assert_eq!(error.in_doubt(), dot);
                prop_assert_eq!(error.verdicts().len(), RECIPIENTS.len());
            }
            Ok(delivery) => prop_assert_eq!(delivery.verdicts().len(), RECIPIENTS.len()),
        }
    }

    #[test]
    fn what_fails_out_of_step_ends_the_session(way in ways(), chunks in chunks()) {
        let Played { outcome, mut session, .. } = play(way, &chunks, usize::MAX);
        let failed = matches!(&outcome, Err(error) if !matches!(error.kind(), ErrorKind::Refused(_)));
        prop_assert!(!failed || session.ended().is_some());
        let ended = session.ended().cloned();
        match (session.run(SimpleCommand::noop()).map(|mut run| run.next()), ended) {
            (Ok(next), None) => prop_assert_eq!(next, Next::Write),
            (Ok(_), Some(ended)) => prop_assert!(false, "goes on after {ended:?}"),
            (Err(error), Some(_)) => prop_assert!(matches!(error.kind(), ErrorKind::Ended(_))),
            (Err(error), None) => {
                let surplus = matches!(error.kind(), ErrorKind::Misbehaved(_) | ErrorKind::Ended(Ended::ServerClosing(_)));
                prop_assert!(surplus, "{error:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn any_cut_of_the_octets_gives_the_same_outcome(way in ways(), chunks in chunks()) {
        let mut whole = play(way, &chunks, usize::MAX);
        let usable = whole.session.check(Step::Noop).is_ok();
        for piece in 1..=24 {
            let mut cut = play(way, &chunks, piece);
            prop_assert_eq!(format!("{:?}", whole.outcome), format!("{:?}", cut.outcome));
            prop_assert_eq!(&whole.written, &cut.written);
            prop_assert_eq!(usable, cut.session.check(Step::Noop).is_ok());
        }
    }
}
