//! The session: what lasts from one operation to the next.
use std::{fmt, sync::Arc};

use smtp_caps::Capabilities;
use smtp_codec::{Command, Deviations, Dialect, HelloName, Mail, Rcpt, ReplyLimits};
use smtp_error::{
    Delivery, Ended, Error, ErrorKind, Extension, KnownVerdicts, Misbehaved, Peer, Reply,
    ReplyCode, Step, Verdict,
};

use crate::{
    ActiveOperation, Event, Observer, Operation, Output,
    mail_state::MailState,
    protection::Protection,
    redaction::without_challenge,
    replies::{PendingReply, Replies, Surplus, refused},
};

/// A change that a caller makes to what a server offers, before any operation relies on it.
pub type Adjustment = dyn Fn(Capabilities) -> Capabilities + Send + Sync;

/// What lasts from one operation to the next.
pub struct Session {
    /// The server, for errors.
    server: Option<Arc<Peer>>,
    pub(crate) dialect: Dialect,
    pub(crate) hello_name: HelloName,
    pub(crate) greeting: Option<Reply>,
    pub(crate) capabilities: Capabilities,
    /// Whether the server refused EHLO and accepted HELO.
    pub(crate) uses_helo: bool,
    pub(crate) protection: Protection,
    pub(crate) mail: MailState,
    pub(crate) replies: Replies,
    pub(crate) output: Output,
    /// How often something was changed that affects the next message.
    pub(crate) changes: u32,
    ended: Option<Ended>,
    canceled: Vec<KnownVerdicts>,
    observer: Option<Arc<dyn Observer>>,
    adjustment: Option<Arc<Adjustment>>,
    /// The code of the last reply to the operation under way.
    last_code: Option<ReplyCode>,
}

impl Default for Session {
    fn default() -> Self {
        Self::new(Dialect::Smtp, HelloName::localhost(), ReplyLimits::default())
    }
}

impl Session {
    /// Returns a session in which nothing was sent or received.
    pub fn new(dialect: Dialect, hello_name: HelloName, limits: ReplyLimits) -> Self {
        Self {
            server: None,
            dialect,
            hello_name,
            greeting: None,
            capabilities: Capabilities::none(),
            uses_helo: false,
            protection: Protection::default(),
            mail: MailState::default(),
            replies: Replies::new(limits),
            output: Output::default(),
            changes: 0,
            ended: None,
            canceled: Vec::new(),
            observer: None,
            adjustment: None,
            last_code: None,
        }
    }

    /// Lets `observer` see every command, reply and content from now on.
    pub fn observe(&mut self, observer: Arc<dyn Observer>) {
        self.observer = Some(observer);
    }

    /// Passes the capabilities of every reply to EHLO or LHLO through `adjustment` from now on: also
    /// after STARTTLS and XCLIENT, and those that are [anticipated](Self::anticipate). What it
    /// returns is what the server is taken to offer; the [channel](Capabilities::channel) stays the
    /// true one. After HELO a server offers nothing, and nothing is adjusted.
    pub fn adjust_capabilities(&mut self, adjustment: Arc<Adjustment>) {
        self.adjustment = Some(adjustment);
    }

    /// Sets the server that errors name.
    pub fn set_server(&mut self, server: Arc<Peer>) {
        self.server = Some(server);
    }

    /// Returns the error with the name of the server, if that is known and the error has none.
    pub fn name_server(&self, error: Error) -> Error {
        match &self.server {
            Some(server) => error.with_server(server),
            None => error,
        }
    }

    /// Returns the delivery with the name of the server, if that is known.
    pub(crate) fn name_server_of(&self, delivery: Delivery) -> Delivery {
        match &self.server {
            Some(server) => delivery.with_server(server),
            None => delivery,
        }
    }

