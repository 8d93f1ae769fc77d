//! The connection between the two sessions, and the server's decisions.
use std::io::IoSlice;

use smtp_error::{Error, ReplyCode};
use smtp_server::{Accept, Decision, Event, Login, Refuse, ScramKeys, ServerSession, TlsFacts};
use smtp_session::{ActiveOperation, Next, Operation};

/// A message that the server has taken responsibility for, and for whom.
pub(crate) struct Stored {
    pub(crate) to: Vec<String>,
    pub(crate) content: Vec<u8>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Broken {
    ByServer,
    OnTheWay,
}

pub(crate) struct Wire {
    pub(crate) server: ServerSession,
    pub(crate) stored: Vec<Stored>,
    pub(crate) broken: Option<Broken>,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    /// The message that is coming in.
    incoming: Option<Incoming>,
    /// The octets that may still pass.
    left: Option<usize>,
    cuts: u64,
}

struct Incoming {
    from: String,
    to: Vec<String>,
    content: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(server: ServerSession, cuts: u64, breaks: Option<usize>) -> Self {
        Self {
            server,
            stored: Vec::new(),
            broken: None,
            to_server: Vec::new(),
            to_client: Vec::new(),
            incoming: None,
            left: breaks,
            cuts,
        }
    }

    /// Runs an operation of the client to its end.
    pub(crate) fn drive<O: Operation>(
        &mut self,
        mut run: ActiveOperation<'_, O>,
        mut give: impl FnMut(&mut ActiveOperation<'_, O>, O::Request, usize),
    ) -> Result<O::Answer, Error> {
        loop {
            match run.next() {
                Next::Write => self.write(&mut run),
                Next::Request(request) => {
                    let length = self.length();
                    give(&mut run, request, length);
                }
                Next::Read => self.read(&mut run),
                Next::Done => return run.finish(),
            }
        }
    }

    fn length(&mut self) -> usize {
        self.cuts = self.cuts.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let octet = (self.cuts >> 56) as usize;
        if octet < 64 { 1 + octet / 8 } else { octet * 8 }
    }

    fn write<O: Operation>(&mut self, run: &mut ActiveOperation<'_, O>) {
        let mut slices = [IoSlice::new(&[]); 4];
        let filled = run.output().slices(&mut slices);
        let waiting: Vec<u8> =
            slices[..filled].iter().flat_map(|one| one.iter().copied()).collect();
        let length = self.length().min(waiting.len());
        run.wrote(length);
        let passed = self.pass(length);
        if self.broken.is_none() || passed > 0 {
            self.to_server.extend_from_slice(&waiting[..passed]);
        }
        if self.cuts & 1 == 0 {
            self.serve();
        }
    }

    /// Returns how many of these octets arrive.
    fn pass(&mut self, octets: usize) -> usize {
        if self.broken.is_some() {
            return 0;
        }
        let Some(left) = &mut self.left else { return octets };
        let passed = octets.min(*left);
        *left -= passed;
        if passed < octets {
            self.broken = Some(Broken::OnTheWay);
        }
        passed
    }

    fn read<O: Operation>(&mut self, run: &mut ActiveOperation<'_, O>) {
        while self.to_client.is_empty() && !self.to_server.is_empty() {
            self.serve();
        }
        self.serve();
        if self.to_client.is_empty() {
            assert!(self.broken.is_some(), "both wait for the other");
            return run.closed();
        }
        let length = self.length().min(self.to_client.len());
        run.receive(&self.to_client[..length]);
        self.to_client.drain(..length);
    }

    /// Lets the server read a piece of what has arrived, and write its replies.
    fn serve(&mut self) {
        let length = self.length().min(self.to_server.len());
        let octets: Vec<u8> = self.to_server.drain(..length).collect();
        let mut input = &octets[..];
        loop {
            let event = self.server.next(&mut input);
            let is_over = matches!(event, Event::Close(_));
            let is_handshake = matches!(event, Event::StartTls);
            if is_over || is_handshake || matches!(event, Event::Read) {
                assert!(!is_handshake || input.is_empty(), "the client waits for the handshake");
                let output = std::mem::take(self.server.output());
                let passed = self.pass(output.len());
                self.to_client.extend_from_slice(&output[..passed]);
                if is_over {
                    self.broken = self.broken.or(Some(Broken::ByServer));
                    self.to_server.clear();
                }
                if self.broken == Some(Broken::OnTheWay) && self.to_server.is_empty() {
                    self.server.disconnected();
                }
                return;
            }
            match decide(event, &mut self.incoming, &mut self.stored) {
                Answer::None => {}
                Answer::All(decision) => self.server.decide(decision),
                Answer::Each(decisions) => self.server.decide_each(decisions),
                Answer::Keys(keys) => self.server.scram_keys(Some(keys)),
            }
        }
    }

    /// Makes the handshake. The server may have lost its client by then.
    pub(crate) fn secure(&mut self) {
        self.server.tls_started(TlsFacts::default());
    }

    /// Checks that nothing is left half done when the connection is over.
    pub(crate) fn finish(&mut self) {
        self.server.disconnected();
        self.to_server.clear();
        self.serve();
        assert!(self.incoming.is_none(), "every message has an end");
    }
}

enum Answer {
    None,
    All(Decision),
    Each(Vec<Decision>),
    Keys(ScramKeys),
}

fn decide(event: Event<'_>, incoming: &mut Option<Incoming>, stored: &mut Vec<Stored>) -> Answer {
    let by_name = |name: &str| match name.split('-').next() {
        Some("no" | "nomail") => Err(refuse(550, "5.1.1 Unknown")),
        Some("later") => Err(refuse(450, "4.2.1 Later")),
        Some("bye") => Err(refuse(421, "4.3.2 Bye")),
        _ => Ok(Accept::usual()),
    };
    match event {
        Event::Mail(mail) => Answer::All(by_name(mail.path().as_str())),
        Event::Rcpt(rcpt) => Answer::All(by_name(rcpt.path().as_str())),
        Event::Message(envelope) => {
            let from = envelope.mail().path().as_str().to_owned();
            if from.starts_with("early") {
                return Answer::All(Err(refuse(554, "5.7.1 No content, please")));
            }
            assert!(incoming.is_none(), "the message before has not ended");
            let to = envelope.rcpts().iter().map(|rcpt| rcpt.path().as_str().to_owned()).collect();
            *incoming = Some(Incoming { from, to, content: Vec::new() });
            Answer::All(Ok(Accept::usual()))
        }
        Event::Content(octets) => {
            incoming.as_mut().expect("a message has begun").content.extend_from_slice(octets);
            Answer::None
        }
        Event::Abandoned(_) => {
            incoming.take().expect("a message has begun");
            Answer::None
        }
        Event::End(end) => {
            let Incoming { from, to, content } = incoming.take().expect("a message has begun");
            assert_eq!(end.size, content.len() as u64);
            if from.starts_with("late") {
                return Answer::All(Err(refuse(550, "5.7.1 Not this")));
            }
            let is_full = |path: &str| path.starts_with("full");
            let is_split = end.decisions != to.len() && to.iter().any(|path| is_full(path));
            let decisions = to.iter().map(|path| match is_full(path) {
                true => Err(refuse(452, "4.2.2 Full")),
                false => Ok(Accept::usual()),
            });
            let decisions = decisions.collect();
            let to: Vec<_> = to.into_iter().filter(|path| !is_full(path) && !is_split).collect();
            stored.push(Stored { to, content });
            Answer::Each(decisions)
        }
        Event::Auth(login) => log_in(&login),
        _ => Answer::None,
    }
}

fn log_in(login: &Login<'_>) -> Answer {
    let (user, password) = ("alice", "open sesame");
    let is_right = match login {
        Login::ScramKeys { hash, .. } => {
            return Answer::Keys(ScramKeys::derive(*hash, password, b"salt and pepper", 4096));
        }
        Login::Password { user: given, password: secret, .. } => {
            (*given, *secret) == (user, password)
        }
        Login::CramMd5 { user: given, proof } => *given == user && proof.verify(password),
        Login::Scram { user: given, .. } => *given == user,
        _ => false,
    };
    Answer::All(if is_right { Ok(Accept::usual()) } else { Err(Refuse::wrong_credentials()) })
}

fn refuse(code: u16, text: &str) -> Refuse {
    let code = ReplyCode::new(code).expect("it is a code");
    Refuse::new(code, text).expect("the text fits")
}
