//! A server in memory: it plays a transcript with any cut of the client's octets, and notes what it
//! was told.
use std::{mem, sync::Arc};

use smtp_codec::Command;
use smtp_error::ReplyCode;
use smtp_server::{
    Abandoned, Accept, Client, Closing, Decision, Event, Login, Refuse, ScramKeys, ServerSession,
    Settings, SettingsBuilder, TlsFacts,
};

/// What decides an event.
pub(crate) enum Answer {
    Usual,
    Decide(Decision),
    Each(Vec<Decision>),
    Keys(Option<ScramKeys>),
    LoginAs(&'static str),
    /// Nothing decides it.
    Nothing,
}

pub(crate) type Policy = fn(&Event<'_>) -> Answer;

/// The server of a transcript.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) settings: Arc<Settings>,
    pub(crate) client: Client,
    pub(crate) policy: Policy,
    pub(crate) tls: TlsFacts,
}

/// What a server was told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Journal {
    pub(crate) messages: Vec<Message>,
    /// The events that are not parts of a message.
    pub(crate) events: Vec<String>,
    pub(crate) closing: Option<Closing>,
    pub(crate) client: Arc<Client>,
    pub(crate) output: String,
}

/// A message whose beginning was accepted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Message {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) content: Vec<u8>,
    pub(crate) fate: Fate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Fate {
    #[default]
    Open,
    Ended,
    TooLarge,
    Flawed,
    Reset,
    Disconnected,
}

/// One way to cut the octets of a client.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// As the transcript has them: what comes between two replies is one piece.
    Groups,
    /// Everything that comes before TLS, or before an incident, is one piece.
    Once,
    Octets,
    Random(u64),
}

/// A part of a transcript.
#[derive(Debug)]
enum Part {
    Client(Vec<u8>),
    Server(Vec<String>),
    Incident(String),
}

impl Host {
    pub(crate) fn of(settings: SettingsBuilder) -> Self {
        Self {
            settings: Arc::new(settings.build().unwrap()),
            client: Client::new(),
            policy: usual,
            tls: TlsFacts::default(),
        }
    }

    pub(crate) fn smtp() -> Self {
        Self::of(Settings::smtp("mx.example.org"))
    }

    pub(crate) fn lmtp() -> Self {
        Self::of(Settings::lmtp("mx.example.org"))
    }

    pub(crate) fn decides(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    pub(crate) fn serves(self, client: Client) -> Self {
        Self { client, ..self }
    }

    /// Plays a transcript with many cuts, all of which have to come to the same.
    ///
    /// `C:` begins a line of the client, and `C|` octets without a line end; both know the escapes
    /// of Rust. `S:` begins a line of the server, and `S: 250-*` a reply to EHLO. `T:` is a TLS
    /// handshake, and `X:` an incident: `timeout`, `shutdown` or `disconnect`.
    pub(crate) fn play(&self, transcript: &str) -> Journal {
        let parts = parts(transcript);
        let groups = self.play_cut(&parts, Cut::Groups);
        let cuts = [Cut::Once, Cut::Octets, Cut::Random(1), Cut::Random(2), Cut::Random(3)];
        for cut in cuts {
            assert_eq!(self.play_cut(&parts, cut), groups, "{cut:?}\n{transcript}");
        }
        groups
    }

    /// Plays a client that sends these octets, and nothing else, with many cuts.
    pub(crate) fn receive(&self, octets: &[u8]) -> Journal {
        let parts = [Part::Client(octets.to_vec())];
        let once = self.play_cut(&parts, Cut::Once);
        for cut in [Cut::Octets, Cut::Random(4), Cut::Random(5)] {
            assert_eq!(self.play_cut(&parts, cut), once, "{cut:?}: {}", octets.escape_ascii());
        }
        once
    }

    /// Plays a client that sends these octets in one piece.
    pub(crate) fn receive_once(&self, octets: &[u8]) -> Journal {
        self.play_cut(&[Part::Client(octets.to_vec())], Cut::Once)
    }

    fn play_cut(&self, parts: &[Part], cut: Cut) -> Journal {
        let mut run = Run::of(self);
        run.feed(b"");
        let mut expected = String::new();
        let mut waiting = Vec::new();
        for part in parts {
            match part {
                Part::Client(octets) if matches!(cut, Cut::Once) => waiting.extend(octets),
                Part::Client(octets) => run.feed_cut(octets, cut),
                Part::Server(lines) => {
                    expected.extend(lines.iter().map(|line| format!("{line}\n")))
                }
                Part::Incident(incident) => {
                    run.feed(&mem::take(&mut waiting));
                    run.incident(incident);
                }
            }
            if !matches!(cut, Cut::Once) && matches!(part, Part::Server(_)) {
                check_output(&run.journal.output, &expected);
            }
        }
        run.feed(&waiting);
        if parts.iter().any(|part| matches!(part, Part::Server(_))) {
            check_output(&run.journal.output, &expected);
        }
        check_replies(&run.journal.output);
        run.journal.client = Arc::clone(run.session.client());
        run.journal
    }
}

/// A session that is played.
struct Run<'h> {
    host: &'h Host,
    session: ServerSession,
    journal: Journal,
}

