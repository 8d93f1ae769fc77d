//! Command lines: the command in each, and its deviations.

use smtp_codec::{
    Argument, Attribute, Attributes, Command, CommandFault, Deviations, ForwardPath, HelloName,
    Mail, MailParam, Mailbox, Rcpt, ReversePath, Verb, Word, Xtext,
};

use crate::reply::OF_COMMANDS;

fn encoded(command: &Command<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    command.encode(usize::MAX, &mut out).unwrap();
    out
}

/// The line is this command, deviates in nothing, and is encoded as it came; its verb may be in
/// lower case.
#[track_caller]
fn check(line: &str, expected: Command<'_>) {
    let decoded = Command::decode(line.as_bytes(), Deviations::empty()).unwrap();
    assert_eq!(decoded.command, expected);
    assert_eq!(decoded.deviations, Deviations::empty());
    assert_eq!(encoded(&decoded.command), format!("{line}\r\n").into_bytes());
    let Some(verb) = expected.verb() else { return };
    let lower = line.replacen(verb.as_str(), &verb.as_str().to_ascii_lowercase(), 1);
    let decoded = Command::decode(lower.as_bytes(), Deviations::empty()).unwrap();
    assert_eq!(decoded.command, expected, "{lower}");
}

fn hello(name: &str) -> HelloName<&str> {
    HelloName::new(name).unwrap()
}

fn word(text: &str) -> Word<&str> {
    Word::new(text).unwrap()
}

fn argument(content: &str) -> Argument {
    Argument::new(content).unwrap()
}

#[test]
fn verbs_that_stand_alone() {
    check("DATA", Command::Data);
    check("RSET", Command::Rset);
    check("QUIT", Command::Quit);
    check("STARTTLS", Command::StartTls);
    check("NOOP", Command::Noop(None));
    check("HELP", Command::Help(None));
    check("ATRN", Command::Atrn(None));
}

#[test]
fn hello_with_each_kind_of_name() {
    for name in ["client.example.org", "localhost", "[192.0.2.1]", "[IPv6:2001:db8::1]", "1"] {
        check(&format!("EHLO {name}"), Command::Ehlo(hello(name)));
        check(&format!("HELO {name}"), Command::Helo(hello(name)));
        check(&format!("LHLO {name}"), Command::Lhlo(hello(name)));
    }
}

#[test]
fn mail_from_each_kind_of_path() {
    check("MAIL FROM:<>", Command::Mail(Mail::new(ReversePath::Null).borrowed()));
    for path in [
        "a@b",
        "A.b+c@Example.ORG",
        "\"\"@b",
        "\"a\\@b\"@c",
        "\"a> SIZE=1\"@c",
        "\"<\\\">\"@c",
        "a@[192.0.2.1]",
        "a@[IPv6:::1]",
        "a@[x:b>c]",
        "\">\"@[x:>>]",
        "\u{fc}@b\u{fc}cher.example",
    ] {
        let mail = Mail::try_from(path).unwrap();
        check(&format!("MAIL FROM:<{path}>"), Command::Mail(mail.borrowed()));
        let mail = mail.size(7);
        check(&format!("MAIL FROM:<{path}> SIZE=7"), Command::Mail(mail.borrowed()));
        let rcpt = Rcpt::try_from(path).unwrap();
        check(&format!("RCPT TO:<{path}>"), Command::Rcpt(rcpt.borrowed()));
        let rcpt = rcpt.param("NOTIFY=NEVER").unwrap();
        check(&format!("RCPT TO:<{path}> NOTIFY=NEVER"), Command::Rcpt(rcpt.borrowed()));
    }
}

#[test]
fn the_words_in_front_of_a_path_may_be_in_any_case() {
    for line in ["mail from:<a@b>", "Mail From:<a@b>", "MAIL FrOm:<a@b>"] {
        let decoded = Command::decode(line.as_bytes(), Deviations::empty()).unwrap();
        assert_eq!(encoded(&decoded.command), b"MAIL FROM:<a@b>\r\n");
    }
    let decoded = Command::decode(b"rcpt to:<a@b>", Deviations::empty()).unwrap();
    assert_eq!(encoded(&decoded.command), b"RCPT TO:<a@b>\r\n");
}

