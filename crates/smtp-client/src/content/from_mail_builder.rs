//! Messages of the crate `mail-builder`.
use mail_builder::{
    MessageBuilder,
    headers::{HeaderType, address::Address},
};
use smtp_codec::{MailData, Mailbox};
use smtp_error::{HeaderError, InvalidAddress};

use super::Message;

/// The envelope follows from the header fields, as by `Message::from_headers`. The fields Bcc and
/// Resent-Bcc are not sent.
impl TryFrom<MessageBuilder<'_>> for Message<'static> {
    type Error = HeaderError;

    fn try_from(builder: MessageBuilder<'_>) -> Result<Self, HeaderError> {
        // They are written as they are: a line end in one would begin another header field.
        for (_, value) in &builder.headers {
            if let HeaderType::Address(address) = value {
                check(address)?;
            }
        }
        let octets = builder.write_to_vec().expect("a vector takes all that is written to it");
        Self::from_headers(MailData::new(octets)?)
    }
}

/// Refuses an address that is no mailbox.
fn check(address: &Address<'_>) -> Result<(), InvalidAddress> {
    match address {
        Address::Address(one) => match Mailbox::new(&*one.email) {
            Ok(_) => Ok(()),
            Err(why) => Err(InvalidAddress::new(&one.email, why)),
        },
        Address::Group(group) => group.addresses.iter().try_for_each(check),
        Address::List(list) => list.iter().try_for_each(check),
    }
}
