//! Dialing: from an address to an open stream.
#[cfg(unix)]
use std::path::Path;
use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use smtp_error::{Broken, Error, Step};

use crate::{
    Address,
    blocking::{
        OpenSocket,
        readiness::Readiness,
        stream::{Socket, Transport},
    },
    clock::{Clock, Instant},
    dialing::{Race, lookup_failed, unreachable},
    route::Route,
};

/// A way of opening sockets that the caller brings.
pub(crate) type Dialer = Arc<dyn Fn(Address) -> io::Result<OpenSocket> + Send + Sync>;

/// Opens a stream to this address, in the caller's way if there is one.
pub(super) fn dial(
    address: &Address,
    route: &Route,
    dialer: Option<&Dialer>,
    clock: &mut Clock,
) -> Result<Transport, Error> {
    // A resolver might make other labels of a name outside ASCII.
    let address = address.to_ascii().map_err(|invalid| Error::new(Step::Connect, invalid))?;
    let opened = match (dialer, address) {
        (Some(dialer), address) => {
            dialer(address).and_then(OpenSocket::into_transport).map_err(Broken::from)
        }
        (None, Address::Tcp { host, port }) => {
            let addresses = look_up(&host, port, clock);
            let addresses = addresses.map_err(|broken| unreachable(&host, &[], broken))?;
            let opened = dial_tcp(&addresses, route, clock);
            return opened.map_err(|broken| unreachable(&host, &addresses, broken));
        }
        #[cfg(unix)]
        (None, Address::Unix(path)) => dial_unix(&path, clock),
        #[cfg(not(unix))]
        (None, Address::Unix(_)) => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
    };
    opened.map_err(|broken| Error::new(Step::Connect, broken))
}

fn dial_tcp(
    addresses: &[SocketAddr],
    route: &Route,
    clock: &mut Clock,
) -> Result<Transport, Broken> {
    let race = Race::new(addresses.iter().copied(), route.order);
    let socket = run(race, clock, |address| connect(route, address))?;
    Ok(Transport::new(socket, true)?)
}

/// Begins to connect to this address.
fn connect(route: &Route, address: SocketAddr) -> io::Result<Socket> {
    let socket = route.socket(address)?;
    match socket.connect(&address.into()) {
        Err(error) if !is_under_way(&error) => Err(error),
        _ => Ok(Socket::Tcp(TcpStream::from_std(socket.into()))),
    }
}

/// Returns whether this is how a socket that does not block says that it is connecting.
fn is_under_way(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(libc::EINPROGRESS);
    #[cfg(not(unix))]
    return error.kind() == io::ErrorKind::WouldBlock;
}

/// Runs a race to its end.
fn run(
    mut race: Race<Socket>,
    clock: &mut Clock,
    connect: impl Fn(SocketAddr) -> io::Result<Socket>,
) -> Result<Socket, Broken> {
    let mut readiness = Readiness::new()?;
    let mut now = Instant::now();
    loop {
        while let Some(address) = race.due(now) {
            let limit = clock.limit(Step::Connect);
            let started = connect(address).and_then(|mut socket| {
                readiness.add(&mut socket)?;
                Ok(socket)
            });
            match started {
                Ok(socket) => race.started(address, socket, limit),
                Err(error) => race.refused(address, error.into()),
            }
        }
        let Some(wakes_at) = race.wakes_at() else { return Err(race.into_broken()) };
        match look(&mut race) {
            Some((place, Ok(()))) => {
                let mut socket = race.won(place);
                // It is waited on by its connection from here on.
                readiness.remove(&mut socket)?;
                return Ok(socket);
            }
            Some((place, Err(error))) => race.failed(place, error.into()),
            None if readiness.wait(wakes_at)? => now = now.max(Instant::now()),
            None => {
                // The clock of a runtime may stand still.
                now = wakes_at.max(Instant::now());
                race.expire(now);
            }
        }
    }
}

/// Looks at the attempts under way. Returns the result of the first that is over, and its place.
fn look(race: &mut Race<Socket>) -> Option<(usize, io::Result<()>)> {
    race.running().enumerate().find_map(|(place, socket)| match socket.is_connected() {
        Ok(false) => None,
        outcome => Some((place, outcome.map(drop))),
    })
}

#[cfg(unix)]
fn dial_unix(path: &Path, clock: &mut Clock) -> Result<Transport, Broken> {
    clock.begin(Step::Connect);
    let mut transport = Transport::new(Socket::Unix(UnixStream::connect(path)?), true)?;
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
    use std::net::TcpListener;

    use super::*;
    use crate::{Timeouts, dialing::Order};

    fn first(
        addresses: Vec<SocketAddr>,
        order: Order,
        clock: &mut Clock,
    ) -> Result<Socket, Broken> {
        let route = Route::default();
        run(Race::new(addresses, order), clock, |address| connect(&route, address))
    }

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
        for order in [Order::OneByOne, Order::Racing] {
            let open = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut clock = Clock::start(Timeouts::default());
            let addresses = vec![dead_port(), open.local_addr().unwrap()];
            first(addresses, order, &mut clock).ok().unwrap();
            open.accept().unwrap();
        }
    }

    #[test]
    fn all_that_failed_are_told() {
        let (one, other) = (dead_port(), dead_port());
        let mut clock = Clock::start(Timeouts::default());
        for order in [Order::OneByOne, Order::Racing] {
            let Err(Broken::Unreachable(attempts)) = first(vec![one, other], order, &mut clock)
            else {
                panic!("nothing listens on these ports")
            };
            assert_eq!([attempts[0].address, attempts[1].address], [one, other]);
            assert!(attempts.iter().all(|attempt| matches!(attempt.broken, Broken::Io(_))));
            assert!(matches!(first(vec![one], order, &mut clock), Err(Broken::Io(_))));
            assert!(matches!(first(vec![], order, &mut clock), Err(Broken::UnknownHost(_))));
        }
    }

    /// A listener that takes no connection: its queue is full.
    fn full() -> (socket2::Socket, Vec<Socket>) {
        let listener = Route::default().socket(dead_port()).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let route = Route::default();
        let held = (0..8).map(|_| connect(&route, address).unwrap()).collect();
        (listener, held)
    }

    /// Where the system drops what a full queue cannot take.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_race_leaves_dead_addresses_behind() {
        let (full, _held) = full();
        let dead = full.local_addr().unwrap().as_socket().unwrap();
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut clock = Clock::start(Timeouts::default());
        let began = Instant::now();
        let addresses = vec![dead, dead, dead, open.local_addr().unwrap()];
        first(addresses, Order::Racing, &mut clock).ok().unwrap();
        open.accept().unwrap();
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(750) && took < Duration::from_secs(20), "{took:?}");
    }
}
