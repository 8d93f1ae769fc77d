//! The mailer: a pool of connections to one server, shared by many tasks.
use std::{fmt, sync::Arc};

use smtp_caps::Envelope;
use smtp_error::{Delivery, Ended, Error, Step};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{
    Connector, Content, InvalidUrl, clock::later, settings::Settings, spans::Watch, url::options,
};

mod blame;
mod builder;
mod capacity;
mod job;
mod job_stream;
mod pooled;
mod queue;
mod remainder;
mod retry;
mod send_all;
mod stats;
mod sync;
mod worker;

pub use builder::{MailerBuilder, Rate};
pub use pooled::PooledConnection;
pub use retry::Retry;
pub use send_all::{SendAll, TaggedMessages};
pub use stats::{Histogram, MailerStats};

use job::{Caller, Hold, Job, QueuedJob, QueuedMessage};
use queue::Shared;

/// Sends messages to one server for many tasks at once, over a pool of connections.
///
/// Cloning is cheap, and every method takes `&self`. The mailer opens connections when there is
/// work, up to a limit, distributes the queued messages among them, and closes them with QUIT when
/// they have been idle. A connection that the server closed in the meantime is replaced before
/// anything is written. The mailer sends a message again only if it was certainly not accepted;
/// one that is [in doubt](Error::in_doubt) is never sent again.
///
/// ```no_run
/// use smtp_client::{Connector, Envelope, Mailer, MailData};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mailer = Mailer::new(Connector::new("smtps://mail.example.org".parse()?));
/// let envelope = Envelope::new("me@example.org", ["you@example.com"])?;
/// let text = MailData::new("Subject: hello\r\n\r\nHello.\r\n")?;
/// let delivery = mailer.send(envelope, text).await?;
/// assert!(delivery.all_accepted());
/// mailer.close().await;
/// # Ok(())
/// # }
/// ```
///
/// # A server that cannot be reached
///
/// A failure to connect that another attempt may mend is repeated after a pause, up to
/// [`attempts`](MailerBuilder::attempts) times: a connection that was refused, a timeout, a 4yz
/// reply. One that it cannot mend fails the waiting messages at once, with its step, reply and
/// hint: an unknown host, a certificate that was refused, a wrong password, a greeting with 5yz,
/// settings that do not fit the server.
///
/// # Servers with limits
///
/// A refusal that is caused by the server's limits, and not by the message, is not the result of
/// the message:
///
/// - **Connections.** While the mailer has a connection, open or being opened, the refusal of
///   another one fails no message, whatever the code. The messages use the connections there are,
///   and their number is the maximum from then on. After a minute the mailer tries one more, and
///   waits longer after each failure. A refusal is an error only if there is no other connection;
///   a permanent one is then not repeated.
/// - **Messages per session.** If the server refuses MAIL with a transient reply (4yz, 421) or with
///   503 on a connection that has carried messages, the mailer closes that connection and sends the
///   message as the first one on the next. For ten minutes, further connections are closed after
///   the same number of messages. If the message is refused there too, that is its result.
/// - **Concurrency and rate.** If the server refuses MAIL, DATA or the mail data with a transient
///   reply for concurrency or rate, the mailer uses one connection fewer and tries the message
///   again after a pause. If it has only one, no message begins during that pause. These codes
///   count: 432, X.3.2, X.4.5, X.7.28 and above X.7.500; in a reply to MAIL also X.7.0 and X.7.1;
///   and without one of them, a text that mentions concurrent connections or a rate, unless the
///   enhanced code is about an address, a mailbox or the content.
/// - **Greylisting.** If the server refuses DATA or the mail data with X.7.0 or X.7.1 and mentions
///   no rate, the mailer tries the message again after a pause, and changes nothing else.
///
/// Any other transient refusal, such as 450, 451 or 452 to a first message or to a recipient, is the
/// result of the message, unless [`MailerBuilder::retry`] has it sent again later.
///
/// # Runtime
///
/// The mailer needs a tokio runtime with I/O and time (`Builder::enable_all`). Several runtimes may
/// use one mailer, one after the other, as tests do: what a runtime leaves behind when it ends fails
/// or is in doubt. When the last clone is dropped without
/// [`close`](Self::close), the queued messages are still sent in the background.
#[derive(Clone)]
pub struct Mailer {
    handle: Arc<Handle>,
}

