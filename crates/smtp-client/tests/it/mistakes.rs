//! The mistakes of beginners: what each error says, word for word. An operator has one line of a
//! log, so that its text is part of the behavior; [`smtp_error`] tests that of every kind.
use std::net::TcpListener;

use smtp_client::{
    Connection, Connector, Credentials, Envelope, Error, ForwardPath, HelloName, Login, MailData,
    Security, Server, Timeouts, Tls, session::Dialect,
};
use smtp_testkit::{Authority, CertificateKind, Server as TestServer};
use tokio::runtime::Builder;

use crate::stage::{opening, parse, perform, play};

const HOST: &str = "mail.example.org";

/// A client of this port, with the timeouts of a program that submits.
fn client(port: u16, security: Security) -> Connector {
    client_of(Server::tcp(HOST, port).security(security))
}

fn client_of(server: Server) -> Connector {
    let connector = Connector::new(server).timeouts(Timeouts::submission());
    connector.hello_name("client.example".parse().unwrap())
}

fn with_login(connector: Connector) -> Connector {
    connector.login(Login::new(Credentials::password("tim", "wrong").unwrap()))
}

/// Connecting to a server that plays this script fails with this text.
#[track_caller]
fn refuses(connector: &Connector, script: &str, text: &str) {
    let played = play(script, connector, async |connected| connected.map(drop));
    assert_eq!(played.outcome.unwrap_err().to_string(), text);
}

/// What is done after connecting, to a server that offers these keywords, fails with this text.
#[track_caller]
fn fails(
    keywords: &[&str],
    rest: &str,
    act: impl AsyncFnOnce(&mut Connection) -> Result<(), Error>,
    text: &str,
) {
    let script = opening(Dialect::Smtp, keywords) + rest;
    let connector = client(25, Security::Plain);
    let played = play(&script, &connector, async |connected| act(&mut connected.unwrap()).await);
    assert_eq!(played.outcome.unwrap_err().to_string(), text);
}

async fn send_from(connection: &mut Connection, sender: &str) -> Result<(), Error> {
    let envelope = Envelope::new(sender, ["bob@example.org"]).unwrap();
    let text = MailData::new("Subject: hi\r\n\r\nhello\r\n").unwrap();
    connection.send(&envelope, &text).await.map(drop)
}

#[test]
fn a_port_for_another_kind_of_tls() {
    refuses(
        &client(465, Security::Plain),
        "[stall]",
        "greeting of mail.example.org:465: timed out after 30s (hint: if this port expects TLS from \
         the first octet, as 465 does, use smtps://; or else no mail server answers there: check the \
         host and the port)",
    );
    // What follows the first line is an answer to the handshake, and no one wants to read it.
    let answers = "500 what?\\r\\n".repeat(13);
    refuses(
        &client(587, Security::Tls),
        &format!("[raw \"220 mx.example ready\\r\\n{answers}\"]\n[stall]"),
        "TLS handshake with mail.example.org:587: the server sent octets that are not TLS (received \
         \"220 mx.example ready\\r\\n...\") (hint: the server does not start with TLS on this port: \
         use smtp+starttls://, or smtps:// with the port for implicit TLS, usually 465)",
    );
    refuses(
        &client(587, Security::Tls),
        "[raw \"220 mx.example ready\\r\\n\"]\n[stall]",
        "TLS handshake with mail.example.org:587: the server sent octets that are not TLS (received \
         \"220 mx.example ready\\r\\n\") (hint: the server does not start with TLS on this port: use \
         smtp+starttls://, or smtps:// with the port for implicit TLS, usually 465)",
    );
    refuses(
        &client(25, Security::StartTls),
        &opening(Dialect::Smtp, &["PIPELINING"]),
        "STARTTLS at mail.example.org:25: the server does not offer STARTTLS (hint: use a port that \
         offers STARTTLS, usually 587, or smtps:// with port 465)",
    );
}

#[test]
fn a_server_of_another_protocol() {
    for (port, greeting, name) in [
        (80, "HTTP/1.1 400 Bad Request", "HTTP"),
        (22, "SSH-2.0-OpenSSH_9.6", "SSH"),
        (110, "+OK ready", "POP3"),
        (143, "* OK ready", "IMAP"),
    ] {
        refuses(
            &client(port, Security::Plain),
            &format!("[raw \"{greeting}\\r\\n\"]\n[close]"),
            &format!(
                "greeting of mail.example.org:{port}: the server sent something else than an SMTP \
                 reply (received \"{greeting}\\r\\n\") (hint: the server speaks {name}, not SMTP: \
                 check the host and the port)"
            ),
        );
    }
}

