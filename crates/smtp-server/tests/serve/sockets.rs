//! Listeners.
use smtp_client::{Connector, MailData, Mailer, Server as ServerAddress};
use smtp_server::{Listener, Server, Settings};

use crate::host::Host;

#[tokio::test]
async fn the_client_of_this_workspace_sends_over_tcp() {
    let host = Host::default();
    let server = Server::new(host.clone()).listen("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", server.addresses()[0]);
    let running = tokio::spawn(server.run());
    let mailer = Mailer::from_url(&url).unwrap();
    let envelope =
        smtp_client::Envelope::new("a@a.example", ["b@b.example", "unknown@b.example"]).unwrap();
    let text = "Subject: x\r\n\r\n.dot\r\n";
    let delivery = mailer.send(envelope, MailData::new(text).unwrap()).await.unwrap();
    assert_eq!(delivery[0].queue_id(), Some("4711"));
    assert_eq!(delivery[1].reply().to_string(), "550 5.1.1 No such mailbox");
    assert_eq!(host.messages()[0].1, text.as_bytes());
    mailer.close().await;
    running.abort();
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_replaces_one_that_was_left_behind() {
    let path = std::env::temp_dir().join(format!("smtp-server-{}.sock", std::process::id()));
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let host = Host::default();
    let settings = Settings::lmtp("mx.example.org").build().unwrap();
    let listener = Listener::unix(&path).unwrap().settings(settings);
    let server = Server::new(host.clone()).listener(listener);
    assert!(Listener::unix(&path).is_err(), "the socket is in use");
    let running = server.spawn().unwrap();
    assert!(running.addresses().is_empty());
    let server = ServerAddress::unix(&path).dialect(smtp_server::Dialect::Lmtp);
    let connector = Connector::new(server);
    let mut connection = connector.connect().await.unwrap();
    let envelope = smtp_client::Envelope::new("a@a.example", ["b@b.example"]).unwrap();
    let delivery =
        connection.send(&envelope, &MailData::new("Subject: x\r\n\r\n").unwrap()).await.unwrap();
    assert!(delivery.all_accepted());
    connection.quit().await.unwrap();
    running.stop().await;
    assert!(!path.exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_removes_no_socket_but_its_own() {
    let path = std::env::temp_dir().join(format!("smtp-server-own-{}.sock", std::process::id()));
    let first = Listener::unix(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let _second = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(first);
    assert!(path.exists(), "the socket of another process is gone");
    std::fs::remove_file(&path).unwrap();
}
