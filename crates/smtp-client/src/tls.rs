//! TLS: whom to trust, and the handshake.
use std::{fmt, sync::Arc};

use rustls::{ClientConfig, ProtocolVersion, pki_types::ServerName};
use smtp_error::{Broken, Cause, Error, Field, Flaw, Invalid, Step};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    session::{ChannelBinding, Session},
    stream::{Stream, Transport},
};

mod facts;
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
mod trust;

pub use facts::TlsFacts;

/// How TLS is done: whom to trust, and the name that the server's certificate must be for.
///
/// The certificate and the name are always checked; no method here changes that. Whoever has to
/// take any certificate brings a configuration whose verifier was replaced with rustls's own
/// `dangerous`, and sees that word where it is done. No process-wide provider of cryptography is
/// installed.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl Tls {
    /// Does as this configuration says: client certificates, versions, or another provider.
    pub fn new(config: Arc<ClientConfig>) -> Self {
        Self { config, server_name: None }
    }

    /// Expects a certificate for this name or address instead of the host that is connected to.
    ///
    /// # Errors
    /// It is neither.
    pub fn server_name(mut self, name: &str) -> Result<Self, Invalid> {
        self.server_name = Some(parse_name(name)?);
        Ok(self)
    }

    /// Offers these protocols to the server (ALPN), the best first. By default none is offered.
    ///
    /// It is worth the trouble where the server is known to take part: a server of another
    /// protocol that has a certificate for the same name then ends the handshake, and nobody can
    /// turn the connection over to it unseen. Exim takes `smtp`; no name is registered for SMTP.
    #[must_use]
    pub fn alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        let protocols = protocols.into_iter().map(Into::into).collect();
        Arc::make_mut(&mut self.config).alpn_protocols = protocols;
        self
    }

    /// What is done if the caller says nothing.
    pub(crate) fn default_or_error() -> Result<Self, Error> {
        #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
        let default = Self::platform();
        #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
        let default = Err(Cause::new(rustls::Error::General("no provider is compiled in".into())));
        default.map_err(|cause| Error::new(Step::Handshake, Broken::Tls(cause)))
    }

    /// Does the handshake.
    pub(crate) async fn handshake(
        &self,
        host: &str,
        transport: Transport,
        session: &mut Session,
    ) -> Result<Stream, Error> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => parse_name(host).map_err(|invalid| Error::new(Step::Handshake, invalid))?,
        };
        let connecting = TlsConnector::from(Arc::clone(&self.config)).connect(name, transport);
        match connecting.await {
            Ok(stream) => {
                announce(&stream, session);
                Ok(Stream::Tls(Box::new(stream)))
            }
            Err(failure) => Err(Error::new(Step::Handshake, broken(failure))),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// Tells the session that TLS protects the connection, and in which way.
fn announce(stream: &TlsStream<Transport>, session: &mut Session) {
    let (_, tls) = stream.get_ref();
    let version = tls.protocol_version().map_or("", |version| version.as_str().unwrap_or(""));
    let suite = tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    session.secured(version, suite.unwrap_or(""));
    // Under TLS 1.2 the exporter binds only with the extended master secret, and whether that was
    // negotiated is not told.
    let label = ChannelBinding::EXPORTER_LABEL;
    if tls.protocol_version() == Some(ProtocolVersion::TLSv1_3)
        && let Ok(material) = tls.export_keying_material([0; 32], label, Some(&[]))
    {
        session.bind(ChannelBinding::tls_exporter(material));
    }
}

/// What an error of a stream means: the end, TLS, or the transport.
pub(crate) fn broken(error: std::io::Error) -> Broken {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
    match tls {
        Some(tls) => Broken::Tls(Cause::new(tls)),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => Broken::Closed,
        None => error.into(),
    }
}

/// Whether the handshake was answered with what is no TLS.
pub(crate) fn is_no_tls(broken: &Broken) -> bool {
    let Broken::Tls(cause) = broken else { return false };
    matches!(
        cause.downcast_ref(),
        Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType))
    )
}

fn parse_name(name: &str) -> Result<ServerName<'static>, Invalid> {
    ServerName::try_from(name.to_owned())
        .map_err(|_| Invalid::new(Field::Server, Flaw::Syntax { offset: 0 }))
}