impl<'h> Run<'h> {
    fn of(host: &'h Host) -> Self {
        let settings = Arc::clone(&host.settings);
        let session = ServerSession::new(settings, host.client.clone(), [7; 32]);
        Self { host, session, journal: Journal::default() }
    }

    fn feed_cut(&mut self, octets: &[u8], cut: Cut) {
        let mut state = match cut {
            Cut::Groups | Cut::Once => return self.feed(octets),
            Cut::Octets => return octets.chunks(1).for_each(|octet| self.feed(octet)),
            Cut::Random(seed) => seed,
        };
        let mut rest = octets;
        while !rest.is_empty() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (piece, after) = rest.split_at(rest.len().min(1 + (state >> 60) as usize));
            self.feed(piece);
            rest = after;
        }
    }

    fn feed(&mut self, octets: &[u8]) {
        let mut input = octets;
        loop {
            let event = self.session.next(&mut input);
            let answer = event.needs_decision().then(|| (self.host.policy)(&event));
            let accepts = matches!(answer, Some(Answer::Usual | Answer::Decide(Ok(_))));
            let ends = matches!(event, Event::Read | Event::StartTls | Event::Close(_));
            if let Event::Read = event {
                assert!(input.is_empty(), "unread: {}", input.escape_ascii());
            }
            note(&mut self.journal, &event, accepts);
            match answer {
                None | Some(Answer::Nothing) => {}
                Some(Answer::Usual) => self.session.accept(),
                Some(Answer::Decide(decision)) => self.session.decide(decision),
                Some(Answer::Each(decisions)) => self.session.decide_each(decisions),
                Some(Answer::Keys(keys)) => self.session.scram_keys(keys),
                Some(Answer::LoginAs(identity)) => self.session.accept_login(identity),
            }
            self.drain();
            if ends {
                return;
            }
        }
    }

    fn incident(&mut self, incident: &str) {
        match incident {
            "tls" => {
                self.session.tls_started(self.host.tls.clone());
            }
            "timeout" => self.session.timed_out(),
            "shutdown" => self.session.shut_down(),
            "disconnect" => self.session.disconnected(),
            _ => panic!("{incident}: not known"),
        }
        self.drain();
        self.feed(b"");
    }

    fn drain(&mut self) {
        let output = mem::take(self.session.output());
        self.journal.output.push_str(&String::from_utf8(output).unwrap().replace("\r\n", "\n"));
    }
}

/// Notes an event, and checks that a message has one beginning and one end.
fn note(journal: &mut Journal, event: &Event<'_>, accepts: bool) {
    let open = |journal: &mut Journal| -> usize {
        let at = journal.messages.len().checked_sub(1).expect("a message has begun");
        assert_eq!(journal.messages[at].fate, Fate::Open, "it has not ended before");
        at
    };
    match event {
        Event::Read | Event::Write | Event::StartTls => {}
        Event::Close(why) => {
            let is_open = |message: &Message| message.fate == Fate::Open;
            assert!(!journal.messages.iter().any(is_open), "every message has an end");
            journal.closing = Some(*why);
        }
        Event::Message(envelope) if accepts => journal.messages.push(Message {
            from: envelope.mail().path().as_str().to_owned(),
            to: envelope.rcpts().iter().map(|rcpt| rcpt.path().as_str().to_owned()).collect(),
            ..Message::default()
        }),
        Event::Message(_) => journal.events.push("Message".to_owned()),
        Event::Content(octets) => {
            assert!(!octets.is_empty());
            let at = open(journal);
            journal.messages[at].content.extend_from_slice(octets);
        }
        Event::End(end) => {
            let at = open(journal);
            let message = &mut journal.messages[at];
            assert_eq!(end.size, message.content.len() as u64);
            message.fate = Fate::Ended;
        }
        Event::Abandoned(why) => {
            let at = open(journal);
            journal.messages[at].fate = match why {
                Abandoned::TooLarge { .. } => Fate::TooLarge,
                Abandoned::Flawed(_) => Fate::Flawed,
                Abandoned::Reset => Fate::Reset,
                _ => Fate::Disconnected,
            };
            // How much came before depends on the cut.
            journal.messages[at].content.clear();
        }
        Event::Mail(mail) => journal.events.push(Command::Mail(mail.borrowed()).to_string()),
        Event::Rcpt(rcpt) => journal.events.push(Command::Rcpt(rcpt.borrowed()).to_string()),
        Event::Auth(Login::Password { identity, user, password }) => {
            journal.events.push(format!("Password {identity:?} {user:?} {password:?}"));
        }
        Event::Auth(Login::Token { user, token }) => {
            journal.events.push(format!("Token {user:?} {token:?}"));
        }
        other => journal.events.push(format!("{other:?}")),
    }
}

