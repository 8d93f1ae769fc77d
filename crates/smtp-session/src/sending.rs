//! How messages are sent, as far as the messages leave it open.
use smtp_caps::{EightBit, Envelope, Framing, Plan, RawHeaders};
use smtp_codec::{Body, ContentFacts};
use smtp_error::{ErrorKind, Field, Flaw, HeaderDefect, Invalid, Limited, Unsupported};

use crate::{Dialect, Session, header_check::HeaderRules};

/// How messages are sent, as far as envelope, text and server leave it open. A number of zero counts
/// as one.
///
/// ```
/// use smtp_session::{Excess, Sending};
///
/// let mut sending = Sending::default();
/// sending.excess = Excess::Continue;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sending {
    /// How texts travel: by default after DATA, whose reply 354 keeps client and server in step.
    /// A text that is binary, or that the server fetches parts of, always travels in chunks.
    /// [`Framing::Chunks`] is an error where CHUNKING is not offered. Chunks have no 354: if a
    /// server sends one reply too many before the text, and that reply arrives after the first
    /// chunk was written, it is taken for the reply to the text.
    pub framing: Framing,
    /// The largest chunk, in octets: by default 1 MiB.
    pub chunk: usize,
    /// When the first chunk of a text leaves: by default after the replies to the recipients.
    pub first_chunk: FirstChunk,
    /// The most recipients of one mail transaction. By default it is the number that the server
    /// states (RFC 9422), or else there is no limit; a lower one of the two counts. It is for a server
    /// that states nothing and ends the session (421) when there are more, which delivers to none of
    /// them.
    pub rcpt_max: Option<usize>,
    /// The treatment of recipients that are too many for one mail transaction.
    pub excess: Excess,
    /// The treatment of a message when some of its recipients are refused.
    pub partial: Partial,
    /// What is done with a header section that holds octets outside ASCII without SMTPUTF8: by
    /// default it is sent as 8-bit text. [`RawHeaders::Refuse`] makes it an error that names the
    /// header field, before anything is written. A text that comes from a reader or an iterator is
    /// looked at as it passes, and cut off at the field. SMTPUTF8 is not derived for such a text;
    /// [`Mail::smtputf8`](smtp_codec::Mail::smtputf8) declares it.
    pub raw_headers: RawHeaders,
    /// What is done with a text that holds octets outside ASCII where the server does not offer
    /// 8BITMIME: by default it is an error, before anything is written; a text that comes from a
    /// reader or an iterator is cut off at the octet. [`EightBit::Send`] is for a server that is
    /// known to keep such text unchanged. It is sent as it is, and not declared.
    pub eight_bit: EightBit,
    /// What is done with a header section that shows Bcc, and with mail data that has none: by
    /// default it is sent, and a warning is logged.
    pub header_defects: HeaderDefects,
    /// Whether a message of many is begun before the one before it is answered: by default not.
    pub ahead: Option<Ahead>,
}

impl Default for Sending {
    fn default() -> Self {
        Self {
            framing: Framing::default(),
            chunk: 1 << 20,
            first_chunk: FirstChunk::default(),
            rcpt_max: None,
            excess: Excess::default(),
            partial: Partial::default(),
            raw_headers: RawHeaders::default(),
            eight_bit: EightBit::default(),
            header_defects: HeaderDefects::default(),
            ahead: None,
        }
    }
}

impl Sending {
    /// Holds a message against what the server offers and accepts in this session.
    pub(crate) fn plan(
        &self,
        session: &mut Session,
        envelope: &Envelope,
        facts: ContentFacts,
    ) -> Result<Plan, ErrorKind> {
        let plan = Plan::new(&session.capabilities, envelope, facts, self.eight_bit)?;
        let plan = plan.with_raw_headers(self.raw_headers)?.with_framing(self.framing)?;
        if let Some(defect) = facts.header_defect {
            self.header_defects.apply(defect)?;
        }
        let (asked, limit) = (envelope.rcpts().len(), self.most_rcpts(&plan, session));
        if asked > limit && !self.has_further_rounds() {
            let (asked, limit) = (asked as u64, limit as u64);
            return Err(Unsupported::TooMany { what: Limited::Recipients, asked, limit }.into());
        }
        session.mail.admit_domains(&session.capabilities, envelope)?;
        Ok(plan)
    }

