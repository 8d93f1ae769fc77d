//! Queue identifiers in the replies of real servers.
use smtp_error::{Reply, ReplyCode, Step, Verdict};

/// Replies and their identifiers, one a line.
const REPLIES: &str = include_str!("../data/queue_ids.txt");

fn accepted(text: &str) -> Verdict {
    Verdict::new(Step::EndOfText, Reply::new(ReplyCode::OK, text))
}

#[test]
fn replies_of_servers_have_the_identifier_that_is_known() {
    let rows = REPLIES.lines().filter(|row| !row.is_empty() && !row.starts_with('#'));
    let mut checked = 0;
    for row in rows {
        let (reply, id) = row.split_once(" => ").unwrap();
        let text = reply.strip_prefix("250").unwrap();
        let verdict = accepted(&text.strip_prefix(' ').unwrap_or(text).replace(" / ", "\n"));
        assert_eq!(verdict.queue_id(), Some(id).filter(|id| *id != "-"), "{row}");
        checked += 1;
    }
    assert!(checked > 50);
}

#[test]
fn only_an_acceptance_has_an_identifier() {
    let text = "2.0.0 Ok: queued as 38D109D0072";
    assert!(accepted(text).queue_id().is_some());
    assert_eq!(Verdict::new(Step::Rcpt, Reply::new(ReplyCode::OK, text)).queue_id(), None);
    let refused = Reply::new(ReplyCode::TRANSACTION_FAILED, text);
    assert_eq!(Verdict::new(Step::EndOfText, refused).queue_id(), None);
}

#[test]
fn hostile_texts_have_none() {
    let long = format!("Ok: queued as {}", "1".repeat(1000));
    let words = "a ".repeat(10_000) + "queued as 38D109D0072";
    let controls = ["Ok: queued as 1\u{1b}[2J", "Ok: queued as 1\0", "OK id=1\u{202e}2"];
    for text in controls.into_iter().chain([&*long, &*words]) {
        assert_eq!(accepted(text).queue_id(), None, "{text:?}");
    }
    let latin = Reply::new(ReplyCode::OK, b"Usu\xe1rio: queued as 38D109D0072");
    assert_eq!(Verdict::new(Step::EndOfText, latin).queue_id(), None);
}
