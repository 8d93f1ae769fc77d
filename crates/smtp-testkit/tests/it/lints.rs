//! The mistakes that a server with rules detects, and how it reports them.

use smtp_testkit::{Lint, Mismatch, MismatchKind, Report, Rule, Server, ServerBuilder};

use crate::client::Client;

/// The result for a client that sends these pieces, each after a reply.
async fn outcome(builder: ServerBuilder, sent: &[&str]) -> Result<Report, Mismatch> {
    let (server, pipe) = builder.pipe();
    let mut client = Client(pipe);
    client.receive_segment().await;
    for piece in sent {
        client.send(piece).await;
        client.receive_segment().await;
    }
    drop(client);
    server.finish().await
}

/// The mistakes of a client that sends these pieces, and then QUIT after the last reply.
async fn check(builder: ServerBuilder, sent: &[&str], lints: &[Lint]) -> Report {
    let report = outcome(builder, &[sent, &["QUIT\r\n"]].concat()).await.unwrap();
    assert_eq!(report.lints(), lints, "{sent:?}: {report:#?}");
    report
}

const EHLO: &str = "EHLO client.example\r\n";
const MAIL: &str = "MAIL FROM:<a@example.org>\r\n";
const RCPT: &str = "RCPT TO:<b@example.org>\r\n";
const DATA: &str = "DATA\r\n";

fn plain() -> ServerBuilder {
    Server::builder()
}

/// A transaction with this text.
fn text<'a>(mail: &'a str, text: &'a str) -> [&'a str; 5] {
    [EHLO, mail, RCPT, DATA, text]
}

#[tokio::test]
async fn a_group_needs_the_offer() {
    let group = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n";
    check(plain(), &[EHLO, group], &[Lint::PipelinedWithoutOffer]).await;
    check(plain().offer("PIPELINING"), &[EHLO, group], &[]).await;
    // Before EHLO, the client cannot know the extensions.
    check(plain().offer("PIPELINING"), &["NOOP\r\nNOOP\r\n"], &[Lint::PipelinedWithoutOffer]).await;
}

#[tokio::test]
async fn a_group_ends_with_some_commands() {
    let pipelining = || plain().offer("PIPELINING");
    for last in ["EHLO client.example", "NOOP", "VRFY b", "HELP"] {
        let group = format!("{last}\r\nRSET\r\n");
        check(pipelining(), &[EHLO, &group, ""], &[Lint::PastSynchronization]).await;
    }
    // The next transaction may follow the text of the message before it.
    let next = ".\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n";
    check(pipelining(), &text(MAIL, next), &[]).await;
}

#[tokio::test]
async fn octets_before_the_greeting_are_a_finding() {
    let (server, pipe) = plain().pipe();
    let mut client = Client(pipe);
    client.send(EHLO).await;
    client.receive("220 mx.testkit.example ESMTP ready\r\n250 mx.testkit.example\r\n").await;
    client.send("QUIT\r\n").await;
    drop(client);
    assert_eq!(server.finish().await.unwrap().lints(), [Lint::BeforeGreeting]);
}

#[tokio::test]
async fn octets_above_127_have_to_be_announced() {
    let eight = || plain().offer("8BITMIME").offer("SMTPUTF8");
    let body = "Subject: a\r\n\r\nä\r\n.\r\n";
    let header = "Subject: ä\r\n\r\na\r\n.\r\n";
    check(eight(), &text(MAIL, body), &[Lint::EightBitWithoutBody]).await;
    check(eight(), &text(MAIL, header), &[Lint::Utf8WithoutSmtpUtf8]).await;
    check(eight(), &text("MAIL FROM:<a@b.example> BODY=8BITMIME\r\n", body), &[]).await;
    check(eight(), &text("MAIL FROM:<a@b.example> SMTPUTF8\r\n", header), &[]).await;
    let address = "MAIL FROM:<ä@b.example>\r\n";
    check(eight(), &[EHLO, address], &[Lint::Utf8WithoutSmtpUtf8]).await;
}

#[tokio::test]
async fn a_size_may_not_be_too_small() {
    let size = || plain().offer("SIZE");
    let lied = text("MAIL FROM:<a@b.example> SIZE=4\r\n", "..a\r\nb\r\n.\r\n");
    check(size(), &lied, &[Lint::SizeLies]).await;
    let true_size = text("MAIL FROM:<a@b.example> SIZE=7\r\n", "..a\r\nb\r\n.\r\n");
    check(size(), &true_size, &[]).await;
}

