//! Header sections: what is seldom intended in one that is sent.

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
