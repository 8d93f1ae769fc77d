//! How a connection that blocks is opened, looked at before a command, and left.
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;

use smtp_client::{
    Broken, Credentials, EhloCache, Ended, Envelope, Error, ErrorKind, Field, Hint, Login,
    MailData, Misbehaved, Server, Step, Timeouts,
    blocking::{Connection, Connector},
    sasl::{Secret, Token},
    session::{ClearText, Dialect},
};
use smtp_testkit::Server as TestServer;

use super::{PATIENCE, SHORT, connector, play, play_on, short_at};
use crate::stage::{opening, parse};

fn is_sendable<T: Send>() {}

#[test]
fn a_connection_goes_from_thread_to_thread() {
    is_sendable::<Connection>();
    is_sendable::<Connector>();
}

#[test]
fn a_silent_greeting_times_out_and_hints_at_tls() {
    let server = TestServer::tcp(parse("[stall]")).unwrap();
    let connector = connector(server.addr(), Dialect::Smtp).timeouts(short_at(Step::Greeting));
    let error = connector.connect().unwrap_err();
    let timed_out =
        matches!(error.kind(), ErrorKind::Broken(Broken::TimedOut { after }) if *after == SHORT);
    assert!(timed_out && error.step() == Step::Greeting, "{error:?}");
    assert_eq!(error.hint(), Some(Hint::ImplicitTls));
    server.finish().wait().unwrap();
}

#[test]
fn the_deadline_covers_connecting_as_a_whole() {
    let server = TestServer::tcp(parse("S: 220 hi\nC: EHLO client.example\n[stall]")).unwrap();
    let mut timeouts = Timeouts::every_step(PATIENCE);
    timeouts.operation = Some(20 * SHORT);
    let error = connector(server.addr(), Dialect::Smtp).timeouts(timeouts).connect().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Deadline { .. })), "{error:?}");
    assert_eq!(error.step(), Step::Hello);
}

#[test]
fn what_cannot_be_connected_to_says_so() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for server in [Server::tcp("127.0.0.1", port), Server::unix("/nonexistent/socket")] {
        let error = Connector::new(server).connect().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Io(_))), "{error:?}");
        assert_eq!(error.step(), Step::Connect);
    }
    let error = Connector::new(Server::tcp("", port)).connect().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid(found) if found.field == Field::Server));
}

#[test]
fn a_refused_login_is_followed_by_quit() {
    let script = opening(Dialect::Smtp, &["AUTH PLAIN"])
        + "C: AUTH PLAIN AHRpbQBwdw==\nS: 535 5.7.8 no\nC: QUIT\n[expect-close]";
    let server = TestServer::tcp(parse(&script)).unwrap();
    let login = Login::new(Credentials::password("tim", "pw").unwrap());
    let connector = connector(server.addr(), Dialect::Smtp);
    let error = connector.login(login.clear_text(ClearText::Allowed)).connect().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Refused(reply) if reply.code() == 535), "{error:?}");
    server.finish().wait().unwrap();
}

/// What comes of a login with a token that is fetched so.
fn login_with(token: Token, rest: &str) -> Result<(), Error> {
    play_on(&["AUTH XOAUTH2"], rest, |connection| {
        *connection.timeouts_mut() = short_at(Step::Auth);
        let login = Login::new(Credentials::bearer("me@x.org", token).unwrap());
        connection.login(&login.clear_text(ClearText::Allowed))
    })
}

#[test]
fn a_token_is_fetched_on_this_thread_or_from_another() {
    let (teller, told) = tokio::sync::oneshot::channel();
    let told = std::sync::Mutex::new(Some(told));
    let token = Token::fetched(move || {
        let told = told.lock().unwrap().take().unwrap();
        async { told.await.map(Secret::from) }
    });
    let telling = std::thread::spawn(move || teller.send("secret".to_owned()).unwrap());
    let said = "C: AUTH XOAUTH2 dXNlcj1tZUB4Lm9yZwFhdXRoPUJlYXJlciBzZWNyZXQBAQ==\nS: 235 hi\n";
    login_with(token, said).unwrap();
    telling.join().unwrap();
}

#[test]
fn a_token_that_does_not_come_is_given_up() {
    let token = Token::fetched(std::future::pending::<Result<Secret, std::io::Error>>);
    let error = login_with(token, "").unwrap_err();
    let timed_out =
        matches!(error.kind(), ErrorKind::Broken(Broken::TimedOut { after }) if *after == SHORT);
    assert!(timed_out && error.step() == Step::Auth, "{error:?}");
}

