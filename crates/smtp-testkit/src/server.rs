//! A server that plays scripts or follows rules, in a task of its own.

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

use self::missing::{ClientsGone, MessagesArrived};
pub(crate) use self::run::{Parts, Run};
use crate::acceptor::Acceptor;
use crate::bind::BindError;
use crate::builder::ServerBuilder;
use crate::certificate::Authority;
use crate::host::Host;
use crate::journal::{Entries, Gone, Journal};
use crate::keep::Keep;
use crate::message::Message;
use crate::mismatch::{Divergence, Mismatch, MismatchKind};
use crate::pipe::Pipe;
use crate::report::{Conversation, Report};
use crate::rule::Rule;
use crate::runtime::ServerRuntime;
use crate::script::Script;
use crate::waiting::Waiting;

/// A running server. With scripts, it plays one on each connection. Without, it follows the
/// protocol and its [rules](crate::Rule), on any number of connections at a time.
///
/// [`finish`](Self::finish) returns the result. Dropping a server stops it and checks nothing. It
/// runs in the runtime of the test that starts it, or in a thread of its own if there is none.
///
/// Before each block of `S:` lines and before each reply, the server yields a few times, so that
/// the client's task can send what it must not send yet. On a current-thread runtime, this detects
/// every client that does not wait. On other runtimes and in other processes, the client may send
/// too late to be detected; its octets then count as its next line.
///
/// Over sockets, do not pause the clock: tokio advances a paused clock when all tasks wait, even if
/// octets are still in transit in the system. Over a [`Pipe`] a paused clock is exact.
#[derive(Debug)]
#[must_use = "a server checks nothing until `finish` is called"]
pub struct Server {
    task: Option<JoinHandle<Result<Report, Mismatch>>>,
    ask: Arc<watch::Sender<Option<Duration>>>,
    watchdog: Duration,
    /// The time in which a client may connect again; `None` if scripts determine the connections.
    reconnect: Option<Duration>,
    addr: Option<SocketAddr>,
    authority: OnceLock<Authority>,
    journal: Journal,
    host: Arc<Host>,
    runtime: ServerRuntime,
}

impl Server {
    /// Plays `script` on a free port of `127.0.0.1`, for one client.
    pub fn tcp(script: Script) -> Result<Self, BindError> {
        Self::builder().script(script).tcp()
    }

    /// Plays `script` on an in-memory connection, and returns the client's end.
    pub fn pipe(script: Script) -> (Self, Pipe) {
        Self::builder().script(script).pipe()
    }

