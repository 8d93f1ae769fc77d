//! One case of the suite under way: messages, connections, and the record of both.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use smtp_client::{
    Connection, Connector, Credentials, Delivery, Envelope, Error, Extension, Invalid,
    InvalidEnvelope, Login, MailData, Message, Server, Timeouts, session::Event,
};

use crate::{
    certs::Certs,
    ledger::{Claim, Ledger, claims},
    service::Service,
    store::MARK,
    target::{ACCOUNTS, Target},
};

/// The sender of every message.
pub(crate) const SENDER: &str = "sender@client.test";

/// How long an accepted message may take to be delivered, while no other is delivered.
const DELIVERY: Duration = Duration::from_secs(60);

/// The last lines of the dialogue that a fault shows.
const LINES: usize = 24;

/// What a case returns.
pub(crate) type Done = Result<(), Failure>;

/// Why a case did not pass.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It cannot be tried with this server.
    Skip(String),
    /// The client, or something between client and server, is at fault.
    Fault(String),
}

impl Failure {
    pub(crate) fn fault(text: impl fmt::Display) -> Self {
        Self::Fault(text.to_string())
    }

    pub(crate) fn skip(text: impl fmt::Display) -> Self {
        Self::Skip(text.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let doubt = if error.in_doubt() { " (in doubt)" } else { "" };
        Self::Fault(format!("{error}{doubt}"))
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Self::fault(invalid)
    }
}

impl From<InvalidEnvelope> for Failure {
    fn from(invalid: InvalidEnvelope) -> Self {
        Self::fault(invalid)
    }
}

/// Fails with this text unless something holds.
pub(crate) fn ensure(holds: bool, text: impl fmt::Display) -> Done {
    if holds { Ok(()) } else { Err(Failure::fault(text)) }
}

/// A message that can be found again.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) id: String,
    pub(crate) octets: Vec<u8>,
}

impl Draft {
    pub(crate) fn data(&self) -> Result<MailData, Failure> {
        Ok(MailData::new(self.octets.clone())?)
    }
}

/// The suite on its way through one target.
pub(crate) struct Trial<'t> {
    pub(crate) target: &'t Target,
    pub(crate) service: &'t Service,
    certs: &'t Certs,
    ledger: RefCell<Ledger>,
    case: RefCell<String>,
    count: Cell<usize>,
    patience: Cell<Duration>,
    dialogue: Arc<Mutex<VecDeque<String>>>,
}

impl<'t> Trial<'t> {
    pub(crate) fn new(target: &'t Target, service: &'t Service, certs: &'t Certs) -> Self {
        Self {
            target,
            service,
            certs,
            ledger: RefCell::default(),
            case: RefCell::default(),
            count: Cell::new(0),
            patience: Cell::new(DELIVERY),
            dialogue: Arc::default(),
        }
    }

    /// Begins a case.
    pub(crate) fn begin(&self, case: &str) {
        case.clone_into(&mut self.case.borrow_mut());
        if let Ok(mut dialogue) = self.dialogue.lock() {
            dialogue.clear();
        }
    }

    /// Returns the last lines of the dialogue of the case.
    pub(crate) fn dialogue(&self) -> Vec<String> {
        let lines = self.dialogue.lock().map(|lines| lines.iter().cloned().collect());
        lines.unwrap_or_default()
    }

    /// Returns a connector to the main endpoint.
    pub(crate) fn connector(&self) -> Result<Connector, Failure> {
        let main = self.target.main().ok_or_else(|| Failure::skip("no endpoint"))?;
        self.connector_to(main)
    }

    /// Returns a connector to an endpoint. It logs in where the server takes no mail without that.
    pub(crate) fn connector_to(&self, server: &Server) -> Result<Connector, Failure> {
        let connector = self.anonymous_to(server);
        if !self.target.rules.needs_login {
            return Ok(connector);
        }
        let (user, password) = ACCOUNTS[0];
        Ok(connector.login(Login::new(Credentials::password(user, password)?)))
    }