#[test]
fn the_null_path_the_postmaster_and_a_mailbox_are_three_things() {
    let path = |line: &'static str| match Command::decode(line.as_bytes(), Deviations::empty()) {
        Ok(decoded) => match decoded.command {
            Command::Rcpt(rcpt) => Some(*rcpt.path()),
            _ => None,
        },
        Err(_) => None,
    };
    for line in ["RCPT TO:<Postmaster>", "RCPT TO:<postmaster>", "RCPT TO:<POSTMASTER>"] {
        assert_eq!(path(line), Some(ForwardPath::Postmaster), "{line}");
    }
    let mailbox = Mailbox::new("Postmaster@b").unwrap();
    assert_eq!(path("RCPT TO:<Postmaster@b>"), Some(ForwardPath::Mailbox(mailbox)));
    assert_eq!(path("RCPT TO:<>"), None);
}

#[test]
fn parameters_are_kept_as_they_came() {
    let line = "MAIL FROM:<a@b> size=10 X-own Body=8bitMIME x=Y";
    let decoded = Command::decode(line.as_bytes(), Deviations::empty()).unwrap();
    assert_eq!(encoded(&decoded.command), format!("{line}\r\n").into_bytes());
    let Command::Mail(mail) = decoded.command else { panic!("it is MAIL") };
    let keywords: Vec<_> = mail.params().map(|param| param.keyword().to_string()).collect();
    assert_eq!(keywords, ["SIZE", "X-own", "BODY", "x"]);
    assert_eq!(mail.params().next(), Some(MailParam::Size(10)));
    assert_eq!(mail.raw_params().find("x").unwrap().value(), Some("Y"));
}

#[test]
fn arguments_are_strings_and_mailboxes() {
    let [smith, quoted, flag] = ["Smith", "a b", "SMTPUTF8"].map(argument);
    let mailbox = Argument::from(&Mailbox::new("a@b").unwrap());
    for (text, argument) in
        [("Smith", smith), ("\"a b\"", quoted), ("SMTPUTF8", flag), ("a@b", mailbox)]
    {
        let argument = argument.borrowed();
        check(&format!("VRFY {text}"), Command::Vrfy { argument, smtputf8: false });
        check(&format!("VRFY {text} SMTPUTF8"), Command::Vrfy { argument, smtputf8: true });
        check(&format!("EXPN {text}"), Command::Expn { argument, smtputf8: false });
        check(&format!("EXPN {text} SMTPUTF8"), Command::Expn { argument, smtputf8: true });
        check(&format!("HELP {text}"), Command::Help(Some(argument)));
        check(&format!("NOOP {text}"), Command::Noop(Some(argument)));
    }
    let quoted = argument("x SMTPUTF8");
    let vrfy = Command::Vrfy { argument: quoted.borrowed(), smtputf8: false };
    check("VRFY \"x SMTPUTF8\"", vrfy);
}

#[test]
fn chunks_have_a_size() {
    for (text, size) in [("0", 0), ("1", 1), ("86400", 86_400), ("18446744073709551615", u64::MAX)]
    {
        check(&format!("BDAT {text}"), Command::Bdat { size, last: false });
        check(&format!("BDAT {text} LAST"), Command::Bdat { size, last: true });
    }
    for line in ["BDAT 5 last", "bdat 5 Last", "BDAT 0005 LAST"] {
        let decoded = Command::decode(line.as_bytes(), Deviations::empty()).unwrap();
        assert_eq!(decoded.command, Command::Bdat { size: 5, last: true });
    }
}

