//! Blame: whether a failure is about the message, or about its session, connection or rate.
use smtp_error::{
    Broken, Delivery, Ended, Error, ErrorKind, Reply, ReplyCode, Step, Unsupported, Verdict,
};

/// What the result of a message is about. A result that is not about the message leads to another
/// attempt, but only if the message was certainly not accepted.
///
/// Codes and enhanced codes decide. The text of a reply counts only for
/// [`Throttling`](Self::Throttling), for which many servers send no specific code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The message itself, or nothing. The result is final.
    Message,
    /// The session accepts no further message, and another session may. The message is tried again
    /// on another connection, and this does not count as an attempt. That cannot repeat without
    /// end: each such session gave another message a result that was final or counted. A content
    /// that can be produced only once is sent again too, if no piece of it was taken.
    ///
    /// - The server refused MAIL with a 4yz reply on a connection on which it had accepted a MAIL,
    ///   and no enhanced code says that it is about an address (X.1.Z, X.2.Z) or the content
    ///   (X.6.Z); or it refused MAIL there with 503, which is about the commands before it
    ///   (RFC 5321, 4.2.2), or with 530, because it has lost the login. On a connection that has
    ///   accepted no MAIL, the same reply is about the message.
    /// - The server ended the session (421) before the end of the mail data, and had accepted a
    ///   MAIL on the connection.
    /// - The server refused RSET; or the session ended, broke or got out of step before this
    ///   message began and after the result of another one.
    /// - The server limits messages or recipient domains per session (RFC 9422).
    Session,
    /// The server limits connections, concurrent messages or the rate: a 4yz reply to MAIL, DATA or
    /// the mail data with one of these codes. The mailer opens one connection fewer, and tries the
    /// message again after a pause.
    ///
    /// | Code | What it reports |
    /// |---|---|
    /// | 432 | concurrent connections (Exchange); its other meaning exists in AUTH only |
    /// | X.3.2 | the system accepts no messages at the moment |
    /// | X.4.5 | congestion |
    /// | X.7.28 | too many messages from this client |
    /// | X.7.500 and above | throttling (Microsoft 365) |
    ///
    /// In a reply to MAIL, X.7.0 and X.7.1 count too, which Postfix and Gmail send for their rate
    /// limits, and so does 421 to the first MAIL of a connection. Many servers have no code for it:
    /// a reply whose text mentions concurrent connections or a rate counts, unless its enhanced
    /// code is about an address (X.1.Z), a mailbox (X.2.Z) or the content (X.6.Z).
    Throttling,
    /// Most likely greylisting: a 4yz reply to DATA or the mail data with X.7.0 or X.7.1 that does
    /// not mention a rate. The message is tried again after a pause. The other messages go on:
    /// greylisting is about one combination of client, sender and recipient (RFC 6647).
    Policy,
    /// The connection failed. The message is tried again.
    Connection,
}

/// What a connection was used for before a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// How many messages had a result, or callers the connection.
    pub(super) results: usize,
    /// How many MAIL commands the server has replied to.
    pub(super) mails: usize,
    /// Whether it accepted one of them.
    pub(super) accepted_mail: bool,
    /// Whether a caller had the connection, and may have sent any number of messages on it.
    pub(super) checked_out: bool,
}

impl Usage {
    /// Counts a message.
    pub(super) fn count_message(&mut self, result: &Result<Delivery, Error>) {
        let verdicts: &mut dyn Iterator<Item = &Verdict> = match result {
            Ok(delivery) => &mut delivery.verdicts().map(|(_, verdict)| verdict),
            Err(error) => &mut error.verdicts().filter_map(|(_, verdict)| verdict),
        };
        let mut answered = false;
        for verdict in verdicts {
            answered = true;
            self.accepted_mail |= verdict.step() != Step::Mail;
        }
        self.mails += usize::from(answered);
        self.results += 1;
    }

    /// Counts a caller that acquires the connection. What it does is not known, so that the
    /// server is assumed to have accepted a MAIL.
    pub(super) fn count_checkout(&mut self) {
        self.results += 1;
        self.accepted_mail = true;
        self.checked_out = true;
    }
}

