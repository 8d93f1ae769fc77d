//! The clients: one way each to bring messages to a server.
use std::{error::Error, fs, io, pin::Pin, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};

use crate::job::Job;

mod async_smtp;
mod daaki_smtp;
mod lettre;
mod mail_send;
mod ours;
mod smtp_source;

/// One way to bring messages to a server. A further one is a row in [`CLIENTS`].
pub struct Peer {
    /// Whose client it is, and what is special about the way.
    pub name: &'static str,
    /// Whether it can speak TLS.
    pub tls: bool,
    /// Opens a connection.
    pub connect: fn(Target) -> Doing<'static, Box<dyn Client>>,
}

impl Peer {
    /// Every client that can speak to this target.
    pub fn all(target: &Target) -> impl Iterator<Item = &'static Self> {
        CLIENTS.iter().filter(|peer| peer.tls || target.certificate.is_none())
    }
}

/// A connection that is open, or whatever a library has instead.
pub trait Client {
    /// Sends the message of this job so many times, one after the other.
    fn send<'a>(&'a mut self, job: &'a Job, messages: usize) -> Doing<'a, ()>;
}

/// What is under way. It is allocated once for many messages.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + 'a>>;

/// Whatever a library says went wrong.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Every client; the first is the one that the others are compared with.
pub const CLIENTS: &[Peer] = &[
    Peer { name: "ours, DATA", tls: true, connect: ours::data },
    Peer { name: "ours, BDAT", tls: true, connect: ours::chunks },
    Peer { name: "ours, DATA, ahead", tls: true, connect: ours::data_ahead },
    Peer { name: "ours, BDAT, ahead", tls: true, connect: ours::chunks_ahead },
    Peer { name: "ours, mailer", tls: true, connect: ours::mailer },
    Peer { name: "lettre", tls: true, connect: lettre::connection },
    Peer { name: "lettre, pool", tls: true, connect: lettre::pool },
    Peer { name: "lettre, no pool", tls: true, connect: lettre::no_pool },
    Peer { name: "mail-send", tls: true, connect: mail_send::data },
    Peer { name: "mail-send, BDAT", tls: true, connect: mail_send::chunks },
    Peer { name: "async-smtp", tls: true, connect: async_smtp::connect },
    Peer { name: "daaki-smtp", tls: true, connect: daaki_smtp::data },
    Peer { name: "daaki-smtp, BDAT", tls: true, connect: daaki_smtp::chunks },
    Peer { name: "smtp-source", tls: false, connect: smtp_source::connect },
];

/// Where the server is, and whether TLS comes first.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its port on this machine.
    pub port: u16,
    /// Its certificate.
    pub certificate: Option<CertificateDer<'static>>,
}

/// The host of every target; certificates are for it too.
const HOST: &str = "127.0.0.1";

impl Target {
    /// A target from `PORT` or `PORT:FILE`, where the file holds the certificate.
    pub fn read(text: &str) -> io::Result<Self> {
        // Some libraries ask for the provider of the process, even to speak in clear.
        ring::default_provider().install_default().unwrap_or(());
        let (port, file) =
            text.split_once(':').map_or((text, None), |(port, file)| (port, Some(file)));
        let port = port.parse().map_err(io::Error::other)?;
        let certificate = file.map(fs::read).transpose()?.map(CertificateDer::from);
        Ok(Self { port, certificate })
    }

    /// What a client is to trust, if TLS comes first: this certificate and no other.
    fn tls(&self) -> Result<Option<Arc<ClientConfig>>, Failure> {
        let Some(certificate) = &self.certificate else { return Ok(None) };
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots);
        Ok(Some(Arc::new(builder.with_no_client_auth())))
    }
}

/// A new certificate for a server, and how the server does TLS with it.
pub fn certify() -> Result<(CertificateDer<'static>, Arc<ServerConfig>), Failure> {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    Ok((certificate.clone(), Arc::new(builder.with_single_cert(vec![certificate], key)?)))
}