    /// Returns a connector to an endpoint, without a login.
    pub(crate) fn anonymous_to(&self, server: &Server) -> Connector {
        let dialogue = self.dialogue.clone();
        let observer = move |event: Event<'_>| {
            if let Ok(mut lines) = dialogue.lock() {
                let text: String = event.to_string().chars().take(240).collect();
                lines.push_back(text);
                if lines.len() > LINES {
                    lines.pop_front();
                }
            }
        };
        Connector::new(server.clone())
            .tls(self.certs.tls())
            .timeouts(self.timeouts())
            .observer(observer)
    }

    /// Skips the case unless the server refuses unknown recipients.
    pub(crate) fn needs_refusals(&self) -> Done {
        if self.target.rules.accepts_any {
            return Err(Failure::skip("the server accepts every recipient"));
        }
        Ok(())
    }

    /// Returns how long the client waits for each reply: not long where it is known to wait in vain.
    fn timeouts(&self) -> Timeouts {
        let fails = self.target.exception(&self.case.borrow()).is_some();
        let mut timeouts = Timeouts::every_step(Duration::from_secs(if fails { 5 } else { 20 }));
        // A server may deliver to 1,100 mailboxes before it replies.
        timeouts.end_of_text *= if fails { 1 } else { 3 };
        timeouts
    }

    /// Connects to the main endpoint.
    pub(crate) async fn connect(&self) -> Result<Connection, Failure> {
        Ok(self.connector()?.connect().await?)
    }

    /// Makes a message with this body.
    pub(crate) fn draft(&self, body: impl AsRef<[u8]>) -> Draft {
        self.draft_with("", body)
    }

    /// Makes a message with these header fields besides, and this body.
    pub(crate) fn draft_with(&self, fields: &str, body: impl AsRef<[u8]>) -> Draft {
        let number = self.count.get();
        self.count.set(number + 1);
        let id = format!("{}-{number}", self.target.name);
        // A server that misses one of these fields adds it.
        let head = format!(
            "{MARK}{id}\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nFrom: <{SENDER}>\r\n\
             To: <alice@interop.test>\r\nMessage-ID: <{id}@client.test>\r\n{fields}\r\n"
        );
        Draft { id, octets: [head.as_bytes(), body.as_ref()].concat() }
    }

    /// Records what the client claims of a message.
    pub(crate) fn record(
        &self,
        draft: &Draft,
        recipients: &[String],
        result: &Result<Delivery, Error>,
    ) {
        self.record_claims(draft, claims(recipients, result));
    }

    /// Records that a message was not accepted for these recipients.
    pub(crate) fn record_claims(&self, draft: &Draft, claims: Vec<(String, Claim)>) {
        let case = self.case.borrow();
        self.ledger.borrow_mut().record(&case, &draft.id, &draft.octets, claims);
    }

    /// Sends a message, and records the result.
    pub(crate) async fn send(
        &self,
        connection: &mut Connection,
        draft: &Draft,
        recipients: &[String],
    ) -> Result<Result<Delivery, Error>, Failure> {
        let envelope = Envelope::new(SENDER, recipients)?;
        let result = connection.send(&envelope, &draft.data()?).await;
        self.record(draft, recipients, &result);
        Ok(result)
    }

    /// Sends a short message to one recipient, who has to be accepted.
    pub(crate) async fn send_one(&self, connection: &mut Connection) -> Done {
        let draft = self.draft("Hello.\r\n");
        accepted(self.send(connection, &draft, &[alice()]).await?)
    }

    /// Makes a message for one recipient, as an iterator gives it to the client.
    pub(crate) fn message(
        &self,
        recipient: &str,
        body: &str,
    ) -> Result<(Draft, Message<'static>), Failure> {
        let draft = self.draft(body);
        let message = Message::new(Envelope::new(SENDER, [recipient])?, draft.data()?);
        Ok((draft, message))
    }

    /// Waits until everything that was accepted is delivered, compares it, and returns the names of
    /// the changes that explain a difference.
    pub(crate) async fn settle(&self) -> Result<Vec<&'static str>, Failure> {
        let (mut since, mut least) = (Instant::now(), usize::MAX);
        while let Some(missing) = self.take_in()? {
            if missing.len() < least {
                (since, least) = (Instant::now(), missing.len());
            }
            if since.elapsed() > self.patience.get() {
                self.ledger.borrow_mut().give_up();
                // A server that has lost one message may lose all.
                self.patience.set(DELIVERY / 4);
                let first = missing.iter().take(3).map(String::as_str).collect::<Vec<_>>();
                let (count, first) = (missing.len(), first.join(", "));
                return Err(Failure::fault(format!("{count} accepted, not delivered: {first}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut ledger = self.ledger.borrow_mut();
        let changes = ledger.take_changes();
        match ledger.take_faults() {
            faults if faults.is_empty() => Ok(changes.into_iter().collect()),
            faults => Err(Failure::fault(faults.join("; "))),
        }
    }

    /// Compares what was delivered by now, and returns what is missing; `None` if nothing is.
    fn take_in(&self) -> Result<Option<Vec<String>>, Failure> {
        let copies = self.target.store.take();
        let copies = copies.map_err(|error| Failure::fault(format!("store: {error}")))?;
        let mut ledger = self.ledger.borrow_mut();
        ledger.take_in(copies, self.target.changes);
        let missing = ledger.missing();
        Ok(if missing.is_empty() { None } else { Some(missing) })
    }

    /// Kills the server. What it has delivered may be delivered again when it comes up: it may not
    /// have noted that before it died.
    pub(crate) fn kill(&self) {
        self.ledger.borrow_mut().allow_repeats();
        self.service.stop();
    }

    /// Returns whether the case has claimed anything that was compared.
    pub(crate) fn has_claims(&self) -> bool {
        self.ledger.borrow().claims_of(&self.case.borrow()) > 0
    }
}

/// The first account.
pub(crate) fn alice() -> String {
    "alice@interop.test".to_owned()
}

/// Requires that the server accepted the message for every recipient.
pub(crate) fn accepted(result: Result<Delivery, Error>) -> Done {
    let delivery = result?;
    match delivery.refused().next() {
        None => Ok(()),
        Some((recipient, verdict)) => {
            Err(Failure::fault(format!("{recipient} was refused: {verdict}")))
        }
    }
}

/// Skips the case unless the server offers an extension.
pub(crate) fn offers(connection: &Connection, extension: Extension) -> Done {
    if connection.capabilities().has(extension) {
        return Ok(());
    }
    Err(Failure::skip(format!("{extension} is not offered")))
}
