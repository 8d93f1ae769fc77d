//! lettre, on tokio.

use lettre::address::Envelope;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use smtp_testkit::{CertificateKind, Lint, Server};

type Client = AsyncSmtpTransport<Tokio1Executor>;

fn envelope() -> Envelope {
    Envelope::new(Some("a@example.org".parse().unwrap()), vec!["b@example.org".parse().unwrap()])
        .unwrap()
}

#[tokio::test]
async fn a_message_arrives() {
    let server = Server::builder().deny([Lint::BareLf, Lint::MissingDotStuffing]).tcp().unwrap();
    let client = Client::builder_dangerous("127.0.0.1").port(server.addr().port()).build();
    client.send_raw(&envelope(), crate::TEXT.as_bytes()).await.unwrap();
    let report = server.finish().await.unwrap();
    assert_eq!(report.messages()[0].sender().as_deref(), Some("a@example.org"));
    assert_eq!(report.messages()[0].recipients(), ["b@example.org"]);
    assert_eq!(report.messages()[0].text(), crate::RECEIVED.as_bytes());
}

#[tokio::test]
async fn a_bad_certificate_is_refused_and_a_good_one_is_not() {
    for (kind, accepted) in [
        (CertificateKind::Good, true),
        (CertificateKind::Expired, false),
        (CertificateKind::WrongName, false),
        (CertificateKind::UnknownAuthority, false),
    ] {
        let server = Server::builder().offer("STARTTLS").certificate(kind).tcp().unwrap();
        let trusted = Certificate::from_pem(server.authority_pem().as_bytes()).unwrap();
        let tls = TlsParameters::builder("localhost".into()).add_root_certificate(trusted);
        let tls = Tls::Required(tls.build_rustls().unwrap());
        let client = Client::builder_dangerous("localhost").port(server.addr().port()).tls(tls);
        let sent = client.build().send_raw(&envelope(), crate::TEXT.as_bytes()).await;
        assert_eq!(sent.is_ok(), accepted, "{kind:?}: {sent:?}");
        assert_eq!(server.finish().await.unwrap().messages().len(), usize::from(accepted));
    }
}
