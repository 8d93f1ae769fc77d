//! What a server decides by itself: the trait that its author implements, and what it is told.
use std::{future::Future, sync::Arc};

use smtp_caps::Envelope;
use smtp_codec::{Attributes, Mail, Rcpt};
use time::{OffsetDateTime, format_description::well_known};

use super::{Data, connection::Endpoint};
use crate::{
    Accept, Client, Closing, Decision, Hello, InvalidReply, Refuse, ReplyCode, Settings, Trace,
};

/// The decisions of a server. One value serves all connections.
///
/// Two methods have to be written: which recipients exist, and what is done with a message. The
/// others do what is usual. An error in any of them refuses for now, so that the client tries again;
/// a panic does the same, and ends nothing but what it was about.
///
/// Methods may take their time, and run to their end even if the client goes away in between, so that
/// nothing is left half done. That it has gone is noticed when the connection is read, such as by
/// reading [`Data`]; a [`message`](Self::message) that takes long after the end of the content can
/// wait for it with [`Data::disconnected`]. The others are to bound the time of what they ask for, such
/// as of DNS: a client waits five minutes for its reply. Only a server that stops drops methods where
/// they wait, after [`Capacity::grace`](crate::Capacity::grace).
///
/// An `Arc` of a handler is one, too.
pub trait Handler: Send + Sync + Sized + 'static {
    /// What a connection remembers; `()` for nothing. It lasts as long as the connection, across
    /// mail transactions and also across STARTTLS: what was learned in clear and must not count
    /// inside TLS is the handler's to clear.
    type State: Default + Send;

    /// A client has connected. After a refusal with 5yz, other than 521, the connection stays open
    /// for QUIT only, as RFC 5321, 3.1 has it; after another it is closed.
    fn connect(&self, cx: &mut Context<Self::State>) -> impl Future<Output = Decision> + Send {
        usual(cx)
    }

    /// The client names itself, with EHLO, HELO or LHLO.
    fn hello(
        &self,
        cx: &mut Context<Self::State>,
        hello: &Hello,
    ) -> impl Future<Output = Decision> + Send {
        let _ = hello;
        usual(cx)
    }

    /// MAIL: a reverse-path, with parameters.
    fn mail(
        &self,
        cx: &mut Context<Self::State>,
        mail: &Mail,
    ) -> impl Future<Output = Decision> + Send {
        let _ = mail;
        usual(cx)
    }

    /// RCPT: a forward-path, with parameters. Accept it only if this server delivers to it, or if
    /// the client may send to anybody: a server that accepts every recipient is an open relay.
    fn rcpt(
        &self,
        cx: &mut Context<Self::State>,
        rcpt: &Rcpt,
    ) -> impl Future<Output = Decision> + Send;

    /// The content of a message is about to come.
    fn data(
        &self,
        cx: &mut Context<Self::State>,
        envelope: &Envelope,
    ) -> impl Future<Output = Decision> + Send {
        let _ = envelope;
        usual(cx)
    }

    /// A message comes. A handler that accepts it is responsible for it: it must be safe by then, such as
    /// on a disk (RFC 5321, 4.2.5).
    ///
    /// Reading `data` to its end gives the whole content. An error in between, which `?` passes on,
    /// means that there will be no message. What is not read is skipped.
    fn message(
        &self,
        cx: &mut Context<Self::State>,
        envelope: &Envelope,
        data: &mut Data<'_>,
    ) -> impl Future<Output = Result<Outcome, Refuse>> + Send;

    /// VRFY. By default the reply is 252, which tells nothing.
    fn verify(
        &self,
        cx: &mut Context<Self::State>,
        name: &str,
    ) -> impl Future<Output = Decision> + Send {
        let _ = name;
        usual(cx)
    }

    /// EXPN. By default the reply is 502.
    fn expand(
        &self,
        cx: &mut Context<Self::State>,
        list: &str,
    ) -> impl Future<Output = Decision> + Send {
        let _ = list;
        usual(cx)
    }

    /// ETRN, if it is offered. By default the reply is 458.
    fn etrn(
        &self,
        cx: &mut Context<Self::State>,
        node: &str,
    ) -> impl Future<Output = Decision> + Send {
        let _ = node;
        usual(cx)
    }

    /// XFORWARD of a trusted client, if it is offered.
    fn xforward(
        &self,
        cx: &mut Context<Self::State>,
        attributes: &Attributes,
    ) -> impl Future<Output = Decision> + Send {
        let _ = attributes;
        usual(cx)
    }

    /// A command that is not known here. By default the reply is 500.
    fn command(
        &self,
        cx: &mut Context<Self::State>,
        verb: &str,
        arguments: &str,
    ) -> impl Future<Output = Decision> + Send {
        let _ = (verb, arguments);
        usual(cx)
    }

    /// The open mail transaction was ended without a message: by RSET, by a further greeting (after
    /// [`hello`](Self::hello)), or by STARTTLS. The end of the connection does not call it, and an
    /// accepted or refused message does not either.
    fn reset(&self, cx: &mut Context<Self::State>) -> impl Future<Output = ()> + Send {
        let _ = cx;
        std::future::ready(())
    }

    /// The session has ended.
    fn closed(
        &self,
        cx: &mut Context<Self::State>,
        why: Closing,
    ) -> impl Future<Output = ()> + Send {
        let _ = (cx, why);
        std::future::ready(())
    }
}

