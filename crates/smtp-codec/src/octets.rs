//! Octets of a caller, in whatever form the caller has them.
use alloc::{borrow::Cow, boxed::Box, string::String, vec::Vec};

use bytes::{Bytes, BytesMut};

/// Octets that [`MailData`](crate::MailData) is made of: owned ones are taken over without copying,
/// borrowed ones are copied. [`Bytes::from_static`] shares those of a constant.
pub trait IntoOctets {
    /// Returns the octets.
    fn into_octets(self) -> Bytes;
}

/// What is owned becomes `Bytes` without copying.
macro_rules! owned {
    ($($owned:ty),+) => {
        $(impl IntoOctets for $owned {
            fn into_octets(self) -> Bytes {
                self.into()
            }
        })+
    };
}

owned!(Bytes, BytesMut, Vec<u8>, String, Box<[u8]>);

impl<T: AsRef<[u8]> + ?Sized> IntoOctets for &T {
    fn into_octets(self) -> Bytes {
        Bytes::copy_from_slice(self.as_ref())
    }
}

impl IntoOctets for Cow<'_, str> {
    fn into_octets(self) -> Bytes {
        self.into_owned().into()
    }
}

impl IntoOctets for Cow<'_, [u8]> {
    fn into_octets(self) -> Bytes {
        self.into_owned().into()
    }
}
