//! Reply codes: the three digits that begin each line of a reply (RFC 5321, 4.2).
use core::fmt;

/// The three digits of a reply, 200 to 599.
///
/// Codes are an open set: a client acts on the first digit of a code that it does not know, so
/// every number in the range is a valid value. The constants name those that RFC 5321, RFC 3207,
/// RFC 4954 and RFC 7504 define.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// System status, or help.
    pub const STATUS: Self = Self(211);
    /// Help text.
    pub const HELP: Self = Self(214);
    /// Service ready: the greeting, and the go-ahead for TLS.
    pub const READY: Self = Self(220);
    /// Service closing the channel: the reply to QUIT.
    pub const CLOSING: Self = Self(221);
    /// Authentication succeeded.
    pub const AUTHENTICATED: Self = Self(235);
    /// Requested action completed.
    pub const OK: Self = Self(250);
    /// User not local, will forward.
    pub const WILL_FORWARD: Self = Self(251);
    /// Cannot verify the user, but will accept the message and try.
    pub const CANNOT_VERIFY: Self = Self(252);
    /// An authentication challenge.
    pub const CHALLENGE: Self = Self(334);
    /// One reply for each recipient follows, and then one for the message (PRDR).
    pub const EACH_RECIPIENT: Self = Self(353);
    /// Start the mail data; end it with a line of one dot.
    pub const START_MAIL_DATA: Self = Self(354);
    /// Service not available, closing the channel: may come at any time.
    pub const SERVICE_CLOSING: Self = Self(421);
    /// Mailbox not available now.
    pub const MAILBOX_BUSY: Self = Self(450);
    /// Local error in processing.
    pub const LOCAL_ERROR: Self = Self(451);
    /// Insufficient storage, or too many recipients.
    pub const INSUFFICIENT_STORAGE: Self = Self(452);
    /// TLS not available now, or a temporary authentication failure.
    pub const TEMPORARY_FAILURE: Self = Self(454);
    /// Command not recognized.
    pub const UNRECOGNIZED: Self = Self(500);
    /// Syntax error in the arguments.
    pub const SYNTAX: Self = Self(501);
    /// Command not implemented.
    pub const NOT_IMPLEMENTED: Self = Self(502);
    /// Bad sequence of commands.
    pub const BAD_SEQUENCE: Self = Self(503);
    /// Parameter not implemented.
    pub const PARAMETER_NOT_IMPLEMENTED: Self = Self(504);
    /// The host never accepts mail.
    pub const NO_MAIL_HOST: Self = Self(521);
    /// Authentication, or TLS, is needed first.
    pub const AUTHENTICATION_REQUIRED: Self = Self(530);
    /// Credentials invalid.
    pub const CREDENTIALS_INVALID: Self = Self(535);
    /// Mailbox unavailable, or refused by policy.
    pub const MAILBOX_UNAVAILABLE: Self = Self(550);
    /// User not local; the text names another path.
    pub const USER_NOT_LOCAL: Self = Self(551);
    /// Storage exceeded, or the message is too big.
    pub const STORAGE_EXCEEDED: Self = Self(552);
    /// Mailbox name not allowed.
    pub const MAILBOX_NAME: Self = Self(553);
    /// Transaction failed; as a greeting: no service here.
    pub const TRANSACTION_FAILED: Self = Self(554);
    /// MAIL or RCPT parameters not recognized.
    pub const PARAMETERS_UNRECOGNIZED: Self = Self(555);
    /// The domain accepts no mail (RFC 7504).
    pub const DOMAIN_ACCEPTS_NO_MAIL: Self = Self(556);

    /// Returns the code of this number; `None` outside 200 to 599.
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 200 && code <= 599 { Some(Self(code)) } else { None }
    }

    /// Returns the number, 200 to 599.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Returns the class that the first digit stands for.
    pub const fn class(self) -> ReplyClass {
        match self.0 / 100 {
            2 => ReplyClass::Completion,
            3 => ReplyClass::Intermediate,
            4 => ReplyClass::Transient,
            _ => ReplyClass::Permanent,
        }
    }
}

impl fmt::Display for ReplyCode {
    /// Writes the number; with `{:#}` also its [meaning](Self::meaning).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meaning().filter(|_| f.alternate()) {
            Some(meaning) => write!(f, "{} {meaning}", self.0),
            None => self.0.fmt(f),
        }
    }
}

impl PartialEq<u16> for ReplyCode {
    fn eq(&self, other: &u16) -> bool {
        self.0 == *other
    }
}

/// The class of a reply, which is the first digit of its code (RFC 5321, 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the first digit has these four values")]
pub enum ReplyClass {
    /// 2yz: the command succeeded.
    Completion,
    /// 3yz: the server expects more from the client.
    Intermediate,
    /// 4yz: refused for now; the same command may succeed later.
    Transient,
    /// 5yz: refused; the same command will fail again.
    Permanent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_four_classes_exist() {
        for code in 0..=1000 {
            assert_eq!(ReplyCode::new(code).is_some(), (200..600).contains(&code), "{code}");
        }
        assert_eq!(ReplyCode::new(571).unwrap().class(), ReplyClass::Permanent);
        assert_eq!(ReplyCode::START_MAIL_DATA.class(), ReplyClass::Intermediate);
    }
}
