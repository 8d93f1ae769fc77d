//! The proxy between client and server, which lets misfortunes happen.
use std::{
    fs, io,
    net::SocketAddr,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    task::JoinSet,
    time::timeout,
};

use crate::{
    manner::Link,
    misfortune::{Direction, End, Misfortune, Pieces},
};

/// How long a connection stays open on which one direction goes on, or none: longer than the
/// timeouts of the client.
const STANDSTILL: Duration = Duration::from_secs(2);

/// What the proxy does with every connection.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    pub(crate) seed: u64,
    pub(crate) manner: u64,
    pub(crate) link: Link,
    pub(crate) upstream: SocketAddr,
    /// Where the octets of each connection are written to.
    pub(crate) trace: Option<PathBuf>,
    pub(crate) tally: Arc<Tally>,
}

/// How many connections there were, and how many of them did not come to their own end.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections: AtomicU64,
    pub(crate) cut: AtomicU64,
}

/// The octets of one connection, in the order in which they passed.
type Log = Option<Mutex<Vec<u8>>>;

impl Proxy {
    /// Passes on connections until the future is dropped.
    pub(crate) async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let mut connections = JoinSet::new();
        loop {
            let (client, _) = listener.accept().await?;
            let number = self.tally.connections.fetch_add(1, Relaxed);
            let proxy = self.clone();
            // What fails here has failed for the client, too.
            connections.spawn(async move { proxy.pass(client, number).await.unwrap_or(()) });
            while connections.try_join_next().is_some() {}
        }
    }

    async fn pass(&self, client: TcpStream, number: u64) -> io::Result<()> {
        let misfortune = Misfortune::of(self.seed, self.manner, number, self.link);
        let server = TcpStream::connect(self.upstream).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let log: Log = self.trace.is_some().then(Mutex::default);
        let cut = run(client, server, misfortune, &log).await;
        self.tally.cut.fetch_add(u64::from(matches!(cut, Ok(true))), Relaxed);
        if let (Some(folder), Some(log)) = (&self.trace, log) {
            let log = log.into_inner().unwrap_or_else(PoisonError::into_inner);
            let text = [format!("{misfortune}\n").as_bytes(), &log].concat();
            fs::write(folder.join(format!("{:02}-{number:05}", self.manner)), text)?;
        }
        Ok(())
    }
}

/// Passes octets on in both directions. Returns whether the misfortune has happened.
async fn run(
    mut client: TcpStream,
    mut server: TcpStream,
    misfortune: Misfortune,
    log: &Log,
) -> io::Result<bool> {
    let limit = |of: Direction| {
        misfortune.end.filter(|&(direction, ..)| direction == of).map(|(_, after, _)| after)
    };
    let way =
        |direction, mark| Way { pieces: misfortune.pieces, limit: limit(direction), mark, log };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let up = way(Direction::ToServer, "C: ").pass(from_client, to_server);
    let down = way(Direction::ToClient, "S: ").pass(from_server, to_client);
    let mut up: Passing<'_> = Box::pin(up);
    let mut down: Passing<'_> = Box::pin(down);
    let (passed, other) = tokio::select! {
        passed = &mut up => (passed, down),
        passed = &mut down => (passed, up),
    };
    let Passed { reader, mut writer, cut } = passed;
    match misfortune.end.map(|(.., end)| end).filter(|_| cut) {
        Some(End::Close) => return Ok(true),
        Some(End::Reset) => {
            reader.as_ref().set_zero_linger()?;
            writer.as_ref().set_zero_linger()?;
            return Ok(true);
        }
        Some(End::Stall) => {}
        // A writer that has failed already has nothing more to close.
        Some(End::HalfClose) | None => writer.shutdown().await.unwrap_or(()),
    }
    let other = timeout(STANDSTILL, other).await;
    Ok(cut || other.is_ok_and(|passed| passed.cut))
}

/// One direction at work.
type Passing<'a> = Pin<Box<dyn Future<Output = Passed<'a>> + Send + 'a>>;

/// One direction of a connection.
struct Way<'a> {
    pieces: Pieces,
    limit: Option<usize>,
    mark: &'static str,
    log: &'a Log,
}

/// The two ends of a direction in which nothing more is passed on.
struct Passed<'a> {
    reader: ReadHalf<'a>,
    writer: WriteHalf<'a>,
    /// Whether its limit was reached. Otherwise there was nothing more.
    cut: bool,
}

impl Way<'_> {
    async fn pass<'a>(self, mut reader: ReadHalf<'a>, mut writer: WriteHalf<'a>) -> Passed<'a> {
        let mut buffer = vec![0; 16 << 10];
        let mut left = self.limit;
        loop {
            if left == Some(0) {
                return Passed { reader, writer, cut: true };
            }
            // An end that was reset is one without anything more, too.
            let octets = reader.read(&mut buffer).await.unwrap_or_default();
            if octets == 0 {
                return Passed { reader, writer, cut: false };
            }
            let octets = &buffer[..octets.min(left.unwrap_or(octets))];
            left = left.map(|left| left - octets.len());
            self.note(octets);
            let size = match self.pieces {
                Pieces::AsTheyCome => octets.len(),
                Pieces::Small(size) => size,
            };
            for piece in octets.chunks(size) {
                if writer.write_all(piece).await.is_err() {
                    return Passed { reader, writer, cut: false };
                }
                if size < octets.len() {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn note(&self, octets: &[u8]) {
        if let Some(log) = self.log {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            for line in octets.split_inclusive(|&octet| octet == b'\n') {
                log.extend_from_slice(self.mark.as_bytes());
                log.extend_from_slice(line);
            }
        }
    }
}
