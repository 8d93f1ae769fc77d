//! Servers that cannot start.
use smtp_server::{Mechanism, ServeError, Server, Settings, StartTls};

use crate::host::Host;

#[tokio::test]
async fn a_server_without_what_it_needs_does_not_start() {
    let server = Server::new(Host::default());
    assert!(matches!(server.run().await, Err(ServeError::NoListener)));

    let settings = Settings::smtp("mx.example.org").starttls(StartTls::Offered).build().unwrap();
    let server = Server::new(Host::default()).settings(settings);
    assert!(matches!(server.into_service(), Err(ServeError::NoCertificate)));

    let settings = Settings::smtp("mx.example.org").passwords_in_clear();
    let settings = settings.auth([Mechanism::PLAIN]).build().unwrap();
    let server = Server::new(Host::default()).settings(settings);
    assert!(matches!(server.into_service(), Err(ServeError::NoVerifier)));
}

#[tokio::test]
async fn a_service_has_no_listeners() {
    let server = Server::new(Host::default()).listen("127.0.0.1:0").unwrap();
    assert!(matches!(server.into_service(), Err(ServeError::UnusedListener)));
}

#[test]
fn a_server_needs_a_runtime() {
    let server = Server::new(Host::default()).listen("127.0.0.1:0").unwrap();
    assert!(matches!(server.spawn(), Err(ServeError::NoRuntime)));
}
