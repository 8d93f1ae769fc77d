//! Decisions of the server, the replies that follow from them, and the end of a session.
use std::{mem, sync::Arc};

use smtp_codec::{Command, Dialect, HelloName, LineFramer, Rcpt, encode_reply};
use smtp_error::{EnhancedCode, Reply, ReplyCode};

use super::{Framing, Notice, Question, ServerSession, State, commands::Excess};
use crate::{
    Abandoned, Accept, Closing, Decision, Hello, Refuse, TlsFacts,
    transaction::{Transaction, wants_each},
};

impl ServerSession {
    /// Accepts what the last event asks about, with the usual reply.
    pub fn accept(&mut self) {
        self.decide(Ok(Accept::usual()));
    }

    /// Decides what the last event asks about. It does nothing if that asks nothing.
    ///
    /// The greeting, and the replies to EHLO and HELO, are always those of the settings if they are
    /// not refusals. Where the content of a message begins, the reply to DATA is always 354.
    pub fn decide(&mut self, decision: Decision) {
        let Some(question) = self.question.take() else { return };
        match question {
            Question::Connected => self.decide_connection(decision),
            Question::Hello(hello) => self.decide_hello(hello, decision),
            Question::Auth => self.decide_login(decision),
            Question::Mail(mail) => {
                if self.answer(decision, ReplyCode::OK, "2.1.0 Ok") {
                    self.sequence.accepted(&Command::Mail(mail.borrowed()));
                    self.tally.mail();
                    self.excess = None;
                    self.transaction = Some(Transaction::new(mail));
                } else {
                    self.idle_command();
                }
            }
            Question::Rcpt(rcpt) => self.decide_rcpt(rcpt, decision),
            Question::Message(framing) => self.decide_message(framing, decision),
            Question::End(_) => self.finish(&[decision]),
            Question::Verify(_) => {
                self.answer(decision, ReplyCode::CANNOT_VERIFY, "2.1.5 Send mail to find out");
            }
            Question::Expand(_) => self.answer_or(decision, &super::commands::not_implemented()),
            Question::Help(_) => {
                self.answer(decision, ReplyCode::HELP, HELP);
            }
            Question::Etrn(_) => {
                // RFC 1985, 5.2.
                let unable = Reply::new(UNABLE_TO_QUEUE, "4.5.0 Unable to queue messages");
                self.answer_or(decision, &unable);
            }
            Question::Xclient(attributes, client) => match decision {
                Ok(_) => {
                    self.sequence.accepted(&Command::Xclient(attributes.borrowed()));
                    if client.login().is_some() {
                        self.sequence.accepted(&super::login::authenticated());
                    }
                    self.client = Arc::new(*client);
                    self.state = State::Greeting;
                }
                Err(refuse) => self.send(refuse.reply()),
            },
            Question::Xforward(_) => {
                self.answer(decision, ReplyCode::OK, "2.0.0 Ok");
            }
            Question::Other(..) => match decision {
                Ok(accept) if accept.reply().is_none() => {
                    let text = "5.5.1 Command not recognized";
                    self.mistake(&Reply::new(ReplyCode::UNRECOGNIZED, text));
                }
                decision => self.answer_or(decision, &super::commands::not_implemented()),
            },
        }
    }

    /// Decides about each recipient at the [end](crate::Event::End) of a message, in the order of the
    /// envelope. In LMTP and with PRDR the client learns each decision.
    ///
    /// Otherwise there is one reply for all (RFC 5321, 4.2.5): the message is accepted if all
    /// recipients are; it is refused with the first reply if all are refused; and it is refused for
    /// now if some are, which makes the client send it again to all of them. The same happens if the
    /// number of decisions is not that of the recipients.
    pub fn decide_each(&mut self, decisions: Vec<Decision>) {
        if !matches!(self.question, Some(Question::End(_))) {
            return;
        }
        self.question = None;
        let recipients = self.rcpts().len();
        if decisions.len() != recipients {
            return self.finish(&[Err(Refuse::for_now())]);
        }
        if self.decisions() == recipients {
            return self.finish(&decisions);
        }
        let refused = decisions.iter().filter(|decision| decision.is_err()).count();
        let first = decisions.into_iter().find(|decision| decision.is_err() == (refused > 0));
        match first {
            Some(decision) if refused == 0 || refused == recipients => self.finish(&[decision]),
            _ => self.finish(&[Err(Refuse::for_now())]),
        }
    }

    /// Continues inside TLS. Everything that the client sent before is forgotten (RFC 3207, 4.2). It
    /// does nothing if the session does not wait for a handshake.
    pub fn tls_started(&mut self, facts: TlsFacts) {
        let State::Handshake { greeted } = self.state else { return };
        self.reset();
        self.overlong = None;
        self.sequence.accepted(&Command::StartTls);
        Arc::make_mut(&mut self.client).secured(facts);
        self.framer = LineFramer::new(self.settings.line_limit);
        self.state = if greeted { State::Commands } else { State::Greeting };
    }

