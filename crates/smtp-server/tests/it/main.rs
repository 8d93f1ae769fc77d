//! The session of a server, fed with octets.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod host;

mod auth;
mod chunks;
mod client_session;
mod closings;
mod commands;
mod content;
mod injection;
mod laws;
mod limits;
mod lmtp;
mod params;
mod pipelining;
mod prdr;
mod proxy;
mod rejected;
mod scram;
mod secrets;
mod settings;
mod smuggling;
mod starttls;
mod xclient;