#[test]
fn verbs_of_extensions() {
    let uri = word("imap://a@b/INBOX;uid=1;urlauth=submit+a:internal:91354a473744909de610");
    check(&format!("BURL {uri}"), Command::Burl { uri, last: false });
    check(&format!("BURL {uri} LAST"), Command::Burl { uri, last: true });
    check("ETRN example.org", Command::Etrn(word("example.org")));
    check("ETRN @example.org", Command::Etrn(word("@example.org")));
    check("ETRN #queue", Command::Etrn(word("#queue")));
    check("ATRN a.org,b.org", Command::Atrn(Some(word("a.org,b.org"))));
}

#[test]
fn attributes_are_known_or_unavailable() {
    let name = Xtext::encode("spike example");
    let attributes = Attributes::default().with("NAME", Attribute::Known(name)).unwrap();
    let attributes = attributes.with::<String>("ADDR", Attribute::Unavailable).unwrap();
    let attributes = attributes.with::<String>("HELO", Attribute::TemporarilyUnavailable).unwrap();
    let text = "NAME=spike+20example ADDR=[UNAVAILABLE] HELO=[TEMPUNAVAIL]";
    assert_eq!(attributes.to_string(), text);
    check(&format!("XCLIENT {text}"), Command::Xclient(attributes.borrowed()));
    check(&format!("XFORWARD {text}"), Command::Xforward(attributes.borrowed()));
    let names: Vec<_> = attributes.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["NAME", "ADDR", "HELO"]);
    let Some((_, Attribute::Known(first))) = attributes.iter().next() else { panic!("known") };
    assert_eq!(first.decode(), b"spike example");
}

#[test]
fn unknown_verbs_are_kept_with_their_arguments() {
    let other = |verb, arguments| Command::Other { verb, arguments };
    check("TURN", other("TURN", ""));
    check("SEND FROM:<a@b>", other("SEND", "FROM:<a@b>"));
    check("verb ON", other("verb", "ON"));
    check("X-OWN-VERB a  b c ", other("X-OWN-VERB", "a  b c "));
    check("GET / HTTP/1.1", other("GET", "/ HTTP/1.1"));
    check("EHLOX a", other("EHLOX", "a"));
    check("EHL a", other("EHL", "a"));
    check("MAILFROM:<a@b>", other("MAILFROM:<a@b>", ""));
    check("STARTTLS;", other("STARTTLS;", ""));
    check("*", other("*", ""));
    check("X \u{fc} \u{1f600}", other("X", "\u{fc} \u{1f600}"));
    check("\u{fc}", other("\u{fc}", ""));
}

const LONG_LOCAL_PART: &str = "MAIL FROM:\
    <SRS0=HHH=TT=a.sender.with.a.long.name.example=somebody.with.a.long.name@forwarder.example>";

