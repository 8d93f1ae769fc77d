//! A server that is started, killed and started again while the suite runs.

use std::{
    cell::RefCell,
    io,
    time::{Duration, Instant},
};

use smtp_client::{Address, Security, Server};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::{TcpStream, UnixStream},
};

use crate::{
    process::{Launch, Running},
    target::Target,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A server with its process.
pub(crate) struct Service {
    launch: Launch,
    /// Those that answer when it is ready.
    ends: Vec<Server>,
    running: RefCell<Option<Running>>,
}

impl Service {
    pub(crate) fn new(launch: Launch, targets: &[Target]) -> Self {
        let ends = targets.iter().flat_map(|target| {
            let ends = &target.endpoints;
            let plain = [&ends.clear, &ends.starttls, &ends.tls, &ends.unix, &ends.login];
            let idle = ends.idle.iter().map(|(server, _)| server);
            plain.into_iter().flatten().chain(idle).cloned().collect::<Vec<_>>()
        });
        Self { launch, ends: ends.collect(), running: RefCell::new(None) }
    }

    /// Starts it, and waits until it greets everywhere.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) async fn start(&self) -> Result<(), String> {
        let running = self.launch.start().map_err(|error| error.to_string())?;
        *self.running.borrow_mut() = Some(running);
        let begun = Instant::now();
        for end in &self.ends {
            while let Err(error) = greet(end).await {
                if let Some(status) = self.running.borrow_mut().as_mut().and_then(Running::ended) {
                    return Err(format!("it ended ({status}): {}", self.launch.last_words()));
                }
                if begun.elapsed() > PATIENCE {
                    let words = self.launch.last_words();
                    return Err(format!("{} does not answer ({error}): {words}", end.address));
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(())
    }

    /// Kills it.
    pub(crate) fn stop(&self) {
        *self.running.borrow_mut() = None;
    }
}

/// Connects, and waits for a greeting unless that is inside TLS.
async fn greet(server: &Server) -> io::Result<()> {
    let mut stream: Box<dyn AsyncRead + Unpin> = match &server.address {
        Address::Tcp { host, port } => Box::new(TcpStream::connect((&**host, *port)).await?),
        Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    if server.security == Security::Tls {
        return Ok(());
    }
    let mut code = [0; 3];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut code)).await;
    read.map_err(|_| io::ErrorKind::TimedOut)??;
    if &code == b"220" { Ok(()) } else { Err(io::Error::other("no greeting")) }
}
