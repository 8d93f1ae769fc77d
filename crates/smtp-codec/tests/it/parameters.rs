//! The typed parameters of MAIL: valid and invalid values of each.

use smtp_codec::{
    Body, ByMode, Command, CommandError, CommandFault, Deviations, Mail, MailParam, Param, Ret,
    ReversePath, Xtext,
};
use smtp_error::{Extension, Field, Flaw, Invalid};

fn mail() -> Mail {
    Mail::new(ReversePath::Null)
}

const MAIL: &str = "MAIL FROM:<> ";

fn decode(line: &str) -> Result<Command<'_>, CommandError> {
    Command::decode(line.as_bytes(), Deviations::empty()).map(|decoded| decoded.command)
}

/// The text is this parameter of MAIL and the parameter is this text, however it came in.
#[track_caller]
fn mail_param(text: &str, param: MailParam<&str>, extension: Option<Extension>) {
    assert_eq!(param.to_string(), text);
    assert_eq!(param.extension(), extension, "{text}");
    let keyword = text.split('=').next().unwrap();
    assert_eq!(param.keyword(), keyword);
    let built = mail().param(param).unwrap();
    assert_eq!(built.params().collect::<Vec<_>>(), [param]);
    assert_eq!(mail().param(text), Ok(built.clone()));
    let line = format!("{MAIL}{text}");
    assert_eq!(decode(&line), Ok(Command::Mail(built.borrowed())));
    let lower = text.replacen(keyword, &keyword.to_ascii_lowercase(), 1);
    if !matches!(param, MailParam::Other(_)) {
        assert_eq!(mail().param(&lower).unwrap().params().collect::<Vec<_>>(), [param]);
    }
}

/// Each of these is a parameter of MAIL with a value that it cannot have.
#[track_caller]
fn no_mail_params(texts: &[&str]) {
    let invalid = Invalid::new(Field::ParameterValue, Flaw::Syntax { offset: 0 });
    for text in texts {
        assert_eq!(mail().param(text), Err(invalid), "{text}");
        let error = decode(&format!("{MAIL}X {text}")).unwrap_err();
        assert_eq!(error.fault, CommandFault::Argument(invalid), "{text}");
        assert_eq!(error.offset, MAIL.len() + 2, "{text}");
    }
}

/// Each of these is a parameter of MAIL whose value, or the number in it, is longer than it may be.
#[track_caller]
fn too_long(text: &str, length: usize, limit: usize) {
    let invalid = Invalid::new(Field::ParameterValue, Flaw::TooLong { length, limit });
    assert_eq!(mail().param(text), Err(invalid), "{text}");
    let error = decode(&format!("{MAIL}{text}")).unwrap_err();
    assert_eq!(error.fault, CommandFault::Argument(invalid), "{text}");
}

fn xtext(text: &str) -> Xtext<&str> {
    Xtext::new(text).unwrap()
}

#[test]
fn parameters_without_a_value() {
    mail_param("CONPERM", MailParam::Conperm, Some(Extension::Conperm));
    mail_param("PRDR", MailParam::Prdr, Some(Extension::Prdr));
    mail_param("REQUIRETLS", MailParam::RequireTls, Some(Extension::RequireTls));
    mail_param("SMTPUTF8", MailParam::SmtpUtf8, Some(Extension::SmtpUtf8));
    no_mail_params(&["CONPERM=1", "PRDR=1", "REQUIRETLS=YES", "SMTPUTF8=1", "smtputf8=x"]);
}

#[test]
fn parameters_that_need_a_value() {
    no_mail_params(&["AUTH", "BODY", "BY", "ENVID", "HOLDFOR", "HOLDUNTIL", "MT-PRIORITY"]);
    no_mail_params(&["MTRK", "RET", "SIZE", "SOLICIT", "SUBMITTER", "TRANSID"]);
}

#[test]
fn unknown_parameters_are_kept() {
    let own = Param::new("X-own").unwrap();
    mail_param("X-own", MailParam::Other(own), None);
    let own = own.with("a+2;,<>@").unwrap();
    mail_param("X-own=a+2;,<>@", MailParam::Other(own), None);
    // A keyword of one command means nothing in the other, nor does one that is longer.
    for text in ["NOTIFY=1", "ORCPT=1", "SIZES=x", "SIZ=x", "MT-PRIORITY-X=x", "HOLDUNTILL=x"] {
        let (keyword, value) = text.split_once('=').unwrap();
        let other = Param::new(keyword).unwrap().with(value).unwrap();
        mail_param(text, MailParam::Other(other), None);
    }
}

