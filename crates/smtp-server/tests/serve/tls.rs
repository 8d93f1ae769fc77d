//! TLS: STARTTLS, implicit TLS, logins inside it, several certificates, and new ones while it runs.
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use smtp_client::{
    Connector, Credentials, Envelope, Login as ClientLogin, MailData, Security, Tls,
};
use smtp_server::{
    Certificates, Client, Context, Identity, Listener, Login, Mechanism, Refuse, ScramHash,
    ScramKeys, ServeError, Server, Settings, StartTls, Verify,
};

use crate::host::Host;

/// Knows one user.
struct Users;

impl Verify for Users {
    async fn login(&self, _: &Context, login: Login<'_>) -> Result<Identity, Refuse> {
        match login {
            Login::Password { user: "alice", password: "secret", .. } | Login::Scram { .. } => {
                Ok(Identity::named("alice@example.org"))
            }
            _ => Err(Refuse::wrong_credentials()),
        }
    }

    async fn scram_keys(
        &self,
        _: &Context,
        user: &str,
        hash: ScramHash,
    ) -> Result<Option<ScramKeys>, Refuse> {
        let keys = || ScramKeys::derive(hash, "secret", b"sixteen octets!!", 4096);
        Ok((user == "alice").then(keys))
    }
}

pub(crate) fn pem(name: &str) -> (Vec<u8>, Vec<u8>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    (cert.pem().into_bytes(), signing_key.serialize_pem().into_bytes())
}

/// Makes a TLS handshake for this name, and returns the certificate that the server showed.
async fn certificate_for(address: std::net::SocketAddr, name: &str) -> Vec<u8> {
    let url = smtp_client::Server::tcp("127.0.0.1", address.port()).security(Security::Tls);
    let tls = Tls::dangerous_accept_any_certificate().unwrap().server_name(name).unwrap();
    let connection = Connector::new(url).tls(tls).connect().await.unwrap();
    connection.tls().unwrap().certificates()[0].to_vec()
}

fn der(pem: &[u8]) -> Vec<u8> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::from_pem_slice(pem).unwrap().to_vec()
}

