//! The session of a server: octets in, events out, decisions back.
use std::{fmt, sync::Arc};

use smtp_caps::Envelope;
use smtp_codec::{Attributes, Dialect, LineFramer, Mail, ProxyHeader, Rcpt, Sequence};
use smtp_error::ReplyCode;

mod commands;
mod decisions;
mod login;

use crate::{
    Abandoned, Client, Closing, End, Event, Hello, Settings, StartTls,
    auth::Exchange,
    content::{Content, Piece},
    tally::Tally,
    transaction::{Domains, Transaction},
};
use commands::{Excess, Overlong};

/// One session, from the first octet to the last. It does no I/O, and knows no clock.
///
/// A driver calls [`next`](Self::next) with the octets that have arrived, and does what the [`Event`]
/// says:
///
/// ```
/// use std::sync::Arc;
/// use smtp_server::{Client, Event, ServerSession, Settings};
///
/// let settings = Arc::new(Settings::smtp("mx.example.org").build()?);
/// let mut session = ServerSession::new(settings, Client::new(), [0; 32]);
/// let mut input = &b"EHLO client.example.org\r\nVRFY alice\r\nQUIT\r\n"[..];
/// loop {
///     match session.next(&mut input) {
///         Event::Rcpt(_) => session.accept(),
///         Event::Read | Event::Close(_) => break,
///         // Everything else gets the usual reply, which promises nothing.
///         _ => {}
///     }
/// }
/// let output = String::from_utf8(std::mem::take(session.output()))?;
/// assert!(output.starts_with("220 mx.example.org ESMTP\r\n250-mx.example.org\r\n"));
/// assert!(output.ends_with("\r\n252 2.1.5 Send mail to find out\r\n221 2.0.0 Bye\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Over a socket of the standard library, the loop reads where [`Event::Read`] says so, and writes
/// before:
///
/// ```
/// use std::{
///     io::{self, Read, Write},
///     net::{TcpListener, TcpStream},
///     sync::Arc,
/// };
///
/// use smtp_server::{Client, Closing, Event, ServerSession, Settings};
///
/// /// Serves one client, and prints what it sends.
/// fn serve(mut stream: TcpStream, settings: Arc<Settings>) -> io::Result<Closing> {
///     let client = Client::at(stream.peer_addr()?);
///     // The nonce is for AUTH, and has to be random then.
///     let mut session = ServerSession::new(settings, client, [0; 32]);
///     let (mut buffer, mut begin, mut end) = ([0; 4096], 0, 0);
///     loop {
///         let mut input = &buffer[begin..end];
///         let event = session.next(&mut input);
///         let (mut is_read, mut closing, mut is_accepted) = (false, None, false);
///         match event {
///             Event::Read => is_read = true,
///             Event::Write => {}
///             Event::Close(why) => closing = Some(why),
///             Event::Content(octets) => print!("{}", String::from_utf8_lossy(octets)),
///             Event::Mail(_) | Event::Rcpt(_) | Event::Message(_) | Event::End(_) => is_accepted = true,
///             _ => {}
///         }
///         begin = end - input.len();
///         if is_accepted {
///             session.accept();
///             continue;
///         }
///         stream.write_all(&std::mem::take(session.output()))?;
///         if let Some(why) = closing {
///             return Ok(why);
///         }
///         if is_read {
///             (begin, end) = (0, stream.read(&mut buffer)?);
///             if end == 0 {
///                 session.disconnected();
///             }
///         }
///     }
/// }
///
/// let settings = Arc::new(Settings::smtp("mx.example.org").build()?);
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let mut client = TcpStream::connect(listener.local_addr()?)?;
/// client.write_all(
///     b"EHLO client.example.org\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n\
///       Subject: hello\r\n\r\nHello.\r\n.\r\nQUIT\r\n",
/// )?;
/// assert_eq!(serve(listener.accept()?.0, settings)?, Closing::Quit);
/// let mut replies = String::new();
/// client.read_to_string(&mut replies)?;
/// assert!(replies.ends_with("\r\n250 2.0.0 Message accepted\r\n221 2.0.0 Bye\r\n"), "{replies}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The replies to a command group come together in the output (RFC 2920, 3.2), and are to be written
/// at the latest when an event says so.
pub struct ServerSession {
    settings: Arc<Settings>,
    client: Arc<Client>,
    sequence: Sequence,
    framer: LineFramer,
    state: State,
    /// What waits for a decision.
    question: Option<Question>,
    /// What is told next, before any further octet is read.
    notice: Option<Notice>,
    output: Vec<u8>,
    tally: Tally,
    transaction: Option<Transaction>,
    /// What the transaction becomes before the content comes.
    envelope: Option<Envelope>,
    content: Option<Box<Content>>,
    domains: Domains,
    nonce: [u8; 32],
    exchanges: u32,
    overlong: Option<Overlong>,
    excess: Option<Excess>,
    /// Whether the connection was refused: only QUIT is executed.
    turned_away: bool,
    shutting_down: bool,
}

