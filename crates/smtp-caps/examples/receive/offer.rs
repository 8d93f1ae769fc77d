//! Policy: what this server offers and accepts, and which recipients exist.
use smtp_caps::Capabilities;
use smtp_codec::{Deviations, ForwardPath, Mail, MailParam, Rcpt, RcptParam, Sequence};
use smtp_error::{Extension, Reply, ReplyCode};

use crate::envelope::Envelope;

/// The name of this server.
pub(crate) const NAME: &str = "mx.example.org";

/// The most recipients that a message may have.
const MAX_RCPTS: usize = 1000;

/// The extensions that the server offers, besides SIZE.
const OFFERED: &[Extension] = &[
    Extension::Pipelining,
    Extension::EightBitMime,
    Extension::SmtpUtf8,
    Extension::Chunking,
    Extension::BinaryMime,
    Extension::Dsn,
    Extension::EnhancedStatusCodes,
    Extension::Help,
];

/// What the server offers and accepts.
pub(crate) struct Offer {
    lmtp: bool,
    tolerated: Deviations,
    /// The reply to EHLO or LHLO.
    hello: Reply,
    /// The capabilities in that reply.
    capabilities: Capabilities,
}

impl Offer {
    /// Returns an SMTP server for messages of at most `size` octets; 0 is no limit.
    pub(crate) fn smtp(size: u64) -> Self {
        let offer = smtp_caps::Offer::new(NAME).map(|offer| offer.size(size));
        let offer = offer.and_then(|offer| offer.extensions(OFFERED.iter().copied()));
        let hello = offer.expect("the name and the extensions above are legal").reply();
        let capabilities = Capabilities::from_reply(hello.clone());
        Self { lmtp: false, tolerated: Deviations::TOLERANT, hello, capabilities }
    }

    /// Returns an LMTP server for messages of at most `size` octets; 0 is no limit.
    pub(crate) fn lmtp(size: u64) -> Self {
        Self { lmtp: true, ..Self::smtp(size) }
    }

    /// Accepts only commands that follow the grammar.
    pub(crate) fn strict(self) -> Self {
        Self { tolerated: Deviations::STRICT, ..self }
    }

    pub(crate) fn is_lmtp(&self) -> bool {
        self.lmtp
    }

    pub(crate) fn tolerated(&self) -> Deviations {
        self.tolerated
    }

    pub(crate) fn sequence(&self) -> Sequence {
        if self.lmtp { Sequence::lmtp() } else { Sequence::smtp() }
    }

    pub(crate) fn greeting(&self) -> Reply {
        let protocol = if self.lmtp { "LMTP" } else { "ESMTP" };
        Reply::new(ReplyCode::READY, format!("{NAME} {protocol}"))
    }

    pub(crate) fn hello(&self) -> &Reply {
        &self.hello
    }

    /// Returns the longest command line, in octets: the extensions that the server offers add to it.
    pub(crate) fn line_limit(&self) -> usize {
        self.capabilities.mail_line_limit().max(self.capabilities.rcpt_line_limit())
    }

    /// Returns the size of the largest message, in octets.
    pub(crate) fn size_limit(&self) -> u64 {
        self.capabilities.size_limit().unwrap_or(u64::MAX)
    }

    /// Refuses a MAIL with parameters that the server does not offer, or with a size beyond the
    /// limit.
    pub(crate) fn admit(&self, mail: &Mail<&str>) -> Result<(), Reply> {
        let unknown = |param: MailParam<&str>| !self.has(param.extension());
        if mail.params().any(unknown) {
            return refuse(ReplyCode::PARAMETERS_UNRECOGNIZED, "5.5.4 Parameter not offered");
        }
        if mail.declared_size().is_some_and(|size| size > self.size_limit()) {
            return Err(too_large());
        }
        check_ascii(mail.path().as_str(), mail.is_smtputf8())
    }

    /// Refuses a recipient that does not exist, or one too many.
    pub(crate) fn admit_rcpt(&self, rcpt: &Rcpt<&str>, envelope: &Envelope) -> Result<(), Reply> {
        let unknown = |param: RcptParam<&str>| !self.has(param.extension());
        if rcpt.params().any(unknown) {
            return refuse(ReplyCode::PARAMETERS_UNRECOGNIZED, "5.5.4 Parameter not offered");
        }
        check_ascii(rcpt.path().as_str(), envelope.is_smtputf8())?;
        if envelope.rcpts() >= MAX_RCPTS {
            return refuse(ReplyCode::INSUFFICIENT_STORAGE, "4.5.3 Too many recipients");
        }
        match rcpt.path() {
            ForwardPath::Mailbox(mailbox) if mailbox.local_part().starts_with("nosuch") => {
                refuse(ReplyCode::MAILBOX_UNAVAILABLE, "5.1.1 No such mailbox")
            }
            ForwardPath::Mailbox(mailbox) if mailbox.local_part().starts_with("later") => {
                refuse(ReplyCode::LOCAL_ERROR, "4.2.0 Try again later")
            }
            _ => Ok(()),
        }
    }

    fn has(&self, extension: Option<Extension>) -> bool {
        extension.is_some_and(|extension| self.capabilities.has(extension))
    }
}

/// Returns the refusal of a message beyond the size limit.
pub(crate) fn too_large() -> Reply {
    Reply::new(ReplyCode::STORAGE_EXCEEDED, "5.3.4 Message too large")
}

fn check_ascii(path: &str, smtputf8: bool) -> Result<(), Reply> {
    if smtputf8 || path.is_ascii() {
        return Ok(());
    }
    refuse(ReplyCode::MAILBOX_NAME, "5.6.7 An address outside ASCII needs SMTPUTF8")
}

fn refuse(code: ReplyCode, text: &str) -> Result<(), Reply> {
    Err(Reply::new(code, text))
}
