//! Opportunistic TLS: what was achieved is told, and what needs more than that is not done.
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use smtp_client::{
    ClearFallback, Connection, Connector, Credentials, Envelope, Error, ErrorKind, Extension,
    Login, MailData, MailParam, Misbehaved, Protection, Security, Step, Tls, Unsupported, blocking,
    session::{Dialect, sasl::ClearText},
};
use smtp_testkit::{Authority, CertificateKind, Pipe, Server as TestServer};

use crate::{
    mailer::{pool, send},
    stage::{hello, opening, parse, perform},
    starttls::trusting,
    tls::BAD,
    wait_timeout::bounds,
};

/// Opens connections to servers that play these scripts, one each, with this certificate, and keeps
/// to the scripts.
#[track_caller]
fn play<T>(
    set: impl FnOnce(Connector) -> Connector,
    certificate: CertificateKind,
    scripts: &[String],
    act: impl AsyncFnOnce(Result<Connection, Error>) -> T,
) -> T {
    let authority = Authority::new();
    let connector = trusting(&authority, Dialect::Smtp, Security::Opportunistic);
    let connector = set(connector.timeouts(bounds()));
    perform(async {
        let (mut servers, mut pipes) = (Vec::new(), VecDeque::new());
        for script in scripts {
            let builder = TestServer::builder().authority(authority.clone());
            let (server, pipe) = builder.certificate(certificate).script(parse(script)).pipe();
            servers.push(server);
            pipes.push_back(pipe);
        }
        let pipes: Arc<Mutex<VecDeque<Pipe>>> = Arc::new(Mutex::new(pipes));
        let connector = connector.dialer(move |_| {
            let pipe = pipes.lock().unwrap().pop_front();
            async move { pipe.ok_or_else(|| std::io::ErrorKind::ConnectionRefused.into()) }
        });
        let outcome = act(connector.connect().await).await;
        for server in servers {
            server.finish().await.unwrap();
        }
        outcome
    })
}

fn unchanged(connector: Connector) -> Connector {
    connector
}

/// The script up to the handshake, and EHLO inside TLS.
fn upgraded(keywords: &[&str]) -> String {
    let clear = opening(Dialect::Smtp, &["STARTTLS", "SIZE 10"]);
    format!("{clear}C: STARTTLS\nS: 220 go\n[starttls]\n{}", hello(Dialect::Smtp, keywords))
}

const QUIT: &str = "C: QUIT\nS: 221 bye";

#[test]
fn a_good_certificate_is_verified() {
    let script = upgraded(&["SIZE 20"]) + QUIT;
    play(unchanged, CertificateKind::Good, &[script], async |connected| {
        let mut connection = connected.unwrap();
        assert_eq!(connection.protection(), Protection::Verified);
        assert_eq!(connection.tls().unwrap().security(), Security::Opportunistic);
        assert_eq!(connection.capabilities().size_limit(), Some(20));
        connection.quit().await.unwrap();
    });
}

#[test]
fn any_other_certificate_is_encrypted_and_unverified() {
    for kind in BAD {
        let script = upgraded(&[]) + QUIT;
        play(unchanged, kind, &[script], async |connected| {
            let mut connection = connected.unwrap();
            assert_eq!(connection.protection(), Protection::Unverified, "{kind:?}");
            connection.quit().await.unwrap();
        });
    }
}

#[test]
fn without_the_offer_the_connection_is_in_clear() {
    let helo = "S: 220 hi\nC: EHLO client.example\nS: 502 no\nC: HELO client.example\nS: 250 ok\n";
    let refused = opening(Dialect::Smtp, &["STARTTLS", "SIZE 10"]) + "C: STARTTLS\nS: 454 later\n";
    for script in [opening(Dialect::Smtp, &["SIZE 10"]), helo.to_owned(), refused] {
        let script = script + QUIT;
        play(unchanged, CertificateKind::Good, &[script], async |connected| {
            let mut connection = connected.unwrap();
            assert_eq!((connection.protection(), connection.tls()), (Protection::Clear, None));
            connection.quit().await.unwrap();
        });
    }
}

fn with_login(connector: Connector) -> Connector {
    connector.login(Login::new(Credentials::password("user", "secret").unwrap()))
}

