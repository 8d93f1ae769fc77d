//! Command lines inside and outside of the grammar.

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
fn verbs_have_any_case_and_may_be_followed_by_spaces() {
    assert_eq!(reads("quit  \r\n").verb(), "QUIT");
    assert_eq!(reads("Noop what ever\r\n").argument(), "what ever");
}

#[test]
fn an_address_is_the_content_of_its_brackets() {
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
    assert_eq!(reads("RCPT TO:<a@[192.0.02.001]>\r\n").path(), Some("a@[192.0.02.001]"));
    let mapped = "a@[IPv6:::ffff:192.0.2.010]";
    assert_eq!(reads(&format!("RCPT TO:<{mapped}>\r\n")).path(), Some(mapped));
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
    refuses("MAIL FROM:<a@[192.0.2.0001]>\r\n", Malformed::Path);
    refuses("MAIL FROM:<a@[192.0.2.256]>\r\n", Malformed::Path);
    refuses("RCPT TO:<@a.example:postmaster>\r\n", Malformed::Path);
    refuses("RCPT TO:<@[192.0.2.1]:c@d.example>\r\n", Malformed::Path);
    // 256 octets with the brackets, and 257.
    let hops = format!("@{}", ["a.example"; 18].join(",@"));
    let path = |octets: usize| format!("<{hops}:{}@d>", "c".repeat(octets - hops.len() - 5));
    reads(&format!("RCPT TO:{}\r\n", path(256)));
    refuses(&format!("RCPT TO:{}\r\n", path(257)), Malformed::Path);
    refuses("MAIL FROM:<a@[IPv6:1:2:3:4:5:6:7::]>\r\n", Malformed::Path);
    refuses("MAIL FROM:<a@b.example>SIZE=3\r\n", Malformed::Params);
    refuses("MAIL FROM:<a@b.example> SIZE=3 size=4\r\n", Malformed::Params);
    refuses("MAIL FROM:<a@b.example> SIZE=\r\n", Malformed::Params);
    refuses("EHLO\r\n", Malformed::Argument);
    refuses("DATA now\r\n", Malformed::Argument);
    refuses("AUTH\r\n", Malformed::Argument);
}

/// Checks what a line that breaks the grammar means to a server that tolerates bad syntax.
#[track_caller]
fn means(line: &str, meant: &str) {
    let line = format!("{line}\r\n");
    assert!(Command::read(line.as_bytes()).is_err(), "{line:?}");
    let command = Command::read_leniently(line.as_bytes()).unwrap();
    let strict = reads(&format!("{meant}\r\n"));
    assert_eq!((command.verb(), command.argument()), (strict.verb(), strict.argument()));
    assert_eq!((command.path(), &command.params), (strict.path(), &strict.params));
    assert_eq!(format!("{}\r\n", command.line()), line, "it is kept as it came");
}

#[test]
fn extra_spaces_and_missing_brackets_are_understood() {
    for line in [
        "MAIL FROM: <a@b.example> SIZE=3 BODY=7BIT",
        "MAIL FROM:a@b.example SIZE=3 BODY=7BIT",
        "mail from:  a@b.example SIZE=3 BODY=7BIT",
        "MAIL  FROM:<a@b.example> SIZE=3 BODY=7BIT",
        " MAIL FROM:<a@b.example> SIZE=3 BODY=7BIT",
        "MAIL FROM :<a@b.example> SIZE=3 BODY=7BIT",
        "MAIL FROM:< a@b.example > SIZE=3 BODY=7BIT",
        "MAIL FROM:<a@b.example>  SIZE=3   BODY=7BIT ",
        "MAIL\tFROM:\t<a@b.example>\tSIZE=3\tBODY=7BIT",
    ] {
        means(line, "MAIL FROM:<a@b.example> SIZE=3 BODY=7BIT");
    }
    means("RCPT TO: <b@c.example>", "RCPT TO:<b@c.example>");
    means("rcpt to:b@c.example notify=NEVER", "RCPT TO:<b@c.example> notify=NEVER");
    means("RCPT TO: \"a b>\"@c.example X=1", "RCPT TO:<\"a b>\"@c.example> X=1");
    means("RCPT TO: <@d.example:b@c.example>", "RCPT TO:<b@c.example>");
    means("RCPT TO:postmaster", "RCPT TO:<postmaster>");
    means("MAIL FROM: <>", "MAIL FROM:<>");
}

#[test]
fn addresses_outside_of_the_grammar_are_understood() {
    for address in ["a", "a.b", "a..b@c.example", ".a.@c.example", "a@b_c.example", "a@b.example."]
    {
        for line in [format!("MAIL FROM:<{address}>\r\n"), format!("RCPT TO:{address}\r\n")] {
            assert!(Command::read(line.as_bytes()).is_err(), "{line:?}");
            let command = Command::read_leniently(line.as_bytes()).unwrap();
            assert_eq!(command.path(), Some(address), "{line:?}");
        }
    }
}

#[test]
fn extra_words_are_understood() {
    means("QUIT now", "QUIT");
    means("DATA 5 LAST", "DATA");
    means("RSET\t", "RSET");
    means("AUTH  PLAIN   AA==", "AUTH PLAIN AA==");
    means("BDAT  10  LAST", "BDAT 10 LAST");
    let command = Command::read_leniently(b"EHLO my  computer\r\n").unwrap();
    assert_eq!(command.argument(), "my computer");
}

#[test]
fn lines_without_a_meaning_are_refused_leniently_too() {
    for line in [
        "",
        "   ",
        "MAIL",
        "MAIL FROM",
        "MAIL FROM:",
        "MAIL FROM: ",
        "MAIL <a@b.example>",
        "MAIL TO:<a@b.example>",
        "RCPT FROM:<a@b.example>",
        "RCPT TO:<>",
        "RCPT TO: <  >",
        "MAIL FROM:<a@b.example",
        "MAIL FROM:a@b.example>",
        "MAIL FROM:<<a@b.example>>",
        "MAIL FROM:<a b@c.example>",
        "MAIL FROM:a b@c.example",
        "MAIL FROM:<a@b@c.example>",
        "MAIL FROM:<@c.example>",
        "MAIL FROM:<a@>",
        "MAIL FROM:<a@.>",
        "MAIL FROM:<a@b..example>",
        "MAIL FROM:<a@[::1]>",
        "MAIL FROM:<\"a@b.example>",
        "MAIL FROM:<a@b.example>SIZE=3",
        "MAIL FROM: <a@b.example> SIZE=",
        "MAIL FROM: <a@b.example> SIZE=3 SIZE=3",
        "MAIL FROM: <a\0@b.example>",
        "MAIL FROM: <a@b.example>\rRSET",
        "EHLO",
        "STARTTLS now",
        "BDAT ten",
        "AUTH PLAIN A B",
        "<html>",
    ] {
        let read = Command::read_leniently(format!("{line}\r\n").as_bytes());
        assert!(read.is_err(), "{line:?}: {read:?}");
    }
}
