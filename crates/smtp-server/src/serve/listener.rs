//! Where a server listens.
#[cfg(unix)]
use std::os::unix::net::UnixListener as StdUnixListener;
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::{
    fmt,
    io::{self, Write},
    net::{SocketAddr, TcpListener as StdTcpListener, ToSocketAddrs},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use super::wire::Stream;
use crate::{Client, Settings};

/// Returns whether a client may name another one with XCLIENT and XFORWARD.
type Trust = dyn Fn(SocketAddr) -> bool + Send + Sync;

/// A listening socket, and what is special about it.
pub struct Listener {
    socket: Socket,
    pub(super) settings: Option<Settings>,
    pub(super) name: Option<String>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    trust: Option<Arc<Trust>>,
}

enum Socket {
    Tcp(StdTcpListener),
    #[cfg(unix)]
    Unix(Option<SocketFile>, StdUnixListener),
}

/// A listening socket on the runtime.
pub(super) enum Bound {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listener {
    /// Listens on this address. Port 0 lets the system choose one.
    ///
    /// # Errors
    /// The address cannot be resolved or bound.
    pub fn tcp(address: impl ToSocketAddrs) -> io::Result<Self> {
        StdTcpListener::bind(address).map(Self::from)
    }

    /// Listens on a Unix socket at this path. A socket that a former process has left there is
    /// replaced. The socket is removed when the server ends, unless another one is there by then.
    ///
    /// Of two processes that start at the same time, one gets it. A socket that is bound and does not
    /// listen yet cannot be told from one that was left, so that one that is new is tried again after
    /// 50 milliseconds; a process that the system keeps waiting for longer there loses its socket.
    ///
    /// Everybody may connect whom the permissions of the folder let through, and those of the socket,
    /// which come from the umask of the process. A socket with an abstract address, or one with other
    /// permissions, can be made by the caller: `Listener` is `From` the listeners of the standard
    /// library.
    ///
    /// # Errors
    /// The socket cannot be bound; something else is at the path, or another process listens there.
    #[cfg(unix)]
    pub fn unix(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let listener = match StdUnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let Some(seen) = left_behind(path) else { return Err(error) };
                if !remove_left(path, seen)? {
                    return Err(error);
                }
                StdUnixListener::bind(path)?
            }
            bound => bound?,
        };
        let file = SocketFile { path: path.to_owned(), identity: Identity::at(path) };
        Ok(Self::of(Socket::Unix(Some(file), listener)))
    }

    /// Takes over the sockets that systemd has opened for this process (socket activation), in the
    /// order of the unit. There are none if it was started in another way.
    ///
    /// # Errors
    /// A descriptor is not a listening socket.
    #[cfg(unix)]
    pub fn inherited() -> io::Result<Vec<Self>> {
        let mut passed = listenfd::ListenFd::from_env();
        let mut listeners = Vec::new();
        for number in 0..passed.len() {
            let tcp = passed.take_tcp_listener(number);
            match tcp {
                Ok(Some(listener)) => listeners.push(listener.into()),
                Ok(None) => {}
                Err(_) => {
                    if let Some(listener) = passed.take_unix_listener(number)? {
                        listeners.push(Self::of(Socket::Unix(None, listener)));
                    }
                }
            }
        }
        Ok(listeners)
    }

    fn of(socket: Socket) -> Self {
        Self {
            socket,
            settings: None,
            name: None,
            #[cfg(feature = "tls")]
            tls: None,
            trust: None,
        }
    }

    /// Gives it a name, by which a handler knows where a client came from:
    /// [`Context::listener`](crate::Context::listener).
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Uses these settings here, instead of those of the server: such as a login that is required
    /// for submission.
    #[must_use]
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings: Some(settings), ..self }
    }

    /// Uses this configuration for TLS here, instead of that of the server: such as one that asks
    /// clients for certificates.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(self, config: impl Into<Arc<rustls::ServerConfig>>) -> Self {
        Self { tls: Some(config.into()), ..self }
    }

    /// Trusts clients at certain addresses to name another client with XCLIENT and XFORWARD, where
    /// these are offered. A Unix socket is trusted. [`Capacity::per_address`](crate::Capacity) is not
    /// for trusted clients: a proxy has the connections of many.
    #[must_use]
    pub fn trust(self, trust: impl Fn(SocketAddr) -> bool + Send + Sync + 'static) -> Self {
        Self { trust: Some(Arc::new(trust)), ..self }
    }

    /// Returns the address that it listens on; `None` for a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Socket::Unix(..) => None,
        }
    }

    /// Moves it to the runtime.
    pub(super) fn bind(&self) -> io::Result<Bound> {
        match &self.socket {
            Socket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener.try_clone()?).map(Bound::Tcp)
            }
            #[cfg(unix)]
            Socket::Unix(_, listener) => {
                listener.set_nonblocking(true)?;
                UnixListener::from_std(listener.try_clone()?).map(Bound::Unix)
            }
        }
    }

    /// Returns whether the caller trusts this client: not if that panics, which must not end the
    /// listener.
    pub(super) fn trusts(&self, address: SocketAddr) -> bool {
        let trusts = |trust: &Arc<Trust>| {
            catch_unwind(AssertUnwindSafe(|| trust(address))).unwrap_or_default()
        };
        self.trust.as_ref().is_some_and(trusts)
    }
}

/// A socket that was made so short a time ago may have been bound only, and listen in a moment. The
/// system does both within microseconds, if it has the time.
#[cfg(unix)]
const NEW: Duration = Duration::from_secs(1);
#[cfg(unix)]
const UNTIL_IT_LISTENS: Duration = Duration::from_millis(50);

