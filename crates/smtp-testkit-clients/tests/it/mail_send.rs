//! mail-send.

use mail_send::SmtpClientBuilder;
use mail_send::smtp::message::Message;
use smtp_testkit::{Lint, Server};

#[tokio::test]
async fn a_message_arrives() {
    let server = Server::builder().deny([Lint::BareLf, Lint::MissingDotStuffing]).tcp().unwrap();
    let client = SmtpClientBuilder::new("127.0.0.1", server.addr().port()).unwrap();
    let message = Message::new("a@example.org", ["b@example.org"], crate::TEXT.as_bytes());
    client.connect_plain().await.unwrap().send(message).await.unwrap();
    let report = server.finish().await.unwrap();
    assert_eq!(report.messages()[0].sender().as_deref(), Some("a@example.org"));
    assert_eq!(report.messages()[0].recipients(), ["b@example.org"]);
    assert_eq!(report.messages()[0].text(), crate::RECEIVED.as_bytes());
}
