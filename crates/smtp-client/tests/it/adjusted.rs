//! What a server offers, adjusted by the caller: at every EHLO, for every connection.
use std::sync::{Arc, Mutex};

use smtp_client::{
    Capabilities, Connection, EhloCache, Envelope, Extension, MailData, Mailer, Reply, ReplyCode,
    Security, blocking,
    session::{Dialect, Hello, Next, Session, SimpleCommand},
};
use smtp_testkit::{Authority, Server as TestServer};

use crate::{
    host::Host,
    operation::attributes,
    stage::{connector, hello, opening, parse, perform, play},
    starttls::trusting,
};

fn has(connection: &Connection, extension: Extension) -> bool {
    connection.capabilities().has(extension)
}

#[test]
fn an_extension_is_done_without() {
    let script = opening(Dialect::Smtp, &["PIPELINING", "SIZE 10"])
        + "C: MAIL FROM:<a@example.org> SIZE=6\nS: 250 ok\nC: RCPT TO:<b@example.org>\nS: 250 ok\n\
           C: DATA\nS: 354 go\n[text]\nS: 250 taken";
    let connector = connector(Dialect::Smtp).without(Extension::Pipelining);
    let played = play(&script, &connector, async |connected| {
        let mut connection = connected.unwrap();
        assert!(!has(&connection, Extension::Pipelining));
        // The line is there to be read all the same.
        assert!(connection.capabilities().find("pipelining").is_some());
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let sent = connection.send(&envelope, MailData::new("a: b\r\n").unwrap()).await;
        assert!(sent.unwrap().all_accepted());
    });
    played.verdict.unwrap();
}

#[test]
fn adjustments_apply_in_order_at_every_ehlo() {
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        let script = opening(dialect, &["SIZE 10", "XCLIENT ADDR"])
            + &hello(dialect, &["PIPELINING", "SIZE 30", "XCLIENT ADDR"])
            + "C: XCLIENT ADDR=192.0.2.1\nS: 220 again\n"
            + &hello(dialect, &["PIPELINING", "SIZE 40"]);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sizes = Arc::clone(&seen);
        let connector = connector(dialect)
            .adjust_capabilities(move |offered| {
                sizes.lock().unwrap().push(offered.size_limit());
                offered.with_line("SIZE 20").unwrap()
            })
            .without(Extension::Pipelining)
            .adjust_capabilities(|offered| {
                assert_eq!(offered.size_limit(), Some(20));
                assert!(!offered.has(Extension::Pipelining));
                offered.with_line("HELP").unwrap()
            });
        let played = play(&script, &connector, async |connected| {
            let mut connection = connected.unwrap();
            assert_eq!(connection.capabilities().size_limit(), Some(20));
            // What is set for this connection lasts until the next EHLO, as it is.
            connection.set_capabilities(Capabilities::none());
            assert_eq!(connection.capabilities(), &Capabilities::none());
            assert!(connection.rehlo().await.unwrap().has(Extension::Help));
            assert!(!has(&connection, Extension::Pipelining));
            connection.xclient(&attributes([("ADDR", "192.0.2.1")])).await.unwrap();
            assert!(has(&connection, Extension::Help));
            assert!(!has(&connection, Extension::Pipelining));
        });
        played.verdict.unwrap();
        assert_eq!(*seen.lock().unwrap(), [Some(10), Some(30), Some(40)]);
    }
}

#[test]
fn what_is_offered_inside_tls_is_adjusted_too() {
    let authority = Authority::new();
    let script = opening(Dialect::Smtp, &["STARTTLS", "PIPELINING"])
        + "C: STARTTLS\nS: 220 go\n[starttls]\n"
        + &hello(Dialect::Smtp, &["PIPELINING", "REQUIRETLS"]);
    let connector = trusting(&authority, Dialect::Smtp, Security::StartTls)
        .without(Extension::Pipelining)
        // The channel is not for the caller to state.
        .adjust_capabilities(|offered| offered.with_channel(Default::default()));
    perform(async {
        let (server, pipe) =
            TestServer::builder().authority(authority).script(parse(&script)).pipe();
        let connection = connector.connect_over(pipe).await.unwrap();
        assert!(!has(&connection, Extension::Pipelining));
        assert!(connection.capabilities().channel().tls);
        connection.capabilities().require(Extension::RequireTls).unwrap();
        drop(connection);
        server.finish().await.unwrap();
    });
}

