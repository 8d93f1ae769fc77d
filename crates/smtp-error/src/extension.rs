//! Service extensions, by their EHLO keywords.
use core::fmt;

/// Declares [`Extension`] together with its keywords, so that each variant has one.
macro_rules! extensions {
    ($($(#[$doc:meta])* $name:ident = $keyword:literal,)*) => {
        /// A service extension that these crates know.
        ///
        /// The set is open: `Capabilities` of `smtp-caps` keeps unknown keywords as received.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Extension {
            $($(#[$doc])* $name,)*
        }

        impl Extension {
            /// All extensions: those of the IANA registry in its order, then the private ones.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the EHLO keyword.
            pub const fn keyword(self) -> &'static str {
                match self {
                    $(Self::$name => $keyword,)*
                }
            }

            fn of(keyword: &[u8]) -> Option<Self> {
                // Nearly every server sends upper case, and an exact comparison takes less time.
                $(if keyword == $keyword.as_bytes() {
                    return Some(Self::$name);
                })*
                $(if keyword.eq_ignore_ascii_case($keyword.as_bytes()) {
                    return Some(Self::$name);
                })*
                None
            }
        }
    };
}

extensions! {
    /// Delivery to a terminal, deprecated (RFC 5321, F.6).
    Send = "SEND",
    /// Delivery to a terminal or the mailbox, deprecated (RFC 5321, F.6).
    Soml = "SOML",
    /// Delivery to a terminal and the mailbox, deprecated (RFC 5321, F.6).
    Saml = "SAML",
    /// Exchange of roles without a check, deprecated (RFC 5321, F.1).
    Turn = "TURN",
    /// VRFY is offered (RFC 5321).
    Vrfy = "VRFY",
    /// EXPN is offered (RFC 5321).
    Expn = "EXPN",
    /// HELP is offered (RFC 5321).
    Help = "HELP",
    /// 8-bit mail data (RFC 6152).
    EightBitMime = "8BITMIME",
    /// Size of messages (RFC 1870).
    Size = "SIZE",
    /// Verbose replies (Sendmail).
    Verb = "VERB",
    /// One message only (Sendmail).
    Onex = "ONEX",
    /// Mail data in chunks of a stated size (RFC 3030).
    Chunking = "CHUNKING",
    /// Binary mail data (RFC 3030).
    BinaryMime = "BINARYMIME",
    /// Restart of long transactions (RFC 1845).
    Checkpoint = "CHECKPOINT",
    /// Delivery by a given time (RFC 2852).
    DeliverBy = "DELIVERBY",
    /// Groups of commands without waiting for each reply (RFC 2920).
    Pipelining = "PIPELINING",
    /// Delivery status notifications (RFC 3461).
    Dsn = "DSN",
    /// Start of a remote queue (RFC 1985).
    Etrn = "ETRN",
    /// Enhanced status codes in replies (RFC 2034).
    EnhancedStatusCodes = "ENHANCEDSTATUSCODES",
    /// Upgrade to TLS (RFC 3207).
    StartTls = "STARTTLS",
    /// Classes of solicitation (RFC 3865).
    NoSoliciting = "NO-SOLICITING",
    /// Message tracking (RFC 3885).
    Mtrk = "MTRK",
    /// The responsible submitter of a message, historic (RFC 4405).
    Submitter = "SUBMITTER",
    /// On-demand mail relay (RFC 2645).
    Atrn = "ATRN",
    /// Authentication (RFC 4954).
    Auth = "AUTH",
    /// Mail data that the server fetches from an IMAP server (RFC 4468).
    Burl = "BURL",
    /// Release at a later time (RFC 4865).
    FutureRelease = "FUTURERELEASE",
    /// Permission to convert the content (RFC 4141).
    Conperm = "CONPERM",
    /// Capabilities of the recipient's device (RFC 4141).
    Conneg = "CONNEG",
    /// The experiment before SMTPUTF8, obsolete (RFC 5336).
    Utf8Smtp = "UTF8SMTP",
    /// UTF-8 in addresses and headers (RFC 6531).
    SmtpUtf8 = "SMTPUTF8",
    /// Priorities (RFC 6710).
    MtPriority = "MT-PRIORITY",
    /// The mailbox must not have changed hands (RFC 7293).
    Rrvs = "RRVS",
    /// TLS on every hop (RFC 8689).
    RequireTls = "REQUIRETLS",
    /// The server's limits (RFC 9422).
    Limits = "LIMITS",
    /// Delivery in spite of a quota, LMTP only (no RFC).
    IgnoreQuota = "IGNOREQUOTA",
    /// Commands before the greeting (Exim).
    PipeConnect = "PIPECONNECT",
    /// One final reply per recipient (Exim).
    Prdr = "PRDR",
    /// A return path for each recipient (no RFC).
    Verp = "VERP",
    /// TLS between two servers of one organization (Exchange).
    XanonymousTls = "X-ANONYMOUSTLS",
    /// Attributes of a proxy's client (Postfix).
    Xclient = "XCLIENT",
    /// Properties of a message between two servers (Exchange).
    Xexch50 = "XEXCH50",
    /// Authentication between two servers (Exchange).
    Xexps = "X-EXPS",
    /// Attributes of a content filter's client (Postfix).
    Xforward = "XFORWARD",
    /// Routes between two servers (Exchange).
    Xlink2State = "X-LINK2STATE",
    /// A return path for each recipient (Postfix).
    Xverp = "XVERP",
}

impl Extension {
    /// Returns the extension of this EHLO keyword, in upper or lower case.
    ///
    /// Recognizes also the two former spellings of PIPECONNECT, which Exim used before it changed to
    /// a keyword that the grammar of RFC 5321 allows.
    pub fn from_keyword(keyword: &[u8]) -> Option<Self> {
        let former = ["X_PIPE_CONNECT", "PIPE_CONNECT"];
        let is_former = |old: &str| old.as_bytes().eq_ignore_ascii_case(keyword);
        let pipe_connect = || former.into_iter().any(is_former).then_some(Self::PipeConnect);
        Self::of(keyword).or_else(pipe_connect)
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
    fn whole_keywords_are_recognized_in_any_case() {
        for &extension in Extension::ALL {
            assert_eq!(Extension::from_keyword(extension.keyword().as_bytes()), Some(extension));
        }
        assert_eq!(Extension::from_keyword(b"starttls"), Some(Extension::StartTls));
        assert_eq!(Extension::from_keyword(b"X-STARTTLS"), None);
        assert_eq!(Extension::from_keyword(b"DSNX"), None);
        assert_eq!(Extension::from_keyword(b"x_pipe_connect"), Some(Extension::PipeConnect));
        assert_eq!(Extension::from_keyword(b"PIPE_CONNECT"), Some(Extension::PipeConnect));
    }

    #[test]
    fn a_keyword_with_one_octet_changed_is_not_recognized() {
        for &extension in Extension::ALL {
            let keyword = extension.keyword().as_bytes();
            for (at, octet) in (0..keyword.len()).flat_map(|at| (0..=255).map(move |o| (at, o))) {
                let mut other = keyword.to_vec();
                other[at] = octet;
                let same = other.eq_ignore_ascii_case(keyword);
                let found = Extension::from_keyword(&other) == Some(extension);
                assert_eq!(found, same, "{} with {octet:#x} at {at}", extension.keyword());
            }
        }
    }
}
