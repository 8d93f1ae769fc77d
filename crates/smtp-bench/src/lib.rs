//! Measures the codec and the client beside their peers.
//!
//! `cargo xtask bench` runs the programs of this crate and makes tables of what they say: the
//! codec's cases are calls in one process, the client's are messages to a [`sink`].

pub mod client;
pub mod codec;
pub mod job;
pub mod sink;

/// The value in the middle.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
