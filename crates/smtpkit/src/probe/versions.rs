//! Versions of TLS: which ones a server takes, with one connection for each.
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use serde::Serialize;
use smtp_client::Security;

use super::contact::Goal;
use crate::cli::Common;
use crate::failure::Failure;
use crate::layout::Layout;
use crate::output::{BAD, GOOD};

/// Whether the server takes a version of TLS. Versions before 1.2 cannot be tried.
///
/// | Field | Value |
/// |---|---|
/// | `version` | `TLS 1.2` or `TLS 1.3` |
/// | `accepted` | whether the handshake succeeded |
/// | `cipher_suite`, `key_exchange` | what was negotiated |
/// | `error` | why it failed |
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct VersionTried {
    pub(crate) version: &'static str,
    pub(crate) accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cipher_suite: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_exchange: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// Tries each version on a connection of its own.
pub(crate) async fn try_versions(
    goal: &Goal,
    common: &Common,
) -> Result<Vec<VersionTried>, Failure> {
    let mut goal = goal.clone();
    if goal.server.security == Security::Opportunistic {
        goal.server = goal.server.security(Security::StartTls);
    }
    let mut tried = Vec::new();
    for (version, supported) in [("TLS 1.2", &TLS12), ("TLS 1.3", &TLS13)] {
        tried.push(try_version(&goal, common, version, supported).await?);
    }
    Ok(tried)
}

async fn try_version(
    goal: &Goal,
    common: &Common,
    version: &'static str,
    supported: &'static SupportedProtocolVersion,
) -> Result<VersionTried, Failure> {
    let contact = goal.contact(common, &[supported], |_| {}).await?;
    Ok(match contact.connection {
        Ok(mut connection) => {
            let tls = connection.tls();
            let tried = VersionTried {
                version,
                accepted: tls.is_some(),
                cipher_suite: tls.map(|tls| tls.cipher_suite().to_owned()),
                key_exchange: tls.map(|tls| tls.key_exchange().to_owned()),
                error: None,
            };
            // What the server replies changes nothing about the version.
            let _ = connection.quit().await;
            tried
        }
        Err(error) => VersionTried {
            version,
            accepted: false,
            cipher_suite: None,
            key_exchange: None,
            error: Some(error.to_string()),
        },
    })
}

impl VersionTried {
    pub(crate) fn show(&self, layout: &mut Layout) {
        let Self { version, cipher_suite, key_exchange, error, .. } = self;
        match (cipher_suite, key_exchange, error) {
            (Some(suite), Some(exchange), _) => {
                layout.styled(version, GOOD, format_args!("yes: {suite}, {exchange}"));
            }
            (_, _, Some(error)) => layout.styled(version, BAD, format_args!("no: {error}")),
            _ => layout.styled(version, BAD, "no"),
        }
    }
}
