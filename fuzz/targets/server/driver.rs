//! A driver of the session: it decides by chance, and checks what it is told.
use std::sync::Arc;

use smtp_server::{
    Accept, Client, Closing, Decision, Event, Login, Refuse, ScramHash, ScramKeys, ServerSession,
    Settings, TlsFacts,
};

/// What a session told, and what it wrote.
#[derive(Debug, Default, PartialEq)]
pub struct Told {
    output: Vec<u8>,
    /// The contents that were accepted, or refused at their end.
    contents: Vec<Vec<u8>>,
    events: Vec<String>,
    closing: Option<Closing>,
    client: Arc<Client>,
}

pub struct Driver {
    session: ServerSession,
    /// How it decides.
    policy: u8,
    told: Told,
    /// The content of the message that has begun.
    open: Option<Vec<u8>>,
    /// How many final replies have accepted something.
    accepted: usize,
    is_over: bool,
}

impl Driver {
    pub fn client(more: u8) -> Client {
        let client = Client::at(([192, 0, 2, 1], 1).into());
        if more & 2 != 0 { client.trusted() } else { client }
    }

    pub fn new(settings: &Arc<Settings>, more: u8) -> Self {
        Self {
            session: ServerSession::new(Arc::clone(settings), Self::client(more), [1; 32]),
            policy: more >> 2,
            told: Told::default(),
            open: None,
            accepted: 0,
            is_over: false,
        }
    }

    pub fn feed(&mut self, octets: &[u8]) {
        let mut input = octets;
        let mut steps = 0;
        while !self.is_over {
            steps += 1;
            assert!(steps < 100 + 8 * octets.len(), "the session does not read");
            let event = self.session.next(&mut input);
            let (is_read, is_tls) =
                (matches!(event, Event::Read), matches!(event, Event::StartTls));
            if let Event::Close(why) = event {
                (self.told.closing, self.is_over) = (Some(why), true);
            }
            let choice = note(&event, &mut self.told, &mut self.open, self.policy);
            self.decide(choice);
            let output = self.session.output();
            assert!(output.len() < 32 << 10, "the output grows");
            self.told.output.append(output);
            if is_tls {
                self.session.tls_started(TlsFacts::default());
            } else if is_read {
                return assert!(input.is_empty());
            }
        }
    }

    fn decide(&mut self, choice: Choice) {
        match choice {
            Choice::None => {}
            Choice::Decide(decision) => self.session.decide(decision),
            Choice::End(decision, each) => {
                let before = self.accepts();
                let most = self.session.rcpts().len() + 1;
                let allowed = if decision.is_ok() { most } else { 0 };
                if each {
                    let decide = |_| decision.clone();
                    self.session.decide_each((1..most).map(decide).collect());
                } else {
                    self.session.decide(decision);
                }
                let accepted = self.accepts() - before;
                assert!(accepted <= allowed && (accepted > 0 || allowed == 0));
                self.accepted += accepted;
            }
            Choice::Keys(keys) => {
                self.session.scram_keys(keys);
                // It does nothing if the event does not ask for keys.
                self.session.accept_login("");
            }
        }
    }

    /// Counts the final replies in the output that accept a message.
    fn accepts(&mut self) -> usize {
        let output = self.session.output();
        output.windows(ACCEPTED.len()).filter(|window| *window == ACCEPTED).count()
    }

    /// Ends the session, and checks what is over then.
    pub fn finish(mut self) -> Told {
        self.session.disconnected();
        self.feed(b"");
        assert!(self.is_over && self.open.is_none(), "every message has an end");
        let (output, told) = (&self.told.output, ACCEPTED);
        let all = output.windows(told.len()).filter(|window| *window == told).count();
        assert_eq!(all, self.accepted, "nothing is accepted but by a decision");
        check_replies(output);
        self.told.client = Arc::clone(self.session.client());
        // A session that is over says the same for ever.
        let mut more = &b"NOOP\r\n"[..];
        assert!(matches!(self.session.next(&mut more), Event::Close(_)));
        self.session.timed_out();
        self.session.accept();
        assert!(self.session.output().is_empty());
        self.told
    }
}

/// The usual reply to a message that is accepted.
const ACCEPTED: &[u8] = b"250 2.0.0 Message accepted\r\n";

enum Choice {
    None,
    Decide(Decision),
    /// For the message, or for each recipient.
    End(Decision, bool),
    Keys(Option<ScramKeys>),
}

/// Notes an event, and decides it.
fn note(event: &Event<'_>, told: &mut Told, open: &mut Option<Vec<u8>>, policy: u8) -> Choice {
    let by_chance = |text: &str| -> Decision {
        let is_refused = text.len() % 5 == 4 && policy & 1 != 0;
        if is_refused { Err(Refuse::for_now()) } else { Ok(Accept::usual()) }
    };
    match event {
        Event::Read | Event::Write | Event::Close(_) | Event::StartTls => return Choice::None,
        Event::Content(octets) => {
            open.as_mut().expect("a message has begun").extend_from_slice(octets);
            return Choice::None;
        }
        Event::Abandoned(_) => {
            open.take().expect("a message has begun");
            return Choice::None;
        }
        Event::End(end) => {
            let content = open.take().expect("a message has begun");
            assert_eq!(content.len() as u64, end.size);
            told.contents.push(content);
            let decision =
                if policy & 2 == 0 { Ok(Accept::usual()) } else { Err(Refuse::for_now()) };
            return Choice::End(decision, policy & 4 != 0);
        }
        Event::Auth(_) => told.events.push("Auth".to_owned()),
        other => told.events.push(format!("{other:?}")),
    }
    match event {
        Event::Mail(mail) => Choice::Decide(by_chance(mail.path().as_str())),
        Event::Rcpt(rcpt) => Choice::Decide(by_chance(rcpt.path().as_str())),
        Event::Message(_) if policy & 8 != 0 => Choice::Decide(Err(Refuse::for_now())),
        Event::Message(_) => {
            assert!(open.is_none(), "the message before has an end");
            *open = Some(Vec::new());
            Choice::Decide(Ok(Accept::usual()))
        }
        Event::Auth(Login::ScramKeys { user, .. }) if user.len() % 2 == 0 => {
            Choice::Keys(Some(ScramKeys::derive(ScramHash::Sha256, "x", b"salt", 4096)))
        }
        Event::Auth(Login::ScramKeys { .. }) => Choice::Keys(None),
        Event::Auth(Login::Password { password, .. }) => Choice::Decide(by_chance(password)),
        Event::Auth(_) if policy & 16 != 0 => Choice::Decide(Ok(Accept::usual())),
        _ => Choice::None,
    }
}

/// Checks the form of the replies (RFC 5321, 4.2).
fn check_replies(output: &[u8]) {
    let text = std::str::from_utf8(output).expect("replies are ASCII");
    assert!(text.is_empty() || text.ends_with("\r\n"));
    for line in text.split_terminator("\r\n") {
        let (code, rest) = line.split_at(3);
        assert!(code.parse::<u16>().is_ok_and(|code| (200..600).contains(&code)), "{line}");
        assert!(rest.starts_with([' ', '-']), "{line}");
        // A challenge is longer than a reply may be (RFC 4954, 4).
        assert!(line.len() <= 510 || code == "334", "{line}");
        assert!(line.bytes().all(|octet| (b' '..=b'~').contains(&octet)), "{line}");
    }
}
