//! `smtp-client`.

use smtp_client::{Connector, Envelope, MailData};
use smtp_testkit::{Lint, Server};

#[tokio::test]
async fn a_message_arrives() {
    let server = Server::builder().offer("PIPELINING").deny(Lint::ALL).tcp().unwrap();
    let client = smtp_client::Server::tcp("127.0.0.1", server.addr().port());
    let mut connection = Connector::new(client).connect().await.unwrap();
    let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
    let delivery = connection.send(&envelope, &MailData::new(crate::TEXT).unwrap()).await.unwrap();
    assert!(delivery.all_accepted());
    connection.quit().await.unwrap();
    let report = server.finish().await.unwrap();
    assert_eq!(report.messages()[0].sender().as_deref(), Some("a@example.org"));
    assert_eq!(report.messages()[0].recipients(), ["b@example.org"]);
    assert_eq!(report.messages()[0].text(), crate::RECEIVED.as_bytes());
}
