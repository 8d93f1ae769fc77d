//! Decisions of a server: what it accepts, and what it refuses.
use std::{error::Error, fmt, io, sync::Arc};

use smtp_error::{EnhancedCode, Reply, ReplyClass, ReplyCode};

/// The decision about a command or a message.
pub type Decision = Result<Accept, Refuse>;

/// An acceptance: the usual reply, or a reply with another code or text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accept(Option<Reply>);

/// A refusal: a reply that begins with 4 or 5, and the error that caused it, if one did.
///
/// Any type that implements [`Error`] converts into one, so that `?` in a handler refuses for now
/// (`451 4.3.0`). A boxed error does not implement it: use `map_err(Refuse::from_boxed)`. The client
/// does not see the error; [`cause`](Self::cause) has it, and [`Server`](crate::Server) logs it as a
/// warning.
#[derive(Clone, Debug)]
pub struct Refuse {
    reply: Reply,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// A reply that a server must not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidReply {
    /// The code is of the wrong class.
    #[error("reply code {code}: {}", expected(.needs))]
    Class {
        /// The code.
        code: ReplyCode,
        /// The classes that it may be of.
        needs: &'static [ReplyClass],
    },
    /// The text has a character that is not printable ASCII.
    #[error("reply text: character {character:?} at octet {offset} is not printable ASCII")]
    Character {
        /// The character.
        character: char,
        /// Its offset in the text, in octets.
        offset: usize,
    },
    /// The text begins with an enhanced status code of another class than the reply code.
    #[error("reply text: enhanced status code {enhanced} contradicts the reply code {code}")]
    Enhanced {
        /// The reply code.
        code: ReplyCode,
        /// The enhanced status code.
        enhanced: EnhancedCode,
    },
    /// A line is longer than 512 octets (RFC 5321, 4.5.3.1.5).
    #[error("reply text: a line of {length} octets is longer than {limit}")]
    TooLong {
        /// The length of the line, in octets, code and line end included.
        length: usize,
        /// The limit.
        limit: usize,
    },
}

fn expected(classes: &[ReplyClass]) -> &'static str {
    match classes {
        [ReplyClass::Completion] => "an acceptance begins with 2",
        _ => "a refusal begins with 4 or 5",
    }
}

/// The longest line of a reply, in octets.
const MAX_LINE: usize = 512;

const ACCEPTANCE: &[ReplyClass] = &[ReplyClass::Completion];
const REFUSAL: &[ReplyClass] = &[ReplyClass::Transient, ReplyClass::Permanent];

impl Accept {
    /// Accepts with the reply that is usual for the command.
    pub fn usual() -> Self {
        Self(None)
    }

    /// Accepts with this code and text. The text may begin with an enhanced status code; without
    /// one, `2.0.0` is sent.
    ///
    /// # Errors
    /// The code does not begin with 2, or the text cannot be sent.
    pub fn new(code: ReplyCode, text: &str) -> Result<Self, InvalidReply> {
        Self::lines(code, [text])
    }

    /// Accepts with several lines, as a reply to EXPN or HELP.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn lines<S: AsRef<str>>(
        code: ReplyCode,
        lines: impl IntoIterator<Item = S>,
    ) -> Result<Self, InvalidReply> {
        checked(code, lines, ACCEPTANCE).map(|reply| Self(Some(reply)))
    }

    /// Returns the reply, if it is not the usual one.
    pub fn reply(&self) -> Option<&Reply> {
        self.0.as_ref()
    }
}

impl Refuse {
    /// Refuses with this code and text. The text may begin with an enhanced status code; without
    /// one, `4.0.0` or `5.0.0` is sent. After 421 the session ends.
    ///
    /// # Errors
    /// The code does not begin with 4 or 5, or the text cannot be sent.
    pub fn new(code: ReplyCode, text: &str) -> Result<Self, InvalidReply> {
        checked(code, [text], REFUSAL).map(Self::of)
    }

    /// The mailbox does not exist: `550 5.1.1`.
    pub fn no_such_mailbox() -> Self {
        Self::fixed(ReplyCode::MAILBOX_UNAVAILABLE, "5.1.1 No such mailbox")
    }

