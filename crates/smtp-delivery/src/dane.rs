//! Authenticates servers by their TLSA records (RFC 7672, 3). No I/O.
use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use smtp_client::Tls;
use smtp_error::Cause;
use webpki::{EndEntityCert, KeyUsage};

use crate::{Name, Tlsa, provider::provider};

mod anchors;
mod failure;

use anchors::{Sent, anchors, links};
pub use failure::DaneFailure;

/// Accepts the certificate of a server if a TLSA record says so (RFC 7672, 3.1).
///
/// - DANE-EE (usage 3): a record matches the certificate of the server. Its names, its dates and who
///   issued it make no difference.
/// - DANE-TA (usage 2): a chain leads from the certificate to a trust anchor that a record matches,
///   or has whole. The chain is made of the certificates that the server sent, so it has to send the
///   trust anchor too, unless the record has the certificate (`2 0 0`) or the key (`2 1 0`). The
///   signatures, the dates, the basic constraints and the name constraints are checked, except the
///   dates and the basic constraints of the trust anchor itself (RFC 5280, 6.1). The certificate has
///   to be for one of the names, among its DNS names; a common name does not count.
///
/// No public authority is asked, and no revocation checked. The server always has to prove that it
/// has the private key of its certificate.
///
/// The verifier is for one host with one set of records. The name that rustls connects to is only
/// sent to the server; do not share sessions with another configuration, since the certificate of a
/// resumed session is not checked again.
///
/// ```
/// # fn example(
/// #     records: &[smtp_delivery::Tlsa],
/// #     provider: std::sync::Arc<rustls::crypto::CryptoProvider>,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use rustls::{ClientConfig, client::Resumption};
/// use smtp_delivery::{DaneVerifier, Name};
///
/// // The host that the records are for, and the domain of the recipients.
/// let names = [Name::new("mx.example.org")?, Name::new("example.org")?];
/// let verifier = DaneVerifier::new(records, &names, Arc::clone(&provider))?;
/// let mut config = ClientConfig::builder_with_provider(provider)
///     .with_safe_default_protocol_versions()?
///     .dangerous()
///     .with_custom_certificate_verifier(Arc::new(verifier))
///     .with_no_client_auth();
/// config.resumption = Resumption::disabled();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DaneVerifier {
    own: Vec<Tlsa>,
    anchors: Vec<Tlsa>,
    names: Vec<Name>,
    provider: Arc<CryptoProvider>,
}

/// Why there can be no TLS with DANE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DaneSetupError {
    /// No record is usable: the server cannot be authenticated.
    #[error("no TLSA record of the host is usable")]
    Unusable,
    /// There is no name that the server could be asked for.
    #[error("there is no name for the certificate of the server")]
    NoName,
    /// No provider of cryptography is compiled in.
    #[error("smtp-delivery was built without the features `aws-lc-rs` and `ring`: enable one")]
    NoProvider,
}

impl DaneVerifier {
    /// The most certificates of a server that are considered, its own included. Chains on the public
    /// network have 2 to 4; the time to try all orders grows fast.
    pub const MAX_CERTIFICATES: usize = 10;

