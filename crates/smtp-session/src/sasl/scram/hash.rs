//! The hashes of SCRAM, and what is made with them.
use hmac::{Hmac, KeyInit, Mac, digest::Digest};
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Which hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::sasl) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    pub(super) fn digest(self, data: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
        })
    }

    pub(super) fn hmac(self, key: &[u8], data: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Sha1 => keyed::<Hmac<Sha1>>(key, data).finalize().into_bytes().to_vec(),
            Self::Sha256 => keyed::<Hmac<Sha256>>(key, data).finalize().into_bytes().to_vec(),
        })
    }

    /// Whether this is the HMAC, in a time that tells nothing.
    pub(super) fn verify(self, key: &[u8], data: &[u8], tag: &[u8]) -> bool {
        match self {
            Self::Sha1 => keyed::<Hmac<Sha1>>(key, data).verify_slice(tag).is_ok(),
            Self::Sha256 => keyed::<Hmac<Sha256>>(key, data).verify_slice(tag).is_ok(),
        }
    }

    /// What the password becomes with this salt and so many iterations.
    pub(super) fn salted(self, password: &[u8], salt: &[u8], rounds: u32) -> Zeroizing<Vec<u8>> {
        let size = match self {
            Self::Sha1 => <Sha1 as Digest>::output_size(),
            Self::Sha256 => <Sha256 as Digest>::output_size(),
        };
        let mut salted = Zeroizing::new(vec![0; size]);
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, rounds, &mut salted),
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut salted),
        }
        salted
    }
}

fn keyed<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> M {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(data);
    mac
}
