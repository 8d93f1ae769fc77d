//! The report of a domain. No I/O.
use std::{collections::BTreeMap, net::IpAddr};

use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::Name;

use super::{AppliedPolicy, TlsFailure, TlsResult};

/// Counts the results of one domain over a period, and writes them in the format of RFC 8460, 4.4.
///
/// ```
/// use smtp_delivery::{
///     AppliedPolicy, Name, Period, ResultType, TlsFailure, TlsReport, TlsResult,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let domain = Name::new("example.net")?;
/// let policy = AppliedPolicy::sts(domain.clone(), None);
/// let failure = TlsFailure::new(ResultType::StsPolicyFetchError);
///
/// let day = Period::new(1_470_009_600, 1_470_095_999)?;
/// let mut report = TlsReport::new(domain.clone(), day, "5065427c-23d3")
///     .organization("Example")
///     .contact("tls-reports@sender.example");
/// report.add(&TlsResult::failure(domain, policy, failure));
///
/// assert!(report.to_json().contains(r#""failed-session-count":1"#));
/// let file = report.file_name(&Name::new("mail.sender.example")?);
/// assert_eq!(file, "mail.sender.example!example.net!1470009600!1470095999.json");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TlsReport {
    domain: Name,
    period: Period,
    id: String,
    organization: String,
    contact: String,
    policies: BTreeMap<AppliedPolicy, Counted>,
    omitted: u64,
}

/// What was counted for one policy.
#[derive(Clone, Debug, Default)]
struct Counted {
    successes: u64,
    failures: u64,
    details: BTreeMap<TlsFailure, u64>,
}

/// A period of time, in seconds since 1970-01-01T00:00:00Z, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    start: OffsetDateTime,
    end: OffsetDateTime,
}

/// The period ends before it starts, or after the year 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("period of a TLS report: from {start} to {end} is not a period")]
#[non_exhaustive]
pub struct InvalidPeriod {
    /// The start that was given.
    pub start: u64,
    /// The end that was given.
    pub end: u64,
}

impl Period {
    /// Returns the period between these times.
    ///
    /// # Errors
    /// The end is before the start, or no date of RFC 3339.
    pub fn new(start: u64, end: u64) -> Result<Self, InvalidPeriod> {
        let invalid = InvalidPeriod { start, end };
        let date = |seconds: u64| {
            let seconds = i64::try_from(seconds).map_err(|_| invalid)?;
            OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| invalid)
        };
        match start <= end {
            true => Ok(Self { start: date(start)?, end: date(end)? }),
            false => Err(invalid),
        }
    }
}

impl TlsReport {
    /// The most policies of a report.
    pub const MAX_POLICIES: usize = 100;
    /// The most different failures of a policy that are listed. All are counted.
    pub const MAX_DETAILS: usize = 1000;
    /// The most characters of a text from the other side that are reported.
    const MAX_TEXT: usize = 255;

    /// Returns an empty report to this domain of the recipients. The identifier must be unique among
    /// the reports of the sender.
    pub fn new(domain: Name, period: Period, id: impl Into<String>) -> Self {
        Self {
            domain,
            period,
            id: id.into(),
            organization: String::new(),
            contact: String::new(),
            policies: BTreeMap::new(),
            omitted: 0,
        }
    }

    /// Sets the name of the organization that sends the report. The default is empty.
    #[must_use]
    pub fn organization(mut self, name: impl Into<String>) -> Self {
        self.organization = name.into();
        self
    }

    /// Sets how to reach those responsible for the report: in general a mail address. The default is
    /// empty.
    #[must_use]
    pub fn contact(mut self, contact: impl Into<String>) -> Self {
        self.contact = contact.into();
        self
    }

    /// Counts a result. A result of another domain is ignored.
    pub fn add(&mut self, result: &TlsResult) {
        if result.domain != self.domain {
            return;
        }
        let is_full = self.policies.len() >= Self::MAX_POLICIES;
        if is_full && !self.policies.contains_key(&result.policy) {
            self.omitted += 1;
            return;
        }
        let counted = self.policies.entry(result.policy.clone()).or_default();
        let Some(failure) = &result.failure else {
            counted.successes += 1;
            return;
        };
        counted.failures += 1;
        let mut failure = failure.clone();
        for text in [&mut failure.mx_helo, &mut failure.reason_code].into_iter().flatten() {
            if let Some((end, _)) = text.char_indices().nth(Self::MAX_TEXT) {
                text.truncate(end);
            }
        }
        let is_full = counted.details.len() >= Self::MAX_DETAILS;
        if !is_full || counted.details.contains_key(&failure) {
            *counted.details.entry(failure).or_default() += 1;
        }
    }

