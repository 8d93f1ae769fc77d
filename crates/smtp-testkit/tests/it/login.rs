//! The server's side of AUTH, by mechanism.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use smtp_testkit::{Lint, Report, Server, ServerBuilder};

use crate::client::Client;

const MECHANISMS: &str =
    "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER EXTERNAL ANONYMOUS";

fn builder() -> ServerBuilder {
    Server::builder().offer(MECHANISMS).user("user", "pencil").token("user", "token-1")
}

/// Sends each line, with the part after `|` in base64, and expects each reply; challenges are
/// decoded.
async fn talk(dialogue: &[(&str, &str)]) -> Report {
    talk_to(builder(), dialogue).await
}

async fn talk_to(builder: ServerBuilder, dialogue: &[(&str, &str)]) -> Report {
    let (server, pipe) = builder.pipe();
    let mut client = Client(pipe);
    client.receive_segment().await;
    client.send("EHLO client.example\r\n").await;
    client.receive_segment().await;
    for (sent, heard) in dialogue {
        let line = match sent.split_once('|') {
            Some((head, words)) => format!("{head}{}", STANDARD.encode(words)),
            None => (*sent).to_owned(),
        };
        client.send(&format!("{line}\r\n")).await;
        let reply = client.receive_segment().await;
        let reply = reply.trim_end_matches("\r\n");
        let reply = match reply.strip_prefix("334 ") {
            Some(challenge) => {
                let octets = STANDARD.decode(challenge).unwrap();
                format!("334 {}", String::from_utf8(octets).unwrap())
            }
            None => reply.to_owned(),
        };
        assert_eq!(&reply, heard, "the reply to {sent}");
    }
    client.send("QUIT\r\n").await;
    client.receive_segment().await;
    drop(client);
    server.finish().await.unwrap()
}

/// Checks that the dialogue logs `user` in with `mechanism`.
async fn logs_in(mechanism: &str, dialogue: &[(&str, &str)]) {
    let report = talk(dialogue).await;
    let login = report.connections()[0].login().unwrap();
    assert_eq!((login.mechanism.as_str(), login.user.as_str()), (mechanism, "user"));
}

const IN: &str = "235 welcome";
const WRONG: &str = "535 these credentials are wrong";
const MALFORMED: &str = "501 this response is malformed";

#[tokio::test]
async fn plain() {
    logs_in("PLAIN", &[("AUTH PLAIN |\0user\0pencil", IN)]).await;
    logs_in("PLAIN", &[("AUTH PLAIN", "334 "), ("|\0user\0pencil", IN)]).await;
    let refused = [
        ("AUTH PLAIN |\0user\0pen", WRONG),
        ("AUTH PLAIN |user\0pencil", MALFORMED),
        ("AUTH PLAIN !", MALFORMED),
        ("AUTH PLAIN", "334 "),
        ("*", "501 authentication canceled"),
        ("AUTH NTLM", "504 this mechanism is not offered"),
    ];
    let report = talk(&refused).await;
    assert_eq!(report.connections()[0].login(), None);
    assert_eq!(report.lints(), [Lint::NotOffered, Lint::BadSyntax, Lint::AuthInClear]);
}

/// What the findings of a client contain that sends these lines, the first after EHLO.
async fn findings_of(builder: ServerBuilder, lines: &[&str]) -> Vec<String> {
    let (server, pipe) = builder.pipe();
    let mut client = Client(pipe);
    client.receive_segment().await;
    for line in ["EHLO client.example\r\n"].iter().chain(lines).chain(&["QUIT\r\n"]) {
        client.send(line).await;
        client.receive_segment().await;
    }
    drop(client);
    let report = server.finish().await.unwrap();
    report.connections()[0].findings().iter().map(|finding| finding.what.clone()).collect()
}

