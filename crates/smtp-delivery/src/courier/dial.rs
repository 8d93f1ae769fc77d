//! Dialing: a connection to an address of a host, protected as it must be.
use smtp_client::{Connection, Connector, Protection, Security, Server, Tls, TlsFailure};
use smtp_error::{Broken, Cause, Error, ErrorKind, Extension, Step, Unsupported};

use super::{Shared, pool::Key};
use crate::{Achieved, Demand, dane};

/// One way to connect. Where the demand allows several, the next one follows if TLS failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rung {
    /// STARTTLS is required, and a certificate that DANE or an authority vouches for.
    Verified,
    /// STARTTLS is required, with any certificate.
    Encrypted,
    /// STARTTLS if it is offered, with any certificate.
    IfOffered,
    Clear,
}

/// What became of one way to connect.
pub(super) struct Dialed {
    pub(super) result: Result<Connection, Error>,
    /// The failures of TLS before, if the demand allowed to go on without it.
    pub(super) earlier: Vec<Error>,
}

impl Demand {
    fn rungs(&self) -> &'static [Rung] {
        match self {
            Self::Opportunistic => &[Rung::IfOffered, Rung::Encrypted, Rung::Clear],
            Self::Testing { least: Achieved::Clear } => {
                &[Rung::Verified, Rung::IfOffered, Rung::Encrypted, Rung::Clear]
            }
            Self::Testing { .. } => &[Rung::Verified, Rung::Encrypted],
            Self::Encrypted => &[Rung::Encrypted],
            Self::Pkix | Self::Dane { .. } => &[Rung::Verified],
        }
    }
}

impl Shared {
    /// Opens a connection.
    pub(super) async fn dial(&self, key: &Key) -> Dialed {
        let mut earlier = Vec::new();
        let mut rungs = key.demand.rungs().iter().peekable();
        while let Some(rung) = rungs.next() {
            // Any certificate is better than clear text, where the configuration of the caller
            // refused the one of the host. Otherwise TLS would fail again.
            let is_useless = *rung == Rung::Encrypted
                && rungs.peek().is_some()
                && !earlier.last().is_some_and(is_about_certificate);
            if is_useless {
                continue;
            }
            let error = match self.connect(key, *rung).await {
                Ok(opened) => return Dialed { result: Ok(opened), earlier },
                Err(error) => error,
            };
            if rungs.peek().is_none() || !is_about_tls(&error) {
                return Dialed { result: Err(error), earlier };
            }
            tracing::debug!(%error, "connecting again with less protection, as the domain allows it");
            earlier.push(error);
        }
        let none = Error::new(Step::Connect, Unsupported::Extension(Extension::StartTls));
        Dialed { result: Err(none), earlier }
    }

    async fn connect(&self, key: &Key, rung: Rung) -> Result<Connection, Error> {
        let security = match rung {
            Rung::Verified | Rung::Encrypted => Security::StartTls,
            Rung::IfOffered => Security::Opportunistic,
            Rung::Clear => Security::Plain,
        };
        let server = Server::tcp(key.address.ip().to_string(), key.address.port());
        let mut connector = Connector::new(server.security(security));
        if let Some(adapt) = &self.settings.adapt {
            connector = adapt(connector);
        }
        connector = connector.timeouts(self.settings.timeouts).sending(self.settings.sending);
        if rung != Rung::Clear {
            connector = connector.tls(self.tls(key, rung)?);
        }
        if let Some(name) = &self.settings.hello_name {
            connector = connector.hello_name(name.clone());
        }
        for source in &self.settings.sources {
            connector = connector.source_address(*source);
        }
        let connection = connector.connect().await?;
        if key.demand.accepts(achieved(key, &connection)) {
            return Ok(connection);
        }
        Err(Error::new(Step::StartTls, Unsupported::Extension(Extension::StartTls)))
    }

    /// Returns how TLS is done with the host.
    fn tls(&self, key: &Key, rung: Rung) -> Result<Tls, Error> {
        // A fault of this machine says nothing of the host, and is no reason for less protection.
        let broken = |cause| Error::new(Step::Connect, Broken::Io(cause));
        let tls = match (&key.demand, rung) {
            (Demand::Dane { records, names }, _) => dane::tls(records, names).map_err(broken)?,
            (_, Rung::Encrypted) => any_certificate().map_err(broken)?,
            (_, Rung::IfOffered) => {
                self.authorities().or_else(|_| any_certificate()).map_err(broken)?
            }
            _ => self.authorities().map_err(broken)?,
        };
        // The address is what is connected to; the certificate is for the name. With DANE it is the
        // name that the records belong to (RFC 7672, 8.1), which is set already.
        match &key.host {
            Some(host) if !matches!(key.demand, Demand::Dane { .. }) => tls
                .server_name(host.as_str())
                .map_err(|invalid| Error::new(Step::Handshake, invalid)),
            _ => Ok(tls),
        }
    }
}

impl Shared {
    /// Returns the authorities that are trusted. Those of the system are read once.
    fn authorities(&self) -> Result<Tls, Cause> {
        if let Some(tls) = self.settings.tls.as_ref().or_else(|| self.platform.get()) {
            return Ok(tls.clone());
        }
        let tls = platform()?;
        Ok(self.platform.get_or_init(|| tls).clone())
    }
}

#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
fn platform() -> Result<Tls, Cause> {
    Tls::platform()
}

#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
fn any_certificate() -> Result<Tls, Cause> {
    Tls::dangerous_accept_any_certificate()
}

/// Without cryptography there is TLS only with the configuration of the caller.
#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
fn platform() -> Result<Tls, Cause> {
    Err(Cause::new(smtp_client::TrustError::NoProvider))
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
fn any_certificate() -> Result<Tls, Cause> {
    platform()
}

/// Returns what protects a connection that was opened for this key.
pub(super) fn achieved(key: &Key, connection: &Connection) -> Achieved {
    match (connection.protection(), &key.demand) {
        (Protection::Clear, _) => Achieved::Clear,
        (Protection::Verified, Demand::Dane { .. }) => Achieved::Dane,
        (Protection::Verified, _) => Achieved::Pkix,
        _ => Achieved::Unverified,
    }
}

/// Returns whether TLS failed, and not what it is for.
pub(super) fn is_about_tls(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Unsupported(Unsupported::Extension(extension)) => {
            *extension == Extension::StartTls
        }
        _ => matches!(error.step(), Step::StartTls | Step::Handshake),
    }
}

/// Returns whether the certificate of the host was refused.
fn is_about_certificate(error: &Error) -> bool {
    let ErrorKind::Broken(Broken::Tls(cause)) = error.kind() else { return false };
    let failure = cause.downcast_ref::<TlsFailure>().map(TlsFailure::error);
    matches!(failure, Some(rustls::Error::InvalidCertificate(_)))
}
