//! Header sections: what is seldom intended in one that is sent, and why no envelope follows from
//! one.
use alloc::string::String;
use core::fmt;

use crate::{Invalid, InvalidAddress, InvalidEnvelope};

/// A defect of mail data that is about to be sent: servers accept it, but it is seldom intended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderDefect {
    /// The header section has a field Bcc with a value, which every recipient can read (RFC 5322,
    /// 3.6.3).
    #[error(
        "the header field Bcc would show its addresses to every recipient; \
         `MailData::without_bcc` removes it"
    )]
    Bcc,
    /// The same in the field Resent-Bcc.
    #[error(
        "the header field Resent-Bcc would show its addresses to every recipient; \
         `MailData::without_bcc` removes it"
    )]
    ResentBcc,
    /// There is no header section: the first line is not a header field. A server or a reader may
    /// take the text for header fields, and show nothing of it.
    #[error(
        "the mail data has no header section: its first line is not a header field; \
         write fields such as `Subject: hello`, then an empty line, before the body"
    )]
    Missing,
}

/// A header field that holds addresses (RFC 5322, 3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the standard has these")]
pub enum AddressField {
    /// The author.
    From,
    /// The mailbox that sends, if it is not the author's.
    Sender,
    /// The primary recipients.
    To,
    /// The other recipients.
    Cc,
    /// The recipients that the others do not see.
    Bcc,
    /// [`From`](Self::From) of a message that is sent again.
    ResentFrom,
    /// [`Sender`](Self::Sender) of a message that is sent again.
    ResentSender,
    /// [`To`](Self::To) of a message that is sent again.
    ResentTo,
    /// [`Cc`](Self::Cc) of a message that is sent again.
    ResentCc,
    /// [`Bcc`](Self::Bcc) of a message that is sent again.
    ResentBcc,
}

impl AddressField {
    const ALL: [Self; 10] = [
        Self::From,
        Self::Sender,
        Self::To,
        Self::Cc,
        Self::Bcc,
        Self::ResentFrom,
        Self::ResentSender,
        Self::ResentTo,
        Self::ResentCc,
        Self::ResentBcc,
    ];

    /// Returns the field of this name, in upper or lower case.
    pub fn of_name(name: &[u8]) -> Option<Self> {
        let is_name = |field: &Self| field.as_str().as_bytes().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(is_name)
    }

    /// Returns whether it is a field of a message that is sent again.
    pub fn is_resent(self) -> bool {
        self.as_str().starts_with("Resent-")
    }

    /// Returns the name of the field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::From => "From",
            Self::Sender => "Sender",
            Self::To => "To",
            Self::Cc => "Cc",
            Self::Bcc => "Bcc",
            Self::ResentFrom => "Resent-From",
            Self::ResentSender => "Resent-Sender",
            Self::ResentTo => "Resent-To",
            Self::ResentCc => "Resent-Cc",
            Self::ResentBcc => "Resent-Bcc",
        }
    }
}

impl fmt::Display for AddressField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why no envelope follows from a header section. Nothing was sent.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// There is no field From, so that the sender is not known.
    #[error("the header section has no field {field}, which names the sender")]
    NoSender {
        /// From or Resent-From.
        field: AddressField,
    },
    /// From has several addresses and there is no field Sender, which would say which of them sends
    /// (RFC 5322, 3.6.2).
    #[error(
        "header field {field} has {addresses} addresses; add a field {sender} with one of them",
        sender = if *.field == AddressField::From { "Sender" } else { "Resent-Sender" }
    )]
    SeveralAuthors {
        /// From or Resent-From.
        field: AddressField,
        /// The number of addresses.
        addresses: usize,
    },
    /// Sender has several addresses: one is allowed.
    #[error("header field {field} has {addresses} addresses; one is allowed")]
    SeveralSenders {
        /// Sender or Resent-Sender.
        field: AddressField,
        /// The number of addresses.
        addresses: usize,
    },
    /// The field of the sender has no address.
    #[error("header field {field} has no address")]
    NoAddress {
        /// The field.
        field: AddressField,
    },
    /// The field of the sender is there twice, so that its readers may differ about the sender.
    #[error("header field {field} is there twice; once is allowed")]
    Repeated {
        /// The field.
        field: AddressField,
    },
    /// No recipient is named.
    #[error("no recipient: {to}, {cc} and {bcc} are missing or have no address")]
    NoRecipient {
        /// To or Resent-To.
        to: AddressField,
        /// Cc or Resent-Cc.
        cc: AddressField,
        /// Bcc or Resent-Bcc.
        bcc: AddressField,
    },
    /// The value of a field is not UTF-8.
    #[error("header field {field} is not UTF-8")]
    NotUtf8 {
        /// The field.
        field: AddressField,
    },
    /// The value of a field is not a list of addresses, or two readers could find different
    /// addresses in it.
    #[error(
        "header field {field}: the addresses cannot be read without doubt; \
         write them as `Name <user@example.org>`, separated by commas, \
         or make the envelope with `Envelope::new`"
    )]
    Unreadable {
        /// The field.
        field: AddressField,
    },
    /// An address is not one that mail can be sent to.
    #[error("header field {field}: address {number}, `{address}`: {invalid}")]
    Address {
        /// The field.
        field: AddressField,
        /// Which of the addresses of the field it is, from 1.
        number: usize,
        /// The address, without comments.
        address: String,
        /// What is wrong with it.
        invalid: Invalid,
    },
    /// An address that the caller gave for a header field is not one that mail can be sent to.
    #[error("header fields: address {0}")]
    InvalidAddress(#[from] InvalidAddress),
    /// The addresses make no envelope.
    #[error(transparent)]
    Envelope(#[from] InvalidEnvelope),
    /// The mail data itself is not valid.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// The text, which has every field; with `{:#?}` after the name of the type.
impl fmt::Debug for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        f.debug_tuple("HeaderError").field(&format_args!("{self}")).finish()
    }
}
