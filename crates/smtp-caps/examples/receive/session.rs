//! The server's side of a session: the reply to each command and each message.
use smtp_codec::{
    BareLineEnds, Command, Line, LineEnd, Mail, Rcpt, Sequence, Unstuffer, Verb, encode_reply,
};
use smtp_error::{Reply, ReplyCode};

use crate::{Server, connection::Reading, envelope::Envelope, message::Message, offer};

/// The most protocol errors between two messages. One more ends the session with 421.
const MAX_MISTAKES: usize = 20;

/// The commands that the server implements. [`Sequence`] knows when each is legal.
const SERVED: &[Verb] = &[
    Verb::Ehlo,
    Verb::Helo,
    Verb::Lhlo,
    Verb::Mail,
    Verb::Rcpt,
    Verb::Data,
    Verb::Bdat,
    Verb::Rset,
    Verb::Noop,
    Verb::Vrfy,
    Verb::Help,
    Verb::Quit,
];

/// One session.
pub(crate) struct Session<'s> {
    server: &'s Server,
    sequence: Sequence,
    /// The last EHLO, HELO or LHLO.
    hello: String,
    envelope: Envelope,
    /// The message in chunks, between two of them.
    message: Option<Box<Message>>,
    mistakes: usize,
    busy: bool,
}

impl<'s> Session<'s> {
    pub(crate) fn new(server: &'s Server) -> Self {
        Self {
            server,
            sequence: server.offer.sequence(),
            hello: String::new(),
            envelope: Envelope::default(),
            message: None,
            mistakes: 0,
            busy: false,
        }
    }

    /// Makes the session refuse the client, because the server has too many connections.
    pub(crate) fn with_busy_server(self) -> Self {
        Self { busy: true, ..self }
    }

    /// Returns the longest command line, in octets.
    pub(crate) fn line_limit(&self) -> usize {
        self.server.offer.line_limit()
    }

    /// Sends the greeting.
    pub(crate) fn greet(&self, out: &mut Vec<u8>) -> Reading {
        if self.busy {
            return close("4.3.2 Too many connections", out);
        }
        encode_reply(&self.server.offer.greeting(), out);
        Reading::Commands
    }

    /// Handles a command line.
    pub(crate) fn line(&mut self, line: Line<'_>, out: &mut Vec<u8>) -> Reading {
        if line.end != LineEnd::CrLf {
            // A proxy may have split the octets into other commands: the session cannot go on.
            self.reply(ReplyCode::UNRECOGNIZED, "5.5.2 A line ends with CRLF", out);
            return Reading::Nothing;
        }
        match Command::decode(line.content, self.server.offer.tolerated()) {
            Ok(decoded) => self.command(&decoded.command, out),
            Err(error) => {
                let reading = self.send(&error.reply(), out);
                // A chunk of unknown size follows.
                if error.loses_sync() { Reading::Nothing } else { reading }
            }
        }
    }

    /// Handles a command line that is too long, and was discarded.
    pub(crate) fn line_too_long(&mut self, out: &mut Vec<u8>) -> Reading {
        self.reply(ReplyCode::UNRECOGNIZED, "5.5.2 Line too long", out)
    }

    /// Ends an idle session.
    pub(crate) fn time_out(&self, out: &mut Vec<u8>) -> Reading {
        close("4.4.2 Idle for too long", out)
    }

    fn command(&mut self, command: &Command<'_>, out: &mut Vec<u8>) -> Reading {
        if command.verb().is_some_and(|verb| !SERVED.contains(&verb)) {
            return self.reply(ReplyCode::NOT_IMPLEMENTED, "5.5.1 Not implemented", out);
        }
        let legal = self.sequence.check(command);
        if let Command::Bdat { size, last } = *command {
            return self.bdat(legal, size, last);
        }
        if let Err(reply) = legal {
            return self.send(&reply, out);
        }
        match command {
            Command::Ehlo(_) | Command::Lhlo(_) => {
                self.greeted(command);
                let server = self.server;
                self.send(server.offer.hello(), out)
            }
            Command::Helo(_) => {
                self.greeted(command);
                self.reply(ReplyCode::OK, offer::NAME, out)
            }
            Command::Mail(mail) => self.mail(command, mail, out),
            Command::Rcpt(rcpt) => self.rcpt(command, rcpt, out),
            Command::Data => self.data(out),
            Command::Rset => {
                self.reset();
                self.reply(ReplyCode::OK, "2.0.0 Forgotten", out)
            }
            Command::Noop(_) => self.reply(ReplyCode::OK, "2.0.0 Ok", out),
            Command::Vrfy { .. } => {
                self.reply(ReplyCode::CANNOT_VERIFY, "2.1.5 Send mail to find out", out)
            }
            Command::Help(_) => {
                let verbs: Vec<_> = SERVED.iter().map(|verb| verb.as_str()).collect();
                self.reply(ReplyCode::HELP, &format!("2.0.0 {}", verbs.join(" ")), out)
            }
            Command::Quit => {
                self.reply(ReplyCode::CLOSING, "2.0.0 Bye", out);
                Reading::Nothing
            }
            _ => self.reply(ReplyCode::NOT_IMPLEMENTED, "5.5.1 Not implemented", out),
        }
    }

