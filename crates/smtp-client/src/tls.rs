//! TLS: the trusted authorities, and the handshake.
use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, client::danger::ServerCertVerifier,
    pki_types::ServerName,
};
use smtp_error::{Broken, Cause, Error, ErrorKind, Excerpt, Field, Flaw, Invalid, Step};

use crate::{
    server::to_ascii,
    session::{ChannelBinding, Session},
};

mod facts;
mod failure;
mod instant;
mod offered;
mod opportunistic;
mod outgoing;
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
mod trust;
mod trust_error;
#[cfg_attr(
    not(any(feature = "ring", feature = "aws-lc-rs")),
    allow(dead_code, reason = "the constructors that pin keys use it")
)]
mod verifier;

pub use facts::{Protection, TlsFacts};
pub use failure::TlsFailure;
pub(crate) use outgoing::Outgoing;
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
pub use trust::KeyPin;
pub use trust_error::TrustError;

use offered::Offered;
pub(crate) use opportunistic::Accepted;

/// The first octets of a handshake, recorded for the error if it fails: the TLS library drops
/// octets that it cannot parse.
#[derive(Default)]
pub(crate) struct Seen {
    read: Vec<u8>,
    written: Vec<u8>,
}

/// The maximum number of octets recorded of what is read: the size of an excerpt in an error.
const READ: usize = 1024;
/// The maximum number of octets recorded of what is written: enough for the ClientHello, which
/// lists what the client offers.
const WRITTEN: usize = 4096;

impl Seen {
    /// Records octets that were read.
    pub(crate) fn read(&mut self, octets: &[u8]) {
        keep(&mut self.read, octets, READ);
    }

    /// Records octets that were written.
    pub(crate) fn wrote(&mut self, octets: &[u8]) {
        keep(&mut self.written, octets, WRITTEN);
    }
}

fn keep(kept: &mut Vec<u8>, octets: &[u8], limit: usize) {
    let room = limit.saturating_sub(kept.len());
    kept.extend_from_slice(&octets[..room.min(octets.len())]);
}

/// The TLS configuration: which servers are trusted, and the name that the server's certificate
/// must be for.
///
/// The certificate and the name are checked, unless the caller has chosen
/// [`pinned`](Self::pinned), where the key alone decides, or
/// [`dangerous_accept_any_certificate`](Self::dangerous_accept_any_certificate). No process-wide
/// provider of cryptography is installed.
///
/// Connections with the same `Tls`, or a clone of it, share the sessions that servers offer to
/// resume: a later handshake with a server is shorter ([`TlsFacts::is_resumed`]). Make one and keep
/// it. A connector keeps its own.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    /// What a handshake that the configuration accepts has achieved.
    protection: Protection,
    /// The verifier of the configuration; `None` if the configuration is the caller's.
    verifier: Option<Arc<dyn ServerCertVerifier>>,
    mode: Mode,
}

/// What a certificate that is not accepted means.
#[derive(Clone)]
enum Mode {
    /// The handshake fails.
    Required,
    /// The connection is encrypted, and the server unverified. It has the configuration, which is
    /// made once, so that sessions can be resumed.
    Opportunistic(Arc<ClientConfig>),
}

impl Tls {
    /// Uses this configuration of rustls: with client certificates, other versions or another
    /// provider. A handshake that it accepts counts as [`Protection::Verified`].
    pub fn new(config: Arc<ClientConfig>) -> Self {
        let protection = Protection::Verified;
        Self { config, server_name: None, protection, verifier: None, mode: Mode::Required }
    }

    /// Expects a certificate for this name or address instead of the host that is connected to.
    ///
    /// # Errors
    /// The text is neither a DNS name nor an IP address.
    pub fn server_name(mut self, name: &str) -> Result<Self, Invalid> {
        self.server_name = Some(parse_name(name)?);
        Ok(self)
    }

