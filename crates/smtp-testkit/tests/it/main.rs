//! Tests of the server from the view of its clients.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod addresses;
mod binding;
mod client;
mod connections;
mod endings;
mod faults;
mod files;
mod gone;
mod keeping;
mod limits;
mod lints;
mod login;
mod messages;
mod order;
mod recording;
mod rules;
mod sentences;
mod timing;
mod tls;
mod tls_settings;
mod verdict;
mod waiting;