impl Blame {
    /// Returns what this result is about, given the use of the connection before the message.
    pub(super) fn of(result: &Result<Delivery, Error>, usage: Usage) -> Self {
        match result {
            Ok(delivery) => Self::of_delivery(delivery, usage),
            Err(error) => Self::of_error(error, usage),
        }
    }

    fn of_delivery(delivery: &Delivery, usage: Usage) -> Self {
        let verdicts = delivery.verdicts();
        let all = |is: fn(&Verdict) -> bool| {
            verdicts.len() > 0 && verdicts.clone().all(|(_, one)| is(one))
        };
        let ended = all(is_service_closing) || all(is_refused_mail);
        if ended && usage.accepted_mail {
            Self::Session
        } else if all(is_throttling) {
            Self::Throttling
        } else if all(is_policy) {
            Self::Policy
        } else {
            Self::Message
        }
    }

    fn of_error(error: &Error, usage: Usage) -> Self {
        // A second attempt must not deliver a message twice: neither if it may have been accepted,
        // nor if the server has decided about a recipient.
        if error.in_doubt() || error.verdicts().any(|(_, verdict)| verdict.is_some()) {
            return Self::Message;
        }
        let unbegun = matches!(error.step(), Step::Mail | Step::Reset);
        let used = usage.results > 0;
        match error.kind() {
            ErrorKind::Refused(_) | ErrorKind::Ended(Ended::ServerClosing(_))
                if error.step() == Step::Reset =>
            {
                Self::Session
            }
            ErrorKind::Ended(_) if used => Self::Session,
            ErrorKind::Broken(_) | ErrorKind::Misbehaved(_) if used && unbegun => Self::Session,
            ErrorKind::Broken(_) | ErrorKind::Misbehaved(_) | ErrorKind::Ended(_) => {
                Self::Connection
            }
            ErrorKind::Unsupported(Unsupported::TooMany { .. })
                if usage.mails > 0 && error.is_transient() =>
            {
                Self::Session
            }
            _ => Self::Message,
        }
    }
}

/// Returns whether the server refused MAIL for what it may limit: the number of messages per session
/// shows only there. A login that it has lost (530) says nothing about that number.
pub(super) fn refuses_mail(result: &Result<Delivery, Error>) -> bool {
    match result {
        Ok(delivery) => delivery.verdicts().all(|(_, verdict)| verdict.step() == Step::Mail),
        Err(error) => match error.kind() {
            ErrorKind::Ended(Ended::OutOfSequence(reply)) => {
                reply.code() == ReplyCode::BAD_SEQUENCE
            }
            _ => false,
        },
    }
}

/// Returns whether MAIL, or the RSET before it, was not answered in time. A server that does so after
/// another message may have dropped what was sent ahead.
pub(super) fn is_unanswered_mail(error: &Error) -> bool {
    matches!(error.step(), Step::Mail | Step::Reset)
        && matches!(error.kind(), ErrorKind::Broken(Broken::TimedOut { .. }))
}

/// Returns the delivery that this error stands for, if the message was refused as a whole and the
/// caller wants all or none ([`Partial::Withhold`](crate::Partial::Withhold)): every recipient has
/// the same refusal, and it is not about one of them.
pub(super) fn refused_as_a_whole(error: &Error) -> Option<Delivery> {
    let is_whole = |one: &Verdict| one.step() != Step::Rcpt || is_service_closing(one);
    let refused =
        matches!(error.kind(), ErrorKind::Refused(_) | ErrorKind::Ended(Ended::ServerClosing(_)));
    if !refused || error.in_doubt() || error.verdicts().len() == 0 {
        return None;
    }
    let verdicts = error.verdicts().map(|(path, one)| Some((path, one.cloned()?)));
    let verdicts: Vec<_> = verdicts.collect::<Option<_>>()?;
    verdicts.iter().all(|(_, one)| is_whole(one)).then(|| Delivery::from_iter(verdicts))
}

