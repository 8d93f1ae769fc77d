//! A server that is started, killed and started again while the suite runs.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use smtp_client::{Address, Server};
use tokio::net::{TcpStream, UnixStream};

use crate::{
    process::{Launch, Running},
    target::Target,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A server with its process.
pub(crate) struct Service {
    launch: Launch,
    /// The addresses that answer when it is ready.
    addresses: Vec<Address>,
    running: RefCell<Option<Running>>,
}

impl Service {
    pub(crate) fn new(launch: Launch, targets: &[Target]) -> Self {
        let address = |server: &Server| server.address.clone();
        let addresses = targets.iter().flat_map(|target| {
            let ends = &target.endpoints;
            let plain = [&ends.clear, &ends.starttls, &ends.tls, &ends.unix, &ends.login];
            let idle = ends.idle.iter().map(|(server, _)| server);
            plain.into_iter().flatten().chain(idle).map(address).collect::<Vec<_>>()
        });
        Self { launch, addresses: addresses.collect(), running: RefCell::new(None) }
    }

    /// Starts it, and waits until it accepts connections everywhere.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) async fn start(&self) -> Result<(), String> {
        let running = self.launch.start().map_err(|error| error.to_string())?;
        *self.running.borrow_mut() = Some(running);
        let begun = Instant::now();
        for address in &self.addresses {
            while let Err(error) = connect(address).await {
                if let Some(status) = self.running.borrow_mut().as_mut().and_then(Running::ended) {
                    return Err(format!("it ended ({status}): {}", self.launch.last_words()));
                }
                if begun.elapsed() > PATIENCE {
                    let words = self.launch.last_words();
                    return Err(format!("{address} does not answer ({error}): {words}"));
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

async fn connect(address: &Address) -> std::io::Result<()> {
    match address {
        Address::Tcp { host, port } => TcpStream::connect((&**host, *port)).await.map(drop),
        Address::Unix(path) => UnixStream::connect(path).await.map(drop),
        _ => Ok(()),
    }
}
