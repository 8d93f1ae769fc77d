//! Connectors and mailers from URLs.
use std::{fs, path::PathBuf};

use smtp_client::{Broken, Connector, ErrorKind, InvalidUrl, Mailer, Server, Step, blocking};
use smtp_testkit::{Server as TestServer, ServerBuilder};

use crate::mailer::{envelope, text};

/// A server that wants this user, and the authority of its certificate in a file.
fn server(name: &str) -> (ServerBuilder, PathBuf) {
    let authority = smtp_testkit::Authority::new();
    let file = format!("smtp-client-url-{}-{name}.pem", std::process::id());
    let path = std::env::temp_dir().join(file);
    fs::write(&path, authority.pem()).unwrap();
    let builder = TestServer::builder().authority(authority).offer("STARTTLS").offer("AUTH PLAIN");
    (builder.user("us/er", "p@ss:w\u{f6}rd"), path)
}

#[tokio::test]
async fn a_url_is_all_that_a_message_needs() {
    let (server, authority) = server("mailer");
    let server = server.tcp().unwrap();
    let url = format!(
        "smtp+starttls://us%2Fer:p%40ss:w%C3%B6rd@localhost:{}/\
         ?hello=b\u{fc}cher.example&connections=2&tls-ca={}",
        server.addr().port(),
        authority.display(),
    );
    let mailer = Mailer::from_url(&url).unwrap();
    assert!(!format!("{mailer:?}").contains("p@ss"));
    assert!(mailer.send(envelope("url"), text()).await.unwrap().all_accepted());
    mailer.close().await;
    let report = server.finish().await.unwrap();
    let message = &report.messages()[0];
    assert_eq!(message.login().unwrap().user, "us/er");
    assert!(message.tls().is_some());
    fs::remove_file(authority).unwrap();
}

#[test]
fn the_client_that_blocks_takes_the_same_url() {
    let (server, authority) = server("blocking");
    let server = server.tcp().unwrap();
    let port = server.addr().port();
    let url = format!(
        "smtp+starttls://us%2Fer:p%40ss:w%C3%B6rd@localhost:{port}?tls-ca={}",
        authority.display()
    );
    let mut connection = blocking::Connector::from_url(&url).unwrap().connect().unwrap();
    assert!(connection.authenticated_by().is_some());
    connection.quit().unwrap();
    fs::remove_file(authority).unwrap();
}

#[tokio::test]
async fn an_authority_from_a_url_is_the_only_one_that_is_trusted() {
    let (_, other) = server("other");
    let (server, authority) = server("trusted");
    let server = server.tcp().unwrap();
    let port = server.addr().port();
    let url = format!("smtp+starttls://localhost:{port}?tls-ca={}", other.display());
    let error = Connector::from_url(&url).unwrap().connect().await.unwrap_err();
    assert_eq!(error.step(), Step::Handshake, "{error}");
    assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Tls(_))), "{error}");
    for path in [authority, other] {
        fs::remove_file(path).unwrap();
    }
}

/// What a connector and a mailer say to a URL for this host with these options.
fn refused(options: &str) -> (String, String) {
    let url = format!("smtps://user:hunter2@mail.example.org?{options}");
    let connector = Connector::from_url(&url).unwrap_err().to_string();
    let mailer = Mailer::from_url(&url).unwrap_err().to_string();
    assert_eq!(blocking::Connector::from_url(&url).unwrap_err().to_string(), connector);
    (connector, mailer)
}