    /// Ends the session because the client was silent for too long (RFC 5321, 4.5.3.2).
    pub fn timed_out(&mut self) {
        match self.state {
            // Before the greeting, and in a handshake, no reply would be understood.
            State::ProxyHeader(_) | State::Handshake { .. } => self.end(Closing::TimedOut),
            _ => self.close(Closing::TimedOut, "4.4.2 Idle for too long"),
        }
    }

    /// Ends the session because the client closed the connection, or it failed.
    pub fn disconnected(&mut self) {
        self.end(Closing::Disconnected);
    }

    /// Ends the session with 421 as soon as no message is on its way.
    pub fn shut_down(&mut self) {
        self.shutting_down = true;
        if matches!(self.state, State::ProxyHeader(_) | State::Handshake { .. }) {
            self.end(Closing::ShuttingDown);
        }
    }

    /// Decides what the driver did not.
    pub(super) fn decide_as_usual(&mut self) {
        match self.question {
            Some(Question::Auth) => self.decide(Err(Refuse::no_login())),
            Some(
                Question::Mail(_) | Question::Rcpt(_) | Question::Message(_) | Question::End(_),
            ) => self.decide(Err(Refuse::for_now())),
            _ => self.accept(),
        }
    }

    fn decide_connection(&mut self, decision: Decision) {
        match decision {
            Ok(_) => {
                let settings = Arc::clone(&self.settings);
                self.state = State::Commands;
                self.send(&settings.greeting);
            }
            Err(refuse) => {
                let code = refuse.reply().code();
                encode_reply(refuse.reply(), &mut self.output);
                if refuse.reply().is_transient() || code == ReplyCode::NO_MAIL_HOST {
                    self.end(Closing::Refused);
                } else {
                    self.turned_away = true;
                    self.state = State::Commands;
                }
            }
        }
    }

    fn decide_hello(&mut self, hello: Hello, decision: Decision) {
        if let Err(refuse) = decision {
            return self.send(refuse.reply());
        }
        self.reset();
        let name: HelloName<&str> = hello.name().borrowed();
        self.sequence.accepted(&Command::Ehlo(name));
        let reply = if hello.is_extended() {
            self.settings.hello(&self.client)
        } else {
            self.settings.helo.clone()
        };
        Arc::make_mut(&mut self.client).greeted(hello);
        self.send(&reply);
    }

    fn decide_rcpt(&mut self, rcpt: Rcpt, decision: Decision) {
        if !self.answer(decision, ReplyCode::OK, "2.1.5 Ok") {
            if self.tally.refused_recipient() {
                self.close(Closing::TooManyErrors, "4.7.0 Too many recipients were refused");
            }
            return;
        }
        self.tally.accepted_recipient();
        self.sequence.accepted(&Command::Rcpt(rcpt.borrowed()));
        let limits = self.settings.capabilities(&self.client).limits();
        if limits.rcpt_domain_max().is_some() {
            self.domains.add(rcpt.path());
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.add(rcpt);
        }
    }

    fn decide_message(&mut self, framing: Framing, decision: Decision) {
        let mut content = self.new_content(framing);
        match (framing, decision) {
            (Framing::Text, Err(refuse)) => {
                self.send(refuse.reply());
                return self.end_transaction();
            }
            (Framing::Text, Ok(_)) => {
                self.sequence.accepted(&Command::Data);
                self.reply(ReplyCode::START_MAIL_DATA, "Send the message, and end it with a dot");
            }
            (Framing::Chunk(size, last), decision) => {
                if let Err(refuse) = decision {
                    content.refuse(refuse);
                }
                self.notice = content.announce(size, last).map(Notice::Abandoned);
                self.sequence.accepted(&Command::Bdat { size, last });
            }
        }
        self.content = Some(Box::new(content));
        if !matches!(self.state, State::Closed(_)) {
            self.state = State::Content;
        }
    }

    /// Replies to a chunk that is not the last.
    pub(super) fn end_of_chunk(&mut self) {
        let Some(content) = self.content.take() else { return };
        self.state = State::Commands;
        match content.refusal() {
            None => {
                self.content = Some(content);
                self.reply(ReplyCode::OK, "2.0.0 Chunk received");
            }
            Some(refusal) if self.envelope.is_some() => {
                let octets_left = self.settings.policy.bounds.dropped_octets;
                let final_replies = self.final_replies(1);
                self.send(refusal.reply());
                self.end_transaction();
                self.excess = Some(Excess { octets_left, is_last: false, final_replies });
            }
            // The chunk belongs to no message.
            Some(refusal) => match self.excess {
                Some(excess) if excess.is_last => {
                    self.excess = None;
                    (0..excess.final_replies).for_each(|_| self.send(refusal.reply()));
                }
                Some(_) => self.send(refusal.reply()),
                None => self.mistake(refusal.reply()),
            },
        }
    }

    /// Returns the number of final replies that may differ.
    pub(super) fn decisions(&self) -> usize {
        let each = self.settings.dialect() == Dialect::Lmtp || self.mail().is_some_and(wants_each);
        if each { self.rcpts().len() } else { 1 }
    }

