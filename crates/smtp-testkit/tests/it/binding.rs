//! SCRAM with channel binding, under both TLS versions.

use std::num::NonZeroU32;
use std::sync::Arc;

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use smtp_testkit::{Greeting, Pipe, Server};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::Client;

const OFFER: &str = "AUTH SCRAM-SHA-256 SCRAM-SHA-256-PLUS";

async fn connect(server: &Server, pipe: Pipe, version: &'static SupportedProtocolVersion) -> Tls {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(server.authority_der().to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, pipe).await.unwrap();
    let mut client = Client(stream);
    client.receive_segment().await;
    client.send("EHLO client.example\r\n").await;
    client.receive(&format!("250-mx.testkit.example\r\n250 {OFFER}\r\n")).await;
    client
}

type Tls = Client<TlsStream<Pipe>>;

/// The channel binding data of the client.
fn binding(client: &Tls, kind: &str) -> Vec<u8> {
    let session = client.0.get_ref().1;
    match kind {
        "tls-exporter" => {
            let label = b"EXPORTER-Channel-Binding";
            session.export_keying_material(vec![0; 32], label, Some(b"")).unwrap()
        }
        _ => {
            let certificate = &session.peer_certificates().unwrap()[0];
            digest::digest(&digest::SHA256, certificate).as_ref().to_vec()
        }
    }
}

fn sign(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

/// The reply to a client that binds the exchange to these octets.
async fn log_in(client: &mut Tls, mechanism: &str, flag: &str, bound: &[u8]) -> String {
    let bare = "n=tim,r=abc";
    let first = STANDARD.encode(format!("{flag},,{bare}"));
    client.send(&format!("AUTH {mechanism} {first}\r\n")).await;
    let reply = client.receive_segment().await;
    let Some(challenge) = reply.strip_prefix("334 ") else { return reply };
    let challenge = String::from_utf8(STANDARD.decode(challenge.trim_end()).unwrap()).unwrap();
    let fields: Vec<&str> = challenge.split(',').collect();
    let salt = STANDARD.decode(&fields[1][2..]).unwrap();
    let rounds: u32 = fields[2][2..].parse().unwrap();

    let header = STANDARD.encode([format!("{flag},,").as_bytes(), bound].concat());
    let unproven = format!("c={header},{}", fields[0]);
    let signed = format!("{bare},{challenge},{unproven}");
    let mut salted = [0; 32];
    let rounds = NonZeroU32::new(rounds).unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, b"secret", &mut salted);
    let key = sign(&salted, b"Client Key");
    let signature = sign(digest::digest(&digest::SHA256, &key).as_ref(), signed.as_bytes());
    let proof: Vec<u8> = key.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
    let last = STANDARD.encode(format!("{unproven},p={}", STANDARD.encode(proof)));
    client.send(&format!("{last}\r\n")).await;
    let reply = client.receive_segment().await;
    if !reply.starts_with("334 ") {
        return reply;
    }
    let expected = sign(&sign(&salted, b"Server Key"), signed.as_bytes());
    let expected = STANDARD.encode(format!("v={}", STANDARD.encode(expected)));
    assert_eq!(reply, format!("334 {expected}\r\n"), "the server proves itself");
    client.send("\r\n").await;
    client.receive_segment().await
}

fn server() -> (Server, Pipe) {
    Server::builder().greeting(Greeting::UnderTls).offer(OFFER).user("tim", "secret").pipe()
}

#[tokio::test]
async fn the_right_channel_lets_in() {
    for version in [&version::TLS12, &version::TLS13] {
        for kind in ["tls-exporter", "tls-server-end-point"] {
            let (server, pipe) = server();
            let mut client = connect(&server, pipe, version).await;
            let bound = binding(&client, kind);
            let flag = format!("p={kind}");
            let reply = log_in(&mut client, "SCRAM-SHA-256-PLUS", &flag, &bound).await;
            assert_eq!(reply, "235 welcome\r\n", "{kind}");
            drop(client);
            let report = server.finish().await.unwrap();
            assert_eq!(report.connections()[0].login().unwrap().mechanism, "SCRAM-SHA-256-PLUS");
        }
    }
}

#[tokio::test]
async fn another_channel_does_not() {
    let (server, pipe) = server();
    let mut client = connect(&server, pipe, &version::TLS13).await;
    let reply = log_in(&mut client, "SCRAM-SHA-256-PLUS", "p=tls-exporter", &[0; 32]).await;
    assert_eq!(reply, "535 these credentials are wrong\r\n");
    let reply = log_in(&mut client, "SCRAM-SHA-256-PLUS", "p=tls-unique", &[]).await;
    assert_eq!(reply, "501 this response is malformed\r\n");
    // Channel binding was offered, although an attacker on the path claims otherwise.
    let reply = log_in(&mut client, "SCRAM-SHA-256", "y", &[]).await;
    assert_eq!(reply, "501 this response is malformed\r\n");
    assert_eq!(log_in(&mut client, "SCRAM-SHA-256", "n", &[]).await, "235 welcome\r\n");
    drop(client);
    server.finish().await.unwrap();
}
