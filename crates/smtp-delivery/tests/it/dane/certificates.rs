//! Certificates of several makes.
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, NameConstraints, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

pub(super) type Der = CertificateDer<'static>;

/// An authority.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// How an authority differs from one that is as it should be.
#[derive(Default)]
pub(super) struct Make {
    /// It may issue certificates of servers only.
    pub(super) is_last: bool,
    pub(super) expired: bool,
    /// It may issue for this domain only.
    pub(super) domain: Option<&'static str>,
}

impl Authority {
    pub(super) fn root(name: &str) -> Self {
        Self::root_of(name, Make::default())
    }

    pub(super) fn root_of(name: &str, make: Make) -> Self {
        Self(CertifiedIssuer::self_signed(authority_params(name, make), key()).unwrap())
    }

    pub(super) fn intermediate(&self, name: &str) -> Self {
        self.intermediate_of(name, Make::default())
    }

    pub(super) fn intermediate_of(&self, name: &str, make: Make) -> Self {
        Self(CertifiedIssuer::signed_by(authority_params(name, make), key(), &self.0).unwrap())
    }

    pub(super) fn der(&self) -> Der {
        self.0.der().clone()
    }

    /// Issues a certificate for a server of this name.
    pub(super) fn issue(&self, name: &str) -> Der {
        self.issue_of(server_params(name))
    }

    pub(super) fn issue_of(&self, params: CertificateParams) -> Der {
        params.signed_by(&key(), &self.0).unwrap().der().clone()
    }

    /// Issues a certificate, with its key.
    pub(super) fn issue_with_key(&self, name: &str) -> (Der, PrivateKeyDer<'static>) {
        let key = key();
        let certificate = server_params(name).signed_by(&key, &self.0).unwrap();
        (certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }
}

pub(super) fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn authority_params(name: &str, make: Make) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(match make.is_last {
        true => BasicConstraints::Constrained(0),
        false => BasicConstraints::Unconstrained,
    });
    if make.expired {
        (params.not_before, params.not_after) =
            (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    }
    params.name_constraints = make.domain.map(|domain| NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(domain.to_owned())],
        excluded_subtrees: vec![],
    });
    params
}

/// A certificate of a server, valid from 2000 to 2999.
pub(super) fn server_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "server");
    (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2999, 1, 1));
    params
}

pub(super) fn expired(name: &str) -> CertificateParams {
    let mut params = server_params(name);
    params.not_after = date_time_ymd(2001, 1, 1);
    params
}

pub(super) fn not_yet_valid(name: &str) -> CertificateParams {
    let mut params = server_params(name);
    params.not_before = date_time_ymd(2998, 1, 1);
    params
}

pub(super) fn for_clients(name: &str) -> CertificateParams {
    let mut params = server_params(name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

pub(super) fn marked_as_authority(name: &str) -> CertificateParams {
    let mut params = server_params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// Two certificates with one key, each signed by itself.
pub(super) fn self_signed_twice(name: &str) -> [Der; 2] {
    let key = key();
    [1, 2].map(|_| server_params(name).self_signed(&key).unwrap().der().clone())
}

/// A certificate of a server that another server issued, which is no authority; the other first.
pub(super) fn issued_by_server(authority: &Authority, name: &str) -> [Der; 2] {
    let (issuer_key, issuer_params) = (key(), server_params("issuer.example.org"));
    let issuer = issuer_params.signed_by(&issuer_key, &authority.0).unwrap();
    let issued = server_params(name).signed_by(&key(), &Issuer::new(issuer_params, issuer_key));
    [issuer.der().clone(), issued.unwrap().der().clone()]
}
