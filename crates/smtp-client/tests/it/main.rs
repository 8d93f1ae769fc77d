//! The client's behavior, by subject.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod answering;
mod fault;
mod operation;
mod stage;
mod tap;

mod appendix_d;
mod arguments;
mod cancel;
mod chunks;
mod content;
mod crowd;
mod each;
mod early;
mod excess;
mod fetched;
mod hello;
mod laws;
mod many;
mod patience;
mod quit;
mod rehlo;
mod send;
mod session_commands;
mod starttls;
mod text;
mod tls;
mod truth;
mod verdicts;
