//! Plans: the MAIL line of a message, or why it cannot be sent.

use smtp_caps::{Capabilities, Channel, EightBit, Envelope, Framing, Objection, Plan, RawHeaders};
use smtp_codec::{Body, Command, ContentFacts, Mail, MailData, Param, Rcpt};
use smtp_error::{ErrorKind, Extension, Field, Flaw, HeaderName, Invalid, Unsupported};

use crate::capabilities;

const TEXT: &str = "Subject: a\r\n\r\nb\r\n";
const EIGHT_BIT: &str = "Subject: a\r\n\r\n\u{e9}\r\n";
const UTF8_HEADERS: &str = "Subject: \u{e9}\r\n\r\nb\r\n";

fn plan(offered: &Capabilities, mail: Mail, rcpts: &[Rcpt], text: &str) -> Result<Plan, Objection> {
    let envelope = Envelope::new(mail, rcpts.iter().cloned()).unwrap();
    let text = MailData::new(text.as_bytes().to_vec()).unwrap();
    Plan::new(offered, &envelope, text.facts(), EightBit::Refuse)
}

fn mail() -> Mail {
    "a@b".try_into().unwrap()
}

fn rcpts() -> [Rcpt; 1] {
    ["c@d".try_into().unwrap()]
}

/// Returns the parameter with this keyword, and with this value unless it is empty.
fn param<'a>(keyword: &'a str, value: &'a str) -> Param<&'a str> {
    let param = Param::new(keyword).unwrap();
    if value.is_empty() { param } else { param.with(value).unwrap() }
}

/// Checks the MAIL line of a message, for a server that offers these keywords.
#[track_caller]
fn check(offered: &[&str], mail: Mail, text: &str, line: &str) {
    let plan = plan(&capabilities(offered), mail, &rcpts(), text).unwrap();
    assert_eq!(Command::Mail(plan.mail().borrowed()).to_string(), line);
}

/// Checks that a message cannot be sent to a server that offers these keywords.
#[track_caller]
fn objected(offered: &[&str], mail: Mail, rcpt: Rcpt, text: &str, why: impl Into<Objection>) {
    let found = plan(&capabilities(offered), mail, &[rcpt], text);
    assert_eq!(found, Err(why.into()));
}

#[track_caller]
fn needs(offered: &[&str], mail: Mail, rcpt: Rcpt, text: &str, extension: Extension) {
    objected(offered, mail, rcpt, text, Unsupported::Extension(extension));
}

fn rcpt() -> Rcpt {
    rcpts()[0].clone()
}

#[test]
fn a_server_that_offers_nothing_gets_no_parameters() {
    check(&[], mail(), TEXT, "MAIL FROM:<a@b>");
    check(&[], "".try_into().unwrap(), "", "MAIL FROM:<>");
    let plan = plan(&Capabilities::none(), mail(), &rcpts(), TEXT).unwrap();
    assert_eq!(plan.mail(), &mail());
    assert!(!plan.is_pipelined());
}

#[test]
fn commands_are_sent_in_groups_if_pipelining_is_offered() {
    for (offered, pipelined) in [(&["HELP"][..], false), (&["pipelining"], true)] {
        let plan = plan(&capabilities(offered), mail(), &rcpts(), TEXT).unwrap();
        assert_eq!(plan.is_pipelined(), pipelined);
    }
    let masked = capabilities(&["PIPELINING"]).without(Extension::Pipelining);
    assert!(!plan(&masked, mail(), &rcpts(), TEXT).unwrap().is_pipelined());
}

#[test]
fn size_is_declared_if_offered() {
    check(&["SIZE"], mail(), TEXT, "MAIL FROM:<a@b> SIZE=17");
    check(&["SIZE 17"], mail(), TEXT, "MAIL FROM:<a@b> SIZE=17");
    check(&["SIZE"], mail(), "a", "MAIL FROM:<a@b> SIZE=3");
    check(&["SIZE"], mail(), "", "MAIL FROM:<a@b> SIZE=0");
    check(&["SIZE"], mail().size(4000), TEXT, "MAIL FROM:<a@b> SIZE=4000");
    needs(&[], mail().size(17), rcpt(), TEXT, Extension::Size);
}