#[test]
fn a_password_goes_to_a_verified_server_only() {
    let clear = opening(Dialect::Smtp, &["AUTH PLAIN"]);
    let unverified = upgraded(&["AUTH PLAIN"]);
    for (script, refusal) in
        [(clear.clone(), Unsupported::ClearText), (unverified.clone(), Unsupported::Unverified)]
    {
        let script = script + "C: QUIT\n[expect-close]";
        play(with_login, CertificateKind::WrongName, &[script], async |connected| {
            let error = connected.unwrap_err();
            let refused = matches!(error.kind(), ErrorKind::Unsupported(kind) if *kind == refusal);
            assert!(refused && error.step() == Step::Auth, "{error:?}");
        });
    }
    let sent = "C~ AUTH PLAIN *\nS: 235 ok\n";
    let verified = format!("{unverified}{sent}{QUIT}");
    play(with_login, CertificateKind::Good, &[verified], async |connected| {
        connected.unwrap().quit().await.unwrap();
    });
    let allowed = |connector: Connector| {
        let login = Login::new(Credentials::password("user", "secret").unwrap());
        connector.login(login.clear_text(ClearText::Allowed))
    };
    for script in [clear, unverified] {
        let script = format!("{script}{sent}{QUIT}");
        play(allowed, CertificateKind::WrongName, &[script], async |connected| {
            connected.unwrap().quit().await.unwrap();
        });
    }
}

#[test]
fn requiretls_is_not_believed_of_an_unverified_server() {
    let script = upgraded(&["REQUIRETLS"]) + QUIT;
    play(unchanged, CertificateKind::SelfSigned, &[script], async |connected| {
        let mut connection = connected.unwrap();
        let mail = smtp_client::Mail::try_from("a@example.org").unwrap();
        let mail = mail.with(MailParam::RequireTls).unwrap();
        let envelope = Envelope::new(mail, ["b@example.org"]).unwrap();
        let error = connection.send(&envelope, MailData::new("x\r\n").unwrap()).await.unwrap_err();
        let outside = Unsupported::OutsideTls(Extension::RequireTls);
        assert!(matches!(error.kind(), ErrorKind::Unsupported(found) if *found == outside));
        connection.quit().await.unwrap();
    });
}

fn failing() -> String {
    opening(Dialect::Smtp, &["STARTTLS"]) + "C: STARTTLS\nS: 220 go\n[tls-abort]"
}

#[test]
fn a_failed_handshake_is_the_error_unless_the_caller_allows_clear() {
    play(unchanged, CertificateKind::Good, &[failing()], async |connected| {
        assert_eq!(connected.unwrap_err().step(), Step::Handshake);
    });
    // The second server offers STARTTLS too, and is not asked.
    let clear = opening(Dialect::Smtp, &["STARTTLS"]) + QUIT;
    let allowed = |connector: Connector| connector.clear_fallback(ClearFallback::Allowed);
    play(allowed, CertificateKind::Good, &[failing(), clear], async |connected| {
        let mut connection = connected.unwrap();
        assert_eq!(connection.protection(), Protection::Clear);
        connection.quit().await.unwrap();
    });
}

#[test]
fn the_fallback_is_for_a_failed_handshake_only() {
    let allowed = |connector: Connector| connector.clear_fallback(ClearFallback::Allowed);
    let injected = opening(Dialect::Smtp, &["STARTTLS"])
        + "C: STARTTLS\n[raw \"220 go\\r\\n250 evil\\r\\n\"]\n[expect-close]";
    play(allowed, CertificateKind::Good, &[injected], async |connected| {
        let error = connected.unwrap_err();
        let injected =
            matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::PlaintextAfterStartTls));
        assert!(injected, "{error:?}");
    });
    let closing = opening(Dialect::Smtp, &["STARTTLS"]) + "C: STARTTLS\nS: 421 bye\n[expect-close]";
    play(allowed, CertificateKind::Good, &[closing], async |connected| {
        assert_eq!(connected.unwrap_err().step(), Step::StartTls);
    });
}

