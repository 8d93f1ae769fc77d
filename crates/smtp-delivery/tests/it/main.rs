//! The behavior of `smtp-delivery`, by subject.
#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod cut;
mod dane;
mod fallback;
#[cfg(feature = "https")]
mod https;
mod kept;
#[path = "../lab/mod.rs"]
mod lab;
mod notification;
mod resolver;
mod routing;
mod secured;
mod truth;
mod world;
