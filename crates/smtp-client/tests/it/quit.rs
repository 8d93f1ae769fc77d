//! QUIT: how a session ends regularly, and how it ends if the server does not cooperate.
use std::time::Duration;

use smtp_client::{Connector, Ended, ErrorKind, Security, Server, Tls, session::Dialect};
use smtp_testkit::{Authority, Server as TestServer, pipe};

use crate::{
    act::Act,
    manner::{Manner, Stuck, serve},
    operation::Operation,
    session_commands::check_ended,
    stage::{connector, opening, parse, perform, play_on},
};

#[test]
fn after_quit_every_call_fails_and_writes_nothing() {
    let rest = "C: QUIT\nS: 221-2.0.0 bye\nS: 221 bye\n[expect-close]";
    play_on(&[], rest, async |mut connection| {
        let reply = connection.quit().await.unwrap();
        assert_eq!((reply.code().get(), reply.as_bytes()), (221, &b"2.0.0 bye\nbye"[..]));
        check_ended(&mut connection, &Ended::Quit).await;
    });
}

#[test]
fn the_server_sees_the_end_while_the_connection_still_lives() {
    let rest = "C: QUIT\nS: 221 bye\n[expect-close]";
    perform(async {
        let script = parse(&(opening(Dialect::Smtp, &[]) + rest));
        let (server, pipe) = TestServer::pipe(script);
        let mut connection = connector(Dialect::Smtp).connect_over(pipe).await.unwrap();
        connection.quit().await.unwrap();
        server.finish().await.unwrap();
        assert_eq!(connection.ended(), Some(&Ended::Quit));
    });
}

#[test]
fn under_tls_close_notify_is_sent() {
    perform(async {
        let authority = Authority::new();
        let trusted = Tls::authorities([authority.der().to_vec().into()]).unwrap();
        let server = Server::tcp("localhost", 465);
        let server = server.security(Security::Tls);
        let name = "client.example".parse().unwrap();
        let connector = Connector::new(server).hello_name(name).tls(trusted);
        let script = format!("[tls]\n{}C: QUIT\nS: 221 bye", opening(Dialect::Smtp, &[]));
        let builder = TestServer::builder().script(parse(&script)).authority(authority);
        let (server, pipe) = builder.pipe();
        let mut connection = connector.connect_over(pipe).await.unwrap();
        connection.quit().await.unwrap();
        check_ended(&mut connection, &Ended::Quit).await;
        let report = server.finish().await.unwrap();
        assert!(report.connections()[0].tls().unwrap().close_notify);
    });
}

#[test]
fn a_server_that_does_not_close_is_waited_for_a_moment_only() {
    perform(async {
        let script = parse(&(opening(Dialect::Smtp, &[]) + "C: QUIT\nS: 221 bye\n[stall]"));
        let (server, pipe) = TestServer::pipe(script);
        let mut connection = connector(Dialect::Smtp).connect_over(pipe).await.unwrap();
        connection.timeouts_mut().close = Duration::from_secs(3);
        let begun = tokio::time::Instant::now();
        connection.quit().await.unwrap();
        assert!(begun.elapsed() <= Duration::from_secs(3));
        server.finish().await.unwrap();
    });
}

#[test]
fn quit_closes_after_any_reply() {
    for (reply, kind) in [
        ("S: 500 what?", "refused"),
        ("S: 451 not now", "refused"),
        ("S: 250 ok", "misbehaved"),
        ("S: 354 go on", "misbehaved"),
        ("S: what?", "misbehaved"),
        ("[close]", "broken"),
        ("[stall]", "broken"),
    ] {
        perform(async {
            let rest = if reply.starts_with('[') { "" } else { "\n[expect-close]" };
            let script = format!("{}C: QUIT\n{reply}{rest}", opening(Dialect::Smtp, &[]));
            let (server, pipe) = TestServer::pipe(parse(&script));
            let mut connection = connector(Dialect::Smtp).connect_over(pipe).await.unwrap();
            let error = connection.quit().await.unwrap_err();
            let found = match error.kind() {
                ErrorKind::Refused(_) => "refused",
                ErrorKind::Misbehaved(_) => "misbehaved",
                ErrorKind::Broken(_) => "broken",
                other => panic!("{reply}: {other:?}"),
            };
            assert_eq!(found, kind, "{reply}");
            // The connection still lives: it is not its end that closes.
            server.finish().await.unwrap();
            let ended = connection.ended().cloned().unwrap();
            check_ended(&mut connection, &ended).await;
        });
    }
}

#[test]
fn closing_counts_for_the_deadline_of_the_operation() {
    perform(async {
        let (client, server) = pipe(1000);
        let service = Act::SimpleCommand(Operation::Quit).service();
        // It answers QUIT, and then neither reads nor closes.
        let server = tokio::spawn(serve(server, service, Manner::Stuck(1, Stuck::Deaf)));
        let mut connection = connector(Dialect::Smtp).connect_over(client).await.unwrap();
        connection.timeouts_mut().close = Duration::from_secs(9);
        connection.timeouts_mut().operation = Some(Duration::from_secs(4));
        let begun = tokio::time::Instant::now();
        connection.quit().await.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(4));
        server.abort();
    });
}
