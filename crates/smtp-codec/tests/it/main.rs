//! The codec seen by its users, by subject.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod address;
mod auth;
mod command;
mod command_error;
mod decode;
mod framer;
mod injection;
#[cfg(feature = "std")]
mod internationalized;
mod laws;
mod limits;
mod literal;
mod mail_data;
mod mailboxes;
mod malformed;
mod parameter;
mod parameters;
mod proxy_header;
mod rcpt_parameters;
mod reply;
mod round_trip;
mod sequence;
mod split;
mod stuffing;
mod unstuff;
