//! The examples `maildir` and `relay`, with what can go wrong around them.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

#[path = "../crash/program.rs"]
mod program;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
};

use program::{Running, example, folder};
use smtp_client::{
    Connector, Credentials, Envelope, Login, Mail, MailData, MailParam, Security, Tls, Xtext,
};
use smtp_server::Mechanism;

/// Sends this, and returns all replies.
fn session(address: &str, octets: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(octets).unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    replies
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn a_maildir_that_fails_leaves_the_message_in_none_of_the_others() {
    let root = folder("maildir-none");
    for mailbox in ["one@b.example", "two@b.example", "broken@b.example"] {
        fs::create_dir(root.join(mailbox)).unwrap();
    }
    fs::write(root.join("broken@b.example/new"), "not a folder").unwrap();
    let program = example("maildir");
    let running = Running::start(&program, &["--listen", "127.0.0.1:0", root.to_str().unwrap()]);
    let replies = session(
        &running.1,
        b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<one@b.example>\r\nRCPT TO:<ONE@b.example>\r\n\
          RCPT TO:<two@b.example>\r\nRCPT TO:<broken@b.example>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
    );
    assert!(replies.contains("\r\n451 "), "{replies}");
    for mailbox in ["one@b.example", "two@b.example"] {
        assert_eq!(files(&root.join(mailbox).join("new")), 0, "{mailbox}");
    }
    drop(running);
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_maildir_has_no_mailbox_outside_of_its_folder() {
    let root = folder("maildir-names");
    fs::create_dir(root.join("kate@b.example")).unwrap();
    fs::create_dir(root.join("cur")).unwrap();
    let program = example("maildir");
    let running = Running::start(&program, &["--listen", "127.0.0.1:0", root.to_str().unwrap()]);
    let long = "x".repeat(400);
    let names = ["../kate", "..", ".incoming", "a/b", "\"../x\"", "\"a b\"", "\u{212a}ate", &long];
    let rcpts: String =
        names.iter().map(|name| format!("RCPT TO:<{name}@b.example>\r\n")).collect();
    let group = format!("EHLO a.example\r\nMAIL FROM:<> SMTPUTF8\r\n{rcpts}DATA\r\nQUIT\r\n");
    let replies = session(&running.1, group.as_bytes());
    let from = replies.find("\r\n250 2.1.0").unwrap() + 2;
    let codes: Vec<_> = replies[from..].lines().skip(1).map(|line| &line[..1]).collect();
    assert_eq!(codes[..names.len() + 1], ["5"; 9], "{replies}");
    drop(running);
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_relay_refuses_a_message_that_goes_around_in_circles() {
    let spool = folder("relay-loop");
    let program = example("relay");
    let path = spool.to_str().unwrap();
    let next = "smtp://127.0.0.1:1";
    let running = Running::start(&program, &["--listen", "127.0.0.1:0", "--to", next, path]);
    for (hops, code) in [(100, "\r\n250 2.0.0 Queued as "), (101, "\r\n554 5.4.6 ")] {
        let header = "Received: from a\r\n\tby b; date\r\n".repeat(hops);
        // Those of a body do not count.
        let body = "Received: x\r\n".repeat(50);
        let text = format!("{header}Subject: Received:\r\n\r\n{body}");
        let replies = session(
            &running.1,
            format!(
                "EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n\
                 {text}.\r\nQUIT\r\n"
            )
            .as_bytes(),
        );
        assert!(replies.contains(code), "{hops}: {replies}");
        assert_eq!(files(&spool.join("message")), 1, "the refused one is gone");
    }
    drop(running);
    fs::remove_dir_all(spool).unwrap();
}

#[test]
fn a_relay_removes_what_was_not_accepted_when_it_died() {
    let spool = folder("relay-left");
    let program = example("relay");
    for state in ["message", "queue"] {
        fs::create_dir(spool.join(state)).unwrap();
    }
    fs::write(spool.join("message/without-envelope"), "half").unwrap();
    fs::write(spool.join("queue/without-message"), "0\nMAIL FROM:<>\nRCPT TO:<b@b.example>\n")
        .unwrap();
    let path = spool.to_str().unwrap();
    let next = "smtp://127.0.0.1:1";
    let running = Running::start(&program, &["--listen", "127.0.0.1:0", "--to", next, path]);
    assert_eq!([files(&spool.join("message")), files(&spool.join("queue"))], [0, 0]);
    drop(running);
    fs::remove_dir_all(spool).unwrap();
}

/// Writes a certificate for this name, and returns it and the options that name the files.
fn certificate(folder: &Path) -> (Vec<u8>, [String; 3]) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    fs::write(&chain, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let [chain, key] = [chain, key].map(|path| path.to_str().unwrap().to_owned());
    (made.cert.pem().into_bytes(), ["--cert".to_owned(), chain, key])
}

/// Starts a relay with the user alice, which passes on to `next`. Returns it with its log.
fn relay_with_users(spool: &Path, cert: &[String], next: &str) -> (Running, impl BufRead + use<>) {
    let program = example("relay");
    let mut new_user = Command::new(&program)
        .args(["--new-user", "alice"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    new_user.stdin.take().unwrap().write_all(b"p\xc3\xa4ss word\n").unwrap();
    let users = spool.join("users");
    fs::write(&users, new_user.wait_with_output().unwrap().stdout).unwrap();
    let mut running = Command::new(&program)
        .args(["--tls", "127.0.0.1:0", "--to", next, "--users", users.to_str().unwrap()])
        .args(cert)
        .arg(spool)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(running.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let log = BufReader::new(running.stderr.take().unwrap());
    (Running(running, address.trim().to_owned()), log)
}

#[tokio::test]
async fn a_user_of_a_relay_sends_to_a_mailbox_of_a_maildir() {
    let [spool, root] = ["relay-users", "maildir-users"].map(folder);
    let mailbox = root.join("bob@b.example");
    fs::create_dir(&mailbox).unwrap();
    let arguments = ["--listen", "127.0.0.1:0", root.to_str().unwrap()];
    let maildir = Running::start(&example("maildir"), &arguments);
    let (authority, cert) = certificate(&root);
    let (running, log) = relay_with_users(&spool, &cert, &format!("smtp://{}", maildir.1));
    let port = running.1.rsplit_once(':').unwrap().1.parse().unwrap();
    let server = smtp_client::Server::tcp("127.0.0.1", port).security(Security::Tls);
    let tls = Tls::authorities_pem(&authority).unwrap().server_name("localhost").unwrap();
    let connector = Connector::new(server).tls(tls);
    // AUTH is for the relay, and not for the next server, which does not know it.
    let mail = Mail::try_from("alice@a.example").unwrap();
    let mail = mail.with(MailParam::Auth(Some(Xtext::encode("alice")))).unwrap();
    let envelope = Envelope::new(mail, ["bob@b.example"]).unwrap();
    let text = MailData::new("Subject: x\r\n\r\nHello.\r\n").unwrap();
    let without = connector.clone().connect().await.unwrap().send(&envelope, &text).await;
    assert_eq!(without.unwrap()[0].reply().to_string(), "530 5.7.0 Authentication required");
    let plus = Mechanism::SCRAM_SHA_256_PLUS;
    for mechanism in [Mechanism::PLAIN, Mechanism::LOGIN, Mechanism::SCRAM_SHA_256, plus] {
        for (user, password) in [("alice", "wrong"), ("bob", "p\u{e4}ss word")] {
            let login = Login::new(Credentials::password(user, password).unwrap());
            let connected = connector.clone().login(login.mechanisms([mechanism])).connect().await;
            let reply = connected.unwrap_err().reply().map(ToString::to_string);
            assert_eq!(reply.unwrap(), "535 5.7.8 Authentication failed", "{mechanism} {user}");
        }
    }
    let login = Login::new(Credentials::password("alice", "p\u{e4}ss word").unwrap());
    for mechanism in [Mechanism::PLAIN, Mechanism::SCRAM_SHA_256, plus] {
        let login = login.clone().mechanisms([mechanism]);
        let mut connection = connector.clone().login(login).connect().await.unwrap();
        connection.send(&envelope, &text).await.unwrap().all_or_error().unwrap();
    }
    let logged = log.lines().map(|line| line.unwrap()).filter(|line| line.contains("@b.example> "));
    for line in logged.take(3) {
        assert!(line.contains("> accepted: "), "{line}");
    }
    let delivered: Vec<_> = fs::read_dir(mailbox.join("new")).unwrap().collect();
    assert_eq!(delivered.len(), 3);
    let message = fs::read_to_string(delivered[0].as_ref().unwrap().path()).unwrap();
    assert!(message.starts_with("Return-Path: <alice@a.example>\r\nReceived: from "), "{message}");
    assert!(message.contains(" with ESMTPSA id "), "{message}");
    assert!(message.ends_with(" +0000\r\nSubject: x\r\n\r\nHello.\r\n"), "{message}");
    drop((running, maildir));
    for folder in [spool, root] {
        fs::remove_dir_all(folder).unwrap();
    }
}

/// What systemd does: the socket is descriptor 3, and `LISTEN_PID` is the process.
#[test]
fn a_socket_that_was_opened_before_is_taken_over() {
    use std::os::fd::AsFd;
    let root = folder("maildir-activated");
    let program = example("maildir");
    for kind in ["tcp", "unix"] {
        let path = root.join("socket");
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let fd = if kind == "tcp" { tcp.as_fd() } else { unix.as_fd() };
        // `exec` keeps the process, and what it sets up.
        let script = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$1\" 3<&0 0</dev/null";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .args([program.as_os_str(), root.as_os_str()])
            .stdin(Stdio::from(fd.try_clone_to_owned().unwrap()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let quit = b"QUIT\r\n";
        let mut replies = String::new();
        if kind == "tcp" {
            replies = session(&tcp.local_addr().unwrap().to_string(), quit);
        } else {
            let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
            stream.write_all(quit).unwrap();
            stream.read_to_string(&mut replies).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(replies.starts_with("220 localhost"), "{kind}: {replies}");
        assert!(replies.ends_with("221 2.0.0 Bye\r\n"), "{kind}: {replies}");
        assert!(path.exists(), "systemd's socket is not removed");
        fs::remove_file(&path).unwrap();
    }
    fs::remove_dir_all(root).unwrap();
}
