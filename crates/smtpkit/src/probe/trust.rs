//! Trust: TLS that goes on with any certificate, and the verdict on the one that came. No I/O.
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    SupportedProtocolVersion,
};
use serde::Serialize;

use super::certificate::Certificate;
use super::finding::Finding;
use crate::access::authorities;
use crate::cli::Common;
use crate::failure::Failure;

/// The authorities that a client trusts.
#[derive(Clone, Debug)]
pub(crate) struct Authorities {
    verifier: Result<Arc<dyn ServerCertVerifier>, String>,
    from: String,
}

/// Whether a client would accept the certificate.
///
/// | Field | Value |
/// |---|---|
/// | `accepted` | a trusted authority issued the certificate for this name, and it is valid now |
/// | `authorities` | `system`, or the file of `--ca` |
/// | `name` | the name that it has to be for |
/// | `name_matches` | whether it is for that name |
/// | `error` | why it is not accepted |
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Trust {
    pub(crate) accepted: bool,
    pub(crate) authorities: String,
    pub(crate) name: String,
    pub(crate) name_matches: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// Whether a finding about the certificate alone has the whole reason.
    #[serde(skip)]
    is_found: bool,
}

impl Authorities {
    /// Returns the authorities of `--ca`, or those of the system.
    pub(crate) fn new(common: &Common) -> Result<Self, Failure> {
        let Some(path) = &common.ca else {
            let verifier = rustls_platform_verifier::Verifier::new(provider());
            let verifier = verifier.map(|verifier| Arc::new(verifier) as Arc<_>);
            let verifier = verifier.map_err(|error| error.to_string());
            return Ok(Self { verifier, from: "system".to_owned() });
        };
        let roots = authorities(path)?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider());
        let verifier = verifier.build().map_err(|error| Failure::file(path, error))?;
        Ok(Self { verifier: Ok(verifier), from: path.display().to_string() })
    }

    /// Returns whether a client with these authorities accepts the certificates of a server, its own
    /// first, for this name. `validity` is that of its own, in seconds of Unix: one that is out of
    /// date may be refused for something else as well.
    pub(crate) fn judge(
        &self,
        certificates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
        validity: Option<(i64, i64)>,
    ) -> Option<Trust> {
        let own = certificates.first()?;
        let parsed = ParsedCertificate::try_from(own);
        let name_matches = parsed.is_ok_and(|own| verify_server_name(&own, name).is_ok());
        let mut trust = Trust {
            accepted: false,
            authorities: self.from.clone(),
            name: name.to_str().into_owned(),
            name_matches,
            error: None,
            is_found: false,
        };
        match &self.verifier {
            Err(error) => trust.error = Some(format!("no authorities to verify it with: {error}")),
            Ok(verifier) => {
                let verify = |at| {
                    let verified =
                        verifier.verify_server_cert(own, &certificates[1..], name, &[], at);
                    verified.err().map(|error| Refusal::of(&error))
                };
                let refused = verify(now);
                let other = match &refused {
                    Some(Refusal::Date(_)) => moment(validity, now).and_then(verify),
                    _ => None,
                };
                trust.accepted = refused.is_none();
                trust.is_found =
                    other.is_none() && matches!(refused, Some(Refusal::Date(_) | Refusal::Purpose));
                let reasons = refused.iter().chain(&other).map(ToString::to_string);
                let reasons = reasons.collect::<Vec<_>>().join(", and ");
                trust.error = (!trust.accepted).then_some(reasons);
            }
        }
        Some(trust)
    }
}