    /// Returns a builder for rules, several scripts, other transports and other certificates.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    pub(crate) fn start(parts: Parts, acceptor: Acceptor, runtime: ServerRuntime) -> Self {
        let watchdog = parts.watchdog;
        let deadline = parts.deadline;
        let reconnect = parts.scripts.is_empty().then_some(parts.reconnect);
        let authority = parts.authority.clone().map(OnceLock::from).unwrap_or_default();
        let addr = acceptor.addr();
        let (ask, asked) = watch::channel(None);
        let ask = Arc::new(ask);
        let keep = match parts.scripts.is_empty() {
            true => parts.host.keep,
            false => Keep::everything(),
        };
        let journal = Journal::new(keep);
        let run = Run::new(parts, &authority, acceptor, asked, journal.clone());
        let host = run.host();
        let task = Some(runtime.handle().spawn(run.all()));
        let server =
            Self { task, ask, watchdog, reconnect, addr, authority, journal, host, runtime };
        if let Some(time) = deadline {
            server.start_deadline(time);
        }
        server
    }

    /// Asks for the result with a timeout of zero, unless the test has asked before.
    fn start_deadline(&self, time: Duration) {
        let ask = Arc::downgrade(&self.ask);
        self.runtime.handle().spawn(async move {
            sleep(time).await;
            if let Some(ask) = ask.upgrade() {
                // The test has asked already, with a longer timeout.
                ask.send_if_modified(|asked| {
                    let first = asked.is_none();
                    asked.get_or_insert(Duration::ZERO);
                    first
                });
            }
        });
    }

    /// The address on which the server listens.
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

    /// The authority that issued the server's certificate, and can issue one for the client.
    pub fn authority(&self) -> &Authority {
        self.authority.get_or_init(Authority::new)
    }

    /// Returns the report up to now.
    pub fn report(&self) -> Report {
        self.journal.report()
    }

    /// Returns the dialogue on a connection up to now. Connections are numbered from one, as
    /// [`Message::connection`] is. `None` if there was none of this number, or if it is not
    /// [kept](ServerBuilder::keep).
    pub fn conversation(&self, number: usize) -> Option<Conversation> {
        self.journal.conversation(number.checked_sub(1)?)
    }

    /// Replaces the rules of a server that has no scripts, from the next event on. All counts begin
    /// again, and connections that are open count as before. What a rule of before has begun, such
    /// as a delay, goes on.
    ///
    /// A rule that starts TLS needs a server that offers STARTTLS, or that had such a rule when it
    /// was started.
    ///
    /// ```
    /// use smtp_testkit::{Rule, Server};
    ///
    /// let server = Server::builder().tcp().unwrap();
    /// // ... a client delivers; then the server is full.
    /// server.set_rules(vec![Rule::on("RCPT *").reply("452 4.2.2 mailbox full")]);
    /// # drop(server);
    /// ```
    pub fn set_rules(&self, rules: Vec<Rule>) {
        self.host.set_rules(rules);
    }

    /// Adds rules after those of a server that has no scripts, as [`set_rules`](Self::set_rules)
    /// does; the counts of the others go on.
    pub fn add_rules(&self, rules: Vec<Rule>) {
        self.host.add_rules(rules);
    }

    /// Waits until this number of messages have arrived in all, and returns those that are
    /// [kept](ServerBuilder::keep).
    ///
    /// The wait ends with a [`Mismatch`]:
    ///
    /// - at once, if no connection is open and none can be made: the connection of
    ///   [`pipe`](ServerBuilder::pipe) has ended, every [`Dialer`](crate::Dialer) was dropped, all
    ///   scripts were played, or the server has ended;
    /// - if at least one connection was made, all have ended, and no other is made within half a
    ///   second, or within [`reconnect_within`](ServerBuilder::reconnect_within). That time counts
    ///   from the end of the last connection, or from this call if that is later; it does not count
    ///   while a script waits for another connection;
    /// - after 10 seconds, or the time of the [watchdog](ServerBuilder::watchdog), if a client has
    ///   not connected yet, or is connected and sends no message.
    pub fn messages(&self, count: usize) -> Waiting<Result<Vec<Message>, Mismatch>> {
        let look = move |entries: &Entries| {
            (entries.arrived() >= count).then(|| entries.messages().into_iter().cloned().collect())
        };
        self.until(look, move |arrived| {
            format!("{}, and the test waits for {count}", MessagesArrived(arrived))
        })
    }

    /// Waits for a message for which `is_it` returns `true`, including those that arrived before.
    /// The wait ends under the same conditions as that of [`messages`](Self::messages).
    pub fn message(
        &self,
        is_it: impl Fn(&Message) -> bool + Send + 'static,
    ) -> Waiting<Result<Message, Mismatch>> {
        let look = move |entries: &Entries| {
            entries.messages().into_iter().find(|message| is_it(message)).cloned()
        };
        self.until(look, |arrived| {
            let which = match arrived {
                0 => "",
                1 => ", and it does not match",
                _ => ", and none of them matches",
            };
            format!("{}{which}", MessagesArrived(arrived))
        })
    }

    /// Waits for `within` and fails if a message arrives in that time. Earlier messages do not
    /// count.
    pub fn no_message(&self, within: Duration) -> Waiting<Result<(), Mismatch>> {
        let journal = self.journal.clone();
        let before = journal.arrived();
        self.run_here(async move {
            let more = |entries: &Entries| (entries.arrived() > before).then_some(());
            match timeout(within, journal.until(more)).await {
                Err(_) => Ok(()),
                Ok(()) => {
                    let kind = MismatchKind::UnexpectedMessage;
                    Err(Mismatch::without_script(kind, String::new(), journal.report()))
                }
            }
        })
    }

    /// `missing` describes what is missing after this number of messages.
    fn until<T: Send + 'static>(
        &self,
        look: impl Fn(&Entries) -> Option<T> + Send + 'static,
        missing: impl Fn(usize) -> String + Send + 'static,
    ) -> Waiting<Result<T, Mismatch>> {
        let journal = self.journal.clone();
        let (limit, reconnect) = (self.watchdog, self.reconnect);
        self.run_here(async move {
            let gone = timeout(limit, unless_gone(&journal, look, reconnect)).await;
            if let Ok(Ok(seen)) = gone {
                return Ok(seen);
            }
            let report = journal.report();
            let why = match gone {
                Ok(Err(gone)) => ClientsGone { gone, connections: journal.made() }.to_string(),
                _ => String::new(),
            };
            let reason = missing(journal.arrived()) + &why;
            Err(Mismatch::without_script(MismatchKind::NoMessage, reason, report))
        })
    }

    /// Runs a wait in the runtime of the server, with its clock.
    fn run_here<T: Send + 'static>(
        &self,
        wait: impl Future<Output = Result<T, Mismatch>> + Send + 'static,
    ) -> Waiting<Result<T, Mismatch>> {
        let task = self.runtime.handle().spawn(wait);
        Waiting::new(self.runtime.clone(), joined(task))
    }

    /// Waits until the scripts were played or the clients are done, and returns the result.
    ///
    /// From now on, the server waits for each action of the client for 10 seconds, or as long as
    /// the [watchdog](ServerBuilder::watchdog) allows; a `[delay]` is not such a wait. The client
    /// may be dropped before. It is no mismatch if the client does not read a reply, because some
    /// transports do not report that.
    ///
    /// From now on, a server with rules accepts no connection, and closes those without a
    /// transaction.
    pub fn finish(mut self) -> Waiting<Result<Report, Mismatch>> {
        // Sending fails if the server has ended already.
        let _ = self.ask.send(Some(self.watchdog));
        let runtime = self.runtime.clone();
        let task = self.task.take();
        Waiting::new(runtime, async move {
            // Keeps the sender that the server's task listens to.
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

/// Returns the value of `look`, or why no client can change the report any more.
async fn unless_gone<T>(
    journal: &Journal,
    look: impl Fn(&Entries) -> Option<T>,
    reconnect: Option<Duration>,
) -> Result<T, Gone> {
    let mut seen = pin!(journal.until(look));
    let mut gone = pin!(journal.until_gone(reconnect));
    poll_fn(|cx| {
        if let Poll::Ready(seen) = seen.as_mut().poll(cx) {
            return Poll::Ready(Ok(seen));
        }
        let Poll::Ready(gone) = gone.as_mut().poll(cx) else { return Poll::Pending };
        // The last action of a client may be the awaited one.
        Poll::Ready(match seen.as_mut().poll(cx) {
            Poll::Ready(seen) => Ok(seen),
            Poll::Pending => Err(gone),
        })
    })
    .await
}

/// A task that is aborted when this is dropped.
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
    let divergence = Divergence::without_octets(MismatchKind::Interrupted);
    Mismatch::new(0, Vec::new(), divergence, Report::default())
}
