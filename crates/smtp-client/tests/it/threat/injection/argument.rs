//! Every argument of every command, with a valid sample: every value in a command line is one of
//! these.
use smtp_client::{Argument, HelloName, Invalid, Mail, MailParam, Mailbox, Part, Rcpt, RcptParam};
use smtp_codec::{Attribute, Attributes, Command, Mechanism, RrvsAction, Word, Xtext};

/// The line with an argument, or the error.
type Line = Result<Vec<u8>, Invalid>;

/// An argument: what it is, a good sample, and what line it makes.
type Sample = (&'static str, &'static str, fn(&str) -> Line);

/// An argument that holds any octets, in an encoding of its own.
type Encoded = (&'static str, fn(&[u8]) -> Line);

fn line(command: Command<'_>) -> Line {
    let mut line = Vec::new();
    command.encode(4096, &mut line)?;
    Ok(line)
}

fn mail(sender: &str) -> Line {
    line(Command::Mail(Mail::try_from(sender)?.borrowed()))
}

fn rcpt(recipient: &str) -> Line {
    line(Command::Rcpt(Rcpt::try_from(recipient)?.borrowed()))
}

fn mail_with(param: MailParam) -> Line {
    line(Command::Mail(Mail::try_from("a@example.org")?.with(param)?.borrowed()))
}

fn mail_param(param: &str) -> Line {
    line(Command::Mail(Mail::try_from("a@example.org")?.param(param)?.borrowed()))
}

fn rcpt_with(param: RcptParam) -> Line {
    line(Command::Rcpt(Rcpt::try_from("b@example.org")?.with(param)?.borrowed()))
}

fn rcpt_param(param: &str) -> Line {
    line(Command::Rcpt(Rcpt::try_from("b@example.org")?.param(param)?.borrowed()))
}

fn attribute(name: &str) -> Result<Attributes, Invalid> {
    Attributes::default().with(name, Attribute::Known(Xtext::encode("x")))
}

/// Those that are sent as they are.
pub(super) const ARGUMENTS: &[Sample] = &[
    ("EHLO", "client.example", |text| line(Command::Ehlo(HelloName::new(text)?))),
    ("EHLO with an address", "[192.0.2.1]", |text| line(Command::Ehlo(HelloName::new(text)?))),
    ("HELO", "client.example", |text| line(Command::Helo(HelloName::new(text)?))),
    ("LHLO", "[IPv6:2001:db8::1]", |text| line(Command::Lhlo(HelloName::new(text)?))),
    ("MAIL", "a.b@example.org", mail),
    ("MAIL with quotes", "\"a b\"@example.org", mail),
    ("MAIL with a quoted pair", "\"a\\\"b\"@example.org", mail),
    ("MAIL with an address literal", "a@[192.0.2.1]", mail),
    ("MAIL outside ASCII", "\u{fc}@\u{fc}.example", mail),
    ("RCPT", "a.b@example.org", rcpt),
    ("RCPT with quotes", "\"a b\"@example.org", rcpt),
    ("RCPT with an address literal", "a@[IPv6:2001:db8::1]", rcpt),
    ("Postmaster", "Postmaster", rcpt),
    ("a keyword of MAIL", "X-OWN", |text| mail_param(&format!("{text}=1"))),
    ("a keyword of MAIL alone", "X-OWN", mail_param),
    ("a value of MAIL", "value", |text| mail_param(&format!("X-OWN={text}"))),
    ("a keyword of RCPT", "X-OWN", |text| rcpt_param(&format!("{text}=1"))),
    ("a value of RCPT", "value", |text| rcpt_param(&format!("X-OWN={text}"))),
    ("SIZE", "1000", |text| mail_param(&format!("SIZE={text}"))),
    ("BODY", "8BITMIME", |text| mail_param(&format!("BODY={text}"))),
    ("RET", "HDRS", |text| mail_param(&format!("RET={text}"))),
    ("ENVID", "QQ314159", |text| mail_param(&format!("ENVID={text}"))),
    ("AUTH", "a+40example.org", |text| mail_param(&format!("AUTH={text}"))),
    ("SUBMITTER", "a@example.org", |text| mail_param(&format!("SUBMITTER={text}"))),
    ("BY", "120;R", |text| mail_param(&format!("BY={text}"))),
    ("MT-PRIORITY", "-3", |text| mail_param(&format!("MT-PRIORITY={text}"))),
    ("HOLDFOR", "3600", |text| mail_param(&format!("HOLDFOR={text}"))),
    ("HOLDUNTIL", "2026-11-23T09:30:00Z", |text| mail_with(MailParam::HoldUntil(text.into()))),
    ("SOLICIT", "org.example:ADV:ADLT", |text| mail_with(MailParam::Solicit(text.into()))),
    ("TRANSID", "<id@example.org>", |text| mail_with(MailParam::TransId(text.into()))),
    ("MTRK", "YWJjZGVmZ2hpamtsbW5vcA", |text| {
        mail_with(MailParam::Mtrk { certifier: text.into(), timeout: Some(60) })
    }),
    ("NOTIFY", "SUCCESS,DELAY", |text| rcpt_param(&format!("NOTIFY={text}"))),
    ("the type of ORCPT", "rfc822", |text| {
        rcpt_with(RcptParam::Orcpt { kind: text.into(), address: "b@example.org".into() })
    }),
    ("the address of ORCPT", "b@example.org", |text| {
        rcpt_with(RcptParam::Orcpt { kind: "rfc822".into(), address: text.into() })
    }),
    ("the address of ORCPT in utf-8", "b\\x{FC}@example.org", |text| {
        rcpt_with(RcptParam::Orcpt { kind: "utf-8".into(), address: text.into() })
    }),
    ("RRVS", "2026-11-23T09:30:00Z", |text| {
        let otherwise = Some(RrvsAction::Continue);
        rcpt_with(RcptParam::Rrvs { since: text.into(), otherwise })
    }),
    ("VRFY", "Crispin", |text| {
        line(Command::Vrfy { argument: Argument::new(text)?.borrowed(), smtputf8: false })
    }),
    ("VRFY with quotes", "Joe Smith", |text| {
        line(Command::Vrfy { argument: Argument::new(text)?.borrowed(), smtputf8: true })
    }),
    ("EXPN", "Example-People", |text| {
        line(Command::Expn { argument: Argument::new(text)?.borrowed(), smtputf8: false })
    }),
    ("EXPN with a mailbox", "a@example.org", |text| {
        let mailbox = Argument::from(&Mailbox::new(text)?);
        line(Command::Expn { argument: mailbox.borrowed(), smtputf8: false })
    }),
    ("HELP", "MAIL", |text| line(Command::Help(Some(Argument::new(text)?.borrowed())))),
    ("NOOP", "hello", |text| line(Command::Noop(Some(Argument::new(text)?.borrowed())))),
    ("BURL", "imap://a.example/b;uid=1", |text| {
        let Part::Fetched(uri) = Part::fetched(text)? else { unreachable!("it is fetched") };
        line(Command::Burl { uri: uri.borrowed(), last: true })
    }),
    ("ETRN", "example.org", |text| line(Command::Etrn(Word::new(text)?))),
    ("ATRN", "example.org,example.com", |text| line(Command::Atrn(Some(Word::new(text)?)))),
    ("the mechanism of AUTH", "SCRAM-SHA-256", |text| {
        line(Command::Auth { mechanism: Mechanism::new(text)?, initial: None })
    }),
    ("an attribute of XCLIENT", "NAME", |text| line(Command::Xclient(attribute(text)?.borrowed()))),
    ("an attribute of XFORWARD", "ADDR", |text| {
        line(Command::Xforward(attribute(text)?.borrowed()))
    }),
    ("a verb without a name", "XOWN", |text| {
        line(Command::Other { verb: text, arguments: "and more" })
    }),
    ("the arguments of such a verb", "and more", |text| {
        line(Command::Other { verb: "XOWN", arguments: text })
    }),
];

/// Those that are encoded.
pub(super) const ENCODED: &[Encoded] = &[
    ("ENVID", |octets| mail_with(MailParam::EnvId(Xtext::encode(octets)))),
    ("SUBMITTER", |octets| mail_with(MailParam::Submitter(Xtext::encode(octets)))),
    ("AUTH", |octets| mail_with(MailParam::Auth(Some(Xtext::encode(octets))))),
    ("ORCPT", |octets| {
        let address = Xtext::encode(octets).as_str().to_owned();
        rcpt_with(RcptParam::Orcpt { kind: "rfc822".into(), address })
    }),
    ("XCLIENT", |octets| {
        let known = Attribute::Known(Xtext::encode(octets));
        line(Command::Xclient(Attributes::default().with("NAME", known)?.borrowed()))
    }),
];
