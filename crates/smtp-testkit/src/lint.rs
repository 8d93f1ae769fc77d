//! Mistakes of clients that do not stop the dialogue, and how to fix each.

use std::fmt;

/// A kind of mistake of the client that a [server with rules](crate::ServerBuilder) detects. A
/// server with scripts detects only those in message texts.
///
/// `Display` describes the mistake, and [`remedy`](Self::remedy) how to fix it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Lint {
    /// The client sent something before the greeting.
    BeforeGreeting,
    /// The client sent more before the reply, although PIPELINING is not offered (RFC 2920, 3.1).
    PipelinedWithoutOffer,
    /// The client sent more after a command that must be the last of its group.
    PastSynchronization,
    /// The client used a command, a parameter, a value or a mechanism of an extension that is not
    /// offered.
    NotOffered,
    /// The client sent a command in the wrong order.
    BadSequence,
    /// The client sent a line that is not a command, or a malformed command.
    BadSyntax,
    /// The body has octets above 127 that BODY did not declare (RFC 6152).
    EightBitWithoutBody,
    /// An address or a header section is UTF-8 without SMTPUTF8 (RFC 6531).
    Utf8WithoutSmtpUtf8,
    /// The text is longer than SIZE declared (RFC 1870).
    SizeLies,
    /// A CR without LF.
    BareCr,
    /// A LF without CR.
    BareLf,
    /// A line is longer than servers must accept.
    OverLongLine,
    /// The leading dot of a line of the text was not doubled.
    MissingDotStuffing,
    /// A password or a token was sent without TLS.
    AuthInClear,
    /// The first command after STARTTLS was not EHLO (RFC 3207, 4.2).
    NoEhloAfterStartTls,
    /// The client closed without sending QUIT.
    NoQuit,
}

impl Lint {
    /// All kinds, for a test that denies every mistake.
    pub const ALL: &[Self] = &[
        Self::BeforeGreeting,
        Self::PipelinedWithoutOffer,
        Self::PastSynchronization,
        Self::NotOffered,
        Self::BadSequence,
        Self::BadSyntax,
        Self::EightBitWithoutBody,
        Self::Utf8WithoutSmtpUtf8,
        Self::SizeLies,
        Self::BareCr,
        Self::BareLf,
        Self::OverLongLine,
        Self::MissingDotStuffing,
        Self::AuthInClear,
        Self::NoEhloAfterStartTls,
        Self::NoQuit,
    ];

    /// Returns what the client has to do instead.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::BeforeGreeting => "read the whole greeting before the first command",
            Self::PipelinedWithoutOffer => {
                "wait for each reply unless the server's EHLO reply lists PIPELINING"
            }
            Self::PastSynchronization => {
                "make this command the last of its group, and wait for its reply"
            }
            Self::NotOffered => "use only what the latest EHLO reply lists",
            Self::BadSequence => "send EHLO, then MAIL, RCPT and DATA or BDAT, in this order",
            Self::BadSyntax => "send a known command in the form of its grammar",
            Self::EightBitWithoutBody => {
                "add BODY=8BITMIME to MAIL if 8BITMIME is offered, or encode the body"
            }
            Self::Utf8WithoutSmtpUtf8 => {
                "add SMTPUTF8 to MAIL if it is offered, or encode the header or the address"
            }
            Self::SizeLies => "count the octets with CRLF line ends, before dot-stuffing",
            Self::BareCr => "end lines with CRLF, and encode a CR that does not end a line",
            Self::BareLf => "end lines with CRLF, and encode a LF that does not end a line",
            Self::OverLongLine => {
                "keep lines of a text within 998 octets and CRLF, by encoding or folding it"
            }
            Self::MissingDotStuffing => "double the dot at the start of a line of the text",
            Self::AuthInClear => "log in after STARTTLS, or with a mechanism that hides the secret",
            Self::NoEhloAfterStartTls => {
                "discard the EHLO reply from before TLS, and send EHLO again"
            }
            Self::NoQuit => "send QUIT and read its reply before closing",
        }
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeGreeting => "sent something before the greeting",
            Self::PipelinedWithoutOffer => "pipelined though PIPELINING is not offered",
            Self::PastSynchronization => "sent more after a command that ends a group",
            Self::NotOffered => "used an extension that is not offered",
            Self::BadSequence => "sent a command in the wrong order",
            Self::BadSyntax => "sent a malformed command",
            Self::EightBitWithoutBody => "sent an 8-bit body without BODY=8BITMIME",
            Self::Utf8WithoutSmtpUtf8 => "sent UTF-8 without SMTPUTF8",
            Self::SizeLies => "sent a longer text than SIZE declares",
            Self::BareCr => "sent a CR without LF",
            Self::BareLf => "sent a LF without CR",
            Self::OverLongLine => "sent an over-long line",
            Self::MissingDotStuffing => "did not double a leading dot",
            Self::AuthInClear => "sent a secret without TLS",
            Self::NoEhloAfterStartTls => "did not send EHLO after STARTTLS",
            Self::NoQuit => "closed without QUIT",
        })
    }
}

/// One mistake of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The kind of mistake.
    pub lint: Lint,
    /// The index of the piece of the [dialogue](crate::Conversation::dialogue) that shows it,
    /// counted from zero.
    pub at: usize,
    /// The details of the mistake.
    pub what: String,
}
