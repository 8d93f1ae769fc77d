//! Lines of the grammar, and lines beside it.

use super::*;

#[track_caller]
fn reads(line: &str) -> Command {
    Command::read(line.as_bytes()).unwrap_or_else(|why| panic!("{line:?}: {why}"))
}

#[track_caller]
fn refuses(line: &str, why: Malformed) {
    assert_eq!(Command::read(line.as_bytes()), Err(why), "{line:?}");
}

#[test]
fn verbs_have_any_case_and_blanks_behind_them() {
    assert_eq!(reads("quit  \r\n").verb(), "QUIT");
    assert_eq!(reads("Noop what ever\r\n").argument(), "what ever");
}

#[test]
fn an_address_is_what_its_brackets_hold() {
    assert_eq!(reads("MAIL FROM:<>\r\n").path(), Some(""));
    assert_eq!(reads("RCPT TO:<Postmaster>\r\n").path(), Some("Postmaster"));
    assert_eq!(
        reads("RCPT TO:<\"a>b\\\"\"@[IPv6:::1]>\r\n").path(),
        Some("\"a>b\\\"\"@[IPv6:::1]")
    );
    assert_eq!(
        reads("RCPT TO:<@a.example,@b.example:c@d.example>\r\n").path(),
        Some("c@d.example")
    );
    assert_eq!(reads("RCPT TO:<a@[tag:x>y]>\r\n").path(), Some("a@[tag:x>y]"));
    assert_eq!(reads("rcpt to:<käse@bücher.example>\r\n").path(), Some("käse@bücher.example"));
}

#[test]
fn parameters_keep_their_order_and_spelling() {
    let mail = reads("MAIL FROM:<a@b.example> SIZE=3 body=8BITMIME SMTPUTF8\r\n");
    let params: Vec<_> = mail.params().collect();
    assert_eq!(params, [("SIZE", Some("3")), ("body", Some("8BITMIME")), ("SMTPUTF8", None)]);
    assert_eq!(mail.param("BODY"), Some("8BITMIME"));
}

#[test]
fn chunks_are_counted() {
    assert_eq!(reads("BDAT 0 last\r\n").chunk(), Some((0, true)));
    assert_eq!(reads("BDAT 10\r\n").chunk(), Some((10, false)));
    refuses("BDAT 10 LAST now\r\n", Malformed::Argument);
    refuses("BDAT 99999999999999999999999999\r\n", Malformed::Argument);
}

#[test]
fn what_is_malformed_is_refused() {
    refuses("QUIT\n", Malformed::LineEnd);
    refuses("QU\rIT\r\n", Malformed::LineEnd);
    refuses("NOOP \0\r\n", Malformed::Characters);
    refuses("\r\n", Malformed::Verb);
    refuses("MAIL FROM: <a@b.example>\r\n", Malformed::Path);
    refuses("MAIL FROM:<a@b..example>\r\n", Malformed::Path);
    refuses("MAIL FROM:<a.@b.example>\r\n", Malformed::Path);
    refuses("RCPT TO:<>\r\n", Malformed::Path);
    refuses("MAIL FROM:<@a.example:>\r\n", Malformed::Path);
    refuses("MAIL FROM:<a@[::1]>\r\n", Malformed::Path);
    refuses("MAIL FROM:<a@[IPv6:1:2:3:4:5:6:7::]>\r\n", Malformed::Path);
    refuses("MAIL FROM:<a@b.example>SIZE=3\r\n", Malformed::Params);
    refuses("MAIL FROM:<a@b.example> SIZE=3 size=4\r\n", Malformed::Params);
    refuses("MAIL FROM:<a@b.example> SIZE=\r\n", Malformed::Params);
    refuses("EHLO\r\n", Malformed::Argument);
    refuses("DATA now\r\n", Malformed::Argument);
    refuses("AUTH\r\n", Malformed::Argument);
}
