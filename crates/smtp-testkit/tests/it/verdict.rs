//! The text of a mismatch.

use smtp_testkit::{Mismatch, MismatchKind, Speaker};

use crate::client::play;

const SCRIPT: &str = "S: 220 mx.example.org ready
C: EHLO client.example.org
S: 250-mx.example.org
S: 250 SIZE 1000

# No SIZE was asked for.
C: MAIL FROM:<a@example.org>
S: 250 OK
C: RCPT TO:<b@example.org>
S: 250 OK
C: DATA
S: 354 go on
[text]
S: 250 OK";

async fn mismatch(script: &str, dialogue: &[(&str, &str)]) -> Mismatch {
    let (server, mut client) = play(script);
    for (heard, sent) in dialogue {
        client.receive(heard).await;
        client.send(sent).await;
    }
    drop(client);
    server.finish().await.unwrap_err()
}

#[track_caller]
fn check(mismatch: &Mismatch, expected: &str) {
    let shown = format!("{mismatch:?}");
    assert_eq!(shown, expected, "{shown}");
    assert_eq!(shown, format!("\n{mismatch}"), "`Debug` is `Display` on a line of its own");
}

#[tokio::test]
async fn another_line() {
    let mismatch = mismatch(
        SCRIPT,
        &[
            ("220 mx.example.org ready\r\n", "EHLO client.example.org\r\n"),
            (
                "250-mx.example.org\r\n250 SIZE 1000\r\n",
                "MAIL FROM:<a@example.org> SIZE=\t12\r\nRCPT TO:<b@example.org>\r\n",
            ),
        ],
    )
    .await;
    assert_eq!(mismatch.kind(), MismatchKind::WrongLine);
    assert_eq!(mismatch.connection(), 1);
    assert_eq!(mismatch.script_line(), Some(7));
    assert_eq!(mismatch.expected(), Some(&b"MAIL FROM:<a@example.org>\r\n"[..]));
    assert_eq!(mismatch.received(), b"MAIL FROM:<a@example.org> SIZE=\t12\r\n");
    let last = mismatch.report().dialogue().last().unwrap();
    assert_eq!(last.speaker, Speaker::Client);
    assert_eq!(last.octets, b"RCPT TO:<b@example.org>\r\n");
    check(
        &mismatch,
        r#"
connection 1 of 1, line 7 of the script: the client sent another line
  expected  "MAIL FROM:<a@example.org>\r\n"
  received  "MAIL FROM:<a@example.org> SIZE=\t12\r\n" and 25 octets more
                                      ^

        script                        | dialogue
     1  S: 220 mx.example.org ready   | S: 220 mx.example.org ready
     2  C: EHLO client.example.org    | C: EHLO client.example.org
     3  S: 250-mx.example.org         | S: 250-mx.example.org
     4  S: 250 SIZE 1000              | S: 250 SIZE 1000
>    7  C: MAIL FROM:<a@example.org>  | C: MAIL FROM:<a@example.org> SIZE=\t12
                                      | C: RCPT TO:<b@example.org>
     8  S: 250 OK                     |
     9  C: RCPT TO:<b@example.org>    |
    10  S: 250 OK                     |
    11  C: DATA                       |
        (3 lines more)                |
"#,
    );
}

#[tokio::test]
async fn a_client_that_sent_ahead() {
    let mismatch = mismatch(
        "S: 220 ready\nC: MAIL FROM:<a@example.org>\nS: 250 OK\nC: RCPT TO:<b@example.org>",
        &[("220 ready\r\n", "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n")],
    )
    .await;
    check(
        &mismatch,
        r#"
connection 1 of 1, line 3 of the script: the client sent ahead: it did not wait for the reply
  expected  nothing before the reply "250 OK\r\n"
  received  "RCPT TO:<b@example.org>\r\n"

        script                        | dialogue
     1  S: 220 ready                  | S: 220 ready
     2  C: MAIL FROM:<a@example.org>  | C: MAIL FROM:<a@example.org>
>    3  S: 250 OK                     | C: RCPT TO:<b@example.org>
     4  C: RCPT TO:<b@example.org>    |
"#,
    );
}

#[tokio::test]
async fn a_group_in_several_segments() {
    let mismatch = mismatch(
        "S: 220 ready\nC| MAIL FROM:<a@example.org>\nC| DATA",
        &[("220 ready\r\n", "MAIL FROM:<a@example.org>\r\n"), ("", "DATA\r\n")],
    )
    .await;
    check(
        &mismatch,
        r#"
connection 1 of 1, line 3 of the script: the client sent a group of lines in several segments
  expected  "DATA\r\n" in one segment with the `C|` lines around it
  received  "DATA\r\n"

        script                        | dialogue
     1  S: 220 ready                  | S: 220 ready
     2  C| MAIL FROM:<a@example.org>  | C: MAIL FROM:<a@example.org>
>    3  C| DATA                       | C: DATA
"#,
    );
}

