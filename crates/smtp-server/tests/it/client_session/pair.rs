//! A client's session and a server's, and the comparison of what they believe.
use std::convert::Infallible;

use smtp_caps::{Envelope, Framing, Limit, Limits};
use smtp_codec::{Argument, HelloName, Mail, MailData, MailParam, Mechanism, ReplyLimits};
use smtp_error::{Delivery, Error, Extension};
use smtp_server::{Client, ServerSession, Settings, SettingsBuilder};
use smtp_session::{
    ClearText, Excess, FirstChunk, Hello, Operation, Sending, Session, SimpleCommand, StartTls,
    Transaction,
    sasl::{Credentials, Login, Nonce},
};

use super::wire::{Broken, Wire};

/// What a client does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// With the kind of the sender and of each recipient.
    Message {
        from: usize,
        to: Vec<usize>,
        content: Vec<usize>,
        prdr: bool,
    },
    Noop,
    Reset,
    Verify,
    Hello,
    /// STARTTLS, if there is no TLS yet; and perhaps a login with PLAIN after it.
    StartTls {
        login: bool,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) lmtp: bool,
    pub(crate) chunks: bool,
    pub(crate) chunk_size: usize,
    pub(crate) with_commands: bool,
    pub(crate) pipelining: bool,
    pub(crate) rcpt_max: Option<u32>,
    /// Which mechanism the client authenticates by.
    pub(crate) mechanism: Option<usize>,
    pub(crate) cuts: u64,
    /// After how many octets the connection breaks.
    pub(crate) breaks: Option<usize>,
}

pub(crate) const SENDERS: [&str; 5] = ["", "alice", "nomail", "early", "late"];
pub(crate) const RECIPIENTS: [&str; 7] = ["b", "c", "d", "no", "later", "full", "bye"];
pub(crate) const PIECES: [&str; 9] =
    ["", ".", "..", "text", ".\r\n", "\r\n", "\r\n.\r\n", "QUIT\r\n", "a line\r\n.b\r\n"];

pub(crate) const MECHANISMS: [Mechanism<&str>; 5] = [
    Mechanism::PLAIN,
    Mechanism::LOGIN,
    Mechanism::CRAM_MD5,
    Mechanism::SCRAM_SHA_1,
    Mechanism::SCRAM_SHA_256,
];

impl Setup {
    fn settings(&self) -> SettingsBuilder {
        let settings = match self.lmtp {
            true => Settings::lmtp("mx.example.org"),
            false => Settings::smtp("mx.example.org"),
        };
        let limits = self.rcpt_max.map(|most| Limits::default().set(Limit::Rcpt, most).unwrap());
        let settings = settings.auth(MECHANISMS).starttls(smtp_server::StartTls::Offered);
        let in_clear = self.mechanism.is_some();
        let settings = if in_clear { settings.passwords_in_clear() } else { settings };
        settings.offer(|offer| {
            let offer = if self.lmtp { offer } else { offer.extensions([Extension::Prdr])? };
            let offer = if self.pipelining { offer } else { offer.without(Extension::Pipelining) };
            Ok(match limits {
                Some(limits) => offer.limits(limits),
                None => offer,
            })
        })
    }

    fn sending(&self) -> Sending {
        let mut sending = Sending::default();
        sending.framing = if self.chunks { Framing::Chunks } else { Framing::Data };
        sending.chunk = self.chunk_size;
        sending.excess = Excess::Continue;
        if self.with_commands {
            sending.first_chunk = FirstChunk::WithCommands;
        }
        sending
    }
}

/// A client, and the connection to its server.
pub(crate) struct Pair {
    setup: Setup,
    pub(crate) session: Session,
    pub(crate) wire: Wire,
    messages: usize,
}

impl Pair {
    /// Does all of this, and compares what both sides believe after each message.
    pub(crate) fn play(setup: Setup, acts: &[Act]) {
        let mut pair = Self::new(setup);
        if pair.run(Hello::after_greeting()).is_err() {
            assert!(pair.wire.broken.is_some(), "the greeting is right");
        } else {
            pair.log_in();
            for act in acts {
                if pair.session.ended().is_some() {
                    break;
                }
                if let Err(error) = pair.act(act) {
                    assert!(pair.wire.broken.is_some(), "{act:?}: {error}");
                }
                pair.check_protection();
            }
            if pair.session.ended().is_none() && pair.run(SimpleCommand::quit()).is_ok() {
                assert!(matches!(pair.wire.broken, None | Some(Broken::ByServer)));
            }
        }
        pair.wire.finish();
    }

    pub(crate) fn new(setup: Setup) -> Self {
        let settings = setup.settings().build().unwrap();
        let dialect = settings.dialect();
        let server = ServerSession::new(settings.into(), Client::new(), [3; 32]);
        let session = Session::new(dialect, HelloName::localhost(), ReplyLimits::default());
        let wire = Wire::new(server, setup.cuts, setup.breaks);
        Self { setup, session, wire, messages: 0 }
    }

    pub(crate) fn run<O: Operation<Request = Infallible>>(
        &mut self,
        operation: O,
    ) -> Result<O::Answer, Error> {
        let run = self.session.run(operation)?;
        self.wire.drive(run, |_, never, _| match never {})
    }

    pub(crate) fn log_in(&mut self) {
        if let Some(mechanism) = self.setup.mechanism {
            self.log_in_by(MECHANISMS[mechanism], ClearText::Allowed);
        }
    }

