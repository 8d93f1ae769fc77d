//! Exit statuses: one number for each kind of result, the same for every command.
use std::process::ExitCode;

use serde::Serialize;
use smtp_client::{Broken, Delivery, Ended, Error, ErrorKind, Step, Unsupported, Verdict};

/// The result of a command, as its exit status and as the field `exit` of its JSON output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Exit {
    /// Everything that was asked for was done.
    Fine,
    /// The program itself failed, such as writing a file.
    Failed,
    /// An option, a URL, an address or a file cannot be used; nothing was sent.
    Usage,
    /// The name of the server was not found.
    Dns,
    /// No connection was made, or it was lost after EHLO while nothing was in doubt.
    Connect,
    /// TLS was not offered, the handshake failed, or the certificate was not accepted.
    Tls,
    /// The greeting, EHLO, HELO or LHLO: refused, no reply in time, or the connection closed there.
    Greeting,
    /// The login was refused, or is not possible.
    Login,
    /// Refused for good.
    Refused,
    /// Refused for now; a later attempt may succeed.
    RefusedForNow,
    /// Some recipients were refused, and some accepted.
    SomeRefused,
    /// The message may have been accepted.
    InDoubt,
    /// The server broke the protocol.
    Protocol,
    /// A policy forbids it: of this machine, of the domain (DANE, MTA-STS), or an option.
    Policy,
    /// Interrupted by Ctrl-C or a signal, with nothing in doubt.
    Interrupted,
}

impl Exit {
    /// All statuses with their meaning, for the help and the documentation.
    pub(crate) const ALL: [(Self, &str); 15] = [
        (Self::Fine, "fine"),
        (Self::Failed, "this program failed, such as writing a file"),
        (Self::Usage, "an option, URL, address or file cannot be used; nothing was sent"),
        (Self::Dns, "DNS: the name of the server was not found"),
        (Self::Connect, "connect: no connection, or it was lost later with nothing in doubt"),
        (Self::Tls, "TLS: not offered, handshake failed, or certificate not accepted"),
        (Self::Greeting, "greeting or EHLO: refused, no reply in time, or the connection closed"),
        (Self::Login, "the login was refused or is not possible"),
        (Self::Refused, "refused for good"),
        (Self::RefusedForNow, "refused for now"),
        (Self::SomeRefused, "some recipients were refused, others accepted"),
        (Self::InDoubt, "IN DOUBT: the message may have been accepted"),
        (Self::Protocol, "the server broke the protocol"),
        (Self::Policy, "a policy forbids it"),
        (Self::Interrupted, "interrupted, with nothing in doubt"),
    ];

    /// The number that the process ends with.
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Dns => 10,
            Self::Connect => 11,
            Self::Tls => 12,
            Self::Greeting => 13,
            Self::Login => 14,
            Self::Refused => 15,
            Self::RefusedForNow => 16,
            Self::SomeRefused => 17,
            Self::InDoubt => 18,
            Self::Protocol => 19,
            Self::Policy => 20,
            Self::Interrupted => 130,
        }
    }

    /// The status of a delivery: what the server decided for its recipients.
    pub(crate) fn of_delivery(delivery: &Delivery) -> Self {
        Self::of_verdicts(delivery.verdicts().map(|(_, verdict)| verdict))
    }

    /// The status of these verdicts.
    pub(crate) fn of_verdicts<'v>(mut verdicts: impl Iterator<Item = &'v Verdict> + Clone) -> Self {
        let refused = verdicts.clone().filter(|verdict| !verdict.is_accepted()).count();
        let accepted = verdicts.clone().count() - refused;
        match (accepted, refused) {
            (_, 0) => Self::Fine,
            (0, _) if verdicts.any(Verdict::is_transient) => Self::RefusedForNow,
            (0, _) => Self::Refused,
            _ => Self::SomeRefused,
        }
    }

    /// The status of an error of the client.
    pub(crate) fn of_error(error: &Error) -> Self {
        if error.in_doubt() {
            return Self::InDoubt;
        }
        match error.kind() {
            ErrorKind::Misbehaved(_) => Self::Protocol,
            ErrorKind::Broken(broken) => Self::of_broken(broken, error.step()),
            ErrorKind::Unsupported(unsupported) => Self::of_unsupported(unsupported, error.step()),
            ErrorKind::Invalid(_) | ErrorKind::Envelope(_) => Self::Usage,
            ErrorKind::Ended(Ended::NotReset(_) | Ended::OutOfSequence(_)) => Self::Protocol,
            ErrorKind::Ended(Ended::Canceled { .. }) => Self::Interrupted,
            _ => match error.step() {
                Step::Greeting | Step::Hello => Self::Greeting,
                Step::StartTls | Step::Handshake => Self::Tls,
                Step::Auth => Self::Login,
                _ if error.is_transient() => Self::RefusedForNow,
                _ => Self::Refused,
            },
        }
    }

    fn of_broken(broken: &Broken, step: Step) -> Self {
        match broken {
            Broken::UnknownHost(_) => Self::Dns,
            Broken::Tls(_) => Self::Tls,
            _ => match step {
                Step::StartTls | Step::Handshake => Self::Tls,
                Step::Greeting | Step::Hello => Self::Greeting,
                _ => Self::Connect,
            },
        }
    }

    fn of_unsupported(unsupported: &Unsupported, step: Step) -> Self {
        match unsupported {
            Unsupported::ClearText | Unsupported::Unverified => Self::Policy,
            Unsupported::Mechanism(_) => Self::Login,
            _ => match step {
                Step::StartTls | Step::Handshake => Self::Tls,
                Step::Auth => Self::Login,
                _ => Self::Refused,
            },
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}