    /// The server does not take mail for this domain: `550 5.7.1`.
    pub fn no_relaying() -> Self {
        Self::fixed(ReplyCode::MAILBOX_UNAVAILABLE, "5.7.1 Relaying denied")
    }

    /// The mailbox is full, for now: `452 4.2.2`.
    pub fn mailbox_full() -> Self {
        Self::fixed(ReplyCode::INSUFFICIENT_STORAGE, "4.2.2 Mailbox full")
    }

    /// The message has enough recipients. The client sends it to the others by itself (RFC 5321,
    /// 4.5.3.1.10): `452 4.5.3`.
    pub fn too_many_recipients() -> Self {
        Self::fixed(ReplyCode::INSUFFICIENT_STORAGE, "4.5.3 Too many recipients")
    }

    /// The client should try again later, as one that means it does (RFC 6647): `450 4.7.1`.
    pub fn greylisted() -> Self {
        Self::fixed(ReplyCode::MAILBOX_BUSY, "4.7.1 Greylisted, try again later")
    }

    /// The message is unwanted, by its content or its origin: `554 5.7.1`.
    pub fn unwanted() -> Self {
        Self::fixed(ReplyCode::TRANSACTION_FAILED, "5.7.1 Message refused")
    }

    /// The server cannot do this now: `451 4.3.0`.
    pub fn for_now() -> Self {
        Self::fixed(ReplyCode::LOCAL_ERROR, "4.3.0 Try again later")
    }

    /// The credentials are wrong: `535 5.7.8`.
    pub fn wrong_credentials() -> Self {
        Self::fixed(ReplyCode::CREDENTIALS_INVALID, "5.7.8 Authentication failed")
    }

    /// Refuses for now because of this error.
    pub fn from_boxed(error: Box<dyn Error + Send + Sync>) -> Self {
        Self { cause: Some(error.into()), ..Self::for_now() }
    }

    /// The same refusal, caused by this error.
    #[must_use]
    pub fn because(self, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { cause: Some(Arc::new(cause)), ..self }
    }

    /// Returns the reply.
    pub fn reply(&self) -> &Reply {
        &self.reply
    }

