//! Interruption by Ctrl-C or SIGTERM.
use std::io;

/// An operation was interrupted; its future was dropped.
pub(crate) struct Interrupted;

/// Runs an operation, and drops it when the process is to end.
pub(crate) async fn unless_interrupted<T>(
    operation: impl Future<Output = T>,
) -> Result<T, Interrupted> {
    tokio::select! {
        biased;
        result = operation => Ok(result),
        _ = signal() => Err(Interrupted),
    }
}

/// Waits until the process is to end. Without signals, it never does.
pub(crate) async fn signal() {
    if wait().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn wait() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn wait() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