#[test]
fn it_is_the_same_for_the_client_that_blocks() {
    let clear = opening(Dialect::Smtp, &["AUTH PLAIN"]) + QUIT;
    for (certificate, script, expected) in [
        (CertificateKind::Good, upgraded(&[]) + QUIT, Protection::Verified),
        (CertificateKind::Expired, upgraded(&[]) + QUIT, Protection::Unverified),
        (CertificateKind::Good, clear, Protection::Clear),
    ] {
        let authority = Authority::new();
        let tls = Tls::authorities([authority.der().to_vec().into()]).unwrap();
        let builder = TestServer::builder().authority(authority).certificate(certificate);
        let server = builder.script(parse(&script)).tcp().unwrap();
        let address = smtp_client::Server::tcp("localhost", server.addr().port());
        let connector = blocking::Connector::new(address.security(Security::Opportunistic));
        let connector = connector.hello_name("client.example".parse().unwrap()).tls(tls);
        let mut connection = connector.connect().unwrap();
        assert_eq!(connection.protection(), expected);
        connection.quit().unwrap();
        server.finish().wait().unwrap();
    }
}

#[test]
fn a_mailer_sends_to_a_server_that_is_not_verified_and_falls_back_where_it_may() {
    let sent = "C: MAIL FROM:<s@example.org>\nS: 250 ok\nC: RCPT TO:<b@example.org>\nS: 250 ok\n\
                C: DATA\nS: 354 go\n[text]\nS: 250 ok\n";
    let clear = opening(Dialect::Smtp, &["STARTTLS"]);
    for (scripts, fallback) in [
        (vec![upgraded(&[]) + sent + QUIT], ClearFallback::Forbidden),
        (vec![failing(), clear + sent + QUIT], ClearFallback::Allowed),
    ] {
        let authority = Authority::new();
        let connector = trusting(&authority, Dialect::Smtp, Security::Opportunistic);
        perform(async {
            let (mut servers, mut pipes) = (Vec::new(), VecDeque::new());
            for script in &scripts {
                let builder = TestServer::builder().authority(authority.clone());
                let builder = builder.certificate(CertificateKind::WrongName);
                let (server, pipe) = builder.script(parse(script)).pipe();
                servers.push(server);
                pipes.push_back(pipe);
            }
            let pipes = Arc::new(Mutex::new(pipes));
            let connector = connector.clear_fallback(fallback).dialer(move |_| {
                let pipe = pipes.lock().unwrap().pop_front();
                async move { pipe.ok_or_else(|| std::io::ErrorKind::ConnectionRefused.into()) }
            });
            let mailer = pool(connector, 1).build();
            assert!(send(&mailer).await.unwrap().all_accepted());
            mailer.close().await;
            for server in servers {
                server.finish().await.unwrap();
            }
        });
    }
}

#[test]
fn the_client_that_blocks_falls_back_by_another_connection() {
    for fallback in [ClearFallback::Allowed, ClearFallback::Forbidden] {
        let authority = Authority::new();
        let tls = Tls::authorities([authority.der().to_vec().into()]).unwrap();
        let clear = opening(Dialect::Smtp, &["STARTTLS"]) + QUIT;
        let mut pipes = VecDeque::new();
        let mut servers = Vec::new();
        for script in [failing(), clear] {
            let builder = TestServer::builder().authority(authority.clone());
            let server = builder.script(parse(&script)).tcp().unwrap();
            pipes.push_back(std::net::TcpStream::connect(server.addr()).unwrap());
            servers.push(server);
        }
        let pipes = Mutex::new(pipes);
        let server = smtp_client::Server::tcp("localhost", 25).security(Security::Opportunistic);
        let connector = blocking::Connector::new(server).tls(tls).clear_fallback(fallback);
        let connector = connector.hello_name("client.example".parse().unwrap());
        let connector = connector.dialer(move |_| Ok(pipes.lock().unwrap().pop_front().unwrap()));
        match (connector.connect(), fallback) {
            (Ok(mut connection), ClearFallback::Allowed) => {
                assert_eq!(connection.protection(), Protection::Clear);
                connection.quit().unwrap();
                for server in servers {
                    server.finish().wait().unwrap();
                }
            }
            (Err(error), ClearFallback::Forbidden) => assert_eq!(error.step(), Step::Handshake),
            (connected, _) => panic!("{fallback:?}: {connected:?}"),
        }
    }
}