#[tokio::test]
async fn each_name_has_its_certificate_and_files_are_read_again() {
    let folder = std::env::temp_dir().join(format!("smtp-server-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (chain_file, key_file) = (folder.join("chain.pem"), folder.join("key.pem"));
    let write = |(chain, key): &(Vec<u8>, Vec<u8>)| {
        std::fs::write(&chain_file, chain).unwrap();
        std::fs::write(&key_file, key).unwrap();
    };
    let [first, second, other] = ["mx.example.org", "mx.example.org", "mail.example.net"].map(pem);
    write(&first);
    let certificates = Certificates::files(&chain_file, &key_file).unwrap();
    let certificates = certificates.and_pem(&other.0, &other.1).unwrap();
    let settings = Settings::smtp("mx.example.org").implicit_tls().build().unwrap();
    let server = Server::new(Host::default())
        .tls(certificates.config().unwrap())
        .listener(Listener::tcp("127.0.0.1:0").unwrap().settings(settings));
    let address = server.addresses()[0];
    let running = tokio::spawn(server.run());

    assert_eq!(certificate_for(address, "mx.example.org").await, der(&first.0));
    assert_eq!(certificate_for(address, "mail.example.net").await, der(&other.0));
    assert_eq!(certificate_for(address, "unknown.example").await, der(&first.0));

    write(&second);
    certificates.reload().unwrap();
    assert_eq!(certificate_for(address, "mx.example.org").await, der(&second.0));
    assert_eq!(certificate_for(address, "mail.example.net").await, der(&other.0));

    // A file that is being replaced does not take the certificate away.
    std::fs::write(&chain_file, "half").unwrap();
    assert!(certificates.reload().is_err());
    assert_eq!(certificate_for(address, "mx.example.org").await, der(&second.0));
    running.abort();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_listener_may_have_a_configuration_of_its_own() {
    let [one, other] = ["mx.example.org", "mail.example.net"].map(pem);
    let [usual, own] = [&one, &other].map(|(chain, key)| {
        let certificates = Certificates::pem(chain, key).unwrap();
        certificates.config().unwrap()
    });
    let settings = Settings::smtp("mx.example.org").implicit_tls().build().unwrap();
    let listener = || Listener::tcp("127.0.0.1:0").unwrap();
    let server = Server::new(Host::default())
        .settings(settings.clone())
        .tls(usual)
        .listener(listener())
        .listener(listener().tls(own.clone()));
    let addresses = server.addresses();
    let running = tokio::spawn(server.run());
    assert_eq!(certificate_for(addresses[0], "mx.example.org").await, der(&one.0));
    assert_eq!(certificate_for(addresses[1], "mx.example.org").await, der(&other.0));
    running.abort();

    // A server needs none beside those of its listeners.
    let server = || Server::new(Host::default()).settings(settings.clone());
    let stop = std::future::ready(());
    server().listener(listener().tls(own.clone())).run_until(stop.clone()).await.unwrap();
    let refused = server().listener(listener().tls(own)).listener(listener()).run_until(stop).await;
    assert!(matches!(refused, Err(ServeError::NoCertificate)), "{refused:?}");
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused() {
    let (one, two) = (pem("a.example"), pem("b.example"));
    assert!(Certificates::pem(&one.0, &two.1).is_err());
    assert!(Certificates::pem(b"", &one.1).is_err());
    assert!(Certificates::files("/does/not/exist", "/does/not/exist").is_err());
}

#[tokio::test]
async fn a_proxy_header_comes_before_the_handshake_even_in_one_piece() {
    let (chain, key) = pem("localhost");
    let certificates = Certificates::pem(&chain, &key).unwrap();
    let settings = Settings::smtp("localhost").implicit_tls().proxy_header().build().unwrap();
    let host = Host::default();
    let server = Server::new(host.clone())
        .tls(certificates.config().unwrap())
        .listener(Listener::tcp("127.0.0.1:0").unwrap().settings(settings));
    let port = server.addresses()[0].port();
    let running = tokio::spawn(server.run());
    let tls = Tls::authorities_pem(&chain).unwrap().server_name("localhost").unwrap();
    let url = smtp_client::Server::tcp("127.0.0.1", port).security(Security::Tls);
    let header = smtp_client::ProxyHeader::v2(
        "192.0.2.1:4711".parse().unwrap(),
        "192.0.2.2:465".parse().unwrap(),
    );
    let connector = Connector::new(url).tls(tls).proxy_header(header);
    let mut connection = connector.connect().await.unwrap();
    connection.noop().await.unwrap();
    assert_eq!(host.addresses(), ["192.0.2.1:4711"]);
    running.abort();
}

#[tokio::test]
async fn octets_that_are_no_handshake_end_the_connection_and_nothing_else() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (chain, key) = pem("localhost");
    let certificates = Certificates::pem(&chain, &key).unwrap();
    let settings = Settings::smtp("localhost").starttls(StartTls::Offered).build().unwrap();
    let server = Server::new(Host::default())
        .settings(settings)
        .tls(certificates.config().unwrap())
        .listen("127.0.0.1:0")
        .unwrap();
    let address = server.addresses()[0];
    let running = tokio::spawn(server.run());
    for _ in 0..2 {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(b"EHLO a.example\r\nSTARTTLS\r\n").await.unwrap();
        let mut heard = String::new();
        while !heard.ends_with("220 2.0.0 Ready to start TLS\r\n") {
            let mut octets = [0; 500];
            let count = stream.read(&mut octets).await.unwrap();
            heard.push_str(std::str::from_utf8(&octets[..count]).unwrap());
        }
        stream.write_all(b"MAIL FROM:<>\r\n").await.unwrap();
        let mut rest = Vec::new();
        // An alert, or a reset.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"250"), "{}", rest.escape_ascii());
    }
    running.abort();
}

#[tokio::test]
async fn a_client_logs_in_inside_tls_with_every_mechanism() {
    let (chain, key) = pem("localhost");
    let config = Arc::new(Certificates::pem(&chain, &key).unwrap().config().unwrap());
    let mechanisms = [
        Mechanism::PLAIN,
        Mechanism::LOGIN,
        Mechanism::SCRAM_SHA_1,
        Mechanism::SCRAM_SHA_256,
        Mechanism::SCRAM_SHA_1_PLUS,
        Mechanism::SCRAM_SHA_256_PLUS,
    ];
    let settings = || Settings::smtp("localhost").auth(mechanisms).require_login();
    let starttls = settings().starttls(StartTls::Required).build().unwrap();
    let implicit = settings().implicit_tls().build().unwrap();
    let host = Host::default();
    let server = Server::new(host.clone())
        .tls(config)
        .verifier(Users)
        .listener(Listener::tcp("127.0.0.1:0").unwrap().settings(starttls))
        .listener(Listener::tcp("127.0.0.1:0").unwrap().settings(implicit));
    let ports: Vec<_> = server.addresses().iter().map(|address| address.port()).collect();
    let running = tokio::spawn(server.run());
    let tls = Tls::authorities_pem(&chain).unwrap().server_name("localhost").unwrap();
    for (port, security) in [(ports[0], Security::StartTls), (ports[1], Security::Tls)] {
        // Deriving keys takes a while where it is not optimized.
        let tried = if security == Security::Tls { &mechanisms[..1] } else { &mechanisms[..] };
        for &mechanism in tried {
            for (password, works) in [("secret", true), ("wrong", false)] {
                let credentials = Credentials::password("alice", password).unwrap();
                let login = ClientLogin::new(credentials).mechanisms([mechanism]);
                let address = smtp_client::Server::tcp("127.0.0.1", port).security(security);
                let connector = Connector::new(address).tls(tls.clone()).login(login);
                let connected = connector.connect().await;
                assert_eq!(connected.is_ok(), works, "{mechanism} {security:?}: {connected:?}");
                if let Ok(mut connection) = connected {
                    let envelope = Envelope::new("a@a.example", ["b@b.example"]).unwrap();
                    let text = MailData::new("Subject: x\r\n\r\n").unwrap();
                    connection.send(&envelope, text).await.unwrap().all_or_error().unwrap();
                    assert_eq!(
                        host.seen.lock().unwrap().logins.pop().unwrap(),
                        "alice@example.org"
                    );
                }
            }
        }
    }
    running.abort();
}

#[tokio::test]
async fn a_browser_gets_421_and_none_of_its_octets_back() {
    use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (chain, key) = pem("localhost");
    let certificates = Certificates::pem(&chain, &key).unwrap();
    let settings = Settings::smtp("localhost").implicit_tls().build().unwrap();
    let server = Server::new(Host::default()).settings(settings);
    let server = server.tls(certificates.config().unwrap()).into_service().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(der(&chain))).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (near, far) = tokio::io::duplex(4096);
    let served = tokio::spawn(async move { server.serve(far, Client::new()).await.unwrap() });
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect("localhost".try_into().unwrap(), near).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), None, "the server speaks neither");
    let request = "POST /<script>alert(1)</script> HTTP/1.1\r\nHost: localhost\r\n\r\n\
                   EHLO a.example\r\nMAIL FROM:<>\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).await.unwrap();
    assert_eq!(replies, "220 localhost ESMTP\r\n421 4.7.0 This is not a server for HTTP\r\n");
    drop(stream);
    served.await.unwrap();
}
