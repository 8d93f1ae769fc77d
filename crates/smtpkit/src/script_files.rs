//! What `record`, `play` and `drive` share: scripts in files, listening, and TLS as a client.
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, crypto::aws_lc_rs::default_provider};
use rustls_platform_verifier::BuilderVerifierExt;
use serde::Serialize;
use smtp_client::{Address, Broken, Error, Peer, Security, Server, Step};
use smtp_testkit::{Authority, Script};
use tokio::net::lookup_host;

use crate::access::authorities;
use crate::cli::Common;
use crate::failure::Failure;
use crate::output::{Output, Record};

/// A proxy or a server is ready for clients.
#[derive(Serialize)]
pub(crate) struct Listening {
    /// The URL for clients.
    pub(crate) url: String,
}

/// A server that is connected to directly, without the client of this project.
pub(crate) struct Upstream {
    pub(crate) host: String,
    pub(crate) address: SocketAddr,
    /// Whether TLS begins with the first octet.
    pub(crate) is_tls: bool,
}

impl Upstream {
    /// Looks up the server of a URL, or of `HOST` or `HOST:PORT` without TLS.
    pub(crate) async fn find(
        url: &str,
        common: &Common,
        command: &'static str,
    ) -> Result<Self, Failure> {
        if common.proxy.is_some() {
            return Err(Failure::option("--proxy", format!("{command} connects without a proxy")));
        }
        let url = if url.contains("://") { url.to_owned() } else { format!("smtp://{url}") };
        let server: Server = url.parse()?;
        let Address::Tcp { host, port } = server.address else {
            return Err(Failure::option("URL", format!("{command} connects to TCP ports only")));
        };
        let peer = Arc::new(Peer::tcp(&host, port));
        let unknown = |error: io::Error| {
            let broken = Broken::UnknownHost(smtp_client::Cause::new(error));
            Error::new(Step::Connect, broken).with_server(&peer)
        };
        let addresses = lookup_host((host.as_str(), port)).await.map_err(unknown)?;
        let is_wanted = |address: &SocketAddr| match address {
            SocketAddr::V4(_) => !common.ipv6,
            SocketAddr::V6(_) => !common.ipv4,
        };
        let address = addresses.into_iter().find(is_wanted).ok_or_else(|| {
            unknown(io::Error::other("no address of the family that is asked for"))
        })?;
        Ok(Self { host, address, is_tls: server.security == Security::Tls })
    }
}

impl Common {
    /// Returns the TLS of a client that trusts the authorities of `--ca`, or those of the system.
    pub(crate) fn client_config(&self) -> Result<Arc<ClientConfig>, Failure> {
        let tls = |error: rustls::Error| Failure::machine("preparing TLS", io::Error::other(error));
        let builder = ClientConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(tls)?;
        let Some(path) = &self.ca else {
            let builder = builder.with_platform_verifier().map_err(tls)?;
            return Ok(builder.with_no_client_auth().into());
        };
        Ok(builder.with_root_certificates(authorities(path)?).with_no_client_auth().into())
    }
}

/// Reads a script from a file. The error names the file and the line.
pub(crate) fn read_script(path: &Path) -> Result<Script, Failure> {
    Script::read(path).map_err(|error| Failure::option("script", error))
}

/// Writes the certificate that clients have to trust, if that is asked for.
pub(crate) fn write_authority(
    path: Option<&PathBuf>,
    authority: &Authority,
) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, authority.pem()).map_err(|error| not_written(path, error))
}

/// A file cannot be written.
pub(crate) fn not_written(path: &Path, error: io::Error) -> Failure {
    Failure::machine(format_args!("writing {}", path.display()), error)
}

impl Listening {
    /// Shows where a server listens.
    pub(crate) fn show(address: SocketAddr, is_tls: bool, output: Output) {
        let scheme = if is_tls { "smtps" } else { "smtp" };
        let host = match address {
            // The certificate is for this name.
            _ if is_tls && address.ip().is_loopback() => format!("localhost:{}", address.port()),
            _ => address.to_string(),
        };
        output.show(&Self { url: format!("{scheme}://{host}") });
    }
}

impl Record for Listening {
    const TYPE: &'static str = "listening";
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "listening on {}; Ctrl-C ends it", self.url)
    }
}
