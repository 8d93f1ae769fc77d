//! Twelve known bugs of clients, each reproduced in a few lines. `smtp-client` shows the correct
//! behavior; replace it to test another client.

use std::time::Duration;

use smtp_client::{Connection, Connector, Envelope, Error, ErrorKind, MailData, Security};
use smtp_testkit::{Answer, Lint, Pipe, Rule, Script, Server};
use tokio::time::{Instant, sleep};

const THREE: [&str; 3] = ["a@rcpt.example", "b@rcpt.example", "c@rcpt.example"];

async fn connect(pipe: Pipe, security: Security) -> Result<Connection, Error> {
    let server = smtp_client::Server::tcp("localhost", 25).security(security);
    Connector::new(server).connect_over(pipe).await
}

async fn in_clear(pipe: Pipe) -> Connection {
    connect(pipe, Security::Plain).await.unwrap()
}

/// Sends a text to recipients, and returns which of them were accepted.
async fn send(client: &mut Connection, to: &[&str], text: &str) -> Result<Vec<bool>, Error> {
    let envelope = Envelope::new("me@sender.example", to.iter().copied()).unwrap();
    let delivery = client.send(&envelope, &MailData::new(text.to_owned()).unwrap()).await?;
    Ok(delivery.verdicts().map(|(_, verdict)| verdict.is_accepted()).collect())
}

fn answer(text: &str) -> Answer {
    text.parse().unwrap()
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn bug_01_the_server_accepts_and_never_greets() {
    let (server, pipe) = Server::pipe(Script::parse("[stall]").unwrap());
    let begun = Instant::now();
    assert!(connect(pipe, Security::Plain).await.is_err());
    assert_eq!(begun.elapsed(), 5 * MINUTE);
    server.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bug_02_an_idle_connection_is_closed_with_421() {
    let idle = Rule::idle(5 * MINUTE).answer(answer("S: 421 4.4.2 idle\n[close]"));
    let (server, pipe) = Server::builder().rule(idle).pipe();
    let mut client = in_clear(pipe).await;
    sleep(6 * MINUTE).await;
    let error = send(&mut client, &THREE, crate::TEXT).await.unwrap_err();
    assert!(!error.in_doubt(), "nothing was written: {error}");
    assert_eq!(server.finish().await.unwrap().messages().len(), 0);
}

#[tokio::test]
async fn bug_03_one_of_three_recipients_is_refused_pipelined_and_not() {
    for offer in ["PIPELINING", "HELP"] {
        let refuse = Rule::on("RCPT TO:<b@*").reply("550 5.1.1 unknown");
        let (server, pipe) = Server::builder().offer(offer).rule(refuse).pipe();
        let accepted = send(&mut in_clear(pipe).await, &THREE, crate::TEXT).await.unwrap();
        assert_eq!(accepted, [true, false, true]);
        let report = server.finish().await.unwrap();
        assert_eq!(report.messages()[0].recipients(), [THREE[0], THREE[2]]);
    }
}

#[tokio::test]
async fn bug_04_the_end_of_a_text_over_64_kib_lies_across_a_buffer_edge() {
    for octets in 64 * 1024 - 5..64 * 1024 + 6 {
        let text = format!("Subject: big\r\n\r\n{}", ".x\r\n".repeat(octets / 4));
        let text = format!("{}\r\n", &text[..octets - 2].trim_end());
        let (server, pipe) = Server::builder().deny([Lint::MissingDotStuffing]).pipe();
        send(&mut in_clear(pipe).await, &THREE, &text).await.unwrap();
        assert_eq!(server.finish().await.unwrap().messages()[0].text(), text.as_bytes());
    }
}

#[tokio::test]
async fn bug_05_an_unsolicited_reply_comes_while_the_connection_is_idle() {
    let unasked = Rule::on("EHLO *").answer(answer("[usual]\n[raw \"250 unasked\\r\\n\"]"));
    let (server, pipe) = Server::builder().rule(unasked).pipe();
    let mut client = in_clear(pipe).await;
    let error = send(&mut client, &THREE, crate::TEXT).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Misbehaved(_) | ErrorKind::Ended(_)), "{error}");
    assert_eq!(server.finish().await.unwrap().messages().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn bug_06_implicit_tls_meets_a_starttls_port_and_the_reverse() {
    let (server, pipe) = Server::builder().offer("STARTTLS").pipe();
    assert!(connect(pipe, Security::Tls).await.is_err());
    server.finish().await.unwrap();

    let (server, pipe) = Server::builder().greeting(smtp_testkit::Greeting::UnderTls).pipe();
    let begun = Instant::now();
    assert!(connect(pipe, Security::StartTls).await.is_err());
    assert_eq!(begun.elapsed(), 5 * MINUTE, "each waited for the other");
    drop(server);
}

#[tokio::test]
async fn bug_07_plaintext_is_glued_to_the_220_of_starttls() {
    let glued = answer("[raw \"220 go\\r\\n250 injected\\r\\n\"]\n[starttls]");
    let glued = Rule::on("STARTTLS").answer(glued);
    let (server, pipe) = Server::builder().offer("STARTTLS").rule(glued).pipe();
    let error = connect(pipe, Security::StartTls).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Misbehaved(_)), "{error}");
    assert!(server.finish().await.unwrap().connections()[0].tls().is_none());
}

