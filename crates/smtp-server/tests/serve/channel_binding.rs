//! TLS 1.2: it has no `tls-exporter` binding (RFC 9266, 3), so that mechanisms with one are not for it.
use std::sync::{Arc, Mutex};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use smtp_client::{Connector, Credentials, Login as ClientLogin, Security, Tls};
use smtp_server::{
    Certificates, Context, Identity, Login, Mechanism, Refuse, ScramHash, ScramKeys, Server,
    Settings, TlsFacts, Verify,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{host::Host, tls::pem};

/// Knows one user, and remembers the TLS connections.
#[derive(Clone, Default)]
struct Users(Arc<Mutex<Vec<TlsFacts>>>);

impl Verify for Users {
    async fn login(&self, cx: &Context, login: Login<'_>) -> Result<Identity, Refuse> {
        self.0.lock().unwrap().extend(cx.client().tls().cloned());
        assert!(matches!(login, Login::Scram { user: "alice", .. }));
        Ok(Identity::as_claimed())
    }

    async fn scram_keys(
        &self,
        _: &Context,
        _: &str,
        hash: ScramHash,
    ) -> Result<Option<ScramKeys>, Refuse> {
        Ok(Some(ScramKeys::derive(hash, "secret", b"sixteen octets!!", 4096)))
    }
}

/// Sends a line over TLS, and returns the reply.
async fn ask<S: AsyncReadExt + AsyncWriteExt + Unpin>(stream: &mut S, line: &str) -> String {
    stream.write_all(line.as_bytes()).await.unwrap();
    let mut reply = String::new();
    let is_last = |line: &str| line.as_bytes().get(3) == Some(&b' ');
    while !(reply.ends_with("\r\n") && reply.lines().last().is_some_and(is_last)) {
        let mut octets = [0; 512];
        let count = stream.read(&mut octets).await.unwrap();
        assert!(count > 0, "closed after {reply:?}");
        reply.push_str(std::str::from_utf8(&octets[..count]).unwrap());
    }
    reply
}

#[tokio::test]
async fn channel_binding_is_for_tls_1_3_only() {
    let (chain, key) = pem("localhost");
    let mechanisms = [Mechanism::SCRAM_SHA_256, Mechanism::SCRAM_SHA_256_PLUS];
    let settings = Settings::smtp("localhost").implicit_tls().auth(mechanisms).build().unwrap();
    let users = Users::default();
    let running = Server::new(Host::default())
        .settings(settings)
        .tls(Certificates::pem(&chain, &key).unwrap().config().unwrap())
        .verifier(users.clone())
        .listen("127.0.0.1:0")
        .unwrap()
        .spawn()
        .unwrap();
    let address = running.addresses()[0];
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&chain).unwrap()).unwrap();
    for (version, name, is_bound) in
        [(&rustls::version::TLS12, "TLSv1_2", false), (&rustls::version::TLS13, "TLSv1_3", true)]
    {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_protocol_versions(&[version]).unwrap();
        let config = config.with_root_certificates(roots.clone()).with_no_client_auth();
        let config = Arc::new(config);

        let tcp = TcpStream::connect(address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&config));
        let localhost = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(localhost, tcp).await.unwrap();
        ask(&mut stream, "").await;
        let offer = ask(&mut stream, "EHLO a.example\r\n").await;
        assert_eq!(offer.contains("SCRAM-SHA-256-PLUS"), is_bound, "{name}: {offer}");
        assert!(offer.contains("AUTH SCRAM-SHA-256"), "{name}: {offer}");
        let reply = ask(&mut stream, "AUTH SCRAM-SHA-256-PLUS\r\n").await;
        let expected =
            if is_bound { "334 \r\n" } else { "504 5.5.4 This mechanism is not offered\r\n" };
        assert_eq!(reply, expected, "{name}");

        // A client chooses the strongest that it is offered.
        let login = ClientLogin::new(Credentials::password("alice", "secret").unwrap());
        let server = smtp_client::Server::tcp("127.0.0.1", address.port()).security(Security::Tls);
        let tls = Tls::new(config).server_name("localhost").unwrap();
        let connection = Connector::new(server).tls(tls).login(login).connect().await.unwrap();
        let used = connection.authenticated_by();
        let expected = if is_bound { "SCRAM-SHA-256-PLUS" } else { "SCRAM-SHA-256" };
        assert_eq!(used, Some(expected), "{name}");
        let facts = users.0.lock().unwrap().pop().unwrap();
        assert_eq!((&*facts.version, facts.exporter.is_some()), (name, is_bound));
    }
    running.stop().await;
}