/// Deviations, a line that has them and no others, and the same command without them.
const DEVIATIONS: &[(Deviations, &str, &str)] = &[
    (Deviations::TRAILING_SPACE, "DATA ", "DATA"),
    (Deviations::TRAILING_SPACE, "QUIT   ", "QUIT"),
    (Deviations::TRAILING_SPACE, "STARTTLS ", "STARTTLS"),
    (Deviations::TRAILING_SPACE, "NOOP ", "NOOP"),
    (Deviations::TRAILING_SPACE, "HELP a ", "HELP a"),
    (Deviations::TRAILING_SPACE, "ATRN ", "ATRN"),
    (Deviations::TRAILING_SPACE, "ATRN a ", "ATRN a"),
    (Deviations::TRAILING_SPACE, "ETRN a ", "ETRN a"),
    (Deviations::TRAILING_SPACE, "EHLO a  ", "EHLO a"),
    (Deviations::TRAILING_SPACE, "AUTH PLAIN ", "AUTH PLAIN"),
    (Deviations::TRAILING_SPACE, "AUTH PLAIN = ", "AUTH PLAIN ="),
    (Deviations::TRAILING_SPACE, "BDAT 1 ", "BDAT 1"),
    (Deviations::TRAILING_SPACE, "BDAT 1 LAST  ", "BDAT 1 LAST"),
    (Deviations::TRAILING_SPACE, "BURL a: ", "BURL a:"),
    (Deviations::TRAILING_SPACE, "VRFY a ", "VRFY a"),
    (Deviations::TRAILING_SPACE, "EXPN a SMTPUTF8 ", "EXPN a SMTPUTF8"),
    (Deviations::TRAILING_SPACE, "MAIL FROM:<a@b> ", "MAIL FROM:<a@b>"),
    (Deviations::TRAILING_SPACE, "MAIL FROM:<a@b>  ", "MAIL FROM:<a@b>"),
    (Deviations::TRAILING_SPACE, "RCPT TO:<a@b> X=1 ", "RCPT TO:<a@b> X=1"),
    (Deviations::TRAILING_SPACE, "XCLIENT A=b ", "XCLIENT A=b"),
    (Deviations::EXTRA_SPACE, "EHLO  a", "EHLO a"),
    (Deviations::EXTRA_SPACE, "MAIL  FROM:<a@b>", "MAIL FROM:<a@b>"),
    (Deviations::EXTRA_SPACE, "MAIL FROM:<a@b>  X=1", "MAIL FROM:<a@b> X=1"),
    (Deviations::EXTRA_SPACE, "RCPT   TO:<a@b>", "RCPT TO:<a@b>"),
    (Deviations::EXTRA_SPACE, "AUTH  PLAIN", "AUTH PLAIN"),
    (Deviations::EXTRA_SPACE, "AUTH PLAIN  AAAA", "AUTH PLAIN AAAA"),
    (Deviations::EXTRA_SPACE, "BDAT  1", "BDAT 1"),
    (Deviations::EXTRA_SPACE, "BDAT 1  LAST", "BDAT 1 LAST"),
    (Deviations::EXTRA_SPACE, "ETRN  a", "ETRN a"),
    (Deviations::EXTRA_SPACE, "NOOP  a", "NOOP a"),
    (Deviations::EXTRA_SPACE, "VRFY  a", "VRFY a"),
    (Deviations::EXTRA_SPACE, "VRFY a  SMTPUTF8", "VRFY a SMTPUTF8"),
    (Deviations::EXTRA_SPACE, "XFORWARD  A=b", "XFORWARD A=b"),
    (Deviations::EXTRA_SPACE, "XFORWARD A=b   C=d", "XFORWARD A=b C=d"),
    (Deviations::EXTRA_SPACE, "XCLIENT A=b  C=d", "XCLIENT A=b C=d"),
    (Deviations::EXTRA_SPACE, "MAIL FROM:<a@b> X  Y=1", "MAIL FROM:<a@b> X Y=1"),
    (Deviations::EXTRA_SPACE, "RCPT TO:<a@b> X=1   Y=1  Z", "RCPT TO:<a@b> X=1 Y=1 Z"),
    (Deviations::SPACE_AFTER_COLON, "MAIL FROM: <a@b>", "MAIL FROM:<a@b>"),
    (Deviations::SPACE_AFTER_COLON, "MAIL FROM:  <>", "MAIL FROM:<>"),
    (Deviations::SPACE_AFTER_COLON, "RCPT TO: <a@b> X=1", "RCPT TO:<a@b> X=1"),
    (Deviations::NO_BRACKETS, "MAIL FROM:a@b", "MAIL FROM:<a@b>"),
    (Deviations::NO_BRACKETS, "MAIL FROM:a@b SIZE=1", "MAIL FROM:<a@b> SIZE=1"),
    (Deviations::NO_BRACKETS, "RCPT TO:postmaster", "RCPT TO:<Postmaster>"),
    (Deviations::SOURCE_ROUTE, "MAIL FROM:<@a:c@d>", "MAIL FROM:<c@d>"),
    (Deviations::SOURCE_ROUTE, "MAIL FROM:<@a,@b.org:c@d> X", "MAIL FROM:<c@d> X"),
    (Deviations::SOURCE_ROUTE, "RCPT TO:<@a:\"b>:\"@c>", "RCPT TO:<\"b>:\"@c>"),
    (Deviations::SOURCE_ROUTE, "RCPT TO:<@a,@b:c@d>", "RCPT TO:<c@d>"),
    (Deviations::LONG_LOCAL_PART, LONG_LOCAL_PART, LONG_LOCAL_PART),
    (Deviations::LOOSE_DOTS, "MAIL FROM:<a..b@c>", "MAIL FROM:<a..b@c>"),
    (Deviations::LOOSE_DOTS, "RCPT TO:<.a@c> X=1", "RCPT TO:<.a@c> X=1"),
    (Deviations::LOOSE_DOTS, "RCPT TO:<a.@c>", "RCPT TO:<a.@c>"),
    (Deviations::UNDERSCORE, "MAIL FROM:<a@foo_bar.example>", "MAIL FROM:<a@foo_bar.example>"),
    (Deviations::UNDERSCORE, "RCPT TO:<a@_.b\u{fc}.example>", "RCPT TO:<a@_.b\u{fc}.example>"),
    (Deviations::LOWER_HEX, "MAIL FROM:<> ENVID=a+2b", "MAIL FROM:<> ENVID=a+2b"),
    (Deviations::LOWER_HEX, "MAIL FROM:<> AUTH=a+3db@c", "MAIL FROM:<> AUTH=a+3db@c"),
    (Deviations::LOWER_HEX, "MAIL FROM:<> SUBMITTER=+2fa@b", "MAIL FROM:<> SUBMITTER=+2fa@b"),
    (Deviations::LOWER_HEX, "RCPT TO:<a@b> ORCPT=x;+c3+BC", "RCPT TO:<a@b> ORCPT=x;+c3+BC"),
    (Deviations::LOWER_HEX, "XCLIENT HELO=a+0a", "XCLIENT HELO=a+0a"),
    (Deviations::LOWER_HEX, "XFORWARD NAME=+2B+e9", "XFORWARD NAME=+2B+e9"),
    (Deviations::HELLO_NAME, "EHLO a_b", "EHLO a_b"),
    (Deviations::HELLO_NAME, "EHLO a b", "EHLO a b"),
    (Deviations::HELLO_NAME, "HELO [::1]", "HELO [::1]"),
    (Deviations::HELLO_NAME, "HELO a.", "HELO a."),
    (Deviations::HELLO_NAME, "LHLO b\u{fc}cher.example", "LHLO b\u{fc}cher.example"),
    (Deviations::LOOSE_ARGUMENT, "NOOP keep alive", "NOOP keep alive"),
    (Deviations::LOOSE_ARGUMENT, "HELP a,b", "HELP a,b"),
    (Deviations::LOOSE_ARGUMENT, "VRFY Smith <a@b>", "VRFY Smith <a@b>"),
    (Deviations::LOOSE_ARGUMENT, "VRFY \"open", "VRFY \"open"),
    (Deviations::LOOSE_ARGUMENT, "EXPN a b SMTPUTF8", "EXPN a b SMTPUTF8"),
];

