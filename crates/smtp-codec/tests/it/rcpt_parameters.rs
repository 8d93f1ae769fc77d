//! The typed parameters of RCPT: valid and invalid values of each.

use smtp_codec::{
    Command, CommandError, CommandFault, Deviations, ForwardPath, Mailbox, Notify, Param, Rcpt,
    RcptParam, RrvsAction, Xtext,
};
use smtp_error::{Extension, Field, Flaw, Invalid};

const RCPT: &str = "RCPT TO:<Postmaster> ";

fn rcpt() -> Rcpt {
    Rcpt::new(ForwardPath::Postmaster)
}

fn decode(line: &str) -> Result<Command<'_>, CommandError> {
    Command::decode(line.as_bytes(), Deviations::empty()).map(|decoded| decoded.command)
}

/// The text is this parameter and the parameter is this text, however it came in.
#[track_caller]
fn rcpt_param(text: &str, param: RcptParam<&str>, extension: Option<Extension>) {
    assert_eq!(param.to_string(), text);
    assert_eq!(param.extension(), extension, "{text}");
    let keyword = text.split('=').next().unwrap();
    assert_eq!(param.keyword(), keyword);
    let built = rcpt().param(param).unwrap();
    assert_eq!(built.params().collect::<Vec<_>>(), [param]);
    assert_eq!(rcpt().param(text), Ok(built.clone()));
    let line = format!("{RCPT}{text}");
    assert_eq!(decode(&line), Ok(Command::Rcpt(built.borrowed())));
    let lower = text.replacen(keyword, &keyword.to_ascii_lowercase(), 1);
    if !matches!(param, RcptParam::Other(_)) {
        assert_eq!(rcpt().param(&lower).unwrap().params().collect::<Vec<_>>(), [param]);
    }
}

/// Each of these is a parameter with a value that it cannot have.
#[track_caller]
fn no_rcpt_params(texts: &[&str]) {
    let invalid = Invalid::new(Field::ParameterValue, Flaw::Syntax { offset: 0 });
    for text in texts {
        assert_eq!(rcpt().param(text), Err(invalid), "{text}");
        let error = decode(&format!("{RCPT}X {text}")).unwrap_err();
        assert_eq!(error.fault, CommandFault::Argument(invalid), "{text}");
        assert_eq!(error.offset, RCPT.len() + 2, "{text}");
    }
}

#[test]
fn parameters_without_a_value() {
    rcpt_param("CONNEG", RcptParam::Conneg, Some(Extension::Conneg));
    rcpt_param("IGNOREQUOTA", RcptParam::IgnoreQuota, Some(Extension::IgnoreQuota));
    no_rcpt_params(&["CONNEG=1", "IGNOREQUOTA=1", "NOTIFY", "ORCPT", "RRVS"]);
}

#[test]
fn unknown_parameters_are_kept() {
    let own = Param::new("X-own").unwrap();
    rcpt_param("X-own", RcptParam::Other(own), None);
    rcpt_param("X-own=a;,<>@", RcptParam::Other(own.with("a;,<>@").unwrap()), None);
    for text in ["SIZE=x", "RET=x", "NOTIFYX=x", "ORCP=x", "A-LONG-KEYWORD=x"] {
        let (keyword, value) = text.split_once('=').unwrap();
        let other = Param::new(keyword).unwrap().with(value).unwrap();
        rcpt_param(text, RcptParam::Other(other), None);
    }
}

#[test]
fn reports_are_wanted_never_or_in_some_cases() {
    let check = |text, success, failure, delay| {
        let notify = Notify { success, failure, delay };
        rcpt_param(text, RcptParam::Notify(notify), Some(Extension::Dsn));
    };
    check("NOTIFY=NEVER", false, false, false);
    check("NOTIFY=SUCCESS", true, false, false);
    check("NOTIFY=FAILURE", false, true, false);
    check("NOTIFY=DELAY", false, false, true);
    check("NOTIFY=SUCCESS,DELAY", true, false, true);
    check("NOTIFY=SUCCESS,FAILURE,DELAY", true, true, true);
    for text in ["notify=delay,Success", "NOTIFY=SUCCESS,DELAY,SUCCESS"] {
        let param = RcptParam::Notify(Notify { success: true, failure: false, delay: true });
        assert_eq!(rcpt().param(text).unwrap().params().next(), Some(param), "{text}");
    }
    no_rcpt_params(&[
        "NOTIFY=NEVER,SUCCESS",
        "NOTIFY=SUCCESS,NEVER",
        "NOTIFY=NEVER,NEVER",
        "NOTIFY=SUCCESS,",
        "NOTIFY=,SUCCESS",
        "NOTIFY=SUCCESS,,DELAY",
        "NOTIFY=SUCCESS;DELAY",
        "NOTIFY=ALWAYS",
        "NOTIFY=DELAYED",
    ]);
}

#[track_caller]
fn orcpt(kind: &str, address: &str) {
    let text = format!("ORCPT={kind};{address}");
    rcpt_param(&text, RcptParam::Orcpt { kind, address }, Some(Extension::Dsn));
}