    /// Returns the verifier for a host with these records, of which those count that
    /// [`Tlsa::effective`] returns, and with a certificate for one of these names: the TLSA base
    /// domain, and where RFC 7672, 3.2.2 permits it, the next-hop domain. The names matter for
    /// DANE-TA only.
    ///
    /// # Errors
    /// No record is usable.
    pub fn new(
        records: &[Tlsa],
        names: &[Name],
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, DaneSetupError> {
        let records = Tlsa::effective(records);
        if records.is_empty() {
            return Err(DaneSetupError::Unusable);
        }
        let (own, anchors) = records.into_iter().partition(|one| one.usage() == Tlsa::DANE_EE);
        Ok(Self { own, anchors, names: names.to_vec(), provider })
    }

    /// Checks the certificates that a server sent, its own first.
    ///
    /// This is what a handshake checks besides the signature with the key of the certificate.
    ///
    /// # Errors
    /// The server is not the one that the records are for.
    pub fn check(
        &self,
        certificates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), DaneFailure> {
        let considered = certificates.len().min(Self::MAX_CERTIFICATES);
        let certificates = &certificates[..considered];
        let [own, others @ ..] = certificates else { return Err(DaneFailure::NoMatch) };
        let sent = Sent::new(own);
        if sent.is_in(self.own.iter()) {
            return Ok(());
        }
        if self.anchors.is_empty() {
            return Err(DaneFailure::NoMatch);
        }
        self.check_chain(own, &sent, others, now)
    }

    /// Checks that a chain leads to a trust anchor, and that the certificate is for one of the names.
    fn check_chain(
        &self,
        own: &CertificateDer<'_>,
        sent: &Sent<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), DaneFailure> {
        let sent_others: Vec<_> = others.iter().map(Sent::new).collect();
        let anchors = anchors(&self.anchors, sent, &sent_others);
        if anchors.is_empty() {
            return Err(match sent.is_in(self.anchors.iter()) {
                true => DaneFailure::OwnCertificate,
                false => DaneFailure::NoMatch,
            });
        }
        let certificate = EndEntityCert::try_from(own).map_err(DaneFailure::of_chain)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let (usage, links) = (KeyUsage::server_auth(), links(others));
        certificate
            .verify_for_usage(algorithms, &anchors, &links, now, usage, None, None)
            .map_err(DaneFailure::of_chain)?;
        let is_for = |name: &Name| {
            let name = ServerName::try_from(name.as_str());
            name.is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
        };
        match self.names.iter().any(is_for) {
            true => Ok(()),
            false => Err(DaneFailure::of_name(&certificate, &self.names)),
        }
    }
}

impl ServerCertVerifier for DaneVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificates: Vec<_> = std::iter::once(end_entity)
            .chain(intermediates)
            .take(Self::MAX_CERTIFICATES)
            .map(|certificate| CertificateDer::from(certificate.as_ref()))
            .collect();
        self.check(&certificates, now)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|failure| CertificateError::Other(OtherError(Arc::new(failure))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Returns TLS for a host with these records. The first of the names is the TLSA base domain, which
/// the server is asked for (RFC 7672, 8.1); the certificate may be for any of them.
///
/// # Errors
/// A [`DaneSetupError`], or the first name is not one that a server can be asked for.
pub(crate) fn tls(records: &[Tlsa], names: &[Name]) -> Result<Tls, Cause> {
    let base = names.first().ok_or(DaneSetupError::NoName).map_err(Cause::new)?;
    let provider = provider().ok_or(DaneSetupError::NoProvider).map_err(Cause::new)?;
    let verifier = DaneVerifier::new(records, names, Arc::clone(&provider)).map_err(Cause::new)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Cause::new)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // The records may have changed since the session that would be resumed.
    config.resumption = Resumption::disabled();
    Tls::new(Arc::new(config)).server_name(base.as_str()).map_err(Cause::new)
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
mod tests {
    use smtp_client::{Broken, Connector, Error, ErrorKind, Protection, Server};
    use smtp_testkit::{Authority, CertificateKind, Server as TestServer};

    use super::*;

    fn names() -> Vec<Name> {
        vec![Name::new("mx.example.net").unwrap(), Name::new("example.org").unwrap()]
    }

    /// Connects to a server that sends its certificate alone.
    async fn connect(
        authority: &Authority,
        kind: CertificateKind,
        records: &[Tlsa],
    ) -> Result<Protection, Error> {
        let script = "[tls]\nS: 220 hi\nC: EHLO client.example\nS: 250 mx\n";
        let builder = TestServer::builder().authority(authority.clone()).certificate(kind);
        let (server, pipe) = builder.script(script.parse().unwrap()).pipe();
        let at = Server::tcp("192.0.2.1", 465).security(smtp_client::Security::Tls);
        let connector = Connector::new(at)
            .hello_name("client.example".parse().unwrap())
            .tls(tls(records, &names()).unwrap());
        let connected = connector.connect_over(pipe).await;
        let outcome = connected.map(|connection| connection.tls().unwrap().protection());
        assert_eq!(server.finish().await.is_ok(), outcome.is_ok());
        outcome
    }

    #[tokio::test]
    async fn handshakes_end_as_the_records_have_it() {
        let authority = Authority::new().name("mx.example.net").unwrap();
        let records = [Tlsa::new(2, 0, 0, authority.der())];
        let achieved = connect(&authority, CertificateKind::Good, &records).await;
        assert_eq!(achieved.unwrap(), Protection::Verified);

        type Expected = fn(&DaneFailure) -> bool;
        let failures: [(CertificateKind, Expected); 4] = [
            (CertificateKind::Expired, |it| matches!(it, DaneFailure::Expired { .. })),
            (CertificateKind::NotYetValid, |it| matches!(it, DaneFailure::NotYetValid { .. })),
            (CertificateKind::WrongName, |it| matches!(it, DaneFailure::Name { .. })),
            (CertificateKind::UnknownAuthority, |it| matches!(it, DaneFailure::Chain(_))),
        ];
        for (kind, is_expected) in failures {
            let error = connect(&authority, kind, &records).await.unwrap_err();
            let ErrorKind::Broken(Broken::Tls(cause)) = error.kind() else { panic!("{error:?}") };
            assert!(DaneFailure::of(cause).is_some_and(is_expected), "{kind:?}: {error:?}");
        }
    }

    #[test]
    fn what_is_missing_is_told() {
        let records = [Tlsa::new(3, 1, 1, [7; 32])];
        let error = |records: &[Tlsa], names: &[Name]| {
            let cause = tls(records, names).unwrap_err();
            cause.downcast_ref::<DaneSetupError>().copied()
        };
        assert_eq!(error(&records, &[]), Some(DaneSetupError::NoName));
        assert_eq!(error(&[], &names()), Some(DaneSetupError::Unusable));
        let unusable = [Tlsa::new(1, 1, 1, [7; 32])];
        assert_eq!(error(&unusable, &names()), Some(DaneSetupError::Unusable));
        // A name that no server can be asked for.
        assert!(tls(&records, &[Name::new("a\\000.example").unwrap()]).is_err());
    }
}