#[tokio::test]
async fn a_client_that_closed_within_a_line() {
    let mismatch = mismatch("S: 220 ready\nC~ EHLO *", &[("220 ready\r\n", "EHLO cli")]).await;
    check(
        &mismatch,
        r#"
connection 1 of 1, line 2 of the script: the client closed too early
  expected  a line that matches "EHLO *\r\n"
  received  "EHLO cli", then the end of the connection

        script        | dialogue
     1  S: 220 ready  | S: 220 ready
>    2  C~ EHLO *     | C: EHLO cli (no end of line)
                      | # the client closed
"#,
    );
}

#[tokio::test]
async fn octets_after_the_end_of_the_script() {
    let mismatch = mismatch(
        "C: QUIT\n[text]",
        &[("", "QUIT\r\nlong\r\n1\r\n2\r\n3\r\n4\r\n5\r\n.\r\nNOOP\r\n")],
    )
    .await;
    assert_eq!(mismatch.script_line(), None);
    check(
        &mismatch,
        r#"
connection 1 of 1: the client sent octets after the end of the script
  expected  the client to close
  received  "NOOP\r\n"

        script               | dialogue
     1  C: QUIT              | C: QUIT
     2  [text]               | C: long
                             | C: 1
                             | C: 2
                             | C: 3
                             | C: 4
                             | (2 lines more)
>       (end of the script)  | C: NOOP
"#,
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_nothing() {
    let (server, mut client) = play("S: 220 ready\nC: EHLO a\nS: 250 OK\n[text]\nS: 250 OK");
    client.receive("220 ready\r\n").await;
    client.send("EHLO a").await;
    let mismatch = server.finish().await.unwrap_err();
    check(
        &mismatch,
        r#"
connection 1 of 1, line 2 of the script: the client did nothing more
  because   the watchdog expired after 10s
  expected  "EHLO a\r\n"
  received  "EHLO a"

        script        | dialogue
     1  S: 220 ready  | S: 220 ready
>    2  C: EHLO a     | C: EHLO a (no end of line)
     3  S: 250 OK     |
     4  [text]        |
     5  S: 250 OK     |
"#,
    );
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_close() {
    let (server, client) = play("S: 220 ready");
    let mismatch = server.finish().await.unwrap_err();
    check(
        &mismatch,
        r#"
connection 1 of 1, end of the script: the client did nothing more
  because   the watchdog expired after 10s
  expected  the client to close
  received  nothing

        script               | dialogue
     1  S: 220 ready         | S: 220 ready
>       (end of the script)  |
"#,
    );
    drop(client);
}

#[tokio::test]
async fn a_long_script_is_shown_around_the_mismatch() {
    let script: String = (1..=24).map(|number| format!("C: NOOP {number}\n")).collect();
    let mismatch = mismatch(
        &script.replace("NOOP 16", "RSET"),
        &[("", &script.replace("C: ", "").replace('\n', "\r\n"))],
    )
    .await;
    check(
        &mismatch,
        r#"
connection 1 of 1, line 16 of the script: the client sent another line
  expected  "RSET\r\n"
  received  "NOOP 16\r\n" and 72 octets more
             ^

        script            | dialogue
        (3 lines before)  |
     4  C: NOOP 4         | C: NOOP 4
     5  C: NOOP 5         | C: NOOP 5
     6  C: NOOP 6         | C: NOOP 6
     7  C: NOOP 7         | C: NOOP 7
     8  C: NOOP 8         | C: NOOP 8
     9  C: NOOP 9         | C: NOOP 9
    10  C: NOOP 10        | C: NOOP 10
    11  C: NOOP 11        | C: NOOP 11
    12  C: NOOP 12        | C: NOOP 12
    13  C: NOOP 13        | C: NOOP 13
    14  C: NOOP 14        | C: NOOP 14
    15  C: NOOP 15        | C: NOOP 15
>   16  C: RSET           | C: NOOP 16
                          | C: NOOP 17
                          | C: NOOP 18
                          | C: NOOP 19
                          | C: NOOP 20
                          | (4 lines more)
    17  C: NOOP 17        |
    18  C: NOOP 18        |
    19  C: NOOP 19        |
    20  C: NOOP 20        |
        (4 lines more)    |
"#,
    );
}

#[tokio::test]
async fn a_connection_that_is_never_made() {
    let (server, dialer) =
        smtp_testkit::Server::builder().script(crate::client::script("C: QUIT")).pipes();
    drop(dialer);
    let mismatch = server.finish().await.unwrap_err();
    check(
        &mismatch,
        r#"
connection 1 of 1: the client did not connect
  because   no client can connect: every `Dialer` was dropped
  expected  a connection
"#,
    );
}

#[tokio::test]
async fn a_handshake_that_fails() {
    let mismatch = mismatch("[tls]\nS: 220 ready", &[("", "EHLO a\r\n")]).await;
    check(
        &mismatch,
        r#"
connection 1 of 1, line 1 of the script: the TLS handshake failed
  because   received corrupt message of type InvalidContentType
  expected  a TLS handshake

        script        | dialogue
>    1  [tls]         |
     2  S: 220 ready  |
"#,
    );
}
