//! Interruption by Ctrl-C or SIGTERM.
use tokio::sync::watch;

/// An operation was interrupted; its future was dropped.
pub(crate) struct Interrupted;

/// Whether the process is to end. From the moment that one exists the process no longer ends by itself,
/// so a command makes it when all input is read; a signal between two operations is not lost.
pub(crate) struct Interruption {
    /// How often.
    asked: watch::Receiver<usize>,
}

impl Interruption {
    /// Begins to listen. It is called in a runtime.
    pub(crate) fn listen() -> Self {
        let (tell, asked) = watch::channel(0);
        let signals = Signals::new();
        tokio::spawn(async move {
            if let Some(mut signals) = signals {
                loop {
                    signals.next().await;
                    tell.send_modify(|asked| *asked += 1);
                }
            }
            // Without signals the sender is kept, so that nothing looks like one.
            std::future::pending::<()>().await;
        });
        Self { asked }
    }

    /// Runs an operation, and drops it when the process is to end.
    pub(crate) async fn unless<T>(
        &self,
        operation: impl Future<Output = T>,
    ) -> Result<T, Interrupted> {
        tokio::select! {
            biased;
            () = self.signal() => Err(Interrupted),
            result = operation => Ok(result),
        }
    }

    /// Waits until the process is to end.
    pub(crate) async fn signal(&self) {
        self.signals(1).await;
    }

    /// Waits until the process was told to end so many times.
    pub(crate) async fn signals(&self, times: usize) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|asked| *asked >= times).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// What the operating system tells. It is registered at once, before anything is awaited.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Option<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let interrupt = signal(SignalKind::interrupt()).ok()?;
        Some(Self { interrupt, terminate: signal(SignalKind::terminate()).ok()? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Option<Self> {
        Some(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
