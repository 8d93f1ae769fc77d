//! The locks, the atomics and the tasks of a mailer. Its simulation, in `crates/smtp-simulation`,
//! compiles the mailer with those of shuttle, which switches between tasks at each use of one.
#[cfg(smtp_simulation)]
pub(super) use shuttle::{
    future::spawn,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize},
    },
};
#[cfg(not(smtp_simulation))]
pub(super) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicUsize},
};
#[cfg(not(smtp_simulation))]
pub(super) use tokio::spawn;