#[test]
fn a_surplus_reply_is_noticed_before_the_next_command() {
    let rest = "C: NOOP\n[raw \"250 ok\\r\\n250 extra\\r\\n\"]";
    play_on(&[], rest, |connection| {
        connection.noop().unwrap();
        let error = connection.reset().unwrap_err();
        let found = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)));
        assert!(found, "{error:?}");
        assert!(matches!(connection.noop().unwrap_err().kind(), ErrorKind::Ended(_)));
    });
}

#[test]
fn quit_ends_both_directions() {
    for end in ["[close]", "[expect-close]"] {
        play_on(&[], &format!("C: QUIT\nS: 221 bye\n{end}"), |connection| {
            assert_eq!(connection.quit().unwrap().code(), 221);
            assert_eq!(connection.ended(), Some(&Ended::Quit));
            assert!(matches!(connection.noop().unwrap_err().kind(), ErrorKind::Ended(Ended::Quit)));
        });
    }
}

#[test]
fn sockets_that_are_open_already_are_taken() {
    let script = opening(Dialect::Smtp, &[]) + "C: NOOP\nS: 250 ok";
    let server = TestServer::tcp(parse(&script)).unwrap();
    let connector = connector(server.addr(), Dialect::Smtp);
    let socket = TcpStream::connect(server.addr()).unwrap();
    let mut connection = connector.connect_over(socket).unwrap();
    connection.noop().unwrap();
    drop(connection);
    server.finish().wait().unwrap();
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_connected_to_or_brought() {
    for is_brought in [false, true] {
        let name = format!("smtp-client-{}-{is_brought}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let hello = if is_brought { "localhost" } else { "client.example" };
        let script = format!("S: 220 hi\nC: LHLO {hello}\nS: 250 hi\nC: QUIT\nS: 221 bye");
        let server = TestServer::builder().script(parse(&script)).unix(&path).unwrap();
        let address = Server::unix(&path).dialect(Dialect::Lmtp);
        let mut connection = match is_brought {
            true => Connector::new(address).connect_over(UnixStream::connect(&path).unwrap()),
            false => Connector::new(address).hello_name(hello.parse().unwrap()).connect(),
        }
        .unwrap();
        connection.quit().unwrap();
        server.finish().wait().unwrap();
    }
}

#[test]
fn atrn_gives_the_stream_away() {
    use std::io::{BufRead, BufReader, Write};
    let rest = "C: ATRN\nS: 250 ok\nC: 220 mine\nS: EHLO you";
    play_on(&["ATRN"], rest, |connection| {
        let mut stream = connection.atrn(None).unwrap();
        stream.write_all(b"220 mine\r\n").unwrap();
        stream.flush().unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert_eq!(line, "EHLO you\r\n");
    });
}

#[test]
fn settings_for_a_while_are_as_before_afterwards() {
    let rest = "C: NOOP\n[stall]";
    play_on(&[], rest, |connection| {
        let usual = *connection.timeouts_mut();
        connection.scoped_timeouts(short_at(Step::Noop)).noop().unwrap_err();
        assert_eq!(*connection.timeouts_mut(), usual);
    });
}

#[test]
fn a_remembered_server_is_sent_a_message_before_it_greets() {
    let offer = "S: 250-hi\nS: 250-PIPELINING\nS: 250 PIPECONNECT\n";
    let commands = "MAIL FROM:<a@x.org>\nC| RCPT TO:<b@x.org>\nC| DATA\n";
    let usual = format!(
        "S: 220 hi\nC: EHLO client.example\n{offer}C| {commands}S: 250 ok\n\
        S: 250 ok\nS: 354 go\n[text]\nS: 250 ok"
    );
    let early = format!(
        "C| EHLO client.example\nC| {commands}S: 220 hi\n{offer}S: 250 ok\n\
        S: 250 ok\nS: 354 go\n[text]\nS: 250 ok"
    );
    let memory = EhloCache::default();
    for script in [usual, early] {
        let server = TestServer::tcp(parse(&script)).unwrap();
        let connector = connector(server.addr(), Dialect::Smtp).ehlo_cache(memory.clone());
        let envelope = Envelope::new("a@x.org", ["b@x.org"]).unwrap();
        let text = MailData::new("x\r\n").unwrap();
        let (connection, delivery) = connector.deliver(&envelope, &text).unwrap();
        assert!(delivery.all_accepted());
        drop(connection);
        server.finish().wait().unwrap();
    }
}

#[test]
fn a_connection_that_the_server_has_closed_says_so_before_anything_is_written() {
    let (error, verdict) = play(&(opening(Dialect::Smtp, &[]) + "[close]"), Dialect::Smtp, |one| {
        let connection = one.as_mut().unwrap();
        // The end may be on its way still: then the command meets it.
        connection.noop().unwrap_err()
    });
    let ended = matches!(error.kind(), ErrorKind::Ended(Ended::Closed) | ErrorKind::Broken(_));
    assert!(ended, "{error:?}");
    drop(verdict);
}
