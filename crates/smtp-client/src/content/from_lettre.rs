//! Messages and envelopes of the crate `lettre`.
use lettre::address::Envelope as LettreEnvelope;
use smtp_caps::Envelope;
use smtp_codec::MailData;
use smtp_error::{HeaderError, InvalidEnvelope};

use super::{Content, Message};

/// The envelope is the one that the message has, set explicitly or derived by `lettre` from its
/// header fields. The fields Bcc and Resent-Bcc are not sent, even after `keep_bcc`.
impl TryFrom<&lettre::Message> for Message<'static> {
    type Error = HeaderError;

    fn try_from(message: &lettre::Message) -> Result<Self, HeaderError> {
        let mail_data = MailData::new(message.formatted())?;
        Ok((message.envelope(), mail_data.without_bcc()).try_into()?)
    }
}

/// An envelope of `lettre`, with any content. An envelope without a sender has the null
/// reverse-path.
impl<'a, C: Into<Content<'a>>> TryFrom<(&LettreEnvelope, C)> for Message<'a> {
    type Error = InvalidEnvelope;

    fn try_from((envelope, content): (&LettreEnvelope, C)) -> Result<Self, InvalidEnvelope> {
        let from: &str = envelope.from().map_or("", AsRef::as_ref);
        let to = envelope.to().iter().map(AsRef::<str>::as_ref);
        Ok(Self::new(Envelope::new(from, to)?, content))
    }
}
