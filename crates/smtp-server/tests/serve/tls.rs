//! TLS: STARTTLS, implicit TLS, logins inside it, several certificates, and new ones while it runs.
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use smtp_client::{Connector, Credentials, Login as ClientLogin, Security, Tls};
use smtp_server::{
    Accept, Certificates, Client, Decision, Listener, Login, Mechanism, Refuse, ScramHash,
    ScramKeys, Server, Settings, StartTls, Verify,
};

use crate::host::Host;

/// Knows one user.
struct Users;

impl Verify for Users {
    async fn login(&self, _: &Client, login: Login<'_>) -> Decision {
        match login {
            Login::Password { user: "alice", password: "secret", .. } | Login::Scram { .. } => {
                Ok(Accept::usual())
            }
            _ => Err(Refuse::wrong_credentials()),
        }
    }

    async fn scram_keys(&self, user: &str, hash: ScramHash) -> Result<Option<ScramKeys>, Refuse> {
        let keys = || ScramKeys::derive(hash, "secret", b"sixteen octets!!", 4096);
        Ok((user == "alice").then(keys))
    }
}

fn pem(name: &str) -> (Vec<u8>, Vec<u8>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    (cert.pem().into_bytes(), signing_key.serialize_pem().into_bytes())
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
    let server = Server::new(Host::default())
        .tls(config)
        .verifier(Users)
        .listener(Listener::tcp("127.0.0.1:0").unwrap().settings(starttls))
        .listener(Listener::tcp("127.0.0.1:0").unwrap().settings(implicit));
    let ports: Vec<_> = server.addresses().iter().map(|address| address.port()).collect();
    let running = tokio::spawn(server.run());
    let tls = Tls::authorities_pem(&chain).unwrap().server_name("localhost").unwrap();
    for (port, security) in [(ports[0], Security::StartTls), (ports[1], Security::Tls)] {
        for mechanism in mechanisms {
            for (password, works) in [("secret", true), ("wrong", false)] {
                let credentials = Credentials::password("alice", password).unwrap();
                let login = ClientLogin::new(credentials).mechanisms([mechanism]);
                let address = smtp_client::Server::tcp("127.0.0.1", port).security(security);
                let connector = Connector::new(address).tls(tls.clone()).login(login);
                let connected = connector.connect().await;
                assert_eq!(connected.is_ok(), works, "{mechanism} {security:?}: {connected:?}");
            }
        }
    }
    running.abort();
}
