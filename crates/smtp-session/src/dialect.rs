//! SMTP or LMTP.

/// Which of the two protocols is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "there are these two")]
pub enum Dialect {
    /// SMTP (RFC 5321): one final reply to a message.
    #[default]
    Smtp,
    /// LMTP (RFC 2033): one final reply for each recipient.
    Lmtp,
}
