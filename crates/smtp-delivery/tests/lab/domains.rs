//! Four domains as there are on the Internet, with their DNS, MX hosts and policy host:
//!
//! - `dane.example`, whose zone is signed: TLSA records name the key of its host;
//! - `sts.example`, which enforces an MTA-STS policy;
//! - `plain.example`, which publishes nothing, and whose host signed its certificate itself;
//! - `broken.example`, whose TLSA record is that of a key that its host does not have.
use std::net::Ipv4Addr;

use smtp_client::Tls;
use smtp_delivery::DnsResolver;
use smtp_testkit::{Authority, CertificateKind, Rule, ServerBuilder, TlsVersions};

use super::{
    dns::Dns,
    mx::{MxHost, MxHosts},
    policy_host::PolicyHost,
};

/// The policy of `sts.example`.
pub const POLICY: &str = "version: STSv1\nmode: enforce\nmx: *.sts.example\nmax_age: 604800\n";

/// The four domains. They exist until this is dropped.
pub struct FourDomains {
    pub dns: Dns,
    pub mx: MxHosts,
    pub policy_host: PolicyHost,
    authority: Authority,
}

impl FourDomains {
    /// Starts everything.
    pub async fn start() -> Self {
        let authority = Authority::new();
        let mx = MxHosts::start(&authority, HOSTS);
        let policy_host = PolicyHost::serving("mta-sts.sts.example", POLICY).await;
        let right = mx.key_digest("mx.dane.example").await;
        let tlsa = |digest: &[u8]| (mx.port(), [3, 1, 1], digest.to_vec());
        let mut content = Dns::builder()
            .insecure("sts.example")
            .insecure("plain.example")
            .txt("_mta-sts.sts.example", "v=STSv1; id=20260101;")
            .address("mta-sts.sts.example", Ipv4Addr::LOCALHOST);
        for (host, tlsa) in [
            ("mx.dane.example", Some(tlsa(&right))),
            ("mx.sts.example", None),
            ("mx.plain.example", None),
            ("mx.broken.example", Some(tlsa(&[0x77; 32]))),
        ] {
            let domain = host.split_once('.').unwrap().1;
            content = content.mx(domain, 10, host).address(host, mx.address(host));
            if let Some((port, fields, digest)) = tlsa {
                content = content.tlsa(host, port, fields, &digest);
            }
        }
        Self { dns: content.start().await, mx, policy_host, authority }
    }

    /// Returns a resolver that uses the name server of the laboratory.
    pub fn resolver(&self) -> DnsResolver {
        self.dns.resolver()
    }

    /// Returns the authorities of the MX hosts.
    pub fn tls(&self) -> Tls {
        Tls::authorities_pem(self.authority.pem().as_bytes()).unwrap()
    }
}

const HOSTS: &[MxHost] = &[
    MxHost {
        name: "mx.dane.example",
        address: "127.0.0.2",
        behavior: |builder| {
            let unknown = Rule::on("RCPT TO:<nobody@*").reply("550 5.1.1 No such mailbox here");
            usual(builder).certificate(CertificateKind::Expired).rule(unknown)
        },
    },
    MxHost { name: "mx.sts.example", address: "127.0.0.3", behavior: usual },
    MxHost {
        name: "mx.plain.example",
        address: "127.0.0.4",
        behavior: |builder| {
            usual(builder)
                .certificate(CertificateKind::SelfSigned)
                .tls_versions(TlsVersions::Only12)
        },
    },
    MxHost { name: "mx.broken.example", address: "127.0.0.5", behavior: usual },
];

fn usual(builder: ServerBuilder) -> ServerBuilder {
    builder.offer("PIPELINING").offer("ENHANCEDSTATUSCODES").offer("STARTTLS")
}
