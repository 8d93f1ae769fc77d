//! Dialing: from an address to an open stream.
use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use smtp_error::{Broken, Error, Step};

use crate::{
    Address,
    blocking::stream::{Socket, Transport},
    clock::Clock,
    dialing::{Attempts, lookup_failed},
    server::to_ascii,
};

/// Opens a stream to this address.
pub(super) fn dial(address: &Address, clock: &mut Clock) -> Result<Transport, Error> {
    let opened = match address {
        Address::Tcp { host, port } => {
            // A resolver might make other labels of a name outside ASCII.
            let host = to_ascii(host).map_err(|invalid| Error::new(Step::Connect, invalid))?;
            look_up(&host, *port, clock).and_then(|addresses| first(addresses, clock))
        }
        #[cfg(unix)]
        Address::Unix(path) => {
            open(clock, || Transport::new(Socket::Unix(UnixStream::connect(path)?), true))
        }
        #[cfg(not(unix))]
        Address::Unix(_) => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
    };
    opened.map_err(|broken| Error::new(Step::Connect, broken))
}

/// Connects to the first of these addresses that can be connected to, one after the other, as long
/// as the operation as a whole has time.
fn first(addresses: Vec<SocketAddr>, clock: &mut Clock) -> Result<Transport, Broken> {
    let mut attempts = Attempts::default();
    for address in addresses {
        let connect = || Transport::new(Socket::Tcp(TcpStream::connect(address)?), true);
        let broken = match open(clock, connect) {
            Ok(transport) => return Ok(transport),
            Err(broken) => broken,
        };
        if !attempts.failed(address, broken) {
            break;
        }
    }
    Err(attempts.into_broken())
}

/// Makes one attempt to connect, within the time that it may take.
fn open(
    clock: &mut Clock,
    connect: impl FnOnce() -> io::Result<Transport>,
) -> Result<Transport, Broken> {
    clock.begin(Step::Connect);
    let mut transport = connect()?;
    while !transport.is_connected()? {
        if !transport.wait(clock.deadline())? {
            return Err(clock.expired());
        }
    }
    Ok(transport)
}

/// The addresses of a host. A system lookup has no bound of its own, so it is done on a thread that
/// is left to itself when the time is up.
fn look_up(host: &str, port: u16, clock: &mut Clock) -> Result<Vec<SocketAddr>, Broken> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let host = host.to_owned();
    let found = within(clock.begin(Step::Connect), move || {
        (&*host, port).to_socket_addrs().map(Vec::from_iter)
    });
    found.map_or_else(
        || Err(clock.expired()),
        |found| found.map_err(|error| lookup_failed(error.into())),
    )
}

/// What `find` finds on a thread of its own; `None` if that takes longer than `bound`.
fn within<T: Send + 'static>(
    bound: Duration,
    find: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Option<io::Result<T>> {
    let (teller, told) = mpsc::channel();
    let thread = thread::Builder::new().name("smtp-client lookup".into());
    // The receiver is gone if the time is up.
    if let Err(error) = thread.spawn(move || drop(teller.send(find()))) {
        return Some(Err(error));
    }
    match told.recv_timeout(bound) {
        Ok(found) => Some(found),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(Err(io::Error::other("the lookup panicked"))),
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, time::Instant};

    use super::*;
    use crate::Timeouts;

    fn dead_port() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    #[test]
    fn a_lookup_that_hangs_has_its_bound() {
        let (release, held) = mpsc::channel::<()>();
        let begun = Instant::now();
        let found = within(Duration::from_millis(20), move || Ok(held.recv().is_ok()));
        assert!(found.is_none() && begun.elapsed() >= Duration::from_millis(20));
        drop(release);
    }

    #[test]
    fn the_first_that_answers_is_used() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut clock = Clock::start(Timeouts::default());
        first(vec![dead_port(), open.local_addr().unwrap()], &mut clock).ok().unwrap();
        open.accept().unwrap();
    }

    #[test]
    fn all_that_failed_are_told() {
        let (one, other) = (dead_port(), dead_port());
        let mut clock = Clock::start(Timeouts::default());
        let Err(Broken::Unreachable(attempts)) = first(vec![one, other], &mut clock) else {
            panic!("nothing listens on these ports")
        };
        assert_eq!([attempts[0].address, attempts[1].address], [one, other]);
        assert!(attempts.iter().all(|attempt| matches!(attempt.broken, Broken::Io(_))));
        assert!(matches!(first(vec![one], &mut clock), Err(Broken::Io(_))));
        assert!(matches!(first(vec![], &mut clock), Err(Broken::UnknownHost(_))));
    }
}
