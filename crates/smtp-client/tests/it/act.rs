//! The operations of a connection as data, for the exhaustive tests.
//!
//! A new session command is in these families once [`Operation::ALL`] has it, and a new way to send
//! once it is a row of [`ROUTES`].
use std::fmt;

use smtp_client::{
    Connection, Credentials, Delivery, Envelope, Error, Excess, FirstChunk, Framing, Login, Mail,
    MailData, MailParam, Partial, Reply, Sending, Step, blocking,
    session::{ClearText, Dialect},
};

use crate::{
    manner::Service,
    operation::{Operation, attributes},
    record::{Reading, Record},
};

/// What a connection is asked to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    SimpleCommand(Operation),
    Change(Change),
    Send(Route),
}

/// Operations that change the identity of client or server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// AUTH.
    Login,
    /// XCLIENT, and the EHLO after it.
    Xclient,
    /// ATRN.
    Turn,
}

/// How each is performed, by either client.
macro_rules! change {
    ($name:ident, $connection:ty, [$($async:tt)*], [$($await:tt)*]) => {
        $($async)* fn $name(self, connection: &mut $connection) -> Result<(), Error> {
            match self {
                Self::Login => {
                    let credentials = Credentials::password("tim", "tanstaaftanstaaf").unwrap();
                    connection.login(&Login::new(credentials).clear_text(ClearText::Allowed))$($await)*
                }
                Self::Xclient => {
                    connection.xclient(&attributes([("ADDR", "192.0.2.1")]))$($await)*.map(drop)
                }
                Self::Turn => connection.atrn(None)$($await)*.map(drop),
            }
        }
    };
}

macro_rules! act {
    ($name:ident, $connection:ty, [$($async:tt)*], [$($await:tt)*]) => {
        pub(crate) $($async)* fn $name(self, connection: &mut $connection) -> Came {
            match self {
                Self::SimpleCommand(operation) => {
                    Came::Reply(operation.$name(connection)$($await)*)
                }
                Self::Change(change) => Came::Change(change.$name(connection)$($await)*),
                Self::Send(route) => {
                    let (envelope, text) = (route.envelope(), MailData::new(TEXT).unwrap());
                    let mut sending = connection.scoped_sending(route.sending());
                    Came::Delivery(sending.send(&envelope, text)$($await)*)
                }
            }
        }
    };
}

impl Change {
    pub(crate) const ALL: [Self; 3] = [Self::Login, Self::Xclient, Self::Turn];

    /// The code of success.
    pub(crate) fn good(self) -> &'static str {
        match self {
            Self::Login => "235 ",
            Self::Xclient => "220 ",
            Self::Turn => "250 ",
        }
    }

    /// Whether it is what was under way at this step.
    pub(crate) fn is_at(self, step: Step) -> bool {
        match self {
            Self::Login => step == Step::Auth,
            Self::Xclient => matches!(step, Step::Xclient | Step::Hello),
            Self::Turn => step == Step::Atrn,
        }
    }

    change!(perform, Connection, [async], [.await]);
    change!(perform_blocking, blocking::Connection, [], []);
}

/// A way for a message to go out.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    pub(crate) name: &'static str,
    pub(crate) dialect: Dialect,
    keywords: &'static [&'static str],
    framing: Framing,
    first_chunk: FirstChunk,
    /// The largest chunk.
    chunk: usize,
    each: bool,
    excess: Excess,
    partial: Partial,
    rcpts: &'static [u16],
}

/// What it came to.
#[derive(Debug)]
pub(crate) enum Came {
    Reply(Result<Reply, Error>),
    Delivery(Result<Delivery, Error>),
    Change(Result<(), Error>),
}

const SMTP: Route = Route {
    name: "DATA",
    dialect: Dialect::Smtp,
    keywords: &["PIPELINING"],
    framing: Framing::Data,
    first_chunk: FirstChunk::AfterRecipients,
    chunk: 1000,
    each: false,
    excess: Excess::Refuse,
    partial: Partial::Deliver,
    rcpts: &[250, 550, 250],
};
const BDAT: Route = Route {
    name: "BDAT in one chunk",
    keywords: &["PIPELINING", "CHUNKING"],
    framing: Framing::Chunks,
    first_chunk: FirstChunk::WithCommands,
    ..SMTP
};
const WAITING: FirstChunk = FirstChunk::AfterRecipients;
const ALONE: &[&str] = &["CHUNKING"];
const VERBS: &[&str] = &["ETRN", "ATRN", "XFORWARD ADDR", "XCLIENT ADDR", "AUTH PLAIN"];
const LMTP: Dialect = Dialect::Lmtp;

