//! Dialing: from an address to an open stream.
use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc};

use smtp_error::{Broken, Error, Step};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::{
    Address, Io,
    asynchronous::stream::Transport,
    clock::Clock,
    dialing::{Attempts, lookup_failed},
    server::to_ascii,
};

/// A way of opening streams that the caller brings.
pub(crate) type Dialer = Arc<dyn Fn() -> Opening + Send + Sync>;

/// A stream that is being opened.
pub(crate) type Opening = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>;

/// Opens a stream in the caller's way.
pub(crate) async fn dial_by(dialer: &Dialer, clock: &mut Clock) -> Result<Transport, Error> {
    let opened = bounded(clock, dialer()).await;
    opened.map(Transport::Custom).map_err(|broken| Error::new(Step::Connect, broken))
}

/// Opens a stream to this address.
pub(crate) async fn dial(address: &Address, clock: &mut Clock) -> Result<Transport, Error> {
    let opened = match address {
        Address::Tcp { host, port } => {
            // A resolver might make other labels of a name outside ASCII.
            let host = to_ascii(host).map_err(|invalid| Error::new(Step::Connect, invalid))?;
            match bounded(clock, lookup_host((&*host, *port))).await {
                Ok(addresses) => {
                    let tcp = first(addresses, clock, TcpStream::connect::<SocketAddr>).await;
                    tcp.map(|tcp| {
                        // A group of commands leaves in one write; nothing may hold it back.
                        let _ = tcp.set_nodelay(true);
                        Transport::Tcp(tcp)
                    })
                }
                Err(broken) => Err(lookup_failed(broken)),
            }
        }
        #[cfg(unix)]
        Address::Unix(path) => bounded(clock, UnixStream::connect(path)).await.map(Transport::Unix),
        #[cfg(not(unix))]
        Address::Unix(_) => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
    };
    opened.map_err(|broken| Error::new(Step::Connect, broken))
}

/// Connects to the first of these addresses that can be connected to, one after the other, as long
/// as the operation as a whole has time.
async fn first<T, F: Future<Output = io::Result<T>>>(
    addresses: impl Iterator<Item = SocketAddr>,
    clock: &mut Clock,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, Broken> {
    let mut attempts = Attempts::default();
    for address in addresses {
        let broken = match bounded(clock, connect(address)).await {
            Ok(stream) => return Ok(stream),
            Err(broken) => broken,
        };
        if !attempts.failed(address, broken) {
            break;
        }
    }
    Err(attempts.into_broken())
}

/// Awaits one attempt to open something, within the time that it may take.
async fn bounded<T>(
    clock: &mut Clock,
    attempt: impl Future<Output = io::Result<T>>,
) -> Result<T, Broken> {
    let bound = clock.begin(Step::Connect);
    match timeout(bound, attempt).await {
        Ok(opened) => opened.map_err(Broken::from),
        Err(_) => Err(clock.expired()),
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use tokio::time::Instant;

    use super::*;
    use crate::Timeouts;

    /// What becomes of dialing ports of which 1 is refused, 2 swallows everything, and 3 answers;
    /// and how many seconds it took.
    async fn dialed(ports: &[u16], operation: Option<u64>) -> (Result<u16, Broken>, u64) {
        let operation = operation.map(Duration::from_secs);
        let timeouts = Timeouts { operation, ..Timeouts::every_step(Duration::from_secs(30)) };
        let mut clock = Clock::start(timeouts);
        let began = Instant::now();
        let addresses = ports.iter().map(|port| SocketAddr::from(([192, 0, 2, 1], *port)));
        let connected = first(addresses, &mut clock, |address| async move {
            match address.port() {
                1 => Err(io::ErrorKind::ConnectionRefused.into()),
                2 => pending().await,
                port => Ok(port),
            }
        });
        (connected.await, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_that_answers_is_used() {
        for (ports, seconds) in [(&[3, 1][..], 0), (&[1, 3], 0), (&[2, 1, 3, 2], 30)] {
            let (dialed, took) = dialed(ports, None).await;
            assert_eq!((dialed.unwrap(), took), (3, seconds));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_that_failed_are_told() {
        let (dialed, took) = dialed(&[1, 2, 1], None).await;
        let Err(Broken::Unreachable(attempts)) = dialed else { panic!("{dialed:?}") };
        let ports: Vec<u16> = attempts.iter().map(|attempt| attempt.address.port()).collect();
        assert_eq!((&ports[..], took), (&[1, 2, 1][..], 30));
        assert!(matches!(attempts[0].broken, Broken::Io(_)));
        assert!(matches!(attempts[1].broken, Broken::TimedOut { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_failed_is_told_as_it_is() {
        let broken = dialed(&[1], None).await.0.unwrap_err();
        assert!(matches!(broken, Broken::Io(_)));
        let broken = dialed(&[], None).await.0.unwrap_err();
        assert!(matches!(broken, Broken::UnknownHost(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_operation_as_a_whole_has_its_bound() {
        let (dialed, took) = dialed(&[2, 2, 3], Some(40)).await;
        let Err(Broken::Unreachable(attempts)) = dialed else { panic!("{dialed:?}") };
        assert_eq!((attempts.len(), took), (2, 40));
        assert!(matches!(attempts[1].broken, Broken::Deadline { .. }));
    }
}