#[tokio::test]
async fn bug_08_a_client_pipelines_though_it_is_not_offered() {
    let (server, pipe) = Server::builder().deny([Lint::PipelinedWithoutOffer]).pipe();
    send(&mut in_clear(pipe).await, &THREE, crate::TEXT).await.unwrap();
    server.finish().await.unwrap();
}

#[tokio::test]
async fn bug_09_the_server_stops_reading_while_its_replies_fill() {
    let many: Vec<String> = (0..1000).map(|number| format!("u{number}@rcpt.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    // Neither side can write more than 256 octets that the other has not read.
    let (server, pipe) = Server::builder().offer("PIPELINING").window(256).pipe();
    send(&mut in_clear(pipe).await, &many, crate::TEXT).await.unwrap();
    assert_eq!(server.finish().await.unwrap().messages()[0].recipients().len(), 1000);
}

#[tokio::test]
async fn bug_10_an_early_550_comes_during_the_text() {
    let text = "Subject: big\r\n\r\n".to_owned() + &"0123456789\r\n".repeat(20_000);
    let script = "S: 220 mx\nC~ EHLO *\nS: 250 mx\nC~ MAIL *\nS: 250 OK\nC~ RCPT *\nS: 250 OK\n\
        C: DATA\nS: 354 go\n[chunk 5000]\n[raw \"550 5.7.1 a virus\\r\\n\"]\n[close]";
    let (server, pipe) = Server::pipe(Script::parse(script).unwrap());
    let accepted = send(&mut in_clear(pipe).await, &THREE[..1], &text).await.unwrap();
    assert_eq!(accepted, [false], "the refusal is received although the connection failed");
    server.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bug_11_the_final_reply_is_slow_after_a_large_message() {
    let text = "Subject: big\r\n\r\n".to_owned() + &"0123456789\r\n".repeat(100_000);
    let slow = Rule::text().answer(answer("[delay 9m]"));
    let (server, pipe) = Server::builder().rule(slow).pipe();
    assert_eq!(send(&mut in_clear(pipe).await, &THREE[..1], &text).await.unwrap(), [true]);
    assert_eq!(server.finish().await.unwrap().messages()[0].text().len(), text.len());
}

#[tokio::test]
async fn bug_12_the_final_reply_is_lost_after_the_dot() {
    let lost = Rule::text().answer(answer("[close]"));
    let (server, pipe) = Server::builder().rule(lost).pipe();
    let error = send(&mut in_clear(pipe).await, &THREE, crate::TEXT).await.unwrap_err();
    assert!(error.in_doubt(), "the server has the message: {error}");
    assert_eq!(server.finish().await.unwrap().messages().len(), 1);
}