/// Returns whether a connection that could not be opened may be one too many: the server refused it
/// in the greeting or at EHLO, whatever the code, closed it instead of a greeting, or refused a
/// later step with a transient reply.
///
/// The code of a greeting does not decide: servers refuse a connection above their limit with 421,
/// with 4yz or with 554, which is the only negative code of a greeting in RFC 5321, 4.3.2.
pub(super) fn is_one_too_many(error: &Error) -> bool {
    match (error.step(), error.kind()) {
        (
            Step::Greeting | Step::Hello | Step::StartTls | Step::Auth,
            ErrorKind::Ended(Ended::ServerClosing(_)),
        ) => true,
        (Step::Greeting | Step::Hello, ErrorKind::Refused(_)) => true,
        (Step::Greeting, ErrorKind::Broken(broken)) => {
            matches!(broken, Broken::Closed | Broken::Io(_))
        }
        (Step::StartTls | Step::Auth, ErrorKind::Refused(reply)) => reply.is_transient(),
        _ => false,
    }
}

/// Returns whether the server ended the session (421) before the end of the mail data.
fn is_service_closing(verdict: &Verdict) -> bool {
    verdict.step() != Step::EndOfText && verdict.reply().code() == ReplyCode::SERVICE_CLOSING
}

/// Returns whether the server refused MAIL with a transient reply, 503 or 530, and no enhanced code
/// says that it is about an address or the content.
fn is_refused_mail(verdict: &Verdict) -> bool {
    let of_message =
        |reply: &Reply| reply.enhanced().is_some_and(|code| matches!(code.subject(), 1 | 2 | 6));
    let reply = verdict.reply();
    let of_session = [ReplyCode::BAD_SEQUENCE, ReplyCode::AUTHENTICATION_REQUIRED];
    let not_final = verdict.is_transient() || of_session.contains(&reply.code());
    verdict.step() == Step::Mail && not_final && !of_message(reply)
}

/// Returns subject and detail of the enhanced code, both 0 if there is none, of a transient refusal
/// of MAIL, DATA or the mail data. A refusal of RCPT is about one recipient.
fn refused_for_now(verdict: &Verdict) -> Option<(u16, u16)> {
    let whole = matches!(verdict.step(), Step::Mail | Step::Data | Step::Text | Step::EndOfText);
    let enhanced = verdict.reply().enhanced();
    let code = enhanced.map_or((0, 0), |code| (code.subject(), code.detail()));
    (whole && verdict.is_transient()).then_some(code)
}

fn is_throttling(verdict: &Verdict) -> bool {
    let code = verdict.reply().code();
    let mail = verdict.step() == Step::Mail;
    refused_for_now(verdict).is_some_and(|enhanced| match enhanced {
        (3, 2) | (4, 5) | (7, 28 | 500..) => true,
        (7, 0 | 1) if mail => true,
        (1 | 2 | 6, _) => code == 432,
        _ => {
            code == 432
                || (mail && code == ReplyCode::SERVICE_CLOSING)
                || mentions_throttling(verdict.reply())
        }
    })
}

/// Returns whether the text of a reply mentions concurrent connections or a rate.
fn mentions_throttling(reply: &Reply) -> bool {
    let text = String::from_utf8_lossy(reply.as_bytes()).to_ascii_lowercase();
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    let bounded = has(&["too many", "too much", "limit", "maximum", "exceed", "concurren"]);
    let connections = has(&["connection", "session"]);
    let rate = has(&["rate limit", "sending rate", "message rate", "throttl", "too fast"]);
    rate || (bounded && connections) || has(&["too many messages"])
}

fn is_policy(verdict: &Verdict) -> bool {
    matches!(refused_for_now(verdict), Some((7, 0 | 1)))
}

#[cfg(test)]
mod tests {
    use smtp_error::{
        Bound, Cause, Ended, Extension, Field, Flaw, Invalid, KnownVerdicts, Limited, Misbehaved,
    };

    use super::*;

