//! Runs each recipe as a program, against the test server.
#![allow(clippy::unwrap_used, reason = "what fails here is the test")]
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread,
};

use smtp_testkit::{Authority, Message, Protocol, Rule, Server, ServerBuilder};

/// A recipe that is run with these variables and arguments.
fn recipe(program: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(variables.iter().copied()).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
fn run(mut command: Command, input: &str) -> Output {
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn url(server: &Server) -> String {
    format!("smtp://127.0.0.1:{}", server.addr().port())
}

fn messages(server: &Server, count: usize) -> Vec<Message> {
    server.messages(count).wait().unwrap()
}

fn plain() -> ServerBuilder {
    Server::builder().offer("PIPELINING").offer("8BITMIME").own_thread()
}

/// A file that is removed when the test ends.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("smtp-cookbook-{}-{name}", std::process::id())))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A program that serves until the test ends.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The reply to a POST of this form.
fn post(address: &str, path: &str, form: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = form.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}"
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

#[test]
fn a_web_app_sends_what_is_posted() {
    let refusal = Rule::on("MAIL *").after(1).reply("550 5.7.1 no more");
    let server = plain().rule(refusal).tcp().unwrap();
    let variables = [
        ("SMTP_URL", &*url(&server)),
        ("SUPPORT", "support@example.org"),
        ("LISTEN", "127.0.0.1:0"),
    ];
    let mut child = recipe(env!("CARGO_BIN_EXE_web_app"), &variables, &[]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _serving = Serving(child);
    let address = line.trim().strip_prefix("listening on ").unwrap();

    let reply = post(address, "/contact", "email=ann%0D%0ABcc:x%40example.org&question=why%3F");
    assert!(reply.starts_with("HTTP/1.1 422 "), "{reply}");
    let reply = post(address, "/contact", "email=ann%40example.com&question=why%3F");
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    let messages = messages(&server, 1);
    let text = String::from_utf8_lossy(messages[0].text());
    assert!(text.contains("Reply-To: <ann@example.com>"), "{text}");
    assert!(text.contains("why?"), "{text}");
    let reply = post(address, "/contact", "email=ann%40example.com&question=why%3F");
    assert!(!reply.starts_with("HTTP/1.1 200 "), "{reply}");
}

/// A token endpoint that grants once; the URL, and the request that it got.
fn token_endpoint() -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&request).contains("refresh_token=") {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0);
            request.extend_from_slice(&buffer[..read]);
        }
        let body = r#"{"access_token":"ya29.fresh","expires_in":3599,"token_type":"Bearer"}"#;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        String::from_utf8_lossy(&request).into_owned()
    });
    (url, asked)
}

#[test]
fn oauth_asks_for_a_token_and_logs_in_with_it() {
    let authority = Authority::new();
    let pem = File::new("ca.pem");
    fs::write(&pem.0, authority.pem()).unwrap();
    let server = plain().authority(authority).offer("STARTTLS").offer("AUTH XOAUTH2");
    let server = server.token("ann@example.com", "ya29.fresh").tcp().unwrap();
    let (token_url, asked) = token_endpoint();
    let smtp_url =
        format!("smtp+starttls://localhost:{}?tls-ca={}", server.addr().port(), pem.0.display());
    let variables = [
        ("SMTP_URL", &*smtp_url),
        ("MAILBOX", "ann@example.com"),
        ("TOKEN_URL", &*token_url),
        ("CLIENT_ID", "id"),
        ("CLIENT_SECRET", "secret"),
        ("REFRESH_TOKEN", "1//refresh"),
    ];
    succeeded(&run(recipe(env!("CARGO_BIN_EXE_oauth"), &variables, &[]), ""));
    let messages = messages(&server, 1);
    assert_eq!(messages[0].login().unwrap().user, "ann@example.com");
    let asked = asked.join().unwrap();
    assert!(asked.contains("grant_type=refresh_token"), "{asked}");
    assert!(asked.contains("refresh_token=1%2F%2Frefresh"), "{asked}");
}

#[test]
fn a_unix_socket_takes_a_message_from_standard_input() {
    let socket = File::new("lmtp.sock");
    let server = plain().protocol(Protocol::Lmtp).unix(&socket.0).unwrap();
    let url = format!("lmtp+unix://{}", socket.0.display());
    let addresses = ["ann@example.com", "bob@example.org", "cy@example.org"];
    let command = recipe(env!("CARGO_BIN_EXE_unix_socket"), &[("SMTP_URL", &url)], &addresses);
    let shown = succeeded(&run(command, "Subject: hi\n\nhello\n"));
    assert_eq!(shown.lines().count(), 2, "{shown}");
    assert_eq!(messages(&server, 1)[0].text(), b"Subject: hi\r\n\r\nhello\r\n");
}

#[test]
fn a_script_tries_a_transient_refusal_again() {
    let server = plain().rule(Rule::on("RCPT *").times(1).reply("450 4.2.0 later")).tcp().unwrap();
    let arguments = ["ann@example.com", "bob@example.org", "all is well"];
    let variables = [("SMTP_URL", &*url(&server))];
    let command = recipe(env!("CARGO_BIN_EXE_blocking"), &variables, &arguments);
    let shown = succeeded(&run(command, ""));
    assert_eq!(shown.lines().count(), 2, "{shown}");
    assert_eq!(messages(&server, 1).len(), 1);
}

