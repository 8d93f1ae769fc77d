//! Blame: whether a message was refused for its own sake, or because of what surrounds it.
use smtp_error::{
    Broken, Delivery, Ended, Error, ErrorKind, Reply, ReplyCode, Step, Unsupported, Verdict,
};

/// What a result is about, apart from the message. Whatever is not about the message is tried
/// again, and then only if the message was certainly not accepted.
///
/// Codes and enhanced codes decide. The words of a reply count only where many servers give no code
/// for what they report: see [`Pace`](Self::Pace).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The message itself, or nothing. The result is final.
    Message,
    /// The session accepts no further message, and another one may. The message is tried again on
    /// another connection, which is no attempt of its own: each such session has had a result of
    /// another message that was final or an attempt, so that this comes to an end. A text that can
    /// be given only once is sent again too, if nothing of it was given.
    ///
    /// - MAIL was refused with a 4yz reply on a connection on which a MAIL was accepted before, and
    ///   no enhanced code says that it is about an address (X.1.Z, X.2.Z) or the content (X.6.Z);
    ///   or it was refused there with 503, which is about the commands before it (RFC 5321, 4.2.2).
    ///   On a connection that has accepted no MAIL, the same reply is about the message.
    /// - The server ended the session (421) before the end of the text, and the connection had
    ///   accepted a MAIL.
    /// - RSET was refused; or the session ended, broke or got out of step before this message
    ///   began and after the result of another one.
    /// - The server limits messages or recipient domains per session (RFC 9422).
    Session,
    /// There are too many connections, or too many messages at a time: a 4yz reply to MAIL, DATA or
    /// the text with one of these codes. There is one connection fewer, and the message is tried
    /// again after a pause.
    ///
    /// | Code | What it reports |
    /// |---|---|
    /// | 432 | concurrent connections (Exchange); its other meaning exists in AUTH only |
    /// | X.3.2 | the system accepts no messages at the moment |
    /// | X.4.5 | congestion |
    /// | X.7.28 | too many messages from this client |
    /// | X.7.500 and above | throttling (Microsoft 365) |
    ///
    /// To MAIL, X.7.0 and X.7.1 count too, which Postfix and Gmail send for their rate limits, and
    /// so does 421 to the first MAIL of a connection. Many servers have no code for it: a reply that
    /// speaks of concurrent connections or of a rate counts, too, unless its enhanced code is about
    /// an address (X.1.Z), a mailbox (X.2.Z) or the content (X.6.Z).
    Pace,
    /// A 4yz reply to DATA or the text with X.7.0 or X.7.1 that does not speak of a rate: most likely
    /// greylisting. The message is tried again after a pause, and nothing else changes.
    Policy,
    /// The connection failed. The message is tried again.
    Connection,
}

/// What a connection was used for before a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// How many messages had a result.
    pub(super) results: usize,
    /// How many MAIL commands the server has answered.
    pub(super) mails: usize,
    /// Whether it accepted one of them.
    pub(super) accepted_mail: bool,
    /// Whether the connection was lent, so that more may have been sent.
    pub(super) lent: bool,
}

impl Usage {
    /// Counts a message.
    pub(super) fn count(&mut self, result: &Result<Delivery, Error>) {
        let verdicts: &mut dyn Iterator<Item = &Verdict> = match result {
            Ok(delivery) => &mut delivery.verdicts().iter(),
            Err(error) => &mut error.verdicts().iter().flatten(),
        };
        let mut answered = false;
        for verdict in verdicts {
            answered = true;
            self.accepted_mail |= verdict.step() != Step::Mail;
        }
        self.mails += usize::from(answered);
        self.results += 1;
    }

    /// Counts a borrower, who may have sent messages.
    pub(super) fn lend(&mut self) {
        self.results += 1;
        self.accepted_mail = true;
        self.lent = true;
    }
}

