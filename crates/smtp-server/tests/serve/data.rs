//! The content of messages.
use smtp_server::{
    Accept, Client, Closing, Context, Data, Decision, Envelope, Handler, Outcome, Rcpt, Refuse,
    Server, Settings,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::host::{Does, Host, Peer, TO_DATA};

#[tokio::test]
async fn a_message_arrives_octet_for_octet() {
    let host = Host::default();
    let (mut peer, served) = host.connect();
    peer.ask(TO_DATA, "354").await;
    let reply = peer.ask("Subject: x\r\n\r\n..dot\r\n.\r\n", "250").await;
    assert_eq!(reply, "250 2.0.0 Queued as 4711\r\n");
    assert_eq!(peer.ask("QUIT\r\n", "221").await, "221 2.0.0 Bye\r\n");
    assert_eq!(peer.rest().await, "");
    assert_eq!(served.await.unwrap(), Closing::Quit);
    let [(envelope, text)] = &host.messages()[..] else { panic!("one message") };
    assert_eq!(text, b"Subject: x\r\n\r\n.dot\r\n");
    assert_eq!(envelope.rcpts()[0].path().as_str(), "b@b.example");
}

#[tokio::test]
async fn a_large_message_needs_little_memory_and_arrives_whole() {
    let host = Host::default();
    let (mut peer, _served) = host.connect();
    peer.ask(TO_DATA, "354").await;
    let line = format!("{}\r\n", "x".repeat(70));
    let text = line.repeat(100_000);
    peer.0.write_all(text.as_bytes()).await.unwrap();
    peer.ask(".\r\n", "250").await;
    assert_eq!(host.messages()[0].1, text.as_bytes());
}

#[tokio::test]
async fn what_a_handler_does_not_read_is_skipped() {
    for does in [Does::Ignores, Does::ReadsSome] {
        let (mut peer, _served) = Host::that(does).connect();
        peer.ask(TO_DATA, "354").await;
        let body = "RSET\r\nQUIT\r\n".repeat(5000);
        assert_eq!(
            peer.ask(&format!("{body}.\r\n"), "250").await,
            "250 2.0.0 Message accepted\r\n"
        );
        assert_eq!(peer.ask("NOOP\r\n", "250").await, "250 2.0.0 Ok\r\n", "{does:?}");
    }
}

#[tokio::test]
async fn a_handler_that_does_not_read_holds_the_client_back() {
    let host = Host::that(Does::Waits);
    let (mut peer, _served) = host.connect();
    peer.ask(TO_DATA, "354").await;
    let text = "x\r\n".repeat(100_000);
    let send = peer.0.write_all(text.as_bytes());
    let mut send = std::pin::pin!(send);
    for _ in 0..1000 {
        let ready = futures_poll(send.as_mut()).await;
        assert!(!ready, "nothing is read, and the client could send everything");
    }
    host.go.notify_one();
    send.await.unwrap();
    peer.ask(".\r\n", "250").await;
    assert_eq!(host.messages()[0].1, text.as_bytes());
}

/// Polls once, and lets other tasks run.
async fn futures_poll(future: std::pin::Pin<&mut impl Future>) -> bool {
    let mut future = Some(future);
    let ready = std::future::poll_fn(|cx| {
        let future = future.take().expect("it is polled once");
        std::task::Poll::Ready(future.poll(cx).is_ready())
    });
    let ready = ready.await;
    tokio::task::yield_now().await;
    ready
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_and_never_complete() {
    let host = Host::default();
    let settings = Settings::smtp("mx.example.org").size(1000).build().unwrap();
    let server = Server::new(host.clone()).settings(settings).into_service().unwrap();
    let (mut peer, _served) = host.connect_to(server);
    peer.ask(TO_DATA, "354").await;
    let text = "x\r\n".repeat(1000);
    let reply = peer.ask(&format!("{text}.\r\n"), "552").await;
    assert_eq!(reply, "552 5.3.4 Message too large\r\n");
    peer.ask("NOOP\r\n", "250").await;
    assert!(host.messages().is_empty());
    assert_eq!(host.errors(), ["the message is larger than the limit, and was refused"]);
}

#[tokio::test]
async fn a_lost_connection_is_no_end_of_a_message() {
    for begin in ["Subject: x\r\n\r\nhalf", "half\r\n.", "half\r\n.\r", "half\n.\n"] {
        let host = Host::default();
        let (mut peer, served) = host.connect();
        peer.ask(TO_DATA, "354").await;
        peer.0.write_all(begin.as_bytes()).await.unwrap();
        drop(peer);
        served.await.unwrap();
        assert!(host.messages().is_empty(), "{begin:?}");
        assert_eq!(host.errors().len(), 1, "{begin:?}");
    }
}

#[tokio::test]
async fn chunks_arrive_as_one_content() {
    let host = Host::default();
    let (mut peer, _served) = host.connect();
    let group = "EHLO a.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\n\
                 BDAT 6\r\none\r\n.BDAT 0\r\nNOOP\r\nBDAT 5 LAST\r\ntwo\r\n";
    let replies = peer.ask(group, "250 2.0.0 Queued").await;
    assert!(replies.contains("250 2.0.0 Ok\r\n"), "{replies}");
    assert_eq!(host.messages()[0].1, b"one\r\n.two\r\n");
}

#[tokio::test]
async fn a_message_given_up_between_chunks_is_never_complete() {
    for ending in ["RSET\r\n", "EHLO b.example\r\n", "QUIT\r\n"] {
        let host = Host::default();
        let (mut peer, _served) = host.connect();
        let group = "EHLO a.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\n\
                     BDAT 5\r\none\r\n";
        peer.ask(group, "250 2.0.0 Chunk").await;
        peer.ask(ending, "2").await;
        drop(peer);
        tokio::task::yield_now().await;
        assert!(host.messages().is_empty(), "{ending:?}");
        assert_eq!(host.errors().len(), 1, "{ending:?}");
    }
}

#[tokio::test]
async fn each_recipient_gets_its_reply_in_lmtp() {
    let host = Host::that(Does::Each);
    let settings = Settings::lmtp("mx.example.org").build().unwrap();
    let server = Server::new(host.clone()).settings(settings).into_service().unwrap();
    let (mut peer, _served) = host.connect_to(server);
    let group = "LHLO a.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<one@b.example>\r\n\
                 RCPT TO:<unknown@b.example>\r\nRCPT TO:<two@b.example>\r\nDATA\r\n";
    peer.ask(group, "354").await;
    let replies = peer.ask("x\r\n.\r\n", "550").await;
    assert_eq!(replies, "250 2.0.0 Message accepted\r\n550 5.1.1 No such mailbox\r\n");
}

#[tokio::test]
async fn a_handler_may_read_octet_by_octet_and_with_no_room() {
    struct Slow;
    impl Handler for Slow {
        type State = ();

        async fn rcpt(&self, _: &mut Context, _: &Rcpt) -> Decision {
            Ok(Accept::usual())
        }

        async fn message(
            &self,
            _: &mut Context,
            _: &Envelope,
            data: &mut Data<'_>,
        ) -> Result<Outcome, Refuse> {
            let mut text = String::new();
            loop {
                assert_eq!(data.read(&mut []).await?, 0);
                let mut octet = [0];
                if data.read(&mut octet).await? == 0 {
                    break;
                }
                text.push(char::from(octet[0]));
            }
            // It stays at its end, and takes nothing of what follows.
            assert_eq!(data.read(&mut [0; 9]).await?, 0);
            Ok(Outcome::queued_as(text.replace("\r\n", "/"))?)
        }
    }
    let server = Server::new(Slow).into_service().unwrap();
    let (near, far) = tokio::io::duplex(4096);
    let served = server.serve(far, Client::new());
    let client = async {
        let mut peer = Peer(near);
        let envelope = "MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\n";
        let chunks = "BDAT 6\r\none\r\n.NOOP\r\nBDAT 0\r\nBDAT 5 LAST\r\ntwo\r\n";
        let group = format!("EHLO a.example\r\n{envelope}{chunks}");
        let replies = peer.ask(&group, "250 2.0.0 Queued").await;
        assert!(replies.ends_with("Queued as one/.two/\r\n"), "{replies}");
        let group = format!("{envelope}DATA\r\n..a\r\n.\r\nNOOP\r\nQUIT\r\n");
        let replies = peer.ask(&group, "221").await;
        assert!(replies.contains("Queued as .a/\r\n250 2.0.0 Ok\r\n221"), "{replies}");
    };
    let (served, ()) = tokio::join!(served, client);
    assert_eq!(served.unwrap(), Closing::Quit);
}

#[tokio::test]
async fn a_connection_needs_little_memory() {
    let server = Server::new(Host::default()).into_service().unwrap();
    let (_near, far) = tokio::io::duplex(64);
    let served = server.serve(far, Client::new());
    let size = size_of_val(&served);
    println!("the future of a connection has {size} octets");
    assert!(size < SIZE, "{size} octets");
}

/// The most that the future of a connection may have, in octets.
const SIZE: usize = 6 << 10;

/// Reads the header section and then the rest, and shows both in its reply.
struct Splits(usize);

impl Handler for Splits {
    type State = ();

    async fn rcpt(&self, _: &mut Context, _: &Rcpt) -> Decision {
        Ok(Accept::usual())
    }

    async fn message(
        &self,
        _: &mut Context,
        _: &Envelope,
        data: &mut Data<'_>,
    ) -> Result<Outcome, Refuse> {
        let header = data.read_header(self.0).await?;
        assert_eq!(data.size(), header.len() as u64);
        let body = data.read_all().await?;
        assert_eq!(data.size(), (header.len() + body.len()) as u64);
        let [header, body] = [header, body].map(|octets| octets.escape_ascii().to_string());
        Ok(Outcome::queued_as(format!("[{header}] [{body}]"))?)
    }
}

/// Sends a message in pieces of this many octets to a handler that reads so much of the header.
async fn split(text: &str, piece: usize, limit: usize) -> String {
    let server = Server::new(Splits(limit)).into_service().unwrap();
    let (near, far) = tokio::io::duplex(4096);
    tokio::spawn(async move { server.serve(far, Client::new()).await });
    let mut peer = Peer(near);
    peer.ask(TO_DATA, "354").await;
    for octets in text.as_bytes().chunks(piece) {
        peer.0.write_all(octets).await.unwrap();
        // The server reads the piece.
        tokio::task::yield_now().await;
    }
    let reply = peer.ask(".\r\n", "250").await;
    reply.trim_end().strip_prefix("250 2.0.0 Queued as ").unwrap().to_owned()
}

#[tokio::test]
async fn a_header_is_read_up_to_the_empty_line() {
    for (text, expected) in [
        ("A: b\r\nC: d\r\n\r\nbody\r\n\r\n", r"[A: b\r\nC: d\r\n\r\n] [body\r\n\r\n]"),
        ("A: b\r\n\r\n", r"[A: b\r\n\r\n] []"),
        ("A: b\r\n", r"[A: b\r\n] []"),
        ("\r\nbody\r\n", r"[\r\n] [body\r\n]"),
        ("A: b\r\n..c\r\n", r"[A: b\r\n.c\r\n] []"),
        ("", "[] []"),
    ] {
        for piece in [1, 2, 3, 5, 64] {
            assert_eq!(split(text, piece, 1000).await, expected, "in pieces of {piece}");
        }
    }
}

#[tokio::test]
async fn what_is_beyond_the_limit_of_a_header_is_not_lost() {
    let text = "A: b\r\n\r\nbody\r\n";
    assert_eq!(split(text, 64, 0).await, r"[] [A: b\r\n\r\nbody\r\n]");
    assert_eq!(split(text, 64, 7).await, r"[A: b\r\n\r] [\nbody\r\n]");
    assert_eq!(split(text, 64, 8).await, r"[A: b\r\n\r\n] [body\r\n]");
    let (header, body) = ("A: ".to_owned() + &"b".repeat(90) + "\r\n\r\n", "c\r\n");
    let (shown, rest) = (header.as_bytes().escape_ascii(), body.as_bytes().escape_ascii());
    let text = format!("{header}{body}");
    assert_eq!(split(&text, 7, 10_000).await, format!("[{shown}] [{rest}]"));
}