    /// Returns the error that caused the refusal.
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }

    /// No client can log in now, whatever its credentials are.
    pub(crate) fn no_login() -> Self {
        let text = "4.7.0 Authentication is not possible now";
        Self::fixed(ReplyCode::TEMPORARY_FAILURE, text)
    }

    pub(crate) fn of(reply: Reply) -> Self {
        Self { reply, cause: None }
    }

    /// Refuses with a text that is known to be right.
    pub(crate) fn fixed(code: ReplyCode, text: &str) -> Self {
        Self::of(Reply::new(code, text))
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Refuse {
    /// Refuses for now: with `452 4.3.1` if the error says that the disk is full, and with
    /// `451 4.3.0` otherwise.
    fn from(error: E) -> Self {
        let io = (&error as &(dyn Error + 'static)).downcast_ref::<io::Error>();
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        if io.is_some_and(|error| full.contains(&error.kind())) {
            let text = "4.3.1 Insufficient storage, try again later";
            return Self::fixed(ReplyCode::INSUFFICIENT_STORAGE, text).because(error);
        }
        Self::for_now().because(error)
    }
}

impl PartialEq for Refuse {
    /// Compares the replies.
    fn eq(&self, other: &Self) -> bool {
        self.reply == other.reply
    }
}

impl Eq for Refuse {}

impl fmt::Display for Refuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reply.fmt(f)?;
        match &self.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

/// Returns the reply of these lines. A line without an enhanced status code gets one that says
/// nothing more than the reply code, because a server that offers ENHANCEDSTATUSCODES puts one into
/// each line (RFC 2034, 4).
fn checked<S: AsRef<str>>(
    code: ReplyCode,
    lines: impl IntoIterator<Item = S>,
    needs: &'static [ReplyClass],
) -> Result<Reply, InvalidReply> {
    if !needs.contains(&code.class()) {
        return Err(InvalidReply::Class { code, needs });
    }
    let mut text = String::new();
    for line in lines {
        let line = line.as_ref();
        let wrong = |(_, character): &(usize, char)| !matches!(character, '\t' | ' '..='~');
        if let Some((offset, character)) = line.char_indices().find(wrong) {
            return Err(InvalidReply::Character { character, offset });
        }
        if !text.is_empty() {
            text.push('\n');
        }
        let begins = text.len();
        if EnhancedCode::at_start_of(code, line.as_bytes()).is_none() {
            contradiction(code, line)?;
            text.push_str(&format!("{}.0.0 ", code.get() / 100));
        }
        text.push_str(line);
        let length = text.len() - begins + "250 \r\n".len();
        if length > MAX_LINE {
            return Err(InvalidReply::TooLong { length, limit: MAX_LINE });
        }
    }
    if text.is_empty() {
        text = format!("{}.0.0", code.get() / 100);
    }
    Ok(Reply::new(code, text))
}

/// Refuses an enhanced status code of another class.
fn contradiction(code: ReplyCode, line: &str) -> Result<(), InvalidReply> {
    for other in [ReplyCode::OK, ReplyCode::MAILBOX_BUSY, ReplyCode::MAILBOX_UNAVAILABLE] {
        if let Some((enhanced, _)) = EnhancedCode::at_start_of(other, line.as_bytes()) {
            return Err(InvalidReply::Enhanced { code, enhanced });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(number: u16) -> ReplyCode {
        ReplyCode::new(number).unwrap()
    }

    #[test]
    fn a_text_without_an_enhanced_status_code_gets_one() {
        let refused = |number, text| Refuse::new(code(number), text).unwrap().to_string();
        assert_eq!(refused(550, "5.1.1 Unknown"), "550 5.1.1 Unknown");
        assert_eq!(refused(550, "Unknown"), "550 5.0.0 Unknown");
        assert_eq!(refused(451, "Later"), "451 4.0.0 Later");
        let lines = Accept::lines(ReplyCode::OK, ["2.1.0 one", "two"]).unwrap();
        assert_eq!(lines.reply().unwrap().to_string(), "250 2.1.0 one / 2.0.0 two");
        let none = Accept::lines(ReplyCode::OK, [""; 0]).unwrap();
        assert_eq!(none.reply().unwrap().to_string(), "250 2.0.0");
    }

    #[test]
    fn what_no_server_may_send_is_refused() {
        let needs = REFUSAL;
        let wrong = code(250);
        assert_eq!(Refuse::new(wrong, "Ok"), Err(InvalidReply::Class { code: wrong, needs }));
        assert!(Accept::new(code(354), "Go on").is_err());
        for (text, offset) in [("a\r\n250 b", 1), ("a\n", 1), ("\0", 0), ("gr\u{fc}n", 2)] {
            let character = text[offset..].chars().next().unwrap();
            let expected = InvalidReply::Character { character, offset };
            assert_eq!(Refuse::new(code(550), text), Err(expected));
        }
        let enhanced = EnhancedCode::new(4, 2, 1).unwrap();
        let expected = InvalidReply::Enhanced { code: code(550), enhanced };
        assert_eq!(Refuse::new(code(550), "4.2.1 Full"), Err(expected));
        let longest = format!("5.0.0 {}", "x".repeat(500));
        assert!(Refuse::new(code(550), &longest).is_ok());
        assert!(Refuse::new(code(550), &format!("{longest}x")).is_err());
    }

    #[test]
    fn an_error_refuses_for_now_and_is_not_shown_to_the_client() {
        let refuse = Refuse::from(io::Error::other("disk on fire"));
        assert_eq!(refuse.reply().to_string(), "451 4.3.0 Try again later");
        assert_eq!(refuse.cause().unwrap().to_string(), "disk on fire");
        let refuse = Refuse::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(refuse.reply().code(), ReplyCode::INSUFFICIENT_STORAGE);
        let boxed = Refuse::from_boxed("not an error type".into());
        assert_eq!(boxed.reply().to_string(), "451 4.3.0 Try again later");
        assert!(boxed.cause().is_some());
    }
}
