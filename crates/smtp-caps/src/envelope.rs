//! The envelope: from whom, and to whom (RFC 5321, 2.3.1).
use alloc::vec::Vec;

use smtp_codec::{Mail, Rcpt};
use smtp_error::{Field, Flaw, Invalid};

/// The sender of a message and its recipients, at least one, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    mail: Mail,
    rcpts: Vec<Rcpt>,
}

impl Envelope {
    /// An envelope. Strings, mailboxes and paths are taken where no parameters are needed; an
    /// empty string as sender is the null reverse-path.
    ///
    /// Mailboxes are kept in the form in which they are sent ([`Mailbox::canonical`]): an
    /// internationalized domain after an ASCII local-part has A-labels, and needs no SMTPUTF8.
    /// Strings are held to the grammar; what exists and deviates from it is given as a
    /// [`Mailbox`] that was made with [`Mailbox::tolerating`].
    ///
    /// [`Mailbox`]: smtp_codec::Mailbox
    /// [`Mailbox::canonical`]: smtp_codec::Mailbox::canonical
    /// [`Mailbox::tolerating`]: smtp_codec::Mailbox::tolerating
    ///
    /// # Errors
    /// Refuses what is no address, and an empty list of recipients.
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

    /// The sender.
    pub fn mail(&self) -> &Mail {
        &self.mail
    }

    /// The recipients, at least one.
    pub fn rcpts(&self) -> &[Rcpt] {
        &self.rcpts
    }
}
