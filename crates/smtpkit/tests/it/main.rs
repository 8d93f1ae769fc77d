//! The tool, run as a user runs it.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod interrupt;
mod program;
mod send;
mod transcripts;