impl Blame {
    /// What this result is about, of a message on a connection that was used so before.
    pub(super) fn of(result: &Result<Delivery, Error>, usage: Usage) -> Self {
        match result {
            Ok(delivery) => Self::of_verdicts(delivery.verdicts(), usage),
            Err(error) => Self::of_error(error, usage),
        }
    }

    fn of_verdicts(verdicts: &[Verdict], usage: Usage) -> Self {
        let all = |is: fn(&Verdict) -> bool| !verdicts.is_empty() && verdicts.iter().all(is);
        let ended = all(is_shut_down) || all(is_refused_mail);
        if ended && usage.accepted_mail {
            Self::Session
        } else if all(is_about_pace) {
            Self::Pace
        } else if all(is_about_policy) {
            Self::Policy
        } else {
            Self::Message
        }
    }

    fn of_error(error: &Error, usage: Usage) -> Self {
        if error.in_doubt() || error.verdicts().iter().any(Option::is_some) {
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

/// Returns whether the server refused MAIL, so that a limit per session is reached or was expected
/// in vain.
pub(super) fn refuses_mail(result: &Result<Delivery, Error>) -> bool {
    let Ok(delivery) = result else { return false };
    delivery.verdicts().iter().all(|verdict| verdict.step() == Step::Mail)
}

/// Returns whether a connection that could not be opened may be one too many: the server refused it
/// in the greeting or at EHLO, whatever the code, closed it instead of a greeting, or refused a later step
/// for the time being.
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

/// The server ended the session before it accepted the text.
fn is_shut_down(verdict: &Verdict) -> bool {
    verdict.step() != Step::EndOfText && verdict.reply().code() == ReplyCode::SERVICE_CLOSING
}

/// The server refused MAIL for the time being or because of the commands before it, and does not
/// say that it is about the message.
fn is_refused_mail(verdict: &Verdict) -> bool {
    let of_message =
        |reply: &Reply| reply.enhanced().is_some_and(|code| matches!(code.subject(), 1 | 2 | 6));
    let reply = verdict.reply();
    let not_final = verdict.is_transient() || reply.code() == ReplyCode::BAD_SEQUENCE;
    verdict.step() == Step::Mail && not_final && !of_message(reply)
}

/// The server refused MAIL, DATA or the text for the time being: subject and detail of the enhanced
/// code, both 0 if there is none.
fn refused_for_now(verdict: &Verdict) -> Option<(u16, u16)> {
    let whole = matches!(verdict.step(), Step::Mail | Step::Data | Step::Text | Step::EndOfText);
    let enhanced = verdict.reply().enhanced();
    let code = enhanced.map_or((0, 0), |code| (code.subject(), code.detail()));
    (whole && verdict.is_transient()).then_some(code)
}

fn is_about_pace(verdict: &Verdict) -> bool {
    let code = verdict.reply().code();
    let mail = verdict.step() == Step::Mail;
    refused_for_now(verdict).is_some_and(|enhanced| match enhanced {
        (3, 2) | (4, 5) | (7, 28 | 500..) => true,
        (7, 0 | 1) if mail => true,
        (1 | 2 | 6, _) => code == 432,
        _ => {
            code == 432
                || (mail && code == ReplyCode::SERVICE_CLOSING)
                || speaks_of_pace(verdict.reply())
        }
    })
}

/// Returns whether the words of a reply are about concurrent connections or about a rate.
fn speaks_of_pace(reply: &Reply) -> bool {
    let text = String::from_utf8_lossy(reply.as_bytes()).to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let bounded = has(&["too many", "too much", "limit", "maximum", "exceed", "concurren"]);
    let connections = has(&["connection", "session"]);
    let rate = has(&["rate limit", "sending rate", "message rate", "throttl", "too fast"]);
    rate || (bounded && connections) || has(&["too many messages"])
}

fn is_about_policy(verdict: &Verdict) -> bool {
    matches!(refused_for_now(verdict), Some((7, 0 | 1)))
}

#[cfg(test)]
mod tests {
    use smtp_error::{Bound, Cause, Ended, Extension, Field, Flaw, Invalid, Limited, Misbehaved};

    use super::*;

    fn reply(code: u16, text: &str) -> Reply {
        Reply::new(ReplyCode::new(code).unwrap(), text)
    }

    /// A connection that has carried nothing, one whose first MAIL was refused, and one that has
    /// carried a message.
    const NEW: Usage = Usage { results: 0, mails: 0, accepted_mail: false, lent: false };
    const REFUSED: Usage = Usage { results: 1, mails: 1, ..NEW };
    const USED: Usage = Usage { accepted_mail: true, ..REFUSED };

    /// What a refusal at this step is about, on each of the three.
    #[track_caller]
    fn check_refused(step: Step, code: u16, text: &str, expected: [Blame; 3]) {
        let verdict = || Verdict::new(step, reply(code, text));
        let result = Ok(Delivery::new(vec![verdict(), verdict()]));
        let found = [NEW, REFUSED, USED].map(|usage| Blame::of(&result, usage));
        assert_eq!(found, expected, "{code} {text} to {step}");
        // If another recipient has another verdict, the message is not tried again.
        let other = Verdict::new(Step::Rcpt, reply(550, "5.1.1 unknown"));
        let result = Ok(Delivery::new(vec![verdict(), other]));
        assert_eq!(Blame::of(&result, USED), Blame::Message, "{code} {text} to {step}");
    }

    #[test]
    fn refusals_are_about_the_message_unless_something_else_is_known() {
        use Blame::{Message, Pace, Policy, Session};
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
        for text in ["4.4.5 x", "4.3.2 x", "4.7.28 x", "4.7.500 x", "4.7.999 x"] {
            check_refused(Step::Mail, 450, text, [Pace, Pace, Session]);
            for step in [Step::Data, Step::Text, Step::EndOfText] {
                check_refused(step, 451, text, [Pace; 3]);
            }
            check_refused(Step::Rcpt, 450, text, message);
        }
        for text in ["4.7.0 x", "4.7.1 x"] {
            check_refused(Step::Mail, 450, text, [Pace, Pace, Session]);
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
                check_refused(Step::EndOfText, code, text, [Pace; 3]);
            }
            check_refused(Step::Rcpt, 450, text, message);
        }
        for text in ["4.2.1 the user receives mail at a rate limit", "4.2.2 too many messages"] {
            check_refused(Step::EndOfText, 450, text, message);
        }
        for text in ["x", "4.3.2 x", "4.7.12 x"] {
            check_refused(Step::EndOfText, 432, text, [Pace; 3]);
        }
        check_refused(Step::Mail, 421, "x", [Pace, Pace, Session]);
        for step in [Step::Rcpt, Step::Data, Step::Text] {
            check_refused(step, 421, "x", session);
        }
        check_refused(Step::EndOfText, 421, "x", message);
        check_refused(Step::EndOfText, 421, "4.3.2 x", [Pace; 3]);
    }

    /// What an error at each of these steps is about: on a new connection before and after the
    /// message began, and on a used one.
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
        let verdict = Some(Verdict::new(Step::Rcpt, reply(250, "ok")));
        let known = Err(Error::new(Step::Mail, kind).with_verdicts(vec![None, verdict]));
        assert_eq!(Blame::of(&known, USED), Blame::Message);
    }

    #[test]
    fn errors_are_about_the_connection_unless_they_are_the_callers() {
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
    fn a_refused_rset_is_never_about_the_message() {
        for code in [421, 450, 500, 502, 503] {
            for usage in [NEW, REFUSED, USED] {
                let error = Error::new(Step::Reset, refused(code));
                assert_eq!(Blame::of(&Err(error), usage), Blame::Session, "{code}");
            }
        }
    }

    #[test]
    fn connections_that_may_be_one_too_many() {
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
