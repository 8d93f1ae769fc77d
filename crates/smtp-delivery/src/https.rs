//! Fetches MTA-STS policies over HTTPS.
use std::{error::Error, io, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Incoming},
    client::conn::http1,
    header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue},
};
use rustls::{ClientConfig, client::Resumption, crypto::CryptoProvider, pki_types::ServerName};
use rustls_platform_verifier::Verifier;
use smtp_client::TrustError;
use smtp_error::Cause;
use tokio::{
    net::TcpStream,
    time::{error::Elapsed, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    DnsError, DnsFailure, FetchError, FetchPolicy, Kind, Name, Proof, Resolve, StsPolicy,
    provider::provider,
};

use self::metered::{Excess, Metered};

mod metered;

/// Fetches MTA-STS policies over HTTPS (RFC 8461, 3.3).
///
/// The certificate must be valid for `mta-sts.DOMAIN`. Redirects are not followed, and nothing is
/// stored: neither cookies nor TLS sessions. A fetch ends within the [time
/// limit](HttpsPoliciesBuilder::time_limit), and reads at most 64 KiB of text and 512 KiB in all.
///
/// The status must be 200 and the media type must be `text/plain`, whose parameters are ignored. A
/// response without a media type is refused: where users can publish files, it may be one of theirs.
#[derive(Clone, Debug)]
pub struct HttpsPolicies<R> {
    resolver: R,
    tls: Arc<ClientConfig>,
    port: u16,
    time_limit: Duration,
}

/// Settings of [`HttpsPolicies`].
#[derive(Clone, Debug)]
pub struct HttpsPoliciesBuilder<R> {
    resolver: R,
    tls: Option<Arc<ClientConfig>>,
    port: u16,
    time_limit: Duration,
}

impl<R: Resolve> HttpsPolicies<R> {
    /// How many addresses of a policy host are tried at most, one after the other.
    pub const MAX_ADDRESSES: usize = 4;

    /// Returns the settings, with this resolver for the addresses of policy hosts.
    pub fn builder(resolver: R) -> HttpsPoliciesBuilder<R> {
        let time_limit = Duration::from_secs(60);
        HttpsPoliciesBuilder { resolver, tls: None, port: 443, time_limit }
    }

    async fn fetch_unlimited(&self, domain: &Name) -> Result<Bytes, FetchError> {
        let host = domain.with_prefix("mta-sts").map_err(|_| FetchError::NotAHost)?;
        if !host.is_host() {
            return Err(FetchError::NotAHost);
        }
        let name = ServerName::try_from(host.as_str().to_owned());
        let name = name.map_err(|_| FetchError::NotAHost)?;
        let stream = self.connect(&self.addresses(&host).await?).await?;
        let tls = TlsConnector::from(self.tls.clone());
        let stream = tls.connect(name, stream).await.map_err(handshake_error)?;
        let authority = match self.port {
            443 => host.to_string(),
            port => format!("{host}:{port}"),
        };
        get(stream, &authority).await
    }

    /// Returns the addresses of the policy host in the order in which they are tried: IPv6 and IPv4 in
    /// turn, so that a network without one of them costs one attempt.
    async fn addresses(&self, host: &Name) -> Result<Vec<IpAddr>, FetchError> {
        let six = self.addresses_of_kind(host, Kind::Aaaa).await;
        let four = self.addresses_of_kind(host, Kind::A).await;
        let (six, four, failure) = match (six, four) {
            (Ok(six), Ok(four)) => (six, four, None),
            (Ok(six), Err(failure)) => (six, Vec::new(), Some(failure)),
            (Err(failure), Ok(four)) => (Vec::new(), four, Some(failure)),
            (Err(failure), Err(_)) => return Err(failure.into()),
        };
        let longest = six.len().max(four.len());
        let in_turn = (0..longest).flat_map(|at| [six.get(at), four.get(at)]).flatten().copied();
        let addresses: Vec<_> = in_turn.take(Self::MAX_ADDRESSES).collect();
        match (addresses.is_empty(), failure) {
            (false, _) => Ok(addresses),
            (true, Some(failure)) => Err(failure.into()),
            (true, None) => Err(FetchError::NoAddress),
        }
    }

    async fn addresses_of_kind(&self, host: &Name, kind: Kind) -> Result<Vec<IpAddr>, DnsError> {
        let answer = self.resolver.lookup(host, kind).await?;
        if answer.proof() == Proof::Bogus {
            return Err(DnsError::new(host.clone(), kind, DnsFailure::Bogus));
        }
        let is_asked = |address: &IpAddr| address.is_ipv6() == (kind == Kind::Aaaa);
        Ok(answer.addresses().filter(is_asked).take(Self::MAX_ADDRESSES).collect())
    }

    /// Connects to the first of the addresses that answers. Each gets an equal part of the time.
    async fn connect(&self, addresses: &[IpAddr]) -> Result<TcpStream, FetchError> {
        let mut last = FetchError::NoAddress;
        let parts = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        for address in addresses {
            let attempt = TcpStream::connect((*address, self.port));
            match timeout(self.time_limit / parts, attempt).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = FetchError::Connect(Cause::new(error)),
                Err(elapsed) => last = FetchError::Connect(Cause::new(elapsed)),
            }
        }
        Err(last)
    }
}

