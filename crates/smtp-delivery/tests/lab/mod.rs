//! A laboratory on loopback: servers that a delivery needs, in the process of the test.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests and examples include the laboratory, and none needs all of it"
)]

pub mod dns;
pub mod domains;
pub mod mx;
pub mod policy_host;
