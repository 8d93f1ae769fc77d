//! Tests of what is read of a message, and of messages that are nonsense.

use std::time::{Duration, Instant};

use super::*;

const MIXED: &str = "From: =?utf-8?q?J=C3=BCrgen?= <jurgen@example.org>\r\n\
    To: bob@example.org,\r\n carol@example.org\r\nSubject: Two\r\n  lines\r\n\
    Content-Type: multipart/mixed; boundary=m\r\n\r\n\
    --m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
    --a\r\n\r\nplain\r\n\
    --a\r\nContent-Type: multipart/related; boundary=r\r\n\r\n\
    --r\r\nContent-Type: text/html\r\n\r\n<p>rich <img src=cid:1@x>\r\n\
    --r\r\nContent-Type: image/png; name=logo.png\r\nContent-ID: <1@x>\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nAQID\r\n--r--\r\n--a--\r\n\
    --m\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninside\r\n\
    --m\r\nContent-Disposition: attachment;\r\n filename*=utf-8''%e2%82%ac.csv\r\n\r\n1,2\r\n--m--\r\n";

#[test]
fn the_heading() {
    let heading = Heading::read(MIXED.as_bytes());
    assert_eq!(heading.subject, "Two lines");
    assert_eq!(heading.from, "Jürgen <jurgen@example.org>");
    assert_eq!(heading.from_addresses, ["jurgen@example.org"]);
    assert_eq!(heading.to, "bob@example.org, carol@example.org");
}

#[test]
fn text_html_and_attachments() {
    let reading = Reading::new(MIXED.as_bytes());
    assert_eq!(reading.text().text, "plain");
    let html = reading.html().unwrap();
    assert_eq!(html.document, "<p>rich <img src=\"data:image/png;base64,AQID\"></p>");
    let attachments = reading.attachments();
    let found: Vec<_> =
        attachments.iter().map(|it| (&*it.name, &*it.media_type, &*it.octets)).collect();
    assert_eq!(
        found,
        [
            ("logo.png", "image/png", &[1, 2, 3][..]),
            ("attachment-2", "message/rfc822", b"Subject: inner\r\n\r\ninside"),
            ("€.csv", "text/plain", b"1,2"),
        ]
    );
    assert_eq!(count_attachments(MIXED.as_bytes()), 3);
}

#[test]
fn fields_are_decoded_and_raw() {
    let reading = Reading::new(MIXED.as_bytes());
    assert_eq!(reading.fields[0].name, "From");
    assert_eq!(reading.fields[0].raw, "=?utf-8?q?J=C3=BCrgen?= <jurgen@example.org>");
    assert_eq!(reading.fields[1].raw, "bob@example.org,\r\n carol@example.org");
    assert_eq!(reading.fields[1].text, "bob@example.org, carol@example.org");
}

#[test]
fn text_of_html_without_text() {
    let content = b"Content-Type: text/html\r\n\r\n<p>Your <b>code</b>: 47&amp;11</p>";
    let text = Reading::new(content).text();
    assert_eq!(text.text.trim(), "Your code: 47&11");
    assert!(text.from_html);
}

#[test]
fn a_content_without_a_header_section_is_text() {
    let reading = Reading::new(b"Hello,\r\n\r\nBob\r\n");
    assert!(reading.fields.is_empty());
    assert_eq!(reading.text().text, "Hello,\r\n\r\nBob\r\n");
    assert!(reading.html().is_none());
}

/// Reads everything of a content, in a time that only a fault exceeds in a debug build.
#[track_caller]
fn check(content: &[u8]) {
    let begin = Instant::now();
    let reading = Reading::new(content);
    assert!(reading.fields.len() <= MOST_FIELDS);
    assert!(reading.text().text.len() <= LONGEST_TEXT);
    reading.html();
    reading.attachments();
    Heading::read(content);
    count_attachments(content);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn a_thousand_nested_parts() {
    let mut content = String::new();
    for depth in 0..1_000 {
        content +=
            &format!("Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n");
    }
    check(content.as_bytes());
    check("Content-Type: message/rfc822\r\n\r\n".repeat(100_000).as_bytes());
    let digest = "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n";
    check(digest.repeat(20_000).as_bytes());
}

#[test]
fn a_hundred_thousand_parts() {
    let parts = "--b\r\n\r\nx\r\n".repeat(100_000);
    let content = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}");
    check(content.as_bytes());
    assert_eq!(parts_of(&content), 1_000);
    // Each of these looks for a boundary that never comes.
    let parts = "--b\r\nContent-Type: multipart/mixed; boundary=none\r\n\r\n".repeat(20_000);
    check(format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}").as_bytes());
}

fn parts_of(content: &str) -> usize {
    parts(content.as_bytes()).len()
}

#[test]
fn a_hundred_thousand_fields() {
    let content = "X-Field: value\r\n".repeat(100_000) + "\r\nx";
    check(content.as_bytes());
    assert_eq!(Reading::new(content.as_bytes()).fields_omitted, 99_000);
    check("Content-Type: a/b; c=d\r\n".repeat(100_000).as_bytes());
}

#[test]
fn fields_that_are_nonsense() {
    for piece in [
        "=?a?q?",
        "=?utf-8?b?",
        "(",
        "<",
        "\"",
        "a*1=b;",
        ",",
        ":",
        "\\",
        "=?",
        " ",
        "\t\r\n ",
        "\u{e4}",
    ] {
        for name in ["Subject", "From", "Content-Type", "Content-Disposition", "Content-ID"] {
            let value = piece.repeat(8_000 / piece.len());
            check(format!("{name}: {value}\r\n\r\n").as_bytes());
            check(format!("{name}: text/plain; name={value}\r\n").repeat(100).as_bytes());
        }
    }
    check(format!("Subject: {}\r\n", "x".repeat(10_000_000)).as_bytes());
}

#[test]
fn octets_at_random() {
    // A generator of numbers with a fixed start (xorshift).
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let pieces: &[&[u8]] = &[
        b"\r\n",
        b"\n",
        b"--b",
        b"--",
        b"Content-Type: ",
        b"multipart/mixed; boundary=b",
        b"text/html",
        b"; charset=",
        b"utf-8",
        b"utf-16",
        b"utf-7",
        b"base64",
        b"Content-Transfer-Encoding: ",
        b"quoted-printable",
        b"=",
        b"?",
        b"<",
        b">",
        b"\"",
        b"'",
        b"\0",
        b"\xff",
        b"\xc3",
        b" ",
        b"(",
        b"=?utf-8?q?",
        b"?=",
        b"Subject: ",
        b"From: ",
        b"<a href=",
        b"&#x",
        b"<!--",
        b"<style>",
        b";",
    ];
    for _ in 0..3_000 {
        let length = next() % 60;
        let content: Vec<u8> = (0..length)
            .flat_map(|_| pieces[usize::try_from(next()).unwrap_or_default() % pieces.len()])
            .copied()
            .collect();
        check(&content);
    }
}
