//! Dialing: from an address to an open stream.
use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use smtp_error::{Broken, Error, Step};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    time::{timeout, timeout_at},
};

use crate::{
    Address,
    asynchronous::stream::Transport,
    clock::{Clock, Instant},
    dialing::{Race, lookup_failed, unreachable},
    route::Route,
};

/// A way of opening streams that the caller brings.
pub(crate) type Dialer = Arc<dyn Fn(Address) -> Opening + Send + Sync>;

/// A stream that is being opened.
pub(crate) type Opening = Pin<Box<dyn Future<Output = io::Result<Transport>> + Send>>;

/// Opens a stream to this address, in the caller's way if there is one.
pub(crate) async fn dial(
    address: &Address,
    route: &Route,
    dialer: Option<&Dialer>,
    clock: &mut Clock,
) -> Result<Transport, Error> {
    // A resolver might make other labels of a name outside ASCII.
    let address = address.to_ascii().map_err(|invalid| Error::new(Step::Connect, invalid))?;
    let opened = match (dialer, address) {
        (Some(dialer), address) => bounded(clock, dialer(address)).await,
        (None, Address::Tcp { host, port }) => return dial_tcp(&host, port, route, clock).await,
        #[cfg(unix)]
        (None, Address::Unix(path)) => {
            bounded(clock, UnixStream::connect(path)).await.map(Transport::Unix)
        }
        #[cfg(not(unix))]
        (None, Address::Unix(_)) => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
    };
    opened.map_err(|broken| Error::new(Step::Connect, broken))
}

async fn dial_tcp(
    host: &str,
    port: u16,
    route: &Route,
    clock: &mut Clock,
) -> Result<Transport, Error> {
    let failed = |addresses: &[SocketAddr], broken| unreachable(host, addresses, broken);
    let found = bounded(clock, lookup_host((host, port))).await;
    let found = found.map_err(|broken| failed(&[], lookup_failed(broken)))?;
    let addresses: Vec<_> = found.collect();
    let race = Race::new(addresses.iter().copied(), route.order);
    let tcp = run(race, clock, |address| connect(route, address)).await;
    let tcp = tcp.map_err(|broken| failed(&addresses, broken))?;
    // A group of commands leaves in one write; nothing may hold it back.
    let _ = tcp.set_nodelay(true);
    Ok(Transport::Tcp(tcp))
}

async fn connect(route: &Route, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = route.socket(address)?;
    TcpSocket::from_std_stream(socket.into()).connect(address).await
}

/// Runs a race to its end.
async fn run<T, F: Future<Output = io::Result<T>>>(
    mut race: Race<Pin<Box<F>>>,
    clock: &mut Clock,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, Broken> {
    loop {
        while let Some(address) = race.due(Instant::now()) {
            race.started(address, Box::pin(connect(address)), clock.limit(Step::Connect));
        }
        let Some(wakes_at) = race.wakes_at() else { return Err(race.into_broken()) };
        match timeout_at(wakes_at, poll_fn(|cx| poll_any(&mut race, cx))).await {
            Ok((_, Ok(stream))) => return Ok(stream),
            Ok((place, Err(error))) => race.failed(place, error.into()),
            Err(_) => race.expire(Instant::now()),
        }
    }
}

/// Polls the attempts under way. Returns the result of the first that is over, and its place.
fn poll_any<F: Future>(
    race: &mut Race<Pin<Box<F>>>,
    cx: &mut Context<'_>,
) -> Poll<(usize, F::Output)> {
    for (place, attempt) in race.running().enumerate() {
        if let Poll::Ready(outcome) = attempt.as_mut().poll(cx) {
            return Poll::Ready((place, outcome));
        }
    }
    Poll::Pending
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

    use super::*;
    use crate::{Timeouts, dialing::Order};

    /// What becomes of dialing ports of which 1 is refused, 2 swallows everything, and 3 answers;
    /// and how many seconds it took.
    async fn dialed(ports: &[u16], operation: Option<u64>) -> (Result<u16, Broken>, u64) {
        let (dialed, took) = dialed_in(Order::OneByOne, ports, operation).await;
        (dialed, took.as_secs())
    }

    async fn dialed_in(
        order: Order,
        ports: &[u16],
        operation: Option<u64>,
    ) -> (Result<u16, Broken>, Duration) {
        let operation = operation.map(Duration::from_secs);
        let timeouts = Timeouts { operation, ..Timeouts::every_step(Duration::from_secs(30)) };
        let mut clock = Clock::start(timeouts);
        let began = Instant::now();
        let addresses = ports.iter().map(|port| SocketAddr::from(([192, 0, 2, 1], *port)));
        let race = Race::new(addresses, order);
        let connected = run(race, &mut clock, |address| async move {
            match address.port() {
                1 => Err(io::ErrorKind::ConnectionRefused.into()),
                2 => pending().await,
                port => Ok(port),
            }
        });
        (connected.await, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_that_answers_is_used() {
        for (ports, seconds) in [(&[3, 1][..], 0), (&[1, 3], 0), (&[2, 1, 3, 2], 30)] {
            let (dialed, took) = dialed(ports, None).await;
            assert_eq!((dialed.unwrap(), took), (3, seconds));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_race_leaves_dead_addresses_behind() {
        let (dialed, took) = dialed_in(Order::Racing, &[2, 2, 2, 3], None).await;
        assert_eq!((dialed.unwrap(), took), (3, Duration::from_millis(750)));
        let (dialed, took) = dialed_in(Order::Racing, &[2, 1, 3, 2], None).await;
        assert_eq!((dialed.unwrap(), took), (3, Duration::from_millis(250)));
        let (dialed, took) = dialed_in(Order::Racing, &[2, 2], Some(1)).await;
        assert!(matches!(dialed, Err(Broken::Unreachable(all)) if all.len() == 2));
        assert_eq!(took, Duration::from_secs(1));
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
