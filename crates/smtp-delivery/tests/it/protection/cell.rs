//! A cell of the table: what is published, what the host does, and what the sender demands.
use std::sync::LazyLock;

use rustls::{pki_types::CertificateDer, server::ParsedCertificate};
use sha2::{Digest as _, Sha256, Sha512};
use smtp_client::Envelope;
use smtp_delivery::{
    Answer, DnsFailure, Floor, MxPattern, Proof, Record, StsMode, StsPolicy, Tlsa,
};
use smtp_testkit::{CertificateKind, Identity, Rule, Server, ServerBuilder};

use crate::world::{AUTHORITY, TTL};

pub(super) const DOMAIN: &str = "example.org";
pub(super) const HOST: &str = "mx1.example.org";
pub(super) const SECOND: &str = "mx2.example.org";

/// Facts about a domain with one host, and about a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) mx_is_secure: bool,
    pub(super) addresses_are_secure: bool,
    pub(super) tlsa: TlsaFact,
    pub(super) tls: HostTls,
    pub(super) sts: StsFact,
    pub(super) floor: Floor,
    pub(super) requires_tls: bool,
}

/// What the DNS says of the TLSA records of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TlsaFact {
    /// The key of the certificate that the host has.
    Key311,
    /// The certificate that the host has.
    Certificate301,
    /// The authority, by its certificate.
    Authority201,
    /// The authority, by its key.
    Authority212,
    /// Records are there, and none of them counts.
    Unusable,
    /// The key of no certificate.
    Wrong,
    /// It is proven that there are none.
    None,
    ServFail,
    Bogus,
    /// The right record, in an answer that proves nothing.
    Insecure,
}

impl TlsaFact {
    /// What could do harm where it must not count.
    pub(super) const TEMPTING: [Self; 4] = [Self::Key311, Self::Wrong, Self::ServFail, Self::Bogus];
    pub(super) const ALL: [Self; 10] = [
        Self::Key311,
        Self::Certificate301,
        Self::Authority201,
        Self::Authority212,
        Self::Unusable,
        Self::Wrong,
        Self::None,
        Self::ServFail,
        Self::Bogus,
        Self::Insecure,
    ];

    /// Returns the answer of the DNS for a host that does this about TLS.
    pub(super) fn answer(self, tls: HostTls) -> Result<Answer, DnsFailure> {
        let [own, authority] = [tls.identity().certificate_der(), AUTHORITY.der()];
        let records = match self {
            Self::ServFail => return Err(DnsFailure::Refused("SERVFAIL".into())),
            Self::None => vec![],
            Self::Key311 | Self::Bogus | Self::Insecure => {
                vec![Tlsa::new(3, 1, 1, Sha256::digest(key(own)).to_vec())]
            }
            Self::Certificate301 => vec![Tlsa::new(3, 0, 1, Sha256::digest(own).to_vec())],
            Self::Authority201 => vec![Tlsa::new(2, 0, 1, Sha256::digest(authority).to_vec())],
            Self::Authority212 => vec![Tlsa::new(2, 1, 2, Sha512::digest(key(authority)).to_vec())],
            Self::Unusable => {
                // Right, of a usage that does not count for SMTP; and a digest of another length.
                let right = Sha256::digest(key(own)).to_vec();
                let short = Tlsa::new(3, 1, 1, &right[..31]);
                vec![Tlsa::new(1, 1, 1, right), short]
            }
            Self::Wrong => vec![Tlsa::new(3, 1, 1, [0x5a; 32])],
        };
        let proof = match self {
            Self::Bogus => Proof::Bogus,
            Self::Insecure => Proof::Insecure,
            _ => Proof::Secure,
        };
        Ok(Answer::new(records.into_iter().map(Record::Tlsa), TTL, proof))
    }
}

/// Returns the SubjectPublicKeyInfo of a certificate.
fn key(certificate: &[u8]) -> Vec<u8> {
    let certificate = CertificateDer::from(certificate);
    ParsedCertificate::try_from(&certificate).unwrap().subject_public_key_info().to_vec()
}

/// What the host does about TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostTls {
    /// It has a certificate of the authority, for its name.
    Good,
    /// It does not offer STARTTLS, or an attacker removes the offer.
    Stripped,
    /// It answers STARTTLS with 454.
    Refused,
    /// It answers STARTTLS with 220, and fails in the handshake.
    Broken,
    SelfSigned,
    OtherAuthority,
    Expired,
    OtherName,
}