#[test]
fn lmtp_and_smtp_taken_for_each_other() {
    refuses(
        &client(24, Security::Plain),
        "S: 220 mx.example LMTP\nC: EHLO client.example\nS: 500 unknown\nC: HELO client.example\n\
         S: 500 unknown",
        "hello at mail.example.org:24: refused: 500 unknown (hint: if this is an LMTP \
         server, use lmtp://)",
    );
    // A server that knows HELO, or does not like the name, speaks SMTP.
    refuses(
        &client(25, Security::Plain),
        "S: 220 mx.example ESMTP\nC: EHLO client.example\nS: 501 5.5.4 a name of yours",
        "hello at mail.example.org:25: refused: 501 5.5.4 a name of yours",
    );
    refuses(
        &client(25, Security::Plain),
        "S: 220 mx.example ESMTP\nC: EHLO client.example\nS: 502 no\nC: HELO client.example\n\
         S: 550 go away",
        "hello at mail.example.org:25: refused: 550 go away",
    );
    refuses(
        &client(587, Security::StartTls),
        "S: 220 mx.example ESMTP\nC: EHLO client.example\nS: 502 no",
        "hello at mail.example.org:587: refused: 502 no",
    );
    refuses(
        &client_of(Server::tcp(HOST, 25).dialect(Dialect::Lmtp)),
        "S: 220 mx.example ESMTP\nC: LHLO client.example\nS: 501 5.5.4 a name of yours",
        "hello at mail.example.org:25: refused: 501 5.5.4 a name of yours",
    );
    refuses(
        &client_of(Server::tcp(HOST, 25).dialect(Dialect::Lmtp)),
        "S: 220 mx.example ESMTP\nC: LHLO client.example\nS: 502 5.5.2 what?",
        "hello at mail.example.org:25: refused: 502 5.5.2 what? (hint: if this is an SMTP server, \
         use smtp://)",
    );
}

#[test]
fn a_server_that_wants_no_connection() {
    refuses(
        &client(25, Security::Plain),
        "S: 554 5.7.1 not you",
        "greeting of mail.example.org:25: refused: 554 5.7.1 not you",
    );
    refuses(
        &client(25, Security::Plain),
        "S: 421 4.3.2 too many",
        "greeting of mail.example.org:25: the server is closing the connection: 421 4.3.2 too many",
    );
    refuses(
        &client(25, Security::Plain),
        "[close]",
        "greeting of mail.example.org:25: the server closed the connection",
    );
}

#[test]
fn a_login_that_cannot_be() {
    refuses(
        &with_login(client(25, Security::Plain)),
        &opening(Dialect::Smtp, &["PIPELINING"]),
        "AUTH at mail.example.org:25: the server does not offer AUTH (hint: many servers offer AUTH \
         only inside TLS: use smtps:// or smtp+starttls://)",
    );
}

#[test]
fn a_wrong_password() {
    let authority = Authority::new();
    let tls = Tls::authorities([authority.der().to_vec().into()]).unwrap();
    let server = Server::tcp("localhost", 465).security(Security::Tls);
    let connector = with_login(client_of(server).tls(tls));
    let script = format!(
        "[tls]\n{}C: AUTH PLAIN AHRpbQB3cm9uZw==\nS: 535 5.7.8 Authentication failed",
        opening(Dialect::Smtp, &["AUTH PLAIN"])
    );
    let error = perform(async {
        let builder = TestServer::builder().authority(authority).script(parse(&script));
        let (_server, pipe) = builder.pipe();
        connector.connect_over(pipe).await.unwrap_err()
    });
    assert_eq!(
        error.to_string(),
        "AUTH at localhost:465: refused: 535 5.7.8 Authentication failed (hint: check the user name \
         and the password or token; some providers require an application-specific password)"
    );
}

