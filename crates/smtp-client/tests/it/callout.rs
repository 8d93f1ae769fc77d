//! Callouts: MAIL and RCPT without a content.
use smtp_client::{
    CalloutEnd, CalloutReplies, Connection, Ended, Envelope, Error, ErrorKind, Limited, MailData,
    Step, Unsupported, session::Dialect,
};

use crate::stage::play_in;

const PIPELINED: &str = "C| MAIL FROM:<a@example.org>
C| RCPT TO:<b@example.org>
C| RCPT TO:<c@example.org>
";

fn envelope() -> Envelope {
    Envelope::new("a@example.org", ["b@example.org", "c@example.org"]).unwrap()
}

/// The codes of MAIL, of each RCPT, and of DATA; 0 where there is no reply.
fn codes(replies: &CalloutReplies) -> Vec<u16> {
    let code = |reply: Option<&smtp_client::Reply>| reply.map_or(0, |reply| reply.code().get());
    let mut codes = vec![replies.mail().code().get()];
    codes.extend(replies.recipients().map(|(_, reply)| code(reply)));
    codes.push(code(replies.data()));
    codes
}

/// Makes a callout that ends after `end`, and returns its result and the connection.
#[track_caller]
fn call(
    keywords: &[&str],
    rest: &str,
    end: CalloutEnd,
) -> (Result<CalloutReplies, Error>, Option<Error>) {
    let act = async |mut connection: Connection| {
        let replies = connection.callout(&envelope(), end).await;
        (replies, connection.quit().await.err())
    };
    play_in(Dialect::Smtp, keywords, rest, act).0
}

#[track_caller]
fn check(keywords: &[&str], rest: &str, end: CalloutEnd, expected: &[u16]) {
    let rest = format!("{rest}C: QUIT\nS: 221 bye");
    let (replies, quit) = call(keywords, &rest, end);
    assert_eq!(codes(&replies.unwrap()), expected);
    assert!(quit.is_none(), "{quit:?}");
}

#[test]
fn the_reply_to_each_recipient_is_the_answer() {
    let replies = "S: 250 ok\nS: 251 forwards\nS: 550 5.1.1 unknown\n";
    check(&["PIPELINING"], &format!("{PIPELINED}{replies}"), CalloutEnd::Rcpt, &[250, 251, 550, 0]);
    let unpipelined = "C: MAIL FROM:<a@example.org>\nS: 250 ok\nC: RCPT TO:<b@example.org>
S: 450 4.2.0 busy\nC: RCPT TO:<c@example.org>\nS: 250 ok\n";
    check(&[], unpipelined, CalloutEnd::Rcpt, &[250, 450, 250, 0]);
}

#[test]
fn the_recipients_stand_beside_their_replies() {
    let rest = format!("{PIPELINED}S: 250 ok\nS: 250 ok\nS: 550 no\nC: QUIT\nS: 221 bye");
    let replies = call(&["PIPELINING"], &rest, CalloutEnd::Rcpt).0.unwrap();
    let paths: Vec<&str> = replies.recipients().map(|(path, _)| path).collect();
    assert_eq!(paths, ["b@example.org", "c@example.org"]);
}

#[test]
fn replies_to_recipients_mean_nothing_after_a_refused_mail() {
    let replies = "S: 550 5.7.1 no\nS: 503 no mail\nS: 503 no mail\n";
    check(&["PIPELINING"], &format!("{PIPELINED}{replies}"), CalloutEnd::Rcpt, &[550, 0, 0, 0]);
    let unpipelined = "C: MAIL FROM:<a@example.org>\nS: 450 later\n";
    check(&[], unpipelined, CalloutEnd::Rcpt, &[450, 0, 0, 0]);
}

#[test]
fn it_ends_after_mail_if_told_to() {
    let rest = "C: MAIL FROM:<a@example.org>\nS: 250 ok\n";
    check(&["PIPELINING"], rest, CalloutEnd::Mail, &[250, 0, 0, 0]);
}

#[test]
fn data_is_sent_only_for_an_accepted_recipient() {
    let refused = "S: 250 ok\nS: 550 no\nS: 550 no\n";
    check(&["PIPELINING"], &format!("{PIPELINED}{refused}"), CalloutEnd::Data, &[250, 550, 550, 0]);
    let no_data = "S: 250 ok\nS: 250 ok\nS: 550 no\nC: DATA\nS: 451 4.3.0 no\n";
    let expected = [250, 250, 550, 451];
    check(&["PIPELINING"], &format!("{PIPELINED}{no_data}"), CalloutEnd::Data, &expected);
}

/// An empty content could be delivered.
#[test]
fn an_invitation_ends_the_session_and_nothing_is_sent() {
    let rest =
        format!("{PIPELINED}S: 250 ok\nS: 250 ok\nS: 250 ok\nC: DATA\nS: 354 go\n[expect-close]");
    let (replies, quit) = call(&["PIPELINING"], &rest, CalloutEnd::Data);
    assert_eq!(codes(&replies.unwrap()), [250, 250, 250, 354]);
    let ended = quit.unwrap();
    assert!(
        matches!(ended.kind(), ErrorKind::Ended(Ended::Failed { step: Step::Data })),
        "{ended:?}"
    );
}

#[test]
fn the_next_message_begins_with_rset() {
    let rest = format!(
        "{PIPELINED}S: 250 ok\nS: 250 ok\nS: 250 ok
C| RSET\n{PIPELINED}C| DATA\nS: 250 reset\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n[text]\nS: 250 queued"
    );
    let act = async |mut connection: Connection| {
        connection.callout(&envelope(), CalloutEnd::Rcpt).await.unwrap();
        let text = MailData::new("Subject: x\r\n\r\n").unwrap();
        connection.send(&envelope(), text).await.unwrap().all_accepted()
    };
    assert!(
        play_in(
            Dialect::Lmtp,
            &["PIPELINING"],
            &rest.replace("S: 250 queued", "S: 250 queued\nS: 250 queued"),
            act
        )
        .0
    );
}

#[test]
fn too_many_recipients_are_refused_before_anything_is_written() {
    let (replies, quit) = call(&["LIMITS RCPTMAX=1"], "C: QUIT\nS: 221 bye", CalloutEnd::Rcpt);
    let error = replies.unwrap_err();
    let expected = Unsupported::TooMany { what: Limited::Recipients, asked: 2, limit: 1 };
    assert!(
        matches!(error.kind(), ErrorKind::Unsupported(found) if *found == expected),
        "{error:?}"
    );
    assert!(quit.is_none());
}

#[test]
fn a_closing_server_is_an_error() {
    let rest = format!("{PIPELINED}S: 250 ok\nS: 421 4.7.0 enough\n[close]");
    let (replies, _) = call(&["PIPELINING"], &rest, CalloutEnd::Rcpt);
    let error = replies.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Ended(Ended::ServerClosing(_))), "{error:?}");
    assert!(!error.in_doubt());
}