/// The certificates, in the order of [`HostTls::ALL`]: keys are made once.
static IDENTITIES: LazyLock<Vec<Identity>> = LazyLock::new(|| {
    let authority = AUTHORITY.clone().name(HOST).unwrap().name(SECOND).unwrap();
    let identity = |tls: &HostTls| match tls {
        HostTls::SelfSigned => authority.issue(CertificateKind::SelfSigned),
        HostTls::OtherAuthority => authority.issue(CertificateKind::UnknownAuthority),
        HostTls::Expired => authority.issue(CertificateKind::Expired).with_issuer(&authority),
        HostTls::OtherName => authority.issue(CertificateKind::WrongName).with_issuer(&authority),
        _ => authority.issue(CertificateKind::Good).with_issuer(&authority),
    };
    HostTls::ALL.iter().map(identity).collect()
});

impl HostTls {
    pub(super) const ALL: [Self; 8] = [
        Self::Good,
        Self::Stripped,
        Self::Refused,
        Self::Broken,
        Self::SelfSigned,
        Self::OtherAuthority,
        Self::Expired,
        Self::OtherName,
    ];

    fn identity(self) -> &'static Identity {
        let place = Self::ALL.iter().position(|one| *one == self).unwrap();
        &IDENTITIES[place]
    }

    /// Returns the host.
    pub(super) fn host(self) -> ServerBuilder {
        self.host_without_requiretls().offer("REQUIRETLS")
    }

    pub(super) fn host_without_requiretls(self) -> ServerBuilder {
        // Without an authority of its own, each host would make one.
        let host = Server::builder().authority(AUTHORITY.clone()).identity(self.identity().clone());
        let starttls = || Rule::on("STARTTLS");
        match self {
            Self::Stripped => host,
            Self::Refused => {
                host.offer("STARTTLS").rule(starttls().reply("454 4.7.0 no TLS for now"))
            }
            Self::Broken => {
                let answer = "S: 220 go\n[tls-abort]".parse().unwrap();
                host.offer("STARTTLS").rule(starttls().answer(answer))
            }
            _ => host.offer("STARTTLS"),
        }
    }
}

/// What is known of the MTA-STS policy of the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StsFact {
    None,
    Enforce,
    /// The host is not among those that the policy permits.
    EnforceOther,
    Testing,
    TestingOther,
    ModeNone,
    FetchFails,
    TxtServFail,
    TxtBogus,
}

impl StsFact {
    pub(super) const ALL: [Self; 9] = [
        Self::None,
        Self::Enforce,
        Self::EnforceOther,
        Self::Testing,
        Self::TestingOther,
        Self::ModeNone,
        Self::FetchFails,
        Self::TxtServFail,
        Self::TxtBogus,
    ];

    /// Returns the answer of the DNS at `_mta-sts`.
    pub(super) fn record(self, proof: Proof) -> Result<Answer, DnsFailure> {
        let text = Record::Txt(b"v=STSv1; id=1;".to_vec());
        match self {
            Self::None => Ok(Answer::no_such_name(TTL, proof)),
            Self::TxtServFail => Err(DnsFailure::Refused("SERVFAIL".into())),
            Self::TxtBogus => Ok(Answer::new([text], TTL, Proof::Bogus)),
            _ => Ok(Answer::new([text], TTL, proof)),
        }
    }

    /// Returns the policy that can be fetched.
    pub(super) fn policy(self) -> Option<StsPolicy> {
        let mode = match self {
            Self::Enforce | Self::EnforceOther => StsMode::Enforce,
            Self::Testing | Self::TestingOther => StsMode::Testing,
            Self::ModeNone => StsMode::None,
            _ => return None,
        };
        let host = match self {
            Self::EnforceOther | Self::TestingOther => SECOND,
            _ => "*.example.org",
        };
        let patterns: [MxPattern; 1] = [host.parse().unwrap()];
        Some(StsPolicy::new(mode, patterns, TTL).unwrap())
    }
}

pub(super) const FLOORS: [Floor; 3] = [Floor::Opportunistic, Floor::Encrypted, Floor::Verified];

/// Returns the envelope of a message.
pub(super) fn envelope(requires_tls: bool) -> Envelope {
    let mut mail = smtp_client::Mail::try_from("sender@client.example").unwrap();
    if requires_tls {
        mail = mail.with(smtp_client::MailParam::RequireTls).unwrap();
    }
    Envelope::new(mail, ["bob@example.org"]).unwrap()
}
