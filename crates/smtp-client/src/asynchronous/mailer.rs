//! The mailer: connections to one server, shared by many tasks.
use std::{fmt, sync::Arc};

use smtp_caps::Envelope;
use smtp_error::{Broken, Delivery, Ended, Error, Step};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{Connector, Content, clock::later};

mod blame;
mod capacity;
mod jobs;
mod limits;
mod parcel;
mod pooled;
mod queue;
mod worker;

pub use limits::{MailerLimits, Rate};
pub use pooled::PooledConnection;

use parcel::{Hold, Job, Parcel, Waiting};
use queue::Shared;

/// Sends messages to one server for many tasks at once, over connections of its own.
///
/// It is cheap to clone, and `&self` is enough for everything. Connections are opened when there
/// is something to do, up to a limit, share what waits between them, and are closed with QUIT when
/// there is nothing to do. One that the server closed in the meantime is replaced before anything
/// is written. A message is sent again by itself only if it certainly was not accepted; one that
/// is [in doubt](Error::in_doubt) never is.
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
/// # Servers with limits
///
/// What a server refuses because of what surrounds a message is not the result of the message:
///
/// - **Connections.** While a connection is open or being opened, another one that the server
///   refuses to greet, whatever the code, fails no message: the messages are sent on the
///   connections there are, and there are no more of them from then on. One more is tried after a
///   minute, and less and less often while that fails. A refusal is an error only if no other
///   connection is there; a permanent one is not repeated then.
/// - **Messages per session.** If the server refuses MAIL for the time being (4yz or 421), or
///   with 503, on a connection that has carried messages, that connection is closed and the message
///   is the first one on the next. Those that follow are closed after as many messages, for ten
///   minutes. If the message is refused there too, that is its result.
/// - **Concurrency and rate.** If the server refuses MAIL, DATA or the text with a transient reply
///   whose code is about that (432, X.3.2, X.4.5, X.7.28 and above X.7.500; to MAIL also X.7.0 and
///   X.7.1), there is one connection fewer, and the message is tried again after a pause. If there
///   is only one, no message is begun during that pause. Only codes count, never words: a reply to
///   the text with X.7.0 or X.7.1 may be greylisting, so the message is tried again after a pause
///   and nothing else changes; 450, 451 and 452 without a code of these are results.
///
/// It needs a tokio runtime. When the last clone is dropped without [`close`](Self::close), what
/// waits is still done, in the background.
#[derive(Clone)]
pub struct Mailer {
    handle: Arc<Handle>,
}

/// What the clones share; the workers do not have it, so that it tells them when nobody is left.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Mailer {
    /// A mailer whose connections are opened in this way, with the default limits.
    pub fn new(connector: Connector) -> Self {
        Self::limited(connector, MailerLimits::default())
    }

    /// A mailer with these limits.
    pub fn limited(connector: Connector, limits: MailerLimits) -> Self {
        Self { handle: Arc::new(Handle(Arc::new(Shared::new(connector, limits)))) }
    }

    /// Sends one message when its turn comes, and says what became of it for each recipient.
    ///
    /// Dropping the future takes back a message that was not begun. One that was begun is sent to
    /// its end all the same.
    ///
    /// # Errors
    /// As for [`Connection::send`](crate::Connection::send) and
    /// [`Connector::connect`](crate::Connector::connect); it waited longer than
    /// [`wait_timeout`](MailerLimits::wait_timeout) allows; or the mailer was closed.
    pub async fn send(
        &self,
        envelope: impl Into<Arc<Envelope>>,
        content: impl Into<Content<'static>>,
    ) -> Result<Delivery, Error> {
        let (sender, result) = oneshot::channel();
        let job = Job::Send(Box::new(Parcel::new(envelope.into(), content.into(), sender)));
        self.wait_for(job, result).await?
    }

    /// Lends a connection, for session commands or whatever one task wants to do undisturbed. It
    /// is one of those that the mailer may have open, and waits for its turn as a message does.
    ///
    /// # Errors
    /// As for [`Connector::connect`](crate::Connector::connect); it waited longer than
    /// [`wait_timeout`](MailerLimits::wait_timeout) allows; or the mailer was closed.
    pub async fn acquire(&self) -> Result<PooledConnection, Error> {
        let (sender, loan) = oneshot::channel();
        let lent = self.wait_for(Job::Lend(sender), loan).await;
        lent.map_err(|error| error.with_in_doubt(false))?.map(PooledConnection::new)
    }

    /// How many messages and borrowers wait for their turn.
    pub fn waiting(&self) -> usize {
        self.shared().waiting()
    }

    /// How many connections are open, or being opened.
    pub fn connections(&self) -> usize {
        self.shared().workers()
    }

    /// Finishes what was taken on, says QUIT on every connection, and takes nothing more on, from
    /// no clone. It waits for connections that are lent.
    pub async fn close(&self) {
        let shared = self.shared();
        shared.close();
        loop {
            let mut left = std::pin::pin!(shared.left.notified());
            left.as_mut().enable();
            if shared.workers() == 0 {
                return;
            }
            left.await;
        }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.0
    }

    /// Lets a job wait for its turn, and then for what comes of it.
    async fn wait_for<T>(&self, job: Job, mut outcome: oneshot::Receiver<T>) -> Result<T, Error> {
        let shared = self.shared();
        let closed = |ended| Error::new(Step::Connect, ended);
        let wait_timeout = shared.limits.wait_timeout;
        let late = || Error::new(Step::Connect, Broken::TimedOut { after: wait_timeout });
        let until = later(Instant::now(), wait_timeout);

        let room = Arc::clone(&shared.room).acquire_owned();
        let permit = timeout_at(until, room).await.map_err(|_| late())?;
        let permit = permit.map_err(|_| closed(Ended::Quit))?;
        let (sender, mut turn) = oneshot::channel();
        let pushed = shared.push(Waiting { job, turn: Some(sender), hold: Hold::Nothing });
        let pushed = pushed.map_err(closed)?;
        if let Some(number) = pushed {
            tokio::spawn(worker::work(worker::Post::new(Arc::clone(shared), number)));
        }
        let came = timeout_at(until, &mut turn).await.is_ok();
        if !came && shared.take_back(&mut turn, &mut outcome) {
            return Err(late());
        }
        // The place in the waiting room is free.
        drop(permit);
        // A worker that is gone without a word may have done it.
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