#[tokio::test]
async fn findings_quote_no_response() {
    let pipelining = || builder().offer("PIPELINING");
    let strict = || Server::builder().user("user", "pencil");
    for (builder, lines) in [
        (builder(), ["AUTH PLAIN hunter2!\r\n"].as_slice()),
        (builder(), &["AUTH LOGIN\r\n", "hunter2!\r\n"]),
        // Refused, and the responses follow.
        (strict(), &["AUTH LOGIN\r\n", "hunter2\r\n", "HUNTER2=\r\n"]),
        (strict(), &[" auth login\r\n", "hunter2\r\n"]),
        // Without the name of a mechanism.
        (builder(), &["AUTH hunter2\r\n"]),
        // All at once.
        (builder(), &["AUTH LOGIN dXNlcg==\r\nhunter2\r\n", ""]),
        (pipelining(), &["AUTH LOGIN dXNlcg==\r\nhunter2\r\n", ""]),
        (builder(), &["NOOP\r\nAUTH PLAIN hunter2\r\n", ""]),
        (pipelining(), &["NOOP\r\nAUTH PLAIN hunter2\r\n", ""]),
    ] {
        let findings = findings_of(builder, lines).await;
        assert!(!findings.is_empty(), "{lines:?}");
        let all = findings.join("\n").to_ascii_lowercase();
        assert!(!all.contains("hunter2"), "{lines:?}: {findings:?}");
    }
    // The next command ends it.
    let after = findings_of(strict(), &["AUTH LOGIN\r\n", "NOOP\r\n", "FOO\r\n"]).await;
    assert_eq!(after.last().unwrap(), "there is no command FOO");
}

#[tokio::test]
async fn plain_for_another_user() {
    let report = talk(&[("AUTH PLAIN |other\0user\0pencil", IN)]).await;
    let login = report.connections()[0].login().unwrap();
    assert_eq!(login.on_behalf_of.as_deref(), Some("other"));
}

#[tokio::test]
async fn login() {
    let password = ("|pencil", IN);
    let dialogue = [("AUTH LOGIN", "334 Username:"), ("|user", "334 Password:"), password];
    logs_in("LOGIN", &dialogue).await;
    logs_in("LOGIN", &[("AUTH LOGIN |user", "334 Password:"), password]).await;
    let refused = [("AUTH LOGIN |user", "334 Password:"), ("|pen", WRONG)];
    assert_eq!(talk(&refused).await.connections()[0].login(), None);
}

#[tokio::test]
async fn cram_md5() {
    let challenge = ("AUTH CRAM-MD5", "334 <1@mx.testkit.example>");
    // Computed with Python's hmac, like the values of SCRAM.
    logs_in("CRAM-MD5", &[challenge, ("|user 684734af16f7fa4825f4300bbc40c744", IN)]).await;
    talk(&[challenge, ("|user 00000000000000000000000000000000", WRONG)]).await;
    talk(&[("AUTH CRAM-MD5 |user 00", "501 the server sends first")]).await;
}

const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str = "334 r=rOprNGfwEbeRWgbNEkqOtestkit1,s=c210cC10ZXN0a2l0IHNhbHQ=,i=4096";

#[tokio::test]
async fn scram() {
    for (mechanism, last, proof) in [
        (
            "SCRAM-SHA-1",
            "c=biws,r=rOprNGfwEbeRWgbNEkqOtestkit1,p=XY6U3QMaSDiSHU60V70HucYpMq4=",
            "v=5srIhGEjDC8+kdL/A9Ja4N4ATa0=",
        ),
        (
            "SCRAM-SHA-256",
            "c=biws,r=rOprNGfwEbeRWgbNEkqOtestkit1,p=z7Dy6jYYHWvcIVKDuUwzokc7kLi1EAlohGVg+J4VqPE=",
            "v=sUY3rQd2cG+28dvMJWblqhlVuzSuxiTK7Lzei/8nVn8=",
        ),
    ] {
        let opening = format!("AUTH {mechanism} |{CLIENT_FIRST}");
        let first = (opening.as_str(), SERVER_FIRST);
        let last = format!("|{last}");
        logs_in(mechanism, &[first, (&last, &format!("334 {proof}")), ("", IN)]).await;
        let wrong = last.replace(",p=", ",p=AA");
        talk(&[first, (&wrong, MALFORMED)]).await;
        talk(&[first, (&last.replace("biws", "eSws"), WRONG)]).await;
    }
}

