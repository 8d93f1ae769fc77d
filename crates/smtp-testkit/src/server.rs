//! A server that plays its scripts, or keeps to the rules, in a task of its own.

mod missing;
mod run;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use self::missing::{Departed, MessagesHaveCome};
pub(crate) use self::run::{Parts, Run};
use crate::acceptor::Acceptor;
use crate::bind::BindError;
use crate::builder::ServerBuilder;
use crate::certificate::Authority;
use crate::home::Home;
use crate::journal::{Gone, Journal};
use crate::message::Message;
use crate::mismatch::{Departure, Mismatch, MismatchKind};
use crate::pipe::Pipe;
use crate::report::Report;
use crate::script::Script;
use crate::waiting::Waiting;

/// A running server: one script for each connection, or, without scripts, a well-behaved server
/// with [rules](crate::Rule) for any number of connections at a time.
///
/// The verdict is asked for with [`finish`](Self::finish). Dropping a server stops it and proves
/// nothing. It runs in the runtime of the test that starts it, and in a thread of its own where
/// there is none.
///
/// Before each block of `S:` lines and before each reply, the client's task gets a few turns to
/// send what it must not. On a current-thread runtime, this catches a client that does not wait.
/// On other runtimes, and in another process, a client may send ahead a moment too late to be
/// noticed; what it sent is then taken for its next line.
///
/// Over sockets, leave the clock running: tokio moves a paused clock on when all tasks wait, even
/// if octets are still on their way through the system. Over a [`Pipe`] a paused clock is exact.
#[derive(Debug)]
#[must_use = "a server proves nothing until `finish` is called"]
pub struct Server {
    task: Option<JoinHandle<Result<Report, Mismatch>>>,
    ask: Arc<watch::Sender<Option<Duration>>>,
    watchdog: Duration,
    /// What a client that has gone is given to come back; `None` where scripts decide that.
    reconnect: Option<Duration>,
    addr: Option<SocketAddr>,
    authority: OnceLock<Authority>,
    journal: Journal,
    home: Home,
}

impl Server {
    /// Plays `script` on a free port of `127.0.0.1`, to one client.
    pub fn tcp(script: Script) -> Result<Self, BindError> {
        Self::builder().script(script).tcp()
    }

    /// Plays `script` over memory, and returns the client's end.
    pub fn pipe(script: Script) -> (Self, Pipe) {
        Self::builder().script(script).pipe()
    }

