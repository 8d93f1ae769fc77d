//! The text of a message on the wire, octet for octet.
use smtp_client::{Connector, Envelope, LineEnds, MailData, Server, session::Dialect};
use smtp_testkit::{Script, Server as TestServer};

use crate::{
    send::ACCEPTED,
    stage::{opening, parse, play_on},
};

/// The text is sent as these octets, and arrives as it was meant.
#[track_caller]
fn check(text: &[u8], sent: &[u8]) {
    let (_, report) = play_on(&["8BITMIME"], &declared(text), async |mut connection| {
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let text = MailData::new(text.to_vec()).unwrap();
        assert!(connection.send(&envelope, &text).await.unwrap().all_accepted());
    });
    let message = report.messages()[0];
    let shown = text[..text.len().min(100)].escape_ascii();
    assert!(message.sent() == sent, "{shown}: sent something else");
    let complete = text.is_empty() || text.ends_with(b"\r\n");
    let meant = if complete { text.to_vec() } else { [text, b"\r\n"].concat() };
    assert!(message.text() == meant, "{shown}: arrived as something else");
}

/// The script for this text, which may require 8BITMIME.
fn declared(text: &[u8]) -> String {
    let body = if text.is_ascii() { "" } else { " BODY=8BITMIME" };
    ACCEPTED.replace("<a@example.org>", &format!("<a@example.org>{body}"))
}

#[test]
fn the_end_of_the_text_is_a_line_of_its_own() {
    check(b"", b".\r\n");
    check(b"\r\n", b"\r\n.\r\n");
    check(b"hi\r\n", b"hi\r\n.\r\n");
    check(b"hi", b"hi\r\n.\r\n");
    check(b"hi\r\n\r\n", b"hi\r\n\r\n.\r\n");
}

#[test]
fn a_leading_dot_is_doubled() {
    check(b".", b"..\r\n.\r\n");
    check(b".\r\n", b"..\r\n.\r\n");
    check(b".\r\nMAIL FROM:<evil@example.org>\r\n", b"..\r\nMAIL FROM:<evil@example.org>\r\n.\r\n");
    check(b"..\r\n", b"...\r\n.\r\n");
    check(b"a\r\n.b\r\n", b"a\r\n..b\r\n.\r\n");
    check(b"a\r\n.", b"a\r\n..\r\n.\r\n");
}

#[test]
fn what_looks_like_the_end_is_no_end() {
    check(b"a\r\n\r\n.\r\n.\r\nb", b"a\r\n\r\n..\r\n..\r\nb\r\n.\r\n");
    check(b"a\r\n.\r\n", b"a\r\n..\r\n.\r\n");
    check(b"\r\n.\r\n", b"\r\n..\r\n.\r\n");
    check(b".\r\n.\r\n.\r\n", b"..\r\n..\r\n..\r\n.\r\n");
}

#[test]
fn a_dot_elsewhere_stays_single() {
    check(b"a.\r\n", b"a.\r\n.\r\n");
    check(b" .\r\n", b" .\r\n.\r\n");
    check(b"a.b\r\nc.", b"a.b\r\nc.\r\n.\r\n");
}

#[test]
fn octets_outside_ascii_travel_as_they_are() {
    let all: Vec<u8> = (1..=255).filter(|octet| !matches!(octet, b'\r' | b'\n')).collect();
    let line = [&all[..], b"\r\n"].concat();
    check(&line, &[&line[..], b".\r\n"].concat());
}

#[test]
fn a_line_of_998_octets_is_sent_whole() {
    for first in [b'x', b'.'] {
        let mut line = vec![b'x'; 998];
        line[0] = first;
        let text = [&line[..], b"\r\n", &line, b"\r\n", &line].concat();
        let dot: &[u8] = if first == b'.' { b"." } else { b"" };
        let stuffed = [dot, &line, b"\r\n"].concat();
        check(&text, &[&stuffed[..], &stuffed, &stuffed, b".\r\n"].concat());
    }
}

#[test]
fn a_dot_is_doubled_wherever_the_text_is_cut() {
    // Texts are written in pieces of a power of two.
    for piece in [16 * 1024, 64 * 1024] {
        for before in piece - 4..=piece + 1 {
            let mut text = b"x\r\n".repeat(before / 3);
            text.resize(before, b'x');
            let tail = b"\r\n.\r\n.end\r\n";
            let sent = [&text[..], b"\r\n..\r\n..end\r\n.\r\n"].concat();
            check(&[&text[..], tail].concat(), &sent);
        }
    }
}

#[test]
fn many_dots_in_a_row_are_all_doubled() {
    check(&b".\r\n".repeat(40_000), &[&b"..\r\n".repeat(40_000)[..], b".\r\n"].concat());
}

#[test]
fn what_could_end_a_text_elsewhere_is_no_text() {
    for end in [
        "\n.\r\n",
        "\n.\n",
        "\r.\r\n",
        "\r.\r",
        "\r\n.\r",
        "\r\n.\n",
        "\n\n.\r\n",
        "\r\r\n.\r\r\n",
        "\r\n\0.\r\n",
        "\r\n.\0\r\n",
        "\0",
        "\r",
        "\n",
        "\r\n.\r\r\n",
        "\n\r.\n\r",
    ] {
        let text = format!("Subject: x\r\n\r\nbody{end}MAIL FROM:<evil@example.org>\r\n");
        assert!(MailData::new(text).is_err(), "{end:?}");
    }
    assert!(MailData::new("x".repeat(999)).is_err());
}

#[test]
fn normalized_text_is_stuffed_after_its_new_line_ends() {
    let text = MailData::normalize("a\n.\n\r.\rb", LineEnds::Any).unwrap();
    let (_, report) = play_on(&[], ACCEPTED, async |mut connection| {
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        assert!(connection.send(&envelope, &text).await.unwrap().all_accepted());
    });
    assert_eq!(report.messages()[0].sent(), b"a\r\n..\r\n\r\n..\r\nb\r\n.\r\n");
}

#[tokio::test]
async fn five_megabytes_over_tcp() {
    let line = [&b"."[..], &[b'x'; 75], b"\r\n"].concat();
    let text = line.repeat(5_000_000 / line.len());
    let script: Script = parse(&(opening(Dialect::Smtp, &[]) + ACCEPTED));
    let server = TestServer::tcp(script).unwrap();
    let address = server.addr();
    let name = "client.example".parse().unwrap();
    let connector = Connector::new(Server::tcp(address.ip().to_string(), address.port()));
    let mut connection = connector.hello_name(name).connect().await.unwrap();
    let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
    let delivery = connection.send(&envelope, &MailData::new(text.clone()).unwrap()).await.unwrap();
    assert!(delivery.all_accepted());
    drop(connection);
    let report = server.finish().await.unwrap();
    assert!(report.messages()[0].text() == text);
    assert_eq!(report.messages()[0].sent().len(), text.len() + text.len() / line.len() + 3);
}