#[test]
fn a_certificate_that_is_not_accepted() {
    for (kind, flaw) in [
        (
            CertificateKind::WrongName,
            "it is for wrong-name.invalid (hint: connect by a name that the certificate is for, or \
             set that name: `Tls::server_name`)",
        ),
        (
            CertificateKind::SelfSigned,
            "no trusted authority signed it (hint: trust the authority that signed it, or the \
             certificate itself if it is self-signed (`Tls::authorities`, or tls-ca in the URL), pin \
             its key (`Tls::pinned`), or have the server send its intermediate certificates)",
        ),
    ] {
        let authority = Authority::new();
        let tls = Tls::authorities([authority.der().to_vec().into()]).unwrap();
        let connector = client_of(Server::tcp("localhost", 465).security(Security::Tls)).tls(tls);
        let error = perform(async {
            let builder = TestServer::builder().authority(authority).certificate(kind);
            let (_server, pipe) = builder.script(parse("[tls]\nS: 220 hi")).pipe();
            connector.connect_over(pipe).await.unwrap_err()
        });
        let certificate = "the server's certificate for localhost is not accepted";
        let text = format!("TLS handshake with localhost:465: {certificate}: {flaw}");
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn an_address_that_is_none() {
    for (text, flaw) in [
        ("", "must not be empty"),
        ("bob", "no @ between local-part and domain"),
        ("@example.org", "nothing before the @"),
        ("bob@", "nothing after the @"),
        ("Bob <bob@example.org>", "write the address alone, without a name and angle brackets"),
        ("b@example.org,c@example.org", "unexpected ',' at octet 13"),
        ("bob@example.org ", "unexpected ' ' at octet 15"),
        ("bob@example..org", "a label of the domain is empty, at octet 12"),
        ("bob@192.0.2.1]", "unexpected ']' at octet 13"),
        ("bob@[192.0.2]", {
            "not an address literal, such as [192.0.2.1] or [IPv6:2001:db8::1], at octet 4"
        }),
        ("bob@example.org\n", "control character U+000A at octet 15"),
    ] {
        let error = text.parse::<ForwardPath>().unwrap_err();
        assert_eq!(error.to_string(), format!("forward-path: {flaw}"));
        let recipients = ["alice@example.org", text];
        let error = Envelope::new("carol@example.org", recipients).unwrap_err();
        let hint = if text.contains(',') { " (hint: give each address alone)" } else { "" };
        assert_eq!(
            error.to_string(),
            format!("recipient 2, \"{}\": {flaw}{hint}", text.escape_default())
        );
        if !text.is_empty() {
            let error = Envelope::new(text, recipients).unwrap_err();
            let sentence = format!("sender \"{}\": {flaw}{hint}", text.escape_default());
            assert_eq!(error.to_string(), sentence);
        }
    }
    for (text, hint) in [
        ("b@example.org,c@example.org", "give each address alone"),
        ("b@example_1.org", "`Mailbox::tolerating` accepts it"),
    ] {
        let error = Envelope::new("carol@example.org", [text]).unwrap_err().to_string();
        assert!(error.ends_with(&format!(" (hint: {hint})")), "{error}");
    }
    let nobody = Envelope::new("carol@example.org", [""; 0]).unwrap_err();
    assert_eq!(nobody.to_string(), "an envelope needs at least one recipient");
}

#[test]
fn a_name_in_ehlo_that_is_none() {
    for (text, flaw) in [
        ("my server", "unexpected ' ' at octet 2"),
        ("web_1", "unexpected '_' at octet 3"),
        ("a..example", "a label of the domain is empty, at octet 2"),
        ("example.org.", "a label of the domain is empty, at octet 11"),
        ("-a", "unexpected '-' at octet 0"),
    ] {
        let error = text.parse::<HelloName>().unwrap_err();
        assert_eq!(error.to_string(), format!("EHLO name: {flaw}"));
    }
}

#[test]
fn a_message_that_the_server_cannot_take() {
    fails(
        &["SIZE 10"],
        "",
        async |connection| send_from(connection, "alice@example.org").await,
        "MAIL at mail.example.org:25: the message has 22 octets, the server accepts at most 10",
    );
    fails(
        &["8BITMIME"],
        "",
        async |connection| send_from(connection, "j\u{f8}rgen@example.org").await,
        "MAIL at mail.example.org:25: the server does not offer SMTPUTF8 (hint: SMTPUTF8 is for \
         addresses and header fields with octets outside ASCII: use another address, and encode \
         header fields (RFC 2047))",
    );
}

#[test]
fn a_connection_that_is_lost() {
    fails(
        &["PIPELINING"],
        "C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<bob@example.org>\nC: DATA\nS: 250 ok\n\
         S: 250 ok\nS: 354 go\n[text]\n[close]",
        async |connection| send_from(connection, "alice@example.org").await,
        "end of mail data at mail.example.org:25: the server closed the connection (the message may \
         have been accepted)",
    );
    fails(
        &[],
        "C: NOOP\n[stall]",
        async |connection| connection.noop().await.map(drop),
        "NOOP at mail.example.org:25: timed out after 60s",
    );
    fails(
        &[],
        "C: NOOP\nS: 250 ok\n[close]",
        async |connection| {
            connection.noop().await?;
            crate::stage::let_the_server_play().await;
            connection.noop().await.map(drop)
        },
        "NOOP at mail.example.org:25: the server closed the connection while it was idle",
    );
}

/// Connects over sockets, in real time.
fn dialed(server: Server) -> Error {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(client_of(server.clone()).connect()).unwrap_err();
    let blocking = smtp_client::blocking::Connector::new(server).connect().unwrap_err();
    assert_eq!(blocking.to_string(), error.to_string());
    error
}

#[cfg(target_os = "linux")]
#[test]
fn a_port_on_which_nothing_listens() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = dialed(Server::tcp("127.0.0.1", address.port()));
    assert_eq!(error.server().unwrap().address(), Some(address));
    assert_eq!(
        error.to_string(),
        format!(
            "connect to {address}: Connection refused (os error 111) (hint: no server listens on \
             this port: check the host and the port, and whether it runs)"
        )
    );
    let error = dialed(Server::unix("/nonexistent/smtp"));
    assert_eq!(
        error.to_string(),
        "connect to /nonexistent/smtp: No such file or directory (os error 2) (hint: no server \
         listens on this Unix socket: check the path, and whether it runs)"
    );
}
