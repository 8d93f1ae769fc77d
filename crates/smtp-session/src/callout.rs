//! Callouts: a mail transaction without content, which asks a server for recipients and delivers
//! nothing.
use std::{convert::Infallible, fmt, mem, sync::Arc};

use smtp_caps::{Framing, Plan};
use smtp_codec::{Command, ContentFacts};
use smtp_error::{Ended, Error, ErrorKind, ForwardPaths, Reply, ReplyCode, Step};

use super::{
    EnvelopeRef, Excess, Operation, Sending, Session,
    operation::Protocol,
    replies::{PendingReply, refused},
};

/// MAIL and RCPT without a content: asks which recipients the server would accept (RFC 5321, 3.3),
/// which servers answer more truthfully than VRFY.
///
/// No content is sent, so nothing is delivered; that a recipient is accepted does not promise that a
/// message to it is. The transaction stays open: the next message begins with RSET, and QUIT ends it.
#[derive(Debug)]
pub struct Callout<'a> {
    envelope: EnvelopeRef<'a>,
    end: CalloutEnd,
    sending: Sending,
    /// There is one once the first command is due.
    plan: Option<Plan>,
    next: NextCommand,
    number: u64,
    mail: Option<Reply>,
    rcpts: Vec<Option<Reply>>,
    data: Option<Reply>,
}

/// The command after which a [`Callout`] ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CalloutEnd {
    /// MAIL. No recipient is named.
    Mail,
    /// The last RCPT.
    #[default]
    Rcpt,
    /// DATA, if a recipient was accepted. 354 ends the session: the server waits for a content, and
    /// closing the connection is the one answer that delivers nothing.
    Data,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextCommand {
    Begin,
    Reset,
    Mail,
    Rcpt(usize),
    Data,
    Nothing,
}

/// The replies to a [`Callout`].
#[derive(Clone)]
pub struct CalloutReplies {
    mail: Reply,
    paths: Arc<dyn ForwardPaths>,
    rcpts: Vec<Option<Reply>>,
    data: Option<Reply>,
}

impl CalloutReplies {
    /// Returns the reply to MAIL.
    pub fn mail(&self) -> &Reply {
        &self.mail
    }

    /// Returns each forward-path with the reply to its RCPT, in the order of the envelope. There is
    /// no reply where MAIL was refused, or where the callout ended before RCPT.
    pub fn recipients(&self) -> impl ExactSizeIterator<Item = (&str, Option<&Reply>)> + Clone {
        self.rcpts.iter().enumerate().map(|(index, reply)| {
            (self.paths.forward_path(index).unwrap_or_default(), reply.as_ref())
        })
    }

    /// Returns the reply to DATA, if it was sent.
    pub fn data(&self) -> Option<&Reply> {
        self.data.as_ref()
    }
}

impl fmt::Debug for CalloutReplies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalloutReplies")
            .field("mail", &self.mail)
            .field("recipients", &self.recipients().collect::<Vec<_>>())
            .field("data", &self.data)
            .finish()
    }
}

impl<'a> Callout<'a> {
    /// Returns a callout for the recipients of this envelope, borrowed, shared or owned.
    pub fn new(envelope: impl Into<EnvelopeRef<'a>>) -> Self {
        let envelope = envelope.into();
        let rcpts = vec![None; envelope.rcpts().len()];
        Self {
            envelope,
            end: CalloutEnd::default(),
            sending: Sending::default(),
            plan: None,
            next: NextCommand::Begin,
            number: 0,
            mail: None,
            rcpts,
            data: None,
        }
    }

    /// Sets the command after which it ends.
    #[must_use]
    pub fn end(mut self, end: CalloutEnd) -> Self {
        self.end = end;
        self
    }

    /// Sets how messages are sent; the limits of recipients count, and pipelining.
    #[must_use]
    pub fn sending(mut self, sending: Sending) -> Self {
        // Recipients over the limit would need another transaction, and there is no content.
        self.sending = Sending { framing: Framing::Data, excess: Excess::default(), ..sending };
        self
    }

    /// Holds the envelope against what the server offers, before anything is written.
    fn begin(&mut self, session: &mut Session) -> Result<NextCommand, ErrorKind> {
        self.number = session.mail.next_number();
        let plan = self.sending.plan(session, &self.envelope, ContentFacts::default())?;
        session.mail.admit_transaction(&session.capabilities)?;
        self.plan = Some(plan);
        Ok(if session.mail.is_open() { NextCommand::Reset } else { NextCommand::Mail })
    }