    fn greeted(&mut self, command: &Command<'_>) {
        self.reset();
        self.sequence.accepted(command);
        self.hello = command.to_string();
    }

    fn mail(&mut self, command: &Command<'_>, mail: &Mail<&str>, out: &mut Vec<u8>) -> Reading {
        if let Err(reply) = self.server.offer.admit(mail) {
            return self.send(&reply, out);
        }
        self.reset();
        self.sequence.accepted(command);
        self.envelope = Envelope::new(&self.hello, mail);
        self.reply(ReplyCode::OK, "2.1.0 Ok", out)
    }

    fn rcpt(&mut self, command: &Command<'_>, rcpt: &Rcpt<&str>, out: &mut Vec<u8>) -> Reading {
        if let Err(reply) = self.server.offer.admit_rcpt(rcpt, &self.envelope) {
            return self.send(&reply, out);
        }
        self.sequence.accepted(command);
        self.envelope.push(rcpt);
        self.reply(ReplyCode::OK, "2.1.5 Ok", out)
    }

    fn data(&mut self, out: &mut Vec<u8>) -> Reading {
        let message = Box::new(self.begin());
        if let Some(reply) = message.refusal() {
            return self.send(reply, out);
        }
        self.sequence.accepted(&Command::Data);
        self.reply(ReplyCode::START_MAIL_DATA, "Go ahead, and end with a dot", out);
        Reading::Text { unstuffer: Box::new(Unstuffer::new(BareLineEnds::Keep)), message }
    }

    /// Handles BDAT. The chunk follows in any case (RFC 3030, 2): the server discards it if BDAT is
    /// not legal, or if it refused an earlier chunk, which ends the transaction.
    fn bdat(&mut self, legal: Result<(), Reply>, size: u64, last: bool) -> Reading {
        let mut message = match (legal, self.message.take()) {
            (Err(reply), _) => Box::new(Message::refused(reply)),
            (Ok(()), Some(message)) => message,
            (Ok(()), None) if self.envelope.is_binary() => Box::new(self.begin()),
            (Ok(()), None) => Box::new(self.begin().in_chunks()),
        };
        message.announce(size);
        if message.refusal().is_none() {
            self.sequence.accepted(&Command::Bdat { size, last });
        }
        Reading::Chunk { left: size, last, message }
    }

    /// Handles the end of a chunk.
    pub(crate) fn end_of_chunk(
        &mut self,
        mut message: Box<Message>,
        last: bool,
        out: &mut Vec<u8>,
    ) -> Reading {
        message.check_chunks(last);
        if last {
            return self.end_of_message(*message, out);
        }
        let Some(refusal) = message.refusal() else {
            self.message = Some(message);
            return self.reply(ReplyCode::OK, "2.0.0 Go on", out);
        };
        // The recipients stay: in LMTP the last chunk gets one reply for each of them, even after a
        // refusal.
        self.sequence.end_of_text();
        self.send(refusal, out)
    }

    /// Stores the message, unless it was refused, and sends the reply: one, or in LMTP one for each
    /// recipient (RFC 2033, 4.2).
    pub(crate) fn end_of_message(&mut self, message: Message, out: &mut Vec<u8>) -> Reading {
        let kept = message.keep(self.envelope.as_str());
        let count = if self.server.offer.is_lmtp() { self.envelope.rcpts() } else { 1 };
        self.reset();
        let reply = match kept {
            Ok(name) => {
                self.mistakes = 0;
                Reply::new(ReplyCode::OK, format!("2.0.0 Kept as {name}"))
            }
            Err(reply) => reply,
        };
        for _ in 1..count {
            encode_reply(&reply, out);
        }
        if count == 0 { Reading::Commands } else { self.send(&reply, out) }
    }

    fn begin(&self) -> Message {
        Message::new(&self.server.spool, self.server.offer.size_limit())
    }

    /// Ends the transaction, if one is open.
    fn reset(&mut self) {
        self.sequence.accepted(&Command::Rset);
        self.envelope = Envelope::default();
        self.message = None;
    }

    fn reply(&mut self, code: ReplyCode, text: &str, out: &mut Vec<u8>) -> Reading {
        self.send(&Reply::new(code, text), out)
    }

    /// Sends a reply, or 421 after too many mistakes. Only protocol errors are mistakes, not refusals
    /// by policy.
    fn send(&mut self, reply: &Reply, out: &mut Vec<u8>) -> Reading {
        let code = reply.code();
        let is_mistake = code >= ReplyCode::UNRECOGNIZED
            && code <= ReplyCode::PARAMETER_NOT_IMPLEMENTED
            || code == ReplyCode::PARAMETERS_UNRECOGNIZED;
        self.mistakes += usize::from(is_mistake);
        if self.mistakes > MAX_MISTAKES {
            return close("4.7.0 Too many errors", out);
        }
        encode_reply(reply, out);
        Reading::Commands
    }
}

/// Sends 421, which ends the session.
fn close(why: &str, out: &mut Vec<u8>) -> Reading {
    encode_reply(&Reply::new(ReplyCode::SERVICE_CLOSING, why), out);
    Reading::Nothing
}

#[cfg(test)]
mod tests;