    /// Offers these protocols to the server (ALPN), in order of preference. By default none is
    /// offered.
    ///
    /// Use it where the server is known to support it: a server of another protocol with a
    /// certificate for the same name then aborts the handshake, so that an attacker cannot redirect
    /// the connection to it (ALPACA). Exim accepts `smtp`; no name is registered for SMTP.
    #[must_use]
    pub fn alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        let protocols = protocols.into_iter().map(Into::into).collect();
        Arc::make_mut(&mut self.config).alpn_protocols = protocols;
        // It is made again, from this configuration, where it is needed.
        self.mode = Mode::Required;
        self
    }

    /// Returns the configuration that is used if the caller sets none.
    pub(crate) fn default_or_error() -> Result<Self, Error> {
        #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
        let default = Self::platform();
        #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
        let default = Err(Cause::new(TrustError::NoProvider));
        default.map_err(|cause| Error::new(Step::Handshake, Broken::Tls(cause)))
    }

    /// Returns the name that the certificate of a server on this host must be for.
    pub(crate) fn name_for(&self, host: &str) -> Result<ServerName<'static>, Error> {
        match &self.server_name {
            Some(name) => Ok(name.clone()),
            None => parse_name(host).map_err(|invalid| Error::new(Step::Handshake, invalid)),
        }
    }

    /// Returns the configuration of rustls for a handshake.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(match &self.mode {
            Mode::Required => &self.config,
            Mode::Opportunistic(config) => config,
        })
    }
}

/// Returns the error of a failed handshake, with what the client offered and the octets received.
pub(crate) fn failed(broken: Broken, server_name: &str, seen: &Seen) -> Error {
    let broken = match &broken {
        Broken::Tls(cause) => match cause.downcast_ref::<rustls::Error>() {
            Some(error) => {
                let offered = Offered::read(&seen.written).unwrap_or_default();
                let failure = TlsFailure::of_handshake(error.clone(), server_name, offered);
                Broken::Tls(Cause::new(failure))
            }
            None => broken,
        },
        _ => broken,
    };
    let error = Error::new(Step::Handshake, broken);
    if seen.read.is_empty() || is_tls(&seen.read) {
        return error;
    }
    error.with_excerpt(Excerpt::new(&seen.read))
}

/// Returns whether octets begin like a TLS record (RFC 8446, 5.1).
pub(crate) fn is_tls(octets: &[u8]) -> bool {
    matches!(octets, [20..=23] | [20..=23, 3, ..])
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// Informs the session of the TLS version, the cipher suite, the channel binding, and whether it is
/// known who the server is.
pub(crate) fn announce(tls: &ClientConnection, accepted: Accepted, session: &mut Session) {
    let version = tls.protocol_version().map_or("", |version| version.as_str().unwrap_or(""));
    let suite = tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    session.secured(version, suite.unwrap_or(""));
    if accepted == Accepted::Nevertheless {
        session.unverified();
    }
    // With TLS 1.2 the exporter is a safe channel binding only with the extended master secret
    // (RFC 9266, 4.2), and rustls does not report whether that was negotiated.
    let label = ChannelBinding::EXPORTER_LABEL;
    if tls.protocol_version() == Some(ProtocolVersion::TLSv1_3)
        && let Ok(material) = tls.export_keying_material([0; 32], label, Some(&[]))
    {
        session.bind(ChannelBinding::tls_exporter(material));
    }
}

/// Classifies an I/O error of a stream: its end, a failure of TLS, or of the transport.
pub(crate) fn broken(error: std::io::Error) -> Broken {
    match of_tls(&error).cloned() {
        Some(tls) => Broken::Tls(Cause::new(TlsFailure::new(tls))),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => Broken::Closed,
        None => error.into(),
    }
}

/// Returns whether TLS failed, and not the transport under it.
pub(crate) fn is_failure_of_tls(error: &std::io::Error) -> bool {
    of_tls(error).is_some()
}

fn of_tls(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Adds a hint to an error whose cause is a failure of TLS.
pub(crate) fn hinted(error: Error) -> Error {
    let ErrorKind::Broken(Broken::Tls(cause)) = error.kind() else { return error };
    match cause.downcast_ref::<TlsFailure>().and_then(TlsFailure::hint) {
        Some(hint) if error.hint().is_none() => error.with_hint(hint),
        _ => error,
    }
}

fn parse_name(name: &str) -> Result<ServerName<'static>, Invalid> {
    ServerName::try_from(to_ascii(name)?.into_owned())
        .map_err(|_| Invalid::new(Field::Server, Flaw::Syntax { offset: 0 }))
}