    /// Returns the most recipients of one transaction. What is only learned counts where the others
    /// get another transaction: it may be wrong, and must not refuse a message.
    pub(crate) fn most_rcpts(&self, plan: &Plan, session: &Session) -> usize {
        let stated = plan.rcpt_max().and_then(|most| usize::try_from(most).ok());
        let set = self.rcpt_max.map(|most| most.max(1));
        let learned = session.mail.rcpt_max().filter(|_| self.has_further_rounds());
        [stated, set, learned].into_iter().flatten().min().unwrap_or(usize::MAX)
    }

    /// Returns the size of the largest chunk.
    pub(crate) fn largest_chunk(&self) -> usize {
        self.chunk.max(1)
    }

    /// Returns what is looked for in a header section that was not checked beforehand.
    pub(crate) fn header_rules(&self, plan: &Plan) -> HeaderRules {
        HeaderRules {
            ascii_only: plan.refuses_raw_headers(self.raw_headers),
            defects: self.header_defects,
        }
    }

    /// Returns whether an octet outside ASCII is an error in a text that was not checked beforehand.
    pub(crate) fn is_seven_bit(&self, plan: &Plan) -> bool {
        match plan.mail().declared_body() {
            Some(body) => body == Body::SevenBit,
            None => self.eight_bit == EightBit::Refuse,
        }
    }

    /// Returns whether recipients that are too many for one transaction get another one.
    pub(crate) fn has_further_rounds(&self) -> bool {
        self.excess == Excess::Continue && self.partial == Partial::Deliver
    }

    /// Returns whether a content with this framing waits for the replies to the recipients, apart
    /// from the 354 that it always waits for after DATA. A chunk does, unless the caller knows that
    /// the server discards chunks that have no recipient.
    pub(crate) fn awaits_recipients(
        &self,
        framing: Framing,
        dialect: Dialect,
        facts: ContentFacts,
    ) -> bool {
        match framing {
            Framing::Data => self.partial == Partial::Withhold,
            Framing::Chunks => !self.leaves_with_commands(dialect, facts),
        }
    }

    /// Returns whether a content in chunks leaves with the commands: the caller wants that, it is
    /// one chunk, and one reply ends it whichever recipients are accepted.
    fn leaves_with_commands(&self, dialect: Dialect, facts: ContentFacts) -> bool {
        self.first_chunk == FirstChunk::WithCommands
            && self.partial == Partial::Deliver
            && dialect == Dialect::Smtp
            && !facts.fetched
            && !facts.unseen
            && facts.size.is_some_and(|size| size <= self.largest_chunk() as u64)
    }
}

/// When the first chunk of a text leaves, where texts travel in chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FirstChunk {
    /// When the server has replied to every RCPT and has accepted at least one recipient.
    #[default]
    AfterRecipients,
    /// Together with MAIL and RCPT, where the server offers PIPELINING and the text fits into one
    /// chunk. It saves a round trip for each message, and is for servers that are known to handle
    /// it, because nothing keeps client and server in step:
    ///
    /// - The server may execute the text. One that refuses every recipient and does not discard
    ///   the octets of the chunk reads them as commands. The author of the text can then send
    ///   mail in the client's name.
    /// - A surplus reply can look like an acceptance. MAIL, RCPT and BDAT are all answered with
    ///   250; after one 250 too many, the reply to a recipient stands where the reply to the text
    ///   is expected. The client notices if a further reply has arrived by then, or if the reply
    ///   has the enhanced status code of an address (X.1.Z); otherwise it cannot.
    /// - A refused message can end in doubt, if surplus replies arrive with the refusal and enough
    ///   of all replies are 2yz that the server may have accepted the message.
    ///
    /// With LMTP the first chunk never leaves early: the number of final replies is not known
    /// before the server has replied to every RCPT.
    WithCommands,
}