#[test]
fn an_interrupted_bulk_goes_on_where_it_was() {
    let server = plain().rule(Rule::on("RCPT TO:<b@example.org>").reply("550 5.1.1 no such user"));
    let server = server.tcp().unwrap();
    let (text, list, journal) = (File::new("text"), File::new("list"), File::new("journal"));
    fs::write(&text.0, "Subject: news\n\nhello\n").unwrap();
    let addresses = ["a", "b", "c", "d", "e", "f"].map(|name| format!("{name}@example.org\n"));
    fs::write(&list.0, addresses.concat()).unwrap();
    // What was sent, and what the earlier program did not come back from.
    fs::write(&journal.0, "a@example.org begun\na@example.org sent\nc@example.org begun\n")
        .unwrap();
    let files = [&text, &list, &journal].map(|file| file.0.to_str().unwrap());
    let arguments = [&["ann@example.com"], &files[..]].concat();
    let variables = [("SMTP_URL", &*url(&server))];
    succeeded(&run(recipe(env!("CARGO_BIN_EXE_bulk"), &variables, &arguments), ""));
    let mut sent: Vec<_> = messages(&server, 3).iter().flat_map(Message::recipients).collect();
    sent.sort();
    assert_eq!(sent, ["d@example.org", "e@example.org", "f@example.org"]);
    let journal = fs::read_to_string(&journal.0).unwrap();
    assert!(journal.contains("b@example.org refused\n"), "{journal}");
    assert!(journal.contains("f@example.org sent\n"), "{journal}");
}

/// A SOCKS5 proxy without a login that connects once, to this port whatever it is asked for; its
/// URL, and the name that it was asked for.
fn socks5(port: u16) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("socks5://{}", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut exact = |count: usize| {
            let mut octets = vec![0; count];
            client.read_exact(&mut octets).unwrap();
            octets
        };
        // RFC 1928: version and methods, then version, CONNECT, reserved, a name, a port.
        let methods = exact(2)[1];
        exact(methods.into());
        client.write_all(&[5, 0]).unwrap();
        let mut exact = |count: usize| {
            let mut octets = vec![0; count];
            client.read_exact(&mut octets).unwrap();
            octets
        };
        let request = exact(5);
        assert_eq!(request[..4], [5, 1, 0, 3]);
        let name = exact(request[4].into());
        exact(2);
        client.write_all(&[5, 0, 0, 1, 192, 0, 2, 1, 0, 25]).unwrap();
        let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut from, &mut to));
        thread::spawn(move || std::io::copy(&mut { server }, &mut client));
        String::from_utf8(name).unwrap()
    });
    (url, asked)
}

#[test]
fn a_proxy_looks_up_the_name() {
    let server = plain().tcp().unwrap();
    let (proxy, asked) = socks5(server.addr().port());
    let variables = [("SMTP_URL", "smtp://mail.internal.example"), ("PROXY", &*proxy)];
    let arguments = ["ann@example.com", "bob@example.org"];
    succeeded(&run(recipe(env!("CARGO_BIN_EXE_proxy"), &variables, &arguments), ""));
    assert_eq!(asked.join().unwrap(), "mail.internal.example");
    assert_eq!(messages(&server, 1)[0].recipients(), ["bob@example.org"]);
}

#[test]
fn notifications_are_asked_for() {
    let server = plain().offer("DSN").tcp().unwrap();
    let variables = [("SMTP_URL", &*url(&server))];
    let arguments = ["ann@example.com", "bob@example.org"];
    succeeded(&run(recipe(env!("CARGO_BIN_EXE_dsn"), &variables, &arguments), ""));
    let messages = messages(&server, 1);
    assert_eq!(messages[0].mail_param("ENVID").unwrap(), "order-4711");
    let notify = messages[0].rcpt_param("bob@example.org", "NOTIFY");
    assert_eq!(notify.unwrap(), "SUCCESS,FAILURE");
}

#[test]
fn a_message_is_signed_and_delivered_to_the_host_of_its_recipient() {
    let server = plain().tcp().unwrap();
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
    let file = File::new("dkim.pem");
    fs::write(&file.0, key.unwrap().serialize_pem()).unwrap();
    let port = server.addr().port().to_string();
    let variables = [
        ("DKIM_KEY", file.0.to_str().unwrap()),
        ("DKIM_DOMAIN", "example.org"),
        ("DKIM_SELECTOR", "mail"),
        ("HELLO", "mail.example.org"),
        ("PORT", &port),
    ];
    // The host of an address literal needs no lookup.
    let arguments = ["me@example.org", "you@[127.0.0.1]"];
    let text = "From: me@example.org\r\nTo: you@example.net\r\nSubject: hi\r\n\r\nHello.\r\n";
    let output = run(recipe(env!("CARGO_BIN_EXE_deliver"), &variables, &arguments), text);
    let shown = succeeded(&output);
    assert!(shown.starts_with("you@[127.0.0.1]: delivered to [127.0.0.1]"), "{shown}");
    let received = String::from_utf8(messages(&server, 1)[0].text().to_vec()).unwrap();
    let (signature, rest) = received.split_at(received.len() - text.len());
    assert_eq!(rest, text);
    let signature: String = signature.split_whitespace().collect();
    assert!(
        signature.starts_with("DKIM-Signature:v=1;a=rsa-sha256;s=mail;d=example.org;"),
        "{signature}"
    );
    // The SHA-256 of the body in the form `relaxed`.
    assert!(signature.contains("bh=yZQq1c8wjBl0fZ4Wc/oraMCAG1mZJv5v/hlvyFy+t6A=;"), "{signature}");
}
