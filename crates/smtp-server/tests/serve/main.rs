//! The server on tokio: connections in memory with a paused clock, and real ones where sockets or TLS
//! are the subject.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod host;

mod capacity;
mod channel_binding;
mod client_certificates;
mod data;
mod disconnects;
mod faults;
mod logs;
mod shared;
mod shutdown;
mod slow_clients;
mod sockets;
mod start;
mod timeouts;
mod tls;
