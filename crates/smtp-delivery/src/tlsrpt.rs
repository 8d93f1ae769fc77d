//! Reports of TLS failures to the domains that ask for them (RFC 8460). No I/O.
//!
//! A delivery makes a [`TlsResult`] of each attempt; a [`TlsReport`] counts those of one domain over a
//! period and writes the JSON text. Where to send it, and when, is up to the caller.
mod report;
mod result;

pub use report::{InvalidPeriod, Period, TlsReport};
pub use result::{AppliedPolicy, PolicyType, ResultType, TlsFailure, TlsResult};