#[test]
fn mail_data_beyond_the_size_limit_is_refused() {
    let too_big = |limit| Unsupported::TooBig { size: 17, limit };
    objected(&["SIZE 16"], mail(), rcpt(), TEXT, too_big(16));
    objected(&["SIZE 99", "SIZE 1"], mail(), rcpt(), TEXT, too_big(1));
    objected(&["SIZE 16"], mail().size(1), rcpt(), TEXT, too_big(16));
    for line in ["SIZE 0", "SIZE -1", "SIZE 99999999999999999999"] {
        check(&[line], mail(), TEXT, "MAIL FROM:<a@b> SIZE=17");
    }
    let masked = capabilities(&["SIZE 16"]).without(Extension::Size);
    let plan = plan(&masked, mail(), &rcpts(), TEXT).unwrap();
    assert_eq!(plan.mail().declared_size(), None);
}

#[test]
fn eight_bit_mail_data_is_declared_and_needs_8bitmime() {
    check(&["8BITMIME"], mail(), TEXT, "MAIL FROM:<a@b>");
    check(&["8BITMIME"], mail(), EIGHT_BIT, "MAIL FROM:<a@b> BODY=8BITMIME");
    needs(&["SMTPUTF8"], mail(), rcpt(), EIGHT_BIT, Extension::EightBitMime);
    let asked = mail().body(Body::EightBitMime);
    check(&["8BITMIME"], asked.clone(), TEXT, "MAIL FROM:<a@b> BODY=8BITMIME");
    check(&["8BITMIME"], asked.clone(), EIGHT_BIT, "MAIL FROM:<a@b> BODY=8BITMIME");
    needs(&[], asked, rcpt(), TEXT, Extension::EightBitMime);
    let seven = mail().body(Body::SevenBit);
    check(&["8BITMIME"], seven.clone(), TEXT, "MAIL FROM:<a@b> BODY=7BIT");
    needs(&[], seven.clone(), rcpt(), TEXT, Extension::EightBitMime);
    let untrue = Invalid::new(Field::Text, Flaw::NotSevenBit);
    objected(&["8BITMIME"], seven, rcpt(), EIGHT_BIT, untrue);
}

#[test]
fn eight_bit_mail_data_is_sent_undeclared_on_request() {
    let planned = |offered: &[&str], mail, text: &str| {
        let envelope = Envelope::new(mail, rcpts()).unwrap();
        let text = MailData::new(text.as_bytes().to_vec()).unwrap();
        let plan = Plan::new(&capabilities(offered), &envelope, text.facts(), EightBit::Send)?;
        Ok(Command::Mail(plan.mail().borrowed()).to_string())
    };
    for (offered, text, line) in [
        (&[][..], EIGHT_BIT, "MAIL FROM:<a@b>"),
        (&[], UTF8_HEADERS, "MAIL FROM:<a@b>"),
        (&[], TEXT, "MAIL FROM:<a@b>"),
        (&["SMTPUTF8"], UTF8_HEADERS, "MAIL FROM:<a@b> SMTPUTF8"),
        (&["8BITMIME"], EIGHT_BIT, "MAIL FROM:<a@b> BODY=8BITMIME"),
    ] {
        assert_eq!(planned(offered, mail(), text), Ok(line.to_owned()), "{offered:?}");
    }
    // What the caller declares is still held against the offer, and against the text.
    let lacking = Objection::from(Unsupported::Extension(Extension::EightBitMime));
    assert_eq!(planned(&[], mail().body(Body::EightBitMime), EIGHT_BIT), Err(lacking));
    let untrue = Objection::from(Invalid::new(Field::Text, Flaw::NotSevenBit));
    assert_eq!(planned(&["8BITMIME"], mail().body(Body::SevenBit), EIGHT_BIT), Err(untrue));
    assert_eq!(EightBit::default(), EightBit::Refuse);
}

#[test]
fn utf8_headers_are_declared_if_smtputf8_is_offered() {
    let both = &["8BITMIME", "SMTPUTF8"];
    check(both, mail(), UTF8_HEADERS, "MAIL FROM:<a@b> BODY=8BITMIME SMTPUTF8");
    check(both, mail(), EIGHT_BIT, "MAIL FROM:<a@b> BODY=8BITMIME");
    check(&["8BITMIME"], mail(), UTF8_HEADERS, "MAIL FROM:<a@b> BODY=8BITMIME");
}

