//! An authority and the certificate that it issues to every server, made for each run.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use smtp_client::Tls;

/// The name of every server.
pub(crate) const HOST: &str = "mx.interop.test";

/// The files of a certificate.
#[derive(Clone)]
pub(crate) struct Certs {
    /// The certificate of the authority, in PEM.
    pub(crate) authority: PathBuf,
    /// The certificate of the servers and that of the authority, in PEM.
    pub(crate) chain: PathBuf,
    /// The key of the servers, in PEM.
    pub(crate) key: PathBuf,
    tls: Tls,
}

impl Certs {
    /// Makes them in this folder.
    pub(crate) fn make(folder: &Path) -> Result<Self, Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "interop authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

        let mut params = CertificateParams::new([HOST.to_owned(), "localhost".to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, HOST);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &authority)?;

        let certs = Self {
            authority: folder.join("authority.pem"),
            chain: folder.join("chain.pem"),
            key: folder.join("key.pem"),
            tls: Tls::authorities_pem(authority.pem().as_bytes())?.server_name(HOST)?,
        };
        fs::write(&certs.authority, authority.pem())?;
        fs::write(&certs.chain, certificate.pem() + &authority.pem())?;
        fs::write(&certs.key, key.serialize_pem())?;
        Ok(certs)
    }

    /// Returns what a client trusts.
    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }
}
