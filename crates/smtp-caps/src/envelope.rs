//! The envelope: the reverse-path and the forward-paths (RFC 5321, 2.3.1).
use alloc::vec::Vec;

use smtp_codec::{Mail, Rcpt};
use smtp_error::{Field, Flaw, Invalid};

/// The sender and the recipients of a message, in order. There is at least one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    mail: Mail,
    rcpts: Vec<Rcpt>,
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
    /// An address is not valid, or there is no recipient.
    pub fn new<M, R>(mail: M, rcpts: impl IntoIterator<Item = R>) -> Result<Self, Invalid>
    where
        M: TryInto<Mail, Error: Into<Invalid>>,
        R: TryInto<Rcpt, Error: Into<Invalid>>,
    {
        let mail = mail.try_into().map_err(Into::into)?.canonical();
        let rcpts = rcpts.into_iter();
        let rcpts = rcpts.map(|rcpt| rcpt.try_into().map(Rcpt::canonical).map_err(Into::into));
        let rcpts = rcpts.collect::<Result<Vec<_>, _>>()?;
        if rcpts.is_empty() {
            return Err(Invalid::new(Field::Recipients, Flaw::Empty));
        }
        Ok(Self { mail, rcpts })
    }

    /// Returns the sender.
    pub fn mail(&self) -> &Mail {
        &self.mail
    }

    /// Returns the recipients, at least one.
    pub fn rcpts(&self) -> &[Rcpt] {
        &self.rcpts
    }
}