#[test]
fn what_is_not_tolerated_is_refused() {
    let mut seen = Deviations::empty();
    for &(deviation, line, plain) in DEVIATIONS {
        let decoded = Command::decode(line.as_bytes(), deviation).unwrap();
        assert_eq!(decoded.deviations, deviation, "{line}");
        assert_eq!(encoded(&decoded.command), format!("{plain}\r\n").into_bytes(), "{line}");
        let error = Command::decode(line.as_bytes(), Deviations::all() - deviation).unwrap_err();
        assert_eq!(error.fault, CommandFault::Deviation(deviation), "{line}");
        assert_eq!(error.verb, decoded.command.verb(), "{line}");
        seen |= deviation;
    }
    // Of a route only; they have a test of their own.
    seen |= Deviations::LOOSE_ROUTE | Deviations::LONG_PATH;
    assert_eq!(seen, OF_COMMANDS, "a row for each");
}

/// The line has a source route that deviates in this way, and is the same command without it.
#[track_caller]
fn routed(line: &str, deviation: Deviations, plain: &str) {
    let seen = Deviations::SOURCE_ROUTE | deviation;
    let decoded = Command::decode(line.as_bytes(), Deviations::TOLERANT).unwrap();
    assert_eq!(decoded.deviations, seen, "{line}");
    assert_eq!(encoded(&decoded.command), format!("{plain}\r\n").into_bytes());
    if !deviation.is_empty() {
        let error = Command::decode(line.as_bytes(), Deviations::STRICT).unwrap_err();
        assert_eq!(error.fault, CommandFault::Deviation(deviation), "{line}");
    }
}

