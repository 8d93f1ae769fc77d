//! The envelope: the reverse-path and the forward-paths (RFC 5321, 2.3.1).
use alloc::{sync::Arc, vec::Vec};

use smtp_codec::{Mail, Rcpt};
use smtp_error::{ForwardPaths, InvalidAddress, InvalidEnvelope};

/// The sender and the recipients of a message, in order. There is at least one recipient.
///
/// Cloning shares the recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    mail: Mail,
    rcpts: Arc<Recipients>,
}

/// The recipients, shared with the delivery of the message and with its errors.
#[derive(Debug, PartialEq, Eq)]
struct Recipients(Vec<Rcpt>);

impl ForwardPaths for Recipients {
    fn forward_path(&self, position: usize) -> Option<&str> {
        self.0.get(position).map(|rcpt| rcpt.path().as_str())
    }
}

impl Envelope {
    /// Returns an envelope. Strings, mailboxes and paths are converted where no parameters are
    /// needed; an empty string as sender is the null reverse-path.
    ///
    /// Mailboxes are stored in the form in which the client sends them ([`Mailbox::canonical`]): an
    /// internationalized domain after an ASCII local-part has A-labels, and needs no SMTPUTF8.
    /// Strings must follow the grammar. To send to an existing mailbox that deviates from it, pass a
    /// [`Mailbox`] from [`Mailbox::tolerating`].
    ///
    /// [`Mailbox`]: smtp_codec::Mailbox
    /// [`Mailbox::canonical`]: smtp_codec::Mailbox::canonical
    /// [`Mailbox::tolerating`]: smtp_codec::Mailbox::tolerating
    ///
    /// # Errors
    /// An address is not valid: the error names the first such address, and says what is wrong with
    /// it. Or there is no recipient.
    pub fn new<M, R>(mail: M, rcpts: impl IntoIterator<Item = R>) -> Result<Self, InvalidEnvelope>
    where
        M: TryInto<Mail, Error: Into<InvalidAddress>>,
        R: TryInto<Rcpt, Error: Into<InvalidAddress>>,
    {
        let sender = mail.try_into().map_err(|error| InvalidEnvelope::Sender(error.into()));
        let mail = sender?.canonical();
        let rcpts = rcpts.into_iter().enumerate().map(|(position, rcpt)| match rcpt.try_into() {
            Ok(rcpt) => Ok(rcpt.canonical()),
            Err(error) => Err(InvalidEnvelope::Recipient { position, invalid: error.into() }),
        });
        let rcpts = rcpts.collect::<Result<Vec<_>, _>>()?;
        if rcpts.is_empty() {
            return Err(InvalidEnvelope::NoRecipients);
        }
        Ok(Self { mail, rcpts: Arc::new(Recipients(rcpts)) })
    }

    /// Returns the sender.
    pub fn mail(&self) -> &Mail {
        &self.mail
    }

    /// Returns the recipients, at least one.
    pub fn rcpts(&self) -> &[Rcpt] {
        &self.rcpts.0
    }

    /// Returns the forward-paths of the recipients, shared: what names the recipients of a
    /// [`Delivery`](smtp_error::Delivery).
    pub fn forward_paths(&self) -> Arc<dyn ForwardPaths> {
        self.rcpts.clone()
    }
}