/// Accepts everything but recipients whose names begin with `no`, `later` or `bye`.
pub(crate) fn usual(event: &Event<'_>) -> Answer {
    let Event::Rcpt(rcpt) = event else { return Answer::Usual };
    let name = rcpt.path().as_str();
    if name.starts_with("no") {
        Answer::Decide(Err(Refuse::no_such_mailbox()))
    } else if name.starts_with("later") {
        Answer::Decide(Err(Refuse::for_now()))
    } else if name.starts_with("bye") {
        Answer::Decide(Err(refuse(421, "4.3.2 Not today")))
    } else {
        Answer::Usual
    }
}

pub(crate) fn refuse(code: u16, text: &str) -> Refuse {
    Refuse::new(smtp_code(code), text).unwrap()
}

pub(crate) fn accept(code: u16, text: &str) -> Accept {
    Accept::new(smtp_code(code), text).unwrap()
}

pub(crate) fn smtp_code(code: u16) -> ReplyCode {
    ReplyCode::new(code).unwrap()
}

fn parts(transcript: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for line in transcript.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        let (kind, text) = line.split_at(2);
        let text = text.strip_prefix(' ').unwrap_or(text);
        match kind {
            "C:" | "C|" => {
                let mut octets = unescaped(text);
                if kind == "C:" {
                    octets.extend(b"\r\n");
                }
                match parts.last_mut() {
                    Some(Part::Client(before)) => before.extend(octets),
                    _ => parts.push(Part::Client(octets)),
                }
            }
            "S:" => match parts.last_mut() {
                Some(Part::Server(lines)) => lines.push(text.to_owned()),
                _ => parts.push(Part::Server(vec![text.to_owned()])),
            },
            "T:" => parts.push(Part::Incident("tls".to_owned())),
            "X:" => parts.push(Part::Incident(text.to_owned())),
            _ => panic!("{line}: neither C, S, T nor X"),
        }
    }
    parts
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut characters = text.bytes();
    while let Some(octet) = characters.next() {
        octets.push(match octet {
            b'\\' => match characters.next() {
                Some(b'r') => b'\r',
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'0') => 0,
                Some(b'\\') => b'\\',
                other => panic!("{text}: escape {other:?}"),
            },
            octet => octet,
        });
    }
    octets
}

/// Compares the lines; `250-*` stands for a reply to EHLO.
fn check_output(output: &str, expected: &str) {
    let mut lines = output.lines();
    let mut shown = String::new();
    for line in expected.lines() {
        let got = match line {
            "250-*" => {
                let first = lines.next().unwrap_or_default();
                assert!(first.starts_with("250-mx.example.org"), "{first}\n{output}");
                let last = lines.find(|line| line.starts_with("250 "));
                last.map_or("nothing", |_| line)
            }
            _ => lines.next().unwrap_or("nothing"),
        };
        shown.push_str(got);
        shown.push('\n');
    }
    shown.extend(lines.map(|line| format!("{line}\n")));
    assert_eq!(shown, expected);
}

/// Checks what holds for all replies: their form, and that each line has an enhanced status code
/// where RFC 2034 asks for it.
fn check_replies(output: &str) {
    let mut greeted = false;
    let mut is_hello = false;
    let mut continues = None;
    for line in output.lines() {
        let (code, rest) = line.split_at(3);
        let number: u16 = code.parse().unwrap();
        assert!((200..600).contains(&number), "{line}");
        assert!(line.len() <= 510 && line.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
        let (separator, text) = rest.split_at(1);
        match continues.replace(code) {
            Some(before) => assert_eq!(before, code, "{line}"),
            None => is_hello = text.starts_with("mx.example.org"),
        }
        if separator == " " {
            continues = None;
        }
        let enhanced = text.split(' ').next().unwrap_or_default();
        let parts: Vec<_> = enhanced.split('.').collect();
        let is_enhanced = parts.len() == 3
            && parts[0] == &code[..1]
            && parts.iter().all(|part| part.bytes().all(|digit| digit.is_ascii_digit()));
        let exempt = is_hello || number / 100 == 3 || (!greeted && number == 220);
        assert!(exempt != is_enhanced, "{line}");
        greeted = true;
    }
    assert_eq!(continues, None, "the last reply is whole");
}