#[test]
fn a_route_is_made_of_domains_and_leads_to_a_mailbox() {
    let loose = Deviations::LOOSE_ROUTE;
    routed("RCPT TO:<@a:postmaster>", loose, "RCPT TO:<Postmaster>");
    routed("RCPT TO:<@a,@b.org:POSTMASTER> X", loose, "RCPT TO:<Postmaster> X");
    routed("RCPT TO:<@[1.2.3.4]:c@d>", loose, "RCPT TO:<c@d>");
    routed("MAIL FROM:<@a,@[1.2.3.4],@b:c@d>", loose, "MAIL FROM:<c@d>");
    routed("RCPT TO:<@a:Postmaster@d>", Deviations::empty(), "RCPT TO:<Postmaster@d>");
}

#[test]
fn a_path_with_its_route_has_up_to_256_octets() {
    let line = |octets: usize| {
        let hop = "x".repeat(50) + ".";
        let hops = hop.repeat(4) + &"y".repeat(octets - 4 * 51 - "<@:c@d>".len());
        (format!("RCPT TO:<@{hops}:c@d>"), format!("MAIL FROM:<@{hops}:c@d>"))
    };
    let (rcpt, mail) = line(256);
    routed(&rcpt, Deviations::empty(), "RCPT TO:<c@d>");
    routed(&mail, Deviations::empty(), "MAIL FROM:<c@d>");
    let (rcpt, mail) = line(257);
    routed(&rcpt, Deviations::LONG_PATH, "RCPT TO:<c@d>");
    routed(&mail, Deviations::LONG_PATH, "MAIL FROM:<c@d>");
}

#[test]
fn policies_differ_in_what_they_tolerate() {
    for &(deviation, line, _) in DEVIATIONS {
        let tolerated = |policy| Command::decode(line.as_bytes(), policy).is_ok();
        let never = Deviations::NO_BRACKETS | Deviations::MAILBOX;
        assert_eq!(tolerated(Deviations::TOLERANT), !never.contains(deviation), "{line}");
        let always = Deviations::TRAILING_SPACE | Deviations::SOURCE_ROUTE;
        assert_eq!(tolerated(Deviations::STRICT), always.contains(deviation), "{line}");
    }
}

#[test]
fn deviations_add_up() {
    let line = b"MAIL  FROM: <@x:a@b>  SIZE=1 ";
    let all = Deviations::EXTRA_SPACE
        | Deviations::SPACE_AFTER_COLON
        | Deviations::SOURCE_ROUTE
        | Deviations::TRAILING_SPACE;
    let decoded = Command::decode(line, Deviations::all()).unwrap();
    assert_eq!(decoded.deviations, all);
    assert_eq!(encoded(&decoded.command), b"MAIL FROM:<a@b> SIZE=1\r\n");
    let error = Command::decode(line, Deviations::STRICT).unwrap_err();
    let refused = Deviations::EXTRA_SPACE | Deviations::SPACE_AFTER_COLON;
    assert_eq!(error.fault, CommandFault::Deviation(refused));
    assert_eq!(error.verb, Some(Verb::Mail));
}
