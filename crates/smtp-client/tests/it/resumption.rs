//! Session resumption: later connections of a connector have a shorter handshake.
use std::sync::Arc;

use rustls::ServerConfig;
use smtp_client::{Connector, Protection, Security, Server, Tls};
use smtp_testkit::{Authority, CertificateKind};

use crate::{
    secured::{connect_to, server_config},
    stage::perform,
};

/// Connects, and returns whether the session was resumed and how many octets both sides wrote.
async fn connect(connector: &Connector, config: &Arc<ServerConfig>) -> (bool, usize) {
    let (connected, written, answered) = connect_to(connector, Arc::clone(config)).await;
    let connection = connected.unwrap();
    assert_eq!(connection.protection(), Protection::Verified);
    let facts = connection.tls().unwrap();
    assert_eq!(facts.certificates().len(), 1);
    (facts.is_resumed(), written.len() + answered.len())
}

fn connector(tls: Tls) -> Connector {
    let server = Server::tcp("localhost", 465).security(Security::Tls);
    Connector::new(server).hello_name("client.example".parse().unwrap()).tls(tls)
}

#[test]
fn the_second_handshake_of_a_connector_resumes_the_first() {
    let authority = Authority::new();
    let config = Arc::new(server_config(&authority.issue(CertificateKind::Good)));
    let trusting = || Tls::authorities([authority.der().to_vec().into()]).unwrap();
    let first = connector(trusting());
    perform(async {
        let (resumed, whole) = connect(&first, &config).await;
        assert!(!resumed);
        for connector in [&first, &first.clone()] {
            let (resumed, shorter) = connect(connector, &config).await;
            assert!(resumed);
            // The certificate and its signature are not sent again. This one is as short as they
            // get: one of 500 octets, without a chain.
            assert!(shorter + 400 < whole, "{shorter} octets instead of {whole}");
        }
        // Another configuration has checked nothing yet.
        let (resumed, _) = connect(&connector(trusting()), &config).await;
        assert!(!resumed);
    });
}
