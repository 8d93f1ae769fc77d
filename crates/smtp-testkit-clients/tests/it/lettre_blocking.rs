//! lettre, without a runtime.

use lettre::address::Envelope;
use lettre::{SmtpTransport, Transport};
use smtp_testkit::{Lint, Rule, Server};

fn envelope() -> Envelope {
    Envelope::new(Some("a@example.org".parse().unwrap()), vec!["b@example.org".parse().unwrap()])
        .unwrap()
}

fn client(server: &Server) -> SmtpTransport {
    SmtpTransport::builder_dangerous("127.0.0.1").port(server.addr().port()).build()
}

#[test]
fn a_message_arrives() {
    let server = Server::builder().deny([Lint::BareLf, Lint::MissingDotStuffing]).tcp().unwrap();
    let client = client(&server);
    client.send_raw(&envelope(), crate::TEXT.as_bytes()).unwrap();
    let report = server.finish().wait().unwrap();
    assert_eq!(report.messages()[0].sender().as_deref(), Some("a@example.org"));
    assert_eq!(report.messages()[0].recipients(), ["b@example.org"]);
    assert_eq!(report.messages()[0].text(), crate::RECEIVED.as_bytes());
}

#[test]
fn a_recipient_is_greylisted() {
    let grey = Rule::on("RCPT *").times(1).reply("451 4.7.1 try again later");
    let server = Server::builder().rule(grey).tcp().unwrap();
    let client = client(&server);
    assert!(client.send_raw(&envelope(), crate::TEXT.as_bytes()).unwrap_err().is_transient());
    client.send_raw(&envelope(), crate::TEXT.as_bytes()).unwrap();
    assert_eq!(server.finish().wait().unwrap().messages().len(), 1);
}