impl<R: Resolve> FetchPolicy for HttpsPolicies<R> {
    async fn fetch(&self, domain: &Name) -> Result<Bytes, FetchError> {
        let fetched = timeout(self.time_limit, self.fetch_unlimited(domain)).await;
        fetched.unwrap_or_else(|Elapsed { .. }| Err(FetchError::TimedOut))
    }
}

impl<R> HttpsPoliciesBuilder<R> {
    /// Sets the configuration of TLS, which verifies the certificate of the policy host. The default
    /// trusts the authorities that the operating system trusts.
    ///
    /// Its ALPN protocols and its store of sessions are not used.
    #[must_use]
    pub fn tls(mut self, configuration: Arc<ClientConfig>) -> Self {
        self.tls = Some(configuration);
        self
    }

    /// Sets the port of the policy hosts, for tests. The default is 443.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the time limit of a whole fetch: DNS, connection, TLS and HTTP. The default is 60 seconds.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Returns what fetches policies with these settings.
    ///
    /// # Errors
    /// No configuration of TLS is set, and the authorities of the operating system cannot be read, or
    /// the crate was built without a provider of cryptography.
    pub fn build(self) -> Result<HttpsPolicies<R>, TrustError> {
        let mut tls = match self.tls {
            Some(given) => Arc::unwrap_or_clone(given),
            None => platform(provider().ok_or(TrustError::NoProvider)?)
                .map_err(|error| TrustError::Configuration(Cause::new(error)))?,
        };
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session would rest on a certificate that was verified some time ago.
        tls.resumption = Resumption::disabled();
        let (resolver, port, time_limit) = (self.resolver, self.port, self.time_limit);
        Ok(HttpsPolicies { resolver, tls: Arc::new(tls), port, time_limit })
    }
}

/// Returns a configuration that trusts the authorities that the operating system trusts.
fn platform(provider: Arc<CryptoProvider>) -> Result<ClientConfig, rustls::Error> {
    let verifier = Arc::new(Verifier::new(provider.clone())?);
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    // The name of the method is that of rustls for any verifier but its own; the one of the platform
    // verifies the whole chain and the name.
    Ok(versions.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn handshake_error(error: io::Error) -> FetchError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
    match tls {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            FetchError::Certificate(Cause::new(error))
        }
        _ => FetchError::Tls(Cause::new(error)),
    }
}

/// Sends the request and reads the response, while the connection is driven.
async fn get(stream: TlsStream<TcpStream>, authority: &str) -> Result<Bytes, FetchError> {
    let mut settings = http1::Builder::new();
    settings.max_headers(100).max_buf_size(StsPolicy::MAX_SIZE);
    let (requests, connection) =
        settings.handshake(Metered::new(stream)).await.map_err(http_error)?;
    let mut connection = pin!(connection);
    let mut exchange = pin!(exchange(requests, authority));
    let mut is_open = true;
    std::future::poll_fn(|context| {
        // What ends the connection reaches the exchange too, through the channel between them.
        if is_open && connection.as_mut().poll(context).is_ready() {
            is_open = false;
        }
        exchange.as_mut().poll(context)
    })
    .await
}

async fn exchange(
    mut requests: http1::SendRequest<Empty<Bytes>>,
    authority: &str,
) -> Result<Bytes, FetchError> {
    let request = Request::get("/.well-known/mta-sts.txt")
        .header(HOST, authority)
        .header(ACCEPT, "text/plain")
        .header(CONNECTION, "close")
        .body(Empty::new())
        .map_err(|error| FetchError::Other(Cause::new(error)))?;
    let response = requests.send_request(request).await.map_err(http_error)?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    if !is_plain_text(response.headers()) {
        return Err(FetchError::MediaType);
    }
    read(response).await
}

/// Returns whether the one media type is `text/plain`.
fn is_plain_text(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let is_plain = |value: &HeaderValue| {
        let essence = value.as_bytes().split(|&octet| octet == b';').next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case(b"text/plain")
    };
    types.next().is_some_and(is_plain) && types.next().is_none()
}

/// Reads the body, piece by piece.
async fn read(response: Response<Incoming>) -> Result<Bytes, FetchError> {
    let mut body = response.into_body();
    if body.size_hint().lower() > StsPolicy::MAX_SIZE as u64 {
        return Err(FetchError::TooLarge);
    }
    let mut text = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(http_error)?.into_data() else { continue };
        if text.len() + data.len() > StsPolicy::MAX_SIZE {
            return Err(FetchError::TooLarge);
        }
        text.extend_from_slice(&data);
    }
    Ok(text.freeze())
}

fn http_error(error: hyper::Error) -> FetchError {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let is_excess = io.and_then(io::Error::get_ref).is_some_and(|inner| inner.is::<Excess>());
    match is_excess {
        true => FetchError::TooLarge,
        false => FetchError::Http(Cause::new(error)),
    }
}
