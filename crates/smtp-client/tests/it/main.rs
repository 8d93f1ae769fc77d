//! The client's behavior, by subject.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod act;
mod answering;
mod fault;
mod host;
mod manner;
mod operation;
mod record;
mod stage;
mod tap;

mod ahead;
mod appendix_d;
mod arguments;
mod batches;
mod cancel;
mod chunks;
mod content;
mod crowd;
mod dropped;
mod each;
mod early;
mod early_pipelining;
mod excess;
mod extensions;
mod fetched;
mod hello;
mod laws;
mod leaving;
mod limited;
mod mailer;
mod many;
mod misfortune;
mod neighbors;
mod pace;
mod pooled;
mod proxy;
mod quit;
mod received;
mod rehlo;
mod round_trips;
mod secured;
mod send;
mod session_commands;
mod spans;
mod stalls;
mod starttls;
mod text;
mod threat;
mod tls;
mod tls_failure;
mod truth;
mod verbs;
mod verdicts;
mod wait_timeout;