    fn reply(code: u16, text: &str) -> Reply {
        Reply::new(ReplyCode::new(code).unwrap(), text)
    }

    /// A new connection, one whose first MAIL was refused, and one that has carried a message.
    const NEW: Usage = Usage { results: 0, mails: 0, accepted_mail: false, checked_out: false };
    const REFUSED: Usage = Usage { results: 1, mails: 1, ..NEW };
    const USED: Usage = Usage { accepted_mail: true, ..REFUSED };

    /// Checks what a refusal at this step is about, on each of the three.
    #[track_caller]
    fn check_refused(step: Step, code: u16, text: &str, expected: [Blame; 3]) {
        let verdict = || Verdict::new(step, reply(code, text));
        let result =
            Ok(Delivery::from_iter([("a@b.example", verdict()), ("c@b.example", verdict())]));
        let found = [NEW, REFUSED, USED].map(|usage| Blame::of(&result, usage));
        assert_eq!(found, expected, "{code} {text} to {step}");
        // If another recipient has another verdict, the message is not tried again.
        let other = Verdict::new(Step::Rcpt, reply(550, "5.1.1 unknown"));
        let result = Ok(Delivery::from_iter([("a@b.example", verdict()), ("c@b.example", other)]));
        assert_eq!(Blame::of(&result, USED), Blame::Message, "{code} {text} to {step}");
    }

    #[test]
    fn refusals_are_about_the_message_unless_something_else_is_known() {
        use Blame::{Message, Policy, Session, Throttling};
        let message = [Message; 3];
        let session = [Message, Message, Session];
        for step in [Step::Mail, Step::Rcpt, Step::Data, Step::Text, Step::EndOfText] {
            check_refused(step, 550, "5.7.1 no", message);
            check_refused(step, 552, "5.3.4 too big", message);
            check_refused(step, 450, "4.2.1 not now", message);
            check_refused(step, 451, "4.6.0 odd", message);
        }
        check_refused(Step::EndOfText, 250, "2.0.0 taken", message);
        for text in ["enough", "4.5.3 enough", "4.3.1 enough", "4.0.0 enough"] {
            check_refused(Step::Mail, 452, text, session);
            check_refused(Step::EndOfText, 452, text, message);
        }
        for text in ["bad sequence", "5.5.1 too many messages in this session"] {
            check_refused(Step::Mail, 503, text, session);
            check_refused(Step::EndOfText, 503, text, message);
        }
        check_refused(Step::Mail, 530, "5.7.0 authentication required", session);
        check_refused(Step::Rcpt, 530, "5.7.0 authentication required", message);
        for text in ["4.4.5 x", "4.3.2 x", "4.7.28 x", "4.7.500 x", "4.7.999 x"] {
            check_refused(Step::Mail, 450, text, [Throttling, Throttling, Session]);
            for step in [Step::Data, Step::Text, Step::EndOfText] {
                check_refused(step, 451, text, [Throttling; 3]);
            }
            check_refused(Step::Rcpt, 450, text, message);
        }
        for text in ["4.7.0 x", "4.7.1 x"] {
            check_refused(Step::Mail, 450, text, [Throttling, Throttling, Session]);
            for step in [Step::Data, Step::Text, Step::EndOfText] {
                check_refused(step, 451, text, [Policy; 3]);
            }
            check_refused(Step::Rcpt, 450, text, message);
        }
        for text in [
            "too many concurrent connections",
            "4.3.0 Maximum number of sessions from your host reached",
            "4.7.1 Connection limit exceeded",
            "4.0.0 sending rate too high",
            "rate limit exceeded, slow down",
            "Too many messages from your host",
        ] {
            for code in [450, 451, 452] {
                check_refused(Step::EndOfText, code, text, [Throttling; 3]);
            }
            check_refused(Step::Rcpt, 450, text, message);
        }
        for text in ["4.2.1 the user receives mail at a rate limit", "4.2.2 too many messages"] {
            check_refused(Step::EndOfText, 450, text, message);
        }
        for text in ["x", "4.3.2 x", "4.7.12 x"] {
            check_refused(Step::EndOfText, 432, text, [Throttling; 3]);
        }
        check_refused(Step::Mail, 421, "x", [Throttling, Throttling, Session]);
        for step in [Step::Rcpt, Step::Data, Step::Text] {
            check_refused(step, 421, "x", session);
        }
        check_refused(Step::EndOfText, 421, "x", message);
        check_refused(Step::EndOfText, 421, "4.3.2 x", [Throttling; 3]);
    }