    fn log_in_by(&mut self, mechanism: Mechanism<&str>, clear_text: ClearText) {
        let credentials = Credentials::password("alice", "open sesame").unwrap();
        let login = Login::new(credentials).mechanisms([mechanism]).clear_text(clear_text);
        let auth = login.auth(&self.session, Nonce::new([1; 18]));
        let auth = auth.expect("it is offered, and may be used");
        let result = self.run(auth);
        let login = self.wire.server.client().login();
        if result.is_ok() {
            assert_eq!(login, Some("alice"), "{mechanism}");
        } else {
            assert!(self.wire.broken.is_some(), "{mechanism}: {result:?}");
        }
    }

    fn act(&mut self, act: &Act) -> Result<(), Error> {
        match act {
            Act::Noop => self.run(SimpleCommand::noop()).map(drop),
            Act::Reset => self.run(SimpleCommand::reset()).map(drop),
            Act::Verify => {
                let argument = Argument::new("alice").unwrap();
                self.run(SimpleCommand::verify(&argument)).map(drop)
            }
            Act::Hello => self.run(Hello::again()),
            Act::StartTls { login } => self.start_tls(*login),
            Act::Message { from, to, content, prdr } => {
                self.message(SENDERS[*from], to, content, *prdr);
                Ok(())
            }
        }
    }

    fn start_tls(&mut self, login: bool) -> Result<(), Error> {
        if self.session.is_private() {
            assert!(
                !self.session.capabilities().has(Extension::StartTls),
                "it is not offered twice"
            );
            return Ok(());
        }
        self.run(StartTls::new())?;
        self.wire.secure();
        self.session.secured("TLSv1.3", "TLS13_AES_128_GCM_SHA256");
        self.check_protection();
        // Whatever was learned in clear is forgotten, so that a message needs a further greeting.
        assert!(!self.session.capabilities().has(Extension::Auth));
        assert_eq!(self.wire.server.client().hello(), None);
        assert!(self.wire.server.mail().is_none(), "a transaction may have been open");
        self.run(Hello::again())?;
        if login {
            self.log_in_by(Mechanism::PLAIN, ClearText::Refused);
        }
        Ok(())
    }

    /// Compares what both believe of TLS and of the login, while they are connected.
    fn check_protection(&self) {
        if self.wire.broken.is_some() || self.session.ended().is_some() {
            return;
        }
        let client = self.wire.server.client();
        assert_eq!(self.session.is_private(), client.tls().is_some());
        assert_eq!(self.session.authenticated_by().is_some(), client.login().is_some());
    }

    fn message(&mut self, from: &str, to: &[usize], content: &[usize], prdr: bool) {
        self.messages += 1;
        let number = self.messages;
        let address = |name: &str, at: usize| format!("{name}-{number}-{at}@example.org");
        let from = if from.is_empty() { String::new() } else { address(from, 0) };
        let mut mail = Mail::try_from(from.as_str()).unwrap();
        if prdr && self.session.capabilities().has(Extension::Prdr) {
            mail = mail.with(MailParam::Prdr).unwrap();
        }
        let to: Vec<_> =
            to.iter().enumerate().map(|(at, &kind)| address(RECIPIENTS[kind], at)).collect();
        let envelope = Envelope::new(mail, to.iter().map(String::as_str)).unwrap();
        let content: String = content.iter().map(|&piece| PIECES[piece]).collect();
        let text = MailData::new(content.as_bytes()).unwrap();
        let sending = self.setup.sending();
        let transaction = Transaction::new(&envelope, text.facts()).sending(sending);
        let result = match self.session.run(transaction) {
            Ok(run) => {
                let mut left = text.octets().clone();
                self.wire.drive(run, |run, _, length| {
                    if left.is_empty() {
                        run.end_of_text();
                        left = text.octets().clone();
                    } else {
                        run.text(left.split_to(length.clamp(1, left.len())));
                    }
                })
            }
            Err(error) => Err(error),
        };
        self.check(&to, &content, &result);
    }

    /// Compares what the client believes with what the server has stored.
    fn check(&self, to: &[String], content: &str, result: &Result<Delivery, Error>) {
        let stored = |path: &str| {
            let stored = self.wire.stored.iter().filter(|one| one.to.iter().any(|to| to == path));
            stored.collect::<Vec<_>>()
        };
        let mut seen = 0;
        let mut compare = |path: &str, accepted: Option<bool>, in_doubt: bool| {
            seen += 1;
            let stored = stored(path);
            assert!(stored.len() <= 1, "{path} has it twice");
            match accepted {
                Some(accepted) => assert_eq!(accepted, stored.len() == 1, "{path}: {result:?}"),
                None => assert!(in_doubt || stored.is_empty(), "{path}: {result:?}"),
            }
            for one in stored {
                let shown = one.content.escape_ascii();
                assert!(is_sent(content, &one.content), "{path}: {content:?} {shown}");
            }
        };
        match result {
            Ok(delivery) => delivery
                .verdicts()
                .for_each(|(path, verdict)| compare(path, Some(verdict.is_accepted()), false)),
            Err(error) => {
                assert!(
                    self.wire.broken.is_some() || !error.in_doubt(),
                    "nothing broke, and the client does not know: {error}"
                );
                if error.verdicts().len() == 0 {
                    to.iter().for_each(|path| compare(path, None, error.in_doubt()));
                } else {
                    error.verdicts().for_each(|(path, verdict)| {
                        compare(path, verdict.map(|one| one.is_accepted()), error.in_doubt());
                    });
                }
            }
        }
        assert_eq!(seen, to.len());
    }
}

/// The client completes the last line.
fn is_sent(content: &str, stored: &[u8]) -> bool {
    let is_completed = !content.is_empty() && !content.ends_with("\r\n");
    let completed = format!("{content}{}", if is_completed { "\r\n" } else { "" });
    stored == completed.as_bytes()
}