    /// Returns whether the next command may be written although replies are pending.
    fn may_run_ahead(&self, session: &Session) -> bool {
        let pipelined = self.plan.as_ref().is_some_and(Plan::is_pipelined);
        pipelined && session.output.has_room_for_commands() && self.next != NextCommand::Data
    }

    fn expect(&self, session: &mut Session, reply: PendingReply) {
        session.expect(PendingReply { number: self.number, ..reply });
    }

    /// Writes the next command, and returns the one after it.
    fn write_command(&self, session: &mut Session) -> Result<NextCommand, ErrorKind> {
        let Some(plan) = &self.plan else { return Ok(NextCommand::Nothing) };
        Ok(match self.next {
            NextCommand::Reset => {
                session.write(Command::Rset, Command::MAX_LINE)?;
                self.expect(session, PendingReply::new(Step::Reset));
                NextCommand::Mail
            }
            NextCommand::Mail => {
                session.write_mail(plan.mail(), self.number)?;
                self.expect(session, PendingReply::new(Step::Mail));
                if self.end == CalloutEnd::Mail {
                    NextCommand::Nothing
                } else {
                    NextCommand::Rcpt(0)
                }
            }
            NextCommand::Rcpt(recipient) => match self.envelope.rcpts().get(recipient) {
                Some(rcpt) => {
                    session.write_rcpt(rcpt)?;
                    let reply = PendingReply { recipient, ..PendingReply::new(Step::Rcpt) };
                    self.expect(session, reply);
                    NextCommand::Rcpt(recipient + 1)
                }
                None if self.end == CalloutEnd::Data => NextCommand::Data,
                None => NextCommand::Nothing,
            },
            NextCommand::Data => {
                let accepted =
                    |reply: &Option<Reply>| reply.as_ref().is_some_and(Reply::is_completion);
                if self.rcpts.iter().any(accepted) {
                    session.write(Command::Data, Command::MAX_LINE)?;
                    self.expect(session, PendingReply::new(Step::Data));
                }
                NextCommand::Nothing
            }
            other => other,
        })
    }
}

impl Protocol for Callout<'_> {
    fn current_step(&self) -> Step {
        match self.next {
            NextCommand::Reset => Step::Reset,
            NextCommand::Begin | NextCommand::Mail => Step::Mail,
            NextCommand::Rcpt(_) => Step::Rcpt,
            NextCommand::Data | NextCommand::Nothing => Step::Data,
        }
    }

    fn write_commands(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        loop {
            self.next = match self.next {
                NextCommand::Nothing => return Ok(()),
                NextCommand::Begin => self.begin(session)?,
                _ if !session.replies.none_pending() && !self.may_run_ahead(session) => {
                    return Ok(());
                }
                _ => self.write_command(session)?,
            };
        }
    }

    fn handle_reply(
        &mut self,
        session: &mut Session,
        pending: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        if reply.code() == ReplyCode::SERVICE_CLOSING {
            return Err(refused(reply));
        }
        let is_refusal = reply.is_transient() || reply.is_permanent();
        match pending.step {
            Step::Reset if is_refusal => return Err(session.not_reset(reply)),
            Step::Mail if is_refusal && session.is_out_of_sequence(&reply) => {
                return Err(session.out_of_sequence(reply));
            }
            Step::Mail => {
                if is_refusal {
                    session.mail.close(self.number);
                    // Those that are written already have replies that mean nothing.
                    self.next = NextCommand::Nothing;
                } else {
                    session.mail.accept();
                }
                self.mail = Some(reply);
            }
            Step::Rcpt => {
                let accepted = self.mail.as_ref().is_some_and(Reply::is_completion);
                self.rcpts[pending.recipient] = accepted.then_some(reply);
            }
            Step::Data => {
                if !is_refusal {
                    session.end(Ended::Failed { step: Step::Data });
                }
                self.data = Some(reply);
            }
            _ => {}
        }
        Ok(())
    }

    fn is_done(&self, session: &Session) -> bool {
        self.next == NextCommand::Nothing && session.replies.none_pending()
    }
}

impl Operation for Callout<'_> {
    type Answer = CalloutReplies;

    type Request = Infallible;

    fn answer(&mut self, _: &Session) -> Result<CalloutReplies, Error> {
        let unanswered = || Error::new(Step::Mail, Ended::Failed { step: Step::Mail });
        Ok(CalloutReplies {
            mail: self.mail.take().ok_or_else(unanswered)?,
            paths: self.envelope.forward_paths(),
            rcpts: mem::take(&mut self.rcpts),
            data: self.data.take(),
        })
    }
}