/// The ways to send that are tried.
pub(crate) const ROUTES: [Route; 20] = [
    SMTP,
    Route { name: "DATA, one by one", keywords: &[], ..SMTP },
    BDAT,
    Route { name: "BDAT after the recipients", first_chunk: WAITING, ..BDAT },
    Route { name: "BDAT in one chunk, one by one", keywords: ALONE, ..BDAT },
    Route { name: "BDAT in several chunks", chunk: 7, ..BDAT },
    Route { name: "BDAT in several chunks, one by one", keywords: ALONE, chunk: 7, ..BDAT },
    Route { name: "LMTP", dialect: LMTP, ..SMTP },
    Route { name: "LMTP, one by one", dialect: LMTP, keywords: &[], ..SMTP },
    Route { name: "LMTP in one chunk", dialect: LMTP, ..BDAT },
    Route { name: "LMTP in several chunks", dialect: LMTP, chunk: 7, ..BDAT },
    Route { name: "PRDR", keywords: &["PIPELINING", "PRDR"], each: true, ..SMTP },
    Route {
        name: "PRDR in one chunk",
        keywords: &["PIPELINING", "CHUNKING", "PRDR"],
        each: true,
        ..BDAT
    },
    Route {
        name: "PRDR in one chunk after the recipients",
        keywords: &["PIPELINING", "CHUNKING", "PRDR"],
        each: true,
        first_chunk: WAITING,
        ..BDAT
    },
    Route { name: "a second transaction", excess: Excess::Continue, rcpts: MANY, ..SMTP },
    Route { name: "a second, in one chunk", excess: Excess::Continue, rcpts: MANY, ..BDAT },
    Route {
        name: "a second, in one chunk after the recipients",
        excess: Excess::Continue,
        rcpts: MANY,
        first_chunk: WAITING,
        ..BDAT
    },
    Route {
        name: "a second, over LMTP",
        dialect: LMTP,
        excess: Excess::Continue,
        rcpts: MANY,
        ..SMTP
    },
    Route { name: "all or none, and one is refused", partial: Partial::Withhold, ..BDAT },
    Route {
        name: "all or none, and all are taken",
        partial: Partial::Withhold,
        rcpts: &[],
        ..BDAT
    },
];
/// One of three is refused, and one is for another transaction.
const MANY: &[u16] = &[250, 550, 452];

/// How many recipients a message has.
pub(crate) const RECIPIENTS: usize = 3;
/// Short, as everything here: each octet makes for one poll more.
const TEXT: &str = "Subject: x\r\n\r\ny\r\n";

impl Act {
    /// Everything that is tried.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let asks = Operation::ALL.into_iter().map(Self::SimpleCommand);
        let asks = asks.chain(Change::ALL.into_iter().map(Self::Change));
        asks.chain(ROUTES.into_iter().map(Self::Send))
    }

    /// The server for it.
    pub(crate) fn service(self) -> Service {
        match self {
            Self::SimpleCommand(_) | Self::Change(_) => {
                Service { dialect: Dialect::Smtp, keywords: VERBS, each: false, rcpts: &[] }
            }
            Self::Send(Route { dialect, keywords, each, rcpts, .. }) => {
                Service { dialect, keywords, each, rcpts }
            }
        }
    }

    /// What comes next; never the same.
    pub(crate) fn next(self) -> Operation {
        match self {
            Self::SimpleCommand(Operation::Noop) => Operation::Verify,
            _ => Operation::Noop,
        }
    }

    act!(perform, Connection, [async], [.await]);
    act!(perform_blocking, blocking::Connection, [], []);

    /// Its result according to the octets on the wire.
    pub(crate) fn read(self, record: &Record) -> Reading {
        match self {
            Self::SimpleCommand(_) | Self::Change(_) => {
                Reading::of(record, Dialect::Smtp, 0, false)
            }
            Self::Send(route) => {
                let continued = route.excess == Excess::Continue;
                Reading::of(record, route.dialect, RECIPIENTS, continued)
            }
        }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Route {
    /// The same way, and every recipient is refused.
    pub(crate) fn for_nobody(self) -> Self {
        Self { rcpts: &[550, 550, 550], ..self }
    }

    fn envelope(self) -> Envelope {
        let mut mail = Mail::try_from("a@x.org").unwrap();
        if self.each {
            mail = mail.with(MailParam::Prdr).unwrap();
        }
        Envelope::new(mail, ["r0@x.org", "r1@x.org", "r2@x.org"]).unwrap()
    }

    fn sending(self) -> Sending {
        let mut sending = Sending::default();
        sending.framing = self.framing;
        sending.first_chunk = self.first_chunk;
        sending.chunk = self.chunk;
        (sending.excess, sending.partial) = (self.excess, self.partial);
        sending
    }

    /// Whether the replies that end the text cannot be told from others by their codes.
    pub(crate) fn is_in_chunks(self) -> bool {
        self.framing == Framing::Chunks
    }
}

impl Came {
    /// The verdicts, by step and code.
    pub(crate) fn verdicts(&self) -> Vec<Option<(Step, u16)>> {
        match self {
            Self::Delivery(Ok(delivery)) => {
                delivery.verdicts().map(|(_, one)| word(Some(one))).collect()
            }
            Self::Delivery(Err(error)) => error.verdicts().map(|(_, one)| word(one)).collect(),
            Self::Reply(_) | Self::Change(_) => Vec::new(),
        }
    }

    pub(crate) fn error(&self) -> Option<&Error> {
        match self {
            Self::Delivery(outcome) => outcome.as_ref().err(),
            Self::Reply(outcome) => outcome.as_ref().err(),
            Self::Change(outcome) => outcome.as_ref().err(),
        }
    }
}

/// A verdict by step and code.
pub(crate) fn word(verdict: Option<&smtp_client::Verdict>) -> Option<(Step, u16)> {
    verdict.map(|one| (one.step(), one.reply().code().get()))
}
