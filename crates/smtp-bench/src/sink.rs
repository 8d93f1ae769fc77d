//! The sink: a server that takes every message as fast as it can.
//!
//! It knows just enough SMTP to say yes, and nothing of the codec that is measured. One thread
//! serves one connection, so that no runtime is measured with the clients.

mod dialogue;
mod serving;

pub use dialogue::Dialogue;
pub use serving::{Pace, Sink};