/// What the clones share. The workers hold only [`Shared`], so that this is dropped with the last
/// clone, and closes the queue then.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Mailer {
    /// Creates a mailer that opens its connections with this connector, with the defaults that the
    /// methods of [`MailerBuilder`] name.
    pub fn new(connector: Connector) -> Self {
        Self::builder(connector).build()
    }

    /// Returns a builder of a mailer that opens its connections with this connector.
    pub fn builder(connector: Connector) -> MailerBuilder {
        MailerBuilder::new(connector)
    }

    /// Creates a mailer from a URL, such as one from the environment of a program:
    /// `smtps://user:p%40ss@mail.example.org?connections=8`.
    ///
    /// # Errors
    /// As for [`builder_from_url`](Self::builder_from_url).
    pub fn from_url(url: &str) -> Result<Self, InvalidUrl> {
        Ok(Self::builder_from_url(url)?.build())
    }

    /// Returns a builder of a mailer from a URL. It is that of [`Connector::from_url`], with these
    /// options besides, each by the name of a method of [`MailerBuilder`]: `connections`,
    /// `messages-per-connection`, `idle-timeout`, `rate` (such as `100/1m`), `queue-limit`,
    /// `wait-timeout`, `attempts`, `retry` (such as `3`, or `3/5m` with the first pause).
    ///
    /// # Errors
    /// What is wrong with the URL, and what to write instead. The text has no password.
    pub fn builder_from_url(url: &str) -> Result<MailerBuilder, InvalidUrl> {
        let (settings, others) = Settings::from_url(url)?;
        let mut builder = Self::builder(Connector::from(settings));
        let others = options::apply(builder::OPTIONS, builder.options_mut(), others)?;
        options::refuse_others(&others, true)?;
        Ok(builder)
    }

    /// Queues one message, sends it, and returns the verdict for each recipient.
    ///
    /// Dropping the future cancels a message that was not begun. A message that was begun is sent
    /// to its end all the same, without further [retries](MailerBuilder::retry).
    ///
    /// # How long it takes
    ///
    /// It waits up to [`wait_timeout`](MailerBuilder::wait_timeout) until a connection begins with
    /// the message. From then on the [timeouts](Connector::timeouts) bound each of the
    /// [`attempts`](MailerBuilder::attempts), and so does
    /// [`Timeouts::operation`](crate::Timeouts::operation), not the call as a whole. Dropping the
    /// future, as `tokio::time::timeout` does, loses the result. With one attempt, `wait_timeout`
    /// and `Timeouts::operation` together bound the call.
    ///
    /// # Panics
    /// It is called outside of a tokio runtime, or in one without I/O or time.
    ///
    /// # Errors
    /// As for [`Connection::send`](crate::Connection::send) and
    /// [`Connector::connect`](crate::Connector::connect); it was queued for longer than
    /// [`wait_timeout`](MailerBuilder::wait_timeout), and then the error is that of the connection
    /// which failed last, marked by [`waited`](Error::waited), or
    /// [`Broken::NoConnection`](crate::Broken::NoConnection) or
    /// [`Broken::StillConnecting`](crate::Broken::StillConnecting) if none failed; or the mailer is
    /// [closed](crate::Ended::MailerClosed).
    pub async fn send(
        &self,
        envelope: impl Into<Arc<Envelope>>,
        content: impl Into<Content<'static>>,
    ) -> Result<Delivery, Error> {
        let (sender, result) = oneshot::channel();
        let (envelope, content) = (envelope.into(), content.into());
        let watch = Watch::send(&envelope, content.facts());
        let caller = Caller::Future(sender);
        let queued = QueuedMessage::new(envelope.into(), content, watch, caller);
        self.run(Job::Send(Box::new(queued)), result).await?
    }

    /// Acquires a connection from the pool, for session commands or other uses by one task. It
    /// counts toward the maximum number of connections, and the call is queued as a message is.
    ///
    /// # Panics
    /// As for [`send`](Self::send).
    ///
    /// # Errors
    /// As for [`Connector::connect`](crate::Connector::connect) and, while it is queued, for
    /// [`send`](Self::send).
    pub async fn acquire(&self) -> Result<PooledConnection, Error> {
        let (waiter, acquired) = oneshot::channel();
        let acquired = self.run(Job::Acquire(waiter), acquired).await;
        acquired.map_err(|error| error.with_in_doubt(false))?.map(PooledConnection::new)
    }

    /// Returns the number of messages and of calls of [`acquire`](Self::acquire) in the queue.
    pub fn waiting(&self) -> usize {
        self.shared().queued()
    }

    /// Returns what the mailer has done since it was made, and its present state.
    pub fn stats(&self) -> MailerStats {
        self.shared().stats()
    }

    /// Returns the number of connections that are open or being opened.
    pub fn connections(&self) -> usize {
        self.shared().workers()
    }

    /// Closes the mailer for all clones: runs what is queued, accepts nothing more, and closes
    /// every connection with QUIT. It waits until acquired connections are returned. A message that
    /// waits for a [retry](MailerBuilder::retry) has the result that is known.
    pub async fn close(&self) {
        let shared = self.shared();
        shared.close();
        loop {
            // Registered before the check, or the exit of the last worker could be missed.
            let mut exited = std::pin::pin!(shared.exited.notified());
            exited.as_mut().enable();
            if shared.workers() == 0 && shared.pauses() == 0 {
                return;
            }
            exited.await;
        }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.0
    }

    /// Queues a job, and waits for its outcome.
    async fn run<T>(&self, job: Job, mut outcome: oneshot::Receiver<T>) -> Result<T, Error> {
        let shared = self.shared();
        let closed = |ended| Error::new(Step::Connect, ended);
        let wait_timeout = shared.options.wait_timeout;
        let until = later(Instant::now(), wait_timeout);

        let place = Arc::clone(&shared.places).acquire_owned();
        let place = timeout_at(until, place).await.map_err(|_| shared.wait_timed_out())?;
        let place = place.map_err(|_| closed(Ended::MailerClosed))?;
        let (sender, mut begun) = oneshot::channel();
        let (hold, since) = (Hold::Nothing, Instant::now());
        let queued = QueuedJob { job, begun: Some(sender), again: false, hold, since };
        let pushed = shared.push(queued).map_err(closed)?;
        if let Some(id) = pushed {
            worker::start(shared, id);
        }
        let in_time = timeout_at(until, &mut begun).await.is_ok();
        if !in_time && shared.withdraw(&mut begun, &mut outcome) {
            return Err(shared.wait_timed_out());
        }
        // The job has left the queue. The wait timeout does not bound it any more, the timeouts of
        // its steps do.
        drop(place);
        // A worker that was dropped without a result may have sent the message.
        outcome.await.map_err(|_| Error::new(Step::Text, Ended::Closed).with_in_doubt(true))
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer")
            .field("waiting", &self.waiting())
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}
