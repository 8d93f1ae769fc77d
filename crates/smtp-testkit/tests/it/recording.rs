//! A recorded script can be played to the same client.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use smtp_testkit::{Authority, Greeting, Recorder, Script, Server};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::Client;

async fn send_all<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>, lines: &[&str]) {
    for line in lines {
        client.send(line).await;
        client.receive_segment().await;
    }
}

/// A client that trusts `authority`.
async fn encrypt<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    authority: &Authority,
) -> Client<TlsStream<S>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.der().to_vec())).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    Client(TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap())
}

/// Delivers a message after STARTTLS.
async fn deliver<S: AsyncRead + AsyncWrite + Unpin>(stream: S, authority: &Authority) {
    let mut client = Client(stream);
    client.receive_segment().await;
    send_all(&mut client, &["EHLO client.example\r\n", "STARTTLS\r\n"]).await;
    let mut client = encrypt(client.0, authority).await;
    let lines = [
        "EHLO client.example\r\n",
        "AUTH PLAIN AHRpbQBzZWNyZXQ=\r\n",
        "MAIL FROM:<a@example.org>\r\n",
        "RCPT TO:<b@example.org>\r\n",
        "DATA\r\n",
        "Subject: hi\r\n\r\n.\r\n",
        "QUIT\r\n",
    ];
    send_all(&mut client, &lines).await;
    client.receive_end().await;
}

const SCRIPT: &str = "\
S: 220 mx.testkit.example ESMTP ready
C: EHLO client.example
S: 250-mx.testkit.example
S: 250-STARTTLS
S: 250 AUTH PLAIN
C: STARTTLS
S: 220 go ahead
[starttls]
C: EHLO client.example
S: 250-mx.testkit.example
S: 250 AUTH PLAIN
C~ AUTH PLAIN *
S: 235 welcome
C: MAIL FROM:<a@example.org>
S: 250 sender taken
C: RCPT TO:<b@example.org>
S: 250 recipient taken
C: DATA
S: 354 end with CRLF.CRLF
[text]
S: 250 message taken
C: QUIT
S: 221 goodbye
[close]
";

#[tokio::test]
async fn a_dialogue_is_recorded_and_played() {
    let real = Server::builder().offer("STARTTLS").offer("AUTH PLAIN").user("tim", "secret");
    let real = real.tcp().unwrap();
    let recording = Recorder::new(real.addr()).trust("localhost", real.authority_der());
    let recording = recording.tcp().unwrap();

    let stream = TcpStream::connect(recording.addr()).await.unwrap();
    deliver(stream, recording.authority()).await;
    let scripts = recording.finish().await;
    assert_eq!(scripts, [SCRIPT]);
    let report = real.finish().await.unwrap();
    assert_eq!(report.messages()[0].login().unwrap().user, "tim");

    let (server, pipe) = Server::pipe(Script::parse(&scripts[0]).unwrap());
    deliver(pipe, server.authority()).await;
    server.finish().await.unwrap();
}

#[tokio::test]
async fn an_untrusted_server_does_not_receive_the_secret() {
    let real = Server::builder().offer("STARTTLS").tcp().unwrap();
    let stranger = Authority::new();
    let recording = Recorder::new(real.addr()).trust("localhost", stranger.der()).tcp().unwrap();
    let mut client = Client(TcpStream::connect(recording.addr()).await.unwrap());
    client.receive_segment().await;
    send_all(&mut client, &["EHLO client.example\r\n", "STARTTLS\r\n"]).await;
    client.receive_end().await;
    drop(client);
    let scripts = recording.finish().await;
    let why = "S: 220 go ahead\n# the recording ended: invalid peer certificate: ";
    assert!(scripts[0].contains(why), "{}", scripts[0]);
    drop(real);
}

#[tokio::test]
async fn implicit_tls_is_recorded() {
    let real = Server::builder().greeting(Greeting::UnderTls).tcp().unwrap();
    let recorder = Recorder::new(real.addr()).trust("localhost", real.authority_der());
    let recording = recorder.greeting(Greeting::UnderTls).tcp().unwrap();
    let stream = TcpStream::connect(recording.addr()).await.unwrap();
    let mut client = encrypt(stream, recording.authority()).await;
    client.receive_segment().await;
    send_all(&mut client, &["QUIT\r\n"]).await;
    client.receive_end().await;
    let script = "[tls]\nS: 220 mx.testkit.example ESMTP ready\nC: QUIT\nS: 221 goodbye\n[close]\n";
    assert_eq!(recording.finish().await, [script]);
    real.finish().await.unwrap();
}

#[tokio::test]
async fn a_script_is_there_as_soon_as_its_connection_has_ended() {
    let real = Server::builder().tcp().unwrap();
    let (scripts, recorded) = mpsc::channel();
    let recorder = Recorder::new(real.addr()).watchdog(Duration::from_millis(1));
    let recorder = recorder.on_script(move |number, script: &str| {
        scripts.send((number, script.to_owned())).unwrap();
    });
    let recording = recorder.tcp().unwrap();
    let idle = TcpStream::connect(recording.addr()).await.unwrap();
    let mut client = Client(TcpStream::connect(recording.addr()).await.unwrap());
    client.receive_segment().await;
    send_all(&mut client, &["QUIT\r\n"]).await;
    client.receive_end().await;
    let script = "S: 220 mx.testkit.example ESMTP ready\nC: QUIT\nS: 221 goodbye\n[close]\n";
    let first = tokio::task::spawn_blocking(move || (recorded.recv().unwrap(), recorded));
    let (first, recorded) = first.await.unwrap();
    assert_eq!(first, (2, script.to_owned()));

    // They are passed on and not kept.
    assert_eq!(recording.finish().await, [""; 0]);
    assert_eq!(recorded.recv().unwrap().0, 1);
    drop((idle, real));
}

#[tokio::test]
async fn a_recording_that_is_given_up_passes_on_what_it_has() {
    let real = Server::builder().tcp().unwrap();
    let (scripts, mut recorded) = tokio::sync::mpsc::unbounded_channel();
    let recorder = Recorder::new(real.addr()).on_script(move |number, script: &str| {
        scripts.send((number, script.to_owned())).unwrap();
    });
    let recording = recorder.tcp().unwrap();
    let mut client = Client(TcpStream::connect(recording.addr()).await.unwrap());
    client.receive_segment().await;
    drop(recording.finish());
    let (number, script) = recorded.recv().await.unwrap();
    assert_eq!(number, 1);
    assert!(script.starts_with("S: 220 mx.testkit.example ESMTP ready\n# "), "{script}");
    assert_eq!(recorded.recv().await, None);
    drop((client, real));
}

#[tokio::test]
async fn the_caller_verifies_the_server() {
    let real = Server::builder().greeting(Greeting::UnderTls).tcp().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(real.authority_der().to_vec())).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let recorder = Recorder::new(real.addr()).trust_as("localhost", Arc::new(config));
    let recording = recorder.greeting(Greeting::UnderTls).tcp().unwrap();
    let stream = TcpStream::connect(recording.addr()).await.unwrap();
    let mut client = encrypt(stream, recording.authority()).await;
    client.receive_segment().await;
    send_all(&mut client, &["QUIT\r\n"]).await;
    client.receive_end().await;
    let scripts = recording.finish().await;
    assert!(scripts[0].starts_with("[tls]\nS: 220 "), "{}", scripts[0]);
    real.finish().await.unwrap();
}