#[test]
fn a_raw_header_field_is_refused_on_request_unless_smtputf8_is_declared() {
    let held = |offered: &[&str], mail, text: &[u8], rule| {
        let envelope = Envelope::new(mail, rcpts()).unwrap();
        let text = MailData::new(text.to_vec()).unwrap();
        Plan::new(&capabilities(offered), &envelope, text.facts(), EightBit::Refuse)
            .unwrap()
            .with_raw_headers(rule)
    };
    let (utf8, latin) = (UTF8_HEADERS.as_bytes(), &b"Subject: \xe9\r\n\r\nb\r\n"[..]);
    let name = HeaderName::of_field(b"Subject");
    let refused = Err(Invalid::new(Field::Text, Flaw::RawHeader { name }).into());
    let both = &["8BITMIME", "SMTPUTF8"];
    for (offered, mail, text, good) in [
        (&["8BITMIME"][..], mail(), utf8, false),
        (both, mail(), utf8, true),
        (both, mail(), latin, false),
        (both, mail().smtputf8(), latin, true),
        (both, "\u{fc}@b".try_into().unwrap(), latin, true),
        (&["8BITMIME"], mail(), EIGHT_BIT.as_bytes(), true),
        (&[], mail(), TEXT.as_bytes(), true),
    ] {
        let lenient = held(offered, mail.clone(), text, RawHeaders::Send).unwrap();
        let strict = held(offered, mail, text, RawHeaders::Refuse);
        assert_eq!(strict, if good { Ok(lenient) } else { refused.clone() });
    }
    assert_eq!(RawHeaders::default(), RawHeaders::Send);
}

#[test]
fn addresses_outside_ascii_need_smtputf8() {
    let sender: Mail = "\u{fc}@b".try_into().unwrap();
    let recipient: Rcpt = "\u{fc}@d.example".try_into().unwrap();
    check(&["SMTPUTF8"], sender.clone(), TEXT, "MAIL FROM:<\u{fc}@b> SMTPUTF8");
    let plan = plan(&capabilities(&["smtputf8"]), mail(), &[rcpt(), recipient.clone()], TEXT);
    assert!(plan.unwrap().mail().is_smtputf8());
    needs(&["8BITMIME"], sender, rcpt(), TEXT, Extension::SmtpUtf8);
    needs(&["8BITMIME"], mail(), recipient, TEXT, Extension::SmtpUtf8);
    check(&["SMTPUTF8"], mail().smtputf8(), TEXT, "MAIL FROM:<a@b> SMTPUTF8");
    needs(&[], mail().smtputf8(), rcpt(), TEXT, Extension::SmtpUtf8);
}

#[test]
fn a_domain_outside_ascii_needs_no_smtputf8() {
    let sender: Mail = "a@b\u{fc}cher.example".try_into().unwrap();
    let recipient: Rcpt = "c@B\u{dc}CHER.example".try_into().unwrap();
    check(&[], sender.clone(), TEXT, "MAIL FROM:<a@xn--bcher-kva.example>");
    check(&["SMTPUTF8"], sender.clone(), TEXT, "MAIL FROM:<a@xn--bcher-kva.example>");
    let envelope = Envelope::new(sender, [recipient]).unwrap();
    assert_eq!(envelope.rcpts()[0].path().as_str(), "c@xn--bcher-kva.example");
    assert!(
        Plan::new(&Capabilities::none(), &envelope, ContentFacts::default(), EightBit::Refuse)
            .is_ok()
    );
    let both: Mail = "\u{fc}@B\u{dc}CHER.example".try_into().unwrap();
    check(&["SMTPUTF8"], both, TEXT, "MAIL FROM:<\u{fc}@b\u{fc}cher.example> SMTPUTF8");
}

#[test]
fn parameters_outside_ascii_need_smtputf8() {
    let original = rcpt().param(param("ORCPT", "utf-8;\u{fc}@b")).unwrap();
    needs(&["DSN"], mail(), original.clone(), TEXT, Extension::SmtpUtf8);
    let both = capabilities(&["DSN", "SMTPUTF8"]);
    assert!(plan(&both, mail(), &[original], TEXT).unwrap().mail().is_smtputf8());
    let own = mail().param(param("X-OWN", "\u{fc}")).unwrap();
    needs(&[], own.clone(), rcpt(), TEXT, Extension::SmtpUtf8);
    check(&["SMTPUTF8"], own, TEXT, "MAIL FROM:<a@b> X-OWN=\u{fc} SMTPUTF8");
}

/// Returns capabilities with this extension and the parameters that it requires.
fn offering(extension: Extension) -> Capabilities {
    let line = match extension {
        Extension::FutureRelease => "FUTURERELEASE 3600 2031-01-01T00:00:00Z",
        extension => extension.keyword(),
    };
    capabilities(&[line]).with_channel(Channel::TLS)
}

