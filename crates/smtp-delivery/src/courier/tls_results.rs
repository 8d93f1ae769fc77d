//! Results of TLS (RFC 8460): what is reported of each attempt to open a session.
use rustls::CertificateError;
use smtp_client::TlsFailure as HandshakeFailure;
use smtp_error::{Broken, Error, ErrorKind};

use super::{
    Shared,
    dial::is_about_tls,
    pool::Key,
    target::{Host, Target},
};
use crate::{
    AppliedPolicy, DaneFailure, Demand, Hop, Name, ResultType, StsProblem, TlsFailure, TlsResult,
};

impl Shared {
    /// Reports the result of a session that was opened or not, for each of these domains.
    pub(super) fn session_result(
        &self,
        target: &Target,
        host: &Host,
        key: &Key,
        error: Option<&Error>,
    ) {
        // A host that cannot be connected to says nothing of its TLS.
        if error.is_some_and(|error| !is_about_tls(error)) {
            return;
        }
        for domain in &target.domains {
            let policy = applied(target, host, key, domain);
            let result = match (error, &host.unusable) {
                (Some(error), _) => {
                    let mut failure = TlsFailure::new(result_type(error));
                    failure.reason_code = Some(error.to_string());
                    TlsResult::failure(domain.clone(), policy, at(failure, key))
                }
                (None, Some(_)) => {
                    let failure = TlsFailure::new(ResultType::TlsaInvalid);
                    TlsResult::failure(domain.clone(), policy, at(failure, key))
                }
                (None, None) => TlsResult::success(domain.clone(), policy),
            };
            self.tls_result(result);
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

/// Returns the policy that applied to a session.
fn applied(target: &Target, host: &Host, key: &Key, domain: &Name) -> AppliedPolicy {
    match (&key.demand, &host.unusable, &target.sts) {
        (Demand::Dane { records, names }, _, _) => {
            let base = names.first().unwrap_or(domain).clone();
            AppliedPolicy::tlsa(base, records.iter().map(ToString::to_string))
        }
        (Demand::Pkix | Demand::Testing, _, Some(policy)) => {
            AppliedPolicy::sts(domain.clone(), Some(policy))
        }
        (_, Some(records), _) => {
            let base = key.host.as_ref().unwrap_or(domain).clone();
            AppliedPolicy::tlsa(base, records.iter().map(ToString::to_string))
        }
        _ => AppliedPolicy::none(domain.clone()),
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