impl Trust {
    /// Returns what is wrong with the chain as a whole; `chain` is what the server sent. What
    /// a certificate alone is refused for is a finding about it.
    pub(crate) fn findings(&self, chain: &[Certificate]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let facts: Vec<_> = chain.iter().filter_map(|one| one.facts.as_ref()).collect();
        if !self.name_matches {
            let names = facts.first().map_or(String::new(), |own| own.names.join(", "));
            let text = format!("the certificate is not for {}, but for: {names}", self.name);
            findings.push(Finding::problem("name_mismatch", text));
        }
        if let Some(own) = facts.first().filter(|own| own.is_self_issued)
            && !self.accepted
        {
            let text = format!("the certificate is self-signed: {}", own.subject);
            findings.push(Finding::problem("self_signed", text));
        } else if let Some(error) = &self.error
            && self.name_matches
            && !self.is_found
        {
            let text = format!("clients that verify refuse the certificate: {error}");
            findings.push(Finding::problem("certificate_not_trusted", text));
        }
        for (number, pair) in (2..).zip(facts.windows(2)) {
            if pair[0].issuer != pair[1].subject {
                let text =
                    format!("certificate {number} of the chain is not of the issuer before it");
                findings.push(Finding::notice("chain_out_of_order", text));
            }
        }
        if facts.len() > 1 && facts.last().is_some_and(|last| last.is_self_issued) {
            let text = "the chain includes the trust anchor, which only DANE-TA needs";
            findings.push(Finding::notice("chain_with_anchor", text));
        }
        findings
    }
}

/// Accepts any certificate whose key the server proves to have.
#[derive(Debug)]
pub(crate) struct Witness {
    provider: Arc<CryptoProvider>,
    presented: Mutex<Presented>,
}

/// What a server presented in its last handshake, whether or not that succeeded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presented {
    /// The certificates, its own first.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// Whether an OCSP response came with them.
    pub(crate) has_ocsp_response: bool,
}

impl Witness {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { provider: provider(), presented: Mutex::default() })
    }

    /// Returns what the server presented.
    pub(crate) fn presented(&self) -> Presented {
        self.presented.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns TLS with this verifier, in these versions.
    ///
    /// # Errors
    /// The cryptography has no cipher suite for the versions.
    pub(crate) fn config(
        self: &Arc<Self>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(self) as Arc<_>)
            .with_no_client_auth();
        // A session that is resumed shows no certificate.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(own).chain(others);
        let presented = Presented {
            chain: chain.map(|certificate| certificate.clone().into_owned()).collect(),
            has_ocsp_response: !ocsp_response.is_empty(),
        };
        *self.presented.lock().unwrap_or_else(PoisonError::into_inner) = presented;
        Ok(ServerCertVerified::assertion())
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

/// Returns the cryptography of this program.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Why a certificate is refused.
enum Refusal {
    Date(&'static str),
    Purpose,
    Other(String),
}

impl Refusal {
    fn of(error: &Error) -> Self {
        use CertificateError as Refused;
        let Error::InvalidCertificate(refused) = error else {
            return Self::Other(error.to_string());
        };
        match refused {
            Refused::Expired | Refused::ExpiredContext { .. } => Self::Date("it has expired"),
            Refused::NotValidYet | Refused::NotValidYetContext { .. } => {
                Self::Date("it is not valid yet")
            }
            Refused::InvalidPurpose | Refused::InvalidPurposeContext { .. } => Self::Purpose,
            // Another key of an authority with the same name.
            Refused::BadSignature => {
                Self::Other("no trusted authority has the key of its signature".to_owned())
            }
            Refused::UnknownIssuer => Self::Other("no trusted authority issued it".to_owned()),
            Refused::NotValidForName | Refused::NotValidForNameContext { .. } => {
                Self::Other("it is not for this name".to_owned())
            }
            Refused::Other(other) => Self::Other(match &*other.0.to_string() {
                "CaUsedAsEndEntity" => "it is that of an authority".to_owned(),
                other => other.to_owned(),
            }),
            other => Self::Other(other.to_string()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(reason) => f.write_str(reason),
            Self::Purpose => f.write_str("its extended key usage does not permit servers"),
            Self::Other(reason) => f.write_str(reason),
        }
    }
}

/// Returns the moment next to `now` at which a certificate is valid.
fn moment(validity: Option<(i64, i64)>, now: UnixTime) -> Option<UnixTime> {
    let (begins, ends) = validity?;
    let now = i64::try_from(now.as_secs()).ok()?;
    let seconds = u64::try_from(now.min(ends).max(begins)).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}
