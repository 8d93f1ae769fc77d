//! What is kept is bounded.

use serde_json::json;

use super::running::Serve;

#[test]
fn the_oldest_messages_are_dropped() {
    let serve = Serve::start(&["--smtp", "0", "--max-messages", "3"]);
    for number in 1..=5 {
        serve.deliver("bob@example.org", &format!("Subject: {number}"));
    }
    let (_, list) = serve.ask("GET", "messages");
    let ids: Vec<u64> =
        list["messages"].as_array().unwrap().iter().map(|it| it["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [5, 4, 3]);
    assert_eq!(serve.ask("GET", "messages/1").0, 404);
}

#[test]
fn octets_are_limited_in_all_and_for_each_message() {
    let serve = Serve::start(&["--smtp", "0", "--max-octets", "40K", "--max-size", "20K"]);
    let text = |octets: usize| "x\r\n".repeat(octets / 3);
    for _ in 0..10 {
        assert!(serve.deliver("bob@example.org", &text(10_000)).starts_with("250 "));
    }
    let (_, status) = serve.ask("GET", "status");
    assert_eq!(status["counts"]["received"], 10);
    assert!(status["counts"]["octets"].as_u64().unwrap() <= 40 << 10, "{status}");
    assert_eq!(status["counts"]["stored"], 3);

    let refused = serve.deliver("bob@example.org", &text(21_000));
    assert_eq!(refused, "552 5.3.4 the text is too large");
    assert_eq!(serve.ask("GET", "status").1["counts"]["received"], json!(10));
}

#[test]
fn a_message_that_cannot_be_kept_is_refused() {
    let serve = Serve::start(&["--smtp", "0", "--max-octets", "20K"]);
    assert!(serve.client("smtp").send("EHLO a").contains("SIZE 20480"));
    // Its content fits, but not together with its envelope.
    let refused = serve.deliver("bob@example.org", &"x\r\n".repeat(20_400 / 3));
    assert_eq!(refused, "552 5.3.4 the message and its envelope are larger than --max-octets");
    assert!(serve.deliver("bob@example.org", "Subject: x").starts_with("250 "));
    let (_, status) = serve.ask("GET", "status");
    assert_eq!(
        (&status["counts"]["received"], &status["counts"]["dropped"]),
        (&json!(1), &json!(0))
    );
}

#[test]
fn recipients_are_limited() {
    let serve = Serve::start(&["--smtp", "0"]);
    let mut client = serve.client("smtp");
    for line in ["EHLO a", "MAIL FROM:<a@example.org>"] {
        client.send(line);
    }
    for number in 0..5_000 {
        assert!(client.send(&format!("RCPT TO:<{number}@example.org>")).starts_with("250 "));
    }
    assert!(client.send("RCPT TO:<b@example.org>").starts_with("452 4.5.3 "));
    // The next transaction begins to count again.
    client.send("RSET");
    assert!(client.deliver("bob@example.org", "Subject: x").starts_with("250 "));
}

#[test]
fn connections_are_limited() {
    use std::io::{BufRead, BufReader};
    use std::net::TcpStream;

    let open = |serve: &Serve, most: usize| {
        let clients: Vec<_> = (0..most).map(|_| serve.client("smtp")).collect();
        let mut further =
            BufReader::new(TcpStream::connect(("127.0.0.1", serve.port("smtp"))).unwrap());
        let mut greeting = String::new();
        further.read_line(&mut greeting).unwrap();
        assert_eq!(greeting, "421 4.3.2 too many connections, try again later\r\n");
        clients
    };
    open(&Serve::start(&["--smtp", "0"]), 500);
    let serve = Serve::start(&["--smtp", "0", "--max-connections", "2"]);
    let mut clients = open(&serve, 2);
    // One that has ended makes room.
    clients[0].send("QUIT");
    assert!(serve.client("smtp").send("EHLO a").starts_with("250-"));
}

#[test]
fn a_client_that_sends_without_end_is_cut_off() {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    let serve = Serve::start(&["--smtp", "0", "--max-size", "100K"]);
    let mut client = serve.client("smtp");
    for line in ["EHLO a", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA"] {
        client.send(line);
    }
    let sent = client.flood(10 << 20);
    assert!(sent < 10 << 20, "it took everything");
    let (_, status) = serve.ask("GET", "status");
    assert_eq!(status["counts"]["received"], 0);

    // The same without any line end, as the first line.
    let port = serve.port("smtp");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let octets = vec![b'x'; 1 << 20];
    let refused = (0..10).any(|_| stream.write_all(&octets).is_err());
    let mut rest = Vec::new();
    let closed = stream.read_to_end(&mut rest).is_ok_and(|_| !rest.is_empty());
    assert!(refused || closed, "it took everything");
}

/// The whole figures are in docs/tool.md; this test is small enough for a debug build.
#[cfg(target_os = "linux")]
#[test]
fn memory_stays_bounded() {
    let serve = Serve::start(&["--smtp", "0", "--max-messages", "50"]);
    let content = format!("Subject: x\r\n\r\n{}", "0123456789\r\n".repeat(2_000));
    let deliver = |count: usize| {
        let mut client = serve.client("smtp");
        for _ in 0..count {
            assert!(client.deliver("bob@example.org", &content).starts_with("250 "));
        }
    };
    deliver(200);
    let before = serve.memory("VmHWM");
    deliver(1_000);
    let after = serve.memory("VmHWM");
    // All of them together would be 24 MB.
    assert!(after < before + 6_000, "{before} KiB, then {after} KiB");
}