    /// Returns the domain that the report is for.
    pub fn domain(&self) -> &Name {
        &self.domain
    }

    /// Returns whether nothing was counted: then no report is sent.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// Returns how many results are missing, because there were more than
    /// [`MAX_POLICIES`](Self::MAX_POLICIES) policies.
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Returns the report as JSON, of the media type `application/tlsrpt+json`.
    pub fn to_json(&self) -> String {
        let date = |date: OffsetDateTime| date.format(&Rfc3339).unwrap_or_default();
        let report = ReportJson {
            organization_name: &self.organization,
            date_range: RangeJson {
                start_datetime: date(self.period.start),
                end_datetime: date(self.period.end),
            },
            contact_info: &self.contact,
            report_id: &self.id,
            policies: self.policies.iter().map(ResultsJson::new).collect(),
        };
        // Text, numbers and lists with names of fields always have a form in JSON.
        serde_json::to_string(&report).unwrap_or_default()
    }

    /// Returns the name of the file that contains the JSON, as an attachment (RFC 8460, 5.1). The
    /// submitter is the domain that sends the report. Where the file is compressed, `.gz` follows.
    pub fn file_name(&self, submitter: &Name) -> String {
        let Period { start, end } = self.period;
        let (start, end) = (start.unix_timestamp(), end.unix_timestamp());
        format!("{submitter}!{}!{start}!{end}.json", self.domain)
    }

    /// Returns the subject of the message that contains the report (RFC 8460, 5.3). The submitter is
    /// the domain that sends the report.
    pub fn subject(&self, submitter: &Name) -> String {
        let (domain, id) = (&self.domain, &self.id);
        format!("Report Domain: {domain} Submitter: {submitter} Report-ID: <{id}@{submitter}>")
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ReportJson<'a> {
    organization_name: &'a str,
    date_range: RangeJson,
    contact_info: &'a str,
    report_id: &'a str,
    policies: Vec<ResultsJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct RangeJson {
    start_datetime: String,
    end_datetime: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ResultsJson<'a> {
    policy: PolicyJson<'a>,
    summary: SummaryJson,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failure_details: Vec<DetailJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct PolicyJson<'a> {
    policy_type: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    policy_string: &'a [String],
    policy_domain: &'a str,
    /// A list, as reports have it in practice, although the example of the RFC has one text: a policy
    /// may have many patterns.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    mx_host: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct SummaryJson {
    total_successful_session_count: u64,
    total_failure_session_count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct DetailJson<'a> {
    result_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sending_mta_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiving_mx_hostname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiving_mx_helo: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiving_ip: Option<IpAddr>,
    failed_session_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason_code: Option<&'a str>,
}

impl<'a> ResultsJson<'a> {
    fn new((policy, counted): (&'a AppliedPolicy, &'a Counted)) -> Self {
        Self {
            policy: PolicyJson {
                policy_type: policy.kind().to_string(),
                policy_string: policy.strings(),
                policy_domain: policy.domain().as_str(),
                mx_host: policy.mx_hosts(),
            },
            summary: SummaryJson {
                total_successful_session_count: counted.successes,
                total_failure_session_count: counted.failures,
            },
            failure_details: counted.details.iter().map(DetailJson::new).collect(),
        }
    }
}

impl<'a> DetailJson<'a> {
    fn new((failure, &count): (&'a TlsFailure, &u64)) -> Self {
        Self {
            result_type: failure.result_type.to_string(),
            sending_mta_ip: failure.sending_ip,
            receiving_mx_hostname: failure.mx_hostname.as_ref().map(Name::as_str),
            receiving_mx_helo: failure.mx_helo.as_deref(),
            receiving_ip: failure.receiving_ip,
            failed_session_count: count,
            failure_reason_code: failure.reason_code.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests;
