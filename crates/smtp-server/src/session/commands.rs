//! The commands of a session: the lines that they come in, whether they are legal, and what is asked
//! about them.
use std::mem;

use smtp_codec::{
    Attributes, Command, HelloName, Line, LineEnd, LineFramer, LineTooLong, Mail, Rcpt, Verb,
    encode_reply,
};
use smtp_error::{Extension, Reply, ReplyCode};
use zeroize::Zeroizing;

use super::{Found, Framing, Notice, Question, ServerSession, State};
use crate::{
    Closing, Hello, Refuse, StartTls,
    content::Content,
    transaction::{check_mail, is_binary},
};

/// The rest of a line that was too long, up to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overlong {
    /// Whether its last octet so far is a CR.
    after_cr: bool,
    dropped: u64,
}

/// The chunks that a client has sent before it knew that a chunk was refused, and what may still
/// come of them: they are refused, too, but are no mistakes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Excess {
    pub(super) octets_left: u64,
    pub(super) is_last: bool,
    /// The number of replies to the last chunk. In LMTP it is that of the recipients whatever
    /// happened before (RFC 2033, 4.2): the client counts on them.
    pub(super) final_replies: usize,
}

impl Excess {
    /// Adds a chunk; `None` if it is one too many. An empty one counts, too.
    fn with(self, size: u64, is_last: bool) -> Option<Self> {
        let octets_left = self.octets_left.checked_sub(size.max(LEAST_COST))?;
        Some(Self { octets_left, is_last, ..self })
    }
}

/// What a chunk counts for at least, in octets.
const LEAST_COST: u64 = 4096;

