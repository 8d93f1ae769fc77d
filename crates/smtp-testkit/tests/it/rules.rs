//! The server with rules: strict by default, with the exceptions of a test.

use std::time::Duration;

use smtp_testkit::{Answer, Pipe, Protocol, Rule, Scope, Server, ServerBuilder, When};

use crate::client::Client;

const EHLO: &str = "EHLO client.example";

/// Checks the replies to these lines, in order; the replies of a group follow its last line.
async fn talk(server: ServerBuilder, dialogue: &[(&str, &str)]) -> Server {
    let (server, pipe) = server.pipe();
    let mut client = Client(pipe);
    client.receive("220 mx.testkit.example ESMTP ready\r\n").await;
    run(&mut client, dialogue).await;
    server
}

async fn run(client: &mut Client<Pipe>, dialogue: &[(&str, &str)]) {
    for (sent, heard) in dialogue {
        client.send(&format!("{sent}\r\n")).await;
        if !heard.is_empty() {
            client.receive(&format!("{heard}\r\n")).await;
        }
    }
}

const GREETED: (&str, &str) = (EHLO, "250 mx.testkit.example");
const MAIL: (&str, &str) = ("MAIL FROM:<a@example.org>", "250 sender taken");
const RCPT: (&str, &str) = ("RCPT TO:<b@example.org>", "250 recipient taken");
const DATA: (&str, &str) = ("DATA", "354 end with CRLF.CRLF");
const TEXT: (&str, &str) = ("Subject: hi\r\n\r\n..dot\r\n.", "250 message taken");
const QUIT: (&str, &str) = ("QUIT", "221 goodbye");

#[tokio::test]
async fn a_message_is_accepted_and_reported() {
    let server = talk(Server::builder(), &[GREETED, MAIL, RCPT, DATA, TEXT, QUIT]).await;
    let report = server.finish().await.unwrap();
    let [message] = report.messages()[..] else { panic!("one message: {report:?}") };
    assert_eq!(message.sender().as_deref(), Some("a@example.org"));
    assert_eq!(message.recipients(), ["b@example.org"]);
    assert_eq!(message.sent(), b"Subject: hi\r\n\r\n..dot\r\n.\r\n");
    assert_eq!(message.text(), b"Subject: hi\r\n\r\n.dot\r\n");
    assert_eq!((message.tls(), message.login()), (None, None));
    assert_eq!(report.lints(), []);
}

#[tokio::test]
async fn commands_in_the_wrong_order_are_refused() {
    let refused = "503 MAIL comes first";
    let dialogue = [
        ("MAIL FROM:<a@example.org>", "503 EHLO comes first"),
        GREETED,
        RCPT_REFUSED,
        ("DATA", refused),
        MAIL,
        ("MAIL FROM:<c@example.org>", "503 a transaction has begun already"),
        ("DATA", "503 RCPT comes first"),
        ("RSET", "250 forgotten"),
        ("DATA", refused),
        ("WHAT", "500 unknown command"),
        ("LHLO a", "500 unknown command"),
        (
            "MAIL FROM: <a@example.org>",
            "501 `MAIL FROM:` and `RCPT TO:` must be followed by an address in angle brackets",
        ),
        QUIT,
    ];
    talk(Server::builder(), &dialogue).await.finish().await.unwrap();
}

const RCPT_REFUSED: (&str, &str) = ("RCPT TO:<b@example.org>", "503 MAIL comes first");

#[tokio::test]
async fn extensions_that_are_not_offered_are_refused() {
    let dialogue = [
        GREETED,
        ("MAIL FROM:<a@example.org> SIZE=3", "555 SIZE is not offered"),
        ("MAIL FROM:<a@example.org> XODD=3", "555 XODD is not offered"),
        ("STARTTLS", "502 STARTTLS is not offered"),
        ("AUTH PLAIN", "502 AUTH is not offered"),
        ("MAIL FROM:<käse@example.org>", "553 UTF-8 needs SMTPUTF8"),
        QUIT,
    ];
    talk(Server::builder(), &dialogue).await.finish().await.unwrap();
}

#[tokio::test]
async fn limits_are_enforced() {
    let limits = Server::builder().offer("LIMITS MAILMAX=2 RCPTMAX=2 RCPTDOMAINMAX=2");
    let taken = "250 recipient taken";
    let dialogue = [
        (EHLO, "250-mx.testkit.example\r\n250 LIMITS MAILMAX=2 RCPTMAX=2 RCPTDOMAINMAX=2"),
        MAIL,
        ("RCPT TO:<a@one.example>", taken),
        ("RCPT TO:<b@ONE.example>", taken),
        ("RCPT TO:<c@one.example>", "452 enough recipients for this message"),
        ("RSET", "250 forgotten"),
        MAIL,
        ("RCPT TO:<d@two.example>", taken),
        ("RCPT TO:<e@three.example>", "452 enough domains on this connection"),
        ("RSET", "250 forgotten"),
        ("MAIL FROM:<a@example.org>", "451 enough messages on this connection"),
    ];
    talk(limits, &dialogue).await.finish().await.unwrap();
}