/// Parameters, whether they are of MAIL, and the extensions that define them.
const PARAMETERS: &[(&str, &str, bool, Extension)] = &[
    ("AUTH", "<>", true, Extension::Auth),
    ("BY", "60;N", true, Extension::DeliverBy),
    ("CONNEG", "", false, Extension::Conneg),
    ("CONPERM", "", true, Extension::Conperm),
    ("ENVID", "x", true, Extension::Dsn),
    ("HOLDFOR", "60", true, Extension::FutureRelease),
    ("HOLDUNTIL", "2030-01-01T00:00:00Z", true, Extension::FutureRelease),
    ("IGNOREQUOTA", "", false, Extension::IgnoreQuota),
    ("MT-PRIORITY", "3", true, Extension::MtPriority),
    ("NOTIFY", "NEVER", false, Extension::Dsn),
    ("ORCPT", "x400;c@d", false, Extension::Dsn),
    ("PRDR", "", true, Extension::Prdr),
    ("REQUIRETLS", "", true, Extension::RequireTls),
    ("RET", "HDRS", true, Extension::Dsn),
    ("RRVS", "2014-04-03T23:01:00Z", false, Extension::Rrvs),
    ("SOLICIT", "org.example:ADV", true, Extension::NoSoliciting),
    ("TRANSID", "<x@y>", true, Extension::Checkpoint),
];

#[test]
fn each_parameter_needs_its_extension() {
    for &(keyword, value, of_mail, extension) in PARAMETERS {
        for keyword in [keyword.to_owned(), keyword.to_lowercase()] {
            let one = param(&keyword, value);
            let (mail, rcpt) = match of_mail {
                true => (mail().param(one).unwrap(), rcpt()),
                false => (mail(), rcpt().param(one).unwrap()),
            };
            needs(&["X-OTHER"], mail.clone(), rcpt.clone(), TEXT, extension);
            let offered = offering(extension);
            let rcpts = [rcpt];
            let planned = plan(&offered, mail.clone(), &rcpts, TEXT).unwrap();
            assert_eq!(planned.mail(), &mail, "{keyword}");
            let masked = plan(&offered.without(extension), mail, &rcpts, TEXT);
            assert_eq!(masked, Err(Unsupported::Extension(extension).into()));
        }
    }
}

#[test]
fn mtrk_requires_envid() {
    let tracked = mail().param("MTRK=YWJj").unwrap();
    let flaw = Flaw::Requires { parameter: "ENVID" };
    objected(&["MTRK"], tracked.clone(), rcpt(), TEXT, Invalid::new(Field::ParameterKeyword, flaw));
    let tracked = tracked.param("ENVID=x").unwrap();
    needs(&["DSN"], tracked.clone(), rcpt(), TEXT, Extension::Mtrk);
    needs(&["MTRK"], tracked.clone(), rcpt(), TEXT, Extension::Dsn);
    check(&["MTRK", "DSN"], tracked, TEXT, "MAIL FROM:<a@b> MTRK=YWJj ENVID=x");
}

/// Returns the framing of the plan for this mail data.
fn framed(offered: &[&str], mail: Mail, text: &MailData) -> Result<Framing, Objection> {
    let envelope = Envelope::new(mail, rcpts()).unwrap();
    Plan::new(&capabilities(offered), &envelope, text.facts(), EightBit::Refuse)
        .map(|plan| plan.framing())
}

#[test]
fn mail_data_is_sent_in_chunks_if_chosen_and_offered() {
    let (text, nothing) = (MailData::new(TEXT).unwrap(), MailData::new("").unwrap());
    assert_eq!(framed(&["CHUNKING"], mail(), &text), Ok(Framing::Data));
    assert_eq!(framed(&["BINARYMIME"], mail(), &text), Ok(Framing::Data));
    assert_eq!(framed(&["CHUNKING"], mail(), &nothing), Ok(Framing::Data));

    let envelope = Envelope::new(mail(), rcpts()).unwrap();
    let framed = |offered: &[&str], framing| {
        let plan =
            Plan::new(&capabilities(offered), &envelope, text.facts(), EightBit::Refuse).unwrap();
        plan.with_framing(framing).map(|plan| plan.framing())
    };
    assert_eq!(framed(&["CHUNKING"], Framing::Data), Ok(Framing::Data));
    assert_eq!(framed(&["CHUNKING"], Framing::Chunks), Ok(Framing::Chunks));
    let lacking = Err(Unsupported::Extension(Extension::Chunking).into());
    assert_eq!(framed(&["SIZE"], Framing::Chunks), lacking);
}