impl ServerSession {
    pub(super) fn line<'i>(&mut self, input: &mut &'i [u8]) -> Option<Found<'i>> {
        if self.overlong.is_some() {
            return self.skip_line(input);
        }
        // The framer lends the line, and the session handles it.
        let mut framer = mem::replace(&mut self.framer, LineFramer::new(0));
        let before = *input;
        let was_auth = matches!(self.state, State::Auth(_));
        let found = match framer.next(input) {
            Ok(None) => Some(Found::Read),
            Ok(Some(line)) if !self.check_line_end(line.end) => None,
            Ok(Some(line)) if was_auth => self.auth_line(line),
            Ok(Some(line)) => self.command_line(line, input),
            Err(LineTooLong { .. }) => {
                let piece = &before[..before.len() - input.len()];
                self.line_too_long(framer.partial(), piece);
                framer = LineFramer::new(self.settings.line_limit);
                None
            }
        };
        if was_auth && !matches!(self.state, State::Auth(_)) {
            // Its buffer may be large, and hold a password.
            framer = LineFramer::new(self.settings.line_limit);
        }
        self.framer = framer;
        found
    }

    /// Handles a line that is longer than the limit. `piece` is what came of it last.
    fn line_too_long(&mut self, beginning: &[u8], piece: &[u8]) {
        if self.would_lose_sync(beginning) {
            return;
        }
        // RFC 4954, 4 has a code of its own.
        let text = match self.state {
            State::Auth(_) => "5.5.6 Line too long",
            _ => "5.5.2 Line too long",
        };
        self.leave_auth();
        self.mistake(&Reply::new(ReplyCode::UNRECOGNIZED, text));
        match piece {
            [.., b'\r', b'\n'] => {}
            [.., _, b'\n'] => drop(self.check_line_end(LineEnd::Lf)),
            [b'\n'] if beginning.ends_with(b"\r") => {}
            [b'\n'] => drop(self.check_line_end(LineEnd::Lf)),
            _ => {
                let dropped = piece.len().saturating_sub(self.settings.line_limit) as u64;
                self.drop_line(Overlong { after_cr: piece.ends_with(b"\r"), dropped });
            }
        }
    }

    /// Drops the rest of a line that was too long.
    fn skip_line<'i>(&mut self, input: &mut &'i [u8]) -> Option<Found<'i>> {
        let Overlong { after_cr, dropped } = self.overlong?;
        if input.is_empty() {
            return Some(Found::Read);
        }
        let end = input.iter().position(|&octet| octet == b'\n');
        let (line, rest) = input.split_at(end.unwrap_or(input.len()));
        *input = rest.get(1..).unwrap_or_default();
        let after_cr = line.last().map_or(after_cr, |&octet| octet == b'\r');
        if end.is_some() {
            self.overlong = None;
            self.check_line_end(if after_cr { LineEnd::CrLf } else { LineEnd::Lf });
            return None;
        }
        self.drop_line(Overlong { after_cr, dropped: dropped + line.len() as u64 });
        None
    }

    fn drop_line(&mut self, overlong: Overlong) {
        if overlong.dropped > self.settings.policy.bounds.dropped_octets {
            self.close(Closing::TooManyErrors, "4.7.0 The line does not end");
        } else {
            self.overlong = Some(overlong);
        }
    }

    /// Ends the session if the line does not end as it must: another reader of the same octets may
    /// have found other lines.
    fn check_line_end(&mut self, end: LineEnd) -> bool {
        let tolerated = self.settings.policy.tolerated.contains(end.deviations());
        if !tolerated && !matches!(self.state, State::Closed(_)) {
            self.lose_sync(&Reply::new(ReplyCode::UNRECOGNIZED, "5.5.2 A line ends with CRLF"));
        }
        tolerated
    }

    /// Sends the reply, and then 421, without which a server does not close (RFC 5321, 3.8).
    fn lose_sync(&mut self, reply: &Reply) {
        encode_reply(reply, &mut self.output);
        self.close(Closing::Desynchronized, "4.5.0 The next command cannot be found");
    }

    /// Ends the session if the line, which is not a command that is known, seems to be followed by
    /// something that must not be read as commands: a chunk, or the body of an HTTP request that
    /// an attacker made a browser send.
    pub(super) fn would_lose_sync(&mut self, line: &[u8]) -> bool {
        let line = line.trim_ascii_start();
        if line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT")) {
            self.lose_sync(&Reply::new(ReplyCode::SYNTAX, "5.5.4 Bad chunk size"));
            return true;
        }
        let verb = line.split(|octet| octet.is_ascii_whitespace()).next().unwrap_or_default();
        if HTTP_METHODS.iter().any(|method| verb.eq_ignore_ascii_case(method.as_bytes())) {
            self.close(Closing::Desynchronized, "4.7.0 This is not a server for HTTP");
            return true;
        }
        false
    }

    fn command_line<'i>(&mut self, line: Line<'_>, input: &[u8]) -> Option<Found<'i>> {
        match Command::decode(line.content, self.settings.policy.tolerated) {
            Ok(decoded) => {
                let is_other = matches!(decoded.command, Command::Other { .. });
                if is_other && self.would_lose_sync(line.content) {
                    return None;
                }
                self.command(&decoded.command, input)
            }
            Err(error) if error.loses_sync() => {
                // A chunk of unknown length follows.
                self.lose_sync(&error.reply());
                None
            }
            Err(error) => {
                if !self.would_lose_sync(line.content) {
                    self.mistake(&error.reply());
                }
                None
            }
        }
    }

    fn command<'i>(&mut self, command: &Command<'_>, input: &[u8]) -> Option<Found<'i>> {
        let legal = self.check(command);
        if let Command::Bdat { size, last } = *command {
            return self.bdat(legal, size, last);
        }
        if let Err(reply) = legal {
            self.mistake(&reply);
            return None;
        }
        if !matches!(command.verb(), Some(Verb::Mail | Verb::Rcpt | Verb::Data | Verb::Quit))
            && self.idle_command()
        {
            return None;
        }
        let question = match command {
            Command::Ehlo(name) | Command::Lhlo(name) => Question::Hello(hello(name, true)),
            Command::Helo(name) => Question::Hello(hello(name, false)),
            Command::Mail(mail) => return self.ask_mail(mail),
            Command::Rcpt(rcpt) => return self.ask_rcpt(rcpt),
            Command::Data => return self.ask_message(Framing::Text),
            Command::Vrfy { argument, .. } => Question::Verify(argument.content().into_owned()),
            Command::Expn { argument, .. } => Question::Expand(argument.content().into_owned()),
            Command::Help(topic) => {
                Question::Help(topic.as_ref().map(|topic| topic.content().into_owned()))
            }
            Command::Etrn(node) => Question::Etrn(node.as_str().to_owned()),
            Command::Xclient(attributes) => return self.ask_xclient(attributes),
            Command::Xforward(attributes) => return self.ask_xforward(attributes),
            Command::Other { verb, arguments } => {
                Question::Other((*verb).to_owned(), (*arguments).to_owned())
            }
            Command::Auth { mechanism, initial } => {
                let initial =
                    initial.as_ref().map(|response| response.decode().map(Zeroizing::new));
                return match initial.transpose() {
                    Ok(initial) => self.begin_auth(mechanism, initial),
                    Err(_) => self.bad_response(),
                };
            }
            Command::Rset => {
                self.reset();
                self.reply(ReplyCode::OK, "2.0.0 Ok");
                return None;
            }
            Command::Noop(_) => {
                self.reply(ReplyCode::OK, "2.0.0 Ok");
                return None;
            }
            Command::Quit => {
                self.reply(ReplyCode::CLOSING, "2.0.0 Bye");
                let why = if self.turned_away { Closing::Refused } else { Closing::Quit };
                self.end(why);
                return None;
            }
            Command::StartTls => return self.starttls(input),
            _ => {
                self.mistake(&not_implemented());
                return None;
            }
        };
        Some(Found::Question(question))
    }

    /// Checks that the command is served, and legal now.
    fn check(&self, command: &Command<'_>) -> Result<(), Reply> {
        if self.turned_away && !matches!(command, Command::Quit) {
            // RFC 5321, 3.1.
            return Err(Reply::new(ReplyCode::BAD_SEQUENCE, "5.5.1 No service here"));
        }
        let needs_tls =
            self.settings.starttls() == StartTls::Required && self.client.tls().is_none();
        if needs_tls && !is_legal_before_tls(command) {
            let text = "5.7.0 STARTTLS first";
            return Err(Reply::new(ReplyCode::AUTHENTICATION_REQUIRED, text));
        }
        let offered = |extension| self.settings.capabilities(&self.client).has(extension);
        let served = match command {
            Command::Bdat { .. } => offered(Extension::Chunking),
            Command::Etrn(_) => offered(Extension::Etrn),
            Command::Xclient(_) => offered(Extension::Xclient) && self.client.is_trusted(),
            Command::Xforward(_) => offered(Extension::Xforward) && self.client.is_trusted(),
            Command::StartTls if self.client.tls().is_none() => offered(Extension::StartTls),
            // In clear it may be offered later.
            Command::Auth { .. } => !self.settings.mechanisms().is_empty(),
            Command::Atrn(_) | Command::Burl { .. } => false,
            // The server of this crate's user may know it.
            Command::Other { .. } => return Ok(()),
            _ => true,
        };
        if !served {
            return Err(not_implemented());
        }
        self.sequence.check(command)
    }

    /// Counts a command that leads to no message. Returns whether the session has ended because
    /// there were too many.
    pub(super) fn idle_command(&mut self) -> bool {
        let too_many = self.tally.idle_command();
        if too_many {
            self.close(Closing::TooManyCommands, "4.7.0 Too many commands without a message");
        }
        too_many
    }

    fn ask_mail<'i>(&mut self, mail: &Mail<&str>) -> Option<Found<'i>> {
        let limits = self.settings.capabilities(&self.client).limits();
        let legal = if limits.mail_max().is_some_and(|most| self.tally.mails() >= most) {
            // RFC 9422, 4.1.
            Err(Reply::new(ReplyCode::LOCAL_ERROR, "4.5.3 Too many messages in this session"))
        } else {
            check_mail(mail, &self.settings, &self.client)
        };
        match legal {
            Ok(()) => Some(Found::Question(Question::Mail(mail.owned()))),
            Err(reply) => {
                self.send(&reply);
                self.idle_command();
                None
            }
        }
    }

    fn ask_rcpt<'i>(&mut self, rcpt: &Rcpt<&str>) -> Option<Found<'i>> {
        let offered = self.settings.capabilities(&self.client);
        let bounds = &self.settings.policy.bounds;
        let transaction = self.transaction.as_ref()?;
        match transaction.check_rcpt(rcpt, offered, bounds, &self.domains) {
            Ok(()) => Some(Found::Question(Question::Rcpt(rcpt.owned()))),
            // Those that were accepted get the message, so that this is no reason to close.
            Err(reply) if reply.is_transient() => {
                self.send(&reply);
                if self.tally.surplus_recipient() {
                    self.close(Closing::TooManyErrors, "4.7.0 Too many recipients");
                }
                None
            }
            Err(reply) => {
                self.mistake(&reply);
                None
            }
        }
    }

    fn ask_message<'i>(&mut self, framing: Framing) -> Option<Found<'i>> {
        self.envelope = self.transaction.take().and_then(|one| one.into_envelope().ok());
        Some(Found::Question(Question::Message(framing)))
    }

    fn ask_xclient<'i>(&mut self, attributes: &Attributes<&str>) -> Option<Found<'i>> {
        let mut client = (*self.client).clone();
        let changed = match self.unknown_attribute(Extension::Xclient, attributes) {
            None => client.stands_for(attributes),
            Some(name) => Err(name.to_owned()),
        };
        match changed {
            Ok(()) => {
                Some(Found::Question(Question::Xclient(attributes.owned(), Box::new(client))))
            }
            Err(name) => self.bad_attribute(&name),
        }
    }

    fn ask_xforward<'i>(&mut self, attributes: &Attributes<&str>) -> Option<Found<'i>> {
        match self.unknown_attribute(Extension::Xforward, attributes) {
            None => Some(Found::Question(Question::Xforward(attributes.owned()))),
            Some(name) => self.bad_attribute(name),
        }
    }

    /// Returns the first attribute that is not offered.
    fn unknown_attribute<'a>(
        &self,
        extension: Extension,
        attributes: &'a Attributes<&str>,
    ) -> Option<&'a str> {
        let offered = self.settings.capabilities(&self.client).find(extension.keyword())?;
        let is_known =
            |name: &str| offered.params().any(|param| param.eq_ignore_ascii_case(name.as_bytes()));
        attributes.iter().map(|(name, _)| name).find(|name| !is_known(name))
    }

    fn bad_attribute<'i>(&mut self, name: &str) -> Option<Found<'i>> {
        self.mistake(&Reply::new(ReplyCode::SYNTAX, format!("5.5.4 Bad attribute {name:.32}")));
        None
    }

    /// Handles BDAT. Its chunk follows in any case, and is skipped if BDAT is refused: it must never
    /// be read as commands.
    fn bdat<'i>(&mut self, legal: Result<(), Reply>, size: u64, last: bool) -> Option<Found<'i>> {
        if let Err(reply) = legal {
            self.excess = self.excess.and_then(|excess| excess.with(size, last));
            let mut skipped = self.new_content(Framing::Chunk(size, last));
            skipped.refuse(Refuse::of(reply));
            skipped.announce(size, false);
            self.content = Some(Box::new(skipped));
            self.state = State::Content;
            return None;
        }
        let Some(content) = &mut self.content else {
            return self.ask_message(Framing::Chunk(size, last));
        };
        let abandoned = content.announce(size, last);
        self.sequence.accepted(&Command::Bdat { size, last });
        self.state = State::Content;
        abandoned.map(|why| Found::Notice(Notice::Abandoned(why)))
    }

    pub(super) fn new_content(&self, framing: Framing) -> Content {
        let policy = &self.settings.policy;
        let limit = self.settings.capabilities(&self.client).size_limit().unwrap_or(u64::MAX);
        let dropped = policy.bounds.dropped_octets;
        match framing {
            Framing::Text => Content::text(policy.bare, limit, dropped),
            Framing::Chunk(..) => {
                let binary = self.mail().is_some_and(is_binary);
                Content::chunks(binary, policy.bare, limit, dropped)
            }
        }
    }

    /// Begins TLS. Octets that came with the command were sent in clear, and an attacker on the path may
    /// have added them for the session to read as if they were inside TLS.
    fn starttls<'i>(&mut self, input: &[u8]) -> Option<Found<'i>> {
        if !input.is_empty() {
            self.close(Closing::EarlyOctets, "4.7.0 Octets came before the TLS handshake");
            return None;
        }
        self.reply(ReplyCode::READY, "2.0.0 Ready to start TLS");
        self.state = State::Handshake { greeted: true };
        None
    }
}

/// The methods of HTTP.
const HTTP_METHODS: [&str; 9] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// Returns whether a server that requires TLS executes the command in clear (RFC 3207, 4).
fn is_legal_before_tls(command: &Command<'_>) -> bool {
    matches!(
        command,
        Command::Ehlo(_)
            | Command::Helo(_)
            | Command::Lhlo(_)
            | Command::Noop(_)
            | Command::Quit
            | Command::StartTls
            | Command::Xclient(_)
    )
}

fn hello(name: &HelloName<&str>, extended: bool) -> Hello {
    Hello::new(name.owned(), extended)
}

pub(super) fn not_implemented() -> Reply {
    Reply::new(ReplyCode::NOT_IMPLEMENTED, "5.5.1 Command not implemented")
}