#[test]
fn size_is_up_to_twenty_digits() {
    let check = |text, size| mail_param(text, MailParam::Size(size), Some(Extension::Size));
    check("SIZE=0", 0);
    check("SIZE=4000", 4000);
    check("SIZE=18446744073709551615", u64::MAX);
    for text in ["SIZE=18446744073709551616", "SIZE=99999999999999999999"] {
        assert_eq!(mail().param(text).unwrap().declared_size(), Some(u64::MAX));
    }
    assert_eq!(mail().param("SIZE=00000000000000000007").unwrap().declared_size(), Some(7));
    too_long("SIZE=100000000000000000000", 21, 20);
    too_long("SIZE=000000000000000000007", 21, 20);
    no_mail_params(&["SIZE=-1", "SIZE=+1", "SIZE=1k", "SIZE=0x10", "SIZE=1.0", "SIZE=\u{661}"]);
}

#[test]
fn body_is_one_of_three_words() {
    let check = |text, body, extension| mail_param(text, MailParam::Body(body), Some(extension));
    check("BODY=7BIT", Body::SevenBit, Extension::EightBitMime);
    check("BODY=8BITMIME", Body::EightBitMime, Extension::EightBitMime);
    check("BODY=BINARYMIME", Body::BinaryMime, Extension::BinaryMime);
    let lower = mail().param("body=8bitmime").unwrap();
    assert_eq!(lower.declared_body(), Some(Body::EightBitMime));
    no_mail_params(&["BODY=8BIT", "BODY=BINARY", "BODY=7BIT,8BITMIME", "BODY=8BITMIMEX"]);
}

#[test]
fn reports_return_the_message_or_its_headers() {
    mail_param("RET=FULL", MailParam::Ret(Ret::Full), Some(Extension::Dsn));
    mail_param("RET=HDRS", MailParam::Ret(Ret::Headers), Some(Extension::Dsn));
    no_mail_params(&["RET=HEADERS", "RET=FULL,HDRS", "RET=NONE"]);
}

#[test]
fn envelope_identifiers_are_printable_and_short() {
    let check = |text: &str| {
        let param = MailParam::EnvId(xtext(&text["ENVID=".len()..]));
        mail_param(text, param, Some(Extension::Dsn));
    };
    check("ENVID=QQ314159");
    check("ENVID=a+20b+2B+3D");
    check(&format!("ENVID={}", "x".repeat(100)));
    check(&format!("ENVID={}x", "+2B".repeat(33)));
    too_long(&format!("ENVID={}", "x".repeat(101)), 101, 100);
    too_long(&format!("ENVID={}", "+2B".repeat(34)), 102, 100);
    no_mail_params(&[
        "ENVID=a+2",
        "ENVID=a+",
        "ENVID=+GG",
        "ENVID=+2+20",
        "ENVID=a+0Ab",
        "ENVID=a+0D+0A",
        "ENVID=+00",
        "ENVID=+7F",
        "ENVID=+E9",
        "ENVID=\u{e9}",
    ]);
}

#[test]
fn the_submitter_is_xtext() {
    let auth = |text, who| mail_param(text, MailParam::Auth(who), Some(Extension::Auth));
    auth("AUTH=<>", None);
    auth("AUTH=e+3Dmc2@example.com", Some(xtext("e+3Dmc2@example.com")));
    let submitter = MailParam::Submitter(xtext("a+2Bb@example.com"));
    mail_param("SUBMITTER=a+2Bb@example.com", submitter, Some(Extension::Submitter));
    no_mail_params(&["AUTH=a+b@c", "AUTH=\u{fc}@c", "SUBMITTER=a+b@c", "SUBMITTER=<>"]);
}

#[test]
fn delivery_by_a_time() {
    let check = |text, seconds, mode, trace| {
        mail_param(text, MailParam::By { seconds, mode, trace }, Some(Extension::DeliverBy));
    };
    check("BY=120;R", 120, ByMode::Return, false);
    check("BY=1;RT", 1, ByMode::Return, true);
    check("BY=0;N", 0, ByMode::Notify, false);
    check("BY=-5;N", -5, ByMode::Notify, false);
    check("BY=-999999999;NT", -999_999_999, ByMode::Notify, true);
    check("BY=999999999;R", 999_999_999, ByMode::Return, false);
    let signed = mail().param("by=+007;rt").unwrap();
    let by = MailParam::By { seconds: 7, mode: ByMode::Return, trace: true };
    assert_eq!(signed.params().collect::<Vec<_>>(), [by]);
    no_mail_params(&[
        "BY=-5;R", "BY=0;R", "BY=-0;RT", "BY=5", "BY=5;", "BY=;N", "BY=5;X", "BY=5;T", "BY=5;TN",
        "BY=5;NN", "BY=5;NTT", "BY=5;N;T", "BY=--5;N", "BY=-+5;N", "BY=5-;N",
    ]);
    too_long("BY=1000000000;N", 10, 9);
    too_long("BY=-1000000000;N", 10, 9);
}

