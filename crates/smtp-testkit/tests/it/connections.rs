//! Several connections, and their transports.

use smtp_testkit::{MismatchKind, Server, ServerBuilder};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::client::{Client, script};

fn two_scripts() -> ServerBuilder {
    Server::builder()
        .script(script("S: 220 first\nC: QUIT"))
        .script(script("S: 220 second\nC: QUIT"))
}

async fn visit(stream: impl AsyncRead + AsyncWrite + Unpin, greeting: &str) {
    let mut client = Client(stream);
    client.receive(greeting).await;
    client.send("QUIT\r\n").await;
}

#[tokio::test]
async fn tcp_connections_play_their_scripts_in_order() {
    let server = two_scripts().tcp().unwrap();
    visit(TcpStream::connect(server.addr()).await.unwrap(), "220 first\r\n").await;
    visit(TcpStream::connect(server.addr()).await.unwrap(), "220 second\r\n").await;
    let report = server.finish().await.unwrap();
    let [first, second] = report.connections() else { panic!("two: {report:?}") };
    assert_eq!(
        first.to_string(),
        "S: 220 first\nC: QUIT\n# the client closed\n# the server closed\n"
    );
    assert_eq!(second.dialogue()[0].octets, b"220 second\r\n");
}

#[tokio::test]
async fn pipes_play_their_scripts_in_order() {
    let (server, dialer) = two_scripts().pipes();
    visit(dialer.dial(), "220 first\r\n").await;
    visit(dialer.dial(), "220 second\r\n").await;
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_server_that_has_played_all_scripts_refuses() {
    let (server, dialer) = Server::builder().script(script("[close]")).pipes();
    let mut client = Client(dialer.dial());
    client.receive_end().await;
    server.finish().await.unwrap();
    Client(dialer.dial()).receive_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_not_made_is_a_mismatch() {
    let (server, dialer) = two_scripts().pipes();
    visit(dialer.dial(), "220 first\r\n").await;
    let mismatch = server.finish().await.unwrap_err();
    assert_eq!(mismatch.kind(), MismatchKind::NotConnected);
    assert_eq!(mismatch.connection(), 2);
    assert_eq!(mismatch.script_line(), None);
    drop(dialer);
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_removed_afterwards() {
    let path = std::env::temp_dir().join(format!("smtp-testkit-{}.sock", std::process::id()));
    let server = two_scripts().unix(&path).unwrap();
    visit(tokio::net::UnixStream::connect(&path).await.unwrap(), "220 first\r\n").await;
    visit(tokio::net::UnixStream::connect(&path).await.unwrap(), "220 second\r\n").await;
    server.finish().await.unwrap();
    assert!(!path.exists());
}

#[test]
fn a_runtime_that_ends_is_told_apart_from_a_client_that_fails() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (server, client) = runtime.block_on(async { Server::pipe(script("C: NOOP")) });
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mismatch = other.block_on(server.finish()).unwrap_err();
    assert_eq!(mismatch.kind(), MismatchKind::Interrupted);
    drop(client);
}