#[test]
fn binary_mail_data_needs_binarymime_and_is_sent_in_chunks() {
    let binary = MailData::binary(&b"\n\0"[..]);
    assert_eq!(framed(&["CHUNKING", "BINARYMIME"], mail(), &binary), Ok(Framing::Chunks));
    let lacks = |extension| Err(Unsupported::Extension(extension).into());
    assert_eq!(framed(&["CHUNKING"], mail(), &binary), lacks(Extension::BinaryMime));
    assert_eq!(framed(&["BINARYMIME"], mail(), &binary), lacks(Extension::Chunking));
    let lines = mail().body(Body::EightBitMime);
    let flaw = Invalid::new(Field::Text, Flaw::NotLines);
    let both = ["CHUNKING", "BINARYMIME", "8BITMIME"];
    assert_eq!(framed(&both, lines, &binary), Err(flaw.into()));

    let envelope = Envelope::new(mail(), rcpts()).unwrap();
    let plan =
        Plan::new(&capabilities(&both), &envelope, binary.facts(), EightBit::Refuse).unwrap();
    let line = Command::Mail(plan.mail().borrowed()).to_string();
    assert_eq!(line, "MAIL FROM:<a@b> BODY=BINARYMIME");
    assert_eq!(plan.with_framing(Framing::Data).unwrap().framing(), Framing::Chunks);
}

#[test]
fn fetched_mail_data_needs_burl() {
    let mut facts = ContentFacts::default();
    facts.fetched = true;
    let envelope = Envelope::new(mail(), rcpts()).unwrap();
    let planned =
        |offered: &[&str]| Plan::new(&capabilities(offered), &envelope, facts, EightBit::Refuse);
    assert_eq!(planned(&["CHUNKING"]), Err(Unsupported::Extension(Extension::Burl).into()));
    let plan = planned(&["BURL imap", "SIZE 10"]).unwrap();
    assert_eq!(plan.framing(), Framing::Chunks);
    assert_eq!(plan.mail().declared_size(), None);
}

#[test]
fn a_parameter_of_no_extension_is_sent_as_given() {
    let own = mail().param(param("X-OWN", "1")).unwrap();
    check(&[], own.clone(), TEXT, "MAIL FROM:<a@b> X-OWN=1");
    check(&["SIZE"], own, TEXT, "MAIL FROM:<a@b> X-OWN=1 SIZE=17");
}

#[test]
fn command_lines_beyond_the_limit_of_the_server_are_refused() {
    let value = |line: &str, length: usize| format!("X={}", "y".repeat(length - line.len() - 2));
    let line = "MAIL FROM:<a@b> X=";
    let fits = plan(&Capabilities::none(), mail().param(value(line, 512)).unwrap(), &rcpts(), TEXT);
    assert_eq!(Command::Mail(fits.unwrap().mail().borrowed()).line_length(), 512);
    let too_long =
        |field, length, limit| Invalid::new(field, Flaw::CommandTooLong { length, limit });
    let long = mail().param(value(line, 513)).unwrap();
    objected(&[], long.clone(), rcpt(), TEXT, too_long(Field::ReversePath, 513, 512));
    let sized = line.to_owned() + &"y".repeat(513 - line.len() - 2) + " SIZE=17";
    check(&["SIZE"], long, TEXT, &sized);
    let longer = mail().param(value(line, 532)).unwrap();
    objected(&["SIZE"], longer, rcpt(), TEXT, too_long(Field::ReversePath, 540, 538));

    let line = "RCPT TO:<c@d> X=";
    let long = rcpt().param(value(line, 513)).unwrap();
    objected(&["SIZE"], mail(), long.clone(), TEXT, too_long(Field::ForwardPath, 513, 512));
    assert!(plan(&capabilities(&["DSN"]), mail(), &[rcpt(), long], TEXT).is_ok());
}

#[test]
fn an_objection_converts_to_its_error_kind() {
    let unsupported = Unsupported::Extension(Extension::Size);
    let kind = ErrorKind::from(Objection::from(unsupported.clone()));
    assert!(matches!(kind, ErrorKind::Unsupported(found) if found == unsupported));
    let invalid = Invalid::new(Field::Text, Flaw::NotSevenBit);
    let kind = ErrorKind::from(Objection::from(invalid));
    assert!(matches!(kind, ErrorKind::Invalid(found) if found == invalid));
}
