//! Errors: what callers decide from.

use std::{error::Error as _, io, mem::size_of, sync::Arc, time::Duration};

use smtp_error::{
    Broken, Cause, Ended, Error, ErrorKind, Excerpt, Extension, Field, Flaw, HeaderError, Hint,
    Invalid, InvalidAddress, InvalidEnvelope, KnownVerdicts, MalformedReply, Misbehaved,
    OtherProtocol, ReplyCode, ReplyFault, Step, Unsupported, Verdict,
};

use crate::reply;

fn error(kind: impl Into<ErrorKind>) -> Error {
    Error::new(Step::Mail, kind)
}

fn refused(code: u16) -> Error {
    error(ErrorKind::Refused(reply(code, "no")))
}

fn wrong_code() -> Misbehaved {
    Misbehaved::WrongCode { step: Step::Mail, reply: reply(354, "go on") }
}

fn malformed() -> MalformedReply {
    MalformedReply::new(ReplyFault::Code, 1, 0)
}

fn cause() -> Cause {
    Cause::new(io::Error::from(io::ErrorKind::ConnectionReset))
}

/// The error is transient, or not, whether or not it is in doubt.
#[track_caller]
fn transient(error: Error, expected: bool) {
    assert_eq!(error.is_transient(), expected, "{error}");
    assert_eq!(error.clone().with_in_doubt(true).is_transient(), expected, "{error}");
}

/// The error has a reply with this code, or none.
#[track_caller]
fn replied(kind: impl Into<ErrorKind>, code: Option<u16>) {
    let error = error(kind);
    assert_eq!(error.reply().map(|reply| reply.code().get()), code, "{error}");
}

#[test]
fn errors_are_small_and_can_be_shared() {
    fn can_be_shared<T: Send + Sync + Clone + std::error::Error + 'static>() {}
    can_be_shared::<Error>();
    assert!(size_of::<Error>() <= 16);
    assert!(size_of::<Result<(), Error>>() <= 16);
}

#[test]
fn errors_that_may_not_recur_are_transient() {
    for (code, expected) in [(421, true), (450, true), (499, true), (500, false), (571, false)] {
        transient(refused(code), expected);
    }
    transient(error(malformed()), true);
    transient(error(wrong_code()), true);
    transient(error(Misbehaved::PlaintextAfterStartTls), true);
    transient(error(Misbehaved::UnsolicitedOctets), true);
    transient(error(Broken::Closed), true);
    transient(error(Broken::TimedOut { after: Duration::from_secs(5) }), true);
    transient(error(Broken::Deadline { limit: Duration::from_secs(5) }), true);
    transient(error(Broken::Io(cause())), true);
    transient(error(Broken::Tls(cause())), false);
    transient(error(Broken::UnknownHost(cause())), false);
    transient(error(Broken::NoConnection { after: Duration::from_secs(5) }), true);
    transient(error(Broken::StillConnecting { after: Duration::from_secs(5) }), true);
    transient(error(Ended::MailerClosed), false);
    let malformed = || error(MalformedReply::new(ReplyFault::Code, 1, 0));
    transient(malformed(), true);
    let http = malformed().with_hint(Hint::OtherProtocol(OtherProtocol::Http));
    transient(http.with_excerpt(Excerpt::new(b"HTTP/1.1 400\r\n")), false);
    transient(error(Ended::Closed), true);
    transient(error(Ended::ServerClosing(reply(421, "bye"))), true);
    transient(error(Ended::Failed { step: Step::Rcpt }), true);
    transient(error(Unsupported::Extension(Extension::Dsn)), false);
    transient(error(Unsupported::TooBig { size: 2, limit: 1 }), false);
    transient(error(Invalid::new(Field::Mailbox, Flaw::Empty)), false);
}

#[test]
fn the_reply_is_the_one_that_ended_the_operation() {
    replied(ErrorKind::Refused(reply(550, "no")), Some(550));
    replied(Ended::ServerClosing(reply(421, "bye")), Some(421));
    replied(Misbehaved::Unsolicited(reply(250, "what")), Some(250));
    replied(wrong_code(), Some(354));
    replied(malformed(), None);
    replied(Misbehaved::UnsolicitedOctets, None);
    replied(Misbehaved::PlaintextAfterStartTls, None);
    replied(Ended::Quit, None);
    replied(Broken::Closed, None);
    replied(Unsupported::Extension(Extension::Dsn), None);
    replied(Invalid::new(Field::Mailbox, Flaw::Empty), None);
}

