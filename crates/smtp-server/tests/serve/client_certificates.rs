//! EXTERNAL: clients that authenticate with a certificate, verified by rustls.
use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use smtp_client::{Connector, Credentials, Login as ClientLogin, Security, Tls};
use smtp_server::{
    Certificates, Context, Identity, Login, Mechanism, Refuse, Server, Settings, Verify,
};

use crate::{host::Host, tls::pem};

type Pem = (Vec<u8>, Vec<u8>);

fn certificate((chain, _): &Pem) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(chain).unwrap()
}

fn trusting(certificates: &[&Pem]) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for &one in certificates {
        roots.add(certificate(one)).unwrap();
    }
    Arc::new(roots)
}

/// Knows the owner of one certificate.
struct Owners(Vec<u8>);

impl Verify for Owners {
    async fn login(&self, cx: &Context, login: Login<'_>) -> Result<Identity, Refuse> {
        let shown = cx.client().tls().and_then(|tls| tls.client_certificate.as_ref());
        match login {
            Login::External { identity: "" } if shown == Some(&self.0) => {
                Ok(Identity::named("alice@example.org"))
            }
            _ => Err(Refuse::wrong_credentials()),
        }
    }
}

/// Returns a configuration that asks clients for a certificate, which they may do without.
fn asking(server: &Pem, trusted: &[&Pem]) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let roots = trusting(trusted);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Certificates::pem(&server.0, &server.1).unwrap().resolver())
}

/// Returns the configuration of a client that trusts the server, and shows this certificate.
fn showing(server: &Pem, own: Option<&Pem>) -> Tls {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(trusting(&[server]));
    let config = match own {
        Some(own) => {
            let key = PrivateKeyDer::from_pem_slice(&own.1).unwrap();
            config.with_client_auth_cert(vec![certificate(own)], key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    Tls::new(Arc::new(config)).server_name("localhost").unwrap()
}

#[tokio::test]
async fn a_client_logs_in_with_a_certificate_that_was_verified() {
    let [server, alice, bob, stranger] =
        ["localhost", "alice.example", "bob.example", "stranger.example"].map(pem);
    let settings = Settings::smtp("localhost").implicit_tls().auth([Mechanism::EXTERNAL]);
    let host = Host::default();
    let running = Server::new(host.clone())
        .settings(settings.require_login().build().unwrap())
        .tls(asking(&server, &[&alice, &bob]))
        .verifier(Owners(certificate(&alice).to_vec()))
        .listen("127.0.0.1:0")
        .unwrap()
        .spawn()
        .unwrap();
    let port = running.addresses()[0].port();
    let connect = async |own: Option<&Pem>| {
        let address = smtp_client::Server::tcp("127.0.0.1", port).security(Security::Tls);
        let login = ClientLogin::new(Credentials::external());
        Connector::new(address).tls(showing(&server, own)).login(login).connect().await
    };

    let mut connection = connect(Some(&alice)).await.unwrap();
    let envelope = smtp_client::Envelope::new("a@a.example", ["b@b.example"]).unwrap();
    let text = smtp_client::MailData::new("Subject: x\r\n\r\n").unwrap();
    connection.send(&envelope, text).await.unwrap().all_or_error().unwrap();
    assert_eq!(host.seen.lock().unwrap().logins, ["alice@example.org"]);

    // Trusted, and of another user; none; and one that the server does not trust.
    for (own, code) in [(Some(&bob), Some(535)), (None, Some(535)), (Some(&stranger), None)] {
        let error = connect(own).await.unwrap_err();
        assert_eq!(error.reply().map(|reply| reply.code().get()), code, "{error}");
    }
    running.stop().await;
}