#[tokio::test]
async fn lines_end_in_crlf() {
    check(plain(), &[EHLO, "NOOP\n"], &[Lint::BareLf]).await;
    check(plain(), &[EHLO, "NO\rOP\r\n"], &[Lint::BareCr]).await;
    check(plain(), &text(MAIL, "a\nb\r\n.\r\n"), &[Lint::BareLf]).await;
    check(plain(), &text(MAIL, "a\rb\r\n.\r\n"), &[Lint::BareCr]).await;
    let tolerant = plain().tolerate(Lint::BareLf);
    let report = check(tolerant, &text(MAIL, "a\nb\r\n.\r\n"), &[Lint::BareLf]).await;
    assert_eq!(report.messages().len(), 1, "what is tolerated is accepted");
}

#[tokio::test]
async fn lines_have_their_limits() {
    let noop = |length: usize| format!("NOOP {}\r\n", "x".repeat(length - 7));
    check(plain(), &[EHLO, &noop(512)], &[]).await;
    check(plain(), &[EHLO, &noop(513)], &[Lint::OverLongLine]).await;
    let line = |length: usize| format!(".{}\r\n.\r\n", ".".repeat(length - 2));
    check(plain(), &text(MAIL, &line(1000)), &[]).await;
    check(plain(), &text(MAIL, &line(1001)), &[Lint::OverLongLine]).await;
}

#[tokio::test]
async fn a_dot_has_to_be_doubled() {
    check(plain(), &text(MAIL, "a\r\n.b\r\n.\r\n"), &[Lint::MissingDotStuffing]).await;
    check(plain(), &text(MAIL, ".b\r\n.\r\n"), &[Lint::MissingDotStuffing]).await;
    check(plain(), &text(MAIL, "a\r\n..b\r\n..\r\n.\r\n"), &[]).await;
}

#[tokio::test]
async fn a_client_has_to_send_quit() {
    let report = outcome(plain(), &[EHLO]).await.unwrap();
    assert_eq!(report.lints(), [Lint::NoQuit]);
    // A connection that was open when the test asked for the result is no mistake.
    let (server, pipe) = plain().pipe();
    let mut client = Client(pipe);
    client.receive_segment().await;
    assert_eq!(server.finish().await.unwrap().lints(), []);
}

#[tokio::test]
async fn a_denied_mistake_names_its_place_and_its_remedy() {
    let group = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n";
    let mismatch =
        outcome(plain().deny(Lint::ALL), &[EHLO, group, "", "RSET\r\n"]).await.unwrap_err();
    assert_eq!(mismatch.kind(), MismatchKind::Denied);
    let lints: Vec<Lint> = mismatch.findings().map(|finding| finding.lint).collect();
    assert_eq!(lints, [Lint::PipelinedWithoutOffer, Lint::NoQuit]);
    let shown = mismatch.to_string();
    let expected = "\
the client made mistakes that this test denies
  connection 1, line 4: the client pipelined though PIPELINING is not offered: `RCPT TO:<b@example.org>` arrived before the reply
      fix: wait for each reply unless the server's EHLO reply lists PIPELINING
  connection 1, line 10: the client closed without QUIT: the connection ended before QUIT
      fix: send QUIT and read its reply before closing

connection 1 of 1
     1  S: 220 mx.testkit.example ESMTP ready
     2  C: EHLO client.example
     3  S: 250 mx.testkit.example
>    4  C: MAIL FROM:<a@example.org>
     5  S: 250 sender taken
     6  C: RCPT TO:<b@example.org>
     7  S: 250 recipient taken
     8  C: RSET
     9  S: 250 forgotten
>   10  # the client closed
    11  # the server closed
";
    assert_eq!(shown, expected, "{shown}");
}

#[tokio::test]
async fn a_mistake_that_is_not_denied_is_only_reported() {
    let report = outcome(plain().deny([Lint::BareLf]), &[EHLO]).await.unwrap();
    assert_eq!(report.findings().count(), 1);
}

/// The replies to these lines by a server that tolerates bad syntax, and its report.
async fn tolerating(builder: ServerBuilder, dialogue: &[(&str, &str)]) -> Report {
    let (server, pipe) = builder.tolerate(Lint::BadSyntax).deny(Lint::ALL).pipe();
    let mut client = Client(pipe);
    client.receive_segment().await;
    client.send(EHLO).await;
    client.receive_segment().await;
    for (sent, reply) in dialogue {
        client.send(&format!("{sent}\r\n")).await;
        assert_eq!(client.receive_segment().await, format!("{reply}\r\n"), "{sent:?}");
    }
    client.send("QUIT\r\n").await;
    client.receive_segment().await;
    drop(client);
    server.finish().await.unwrap()
}