#[test]
fn a_mailer_adjusts_every_connection() {
    perform(async {
        let (host, connector) = Host::new(|_, line| match line {
            "." => crate::host::Answer::CloseWith("250 taken\r\n"),
            line => Host::good(line),
        });
        let seen = Arc::new(Mutex::new(0));
        let count = Arc::clone(&seen);
        let mailer = Mailer::new(connector.adjust_capabilities(move |offered| {
            *count.lock().unwrap() += 1;
            offered
        }));
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        for _ in 0..3 {
            let sent = mailer.send(envelope.clone(), MailData::new("a: b\r\n").unwrap()).await;
            assert!(sent.unwrap().all_accepted());
        }
        assert_eq!((host.heard().len(), *seen.lock().unwrap()), (3, 3));
    });
}

fn offer(text: &str) -> Reply {
    Reply::new(ReplyCode::OK, format!("mx.example\n{text}"))
}

#[test]
fn what_is_anticipated_is_adjusted_and_confirmed_as_such() {
    let mut session = Session::default();
    session.adjust_capabilities(Arc::new(|offered: Capabilities| {
        offered.without(Extension::Chunking).with_line("SIZE 20").unwrap()
    }));
    session.anticipate(offer("PIPECONNECT\nPIPELINING\nCHUNKING")).unwrap();
    assert!(!session.capabilities().has(Extension::Chunking));
    assert_eq!(session.capabilities().size_limit(), Some(20));
    let mut noop = session.run(SimpleCommand::noop()).unwrap();
    for received in [
        "220 hi\r\n250-mx.example\r\n250-PIPECONNECT\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
        "250 ok\r\n",
    ] {
        while noop.next() == Next::Write {
            let octets = noop.output().first().len();
            noop.wrote(octets);
        }
        noop.receive(received.as_bytes());
    }
    assert_eq!(noop.next(), Next::Done);
    noop.finish().unwrap();
    assert!(!session.capabilities().has(Extension::Chunking));
    assert_eq!(session.capabilities().size_limit(), Some(20));
}

#[test]
fn a_server_is_not_spoken_to_early_without_pipeconnect() {
    let script = opening(Dialect::Smtp, &["PIPECONNECT", "PIPELINING"])
        + "C| MAIL FROM:<a@example.org>\nC| RCPT TO:<b@example.org>\nC| DATA\nS: 250 ok\n\
           S: 250 ok\nS: 354 go\n[text]\nS: 250 taken";
    let server = TestServer::tcp(parse(&script)).unwrap();
    let memory = EhloCache::default();
    let address = smtp_client::Server::tcp("127.0.0.1", server.addr().port());
    let connector = blocking::Connector::new(address)
        .hello_name("client.example".parse().unwrap())
        .without(Extension::PipeConnect)
        .ehlo_cache(memory.clone());
    let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
    let (connection, delivery) =
        connector.deliver(&envelope, MailData::new("a: b\r\n").unwrap()).unwrap();
    assert!(delivery.all_accepted() && !connection.capabilities().has(Extension::PipeConnect));
    drop(connection);
    server.finish().wait().unwrap();
    // Nor is it remembered.
    assert_eq!(memory.reply(), None);
}

#[test]
fn after_helo_nothing_is_offered_and_nothing_adjusted() {
    let mut session = Session::default();
    session.adjust_capabilities(Arc::new(|_| panic!("there is nothing to adjust")));
    let mut hello = session.run(Hello::after_greeting()).unwrap();
    for line in ["220 hi\r\n", "500 what?\r\n", "250 hi\r\n"] {
        hello.receive(line.as_bytes());
        if hello.next() == Next::Write {
            let octets = hello.output().first().len();
            hello.wrote(octets);
        }
    }
    hello.finish().unwrap();
    assert_eq!(session.capabilities(), &Capabilities::none());
}