/// The user name for which SCRAM-SHA-256 accepts `name` and this proof.
async fn scram_user(account: (&str, &str), name: &str, proof: &str) -> Option<String> {
    let builder = Server::builder().offer(MECHANISMS).user(account.0, account.1);
    let (server, pipe) = builder.pipe();
    let mut client = Client(pipe);
    client.receive_segment().await;
    let opening = STANDARD.encode(format!("n,,n={name},r=rOprNGfwEbeRWgbNEkqO"));
    let last = format!("c=biws,r=rOprNGfwEbeRWgbNEkqOtestkit1,p={proof}");
    let lines =
        ["EHLO client.example", &format!("AUTH SCRAM-SHA-256 {opening}"), &STANDARD.encode(last)];
    for line in lines.iter().chain(&["", "QUIT"]) {
        client.send(&format!("{line}\r\n")).await;
        client.receive_segment().await;
    }
    drop(client);
    let report = server.finish().await.unwrap();
    report.connections()[0].login().map(|login| login.user.clone())
}

/// Proofs of SCRAM-SHA-256, computed with Python's hmac from prepared passwords.
const IX: &str = "/Srj6jhlKNL+kOxuBgI5BeWHe7igEmEJ3h+Dc53q+5I=";
const A: &str = "LUH9IQ3l1BPxu66Wco5fBvT5EAYI41NqjaD0Y80+d+I=";
const A_B: &str = "CBpOz5XMMdl974iP+xwncG6cVo2jIM5aQWn37HEfisM=";
/// The same for passwords that were not prepared, or that SASLprep refuses.
const SOFT_HYPHEN: &str = "dTACcE7SjUxD6oEbXAcGEZXR9hSWCxDtj9McH+nD9iw=";
const BELL: &str = "OoZl1FgC00q1pClqQeqL0sBCr2Eqnjq0/4YFSFnnJ4Q=";
const MIXED_DIRECTIONS: &str = "zI8WdZn1So7dBVOd6DJUGLSBKTDauLMtPDsNOIwTlQ0=";
const EMOJI: &str = "7QHB+YiB0J91rnwypsAXbX8m6MF/gwOpiNbGdpqyC5c=";
/// The password `pencil`, and a user name that SASLprep prepares to `IX`.
const USER_IX: &str = "60gYIIdnNY8NSH7eTbP0RM5bySgQdUWXwby5CuCXhuI=";

#[tokio::test]
async fn scram_prepares_passwords() {
    for (password, proof, enters) in [
        ("IX", IX, true),
        ("I\u{AD}X", IX, true),
        ("\u{2168}", IX, true),
        ("\u{AA}", A, true),
        ("a\u{A0}b", A_B, true),
        ("I\u{AD}X", SOFT_HYPHEN, false),
        ("IX", SOFT_HYPHEN, false),
        ("ix", IX, false),
        ("a\u{7}b", BELL, false),
        ("\u{627}1", MIXED_DIRECTIONS, false),
        ("\u{1F511}", EMOJI, true),
    ] {
        let user = scram_user(("user", password), "user", proof).await;
        assert_eq!(user.is_some(), enters, "{password:?}");
    }
}

#[tokio::test]
async fn scram_prepares_names() {
    for known in ["IX", "I\u{AD}X", "\u{2168}"] {
        let user = scram_user((known, "pencil"), "IX", USER_IX).await;
        assert_eq!(user.as_deref(), Some(known), "the user as the test has it");
    }
}