#[tokio::test]
async fn bad_syntax_can_be_tolerated() {
    let (mail, rcpt) = ("250 sender taken", "250 recipient taken");
    for (sender, recipient, text) in [
        ("MAIL FROM: <a@example.org>", "RCPT TO: <b@example.org>", "DATA"),
        ("MAIL FROM:a@example.org", "RCPT TO:b@example.org", "DATA"),
        ("mail  from : a@example.org  ", "rcpt\tto:\tb@example.org", " data please"),
    ] {
        let dialogue = [
            (sender, mail),
            (recipient, rcpt),
            (text, "354 end with CRLF.CRLF"),
            (".", "250 message taken"),
        ];
        let report = tolerating(plain(), &dialogue).await;
        let message = report.messages()[0];
        assert_eq!(message.sender().as_deref(), Some("a@example.org"), "{sender}");
        assert_eq!(message.recipients(), ["b@example.org"], "{recipient}");
        assert_eq!(message.mail(), Some(sender), "it is recorded as it came");
        assert_eq!(report.lints(), [Lint::BadSyntax], "it is noted");
    }
}

#[tokio::test]
async fn parameters_count_where_bad_syntax_is_tolerated() {
    let dialogue = [
        ("MAIL FROM: a@example.org  SIZE=31", "552 too large"),
        ("MAIL FROM: a@example.org  BODY=8BITMIME", "555 BODY is not offered"),
        ("MAIL FROM: a@example.org  SIZE=30", "250 sender taken"),
        ("RCPT TO:b@example.org", "250 recipient taken"),
        ("DATA", "354 end with CRLF.CRLF"),
        (".", "250 message taken"),
    ];
    let (server, pipe) = plain().offer("SIZE 30").tolerate(Lint::BadSyntax).pipe();
    let mut client = Client(pipe);
    client.receive_segment().await;
    for (sent, reply) in
        [("EHLO my computer", "250-mx.testkit.example\r\n250 SIZE 30")].iter().chain(&dialogue)
    {
        client.send(&format!("{sent}\r\n")).await;
        client.receive(&format!("{reply}\r\n")).await;
    }
    drop(client);
    let report = server.finish().await.unwrap();
    assert_eq!(report.messages()[0].mail_param("SIZE").as_deref(), Some("30"));
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_even_if_bad_syntax_is_tolerated() {
    let path = "501 `MAIL FROM:` and `RCPT TO:` must be followed by an address in angle brackets";
    let dialogue = [
        ("MAIL FROM:", path),
        ("MAIL <a@example.org>", path),
        ("MAIL FROM:<a@example.org", path),
        ("<html>", "500 a command must begin with a verb of letters and digits"),
        ("HELLO", "500 unknown command"),
    ];
    let report = tolerating(plain(), &dialogue).await;
    assert_eq!(report.findings().count(), dialogue.len());
}

#[tokio::test]
async fn a_rule_matches_a_line_whose_bad_syntax_is_tolerated() {
    let builder = || plain().rule(Rule::on("MAIL FROM:<a@*").reply("550 5.1.8 no"));
    tolerating(builder(), &[("MAIL FROM: a@example.org", "550 5.1.8 no")]).await;
    tolerating(builder(), &[("MAIL FROM: <b@example.org>", "250 sender taken")]).await;
    let as_it_came = plain().rule(Rule::on("MAIL FROM: *").reply("550 5.1.8 no blanks"));
    tolerating(as_it_came, &[("MAIL FROM: <b@example.org>", "550 5.1.8 no blanks")]).await;
}

#[tokio::test]
async fn bad_syntax_is_refused_by_default() {
    for line in ["MAIL FROM: <a@example.org>\r\n", "MAIL FROM:a@example.org\r\n"] {
        let report = check(plain(), &[EHLO, line], &[Lint::BadSyntax]).await;
        assert!(report.dialogue().any(|line| line.octets.starts_with(b"501 ")));
        // Tolerating another lint changes nothing.
        check(plain().tolerate(Lint::BareLf), &[EHLO, line], &[Lint::BadSyntax]).await;
        let denied = outcome(plain().deny([Lint::BadSyntax]), &[EHLO, line, "QUIT\r\n"]).await;
        assert_eq!(denied.unwrap_err().kind(), MismatchKind::Denied);
    }
}
