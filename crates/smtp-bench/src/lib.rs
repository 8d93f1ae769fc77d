//! Compares the codec, the client and the server with other implementations.
//!
//! `cargo xtask bench` runs the programs of this crate and makes tables of their output. The cases
//! of the codec are calls in one process, those of the client are messages to a [`sink`], and those of
//! the [`server`] are messages of a [`load`].

pub mod client;
pub mod codec;
pub mod job;
pub mod load;
pub mod server;
pub mod sink;

/// The median.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
