//! How messages are sent, as far as the messages leave it open.
use std::num::NonZeroUsize;

use smtp_caps::Framing;

/// How messages are sent, as far as envelope, text and server leave it open.
///
/// ```
/// use smtp_client::{Excess, Sending};
///
/// let mut sending = Sending::default();
/// sending.excess = Excess::Continue;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sending {
    /// How texts travel. By default in chunks over SMTP if the server offers CHUNKING, which
    /// spares a round trip, and behind DATA otherwise. A binary text always travels in chunks.
    pub framing: Option<Framing>,
    /// The largest chunk, in octets: by default 1 MiB. A text of one chunk goes out with the
    /// commands, before the server has answered for the recipients; a longer one waits for that.
    pub chunk: NonZeroUsize,
    /// What becomes of recipients that are too many for one mail transaction.
    pub excess: Excess,
    /// What becomes of a message when some of its recipients are refused.
    pub partial: Partial,
    /// Whether a message of many is begun before the one before it is answered: by default not.
    pub ahead: Option<Ahead>,
}

impl Default for Sending {
    fn default() -> Self {
        Self {
            framing: None,
            chunk: NonZeroUsize::MIN.saturating_add((1 << 20) - 1),
            excess: Excess::default(),
            partial: Partial::default(),
            ahead: None,
        }
    }
}

/// What becomes of recipients that are too many for one mail transaction: more than the server
/// states with LIMITS (RFC 9422), or than it takes before it answers 452 (RFC 5321, 4.5.3.1.10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Excess {
    /// Further transactions on the same connection take the rest, as long as each takes some.
    Continue,
    /// An envelope over the stated limit is an error before anything is written, and 452 is the
    /// verdict on the recipient that gets it.
    #[default]
    Refuse,
}

/// What becomes of a message when some of its recipients are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Partial {
    /// It goes to the others.
    #[default]
    Deliver,
    /// It goes to nobody. The text waits for the server's answer for every recipient, which costs
    /// a round trip; where one is refused the refusal is the error, and the text is not sent.
    Withhold,
}

/// How far messages run ahead of the answers to those before them, where PIPELINING is offered.
///
/// The commands of a message then leave together with the text of the one before it
/// (RFC 2920, 3.1), and in chunks its text as well. That is for servers that are known to take it:
/// some that offer PIPELINING refuse what comes behind the end of a text. A message that is refused
/// for that is sent again in its turn; but there are also servers that close the connection, which
/// leaves the messages before in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ahead {
    /// How many messages may be unanswered, and so in doubt at the same time: by default 32.
    pub messages: NonZeroUsize,
    /// How many octets of text may be unanswered, unless it is those of one message: by default
    /// 4 MiB. A text of unknown size counts as one of this size.
    pub octets: u64,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { messages: NonZeroUsize::MIN.saturating_add(31), octets: 4 << 20 }
    }
}