#[tokio::test]
async fn helo_offers_nothing() {
    let dialogue = [
        ("HELO a", "250 mx.testkit.example"),
        ("MAIL FROM:<a@example.org> SIZE=3", "555 SIZE is not offered"),
        ("BDAT 0 LAST", "502 BDAT is not offered"),
        ("ETRN x", "502 ETRN is not offered"),
        MAIL,
    ];
    let builder = Server::builder().offer("SIZE").offer("CHUNKING").offer("ETRN");
    talk(builder, &dialogue).await.finish().await.unwrap();
}

#[tokio::test]
async fn offered_extensions_are_implemented() {
    let builder = Server::builder()
        .offer("SIZE 30")
        .offer("ENHANCEDSTATUSCODES")
        .offer("8BITMIME")
        .offer("SMTPUTF8")
        .offer("DSN")
        .offer("XODD")
        .offer("LIMITS RCPTMAX=1");
    let dialogue = [
        (
            EHLO,
            "250-mx.testkit.example\r\n250-SIZE 30\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-XODD\r\n250 LIMITS RCPTMAX=1",
        ),
        ("MAIL FROM:<a@example.org> SIZE=31", "552 5.3.4 too large"),
        ("MAIL FROM:<a@example.org> SIZE=x", "501 5.5.4 `x` is not a value of SIZE"),
        ("MAIL FROM:<a@example.org> BODY=BINARYMIME", "555 5.5.4 BODY is not offered"),
        ("MAIL FROM:<käse@example.org> SMTPUTF8 RET=FULL XODD=1", "250 2.1.0 sender taken"),
        ("RCPT TO:<b@example.org> NOTIFY=NEVER", "250 2.1.5 recipient taken"),
        ("RCPT TO:<c@example.org>", "452 4.5.3 enough recipients for this message"),
        DATA,
        ("1234567890123456789012345678901\r\n.", "552 5.3.4 the text is too large"),
        ("QUIT", "221 2.0.0 goodbye"),
    ];
    let report = talk(builder, &dialogue).await.finish().await.unwrap();
    assert!(report.messages().is_empty(), "a text that was refused is no message");
}

#[tokio::test]
async fn the_second_rcpt_to_an_address_is_refused_once() {
    let full = Rule::on("RCPT TO:<b@example.org>*").after(1).times(1).reply("452 4.2.2 full");
    let dialogue = [GREETED, MAIL, RCPT, ("RCPT TO:<b@example.org>", "452 4.2.2 full"), RCPT, RCPT];
    talk(Server::builder().rule(full), &dialogue).await.finish().await.unwrap();
}

#[tokio::test]
async fn the_first_attempt_is_greylisted() {
    let grey = Rule::on("RCPT *").counted(Scope::Envelope).times(1).reply("451 4.7.1 later");
    let later = |line| (line, "451 4.7.1 later");
    let dialogue = [
        GREETED,
        MAIL,
        later("RCPT TO:<b@example.org>"),
        later("RCPT TO:<c@example.org>"),
        ("RSET", "250 forgotten"),
        MAIL,
        RCPT,
        ("RSET", "250 forgotten"),
        ("MAIL FROM:<other@example.org>", "250 sender taken"),
        later("RCPT TO:<b@example.org>"),
    ];
    talk(Server::builder().rule(grey), &dialogue).await.finish().await.unwrap();
}

