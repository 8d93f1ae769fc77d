//! The two protocols that share commands and replies.

/// The protocol that a server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "there are two")]
pub enum Dialect {
    /// SMTP (RFC 5321).
    #[default]
    Smtp,
    /// LMTP (RFC 2033): LHLO instead of EHLO, and a final reply for each recipient.
    Lmtp,
}
