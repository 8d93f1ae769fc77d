//! A DNS with a signed root on loopback, mail hosts and a policy host, for a program that is run.
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use smtp_testkit::{Authority, CertificateKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::program::{Run, smtpkit};

#[allow(dead_code, unreachable_pub, reason = "the tests of smtp-delivery use the rest")]
#[path = "../../../smtp-delivery/tests/lab/dns.rs"]
pub(crate) mod dns;
#[allow(dead_code, unreachable_pub, reason = "the tests of smtp-delivery use the rest")]
#[path = "../../../smtp-delivery/tests/lab/mx.rs"]
pub(crate) mod mx;

use dns::{Content, Dns};
use mx::{MxHost, MxHosts};

/// A DNS and hosts. They exist until this is dropped.
pub(crate) struct Zone {
    pub(crate) mx: MxHosts,
    dns: Dns,
    authority: PathBuf,
    anchor: PathBuf,
    policy_port: Option<u16>,
}

impl Zone {
    /// Starts hosts, and a DNS whose content depends on them, on the digest of the key of the first
    /// and on the certificate of their issuer. `name` is that of its files.
    pub(crate) async fn start(
        name: &str,
        hosts: &[MxHost],
        content: impl FnOnce(&MxHosts, [&[u8]; 2], Content) -> Content,
    ) -> Self {
        let issuer = Authority::new();
        let mx = MxHosts::start(&issuer, hosts);
        let digest = mx.key_digest(hosts[0].name).await;
        let mut zone = Dns::builder();
        for host in hosts {
            zone = zone.address(host.name, mx.address(host.name));
        }
        let dns = content(&mx, [&digest, issuer.der()], zone).start().await;
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let authority = folder.join(format!("{name}-ca.pem"));
        fs::write(&authority, issuer.pem()).unwrap();
        let anchor = folder.join(format!("{name}-anchor"));
        fs::write(&anchor, dns.anchor()).unwrap();
        Self { mx, dns, authority, anchor, policy_port: None }
    }

    /// Adds a host for the MTA-STS policy of a domain.
    pub(crate) async fn policy(mut self, domain: &str, policy: &str) -> Self {
        let issuer = Authority::new().name(&format!("mta-sts.{domain}")).unwrap();
        let mut pem = fs::read_to_string(&self.authority).unwrap();
        pem.push_str(&issuer.pem());
        fs::write(&self.authority, pem).unwrap();
        self.policy_port = Some(serve_policy(&issuer, policy).await);
        self
    }

    /// The options that lead a program into this zone.
    pub(crate) fn options(&self) -> Vec<String> {
        let mut options = vec![
            "--resolver".to_owned(),
            self.dns.address().to_string(),
            "--trust-anchor".to_owned(),
            self.anchor.to_str().unwrap().to_owned(),
            "--port".to_owned(),
            self.mx.port().to_string(),
            "--ca".to_owned(),
            self.authority.to_str().unwrap().to_owned(),
        ];
        if let Some(port) = self.policy_port {
            options.extend(["--policy-port".to_owned(), port.to_string()]);
        }
        options
    }

    /// Runs the program in this zone.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Run {
        let mut all: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
        all.extend(self.options());
        let run = tokio::task::spawn_blocking(move || {
            smtpkit(&all.iter().map(String::as_str).collect::<Vec<_>>())
        });
        run.await.unwrap()
    }
}

/// Serves a policy on HTTPS until the runtime ends. Returns the port.
async fn serve_policy(issuer: &Authority, policy: &str) -> u16 {
    let identity = issuer.issue(CertificateKind::Good);
    let chain = vec![CertificateDer::from(identity.certificate_der().to_vec())];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key_der().to_vec()));
    let config = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain";
    let response = format!("{head}\r\ncontent-length: {}\r\n\r\n{policy}", policy.len());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(response.as_bytes()).await.unwrap();
            // The client may have closed already.
            let _ = stream.shutdown().await;
        }
    });
    port
}