    /// Returns the number of replies to the end of a message: of the recipients in LMTP, and these
    /// otherwise.
    fn final_replies(&self, otherwise: usize) -> usize {
        match self.settings.dialect() {
            Dialect::Lmtp => self.rcpts().len(),
            Dialect::Smtp => otherwise,
        }
    }

    /// Replies to a message that is complete, and ends the transaction. There is one decision, or
    /// one for each final reply.
    pub(super) fn finish(&mut self, decisions: &[Decision]) {
        let accepted = decisions.iter().any(Result::is_ok);
        let lmtp = self.settings.dialect() == Dialect::Lmtp;
        let replies = self.final_replies(decisions.len());
        self.state = State::Commands;
        self.end_transaction();
        if accepted {
            self.tally.accepted_message();
        }
        let several = !lmtp && replies > 1;
        if several {
            self.reply(ReplyCode::EACH_RECIPIENT, "A reply for each recipient follows");
        }
        for decision in decisions.iter().cycle().take(replies) {
            self.final_reply(decision);
        }
        if several {
            // The reply for the message: it was accepted for those whose replies say so.
            let all =
                decisions.iter().find(|decision| decision.is_ok()).or_else(|| decisions.first());
            if let Some(decision) = all {
                self.final_reply(decision);
            }
        }
    }

    fn final_reply(&mut self, decision: &Decision) {
        match decision {
            Ok(accept) => match accept.reply() {
                Some(reply) => encode_reply(reply, &mut self.output),
                None => self.reply(ReplyCode::OK, "2.0.0 Message accepted"),
            },
            Err(refuse) => self.send(refuse.reply()),
        }
    }

    /// Forgets the open transaction, and tells that.
    pub(super) fn reset(&mut self) {
        if self.mail().is_some() {
            self.notice = Some(match self.is_incomplete() {
                true => Notice::Abandoned(Abandoned::Reset),
                false => Notice::Reset,
            });
        }
        self.end_transaction();
        self.excess = None;
        self.sequence.accepted(&Command::Rset);
    }

    fn end_transaction(&mut self) {
        self.transaction = None;
        self.envelope = None;
        self.content = None;
        self.sequence.end_of_text();
    }

    /// Returns whether a handler has a message whose end it has not seen.
    fn is_incomplete(&self) -> bool {
        self.envelope.is_some()
            && !matches!(self.question, Some(Question::End(_)))
            && self.content.as_ref().is_some_and(|content| content.refusal().is_none())
    }

    /// Sends the reply of an acceptance, or of a refusal. Returns whether it was accepted.
    fn answer(&mut self, decision: Decision, code: ReplyCode, usual: &str) -> bool {
        let accepted = decision.is_ok();
        self.answer_or(decision, &Reply::new(code, usual));
        accepted
    }

    fn answer_or(&mut self, decision: Decision, usual: &Reply) {
        match &decision {
            Ok(accept) => self.send(accept.reply().unwrap_or(usual)),
            Err(refuse) => self.send(refuse.reply()),
        }
    }

    pub(super) fn reply(&mut self, code: ReplyCode, text: &str) {
        debug_assert!(
            code.get() / 100 == 3 || EnhancedCode::at_start_of(code, text.as_bytes()).is_some(),
            "{code} {text} has an enhanced status code"
        );
        self.send(&Reply::new(code, text));
    }

    /// Sends a reply. After 421 the session ends.
    pub(super) fn send(&mut self, reply: &Reply) {
        encode_reply(reply, &mut self.output);
        if reply.code() == ReplyCode::SERVICE_CLOSING {
            self.end(Closing::Refused);
        }
    }

    /// Sends the reply to a protocol error, or 421 if there were too many.
    pub(super) fn mistake(&mut self, reply: &Reply) {
        if self.tally.mistake() {
            self.close(Closing::TooManyErrors, "4.7.0 Too many errors");
        } else {
            self.send(reply);
        }
    }

    /// Ends the session with 421, unless it has ended.
    pub(super) fn close(&mut self, why: Closing, text: &str) {
        if matches!(self.state, State::Closed(_)) {
            return;
        }
        encode_reply(&Reply::new(ReplyCode::SERVICE_CLOSING, text), &mut self.output);
        self.end(why);
    }

    /// Ends the session. The first reason stands.
    pub(super) fn end(&mut self, why: Closing) {
        if matches!(self.state, State::Closed(_)) {
            return;
        }
        if self.is_incomplete() {
            self.notice = Some(Notice::Abandoned(Abandoned::Disconnected));
        }
        self.question = None;
        self.end_transaction();
        drop(mem::replace(&mut self.state, State::Closed(why)));
    }
}

/// Unable to queue messages for the node (RFC 1985, 5.2).
const UNABLE_TO_QUEUE: ReplyCode = ReplyCode::new(458).expect("it is a reply code");

const HELP: &str = "2.0.0 The reply to EHLO has what this server offers; see RFC 5321";
