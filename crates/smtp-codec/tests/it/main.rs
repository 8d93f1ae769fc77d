//! The codec seen by its users, by subject.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod address;
mod command;
mod injection;
mod laws;
mod limits;
mod literal;
mod parameter;
mod reply;
mod split;
mod stuffing;
mod text;
