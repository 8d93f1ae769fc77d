//! The behavior of `smtp-delivery`, by subject.
#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod base_domain;
mod cut;
mod dane;
#[cfg(all(feature = "hickory", feature = "https"))]
mod domains;
mod fallback;
mod hostile;
#[cfg(feature = "https")]
mod https;
mod kept;
#[path = "../lab/mod.rs"]
mod lab;
mod notification;
mod protection;
mod resolver;
mod routing;
mod scale;
mod secured;
mod truth;
mod world;
