//! The tool, run as a user runs it.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod deliver;
mod interrupt;
mod load;
mod probe;
mod probe_domain;
mod program;
mod scripts;
mod send;
mod serve;
mod transcripts;
mod zone;