/// The treatment of recipients that are too many for one mail transaction: more than the server
/// states with LIMITS (RFC 9422), than [`Sending::rcpt_max`] allows, or than the server takes before
/// it answers 452 (RFC 5321, 4.5.3.1.10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Excess {
    /// Further transactions on the same connection take the rest, as long as each takes some. The
    /// number that the server has accepted before it refused more is the most for each further
    /// transaction of the session. A server that ends the session (421) when there are more has
    /// accepted the message for none of that transaction; `smtp_client::Mailer` then sends it to
    /// them on another connection, with that number at most.
    Continue,
    /// An envelope over the stated limit is an error before anything is written, and 452 is the
    /// verdict on the recipient that gets it.
    #[default]
    Refuse,
}

/// The treatment of a message when some of its recipients are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Partial {
    /// It goes to the others.
    #[default]
    Deliver,
    /// It goes to no recipient. The text waits for the replies to every recipient, which costs
    /// a round trip; where one is refused, the text is not sent.
    ///
    /// A message that no recipient gets is always an error then, never a
    /// [`Delivery`](smtp_error::Delivery): the first refusal, whether of MAIL, of a recipient, of
    /// DATA or of the text, with its [step](smtp_error::Error::step) and every verdict that is
    /// known. A recipient that was accepted before another one was refused has no verdict. In a
    /// delivery at least one recipient is accepted; others can be refused only where a server
    /// answers the text for each of them (LMTP, PRDR).
    Withhold,
}

/// The treatment of mail data whose header section is seldom intended: a field Bcc or Resent-Bcc
/// with a value, which every recipient can read (RFC 5322, 3.6.3), or no header section at all
/// ([`HeaderDefect`]).
///
/// Content in memory is checked before anything is written, other content while it passes: there
/// [`Refuse`](Self::Refuse) aborts the message before its end. What the server fetches is not
/// checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeaderDefects {
    /// It is sent, with an event of `tracing` at level `WARN` and target `smtp_session`, whose field
    /// `defect` names the defect.
    #[default]
    Warn,
    /// It is not sent. The error has the flaw [`Flaw::Header`].
    Refuse,
    /// It is sent: for relays, which pass on what others have written.
    Ignore,
}

impl HeaderDefects {
    /// Applies the rule to a defect that was found.
    pub(crate) fn apply(self, defect: HeaderDefect) -> Result<(), Invalid> {
        match self {
            Self::Warn => {
                tracing::warn!(target: "smtp_session", %defect, "header section is seldom intended");
                Ok(())
            }
            Self::Refuse => Err(Invalid::new(Field::Text, Flaw::Header(defect))),
            Self::Ignore => Ok(()),
        }
    }
}

/// How far messages run ahead of the answers to those before them, where PIPELINING is offered.
///
/// The commands of a message then leave together with the text of the message before it (RFC 2920,
/// 3.1), and with [`FirstChunk::WithCommands`] its text as well.
///
/// **Some servers corrupt mail then.** They offer PIPELINING and take what follows the final dot for
/// text: each message that they accept is stored with the commands of the next one at its end, and
/// no reply shows it. Use this only for a server of which it is known, from messages that it has
/// delivered, that it executes what follows the end of a text.
///
/// Of the other servers, some refuse it with 503: the message is sent again in order, and the batch
/// runs no further ahead. Some close the connection, which leaves the messages before in doubt. Some
/// drop it silently: the next message was not sent, and its error is a timeout of MAIL, after which
/// the caller unsets [`Sending::ahead`], as `smtp_client::Mailer` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ahead {
    /// How many messages may be unanswered, and so in doubt at the same time: by default 32. With
    /// one, or zero, no message runs ahead.
    pub messages: usize,
    /// How many octets of text may be unanswered, unless it is those of one message: by default
    /// 4 MiB. A text of unknown size counts as one of this size.
    pub octets: u64,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { messages: 32, octets: 4 << 20 }
    }
}
