//! Envelopes from header sections: which address fields count, and who sends to whom.
use alloc::vec::Vec;

use smtp_codec::{HeaderField, Mailbox};
use smtp_error::{AddressField, HeaderError};

use crate::Envelope;

mod address_list;

impl Envelope {
    /// Returns the envelope that the header section of this mail data states (RFC 5322, 3.6.2 and
    /// 3.6.3): from Sender, or from From if there is no Sender, to all addresses in To, Cc and Bcc,
    /// each of them once. Groups, comments, encoded words and folded lines are understood, LF line
    /// ends too.
    ///
    /// If the message was sent again, the first block of Resent fields counts instead of these
    /// (RFC 5322, 3.6.6).
    ///
    /// [`MailData::without_bcc`](smtp_codec::MailData::without_bcc) is what to send.
    ///
    /// ```
    /// use smtp_caps::Envelope;
    ///
    /// let text = b"From: Ann <a@example.org>\r\nTo: b@example.org\r\nBcc: c@example.org\r\n\r\n";
    /// let envelope = Envelope::from_headers(text)?;
    /// assert_eq!(envelope, Envelope::new("a@example.org", ["b@example.org", "c@example.org"])?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A field is missing, repeated or has no valid address, as [`HeaderError`] says. Addresses that
    /// two readers could understand differently are an error too, because a wrong recipient is
    /// worse than none.
    pub fn from_headers(mail_data: &[u8]) -> Result<Self, HeaderError> {
        let fields = AddressFields::new(mail_data);
        let sender = fields.sender()?;
        Ok(Self::new(sender, fields.recipients()?)?)
    }
}

/// The fields that make the envelope, with their values.
struct AddressFields<'a> {
    fields: Vec<(AddressField, &'a [u8])>,
    is_resent: bool,
}

impl<'a> AddressFields<'a> {
    fn new(mail_data: &'a [u8]) -> Self {
        let mut resent_names: Vec<&[u8]> = Vec::new();
        let mut resent = Vec::new();
        let mut original = Vec::new();
        // The first block ends at a field of another kind, or at a name that it has already: each
        // time that a message is sent again, a block is added before the others.
        let mut in_block = true;
        for field in HeaderField::all(mail_data) {
            let name = field.name();
            let address_field = AddressField::of_name(name).map(|one| (one, field.value()));
            if is_resent(name) {
                in_block &= !resent_names.iter().any(|seen| seen.eq_ignore_ascii_case(name));
                if in_block {
                    resent_names.push(name);
                    resent.extend(address_field);
                }
            } else {
                in_block &= resent_names.is_empty();
                original.extend(address_field);
            }
        }
        match resent_names.is_empty() {
            true => Self { fields: original, is_resent: false },
            false => Self { fields: resent, is_resent: true },
        }
    }

    /// Returns this field, or the one of a message that is sent again.
    fn kind(&self, original: AddressField, resent: AddressField) -> AddressField {
        if self.is_resent { resent } else { original }
    }

    fn sender(&self) -> Result<Mailbox, HeaderError> {
        let sender = self.kind(AddressField::Sender, AddressField::ResentSender);
        let several = |addresses| HeaderError::SeveralSenders { field: sender, addresses };
        if let Some(mailbox) = self.single(sender, several)? {
            return Ok(mailbox);
        }
        let field = self.kind(AddressField::From, AddressField::ResentFrom);
        let several = |addresses| HeaderError::SeveralAuthors { field, addresses };
        self.single(field, several)?.ok_or(HeaderError::NoSender { field })
    }

    /// Returns the one address of a field that must be there once, if it is there.
    fn single(
        &self,
        field: AddressField,
        several: impl Fn(usize) -> HeaderError,
    ) -> Result<Option<Mailbox>, HeaderError> {
        let mut values = self.values(field);
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(HeaderError::Repeated { field });
        }
        let mut mailboxes = address_list::read(field, value)?;
        match (mailboxes.len(), mailboxes.pop()) {
            (1, mailbox) => Ok(mailbox),
            (0, _) => Err(HeaderError::NoAddress { field }),
            (addresses, _) => Err(several(addresses)),
        }
    }

    /// Returns the recipients, each once. A destination field may be repeated (RFC 5322, 4.5.3).
    fn recipients(&self) -> Result<Vec<Mailbox>, HeaderError> {
        let to = self.kind(AddressField::To, AddressField::ResentTo);
        let cc = self.kind(AddressField::Cc, AddressField::ResentCc);
        let bcc = self.kind(AddressField::Bcc, AddressField::ResentBcc);
        let mut recipients: Vec<Mailbox> = Vec::new();
        for field in [to, cc, bcc] {
            for value in self.values(field) {
                for mailbox in address_list::read(field, value)? {
                    if !recipients.iter().any(|known| is_same(known, &mailbox)) {
                        recipients.push(mailbox);
                    }
                }
            }
        }
        if recipients.is_empty() {
            return Err(HeaderError::NoRecipient { to, cc, bcc });
        }
        Ok(recipients)
    }

    fn values(&self, field: AddressField) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |(found, _)| *found == field).map(|(_, value)| *value)
    }
}

/// Returns whether it is the name of a field of a message that is sent again.
fn is_resent(name: &[u8]) -> bool {
    let prefix = b"Resent-";
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Returns whether it is the same mailbox. Only its server knows whether the case of the local-part
/// matters (RFC 5321, 2.4).
fn is_same(one: &Mailbox, other: &Mailbox) -> bool {
    one.local_part() == other.local_part() && one.host().eq_ignore_ascii_case(other.host())
}