    /// Starts an operation.
    ///
    /// # Errors
    /// As for [`check`](Self::check). Nothing is written then.
    pub fn run<O: Operation>(&mut self, operation: O) -> Result<ActiveOperation<'_, O>, Error> {
        self.check(operation.step())?;
        Ok(ActiveOperation::new(self, operation))
    }

    /// Checks that an operation can start with this step.
    ///
    /// # Errors
    /// The session has ended, or ends now because the server sent something that no command asked
    /// for. Were it ignored, it would be taken for the reply to the next command.
    pub fn check(&mut self, step: Step) -> Result<(), Error> {
        self.last_code = None;
        if self.ended.is_none() && self.replies.has_surplus() {
            self.end_for_surplus(step)?;
        }
        match &self.ended {
            Some(ended) => {
                let error = self.name_server(Error::new(step, ended.clone()));
                Err(match (ended, self.replies.last_octets()) {
                    (Ended::Closed, Some(octets)) => error.with_excerpt(octets.clone()),
                    _ => error,
                })
            }
            None => Ok(()),
        }
    }

    /// Takes octets that arrived while no operation was active.
    pub fn receive_idle(&mut self, octets: &[u8]) {
        self.replies.keep_surplus(octets);
    }

    /// Records that the server closed the connection while no operation was active.
    pub fn closed_idle(&mut self) {
        let received = self.replies.excerpt(&self.protection.redaction);
        let reason = match self.replies.take_surplus() {
            Ok(Some(reply)) if reply.code() == ReplyCode::SERVICE_CLOSING => {
                Ended::ServerClosing(self.protection.redaction.redact(reply))
            }
            _ => Ended::Closed,
        };
        self.replies.keep_last_octets(received);
        self.end(reason);
    }

    /// Returns the protocol that is spoken.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns the name for the next EHLO, HELO or LHLO.
    pub fn hello_name(&self) -> &HelloName {
        &self.hello_name
    }

    /// Changes the name for the next EHLO, HELO or LHLO.
    pub fn set_hello_name(&mut self, name: HelloName) {
        self.hello_name = name;
        self.changes += 1;
    }

    /// Returns the greeting of the server.
    pub fn greeting(&self) -> Option<&Reply> {
        self.greeting.as_ref()
    }

    /// Returns what the server offers: nothing before the first [`Hello`](crate::Hello), and after
    /// a fallback to HELO.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Removes or changes capabilities, until the next [`Hello`](crate::Hello) replaces them.
    pub fn set_capabilities(&mut self, capabilities: Capabilities) {
        self.capabilities = capabilities;
        self.changes += 1;
    }

    /// Returns a number that changes whenever something was changed that affects the next message:
    /// who the client is, for whom it sends, and what the server is taken to offer.
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// Returns the most recipients that the server accepts in a mail transaction, if it has refused
    /// further ones in this session: it answered 452 or X.5.3 to each RCPT after that number, or
    /// ended the session at RCPT. With [`Excess::Continue`](crate::Excess::Continue) no transaction
    /// has more of them.
    pub fn learned_rcpt_max(&self) -> Option<usize> {
        self.mail.rcpt_max()
    }

    /// Sets what another session with the same server has learned. A lower number that this one has
    /// learned stands; zero counts as one.
    pub fn learn_rcpt_max(&mut self, most: usize) {
        self.mail.learn_rcpt_max(most);
    }

    /// Returns why the session takes no further command, if it has ended.
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Returns what was unusual about the replies so far.
    pub fn deviations(&self) -> Deviations {
        self.replies.deviations()
    }

    /// Returns the code of the last reply to the operation that was started last.
    pub fn last_code(&self) -> Option<ReplyCode> {
        self.last_code
    }

    /// Returns each recipient with its verdict, if that was known when the sending of the message
    /// was [canceled](Ended::Canceled), in the order of the envelope; empty if no message was
    /// canceled. If several messages were under way, those of the first come first.
    pub fn canceled_verdicts(&self) -> impl Iterator<Item = (&str, Option<&Verdict>)> + Clone {
        self.canceled.iter().flat_map(KnownVerdicts::iter)
    }

    /// Returns what this reply to EHLO or LHLO offers, adjusted as the caller wants it.
    pub(crate) fn offered(&self, reply: Reply) -> Capabilities {
        let channel = self.protection.channel;
        let offered = Capabilities::from_reply(reply).with_channel(channel);
        match &self.adjustment {
            Some(adjust) => adjust(offered).with_channel(channel),
            None => offered,
        }
    }

    pub(crate) fn has(&self, extension: Extension) -> bool {
        self.capabilities.has(extension)
    }

    /// Ends the session, unless it has ended before: the first reason is the true one.
    pub(crate) fn end(&mut self, reason: Ended) {
        self.ended.get_or_insert(reason);
    }

    pub(crate) fn set_canceled(&mut self, verdicts: Vec<KnownVerdicts>) {
        self.canceled = verdicts;
    }

    /// Writes a command line of at most `limit` octets and expects a reply to it.
    pub(crate) fn command(
        &mut self,
        command: Command<'_>,
        limit: usize,
        reply: PendingReply,
    ) -> Result<(), ErrorKind> {
        self.write(command, limit)?;
        self.expect(reply);
        Ok(())
    }

    /// Writes a command line of at most `limit` octets, to which no reply is expected yet.
    pub(crate) fn write(&mut self, command: Command<'_>, limit: usize) -> Result<(), ErrorKind> {
        self.output.command(|line| command.encode(limit, line))?;
        if matches!(command, Command::Auth { .. } | Command::AuthResponse(_)) {
            self.output.keep_secret();
        }
        self.emit(Event::Sent(command));
        Ok(())
    }

    /// Writes MAIL: from here on a transaction of this number may be open on the server's side.
    pub(crate) fn write_mail(&mut self, mail: &Mail, number: u64) -> Result<(), ErrorKind> {
        self.write(Command::Mail(mail.borrowed()), self.capabilities.mail_line_limit())?;
        self.mail.open(number);
        Ok(())
    }

    /// Writes RCPT.
    pub(crate) fn write_rcpt(&mut self, rcpt: &Rcpt) -> Result<(), ErrorKind> {
        self.write(Command::Rcpt(rcpt.borrowed()), self.capabilities.rcpt_line_limit())
    }

    /// Expects a reply to what was written last.
    pub(crate) fn expect(&mut self, reply: PendingReply) {
        self.replies.expect(PendingReply { asked: self.output.end(), ..reply });
    }

    /// Writes RSET, to leave a mail transaction that may be open on the server's side.
    pub(crate) fn write_reset(&mut self) -> Result<(), ErrorKind> {
        self.command(Command::Rset, Command::MAX_LINE, PendingReply::new(Step::Reset))
    }

    /// Classifies a refusal of the RSET that precedes something else. A mail transaction may still
    /// be open, to which the next commands would be added: the session ends. A 421 ends it anyway.
    pub(crate) fn not_reset(&mut self, reply: Reply) -> ErrorKind {
        if reply.code() == ReplyCode::SERVICE_CLOSING {
            return refused(reply);
        }
        let ended = Ended::NotReset(reply);
        self.end(ended.clone());
        ended.into()
    }

    /// Returns whether a refusal of MAIL is about the session and not about the message: the server
    /// has accepted a MAIL before, and now wants a login or another command first.
    pub(crate) fn is_out_of_sequence(&self, reply: &Reply) -> bool {
        let codes = [ReplyCode::BAD_SEQUENCE, ReplyCode::AUTHENTICATION_REQUIRED];
        codes.contains(&reply.code()) && self.mail.has_accepted()
    }

    /// Classifies a refusal of MAIL that is about the session and not about the message: the session
    /// ends, because the server would refuse the next message for the same reason.
    pub(crate) fn out_of_sequence(&mut self, reply: Reply) -> ErrorKind {
        let ended = Ended::OutOfSequence(reply);
        self.end(ended.clone());
        ended.into()
    }

    /// Tells the observer that the stream to the server is open. The session itself needs no call.
    pub fn connected(&mut self) {
        self.emit(Event::Connected);
    }

    pub(crate) fn emit(&mut self, event: Event<'_>) {
        if let Event::Received(reply) = event {
            self.last_code = Some(reply.code());
        }
        tracing::trace!(target: "smtp_session", "{event}");
        if let Some(observer) = &self.observer {
            observer.event(event);
        }
    }

    /// Returns whether client and server are in step: nothing waits to be written and no reply is
    /// expected.
    pub(crate) fn is_in_step(&self) -> bool {
        self.output.is_empty() && self.replies.none_pending()
    }

    /// Drops what was to be written and the replies that are expected.
    pub(crate) fn forget(&mut self) {
        self.output.clear();
        self.replies.forget();
        if self.ended.is_some() {
            self.protection.redaction.clear();
        }
    }

    /// Returns an error of this kind at this step, which names the server. It has the octets that
    /// are not a whole reply, where they are all that is known of what the server sent.
    pub(crate) fn error(&self, step: Step, kind: impl Into<ErrorKind>) -> Error {
        let kind = kind.into();
        let is_about_octets = match &kind {
            ErrorKind::Broken(_) => true,
            ErrorKind::Misbehaved(misbehaved) => matches!(
                misbehaved,
                Misbehaved::Malformed(_)
                    | Misbehaved::PlaintextAfterStartTls
                    | Misbehaved::UnsolicitedOctets
            ),
            _ => false,
        };
        let error = self.name_server(Error::new(step, kind));
        if !is_about_octets {
            return error;
        }
        match self.replies.excerpt(&self.protection.redaction) {
            Some(octets) => error.with_excerpt(octets),
            None => error,
        }
    }

    /// Returns what arrived after the last expected reply, if that breaks the protocol.
    pub(crate) fn surplus(&self) -> Option<Surplus> {
        match self.ended {
            Some(Ended::ServerClosing(_)) => None,
            _ => self.replies.surplus(&self.protection.redaction),
        }
    }

    /// Ends the session because of octets that no command asked for.
    fn end_for_surplus(&mut self, step: Step) -> Result<(), Error> {
        let misbehaved = match self.replies.take_surplus() {
            Ok(Some(reply)) => {
                let reply = self.protection.redaction.redact(reply);
                let is_closing = reply.code() == ReplyCode::SERVICE_CLOSING;
                let reply = without_challenge(&reply).into_owned();
                self.emit(Event::Received(&reply));
                if is_closing {
                    self.end(Ended::ServerClosing(reply));
                    return Ok(());
                }
                Misbehaved::Unsolicited(reply)
            }
            Ok(None) => Misbehaved::UnsolicitedOctets,
            Err(malformed) => malformed.into(),
        };
        self.end(Ended::Failed { step });
        Err(self.error(step, misbehaved))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("dialect", &self.dialect)
            .field("hello_name", &self.hello_name)
            .field("capabilities", &self.capabilities)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