#[tokio::test]
async fn rules_are_used_in_order() {
    let one = Rule::on("NOOP*").times(1).reply("450 first");
    let two = Rule::on("NOOP*").times(2).reply("450 second");
    let noop = |heard| ("NOOP", heard);
    let dialogue = [noop("450 first"), noop("450 second"), noop("450 second"), noop("250 OK")];
    talk(Server::builder().rule(one).rule(two), &dialogue).await.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_limited() {
    let minute = Duration::from_secs(60);
    let fast = Rule::on("NOOP").above(2, minute).reply("450 too fast");
    let (server, pipe) = Server::builder().rule(fast).pipe();
    let mut client = Client(pipe);
    client.receive("220 mx.testkit.example ESMTP ready\r\n").await;
    let ok = ("NOOP", "250 OK");
    run(&mut client, &[ok, ok, ("NOOP", "450 too fast")]).await;
    tokio::time::advance(minute).await;
    run(&mut client, &[ok]).await;
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_rule_may_depend_on_the_state() {
    let login_first = Rule::on("MAIL *").when(When::LoggedOut).reply("530 5.7.0 log in first");
    let builder = Server::builder().rule(login_first).offer("AUTH PLAIN").user("tim", "secret");
    let dialogue = [
        (EHLO, "250-mx.testkit.example\r\n250 AUTH PLAIN"),
        ("MAIL FROM:<a@example.org>", "530 5.7.0 log in first"),
        ("AUTH PLAIN AHRpbQBzZWNyZXQ=", "235 welcome"),
        MAIL,
    ];
    talk(builder, &dialogue).await.finish().await.unwrap();
}

#[tokio::test]
async fn the_connection_ends_after_a_number_of_messages() {
    let enough = Rule::text().counted(Scope::Connection).after(1);
    let enough = enough.answer("[usual]\nS: 421 4.7.0 enough\n[close]".parse().unwrap());
    let message = [MAIL, RCPT, DATA, TEXT];
    let last = (TEXT.0, "250 message taken\r\n421 4.7.0 enough");
    let dialogue = [&[GREETED][..], &message, &message[..3], &[last]].concat();
    let server = talk(Server::builder().rule(enough), &dialogue).await;
    let report = server.finish().await.unwrap();
    assert_eq!(report.messages().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_disconnected() {
    let minutes = Duration::from_secs(300);
    let idle = Rule::idle(minutes).answer("S: 421 4.4.2 idle\n[close]".parse().unwrap());
    let (server, pipe) = Server::builder().rule(idle).pipe();
    let begun = tokio::time::Instant::now();
    let mut client = Client(pipe);
    client.receive("220 mx.testkit.example ESMTP ready\r\n421 4.4.2 idle\r\n").await;
    client.receive_end().await;
    assert_eq!(begun.elapsed(), minutes);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_message_is_recorded_before_the_client_receives_the_reply() {
    let lost = Rule::text().answer("[close]".parse().unwrap());
    let server =
        talk(Server::builder().rule(lost), &[GREETED, MAIL, RCPT, DATA, (TEXT.0, "")]).await;
    assert_eq!(server.messages(1).await.unwrap()[0].recipients(), ["b@example.org"]);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn lmtp_has_a_reply_for_each_recipient() {
    let full = Rule::text_for("full@*").reply("552 5.2.2 full");
    let (server, pipe) = Server::builder().protocol(Protocol::Lmtp).rule(full).pipe();
    let mut client = Client(pipe);
    client.receive("220 mx.testkit.example LMTP ready\r\n").await;
    let taken = "250 2.1.5 recipient taken";
    let dialogue = [
        ("EHLO a", "500 5.5.1 unknown command"),
        ("LHLO a", "250-mx.testkit.example\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES"),
        ("MAIL FROM:<>", "250 2.1.0 sender taken"),
        ("RCPT TO:<full@example.org>", taken),
        ("RCPT TO:<b@example.org>", taken),
        DATA,
        (TEXT.0, "552 5.2.2 full\r\n250 2.0.0 message taken"),
        ("QUIT", "221 2.0.0 goodbye"),
    ];
    run(&mut client, &dialogue).await;
    drop(client);
    assert_eq!(server.finish().await.unwrap().messages()[0].sender().as_deref(), Some(""));
}

#[tokio::test]
async fn prdr_has_a_reply_for_each_recipient_and_one_more() {
    let spam = Rule::text_for("b@*").reply("550 5.7.1 spam");
    let dialogue = [
        (EHLO, "250-mx.testkit.example\r\n250 PRDR"),
        ("MAIL FROM:<a@example.org> PRDR", "250 sender taken"),
        RCPT,
        ("RCPT TO:<c@example.org>", "250 recipient taken"),
        DATA,
        (
            TEXT.0,
            "353 a reply for each recipient follows\r\n550 5.7.1 spam\r\n250 message taken\r\n250 done",
        ),
    ];
    talk(Server::builder().offer("PRDR").rule(spam), &dialogue).await.finish().await.unwrap();
}

#[tokio::test]
async fn chunks_are_counted_and_refused_chunks_are_skipped() {
    let dialogue = [
        (EHLO, "250-mx.testkit.example\r\n250 CHUNKING"),
        ("BDAT 6\r\nRSET", "503 MAIL comes first"),
        MAIL,
        RCPT,
        ("BDAT 3\r\na", "250 chunk taken"),
        ("DATA", "503 the text came as BDAT"),
        ("BDAT 6 LAST\r\n.\r\nb", "250 message taken"),
        QUIT,
    ];
    let report = talk(Server::builder().offer("CHUNKING"), &dialogue).await.finish().await.unwrap();
    assert_eq!(report.messages()[0].chunks(), [3, 6]);
    assert_eq!(report.messages()[0].text(), b"a\r\n.\r\nb\r\n");
}

#[tokio::test]
async fn a_closure_answers_commands() {
    let mut pings = 0;
    let builder = Server::builder().respond(move |asked| {
        pings += 1;
        (asked.verb() == "XPING").then(|| Answer::reply(&format!("250 pong {pings}")))
    });
    let dialogue = [("XPING", "250 pong 1"), ("NOOP", "250 OK"), ("XPING", "250 pong 3")];
    talk(builder, &dialogue).await.finish().await.unwrap();
}
