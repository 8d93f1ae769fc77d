//! Handlers that fail.
use crate::host::{Does, Host, TO_DATA};

#[tokio::test]
async fn an_error_refuses_for_now_and_stays_with_the_server() {
    let (mut peer, _served) = Host::that(Does::Fails).connect();
    peer.ask(TO_DATA, "354").await;
    assert_eq!(peer.ask("x\r\n.\r\n", "451").await, "451 4.3.0 Try again later\r\n");
    peer.ask("NOOP\r\n", "250").await;
}

#[tokio::test]
async fn a_panic_refuses_one_message_and_ends_nothing_else() {
    let (mut peer, _served) = Host::that(Does::Panics).connect();
    peer.ask(TO_DATA, "354").await;
    assert_eq!(peer.ask("x\r\n.\r\n", "451").await, "451 4.3.0 Try again later\r\n");
    peer.ask("MAIL FROM:<a@a.example>\r\n", "250").await;
    let reply = peer.ask("RCPT TO:<panic@b.example>\r\n", "451").await;
    assert_eq!(reply, "451 4.3.0 Try again later\r\n");
    assert_eq!(peer.ask("RCPT TO:<b@b.example>\r\n", "250").await, "250 2.1.5 Ok\r\n");
}