    #[test]
    fn a_limit_of_something_else_and_a_connection_without_one_are_about_the_message() {
        for text in ["4.3.0 too many hops", "4.4.2 the connection to the filter was lost"] {
            check_refused(Step::EndOfText, 451, text, [Blame::Message; 3]);
        }
    }

    /// Checks what an error at each of these steps is about: on a new connection before and after
    /// the message began, and on a used one.
    #[track_caller]
    fn check_error(kind: impl Into<ErrorKind>, expected: [Blame; 4]) {
        let kind = kind.into();
        let blame = |step, usage| Blame::of(&Err(Error::new(step, kind.clone())), usage);
        let found = [(Step::Mail, NEW), (Step::Data, NEW), (Step::Mail, USED), (Step::Data, USED)]
            .map(|(step, usage)| blame(step, usage));
        assert_eq!(found, expected, "{kind:?}");
        // What may have been accepted, or has a verdict, is never tried again.
        let doubtful = Err(Error::new(Step::Mail, kind.clone()).with_in_doubt(true));
        assert_eq!(Blame::of(&doubtful, USED), Blame::Message);
        let delivery =
            Delivery::from_iter([("a@b.example", Verdict::new(Step::Rcpt, reply(250, "ok")))]);
        let known = KnownVerdicts::from(delivery);
        let known = Err(Error::new(Step::Mail, kind).with_verdicts(known));
        assert_eq!(Blame::of(&known, USED), Blame::Message);
    }

    #[test]
    fn errors_are_about_the_connection_unless_the_caller_caused_them() {
        use Blame::{Connection, Message, Session};
        let connection = [Connection, Connection, Session, Connection];
        let io = || Cause::new(std::io::Error::other("a bad disk"));
        check_error(Broken::Closed, connection);
        check_error(Broken::Io(io()), connection);
        check_error(Broken::TimedOut { after: std::time::Duration::ZERO }, connection);
        check_error(Misbehaved::UnsolicitedOctets, connection);
        let ended = [Connection, Connection, Session, Session];
        check_error(Ended::Closed, ended);
        check_error(Ended::ServerClosing(reply(421, "x")), ended);
        check_error(Ended::OutOfSequence(reply(503, "x")), ended);
        check_error(Ended::Failed { step: Step::Text }, ended);
        let message = [Message; 4];
        check_error(ErrorKind::Source(io()), message);
        check_error(ErrorKind::Token(io()), message);
        check_error(ErrorKind::Refused(reply(450, "x")), message);
        check_error(Invalid::new(Field::Text, Flaw::Syntax { offset: 0 }), message);
        check_error(Unsupported::Extension(Extension::SmtpUtf8), message);
        check_error(Unsupported::TooBig { size: 2, limit: 1 }, message);
        let bound = Bound::NotAfter;
        let extension = Extension::FutureRelease;
        check_error(Unsupported::OutOfRange { extension, bound }, message);
        let too_many = |what| Unsupported::TooMany { what, asked: 2, limit: 1 };
        check_error(too_many(Limited::Recipients), message);
        let per_session = [Message, Message, Session, Session];
        check_error(too_many(Limited::Transactions), per_session);
        check_error(too_many(Limited::RecipientDomains), per_session);
    }

    /// The kind of error that a refusal with this code is.
    fn refused(code: u16) -> ErrorKind {
        match code {
            421 => Ended::ServerClosing(reply(code, "no")).into(),
            _ => ErrorKind::Refused(reply(code, "no")),
        }
    }

