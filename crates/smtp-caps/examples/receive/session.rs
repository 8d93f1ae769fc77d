//! The server's side of a session: what each command, and each text, is answered with.
use smtp_codec::{
    BareLineEnds, Command, Line, LineEnd, Mail, Rcpt, Sequence, Unstuffer, Verb, encode_reply,
};
use smtp_error::{Reply, ReplyCode};

use crate::{Server, connection::Reading, envelope::Envelope, message::Message, offer};

/// A client that made so many mistakes between two messages is asked to leave.
const MAX_MISTAKES: usize = 20;

/// What is done here. Which of it is legal when is up to the [`Sequence`].
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
    /// EHLO, HELO or LHLO, as it was given last.
    hello: String,
    envelope: Envelope,
    /// The message of which chunks have come, between two of them.
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

    /// The same, with a server that has no time.
    pub(crate) fn busy(self) -> Self {
        Self { busy: true, ..self }
    }

    /// The longest command line.
    pub(crate) fn line_limit(&self) -> usize {
        self.server.offer.line_limit()
    }

    /// Speaks first.
    pub(crate) fn greet(&self, out: &mut Vec<u8>) -> Reading {
        if self.busy {
            return leave("4.3.2 Too many connections", out);
        }
        encode_reply(&self.server.offer.greeting(), out);
        Reading::Commands
    }

    /// Answers a command line.
    pub(crate) fn line(&mut self, line: Line<'_>, out: &mut Vec<u8>) -> Reading {
        if line.end != LineEnd::CrLf {
            // Somebody may see other commands in this than others do: no more of it.
            self.say(ReplyCode::UNRECOGNIZED, "5.5.2 A line ends with CRLF", out);
            return Reading::Nothing;
        }
        match Command::decode(line.content, self.server.offer.tolerated()) {
            Ok(decoded) => self.command(&decoded.command, out),
            Err(error) => {
                let reading = self.answer(&error.reply(), out);
                // A chunk follows, and where it ends is not known.
                if error.loses_sync() { Reading::Nothing } else { reading }
            }
        }
    }

    /// Answers a line that is too long; it is dropped.
    pub(crate) fn line_too_long(&mut self, out: &mut Vec<u8>) -> Reading {
        self.say(ReplyCode::UNRECOGNIZED, "5.5.2 Line too long", out)
    }

    /// Ends a session in which nothing happens.
    pub(crate) fn time_out(&self, out: &mut Vec<u8>) -> Reading {
        leave("4.4.2 Idle for too long", out)
    }

    fn command(&mut self, command: &Command<'_>, out: &mut Vec<u8>) -> Reading {
        if command.verb().is_some_and(|verb| !SERVED.contains(&verb)) {
            return self.say(ReplyCode::NOT_IMPLEMENTED, "5.5.1 Not implemented", out);
        }
        let legal = self.sequence.check(command);
        if let Command::Bdat { size, last } = *command {
            return self.bdat(legal, size, last);
        }
        if let Err(reply) = legal {
            return self.answer(&reply, out);
        }
        match command {
            Command::Ehlo(_) | Command::Lhlo(_) => {
                self.greeted(command);
                let server = self.server;
                self.answer(server.offer.hello(), out)
            }
            Command::Helo(_) => {
                self.greeted(command);
                self.say(ReplyCode::OK, offer::NAME, out)
            }
            Command::Mail(mail) => self.mail(command, mail, out),
            Command::Rcpt(rcpt) => self.rcpt(command, rcpt, out),
            Command::Data => self.data(out),
            Command::Rset => {
                self.forget();
                self.say(ReplyCode::OK, "2.0.0 Forgotten", out)
            }
            Command::Noop(_) => self.say(ReplyCode::OK, "2.0.0 Ok", out),
            Command::Vrfy { .. } => {
                self.say(ReplyCode::CANNOT_VERIFY, "2.1.5 Send mail to find out", out)
            }
            Command::Help(_) => {
                let verbs: Vec<_> = SERVED.iter().map(|verb| verb.as_str()).collect();
                self.say(ReplyCode::HELP, &format!("2.0.0 {}", verbs.join(" ")), out)
            }
            Command::Quit => {
                self.say(ReplyCode::CLOSING, "2.0.0 Bye", out);
                Reading::Nothing
            }
            _ => self.say(ReplyCode::NOT_IMPLEMENTED, "5.5.1 Not implemented", out),
        }
    }

    fn greeted(&mut self, command: &Command<'_>) {
        self.forget();
        self.sequence.accepted(command);
        self.hello = command.to_string();
    }

    fn mail(&mut self, command: &Command<'_>, mail: &Mail<&str>, out: &mut Vec<u8>) -> Reading {
        if let Err(reply) = self.server.offer.admit(mail) {
            return self.answer(&reply, out);
        }
        self.forget();
        self.sequence.accepted(command);
        self.envelope = Envelope::new(&self.hello, mail);
        self.say(ReplyCode::OK, "2.1.0 Ok", out)
    }

    fn rcpt(&mut self, command: &Command<'_>, rcpt: &Rcpt<&str>, out: &mut Vec<u8>) -> Reading {
        if let Err(reply) = self.server.offer.admit_rcpt(rcpt, &self.envelope) {
            return self.answer(&reply, out);
        }
        self.sequence.accepted(command);
        self.envelope.push(rcpt);
        self.say(ReplyCode::OK, "2.1.5 Ok", out)
    }

    fn data(&mut self, out: &mut Vec<u8>) -> Reading {
        let message = Box::new(self.begin());
        if let Some(reply) = message.refusal() {
            return self.answer(reply, out);
        }
        self.sequence.accepted(&Command::Data);
        self.say(ReplyCode::START_MAIL_DATA, "Go ahead, and end with a dot", out);
        Reading::Text { unstuffer: Box::new(Unstuffer::new(BareLineEnds::Keep)), message }
    }

    /// A chunk comes in any case. It is dropped if it is not `legal`, or if a part before it was
    /// refused, which ends the transaction.
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

    /// Answers a chunk.
    pub(crate) fn end_of_chunk(
        &mut self,
        mut message: Box<Message>,
        last: bool,
        out: &mut Vec<u8>,
    ) -> Reading {
        message.judge_chunks(last);
        if last {
            return self.end_of_message(*message, out);
        }
        let Some(refusal) = message.refusal() else {
            self.message = Some(message);
            return self.say(ReplyCode::OK, "2.0.0 Go on", out);
        };
        // The recipients stay: LMTP owes each of them a reply to the last chunk, whatever it is.
        self.sequence.end_of_text();
        self.answer(refusal, out)
    }

    /// Keeps the message, unless it was refused, and says so: once, or to each recipient.
    pub(crate) fn end_of_message(&mut self, message: Message, out: &mut Vec<u8>) -> Reading {
        let kept = message.keep(self.envelope.as_str());
        let count = if self.server.offer.is_lmtp() { self.envelope.rcpts() } else { 1 };
        self.forget();
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
        if count == 0 { Reading::Commands } else { self.answer(&reply, out) }
    }

    fn begin(&self) -> Message {
        Message::new(&self.server.spool, self.server.offer.size_limit())
    }

    /// No transaction is open any more.
    fn forget(&mut self) {
        self.sequence.accepted(&Command::Rset);
        self.envelope = Envelope::default();
        self.message = None;
    }

    fn say(&mut self, code: ReplyCode, text: &str, out: &mut Vec<u8>) -> Reading {
        self.answer(&Reply::new(code, text), out)
    }

    /// Writes a reply, or the last one if there were too many mistakes: what the protocol does not
    /// allow, not what this server does not want.
    fn answer(&mut self, reply: &Reply, out: &mut Vec<u8>) -> Reading {
        let code = reply.code();
        let is_mistake = code >= ReplyCode::UNRECOGNIZED
            && code <= ReplyCode::PARAMETER_NOT_IMPLEMENTED
            || code == ReplyCode::PARAMETERS_UNRECOGNIZED;
        self.mistakes += usize::from(is_mistake);
        if self.mistakes > MAX_MISTAKES {
            return leave("4.7.0 Too many errors", out);
        }
        encode_reply(reply, out);
        Reading::Commands
    }
}

/// The reply that ends a session from this side.
fn leave(why: &str, out: &mut Vec<u8>) -> Reading {
    encode_reply(&Reply::new(ReplyCode::SERVICE_CLOSING, why), out);
    Reading::Nothing
}

#[cfg(test)]
mod tests;