#[test]
fn an_error_is_not_in_doubt_by_default() {
    let error = Error::new(Step::EndOfText, Broken::Closed);
    assert!(!error.in_doubt());
    assert!(error.clone().with_in_doubt(true).in_doubt());
    assert!(!error.with_in_doubt(true).with_in_doubt(false).in_doubt());
}

#[test]
fn an_error_keeps_the_known_verdicts() {
    let verdict = Verdict::new(Step::Rcpt, reply(550, "5.1.1 unknown"));
    let error = Error::new(Step::EndOfText, Broken::Closed);
    assert_eq!(error.verdicts().len(), 0);
    let recipients = Arc::new(vec!["b@example.org", "c@example.org"]);
    let known = KnownVerdicts::new(recipients, vec![None, Some(verdict.clone())]);
    let error = error.with_verdicts(known).with_in_doubt(true);
    let pairs = [("b@example.org", None), ("c@example.org", Some(&verdict))];
    assert!(error.verdicts().eq(pairs));
    assert_eq!(error.step(), Step::EndOfText);
    assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Closed)));
    assert!(error.in_doubt());
}

#[test]
fn narrow_errors_become_kinds() {
    for (kind, expected) in [
        (ErrorKind::from(malformed()), Misbehaved::Malformed(malformed())),
        (ErrorKind::from(wrong_code()), wrong_code()),
    ] {
        assert!(matches!(kind, ErrorKind::Misbehaved(found) if found == expected));
    }
    assert!(matches!(ErrorKind::from(Ended::Quit), ErrorKind::Ended(Ended::Quit)));
    assert!(matches!(ErrorKind::from(Broken::Closed), ErrorKind::Broken(Broken::Closed)));
    let big = Unsupported::TooBig { size: 2, limit: 1 };
    assert!(matches!(ErrorKind::from(big.clone()), ErrorKind::Unsupported(found) if found == big));
    let invalid = Invalid::new(Field::Argument, Flaw::Empty);
    assert!(matches!(ErrorKind::from(invalid), ErrorKind::Invalid(found) if found == invalid));
    assert_eq!(invalid.in_field(Field::HelpTopic), Invalid::new(Field::HelpTopic, Flaw::Empty));
}

#[test]
fn a_cause_can_be_downcast_to_the_original_error() {
    let cause = cause();
    let found = cause.downcast_ref::<io::Error>().map(io::Error::kind);
    assert_eq!(found, Some(io::ErrorKind::ConnectionReset));
    assert!(cause.downcast_ref::<Invalid>().is_none());
    let broken = Broken::Io(cause);
    let source = broken.source().unwrap().downcast_ref::<Cause>().unwrap();
    assert!(source.downcast_ref::<io::Error>().is_some());
}

#[cfg(feature = "std")]
#[test]
fn an_io_error_becomes_a_broken_connection() {
    let broken = Broken::from(io::Error::from(io::ErrorKind::ConnectionReset));
    assert!(matches!(broken, Broken::Io(cause) if cause.downcast_ref::<io::Error>().is_some()));
}

#[test]
fn codes_compare_with_numbers() {
    assert_eq!(refused(550).reply().unwrap().code(), 550);
    assert_ne!(ReplyCode::OK, 251);
}

#[test]
fn a_cause_can_be_downcast_to_its_sources() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);
    let cause = Cause::new(Outer(io::Error::other("inner")));
    assert!(cause.downcast_ref::<Outer>().is_some());
    assert!(cause.downcast_ref::<io::Error>().is_some());
    assert!(cause.downcast_ref::<core::fmt::Error>().is_none());
}

/// A `main` that returns an error prints its `Debug`.
#[test]
fn debug_is_the_text_and_alternate_debug_the_structure() {
    let invalid = Invalid::new(Field::ForwardPath, Flaw::NoAt);
    let address = InvalidAddress::new("bob", invalid);
    let envelope = InvalidEnvelope::Recipient { position: 2, invalid: address.clone() };
    let error = Error::new(Step::Mail, Broken::Closed).with_in_doubt(true);
    assert_eq!(format!("{error:?}"), error.to_string());
    assert!(format!("{error:#?}").contains("in_doubt: true"));
    assert_eq!(format!("{invalid:?}"), invalid.to_string());
    assert!(format!("{invalid:#?}").contains("flaw: NoAt"));
    assert_eq!(format!("{address:?}"), address.to_string());
    assert_eq!(format!("{envelope:?}"), envelope.to_string());
    assert!(format!("{envelope:#?}").contains("position: 2"));
    let header = HeaderError::from(invalid);
    assert_eq!(format!("{header:?}"), header.to_string());
    assert!(format!("{header:#?}").starts_with("HeaderError("));
}