#[test]
fn the_original_recipient_has_a_type_and_is_xtext() {
    orcpt("rfc822", "Bob@ivory.example");
    orcpt("RFC822", "a+2Bb@c");
    orcpt("x400", "/ADMD=+20/C=fr".replace('=', "+3D").as_str());
    orcpt("x-own", ";;<>");
    orcpt("rfc822", "");
    no_rcpt_params(&[
        "ORCPT=Bob@ivory.example",
        "ORCPT=;Bob@ivory.example",
        "ORCPT=x.400;a@b",
        "ORCPT=x(400);a@b",
        "ORCPT=rf\u{e7};a@b",
        "ORCPT=rfc822;a+b@c",
        "ORCPT=rfc822;a+2@c",
        "ORCPT=rfc822;a+ZZ@c",
        "ORCPT=rfc822;\u{fc}@c",
        "ORCPT=x400;\\x{100}\u{100}",
    ]);
}

#[test]
fn the_original_recipient_may_be_utf8() {
    for address in [
        "plain@b",
        "\u{fc}@b\u{fc}cher.example",
        "\u{1f600}@c",
        "\\x{FC}@c",
        "\\x{20AC}\\x{1F600}\\x{10FFFF}@c",
        "\\x{20}\\x{2B}\\x{3D}\\x{5C}\\x{7F}@c",
        "\\x{01}\\x{1F}@c",
        "a+2Bb@c",
        "+5Cx{FC}@c",
    ] {
        orcpt("utf-8", address);
        orcpt("UTF-8", address);
    }
    for address in [
        "\\x{}",
        "\\x{0}",
        "\\x{00}",
        "\\x{000}",
        "\\x{F}",
        "\\x{0FC}",
        "\\x{0020AC}",
        "\\x{fc}",
        "\\x{D800}",
        "\\x{DFFF}",
        "\\x{110000}",
        "\\x{1000000}",
        "\\x{+C}",
        "\\x{FC",
        "a+2",
        "+\u{fc}",
        "a+2B\u{fc}",
    ] {
        no_rcpt_params(&[&format!("ORCPT=utf-8;{address}@c")]);
    }
}

#[test]
fn the_original_recipient_has_up_to_500_octets() {
    orcpt("rfc822", &"x".repeat(493));
    orcpt("utf-8", &"\u{fc}".repeat(247));
    for text in [
        format!("ORCPT=rfc822;{}", "x".repeat(494)),
        format!("ORCPT=utf-8;{}x", "\u{fc}".repeat(247)),
    ] {
        let flaw = Flaw::TooLong { length: 501, limit: 500 };
        assert_eq!(rcpt().param(&text), Err(Invalid::new(Field::ParameterValue, flaw)));
    }
}

#[test]
fn the_original_recipient_is_made_of_a_mailbox() {
    for (mailbox, text) in [
        ("a@b", "ORCPT=rfc822;a@b"),
        ("a+b=c@d", "ORCPT=rfc822;a+2Bb+3Dc@d"),
        ("\"a b\\\\\"@c", "ORCPT=rfc822;\"a+20b\\\\\"@c"),
        ("\u{fc}@c", "ORCPT=utf-8;\\x{FC}@c"),
        ("\"\u{20ac} \\+\"@c", "ORCPT=utf-8;\"\\x{20AC}\\x{20}\\x{5C}\\x{2B}\"@c"),
        ("\u{1f600}@c", "ORCPT=utf-8;\\x{1F600}@c"),
    ] {
        let mailbox = Mailbox::new(mailbox).unwrap();
        let rcpt = rcpt().param(RcptParam::orcpt(&mailbox)).unwrap();
        assert_eq!(rcpt.raw_params().as_str(), text);
        assert!(rcpt.raw_params().as_str().is_ascii());
        let Some(RcptParam::Orcpt { kind: "rfc822", address }) = rcpt.params().next() else {
            continue;
        };
        assert_eq!(Xtext::new(address).unwrap().decode(), mailbox.as_str().as_bytes());
    }
}

#[test]
fn the_owner_since_a_date_without_fractions() {
    let check = |text: &str, since, otherwise| {
        rcpt_param(text, RcptParam::Rrvs { since, otherwise }, Some(Extension::Rrvs));
    };
    let since = "2014-04-03T23:01:00Z";
    check("RRVS=2014-04-03T23:01:00Z", since, None);
    check("RRVS=2014-04-03T23:01:00Z;C", since, Some(RrvsAction::Continue));
    check("RRVS=2014-04-03T23:01:00Z;R", since, Some(RrvsAction::Reject));
    check("RRVS=1996-12-19T16:39:57-08:00", "1996-12-19T16:39:57-08:00", None);
    let lower = rcpt().param("rrvs=2014-04-03T23:01:00Z;c").unwrap();
    let continued = RcptParam::Rrvs { since, otherwise: Some(RrvsAction::Continue) };
    assert_eq!(lower.params().next(), Some(continued));
    no_rcpt_params(&[
        "RRVS=2014-04-03T23:01:00.5Z",
        "RRVS=2014-04-03T23:01:00.000Z;C",
        "RRVS=2014-04-03",
        "RRVS=2014-04-03T23:01:00",
        "RRVS=2014-04-03T23:01:00Z;",
        "RRVS=2014-04-03T23:01:00Z;X",
        "RRVS=2014-04-03T23:01:00Z;CR",
        "RRVS=2014-04-03T23:01:00Z;C;R",
        "RRVS=;C",
        "RRVS=2014-00-03T23:01:00Z",
        "RRVS=1396566060",
    ]);
}
