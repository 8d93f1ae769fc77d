//! The clients: each is one way to deliver messages to a server.
use std::{error::Error, fs, io, pin::Pin, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
};

use crate::job::Job;

mod async_smtp;
mod daaki_smtp;
mod lettre;
mod mail_send;
mod ours;
mod smtp_source;

/// One way to deliver messages to a server. To add one, add a row to [`CLIENTS`].
pub struct Peer {
    /// The library, and what distinguishes this way of using it.
    pub name: &'static str,
    /// Whether it supports TLS.
    pub tls: bool,
    /// Opens a connection.
    pub connect: fn(Target) -> Doing<'static, Box<dyn Client>>,
}

impl Peer {
    /// Returns the clients that support this target.
    pub fn all(target: &Target) -> impl Iterator<Item = &'static Self> {
        CLIENTS.iter().filter(|peer| peer.tls || target.certificate.is_none())
    }
}

/// An open connection, or its equivalent in a library.
pub trait Client {
    /// Sends the message of this job this many times, one after the other.
    fn send<'a>(&'a mut self, job: &'a Job, messages: usize) -> Doing<'a, ()>;
}

/// A running operation. It is allocated once for many messages.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + 'a>>;

/// Any error of a library.
pub type Failure = Box<dyn Error + Send + Sync>;

/// All clients; the others are compared with the first.
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

/// The address of the server, and whether the connection begins with TLS.
#[derive(Clone, Debug)]
pub struct Target {
    /// The port on this machine.
    pub port: u16,
    /// The certificate of the server, if the connection begins with TLS.
    pub certificate: Option<CertificateDer<'static>>,
}

/// The host of every target; the certificates are for it as well.
pub const HOST: &str = "127.0.0.1";

impl Target {
    /// Parses a target, `PORT` or `PORT:FILE`, where the file holds the certificate.
    pub fn read(text: &str) -> io::Result<Self> {
        // Some libraries need the provider of the process even without TLS.
        aws_lc_rs::default_provider().install_default().unwrap_or(());
        let (port, file) =
            text.split_once(':').map_or((text, None), |(port, file)| (port, Some(file)));
        let port = port.parse().map_err(io::Error::other)?;
        let certificate = file.map(fs::read).transpose()?.map(CertificateDer::from);
        Ok(Self { port, certificate })
    }

    /// Returns the TLS configuration of a client that trusts this certificate and no other.
    pub fn tls(&self) -> Result<Option<Arc<ClientConfig>>, Failure> {
        let Some(certificate) = &self.certificate else { return Ok(None) };
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots);
        Ok(Some(Arc::new(builder.with_no_client_auth())))
    }
}

/// Makes a certificate for a server, and its TLS configuration.
pub fn certify() -> Result<(CertificateDer<'static>, Arc<ServerConfig>), Failure> {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    Ok((certificate.clone(), Arc::new(builder.with_single_cert(vec![certificate], key)?)))
}