enum State {
    /// Before the header of the PROXY protocol, of which these octets have come.
    ProxyHeader(Vec<u8>),
    /// Before or in a TLS handshake; whether the greeting was sent.
    Handshake {
        greeted: bool,
    },
    /// Before the greeting.
    Greeting,
    Commands,
    /// In an AUTH exchange.
    Auth(Box<Exchange>),
    /// The content comes, after DATA or after BDAT.
    Content,
    Closed(Closing),
}

/// What waits for a decision.
enum Question {
    Connected,
    Hello(Hello),
    Auth,
    Mail(Mail),
    Rcpt(Rcpt),
    Message(Framing),
    End(End),
    Verify(String),
    Expand(String),
    Help(Option<String>),
    Etrn(String),
    /// With the client as it would be after it.
    Xclient(Attributes, Box<Client>),
    Xforward(Attributes),
    Other(String, String),
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    Text,
    /// With the size of the first chunk, and whether it is the last.
    Chunk(u64, bool),
}

#[derive(Clone, Copy, Debug)]
enum Notice {
    Abandoned(Abandoned),
    Reset,
    LoginFailed(ReplyCode),
}

/// What a step found.
enum Found<'i> {
    Read,
    Close(Closing),
    StartTls,
    Question(Question),
    Notice(Notice),
    Content(&'i [u8]),
}

/// The length of the output at which it has to be written.
const LONG_OUTPUT: usize = 16 << 10;

/// The room for output that an idle session keeps, in octets.
const KEPT_OUTPUT: usize = 2 << 10;

impl ServerSession {
    /// Begins a session with a client that has connected. `nonce` has to be random, and another one
    /// for each session: SCRAM and CRAM-MD5 rely on it.
    pub fn new(settings: Arc<Settings>, mut client: Client, nonce: [u8; 32]) -> Self {
        client.set_dialect(settings.dialect());
        let state = if settings.policy.proxy_header {
            State::ProxyHeader(Vec::new())
        } else {
            Self::after_proxy_header(&settings)
        };
        let mut sequence = match settings.dialect() {
            Dialect::Smtp => Sequence::smtp(),
            Dialect::Lmtp => Sequence::lmtp(),
        };
        if settings.starttls() == StartTls::Required {
            sequence = sequence.require_tls();
        }
        if settings.policy.login_required {
            sequence = sequence.require_authentication();
        }
        Self {
            framer: LineFramer::new(settings.line_limit),
            tally: Tally::new(settings.policy.bounds),
            settings,
            client: Arc::new(client),
            sequence,
            state,
            question: None,
            notice: None,
            output: Vec::new(),
            transaction: None,
            envelope: None,
            content: None,
            domains: Domains::default(),
            nonce,
            exchanges: 0,
            overlong: None,
            excess: None,
            turned_away: false,
            shutting_down: false,
        }
    }

    fn after_proxy_header(settings: &Settings) -> State {
        if settings.policy.implicit_tls {
            State::Handshake { greeted: false }
        } else {
            State::Greeting
        }
    }

    /// Returns what is known of the client.
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Returns the settings.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Returns MAIL of the open transaction.
    pub fn mail(&self) -> Option<&Mail> {
        let begun = || self.transaction.as_ref().map(Transaction::mail);
        self.envelope.as_ref().map(Envelope::mail).or_else(begun)
    }

    /// Returns the recipients of the open transaction that were accepted.
    pub fn rcpts(&self) -> &[Rcpt] {
        let begun = || self.transaction.as_ref().map_or(&[][..], Transaction::rcpts);
        self.envelope.as_ref().map_or_else(begun, Envelope::rcpts)
    }

    /// Returns the octets to write. The driver empties it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Returns whether a part of a command has come, and its end has not; or a part of the header of
    /// the PROXY protocol.
    pub fn is_within_line(&self) -> bool {
        match &self.state {
            State::ProxyHeader(header) => !header.is_empty(),
            _ => self.framer.is_partial(),
        }
    }

    /// Returns whether the content of a message is coming in.
    pub fn is_receiving(&self) -> bool {
        matches!(self.state, State::Content)
    }

