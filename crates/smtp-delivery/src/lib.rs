//! Delivers mail to the recipients' own servers: to the MX hosts of each domain, with the best
//! protection that the domain publishes, and never twice what may have been accepted.
//!
//! ```no_run
//! # #[cfg(all(feature = "hickory", feature = "https", feature = "aws-lc-rs"))]
//! # mod example {
//! use smtp_client::{Envelope, MailData};
//! use smtp_delivery::Courier;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let courier = Courier::system()?.hello_name("mail.example.org".parse()?).build();
//!
//! let envelope = Envelope::new("me@example.org", ["you@example.com", "them@example.net"])?;
//! let text = MailData::new("Subject: hello\r\n\r\nHello.\r\n")?;
//! let report = courier.deliver(&envelope, text).await;
//! for (rcpt, outcome) in report.outcomes() {
//!     println!("{}: {outcome}", rcpt.path().as_str());
//! }
//! if let Some((envelope, after)) = report.remainder() {
//!     // A queue delivers the same text to this envelope later.
//! #   let _ = (envelope, after);
//! }
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! # What a delivery is
//!
//! [`Courier::deliver`] groups the recipients by domain, looks up the hosts of each, and tries them in
//! order until each recipient has an [`Outcome`]:
//!
//! | Outcome | What it means |
//! |---|---|
//! | [`Delivered`](Outcome::Delivered) | a host has accepted the message for the recipient |
//! | [`Refused`](Outcome::Refused) | it was refused for good |
//! | [`NoRoute`](Outcome::NoRoute) | the domain has no host, for good |
//! | [`Later`](Outcome::Later) | it was certainly not accepted; a queue tries again |
//! | [`InDoubt`](Outcome::InDoubt) | it may have been accepted; another attempt may deliver it twice |
//!
//! The next host is tried only for what was certainly not accepted by the one before.
//!
//! # Protection
//!
//! DANE (RFC 7672) comes first, then MTA-STS (RFC 8461), then TLS if the host offers it (RFC 7435). A
//! domain that publishes one of the first two gets no mail with less; [`Floor`] is for those that
//! publish nothing. [`Achieved`] tells what a connection had, and [`TlsReport`] counts failures for the
//! domains that want to know (RFC 8460).
//!
//! # What is left to the caller
//!
//! The queue, with [`Report::remainder`]; the bounces, which [`Report::dsn`] makes and a courier
//! delivers; and signatures (DKIM), which are made before the first attempt.
//!
//! # Pure parts
//!
//! [`route`], [`demand`], [`StsRecord`], [`StsPolicy`], [`Tlsa`], [`TlsReport`] and [`Dsn`] are
//! functions of their arguments: no I/O, no clock. The DNS and policies come from the traits
//! [`Resolve`] and [`FetchPolicy`], which tests implement too.
//!
//! # Cargo features
//!
//! | Feature | Default | Adds |
//! |---|---|---|
//! | `hickory` | yes | `DnsResolver`, which validates DNSSEC |
//! | `https` | yes | `HttpsPolicies`, which fetches MTA-STS policies |
//! | `aws-lc-rs` | yes | the cryptography of `aws-lc-rs` |
//! | `ring` | no | the cryptography of `ring`; with both, `aws-lc-rs` is used |
mod content_source;
mod courier;
mod dane;
mod dns;
mod dsn;
mod fetch;
#[cfg(feature = "https")]
mod https;
mod name;
mod policies;
mod provider;
mod report;
#[cfg(all(feature = "hickory", any(feature = "aws-lc-rs", feature = "ring")))]
mod resolver;
mod route;
mod security;
mod sts;
mod tlsa;
mod tlsrpt;

pub use content_source::ContentSource;
#[cfg(all(
    feature = "hickory",
    feature = "https",
    any(feature = "aws-lc-rs", feature = "ring")
))]
pub use courier::CourierSetupError;
pub use courier::{Courier, CourierBuilder};
pub use dane::{DaneFailure, DaneSetupError, DaneVerifier};
pub use dns::{Answer, DnsError, DnsFailure, Kind, Proof, Record, Resolve};
pub use dsn::Dsn;
pub use fetch::{FetchError, FetchPolicy, NoPolicies};
#[cfg(feature = "https")]
pub use https::{HttpsPolicies, HttpsPoliciesBuilder};
pub use name::{InvalidName, Name};
pub use policies::{StoredPolicy, StsProblem};
pub use report::{Attempt, Outcome, Reason, Refusal, Report};
#[cfg(all(feature = "hickory", any(feature = "aws-lc-rs", feature = "ring")))]
pub use resolver::{DnsResolver, DnsResolverBuilder, DnsSetupError, UnusableAnswer};
pub use route::{Hop, NoRoute, Route, alternating, route};
pub use security::{Achieved, Demand, Floor, HostFacts, Unprotected, demand};
pub use sts::{
    InvalidMxPattern, InvalidStsPolicy, InvalidStsRecord, MxPattern, StsMode, StsPolicy, StsRecord,
};
pub use tlsa::{InvalidTlsa, Tlsa};
pub use tlsrpt::{
    AppliedPolicy, InvalidPeriod, Period, PolicyType, ResultType, TlsFailure, TlsReport, TlsResult,
};