#[tokio::test]
async fn plain_prepares_both_sides() {
    for (name, password, reply) in [
        ("user", "IX", IN),
        ("user", "\u{2168}", IN),
        ("us\u{AD}er", "I\u{AD}X", IN),
        ("user", "ix", WRONG),
        ("user", "I\u{7}X", WRONG),
    ] {
        let builder = Server::builder().offer(MECHANISMS).user("user", "I\u{AD}X");
        let line = format!("AUTH PLAIN |\0{name}\0{password}");
        let report = talk_to(builder, &[(&line, reply)]).await;
        let user = report.connections()[0].login().map(|login| login.user.as_str());
        assert_eq!(user, (reply == IN).then_some("user"), "{name:?} {password:?}");
    }
}

#[tokio::test]
async fn bearer_tokens() {
    logs_in("XOAUTH2", &[("AUTH XOAUTH2 |user=user\x01auth=Bearer token-1\x01\x01", IN)]).await;
    let oauth = "n,a=user,\x01host=mx.example\x01port=25\x01auth=Bearer token-1\x01\x01";
    logs_in("OAUTHBEARER", &[(&format!("AUTH OAUTHBEARER |{oauth}"), IN)]).await;
    let anybody = "n,,\x01auth=Bearer token-1\x01\x01";
    logs_in("OAUTHBEARER", &[("AUTH OAUTHBEARER", "334 "), (&format!("|{anybody}"), IN)]).await;
}

#[tokio::test]
async fn a_wrong_token_is_explained_before_it_is_refused() {
    let dialogue = [
        (
            "AUTH XOAUTH2 |user=user\x01auth=Bearer old\x01\x01",
            r#"334 {"status":"400","schemes":"Bearer","scope":"https://mail.testkit.example/"}"#,
        ),
        ("", WRONG),
        (
            "AUTH OAUTHBEARER |n,a=user,\x01auth=Bearer old\x01\x01",
            r#"334 {"status":"invalid_token"}"#,
        ),
        ("|\x01", WRONG),
    ];
    talk(&dialogue).await;
}

#[tokio::test]
async fn external_needs_a_certificate_and_anonymous_needs_nothing() {
    talk(&[("AUTH EXTERNAL =", WRONG)]).await;
    logs_in("ANONYMOUS", &[("AUTH ANONYMOUS |user", IN)]).await;
}

#[tokio::test]
async fn one_login_is_enough() {
    let again = ("AUTH PLAIN |\0user\0pencil", "503 already logged in");
    talk(&[("AUTH PLAIN |\0user\0pencil", IN), again]).await;
}

#[tokio::test]
async fn every_user_can_log_in_where_the_test_allows_it() {
    let any = || Server::builder().offer(MECHANISMS).user("user", "pencil").any_login();
    for (mechanism, dialogue) in [
        ("PLAIN", vec![("AUTH PLAIN |\0eve\0any", IN)]),
        ("LOGIN", vec![("AUTH LOGIN |eve", "334 Password:"), ("|any", IN)]),
        ("CRAM-MD5", vec![("AUTH CRAM-MD5", "334 <1@mx.testkit.example>"), ("|eve 00", IN)]),
        ("XOAUTH2", vec![("AUTH XOAUTH2 |user=eve\x01auth=Bearer any\x01\x01", IN)]),
        ("OAUTHBEARER", vec![("AUTH OAUTHBEARER |n,a=eve,\x01auth=Bearer any\x01\x01", IN)]),
    ] {
        let report = talk_to(any(), &dialogue).await;
        let login = report.connections()[0].login().unwrap();
        assert_eq!((login.mechanism.as_str(), login.user.as_str()), (mechanism, "eve"));
    }
    // Without a name there is no user.
    talk_to(any(), &[("AUTH PLAIN |\0\0any", WRONG)]).await;
    talk_to(builder(), &[("AUTH PLAIN |\0eve\0any", WRONG)]).await;
}