    #[test]
    fn a_caller_that_acquires_a_connection_may_have_sent_anything() {
        let mut usage = NEW;
        usage.count_checkout();
        let refused = Verdict::new(Step::Mail, reply(450, "4.0.0 x"));
        let refused = Ok(Delivery::from_iter([("a@b.example", refused)]));
        assert_eq!(Blame::of(&refused, usage), Blame::Session);
        assert_eq!(Blame::of(&Err(Error::new(Step::Data, Ended::Closed)), usage), Blame::Session);
        assert!(usage.checked_out);
    }

    #[test]
    fn a_delivery_to_no_recipient_is_about_nothing() {
        let none: [(&str, Verdict); 0] = [];
        assert_eq!(Blame::of(&Ok(Delivery::from_iter(none)), USED), Blame::Message);
    }

    #[test]
    fn only_mail_and_rset_without_a_reply_in_time_are_unanswered() {
        let timed_out = || Broken::TimedOut { after: std::time::Duration::ZERO };
        assert!(is_unanswered_mail(&Error::new(Step::Mail, timed_out())));
        assert!(is_unanswered_mail(&Error::new(Step::Reset, timed_out())));
        assert!(!is_unanswered_mail(&Error::new(Step::Data, timed_out())));
        assert!(!is_unanswered_mail(&Error::new(Step::Mail, Broken::Closed)));
    }

    #[test]
    fn a_message_that_is_withheld_was_refused_as_a_whole_if_no_reply_is_about_a_recipient() {
        let error = |kind: ErrorKind, verdicts: [(Step, u16); 2]| {
            let verdicts =
                verdicts.map(|(step, code)| ("a@b.example", Verdict::new(step, reply(code, "no"))));
            let known = KnownVerdicts::from(Delivery::from_iter(verdicts));
            Error::new(Step::Mail, kind).with_verdicts(known)
        };
        let as_whole = |kind, verdicts| refused_as_a_whole(&error(kind, verdicts)).is_some();
        for step in [Step::Mail, Step::Data, Step::EndOfText] {
            assert!(as_whole(refused(450), [(step, 450); 2]), "{step}");
            assert!(as_whole(refused(421), [(step, 421); 2]), "{step}");
        }
        assert!(as_whole(refused(421), [(Step::Rcpt, 421); 2]));
        assert!(!as_whole(refused(450), [(Step::Rcpt, 450); 2]));
        assert!(!as_whole(refused(450), [(Step::Mail, 450), (Step::Rcpt, 450)]));
        assert!(!as_whole(Broken::Closed.into(), [(Step::Mail, 450); 2]));
        let doubtful = error(refused(450), [(Step::Mail, 450); 2]).with_in_doubt(true);
        assert!(refused_as_a_whole(&doubtful).is_none());
        assert!(refused_as_a_whole(&Error::new(Step::Mail, refused(450))).is_none());
    }

    #[test]
    fn a_refused_rset_is_never_about_the_message() {
        for code in [421, 450, 500, 502, 503] {
            for usage in [NEW, REFUSED, USED] {
                let error = Error::new(Step::Reset, refused(code));
                assert_eq!(Blame::of(&Err(error), usage), Blame::Session, "{code}");
            }
        }
    }

    #[test]
    fn refusals_before_the_session_begins_may_be_about_the_number_of_connections() {
        let refused = |step, code| Error::new(step, refused(code));
        for code in [421, 450, 500, 521, 554] {
            assert!(is_one_too_many(&refused(Step::Greeting, code)), "{code}");
            assert!(is_one_too_many(&refused(Step::Hello, code)), "{code}");
        }
        assert!(is_one_too_many(&Error::new(Step::Greeting, Broken::Closed)));
        for step in [Step::StartTls, Step::Auth] {
            assert!(is_one_too_many(&refused(step, 421)) && is_one_too_many(&refused(step, 454)));
            assert!(!is_one_too_many(&refused(step, 535)));
            assert!(!is_one_too_many(&Error::new(step, Broken::Closed)));
        }
        assert!(!is_one_too_many(&Error::new(Step::Connect, Broken::Closed)));
    }
}
