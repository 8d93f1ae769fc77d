//! Connecting and sending in one, to a server that is remembered.
use std::sync::{Arc, Mutex, PoisonError};

use smtp_caps::{Capabilities, Envelope};
use smtp_error::{Broken, Delivery, Error, ErrorKind, Extension, Reply, Step, Unsupported};

use super::Connector;
use crate::{Connection, Content, Security, clock::Clock};

/// What is remembered of a server from one connection to the next: its reply to EHLO, if that
/// offers PIPECONNECT. Clones share it, and it is renewed whenever a [`Connector`] that has it
/// connects.
#[derive(Clone, Debug, Default)]
pub struct EhloCache(Arc<Mutex<Option<Reply>>>);

impl EhloCache {
    /// The memory of this reply to EHLO, which was kept elsewhere.
    pub fn from_reply(reply: Reply) -> Self {
        let memory = Self::default();
        memory.keep(&Capabilities::from_reply(reply));
        memory
    }

    /// The reply, to be kept elsewhere.
    pub fn reply(&self) -> Option<Reply> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn keep(&self, capabilities: &Capabilities) {
        let reply = capabilities.reply().filter(|_| capabilities.has(Extension::PipeConnect));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reply.cloned();
    }
}

impl Connector {
    /// Remembers what the server offers, so that [`deliver`](Self::deliver) can save round trips.
    /// By default nothing is remembered.
    #[must_use]
    pub fn ehlo_cache(mut self, memory: EhloCache) -> Self {
        self.ehlo_cache = Some(memory);
        self
    }

    /// Opens a connection and sends one message on it.
    ///
    /// If the server is [remembered](Self::ehlo_cache) to offer PIPECONNECT, EHLO and the commands of
    /// the message leave before its greeting has come, and the text follows when it is known that
    /// the server offers the same as before. If not, or if the server does not let whoever speaks so
    /// early come further than EHLO, the message is sent again in the usual way, on another
    /// connection. Otherwise, with STARTTLS and with a login, this is the same as
    /// [`connect`](Self::connect) and [`send`](Connection::send).
    ///
    /// # Errors
    /// As for the two. The connection is closed then.
    pub async fn deliver(
        &self,
        envelope: &Envelope,
        content: impl Into<Content<'_>>,
    ) -> Result<(Connection, Delivery), Error> {
        let mut content = content.into();
        if let Some(remembered) = self.remembered() {
            match self.deliver_early(remembered, envelope, &mut content).await {
                Err(error) if is_changed(&error) => {}
                Err(error) if is_unwelcome(&error) => self.forget(),
                outcome => return outcome,
            }
        }
        let mut connection = self.connect().await?;
        let delivered = connection.send(envelope, content).await;
        keep_or_leave(connection, delivered).await
    }

    /// What the server may be spoken to with before it has greeted.
    fn remembered(&self) -> Option<Reply> {
        let usual =
            self.settings.server.security == Security::StartTls || self.settings.login.is_some();
        self.ehlo_cache.as_ref().filter(|_| !usual)?.reply()
    }

    /// Remembers the server no more.
    fn forget(&self) {
        if let Some(memory) = &self.ehlo_cache {
            memory.keep(&Capabilities::none());
        }
    }

    async fn deliver_early(
        &self,
        remembered: Reply,
        envelope: &Envelope,
        content: &mut Content<'_>,
    ) -> Result<(Connection, Delivery), Error> {
        let connecting = async {
            let mut clock = Clock::start(self.settings.timeouts);
            let transport = self.open(&mut clock).await?;
            let (mut session, wire) = self.begin(transport, &mut clock).await?;
            session.anticipate(remembered)?;
            Ok(self.connection(session, wire))
        };
        let mut connection = self.watched(connecting).await?;
        let delivered = connection.send_at_once(envelope, content).await;
        if let Some(memory) = &self.ehlo_cache {
            memory.keep(connection.capabilities());
        }
        keep_or_leave(connection, delivered).await
    }
}

/// The connection, if the message has a result; otherwise it is closed, with QUIT if the session
/// takes one.
async fn keep_or_leave(
    connection: Connection,
    delivered: Result<Delivery, Error>,
) -> Result<(Connection, Delivery), Error> {
    match delivered {
        Ok(delivery) => Ok((connection, delivery)),
        Err(error) => {
            connection.leave().await;
            Err(error)
        }
    }
}

fn is_changed(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported(Unsupported::Changed))
}

/// Whether the server may have taken offense at being spoken to early: one that does not offer it
/// any more refuses for good, or closes. Nobody was sent a text then.
fn is_unwelcome(error: &Error) -> bool {
    let turned_away = match error.kind() {
        ErrorKind::Refused(reply) => reply.is_permanent(),
        ErrorKind::Broken(Broken::Closed | Broken::Io(_)) => true,
        _ => false,
    };
    matches!(error.step(), Step::Greeting | Step::Hello) && turned_away && !error.in_doubt()
}
