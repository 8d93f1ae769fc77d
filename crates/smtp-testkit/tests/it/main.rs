//! The server seen by its clients, by subject.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod client;
mod connections;
mod endings;
mod messages;
mod order;
mod timing;
mod tls;
mod verdict;
