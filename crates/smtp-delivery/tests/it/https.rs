//! Policies fetched from HTTPS servers that are right, wrong, slow and hostile.
use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use bytes::Bytes;
use rcgen::CertificateParams;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::server::TlsStream;

use smtp_delivery::{
    Answer, DnsError, DnsFailure, FetchError, FetchPolicy, HttpsPolicies, HttpsPoliciesBuilder,
    Kind, Name, Proof, Record, Resolve, StsPolicy,
};

use crate::lab::policy_host::{Certificates, PolicyHost, read_request, response};

const POLICY: &str = "version: STSv1\nmode: none\nmax_age: 86400\n";

/// A resolver that knows one host.
#[derive(Clone)]
struct Hosts {
    name: Name,
    addresses: Vec<IpAddr>,
    proof: Proof,
}

impl Resolve for Hosts {
    async fn lookup(&self, name: &Name, kind: Kind) -> Result<Answer, DnsError> {
        if *name != self.name {
            return Ok(Answer::no_such_name(Duration::ZERO, Proof::Insecure));
        }
        let is_asked = |address: &&IpAddr| address.is_ipv6() == (kind == Kind::Aaaa);
        let addresses = self.addresses.iter().filter(is_asked);
        Ok(Answer::new(addresses.map(|at| Record::Address(*at)), Duration::ZERO, self.proof))
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A policy host, and where a client looks for it.
struct Server {
    host: PolicyHost,
    hosts: Hosts,
    port: u16,
    time_limit: Duration,
}

impl Server {
    /// Starts a policy host that does this on each connection, after the TLS handshake.
    async fn start<F, T>(certificates: Certificates, serve: F) -> Self
    where
        F: Fn(TlsStream<TcpStream>) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        Self::found(PolicyHost::start(certificates, serve).await)
    }

    fn found(host: PolicyHost) -> Self {
        let addresses = vec![Ipv4Addr::LOCALHOST.into()];
        let hosts = Hosts { name: name("mta-sts.example"), addresses, proof: Proof::Insecure };
        let (port, time_limit) = (host.address().port(), Duration::from_secs(60));
        Self { host, hosts, port, time_limit }
    }

    /// Starts a policy host with a valid certificate that sends this after the request.
    async fn sending(response: impl Into<Vec<u8>>) -> Self {
        Self::found(PolicyHost::sending("mta-sts.example", response).await)
    }

    fn policies(&self) -> HttpsPoliciesBuilder<Hosts> {
        let policies = HttpsPolicies::builder(self.hosts.clone());
        policies.port(self.port).time_limit(self.time_limit).tls(self.host.client())
    }

    async fn fetch(&self) -> Result<Bytes, FetchError> {
        self.policies().build().unwrap().fetch(&name("example")).await
    }
}

#[track_caller]
fn check(fetched: Result<Bytes, FetchError>, expected: fn(&FetchError) -> bool) {
    let error = fetched.unwrap_err();
    assert!(expected(&error), "{error:?}");
}

/// The server sends the policy, and this is what the client asked for.
#[tokio::test]
async fn the_policy_is_fetched_from_the_policy_host() {
    let (sender, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let certificates = Certificates::new("mta-sts.example", |_| {});
    let server = Server::start(certificates, move |mut stream| {
        let sender = sender.clone();
        async move {
            let server_name = stream.get_ref().1.server_name().map(str::to_owned);
            sender.send((server_name, read_request(&mut stream).await)).unwrap();
            let text = response("200 OK\r\ncontent-type: Text/Plain; charset=utf-8", POLICY);
            stream.write_all(text.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
    })
    .await;
    assert_eq!(server.fetch().await.unwrap(), POLICY);
    let (server_name, request) = requests.recv().await.unwrap();
    assert_eq!(server_name.as_deref(), Some("mta-sts.example"));
    assert!(request.starts_with("GET /.well-known/mta-sts.txt HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("host: mta-sts.example:"), "{request}");
    assert!(!request.to_ascii_lowercase().contains("cookie"), "{request}");
}

#[tokio::test]
async fn bodies_of_every_framing_are_read() {
    for text in [
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n{POLICY}"),
        format!("HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\n{POLICY}"),
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n{:x}\
             \r\n{POLICY}\r\n0\r\n\r\n",
            POLICY.len()
        ),
        format!(
            "HTTP/1.1 100 Continue\r\n\r\n{}",
            response("200 OK\r\ncontent-type: text/plain", POLICY)
        ),
    ] {
        assert_eq!(Server::sending(&*text).await.fetch().await.unwrap(), POLICY, "{text}");
    }
}

#[tokio::test]
async fn only_the_status_200_counts() {
    for (head, status) in [
        ("301 Moved\r\nlocation: /policy.txt\r\ncontent-type: text/plain", 301),
        ("302 Found\r\nlocation: https://mta-sts.example/\r\ncontent-type: text/plain", 302),
        ("201 Created\r\ncontent-type: text/plain", 201),
        ("206 Partial\r\ncontent-type: text/plain", 206),
        ("404 Not Found\r\ncontent-type: text/plain", 404),
        ("503 Later\r\ncontent-type: text/plain", 503),
    ] {
        let fetched = Server::sending(response(head, POLICY)).await.fetch().await;
        let error = fetched.unwrap_err();
        assert!(matches!(error, FetchError::Status(found) if found == status), "{error:?}");
    }
}

#[tokio::test]
async fn only_plain_text_counts() {
    for header in [
        "content-type: text/html",
        "content-type: text/plainx",
        "content-type: ",
        "x: text/plain",
        "content-type: text/plain\r\ncontent-type: text/html",
    ] {
        let head = format!("200 OK\r\n{header}");
        let fetched = Server::sending(response(&head, POLICY)).await.fetch().await;
        check(fetched, |error| matches!(error, FetchError::MediaType));
    }
}

#[tokio::test]
async fn a_certificate_must_be_valid_for_the_policy_host() {
    let expired = |params: &mut CertificateParams| {
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    };
    for certificates in [
        Certificates::new("example", |_| {}),
        Certificates::new("mta-sts.example", expired),
        Certificates {
            authority: Certificates::new("mta-sts.example", |_| {}).authority,
            ..Certificates::new("mta-sts.example", |_| {})
        },
    ] {
        let server = Server::start(certificates, async |_| ()).await;
        check(server.fetch().await, |error| matches!(error, FetchError::Certificate(_)));
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_with_a_bad_certificate() {
    let mut server = Server::sending("").await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    server.port = listener.local_addr().unwrap().port();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    };
    let (fetched, ()) = tokio::join!(server.fetch(), serve);
    check(fetched, |error| matches!(error, FetchError::Tls(_)));
}

#[tokio::test]
async fn a_policy_has_at_most_64_kib() {
    let head = "200 OK\r\ncontent-type: text/plain";
    let fits = "x".repeat(StsPolicy::MAX_SIZE);
    assert_eq!(Server::sending(response(head, &fits)).await.fetch().await.unwrap(), fits);

    let stated = response(head, &"x".repeat(StsPolicy::MAX_SIZE + 1));
    let unstated = format!("HTTP/1.1 {head}\r\n\r\n{fits}x");
    let huge = format!("HTTP/1.1 {head}\r\ncontent-length: 18446744073709551615\r\n\r\n");
    for text in [stated, unstated, huge.clone()] {
        let fetched = Server::sending(text).await.fetch().await;
        check(fetched, |error| matches!(error, FetchError::TooLarge | FetchError::Http(_)));
    }
}

/// Sends the start, and then the piece for as long as the client reads.
async fn endless(start: &'static str, piece: &'static str) -> Server {
    Server::start(Certificates::new("mta-sts.example", |_| {}), move |mut stream| async move {
        read_request(&mut stream).await;
        let mut sent = stream.write_all(start.as_bytes()).await;
        let pieces = piece.repeat(100);
        while sent.is_ok() {
            sent = stream.write_all(pieces.as_bytes()).await;
        }
    })
    .await
}

#[tokio::test]
async fn responses_without_end_are_cut_off() {
    let chunked =
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
    for (start, piece) in [
        ("HTTP/1.1 200 OK\r\n", "x: y\r\n"),
        ("HTTP/1.1 200 OK\r\nx: ", "y"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        (chunked, "1\r\nx\r\n"),
        (chunked, "1;extension=of-a-chunk\r\nx\r\n"),
        (chunked, "0"),
        ("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n", "x"),
    ] {
        let fetched = endless(start, piece).await.fetch().await;
        check(fetched, |error| matches!(error, FetchError::TooLarge | FetchError::Http(_)));
    }
}

#[tokio::test]
async fn informational_responses_without_end_are_too_large() {
    let fetched = endless("", "HTTP/1.1 103 Early Hints\r\n\r\n").await.fetch().await;
    check(fetched, |error| matches!(error, FetchError::TooLarge));
}

#[tokio::test]
async fn a_response_that_is_cut_short_is_not_used() {
    let head = "200 OK\r\ncontent-type: text/plain";
    let text = response(head, POLICY);
    for length in [0, 9, text.len() - 1] {
        let fetched = Server::sending(&text[..length]).await.fetch().await;
        check(fetched, |error| matches!(error, FetchError::Http(_)));
    }
}

#[tokio::test]
async fn what_is_not_http_is_not_used() {
    let fetched = Server::sending("220 mx.example ESMTP\r\n").await.fetch().await;
    check(fetched, |error| matches!(error, FetchError::Http(_)));
}

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_server_that_dribbles_or_is_silent_runs_out_of_time() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 9999\r\n\r\n";
    let header = "HTTP/1.1 200 OK\r\nx: ";
    for (start, dribbles) in [("", false), (head, false), (head, true), (header, true)] {
        let certificates = Certificates::new("mta-sts.example", |_| {});
        let mut server = Server::start(certificates, move |mut stream| async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(start.as_bytes()).await;
            let _ = stream.flush().await;
            let mut ticks = tokio::time::interval(SHORT / 20);
            while dribbles && stream.write_all(b"x").await.is_ok() {
                let _ = stream.flush().await;
                ticks.tick().await;
            }
            std::future::pending().await
        })
        .await;
        server.time_limit = SHORT;
        check(server.fetch().await, |error| matches!(error, FetchError::TimedOut));
    }
    let mut server = Server::sending("").await;
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    server.port = silent.local_addr().unwrap().port();
    server.time_limit = SHORT;
    check(server.fetch().await, |error| matches!(error, FetchError::TimedOut));
}

#[tokio::test]
async fn the_next_address_is_tried_where_one_does_not_answer() {
    let mut server = Server::sending(response("200 OK\r\ncontent-type: text/plain", POLICY)).await;
    // Only 127.0.0.1 listens on this port.
    let deaf: [IpAddr; 2] = [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::new(127, 9, 9, 9).into()];
    let listening = server.hosts.addresses.clone();
    server.hosts.addresses = [&deaf[..], &listening].concat();
    assert_eq!(server.fetch().await.unwrap(), POLICY);

    server.hosts.addresses = [vec![deaf[1]; 4], listening].concat();
    check(server.fetch().await, |error| matches!(error, FetchError::Connect(_)));

    server.hosts.addresses.clear();
    check(server.fetch().await, |error| matches!(error, FetchError::NoAddress));
}

#[tokio::test]
async fn bogus_addresses_are_not_used() {
    let mut server = Server::sending(response("200 OK\r\ncontent-type: text/plain", POLICY)).await;
    server.hosts.proof = Proof::Bogus;
    check(server.fetch().await, |error| {
        matches!(error, FetchError::Dns(DnsError { failure: DnsFailure::Bogus, .. }))
    });
}

#[tokio::test]
async fn a_domain_without_a_policy_host_is_not_looked_up() {
    let server = Server::sending("").await;
    let policies = server.policies().build().unwrap();
    for domain in [".", "a\\000.example", "a@b.example", &"a.".repeat(126)] {
        let fetched = policies.fetch(&name(domain)).await;
        check(fetched, |error| matches!(error, FetchError::NotAHost));
    }
}

#[tokio::test]
async fn the_authorities_of_the_system_do_not_trust_a_certificate_of_this_test() {
    let server = Server::sending("").await;
    let policies = HttpsPolicies::builder(server.hosts.clone()).port(server.port);
    let fetched = policies.build().unwrap().fetch(&name("example")).await;
    check(fetched, |error| matches!(error, FetchError::Certificate(_)));
}
