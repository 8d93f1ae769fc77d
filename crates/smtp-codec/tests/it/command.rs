//! Commands: the line of each, its length and limit, and what a log shows of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smtp_codec::{
    Argument, Body, Command, HelloName, Mail, Mailbox, Mechanism, Param, Rcpt, SaslResponse,
};
use smtp_error::{Field, Flaw, Invalid};

fn encode(command: &Command<'_>, limit: usize) -> Result<String, Invalid> {
    let mut out = Vec::new();
    command.encode(limit, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

/// The command is this line, which is exactly as long as its limit must be; a log shows it all.
#[track_caller]
fn check(command: Command<'_>, line: &str) {
    check_shown(command, line, line);
}

/// The command is this line, and a log shows it as `shown`.
#[track_caller]
fn check_shown(command: Command<'_>, line: &str, shown: &str) {
    let length = line.len() + 2;
    assert_eq!(encode(&command, length).unwrap(), format!("{line}\r\n"));
    assert_eq!(command.line_length(), length);
    assert_eq!(command.check(length), Ok(()));
    assert_eq!(command.to_string(), shown);

    let limit = length - 1;
    let mut out = b"before".to_vec();
    let error = command.encode(limit, &mut out).unwrap_err();
    assert_eq!(error.flaw, Flaw::CommandTooLong { length, limit });
    assert_eq!(out, b"before");
    assert_eq!(command.check(limit), Err(error));
    assert_eq!(encode(&command, 0).unwrap_err().field, error.field);
}

/// The command does not fit into this limit because of this field.
#[track_caller]
fn too_long(command: Command<'_>, limit: usize, field: Field) {
    let length = command.line_length();
    let expected = Invalid::new(field, Flaw::CommandTooLong { length, limit });
    assert_eq!(command.check(limit), Err(expected));
    assert_eq!(encode(&command, limit), Err(expected));
}

fn argument(content: &str) -> Argument {
    content.try_into().unwrap()
}

fn mailbox(text: &str) -> Mailbox {
    text.parse().unwrap()
}

fn mail(path: &str) -> Mail {
    path.try_into().unwrap()
}

fn rcpt(path: &str) -> Rcpt {
    path.try_into().unwrap()
}

#[test]
fn verbs_that_stand_alone() {
    check(Command::Data, "DATA");
    check(Command::Rset, "RSET");
    check(Command::Quit, "QUIT");
    check(Command::StartTls, "STARTTLS");
    check(Command::Noop(None), "NOOP");
    check(Command::Help(None), "HELP");
    check(Command::AuthCancel, "*");
}

#[test]
fn hello_with_each_kind_of_name() {
    let name: HelloName = "client.example.org".parse().unwrap();
    check(Command::Ehlo(name.borrowed()), "EHLO client.example.org");
    check(Command::Helo(name.borrowed()), "HELO client.example.org");
    check(Command::Lhlo(name.borrowed()), "LHLO client.example.org");
    check(Command::Ehlo(HelloName::localhost().borrowed()), "EHLO localhost");
    check(
        Command::Ehlo(HelloName::from(IpAddr::from(Ipv4Addr::LOCALHOST)).borrowed()),
        "EHLO [127.0.0.1]",
    );
    check(
        Command::Ehlo(HelloName::from(IpAddr::from(Ipv6Addr::LOCALHOST)).borrowed()),
        "EHLO [IPv6:0:0:0:0:0:0:0:1]",
    );
    check(Command::Ehlo(HelloName::new("[IPv6:2001:db8::1]").unwrap()), "EHLO [IPv6:2001:db8::1]");
}

#[test]
fn mail_with_its_parameters() {
    check(Command::Mail(mail("a@example.org").borrowed()), "MAIL FROM:<a@example.org>");
    check(Command::Mail(mail("").borrowed()), "MAIL FROM:<>");
    check(Command::Mail(mail("<>").borrowed()), "MAIL FROM:<>");
    check(
        Command::Mail(Mail::from(mailbox("\"a b\"@[192.0.2.1]")).borrowed()),
        "MAIL FROM:<\"a b\"@[192.0.2.1]>",
    );
    check(Command::Mail(mail("a@b").size(0).borrowed()), "MAIL FROM:<a@b> SIZE=0");
    check(
        Command::Mail(mail("a@b").size(u64::MAX).borrowed()),
        "MAIL FROM:<a@b> SIZE=18446744073709551615",
    );
    check(Command::Mail(mail("a@b").body(Body::SevenBit).borrowed()), "MAIL FROM:<a@b> BODY=7BIT");
    check(
        Command::Mail(mail("a@b").body(Body::EightBitMime).borrowed()),
        "MAIL FROM:<a@b> BODY=8BITMIME",
    );
    check(Command::Mail(mail("\u{fc}@b").smtputf8().borrowed()), "MAIL FROM:<\u{fc}@b> SMTPUTF8");
    let all = mail("a@b").size(1000).body(Body::EightBitMime).smtputf8();
    let all = all.param(Param::new("RET").unwrap().with("HDRS").unwrap()).unwrap();
    let all = all.param(Param::new("REQUIRETLS").unwrap()).unwrap();
    check(
        Command::Mail(all.borrowed()),
        "MAIL FROM:<a@b> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS REQUIRETLS",
    );
}

#[test]
fn rcpt_with_its_parameters() {
    check(Command::Rcpt(rcpt("b@example.org").borrowed()), "RCPT TO:<b@example.org>");
    check(Command::Rcpt(rcpt("postmaster").borrowed()), "RCPT TO:<Postmaster>");
    check(
        Command::Rcpt(rcpt("PostMaster@example.org").borrowed()),
        "RCPT TO:<PostMaster@example.org>",
    );
    let notify = Param::new("NOTIFY").unwrap().with("SUCCESS,DELAY").unwrap();
    let orcpt = Param::new("ORCPT").unwrap().with("x400;b@example.org").unwrap();
    let both = rcpt("b@c").param(notify).unwrap().param(orcpt).unwrap();
    check(
        Command::Rcpt(both.borrowed()),
        "RCPT TO:<b@c> NOTIFY=SUCCESS,DELAY ORCPT=x400;b@example.org",
    );
}

#[test]
fn chunks_state_their_size() {
    check(Command::Bdat { size: 0, last: true }, "BDAT 0 LAST");
    check(Command::Bdat { size: 9, last: false }, "BDAT 9");
    check(Command::Bdat { size: 10, last: false }, "BDAT 10");
    check(Command::Bdat { size: 86_000, last: true }, "BDAT 86000 LAST");
    check(Command::Bdat { size: u64::MAX, last: false }, "BDAT 18446744073709551615");
}

#[test]
fn arguments_are_quoted_unless_they_are_atoms() {
    check(Command::Noop(Some(argument("hello").borrowed())), "NOOP hello");
    check(Command::Noop(Some(argument("hello you").borrowed())), "NOOP \"hello you\"");
    check(Command::Help(Some(argument("MAIL").borrowed())), "HELP MAIL");
    let smith = argument("Smith");
    check(Command::Vrfy { argument: smith.borrowed(), smtputf8: false }, "VRFY Smith");
    check(Command::Expn { argument: smith.borrowed(), smtputf8: true }, "EXPN Smith SMTPUTF8");
    let flag = argument("x SMTPUTF8");
    check(Command::Vrfy { argument: flag.borrowed(), smtputf8: false }, "VRFY \"x SMTPUTF8\"");
    let quotes = argument("a\"b\\c");
    check(Command::Vrfy { argument: quotes.borrowed(), smtputf8: false }, "VRFY \"a\\\"b\\\\c\"");
    let address = argument("a@example.org");
    check(
        Command::Vrfy { argument: address.borrowed(), smtputf8: false },
        "VRFY \"a@example.org\"",
    );
    let address = Argument::from(&mailbox("a@example.org"));
    check(Command::Vrfy { argument: address.borrowed(), smtputf8: false }, "VRFY a@example.org");
    let umlaut = argument("\u{fc}");
    check(Command::Expn { argument: umlaut.borrowed(), smtputf8: true }, "EXPN \u{fc} SMTPUTF8");
}

#[test]
fn no_log_shows_what_auth_carries() {
    let mechanism: Mechanism = "PLAIN".parse().unwrap();
    let auth = |initial| Command::Auth { mechanism: mechanism.borrowed(), initial };
    let secret = SaslResponse::new("\0user\0secret");
    let line = "AUTH PLAIN AHVzZXIAc2VjcmV0";
    check(auth(None), "AUTH PLAIN");
    check_shown(auth(Some(secret.borrowed())), line, "AUTH PLAIN ***");
    check_shown(Command::AuthResponse(secret.borrowed()), "AHVzZXIAc2VjcmV0", "***");
    for shown in [
        format!("{:?}", auth(Some(secret.borrowed()))),
        format!("{:#?}", Command::AuthResponse(secret.borrowed())),
        format!("{secret:?}"),
        format!("{:?}", encode(&auth(Some(secret.borrowed())), 0).unwrap_err()),
    ] {
        assert!(!shown.contains("secret") && !shown.contains("c2Vjcm"), "{shown}");
    }
}

#[test]
fn an_empty_response_is_not_the_same_as_none() {
    let mechanism: Mechanism = "EXTERNAL".parse().unwrap();
    let empty = SaslResponse::new([]);
    check(Command::Auth { mechanism: mechanism.borrowed(), initial: None }, "AUTH EXTERNAL");
    check(
        Command::Auth { mechanism: mechanism.borrowed(), initial: Some(empty.borrowed()) },
        "AUTH EXTERNAL =",
    );
    assert_eq!(encode(&Command::AuthResponse(empty.borrowed()), 512).unwrap(), "\r\n");
}

#[test]
fn responses_are_base64_with_padding() {
    for (octets, line) in [
        (&b"f"[..], "Zg=="),
        (b"fo", "Zm8="),
        (b"foo", "Zm9v"),
        (b"\xfb\xff\xbe", "+/++"),
        (&[0; 48], &"A".repeat(64)),
        (&[0; 600], &"A".repeat(800)),
    ] {
        check_shown(Command::AuthResponse(SaslResponse::new(octets).borrowed()), line, "***");
    }
}

/// An argument that makes the line `NOOP` and itself this long.
fn noop(length: usize) -> Argument {
    argument(&"x".repeat(length - "NOOP \r\n".len()))
}

#[test]
fn a_line_may_have_512_octets_and_no_more() {
    assert_eq!(Command::MAX_LINE, 512);
    let argument = noop(512);
    assert_eq!(encode(&Command::Noop(Some(argument.borrowed())), 512).unwrap().len(), 512);
    let argument = noop(513);
    too_long(Command::Noop(Some(argument.borrowed())), 512, Field::Argument);

    let short: Mechanism = "EXTERNAL".parse().unwrap();
    let long: Mechanism = "EXTERNAL2".parse().unwrap();
    let initial = SaslResponse::new([7; 372]);
    let auth = |mechanism: &Mechanism| {
        let (mechanism, initial) = (mechanism.borrowed(), Some(initial.borrowed()));
        encode(&Command::Auth { mechanism, initial }, 512)
    };
    assert_eq!(auth(&short).unwrap().len(), 512);
    let flaw = Flaw::CommandTooLong { length: 513, limit: 512 };
    assert_eq!(auth(&long), Err(Invalid::new(Field::AuthResponse, flaw)));
}

#[test]
fn the_error_names_what_made_the_line_too_long() {
    let name = HelloName::localhost();
    too_long(Command::Ehlo(name.borrowed()), 15, Field::HelloName);
    too_long(Command::Helo(name.borrowed()), 15, Field::HelloName);
    too_long(Command::Lhlo(name.borrowed()), 15, Field::HelloName);
    let value = "x".repeat(500);
    let param = Param::new("X").unwrap().with(&value).unwrap();
    let mail = mail("a@b").param(param).unwrap();
    too_long(Command::Mail(mail.borrowed()), 512, Field::ReversePath);
    let rcpt = rcpt("a@b").param(param).unwrap();
    too_long(Command::Rcpt(rcpt.borrowed()), 512, Field::ForwardPath);
    let long = argument(&"x".repeat(510));
    too_long(
        Command::Vrfy { argument: long.borrowed(), smtputf8: false },
        512,
        Field::VerifyArgument,
    );
    too_long(
        Command::Expn { argument: long.borrowed(), smtputf8: true },
        512,
        Field::ExpandArgument,
    );
    too_long(Command::Help(Some(long.borrowed())), 512, Field::HelpTopic);
    too_long(Command::Noop(Some(long.borrowed())), 512, Field::Argument);
    let response = SaslResponse::new([0; 384]);
    too_long(Command::AuthResponse(response.borrowed()), 512, Field::AuthResponse);
}

#[test]
fn quoting_counts_towards_the_limit() {
    let quotes = argument(&"\"".repeat(300));
    let command = Command::Help(Some(quotes.borrowed()));
    assert_eq!(command.line_length(), "HELP \"\"\r\n".len() + 600);
    too_long(command, 512, Field::HelpTopic);
}

#[test]
fn lines_are_appended() {
    let mut out = Vec::new();
    for command in [Command::Rset, Command::Noop(None), Command::Quit] {
        command.encode(512, &mut out).unwrap();
    }
    assert_eq!(out, b"RSET\r\nNOOP\r\nQUIT\r\n");
}
