//! The end of a server.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use smtp_server::{
    Accept, Capacity, Certificates, Client, Closing, Context, Data, Decision, Envelope, Handler,
    Outcome, Rcpt, Refuse, Server, Settings, StartTls,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    host::{Does, Host, Peer, TO_DATA},
    tls::pem,
};

#[tokio::test(start_paused = true)]
async fn a_message_under_way_is_finished_and_everything_else_gets_421() {
    let host = Host::that(Does::Waits);
    let server = Arc::new(Server::new(host.clone()).into_service().unwrap());
    let connect = || {
        let (near, far) = duplex(4096);
        let server = Arc::clone(&server);
        let served = tokio::spawn(async move { server.serve(far, Client::new()).await.unwrap() });
        (Peer(near), served)
    };
    let (mut idle, idle_served) = connect();
    let (mut busy, busy_served) = connect();
    idle.hear("220").await;
    busy.ask(TO_DATA, "354").await;
    server.shut_down();
    assert_eq!(idle.hear("421").await, "421 4.3.2 The server is shutting down\r\n");
    assert_eq!(idle_served.await.unwrap(), Closing::ShuttingDown);

    host.go.notify_one();
    let replies = busy.ask("x\r\n.\r\n", "421").await;
    assert_eq!(replies, "250 2.0.0 Queued as 4711\r\n421 4.3.2 The server is shutting down\r\n");
    assert_eq!(busy_served.await.unwrap(), Closing::ShuttingDown);

    let (mut late, _served) = connect();
    assert_eq!(late.hear("421").await, "421 4.3.2 The server is shutting down\r\n");
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_returns() {
    let server = Server::new(Host::default()).listen("127.0.0.1:0").unwrap();
    let address = server.addresses()[0];
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run_until(async {
        let _ = stopped.await;
    }));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting).await.unwrap();
    stop.send(()).unwrap();
    timeout(Duration::from_secs(20), running).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_handshake_and_a_proxy_header_are_not_waited_for() {
    let (chain, key) = pem("localhost");
    let certificates = Certificates::pem(&chain, &key).unwrap();
    let with_header = || Settings::smtp("localhost").proxy_header();
    let implicit = Settings::smtp("localhost").implicit_tls();
    let starttls = Settings::smtp("localhost").starttls(StartTls::Offered);
    let cases = [
        (with_header(), "", ""),
        (with_header(), "PROXY TCP4 192.0", ""),
        (implicit, "\x16\x03\x01", ""),
        (starttls, "EHLO a.example\r\nSTARTTLS\r\n", "220 2.0.0 Ready to start TLS\r\n"),
    ];
    for (settings, sent, last) in cases {
        let server = Server::new(Host::default())
            .settings(settings.build().unwrap())
            .tls(certificates.config().unwrap())
            .into_service()
            .unwrap();
        let server = Arc::new(server);
        let (mut near, far) = duplex(4096);
        let service = Arc::clone(&server);
        let served = tokio::spawn(async move { service.serve(far, Client::new()).await.unwrap() });
        near.write_all(sent.as_bytes()).await.unwrap();
        // The clock moves when the server waits for the client.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let begun = Instant::now();
        server.shut_down();
        let mut written = String::new();
        near.read_to_string(&mut written).await.unwrap();
        assert!(written.ends_with(last), "{sent:?}: {written}");
        assert!(!written.contains("421"), "{sent:?}: {written}");
        drop(near);
        assert_eq!(served.await.unwrap(), Closing::ShuttingDown, "{sent:?}");
        assert!(begun.elapsed().as_secs() < 2, "{sent:?}: {:?}", begun.elapsed());
    }
}

/// Connects to this server, and begins a message, which its handler waits with.
async fn begin_message(address: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(TO_DATA.as_bytes()).await.unwrap();
    let mut replies = String::new();
    while !replies.contains("354") {
        let mut octets = [0; 512];
        let count = stream.read(&mut octets).await.unwrap();
        replies.push_str(std::str::from_utf8(&octets[..count]).unwrap());
    }
    stream
}

#[tokio::test]
async fn a_server_that_is_dropped_ends_its_connections() {
    for spawned in [false, true] {
        let server = Server::new(Host::that(Does::Waits)).listen("127.0.0.1:0").unwrap();
        let address = server.addresses()[0];
        let mut stream = if spawned {
            let running = server.spawn().unwrap();
            assert_eq!(running.addresses(), [address]);
            let stream = begin_message(address).await;
            drop(running);
            stream
        } else {
            let running = tokio::spawn(server.run());
            let stream = begin_message(address).await;
            running.abort();
            stream
        };
        // An end or a reset.
        let _ = timeout(Duration::from_secs(20), stream.read(&mut [0])).await.expect("it ends");
        // The listener has gone, or goes.
        let gone = async { while TcpStream::connect(address).await.is_ok() {} };
        timeout(Duration::from_secs(20), gone).await.expect("it does not listen");
    }
}

/// A handler that never returns, with a state that counts its ends.
struct Endless;

static ENDED: AtomicUsize = AtomicUsize::new(0);

#[derive(Default)]
struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        ENDED.fetch_add(1, Ordering::Relaxed);
    }
}

impl Handler for Endless {
    type State = Counted;

    async fn rcpt(&self, _: &mut Context<Counted>, _: &Rcpt) -> Decision {
        Ok(Accept::usual())
    }

    async fn message(
        &self,
        _: &mut Context<Counted>,
        _: &Envelope,
        _: &mut Data<'_>,
    ) -> Result<Outcome, Refuse> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_handler_that_never_returns_does_not_keep_the_server() {
    let mut capacity = Capacity::default();
    capacity.grace = Duration::from_millis(50);
    let server = Server::new(Endless).capacity(capacity).listen("127.0.0.1:0").unwrap();
    let running = server.spawn().unwrap();
    let mut stream = begin_message(running.addresses()[0]).await;
    timeout(Duration::from_secs(20), running.stop()).await.unwrap();
    // Nothing else runs on this thread in between.
    assert_eq!(ENDED.load(Ordering::Relaxed), 1, "the connection is gone with the server");
    let _ = timeout(Duration::from_secs(20), stream.read(&mut [0])).await.expect("it ends");
}
