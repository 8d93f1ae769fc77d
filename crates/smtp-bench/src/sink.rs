//! The sink: a server that accepts every message as fast as possible.
//!
//! It implements the minimum of SMTP, and does not use the measured codec. One thread serves one
//! connection, so that no runtime of the server is measured.

mod dialogue;
mod serving;

pub use dialogue::Dialogue;
pub use serving::{Pace, Sink};
