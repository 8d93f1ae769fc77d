//! This toolkit.
use std::sync::Arc;

use bytes::Bytes;
use smtp_client::{
    Ahead, Connection, Connector, Delivery, Envelope, FirstChunk, Framing, MailData, Mailer,
    Message, Security, Sending, Server, Tls,
};
use tokio::task::JoinSet;

use super::{Client, Doing, Failure, HOST, Target};
use crate::job::Job;

/// With DATA, the default; each message is sent after the reply to the one before.
pub(super) fn data(target: Target) -> Doing<'static, Box<dyn Client>> {
    Box::pin(connect(target, sending(Framing::Data, None), Way::Each))
}

/// With chunks that are sent together with the commands.
pub(super) fn chunks(target: Target) -> Doing<'static, Box<dyn Client>> {
    Box::pin(connect(target, sending(Framing::Chunks, None), Way::Each))
}

/// With DATA; the messages are sent ahead of the replies.
pub(super) fn data_ahead(target: Target) -> Doing<'static, Box<dyn Client>> {
    Box::pin(connect(target, sending(Framing::Data, Some(Ahead::default())), Way::Many))
}

/// With chunks that are sent together with the commands.
pub(super) fn chunks_ahead(target: Target) -> Doing<'static, Box<dyn Client>> {
    Box::pin(connect(target, sending(Framing::Chunks, Some(Ahead::default())), Way::Many))
}

/// A mailer with one connection, shared by 32 tasks. The time to start the tasks counts too.
pub(super) fn mailer(target: Target) -> Doing<'static, Box<dyn Client>> {
    Box::pin(async move {
        let connector = connector(&target, Sending::default())?;
        let mailer = Mailer::builder(connector).connections(1).messages_per_connection(usize::MAX);
        Ok(Box::new(Shared(mailer.build())) as Box<dyn Client>)
    })
}

struct Ours {
    connection: Connection,
    way: Way,
}

struct Shared(Mailer);

/// The number of tasks that share a mailer.
const TASKS: usize = 32;

/// How messages are passed to the connection. To add a way, add a variant here, an arm in
/// [`send`](Client::send), and a row in [`CLIENTS`](super::CLIENTS).
#[derive(Clone, Copy)]
enum Way {
    /// `Connection::send` for each message, one after the other.
    Each,
    /// `Connection::send_many` for all messages.
    Many,
}

fn sending(framing: Framing, ahead: Option<Ahead>) -> Sending {
    let mut sending = Sending::default();
    sending.framing = framing;
    sending.first_chunk = FirstChunk::WithCommands;
    sending.ahead = ahead;
    sending
}

fn connector(target: &Target, sending: Sending) -> Result<Connector, Failure> {
    let mut server = Server::tcp(HOST, target.port);
    if target.certificate.is_some() {
        server = server.security(Security::Tls);
    }
    let connector = Connector::new(server).sending(sending);
    Ok(match target.tls()? {
        Some(tls) => connector.tls(Tls::new(tls)),
        None => connector,
    })
}

async fn connect(target: Target, sending: Sending, way: Way) -> Result<Box<dyn Client>, Failure> {
    let connection = connector(&target, sending)?.connect().await?;
    Ok(Box::new(Ours { connection, way }))
}

fn envelope(job: &Job) -> Result<Envelope, Failure> {
    Ok(Envelope::new(job.from.as_str(), job.rcpts.iter().map(String::as_str))?)
}

/// Computed for each message, because the other libraries examine each message too.
fn text(job: &Job) -> Result<MailData, Failure> {
    Ok(MailData::new(Bytes::from_static(job.text))?)
}

fn check(delivery: &Delivery) -> Result<(), Failure> {
    if delivery.all_accepted() { Ok(()) } else { Err("a recipient was refused".into()) }
}

impl Client for Ours {
    fn send<'a>(&'a mut self, job: &'a Job, messages: usize) -> Doing<'a, ()> {
        Box::pin(async move {
            let envelope = envelope(job)?;
            match self.way {
                Way::Each => {
                    for _ in 0..messages {
                        check(&self.connection.send(&envelope, &text(job)?).await?)?;
                    }
                }
                Way::Many => {
                    // `map_while` would stop at an invalid text, but all are valid.
                    let texts = (0..messages).map_while(|_| text(job).ok());
                    let all = texts.map(|text| Message::new(&envelope, text));
                    let mut sending = self.connection.send_many(all).await?;
                    while let Some((_, delivery)) = sending.next().await {
                        check(&delivery?)?;
                    }
                }
            }
            Ok(())
        })
    }
}

impl Client for Shared {
    fn send<'a>(&'a mut self, job: &'a Job, messages: usize) -> Doing<'a, ()> {
        Box::pin(async move {
            let envelope = Arc::new(envelope(job)?);
            let mut tasks = JoinSet::new();
            for _ in 0..messages {
                if tasks.len() == TASKS
                    && let Some(sent) = tasks.join_next().await
                {
                    check(&sent??)?;
                }
                let (mailer, envelope, text) = (self.0.clone(), Arc::clone(&envelope), text(job)?);
                tasks.spawn(async move { mailer.send(envelope, text).await });
            }
            while let Some(sent) = tasks.join_next().await {
                check(&sent??)?;
            }
            Ok(())
        })
    }
}