    /// Returns what happens next, and takes the octets off the front of `input` that it has used.
    ///
    /// What is not decided when it is called gets the reply that its event names.
    pub fn next<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8]) -> Event<'s> {
        if self.question.is_some() {
            self.decide_as_usual();
        }
        if self.output.is_empty() && self.output.capacity() > KEPT_OUTPUT {
            self.output = Vec::new();
        }
        let found = loop {
            if self.output.len() > LONG_OUTPUT && !matches!(self.state, State::Closed(_)) {
                return Event::Write;
            }
            if let Some(found) = self.step(input) {
                break found;
            }
        };
        match found {
            Found::Read => Event::Read,
            Found::Close(why) => Event::Close(why),
            Found::StartTls => Event::StartTls,
            Found::Content(octets) => Event::Content(octets),
            Found::Notice(Notice::Abandoned(why)) => Event::Abandoned(why),
            Found::Notice(Notice::Reset) => Event::Reset,
            Found::Notice(Notice::LoginFailed(code)) => Event::LoginFailed(code),
            Found::Question(question) => {
                self.question = Some(question);
                // An envelope that cannot be made has no event; its question is refused.
                self.question().unwrap_or(Event::Write)
            }
        }
    }

    /// Returns the event that waits for a decision.
    pub fn question(&self) -> Option<Event<'_>> {
        Some(match self.question.as_ref()? {
            Question::Connected => Event::Connected,
            Question::Hello(hello) => Event::Hello(hello),
            Question::Auth => match &self.state {
                State::Auth(exchange) => Event::Auth(exchange.login()),
                _ => return None,
            },
            Question::Mail(mail) => Event::Mail(mail),
            Question::Rcpt(rcpt) => Event::Rcpt(rcpt),
            Question::Message(_) => Event::Message(self.envelope.as_ref()?),
            Question::End(end) => Event::End(*end),
            Question::Verify(name) => Event::Verify(name),
            Question::Expand(name) => Event::Expand(name),
            Question::Help(topic) => Event::Help(topic.as_deref()),
            Question::Etrn(node) => Event::Etrn(node),
            Question::Xclient(attributes, _) => Event::Xclient(attributes),
            Question::Xforward(attributes) => Event::Xforward(attributes),
            Question::Other(verb, arguments) => Event::Other { verb, arguments },
        })
    }

    /// Makes one step; `None` if another one has to follow.
    fn step<'i>(&mut self, input: &mut &'i [u8]) -> Option<Found<'i>> {
        if let Some(notice) = self.notice.take() {
            return Some(Found::Notice(notice));
        }
        match self.state {
            State::Closed(why) => Some(Found::Close(why)),
            State::ProxyHeader(_) => self.proxy_header(input),
            State::Handshake { .. } => Some(Found::StartTls),
            // A message that is on its way is received to its end.
            State::Greeting | State::Commands | State::Auth(_)
                if self.shutting_down && self.content.is_none() =>
            {
                self.close(Closing::ShuttingDown, "4.3.2 The server is shutting down");
                None
            }
            State::Greeting => Some(Found::Question(Question::Connected)),
            State::Commands | State::Auth(_) => self.line(input),
            State::Content => self.content(input),
        }
    }

    fn proxy_header<'i>(&mut self, input: &mut &'i [u8]) -> Option<Found<'i>> {
        let State::ProxyHeader(header) = &mut self.state else { return None };
        let before = header.len();
        let (taken, rest) = input.split_at(input.len().min(MAX_PROXY_HEADER - before));
        header.extend_from_slice(taken);
        match ProxyHeader::decode(header) {
            Ok(Some(connection)) => {
                *input = &input[connection.length - before..];
                let client = Arc::make_mut(&mut self.client);
                client.proxied(connection.source, connection.destination);
                self.state = Self::after_proxy_header(&self.settings);
                None
            }
            Ok(None) if header.len() < MAX_PROXY_HEADER => {
                *input = rest;
                Some(Found::Read)
            }
            // Nothing is written: whatever is there does not speak SMTP yet.
            Ok(None) | Err(_) => {
                self.state = State::Closed(Closing::NoProxyHeader);
                None
            }
        }
    }

    fn content<'i>(&mut self, input: &mut &'i [u8]) -> Option<Found<'i>> {
        let Some(content) = &mut self.content else {
            self.state = State::Commands;
            return None;
        };
        match content.next(input) {
            Piece::Octets(octets) => Some(Found::Content(octets)),
            Piece::Starved => Some(Found::Read),
            Piece::Refused(why) => Some(Found::Notice(Notice::Abandoned(why))),
            Piece::Endless => {
                self.close(Closing::TooManyErrors, "4.7.0 The message goes on after its refusal");
                None
            }
            Piece::EndOfChunk => {
                self.end_of_chunk();
                None
            }
            Piece::End => match content.refusal().cloned() {
                Some(refusal) => {
                    self.finish(&[Err(refusal)]);
                    None
                }
                None => {
                    let (size, flaws) = (content.size(), content.flaws());
                    let end = End { size, flaws, decisions: self.decisions() };
                    Some(Found::Question(Question::End(end)))
                }
            },
        }
    }
}

impl fmt::Debug for ServerSession {
    /// Shows nothing of what the client sent, which may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::ProxyHeader(_) => "ProxyHeader",
            State::Handshake { .. } => "Handshake",
            State::Greeting => "Greeting",
            State::Commands => "Commands",
            State::Auth(_) => "Auth",
            State::Content => "Content",
            State::Closed(_) => "Closed",
        };
        f.debug_struct("ServerSession")
            .field("state", &state)
            .field("client", &self.client)
            .field("rcpts", &self.rcpts().len())
            .finish_non_exhaustive()
    }
}

/// The longest header of the PROXY protocol that is waited for, in octets.
const MAX_PROXY_HEADER: usize = 2100;