#[test]
fn messages_are_held_for_a_time_or_until_a_date() {
    let held = Some(Extension::FutureRelease);
    mail_param("HOLDFOR=1", MailParam::HoldFor(1), held);
    mail_param("HOLDFOR=999999999", MailParam::HoldFor(999_999_999), held);
    let until = "2026-11-23T09:30:00Z";
    mail_param(&format!("HOLDUNTIL={until}"), MailParam::HoldUntil(until), held);
    no_mail_params(&[
        "HOLDFOR=0",
        "HOLDFOR=00",
        "HOLDFOR=01",
        "HOLDFOR=000000001",
        "HOLDFOR=-1",
        "HOLDFOR=+1",
        "HOLDFOR=1h",
        "HOLDUNTIL=2026-11-23",
        "HOLDUNTIL=2026-13-23T09:30:00Z",
        "HOLDUNTIL=2026-11-23T24:00:00Z",
        "HOLDUNTIL=2026-11-23T09:30:00",
        "HOLDUNTIL=1764000000",
    ]);
    too_long("HOLDFOR=1000000000", 10, 9);
    too_long("HOLDFOR=0000000001", 10, 9);
    for seconds in [0, 1_000_000_000] {
        assert!(mail().param(MailParam::<&str>::HoldFor(seconds)).is_err());
    }
}

#[test]
fn a_message_is_held_once() {
    let repeated = Invalid::new(Field::ParameterKeyword, Flaw::Repeated);
    let until = "HOLDUNTIL=2026-11-23T09:30:00Z";
    for [first, second] in [["HOLDFOR=1", until], [until, "holdfor=1"]] {
        assert_eq!(mail().param(first).unwrap().param(second), Err(repeated));
        let error = decode(&format!("{MAIL}{first} {second}")).unwrap_err();
        assert_eq!(error.fault, CommandFault::Argument(repeated));
    }
}

#[test]
fn priorities_have_one_digit() {
    for priority in -9..=9 {
        let text = format!("MT-PRIORITY={priority}");
        mail_param(&text, MailParam::MtPriority(priority), Some(Extension::MtPriority));
    }
    no_mail_params(&[
        "MT-PRIORITY=42",
        "MT-PRIORITY=-0",
        "MT-PRIORITY=00",
        "MT-PRIORITY=01",
        "MT-PRIORITY=+1",
        "MT-PRIORITY=-10",
        "MT-PRIORITY=--1",
        "MT-PRIORITY=-",
        "MT-PRIORITY=--",
        "MT-PRIORITY=high",
    ]);
}

#[test]
fn tracking_solicitation_and_transactions() {
    let mtrk = |text, certifier, timeout| {
        mail_param(text, MailParam::Mtrk { certifier, timeout }, Some(Extension::Mtrk));
    };
    mtrk("MTRK=Ab+/9", "Ab+/9", None);
    mtrk("MTRK=Ab+/9:3600", "Ab+/9", Some(3600));
    let solicit = |text: &'static str| {
        let classes = &text["SOLICIT=".len()..];
        mail_param(text, MailParam::Solicit(classes), Some(Extension::NoSoliciting));
    };
    solicit("SOLICIT=org.example:ADV:ADLT");
    solicit("SOLICIT=a,net.example:x-y_z");
    let resumed = MailParam::TransId("<12345@claremont.edu>");
    mail_param("TRANSID=<12345@claremont.edu>", resumed, Some(Extension::Checkpoint));
    no_mail_params(&[
        "MTRK=:10",
        "MTRK=abc:",
        "MTRK=abc:1:2",
        "MTRK=a_b",
        "SOLICIT=,a",
        "SOLICIT=a,",
        "SOLICIT=1a",
        "SOLICIT=a/b",
        "SOLICIT=a;b",
        "TRANSID=12345@claremont.edu",
        "TRANSID=<12345>",
        "TRANSID=<a@b>c",
    ]);
    too_long("MTRK=abc:1234567890", 10, 9);
    too_long(&format!("SOLICIT={}", "a".repeat(1001)), 1001, 1000);
    too_long(&format!("TRANSID=<{}@b.org>", "a".repeat(73)), 81, 80);
}
