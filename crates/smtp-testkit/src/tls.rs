//! The TLS side of the server: one certificate, one provider, no choice.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;

use crate::certificate::Identity;

/// What a server shows that proves itself with `identity`.
pub(crate) fn server_config(identity: &Identity) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(identity.chain(), identity.private_key())?;
    // With tickets, the server would have the last word of a handshake, and a client that leaves
    // right after it would sometimes look like one that broke it.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
