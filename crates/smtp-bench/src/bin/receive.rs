//! The servers that are libraries, as programs: `receive ours|ours-tls|mailin PORT CONNECTIONS MESSAGES`.
//!
//! They accept every message and drop it, and end after MESSAGES if that is not 0.

use std::{
    env, fs,
    net::Ipv4Addr,
    process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use mailin_embedded::{Response, response};
use smtp_bench::{
    client::{Failure, HOST},
    server::certificate_file,
};
use smtp_server::{
    Accept, Capacity, Certificates, Context, Data, Decision, Envelope, Handler, Outcome, Rcpt,
    Refuse, Server, Settings,
};
use tokio::{io::AsyncReadExt, runtime::Builder, sync::Notify};

fn main() -> Result<(), Failure> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [name, port, connections, messages] = words[..] else {
        return Err("usage: receive ours|ours-tls|mailin PORT CONNECTIONS MESSAGES".into());
    };
    let (port, connections, messages) = (port.parse()?, connections.parse()?, messages.parse()?);
    match name {
        "ours" => ours(port, connections, messages, None),
        "ours-tls" => ours(port, connections, messages, Some(certify(port)?)),
        "mailin" => mailin(port, connections, messages),
        _ => Err(format!("unknown server `{name}`").into()),
    }
}

/// Makes a certificate, and leaves it in a file for the clients.
fn certify(port: u16) -> Result<Certificates, Failure> {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
    fs::write(certificate_file(port), made.cert.der())?;
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    Ok(Certificates::pem(chain.as_bytes(), key.as_bytes())?)
}

fn ours(
    port: u16,
    connections: usize,
    messages: usize,
    certificates: Option<Certificates>,
) -> Result<(), Failure> {
    let mut capacity = Capacity::default();
    (capacity.connections, capacity.per_address) = (connections + 1, connections + 1);
    let all = Arc::new(Notify::new());
    let dropper = Dropper { left: AtomicUsize::new(messages), all: Arc::clone(&all) };
    let settings = Settings::smtp("localhost").size(100 << 20);
    let mut server = Server::new(dropper).capacity(capacity);
    server = match certificates {
        Some(certificates) => {
            server.tls(certificates.config()?).settings(settings.implicit_tls().build()?)
        }
        None => server.settings(settings.build()?),
    };
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let server = server.listen((Ipv4Addr::LOCALHOST, port))?;
        Ok(server.run_until(async move { all.notified().await }).await?)
    })
}

/// The handler of ours.
struct Dropper {
    left: AtomicUsize,
    all: Arc<Notify>,
}

/// The octets that are read at a time.
const READ: usize = 16 << 10;

impl Handler for Dropper {
    type State = ();

    async fn rcpt(&self, _: &mut Context, _: &Rcpt) -> Decision {
        Ok(Accept::usual())
    }

    async fn message(
        &self,
        _: &mut Context,
        _: &Envelope,
        data: &mut Data<'_>,
    ) -> Result<Outcome, Refuse> {
        let mut buffer = Vec::with_capacity(READ);
        while data.read_buf(&mut buffer).await? > 0 {
            buffer.clear();
        }
        if self.left.load(Ordering::Relaxed) > 0 && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.all.notify_one();
        }
        Ok(Outcome::accepted())
    }
}

fn mailin(port: u16, connections: usize, messages: usize) -> Result<(), Failure> {
    let counter = Counter { messages, received: Arc::default() };
    let mut server = mailin_embedded::Server::new(counter);
    server.with_addr((Ipv4Addr::LOCALHOST, port)).map_err(|error| error.to_string())?;
    server.with_num_threads(u32::try_from(connections)?);
    server.serve().map_err(|error| error.to_string().into())
}

/// The handler of mailin, for one connection. What it does not decide is accepted and dropped.
#[derive(Clone)]
struct Counter {
    messages: usize,
    received: Arc<AtomicUsize>,
}

impl mailin_embedded::Handler for Counter {
    fn data_end(&mut self) -> Response {
        self.received.fetch_add(1, Ordering::Relaxed);
        response::OK
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // The connection has ended, so that all replies have been written.
        if self.messages > 0 && self.received.load(Ordering::Relaxed) >= self.messages {
            process::exit(0);
        }
    }
}