/// Returns which socket a former process has left at this path, if it is one: it refuses
/// connections. Other errors say nothing about the process, such as one of permissions.
#[cfg(unix)]
fn left_behind(path: &Path) -> Option<Identity> {
    use std::os::unix::{fs::FileTypeExt, net::UnixStream};

    let there = path.symlink_metadata().ok().filter(|there| there.file_type().is_socket())?;
    let is_refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    let refuses = || UnixStream::connect(path).is_err_and(is_refused);
    let is_new = || {
        let age = there.modified().map(|made| made.elapsed().unwrap_or_default());
        age.is_ok_and(|age| age < NEW)
    };
    let is_left = refuses()
        && (!is_new() || {
            std::thread::sleep(UNTIL_IT_LISTENS);
            refuses()
        });
    is_left.then(|| Identity::of(&there))
}

/// Removes the socket that was left. Returns whether the path is free now.
///
/// Another process may have removed it in between, and listen there by now. What is there is
/// therefore moved away, which only one process can do, and looked at again; it is put back if it is
/// not the one that was left.
#[cfg(unix)]
fn remove_left(path: &Path, left: Identity) -> io::Result<bool> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    // Short, because the path of a socket has about a hundred octets.
    let aside = path.with_file_name(format!(".{:x}.{number:x}", std::process::id()));
    match std::fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        moved => moved?,
    }
    if left_behind(&aside) == Some(left) {
        std::fs::remove_file(&aside)?;
        return Ok(true);
    }
    match std::fs::hard_link(&aside, path) {
        // The file system has no such links.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            std::fs::rename(&aside, path)?;
        }
        // If a third process listens there by now, this one has lost its place.
        _ => std::fs::remove_file(&aside)?,
    }
    Ok(false)
}

/// The path of a Unix socket, which is removed at the end: before the socket is closed, so that no
/// process takes it for one that was left and replaces it at the same time.
#[cfg(unix)]
struct SocketFile {
    path: PathBuf,
    identity: Option<Identity>,
}

/// Which file it is: the device and the inode, and when it was made, as inodes are used again.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    made: (i64, i64),
}

#[cfg(unix)]
impl Identity {
    fn of(file: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;

        // Nothing else changes the time of a socket.
        Self { device: file.dev(), inode: file.ino(), made: (file.mtime(), file.mtime_nsec()) }
    }

    fn at(path: &Path) -> Option<Self> {
        path.symlink_metadata().ok().as_ref().map(Self::of)
    }
}

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone already, or be the socket of a process that came after this one.
        if Identity::at(&self.path) == self.identity {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl From<StdTcpListener> for Listener {
    fn from(listener: StdTcpListener) -> Self {
        Self::of(Socket::Tcp(listener))
    }
}

#[cfg(unix)]
impl From<StdUnixListener> for Listener {
    fn from(listener: StdUnixListener) -> Self {
        Self::of(Socket::Unix(None, listener))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.to_string()).finish()
    }
}

impl fmt::Display for Listener {
    /// Writes the address, or the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Socket::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(error) => error.fmt(f),
            },
            #[cfg(unix)]
            Socket::Unix(Some(file), _) => file.path.display().fmt(f),
            #[cfg(unix)]
            Socket::Unix(None, _) => f.write_str("a Unix socket"),
        }
    }
}

/// Returns the address; that of an IPv4 client if a socket for both families has it as IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A connection that was accepted.
pub(super) struct Accepted {
    pub(super) stream: Box<dyn Stream>,
    pub(super) client: Client,
}

impl Bound {
    /// Accepts a connection. `enter` gives it a place, if there is room; the client gets `refusal`
    /// otherwise.
    pub(super) async fn accept<P>(
        &self,
        listener: &Listener,
        refusal: &[u8],
        enter: impl Fn(Option<SocketAddr>) -> Option<P>,
    ) -> io::Result<Option<(Accepted, P)>> {
        match self {
            Self::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                let address = canonical(address);
                let is_trusted = listener.trusts(address);
                let Some(place) = enter((!is_trusted).then_some(address)) else {
                    // The buffer of a new connection has room for it. The runtime does not know yet
                    // that it can be written to, and `try_write` could write nothing.
                    let _ = stream.into_std().and_then(|mut stream| stream.write(refusal));
                    return Ok(None);
                };
                // Replies are small, and each is waited for. A connection that is gone already may
                // refuse this.
                let _ = stream.set_nodelay(true);
                let mut client = Client::at(address);
                if let Ok(server) = stream.local_addr() {
                    client = client.connected_to(canonical(server));
                }
                if is_trusted {
                    client = client.trusted();
                }
                Ok(Some((Accepted { stream: Box::new(stream), client }, place)))
            }
            #[cfg(unix)]
            Self::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                let Some(place) = enter(None) else {
                    let _ = stream.into_std().and_then(|mut stream| stream.write(refusal));
                    return Ok(None);
                };
                let client = Client::new().private().trusted();
                Ok(Some((Accepted { stream: Box::new(stream), client }, place)))
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_that_is_in_use_by_now_is_put_back() {
        let folder = std::env::temp_dir().join(format!("smtp-server-left-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("lmtp");
        drop(StdUnixListener::bind(&path).unwrap());
        let left = left_behind(&path).unwrap();
        // Another process was faster; and one that was faster has ended, too.
        std::fs::remove_file(&path).unwrap();
        let other = StdUnixListener::bind(&path).unwrap();
        assert!(!remove_left(&path, left).unwrap());
        UnixStream::connect(&path).expect("the other process still listens there");
        drop(other);
        let left = left_behind(&path).unwrap();
        assert!(remove_left(&path, left).unwrap());
        assert!(remove_left(&path, left).unwrap(), "it is free for both");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing is left aside");
        std::fs::remove_dir(&folder).unwrap();
    }
}
