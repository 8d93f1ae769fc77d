//! What a resolver needs to know: name servers, trust anchors, times.
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hickory_resolver::{
    NameServerPool, PoolContext, TlsConfig,
    config::{NameServerConfig, ResolverOpts},
    net::{RetryDnsHandle, dnssec::DnssecDnsHandle, runtime::TokioRuntimeProvider},
    proto::{
        dnssec::TrustAnchors,
        serialize::txt::{ParseError, trust_anchor::Parser},
    },
    system_conf::read_system_conf,
};
use smtp_error::Cause;

use super::{DnsResolver, Inner, Upstream, trusting::Trusting};

/// Makes a [`DnsResolver`].
#[derive(Clone, Debug)]
#[must_use]
pub struct DnsResolverBuilder {
    servers: Option<Vec<SocketAddr>>,
    anchors: Vec<String>,
    timeout: Duration,
    attempts: usize,
    deadline: Duration,
    trusts_ad: bool,
}

/// Why there is no resolver.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DnsSetupError {
    /// The name servers of this machine cannot be found out.
    #[error("the name servers of this machine (/etc/resolv.conf) cannot be read: {0}")]
    System(#[source] Cause),
    /// The list of name servers is empty.
    #[error("no name server was given")]
    NoServers,
    /// A trust anchor is not a DNSKEY record in presentation form.
    #[error("the DNSSEC trust anchor is not a DNSKEY record in presentation form: {0}")]
    TrustAnchor(#[source] Cause),
    /// A name server whose validation is to be trusted is not on this host.
    #[error(
        "the name server {server} cannot be trusted to validate DNSSEC: it is not on this host \
         (127.0.0.0/8 or ::1), so that its answers can be forged; leave out `trust_ad`"
    )]
    NotLoopback {
        /// The address of the name server.
        server: IpAddr,
    },
    /// The resolver cannot be made of these settings.
    #[error("the resolver cannot be made: {0}")]
    Other(#[source] Cause),
}

#[derive(Debug, thiserror::Error)]
#[error("the text has no record")]
struct NoKey;

impl DnsResolverBuilder {
    pub(super) fn new() -> Self {
        Self {
            servers: None,
            anchors: Vec::new(),
            timeout: Duration::from_secs(5),
            attempts: 3,
            deadline: Duration::from_secs(30),
            trusts_ad: false,
        }
    }

    /// Sets the name servers, instead of those of this machine. They must be recursive. Two of them are
    /// asked at the same time, and the first answer counts.
    pub fn servers(mut self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.servers = Some(servers.into_iter().collect());
        self
    }

    /// Adds a trust anchor: a DNSKEY record in presentation form, such as
    /// `. IN DNSKEY 257 3 15 <key in base64>`, or several in lines. The first one replaces those of the
    /// root that are built in. For tests and private roots.
    pub fn trust_anchor(mut self, dnskey: impl Into<String>) -> Self {
        self.anchors.push(dnskey.into());
        self
    }

    /// Sets how long a name server may take to answer a query. Default: 5 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how often a query is sent before a lookup fails, at least once. Default: 3.
    pub fn attempts(mut self, attempts: usize) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets how long a lookup may take, with all that it needs: aliases, keys, attempts. Default: 30
    /// seconds.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Trusts name servers that validate DNSSEC, instead of validating here: an answer with the bit AD is
    /// secure, and a bogus one is a refusal (SERVFAIL). All of the name servers must be on this host,
    /// with addresses of loopback: on any other path the bit can be forged (RFC 7672, 2.2). A name server
    /// that forwards queries without validating them must not be trusted. Trust anchors are not used.
    pub fn trust_ad(mut self) -> Self {
        self.trusts_ad = true;
        self
    }

    /// Makes the resolver.
    ///
    /// # Errors
    /// There is no name server, a trust anchor cannot be read, or a name server is to be trusted that
    /// is not on this host.
    pub fn build(self) -> Result<DnsResolver, DnsSetupError> {
        let servers: Vec<_> = match &self.servers {
            Some(servers) => servers.iter().copied().map(server).collect(),
            None => system_servers()?,
        };
        if servers.is_empty() {
            return Err(DnsSetupError::NoServers);
        }
        let anchors = self.trust_anchors()?;
        let mut options = ResolverOpts::default();
        options.timeout = self.timeout;
        options.validate = true;
        let tls = TlsConfig::new().map_err(|error| DnsSetupError::Other(Cause::new(error)))?;
        let context = Arc::new(PoolContext::new(options, tls));
        let upstream = if self.trusts_ad {
            if let Some(server) = servers.iter().find(|server| !server.ip.is_loopback()) {
                return Err(DnsSetupError::NotLoopback { server: server.ip });
            }
            Upstream::Trusted(Trusting { servers, context, attempts: self.attempts })
        } else {
            let provider = TokioRuntimeProvider::default();
            let pool = NameServerPool::from_config(servers, context, provider);
            let retrying = RetryDnsHandle::new(pool, self.attempts.saturating_sub(1));
            Upstream::Validated(DnssecDnsHandle::with_trust_anchor(retrying, Arc::new(anchors)))
        };
        Ok(DnsResolver { inner: Arc::new(Inner { upstream, deadline: self.deadline }) })
    }

    fn trust_anchors(&self) -> Result<TrustAnchors, DnsSetupError> {
        if self.anchors.is_empty() {
            return Ok(TrustAnchors::default());
        }
        let refused = |cause| Err(DnsSetupError::TrustAnchor(cause));
        for anchor in &self.anchors {
            match Parser::new(anchor.as_str()).parse() {
                Ok(entries) if !entries.is_empty() => {}
                Ok(_) => return refused(Cause::new(NoKey)),
                Err(error) => return refused(Cause::new(error)),
            }
        }
        self.anchors.join("\n").parse().or_else(|error: ParseError| refused(Cause::new(error)))
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let mut config = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut config.connections {
        connection.port = address.port();
    }
    config
}

fn system_servers() -> Result<Vec<NameServerConfig>, DnsSetupError> {
    let (config, _) =
        read_system_conf().map_err(|error| DnsSetupError::System(Cause::new(error)))?;
    Ok(config.name_servers().to_vec())
}
