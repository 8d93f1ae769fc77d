//! Results of TLS (RFC 8460): what is reported of each attempt to open a session.
use rustls::CertificateError;
use smtp_client::TlsFailure as HandshakeFailure;
use smtp_error::{Broken, Error, ErrorKind};

use super::{
    Shared,
    dial::{Dialed, achieved, is_about_tls},
    pool::Key,
    target::{Host, Target},
};
use crate::{
    Achieved, AppliedPolicy, DaneFailure, Demand, Hop, Name, ResultType, StsMode, StsProblem,
    TlsFailure, TlsResult, Tlsa,
};

impl Shared {
    /// Reports the result of a session that was opened or not, for each of these domains. After a
    /// failure, a connection with less protection is no success, and one in clear never is.
    pub(super) fn session_result(&self, target: &Target, host: &Host, key: &Key, dialed: &Dialed) {
        let error = dialed.earlier.first().or_else(|| dialed.result.as_ref().err());
        // A host that cannot be connected to says nothing of its TLS.
        if error.is_some_and(|error| !is_about_tls(error)) {
            return;
        }
        let failure = match (error, &dialed.result) {
            (Some(error), _) => {
                let mut failure = TlsFailure::new(result_type(error));
                failure.reason_code = Some(error.to_string());
                Some(failure)
            }
            (None, Ok(connection)) if achieved(key, connection) == Achieved::Clear => {
                Some(TlsFailure::new(ResultType::StartTlsNotSupported))
            }
            (None, _) => None,
        };
        for domain in &target.domains {
            for (policy, failure) in applied(target, host, key, domain, failure.clone()) {
                self.tls_result(match failure {
                    Some(failure) => TlsResult::failure(domain.clone(), policy, at(failure, key)),
                    None => TlsResult::success(domain.clone(), policy),
                });
            }
        }
    }

    /// Reports that a policy itself is at fault, or the DNS.
    pub(super) fn policy_result(&self, domain: &Name, policy: AppliedPolicy, problem: &StsProblem) {
        let mut failure = TlsFailure::new(problem.result_type());
        failure.reason_code = Some(problem.to_string());
        self.tls_result(TlsResult::failure(domain.clone(), policy, failure));
    }

    /// Reports a host that is not connected to.
    pub(super) fn host_result(
        &self,
        domain: &Name,
        policy: AppliedPolicy,
        hop: &Hop,
        result_type: ResultType,
    ) {
        let mut failure = TlsFailure::new(result_type);
        failure.mx_hostname = hop.name().cloned();
        self.tls_result(TlsResult::failure(domain.clone(), policy, failure));
    }

    fn tls_result(&self, result: TlsResult) {
        if let Some(on_result) = &self.settings.tls_results {
            on_result(result);
        }
    }
}

/// Adds between which hosts it was.
fn at(mut failure: TlsFailure, key: &Key) -> TlsFailure {
    failure.mx_hostname.clone_from(&key.host);
    failure.receiving_ip = Some(key.address.ip());
    failure
}

/// Returns the policies that applied to a session, and what failed by each of them. `failure` is what
/// failed about TLS.
fn applied(
    target: &Target,
    host: &Host,
    key: &Key,
    domain: &Name,
    failure: Option<TlsFailure>,
) -> Vec<(AppliedPolicy, Option<TlsFailure>)> {
    let tlsa = |base: &Name, records: &[Tlsa]| {
        AppliedPolicy::tlsa(base.clone(), records.iter().map(ToString::to_string))
    };
    if let Demand::Dane { records, names } = &key.demand {
        return vec![(tlsa(names.first().unwrap_or(domain), records), failure)];
    }
    let unusable = host.unusable.as_ref().map(|(base, records)| tlsa(base, records));
    let invalid = || Some(TlsFailure::new(ResultType::TlsaInvalid));
    let sts = target.sts.as_deref().filter(|policy| policy.mode() != StsMode::None);
    match (sts, unusable) {
        (Some(policy), unusable) => {
            let is_permitted = key.host.as_ref().is_some_and(|host| policy.permits(host));
            // In the mode `testing`, a host that the policy does not permit is used all the same.
            let failure = match is_permitted {
                true => failure,
                false => Some(TlsFailure::new(ResultType::ValidationFailure)),
            };
            let sts = (AppliedPolicy::sts(domain.clone(), Some(policy)), failure);
            let unusable = unusable.map(|tlsa| (tlsa, invalid()));
            std::iter::once(sts).chain(unusable).collect()
        }
        (None, Some(tlsa)) => vec![(tlsa, failure.or_else(invalid))],
        (None, None) => vec![(AppliedPolicy::none(domain.clone()), failure)],
    }
}

/// Returns the kind of a failure (RFC 8460, 4.3).
fn result_type(error: &Error) -> ResultType {
    let ErrorKind::Broken(broken) = error.kind() else {
        // STARTTLS is not offered, or was refused.
        return ResultType::StartTlsNotSupported;
    };
    let Broken::Tls(cause) = broken else { return ResultType::ValidationFailure };
    match DaneFailure::of(cause) {
        Some(DaneFailure::NoMatch | DaneFailure::OwnCertificate) => {
            return ResultType::TlsaInvalid;
        }
        Some(DaneFailure::Name { .. }) => return ResultType::CertificateHostMismatch,
        Some(DaneFailure::Expired { .. } | DaneFailure::NotYetValid { .. }) => {
            return ResultType::CertificateExpired;
        }
        Some(_) => return ResultType::CertificateNotTrusted,
        None => {}
    }
    match cause.downcast_ref::<HandshakeFailure>().map(HandshakeFailure::error) {
        Some(rustls::Error::InvalidCertificate(flaw)) => match flaw {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => ResultType::CertificateExpired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                ResultType::CertificateHostMismatch
            }
            _ => ResultType::CertificateNotTrusted,
        },
        _ => ResultType::ValidationFailure,
    }
}
