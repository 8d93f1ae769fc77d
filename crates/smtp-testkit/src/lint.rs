//! What a client does wrong although the dialogue goes on: each kind with the way to mend it.

use std::fmt;

/// A kind of mistake of the client, as a [server with rules](crate::ServerBuilder) sees it. A
/// server with scripts looks for those of texts.
///
/// Its `Display` says what is wrong, and [`remedy`](Self::remedy) what the client has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Lint {
    /// Something was sent before the greeting.
    BeforeGreeting,
    /// More was sent before the reply, and PIPELINING is not offered (RFC 2920, 3.1).
    PipelinedWithoutOffer,
    /// More was sent behind a command that must be the last of its group.
    PastSynchronization,
    /// A command, a parameter, a value or a mechanism of an extension that is not offered.
    NotOffered,
    /// A command out of its place.
    BadSequence,
    /// A line that is no command, or a command that is malformed.
    BadSyntax,
    /// Octets above 127 in a body that BODY did not announce (RFC 6152).
    EightBitWithoutBody,
    /// UTF-8 in an address or a header section without SMTPUTF8 (RFC 6531).
    Utf8WithoutSmtpUtf8,
    /// The text is longer than SIZE said (RFC 1870).
    SizeLies,
    /// A CR without LF.
    BareCr,
    /// A LF without CR.
    BareLf,
    /// A line that is longer than a server must accept.
    OverLongLine,
    /// A line of the text that begins with a dot which was not doubled.
    MissingDotStuffing,
    /// A password or a token outside of TLS.
    AuthInClear,
    /// Something other than EHLO came first after STARTTLS (RFC 3207, 4.2).
    NoEhloAfterStartTls,
    /// The client closed, and had not said QUIT.
    NoQuit,
}

impl Lint {
    /// Every kind, for a test that denies them all.
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

    /// What the client has to do instead.
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
            Self::BadSequence => "send EHLO, then MAIL, RCPT and DATA or BDAT, each in its place",
            Self::BadSyntax => "send a known command in the form of its grammar",
            Self::EightBitWithoutBody => {
                "add BODY=8BITMIME to MAIL if 8BITMIME is offered, or encode the body"
            }
            Self::Utf8WithoutSmtpUtf8 => {
                "add SMTPUTF8 to MAIL if it is offered, or encode the header or the address"
            }
            Self::SizeLies => "count the octets with CRLF line ends, before dots are doubled",
            Self::BareCr => "end lines with CRLF, and encode a CR that is no line end",
            Self::BareLf => "end lines with CRLF, and encode a LF that is no line end",
            Self::OverLongLine => {
                "keep lines of a text within 998 octets and CRLF, by encoding or folding it"
            }
            Self::MissingDotStuffing => "double the dot at the start of a line of the text",
            Self::AuthInClear => "log in after STARTTLS, or with a mechanism that hides the secret",
            Self::NoEhloAfterStartTls => "forget the offer from before TLS, and send EHLO again",
            Self::NoQuit => "send QUIT and read its reply before closing",
        }
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeGreeting => "spoke before the greeting",
            Self::PipelinedWithoutOffer => "pipelined though PIPELINING is not offered",
            Self::PastSynchronization => "sent more behind a command that ends a group",
            Self::NotOffered => "used what is not offered",
            Self::BadSequence => "sent a command out of its place",
            Self::BadSyntax => "sent what is no well-formed command",
            Self::EightBitWithoutBody => "sent an 8-bit body without BODY=8BITMIME",
            Self::Utf8WithoutSmtpUtf8 => "sent UTF-8 without SMTPUTF8",
            Self::SizeLies => "sent a longer text than SIZE declares",
            Self::BareCr => "sent a CR without LF",
            Self::BareLf => "sent a LF without CR",
            Self::OverLongLine => "sent an over-long line",
            Self::MissingDotStuffing => "did not double a leading dot",
            Self::AuthInClear => "sent a secret in clear",
            Self::NoEhloAfterStartTls => "did not send EHLO after STARTTLS",
            Self::NoQuit => "closed without QUIT",
        })
    }
}

/// One mistake of the client, and where it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The kind of mistake.
    pub lint: Lint,
    /// Which piece of the [dialogue](crate::Conversation::dialogue) shows it, counted from zero.
    pub at: usize,
    /// What exactly was wrong.
    pub what: String,
}
