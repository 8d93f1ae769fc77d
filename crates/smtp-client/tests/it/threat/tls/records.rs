//! TLS records without content for the session, one after the other.
use std::{
    io::{self, Write},
    net::TcpListener,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use rustls::{
    ConnectionTrafficSecrets, ContentType, PeerMisbehaved, ProtocolVersion, ServerConfig,
    ServerConnection, SupportedCipherSuite,
    crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage},
};
use smtp_client::{
    Broken, Connector, Error, ErrorKind, Security, Server, Timeouts, Tls, TlsFailure, blocking,
};
use smtp_testkit::{Authority, CertificateKind, Pipe, pipe};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    runtime::Builder,
};
use tokio_rustls::TlsAcceptor;

use crate::secured::server_config;

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Application data of no octets.
    Empty,
    /// A ticket for a later connection.
    Ticket,
}

/// Makes the records of a server that the TLS library would not write.
struct Records {
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
    kind: Kind,
}

/// A NewSessionTicket (RFC 8446, 4.6.1): lifetime, age, nonce, a ticket of one octet, no extensions.
const TICKET: [u8; 19] = [4, 0, 0, 15, 0, 0, 1, 0, 0, 0, 0, 0, 1, 7, 0, 1, 7, 0, 0];

impl Records {
    /// Continues a connection whose handshake is done.
    fn new(connection: ServerConnection, kind: Kind) -> Self {
        let Some(SupportedCipherSuite::Tls13(suite)) = connection.negotiated_cipher_suite() else {
            panic!("TLS 1.3 is the default")
        };
        let (sequence, secrets) = connection.dangerous_extract_secrets().unwrap().tx;
        let (ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = secrets
        else {
            panic!("there are no others")
        };
        Self { encrypter: suite.aead_alg.encrypter(key, iv), sequence, kind }
    }

    fn next(&mut self) -> Vec<u8> {
        let (typ, payload) = match self.kind {
            Kind::Empty => (ContentType::ApplicationData, &[][..]),
            Kind::Ticket => (ContentType::Handshake, &TICKET[..]),
        };
        let payload = OutboundChunks::Single(payload);
        let plain = OutboundPlainMessage { typ, version: ProtocolVersion::TLSv1_3, payload };
        self.sequence += 1;
        self.encrypter.encrypt(plain, self.sequence - 1).unwrap().encode()
    }
}

fn config(authority: &Authority) -> Arc<ServerConfig> {
    let mut config = server_config(&authority.issue(CertificateKind::Good));
    config.enable_secret_extraction = true;
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

/// A transport that always has another record to read, once there are records.
struct Flooding {
    pipe: Pipe,
    records: Arc<Mutex<Option<Records>>>,
}

impl AsyncRead for Flooding {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.pipe).poll_read(cx, buffer);
        if read.is_pending()
            && let Some(records) = &mut *self.records.lock().unwrap()
        {
            buffer.put_slice(&records.next());
            return Poll::Ready(Ok(()));
        }
        read
    }
}

impl AsyncWrite for Flooding {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

const SHORT: Duration = Duration::from_millis(200);

fn short() -> Timeouts {
    let mut timeouts = Timeouts::default();
    timeouts.greeting = SHORT;
    timeouts
}

/// Connects to a server that floods instead of greeting. The time has to pass: the client is never
/// idle, so that a paused clock would stand still.
fn flooded(kind: Kind) -> Error {
    let authority = Authority::new();
    let tls = Tls::authorities([authority.der().to_vec().into()]).unwrap();
    let server = Server::tcp("localhost", 465).security(Security::Tls);
    let connector = Connector::new(server).tls(tls).timeouts(short());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, server) = pipe(65_536);
        let records = Arc::<Mutex<Option<Records>>>::default();
        let client = Flooding { pipe: client, records: Arc::clone(&records) };
        let serving = tokio::spawn(async move {
            let stream = TlsAcceptor::from(config(&authority)).accept(server).await.unwrap();
            let (mut pipe, connection) = stream.into_inner();
            let mut made = Records::new(connection, kind);
            let first = made.next();
            *records.lock().unwrap() = Some(made);
            pipe.write_all(&first).await.unwrap();
            pipe
        });
        let error = connector.connect_over(client).await.unwrap_err();
        serving.await.unwrap();
        error
    })
}

/// The same for the client that blocks.
fn flooded_blocking(kind: Kind) -> Error {
    let authority = Authority::new();
    let tls = Tls::authorities([authority.der().to_vec().into()]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::tcp("127.0.0.1", listener.local_addr().unwrap().port());
    let connector = blocking::Connector::new(server.security(Security::Tls));
    let connector = connector.tls(tls).timeouts(short());
    let serving = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(config(&authority)).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).unwrap();
        }
        let mut records = Records::new(connection, kind);
        while socket.write_all(&records.next()).is_ok() {}
    });
    let error = connector.connect().unwrap_err();
    serving.join().unwrap();
    error
}

#[test]
fn empty_records_without_end_are_a_fault_of_the_server() {
    for error in [flooded(Kind::Empty), flooded_blocking(Kind::Empty)] {
        let ErrorKind::Broken(Broken::Tls(cause)) = error.kind() else { panic!("{error:?}") };
        let failure = cause.downcast_ref::<TlsFailure>().unwrap();
        let flood = rustls::Error::PeerMisbehaved(PeerMisbehaved::TooManyEmptyFragments);
        assert_eq!(failure.error(), &flood);
    }
}

#[test]
fn tickets_without_end_do_not_stop_the_clock() {
    for flood in [flooded, flooded_blocking] {
        let begun = Instant::now();
        let error = flood(Kind::Ticket);
        let timed_out = matches!(error.kind(), ErrorKind::Broken(Broken::TimedOut { after }) if *after == SHORT);
        assert!(timed_out, "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
