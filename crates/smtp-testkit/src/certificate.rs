//! Certificates made at run time: an authority that a client can trust, and the certificates that
//! it issues.

use std::fmt;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

/// The names in every certificate without a wrong name.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The fault, if any, of the server's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateKind {
    /// No fault: issued by the authority, valid now, for `localhost`, `127.0.0.1`, `::1` and the
    /// names given to the authority.
    #[default]
    Good,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It is for `wrong-name.invalid` only.
    WrongName,
    /// It is self-signed instead of issued by the authority.
    SelfSigned,
    /// It is self-signed and marked as the certificate of an authority, as tools make it by default.
    SelfSignedAuthority,
    /// It was issued by another authority, which no client trusts.
    UnknownAuthority,
    /// Its extended key usage permits clients only.
    ForClients,
}

/// A certificate authority for one test.
///
/// A clone is the same authority.
#[derive(Clone)]
pub struct Authority {
    issuer: Arc<CertifiedIssuer<'static, KeyPair>>,
    names: Vec<String>,
}

impl Authority {
    /// Makes an authority with a new key.
    ///
    /// # Panics
    ///
    /// If the operating system has no random octets to give.
    #[expect(clippy::new_without_default, reason = "a default should not make keys")]
    pub fn new() -> Self {
        Self::called("smtp-testkit authority")
    }

    fn called(common_name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, new_key())
            .expect("a key just made can sign what is filled in here");
        Self { issuer: Arc::new(issuer), names: Vec::new() }
    }

    /// Adds a host name or an IP address to the certificates that the authority issues from now on.
    pub fn name(mut self, name: &str) -> Result<Self, InvalidName> {
        // rcgen refuses a name only if it is not ASCII.
        if name.is_empty() || !name.is_ascii() {
            return Err(InvalidName { name: name.to_owned() });
        }
        self.names.push(name.to_owned());
        Ok(self)
    }

    /// The certificate of the authority as DER; the client has to trust it.
    pub fn der(&self) -> &[u8] {
        self.issuer.der()
    }

    /// The certificate of the authority as PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Issues a certificate for a new key.
    ///
    /// # Panics
    ///
    /// If the operating system has no random octets to give.
    pub fn issue(&self, kind: CertificateKind) -> Identity {
        let names = match kind {
            CertificateKind::WrongName => vec!["wrong-name.invalid".to_owned()],
            _ => LOCAL_NAMES.map(str::to_owned).into_iter().chain(self.names.clone()).collect(),
        };
        let mut params =
            CertificateParams::new(names).expect("names were checked to be ASCII when given");
        params.distinguished_name = named("smtp-testkit server");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if kind == CertificateKind::SelfSignedAuthority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params.extended_key_usages = match kind {
            CertificateKind::ForClients => vec![ExtendedKeyUsagePurpose::ClientAuth],
            _ => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        };
        let (from, until) = match kind {
            CertificateKind::Expired => (2000, 2001),
            CertificateKind::NotYetValid => (2999, 3000),
            _ => (2000, 3000),
        };
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);

        let key = new_key();
        let certificate = match kind {
            CertificateKind::SelfSigned | CertificateKind::SelfSignedAuthority => {
                params.self_signed(&key)
            }
            CertificateKind::UnknownAuthority => {
                params.signed_by(&key, &Self::called("smtp-testkit unknown authority").issuer)
            }
            _ => params.signed_by(&key, &self.issuer),
        }
        .expect("a key just made can sign what is filled in here");
        Identity {
            certificate: certificate.der().to_vec(),
            issuers: Vec::new(),
            key: Arc::new(PrivatePkcs8KeyDer::from(key.serialize_der()).into()),
        }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("names", &self.names).finish_non_exhaustive()
    }
}

/// A certificate and its key, for a server of the caller or for [`ServerBuilder::identity`].
///
/// [`ServerBuilder::identity`]: crate::ServerBuilder::identity
#[derive(Clone)]
pub struct Identity {
    certificate: Vec<u8>,
    /// The certificates that a server sends after its own.
    issuers: Vec<Vec<u8>>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl Identity {
    /// Reads a certificate of the caller, the certificates of its issuers if the server has to send
    /// them, and the private key of the first.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, InvalidPem> {
        let chain = CertificateDer::pem_slice_iter(certificates).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| InvalidPem::Certificate(error.to_string()))?;
        let mut all = chain.iter().map(|certificate| certificate.to_vec());
        let none = || InvalidPem::Certificate("there is none".to_owned());
        let (certificate, issuers) = (all.next().ok_or_else(none)?, all.collect());
        let key = PrivateKeyDer::from_pem_slice(key);
        let key = key.map_err(|error| InvalidPem::Key(error.to_string()))?;
        CertifiedKey::from_der(chain, key.clone_key(), &aws_lc_rs::default_provider())
            .map_err(|error| InvalidPem::Pair(error.to_string()))?;
        Ok(Self { certificate, issuers, key: Arc::new(key) })
    }

    /// The certificate as DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// The private key as DER: PKCS #8, unless it was [read](Self::from_pem) in another form.
    pub fn key_der(&self) -> &[u8] {
        self.key.secret_der()
    }

    /// Adds the certificate of an authority to those that a server sends in the handshake, after its
    /// own, which it otherwise sends alone. DANE-TA needs that (RFC 7672, 3.1.2).
    #[must_use]
    pub fn with_issuer(mut self, authority: &Authority) -> Self {
        self.issuers.push(authority.der().to_vec());
        self
    }

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        let all = std::iter::once(&self.certificate).chain(&self.issuers);
        all.map(|der| CertificateDer::from(der.clone())).collect()
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// A name that no certificate can have: it is empty or not ASCII.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is neither a host name in ASCII nor an IP address")]
pub struct InvalidName {
    name: String,
}

/// Why a certificate of the caller cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPem {
    /// The certificates are not in PEM, or there is none.
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    /// The key is not in PEM, or there is none.
    #[error("the private key cannot be read: {0}")]
    Key(String),
    /// The key is not the one of the certificate, or of an unknown kind.
    #[error("the private key does not fit the certificate: {0}")]
    Pair(String),
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn new_key() -> KeyPair {
    // This fails only if the system has no random octets.
    KeyPair::generate().expect("the system gives random octets")
}