    /// Rules, several scripts, other transports, other certificates.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    pub(crate) fn start(parts: Parts, acceptor: Acceptor, home: Home) -> Self {
        let watchdog = parts.watchdog;
        let deadline = parts.deadline;
        let reconnect = parts.scripts.is_empty().then_some(parts.reconnect);
        let authority = parts.authority.clone().map(OnceLock::from).unwrap_or_default();
        let addr = acceptor.addr();
        let (ask, asked) = watch::channel(None);
        let ask = Arc::new(ask);
        let journal = Journal::default();
        let run = Run::new(parts, &authority, acceptor, asked, journal.clone());
        let task = Some(home.handle().spawn(run.all()));
        let server = Self { task, ask, watchdog, reconnect, addr, authority, journal, home };
        if let Some(time) = deadline {
            server.give_up_after(time);
        }
        server
    }

    /// Asks for the verdict, without any patience, if the test has not asked by then.
    fn give_up_after(&self, time: Duration) {
        let ask = Arc::downgrade(&self.ask);
        self.home.handle().spawn(async move {
            sleep(time).await;
            if let Some(ask) = ask.upgrade() {
                // A test that has asked already has more patience.
                ask.send_if_modified(|asked| {
                    let first = asked.is_none();
                    asked.get_or_insert(Duration::ZERO);
                    first
                });
            }
        });
    }

    /// Where the server listens.
    ///
    /// # Panics
    ///
    /// If it does not listen on TCP.
    pub fn addr(&self) -> SocketAddr {
        self.addr.expect("only a server on TCP has an address")
    }

    /// The certificate that a client must trust, as DER.
    pub fn authority_der(&self) -> &[u8] {
        self.authority().der()
    }

    /// The certificate that a client must trust, as PEM.
    pub fn authority_pem(&self) -> String {
        self.authority().pem()
    }

    /// Who issued the server's certificate, and can issue one for the client.
    pub fn authority(&self) -> &Authority {
        self.authority.get_or_init(Authority::new)
    }

    /// What has happened so far.
    pub fn report(&self) -> Report {
        self.journal.report()
    }

    /// Waits until this number of messages have come in all.
    ///
    /// The wait ends with a [`Mismatch`]:
    ///
    /// - at once, when no connection is open and none can be made any more: that of
    ///   [`pipe`](ServerBuilder::pipe) has ended, every [`Dialer`](crate::Dialer) was dropped, all
    ///   scripts have been played, or the server has ended;
    /// - when at least one connection was made, all have ended, and no other is made within half a
    ///   second, or the time that [`reconnect_within`](ServerBuilder::reconnect_within) sets. That
    ///   time counts from the end of the last connection, or from this call if that is later; while
    ///   a script waits for another connection, it does not count;
    /// - when the [watchdog](ServerBuilder::watchdog) has waited in vain, after ten seconds: for a
    ///   client that has not connected yet, or that is connected and sends no message.
    pub fn messages(&self, count: usize) -> Waiting<Result<Vec<Message>, Mismatch>> {
        let looked = move |report: &Report| {
            let messages = report.messages();
            (messages.len() >= count).then(|| messages.into_iter().cloned().collect())
        };
        self.until(looked, move |come| {
            format!("{}, and the test waits for {count}", MessagesHaveCome(come))
        })
    }

    /// Waits for a message that `is_it` takes, whether it has come already or not; the wait ends as
    /// that for [`messages`](Self::messages) does.
    pub fn message(
        &self,
        is_it: impl Fn(&Message) -> bool + Send + 'static,
    ) -> Waiting<Result<Message, Mismatch>> {
        let looked = move |report: &Report| {
            report.messages().into_iter().find(|message| is_it(message)).cloned()
        };
        self.until(looked, |come| {
            let which = match come {
                0 => "",
                1 => ", and it is not the one",
                _ => ", and none of them is the one",
            };
            format!("{}{which}", MessagesHaveCome(come))
        })
    }

    /// Waits for so long, during which no message may come; what had come before does not count.
    pub fn no_message(&self, within: Duration) -> Waiting<Result<(), Mismatch>> {
        let journal = self.journal.clone();
        let before = journal.report().messages().len();
        self.ask_here(async move {
            let more = |report: &Report| (report.messages().len() > before).then_some(());
            match timeout(within, journal.until(more)).await {
                Err(_) => Ok(()),
                Ok(()) => {
                    let kind = MismatchKind::UnexpectedMessage;
                    Err(Mismatch::told(kind, String::new(), journal.report()))
                }
            }
        })
    }

    /// `missing` says what is missing when this number of messages have come.
    fn until<T: Send + 'static>(
        &self,
        look: impl Fn(&Report) -> Option<T> + Send + 'static,
        missing: impl Fn(usize) -> String + Send + 'static,
    ) -> Waiting<Result<T, Mismatch>> {
        let journal = self.journal.clone();
        let (patience, reconnect) = (self.watchdog, self.reconnect);
        self.ask_here(async move {
            let gone = timeout(patience, unless_gone(&journal, look, reconnect)).await;
            if let Ok(Ok(seen)) = gone {
                return Ok(seen);
            }
            let report = journal.report();
            let why = match gone {
                Ok(Err(gone)) => {
                    Departed { gone, connections: report.connections().len() }.to_string()
                }
                _ => String::new(),
            };
            let reason = missing(report.messages().len()) + &why;
            Err(Mismatch::told(MismatchKind::NoMessage, reason, report))
        })
    }

    /// Runs a wait where the server runs, by the server's clock.
    fn ask_here<T: Send + 'static>(
        &self,
        wait: impl Future<Output = Result<T, Mismatch>> + Send + 'static,
    ) -> Waiting<Result<T, Mismatch>> {
        let task = self.home.handle().spawn(wait);
        Waiting::new(self.home.clone(), joined(task))
    }

    /// Waits until the scripts have been played, or the clients are done, and tells how it went.
    ///
    /// From now on, the server waits only so long for each thing that the client is to do (ten
    /// seconds unless [set](ServerBuilder::watchdog)); a `[delay]` is no waiting for the client.
    /// The client may be dropped before. A reply that the client no longer reads is no mismatch:
    /// not every transport tells its writer.
    ///
    /// A server with rules takes no more connections from now on, and closes those on which
    /// nothing is under way.
    pub fn finish(mut self) -> Waiting<Result<Report, Mismatch>> {
        // A server that has ended needs no patience.
        let _ = self.ask.send(Some(self.watchdog));
        let home = self.home.clone();
        let task = self.task.take();
        Waiting::new(home, async move {
            // Keeps what the server's task listens to.
            let server = self;
            let verdict = match task {
                Some(task) => joined(Stopping(task)).await,
                None => Err(interrupted()),
            };
            drop(server);
            verdict
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// What `look` sees in the end, or why it will not.
async fn unless_gone<T>(
    journal: &Journal,
    look: impl Fn(&Report) -> Option<T>,
    reconnect: Option<Duration>,
) -> Result<T, Gone> {
    let mut seen = pin!(journal.until(look));
    let mut gone = pin!(journal.until_gone(reconnect));
    poll_fn(|cx| {
        if let Poll::Ready(seen) = seen.as_mut().poll(cx) {
            return Poll::Ready(Ok(seen));
        }
        let Poll::Ready(gone) = gone.as_mut().poll(cx) else { return Poll::Pending };
        // The last thing that a client did may be what is waited for.
        Poll::Ready(match seen.as_mut().poll(cx) {
            Poll::Ready(seen) => Ok(seen),
            Poll::Pending => Err(gone),
        })
    })
    .await
}

/// A task that ends when nobody waits for it any more.
struct Stopping<T>(JoinHandle<T>);

impl<T> Future for Stopping<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for Stopping<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn joined<T>(
    task: impl Future<Output = Result<Result<T, Mismatch>, tokio::task::JoinError>>,
) -> Result<T, Mismatch> {
    match task.await {
        Ok(verdict) => verdict,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => Err(interrupted()),
    }
}

fn interrupted() -> Mismatch {
    let departure = Departure::without_octets(MismatchKind::Interrupted);
    Mismatch::new(0, Vec::new(), departure, Report::default())
}