/// A handler that the caller shares with the server, such as a test that reads what came.
impl<H: Handler> Handler for Arc<H> {
    type State = H::State;

    fn connect(&self, cx: &mut Context<H::State>) -> impl Future<Output = Decision> + Send {
        H::connect(self, cx)
    }

    fn hello(
        &self,
        cx: &mut Context<H::State>,
        hello: &Hello,
    ) -> impl Future<Output = Decision> + Send {
        H::hello(self, cx, hello)
    }

    fn mail(
        &self,
        cx: &mut Context<H::State>,
        mail: &Mail,
    ) -> impl Future<Output = Decision> + Send {
        H::mail(self, cx, mail)
    }

    fn rcpt(
        &self,
        cx: &mut Context<H::State>,
        rcpt: &Rcpt,
    ) -> impl Future<Output = Decision> + Send {
        H::rcpt(self, cx, rcpt)
    }

    fn data(
        &self,
        cx: &mut Context<H::State>,
        envelope: &Envelope,
    ) -> impl Future<Output = Decision> + Send {
        H::data(self, cx, envelope)
    }

    fn message(
        &self,
        cx: &mut Context<H::State>,
        envelope: &Envelope,
        data: &mut Data<'_>,
    ) -> impl Future<Output = Result<Outcome, Refuse>> + Send {
        H::message(self, cx, envelope, data)
    }

    fn verify(
        &self,
        cx: &mut Context<H::State>,
        name: &str,
    ) -> impl Future<Output = Decision> + Send {
        H::verify(self, cx, name)
    }

    fn expand(
        &self,
        cx: &mut Context<H::State>,
        list: &str,
    ) -> impl Future<Output = Decision> + Send {
        H::expand(self, cx, list)
    }

    fn etrn(
        &self,
        cx: &mut Context<H::State>,
        node: &str,
    ) -> impl Future<Output = Decision> + Send {
        H::etrn(self, cx, node)
    }

    fn xforward(
        &self,
        cx: &mut Context<H::State>,
        attributes: &Attributes,
    ) -> impl Future<Output = Decision> + Send {
        H::xforward(self, cx, attributes)
    }

    fn command(
        &self,
        cx: &mut Context<H::State>,
        verb: &str,
        arguments: &str,
    ) -> impl Future<Output = Decision> + Send {
        H::command(self, cx, verb, arguments)
    }

    fn reset(&self, cx: &mut Context<H::State>) -> impl Future<Output = ()> + Send {
        H::reset(self, cx)
    }

    fn closed(&self, cx: &mut Context<H::State>, why: Closing) -> impl Future<Output = ()> + Send {
        H::closed(self, cx, why)
    }
}

fn usual<S>(_: &mut Context<S>) -> impl Future<Output = Decision> + Send + use<S> {
    std::future::ready(Ok(Accept::usual()))
}