#[test]
fn an_unknown_option_is_an_error_that_lists_the_known_ones() {
    let (connector, mailer) = refused("conections=4");
    let unknown = "server URL: unknown option \"conections\": ";
    let known = format!("{unknown}the options are hello, timeout, ");
    assert!(connector.starts_with(&known), "{connector}");
    assert!(!connector.contains("wait-timeout"), "{connector}");
    let near = format!("{unknown}did you mean connections? The options are hello, timeout, ");
    assert!(mailer.starts_with(&near), "{mailer}");
    let (timeout, _) = refused("timout=3s");
    assert!(timeout.contains("\"timout\": did you mean timeout? The options are"), "{timeout}");
    let (tls, _) = refused("tls=required");
    assert_eq!(
        tls,
        "server URL: unknown option \"tls\": TLS is in the scheme: smtps:// or smtp+starttls://"
    );
    let of_mailer = "connections, messages-per-connection, idle-timeout, rate, queue-limit, \
                     wait-timeout, attempts, retry";
    assert!(mailer.ends_with(of_mailer), "{mailer}");
    let error = Connector::from_url("smtps://host?connections=4").unwrap_err();
    assert_eq!(
        error.to_string(),
        "server URL: option connections is for a mailer: use Mailer::from_url, or leave it out"
    );
}

#[test]
fn a_value_that_cannot_be_used_is_an_error_that_says_what_can() {
    for (options, says) in [
        ("timeout=30", "option timeout must be a duration such as 500ms, 30s or 2m"),
        ("timeout=0s", "option timeout must be a duration"),
        ("operation-timeout=soon", "option operation-timeout must be a duration"),
        ("race=yes", "option race must be true or false"),
        ("source-address=eth0", "option source-address must be an IP address"),
        ("hello=-", "option hello must be a domain or an address literal such as [192.0.2.1]"),
        (
            "proxy=socks4://user:hunter2@proxy.example",
            "option proxy must be the URL of a proxy, such as socks5://host:1080: proxy URL: \
             unknown scheme \"socks4\": the schemes are socks5, socks5h, http",
        ),
        ("proxy=http://user:hunter2%25@proxy", "option proxy must be the URL of a proxy, such as"),
        ("rcpt-max=0", "option rcpt-max must be a number above 0"),
        ("eight-bit=yes", "option eight-bit must be send or refuse"),
        ("hello=a.example&hello=b.example", "option hello is given twice"),
        (
            "tls-ca=/nowhere/ca.pem",
            "option tls-ca must be the path of a file with certificates in PEM: ",
        ),
    ] {
        let (connector, mailer) = refused(options);
        assert!(connector.contains(says), "{connector}");
        assert_eq!(mailer, connector);
        assert!(!mailer.contains("hunter2"), "{mailer}");
    }
    for (options, says) in [
        ("connections=0", "option connections must be a number above 0"),
        ("rate=100", "option rate must be messages per period, such as 100/1m"),
        ("rate=0/1m", "option rate must be messages per period"),
        ("attempts=-1", "option attempts must be a number above 0"),
        ("retry=0", "option retry must be a number of retries above 0, with the first pause if"),
        ("retry=3/soon", "option retry must be a number of retries above 0"),
    ] {
        let (_, mailer) = refused(options);
        assert!(mailer.contains(says), "{mailer}");
    }
    let error = Connector::from_url("smtp://host?tls-ca=/ca.pem").unwrap_err();
    assert!(matches!(error, InvalidUrl::NoTls { name: "tls-ca" }));
}

#[test]
fn every_option_of_a_mailer_is_accepted() {
    let options = "connections=8&messages-per-connection=50&idle-timeout=30s&rate=100/1m&\
                   queue-limit=10&wait-timeout=2m&attempts=5&retry=3&timeout=30s&operation-timeout=5m&\
                   hello=[192.0.2.1]&race=false&source-address=192.0.2.1,2001:db8::1&rcpt-max=50&\
                   eight-bit=send";
    Mailer::from_url(&format!("smtp://mail.example.org?{options}")).unwrap();
}

#[test]
fn passwords_are_shown_nowhere() {
    let url = "smtps://user:hunter2@mail.example.org";
    for shown in [
        format!("{:?}", Connector::from_url(url).unwrap()),
        format!("{:?}", blocking::Connector::from_url(url).unwrap()),
        format!("{:?}", url.parse::<Server>().unwrap_err()),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
