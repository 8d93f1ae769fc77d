//! Service extensions: the EHLO keywords that have a name here.
use core::fmt;

/// Declares [`Extension`] with its keywords, so that the two can never part.
macro_rules! extensions {
    ($($(#[$doc:meta])* $name:ident = $keyword:literal,)*) => {
        /// A service extension with an EHLO keyword that these crates know.
        ///
        /// The set is open: capabilities keep keywords that are not here as they came.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Extension {
            $($(#[$doc])* $name,)*
        }

        impl Extension {
            /// Every extension known here, in the order of the registry.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The EHLO keyword.
            pub const fn keyword(self) -> &'static str {
                match self {
                    $(Self::$name => $keyword,)*
                }
            }
        }
    };
}

extensions! {
    /// 8-bit text (RFC 6152).
    EightBitMime = "8BITMIME",
    /// On-demand mail relay (RFC 2645).
    Atrn = "ATRN",
    /// Authentication (RFC 4954).
    Auth = "AUTH",
    /// Binary text (RFC 3030).
    BinaryMime = "BINARYMIME",
    /// Text by reference to an IMAP server (RFC 4468).
    Burl = "BURL",
    /// Restart of long transactions (RFC 1845).
    Checkpoint = "CHECKPOINT",
    /// Text in counted chunks (RFC 3030).
    Chunking = "CHUNKING",
    /// Capabilities of the recipient's device (RFC 4141).
    Conneg = "CONNEG",
    /// Permission to convert the content (RFC 4141).
    Conperm = "CONPERM",
    /// Delivery by a given time (RFC 2852).
    DeliverBy = "DELIVERBY",
    /// Delivery status notifications (RFC 3461).
    Dsn = "DSN",
    /// Enhanced status codes in replies (RFC 2034).
    EnhancedStatusCodes = "ENHANCEDSTATUSCODES",
    /// Start of a remote queue (RFC 1985).
    Etrn = "ETRN",
    /// EXPN is offered (RFC 5321).
    Expn = "EXPN",
    /// Release at a later time (RFC 4865).
    FutureRelease = "FUTURERELEASE",
    /// HELP is offered (RFC 5321).
    Help = "HELP",
    /// Delivery in spite of a quota, LMTP only (no RFC).
    IgnoreQuota = "IGNOREQUOTA",
    /// The server's limits (RFC 9422).
    Limits = "LIMITS",
    /// Priorities (RFC 6710).
    MtPriority = "MT-PRIORITY",
    /// Message tracking (RFC 3885).
    Mtrk = "MTRK",
    /// Classes of solicitation (RFC 3865).
    NoSoliciting = "NO-SOLICITING",
    /// Commands before the greeting (Exim).
    PipeConnect = "PIPECONNECT",
    /// Commands in groups (RFC 2920).
    Pipelining = "PIPELINING",
    /// One final reply per recipient (Exim).
    Prdr = "PRDR",
    /// TLS on the whole way (RFC 8689).
    RequireTls = "REQUIRETLS",
    /// The mailbox must not have changed hands (RFC 7293).
    Rrvs = "RRVS",
    /// Size of messages (RFC 1870).
    Size = "SIZE",
    /// UTF-8 in addresses and headers (RFC 6531).
    SmtpUtf8 = "SMTPUTF8",
    /// Upgrade to TLS (RFC 3207).
    StartTls = "STARTTLS",
    /// VRFY is offered (RFC 5321).
    Vrfy = "VRFY",
    /// What a proxy knows of its client (Postfix).
    Xclient = "XCLIENT",
    /// What a content filter passes on (Postfix).
    Xforward = "XFORWARD",
}

impl Extension {
    /// The extension of this EHLO keyword, in upper or lower case.
    pub fn from_keyword(keyword: &[u8]) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|extension| extension.keyword().as_bytes().eq_ignore_ascii_case(keyword))
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.keyword())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_found_whole_and_in_any_case() {
        for &extension in Extension::ALL {
            assert_eq!(Extension::from_keyword(extension.keyword().as_bytes()), Some(extension));
        }
        assert_eq!(Extension::from_keyword(b"starttls"), Some(Extension::StartTls));
        assert_eq!(Extension::from_keyword(b"X-STARTTLS"), None);
        assert_eq!(Extension::from_keyword(b"DSNX"), None);
    }
}