/// What a handler knows of the connection, and what it remembers there.
#[derive(Debug)]
pub struct Context<S = ()> {
    client: Arc<Client>,
    endpoint: Arc<Endpoint>,
    mail: Option<Mail>,
    id: u64,
    state: S,
}

impl<S> Context<S> {
    pub(super) fn new(client: Arc<Client>, endpoint: Arc<Endpoint>, id: u64, state: S) -> Self {
        Self { client, endpoint, mail: None, id, state }
    }

    /// Returns the context of a verifier, which may serve several handlers.
    pub(super) fn without_state(&self) -> Context {
        let (client, endpoint) = (Arc::clone(&self.client), Arc::clone(&self.endpoint));
        Context { client, endpoint, mail: self.mail.clone(), id: self.id, state: () }
    }

    pub(super) fn update(&mut self, client: &Arc<Client>) {
        if !Arc::ptr_eq(&self.client, client) {
            self.client = Arc::clone(client);
        }
    }

    pub(super) fn set_mail(&mut self, mail: Option<Mail>) {
        self.mail = mail;
    }

    #[cfg(feature = "tls")]
    pub(super) fn tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.endpoint.tls.clone()
    }

    /// Returns what is known of the client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the settings of the session, such as those of its listener.
    pub fn settings(&self) -> &Settings {
        &self.endpoint.settings
    }

    /// Returns the name of the listener that the client came by: [`Listener::name`].
    ///
    /// [`Listener::name`]: crate::Listener::name
    pub fn listener(&self) -> Option<&str> {
        self.endpoint.name.as_deref()
    }

    /// Begins the trace of a message: its Received field, with the name of the settings, and its
    /// Return-Path field.
    pub fn trace<'a>(&'a self, envelope: &'a Envelope) -> Trace<'a> {
        Trace::new(&self.client, envelope, self.endpoint.settings.host())
    }

    /// Returns MAIL of the open transaction.
    pub fn mail(&self) -> Option<&Mail> {
        self.mail.as_ref()
    }

    /// Returns the number of the connection, which the span `session` of the log has as `id`. It counts
    /// from 1 in each server.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns what the handler remembers of the connection.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// Returns what the handler remembers of the connection.
    pub fn state_mut(&mut self) -> &mut S {
        &mut self.state
    }
}

impl Trace<'_> {
    /// Returns the Received field with the present time, in UTC.
    pub fn received_now(&self) -> String {
        let form = well_known::Rfc2822; // An obsolete number; RFC 5322 has the same form.
        let now = OffsetDateTime::now_utc().format(&form);
        // The format has the years from 1900 to 9999.
        self.received(now.unwrap_or_else(|_| "Thu, 01 Jan 1970 00:00:00 +0000".to_owned()))
    }
}

/// The outcome of a message that was not refused as a whole.
#[derive(Clone, Debug)]
pub struct Outcome(pub(super) Decided);

#[derive(Clone, Debug)]
pub(super) enum Decided {
    All(Accept),
    Each(Vec<Decision>),
}

impl Outcome {
    /// The message was accepted for all recipients.
    pub fn accepted() -> Self {
        Self(Decided::All(Accept::usual()))
    }

    /// The message was accepted, and has this identifier in the server's queue or storage:
    /// `250 2.0.0 Queued as ID`.
    ///
    /// # Errors
    /// The identifier is not printable ASCII.
    pub fn queued_as(id: impl AsRef<str>) -> Result<Self, InvalidReply> {
        let text = format!("2.0.0 Queued as {}", id.as_ref());
        Accept::new(ReplyCode::OK, &text).map(|accept| Self(Decided::All(accept)))
    }

    /// One decision for each recipient, in the order of the envelope.
    ///
    /// Only LMTP and PRDR have a reply for each. In SMTP there is one for all: the message is accepted
    /// if all are; if some are, the reply is 451, the client sends the message to all of them again,
    /// and what was stored has to be undone. With another number of decisions than recipients the
    /// message is refused for now, and the log has a warning.
    pub fn each(decisions: impl IntoIterator<Item = Decision>) -> Self {
        Self(Decided::Each(decisions.into_iter().collect()))
    }
}

impl From<Accept> for Outcome {
    fn from(accept: Accept) -> Self {
        Self(Decided::All(accept))
    }
}
