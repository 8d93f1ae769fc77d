//! A relay: it accepts messages, keeps them in a spool, and passes them on to one server.
//!
//! `250` is answered after the message and its envelope are on the disk. A recipient that the next
//! server refuses for now is tried again; what is in doubt is never sent again by itself, because it
//! may have arrived: the log and the folder `doubt` name it, for a person to decide. What is refused
//! for good stays in the folder `refused`, with its message, until a person removes it: the relay
//! sends no bounces.
use std::{error::Error, io::Write, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use smtp_client::{Content, Mailer};
use smtp_server::{
    Accept, Certificates, Context, Data, Decision, Envelope, Handler, Listener, Mail, MailParam,
    Mechanism, Outcome, Rcpt, Refuse, ReplyCode, Server, Settings, StartTls,
};
use tokio::{
    fs::File,
    io::AsyncWriteExt,
    sync::{Semaphore, mpsc},
    task::spawn_blocking,
};

mod options;
mod spool;
mod users;

use options::{Options, Relay, USAGE};
use spool::{Entry, Spool, State, sync_folder};
use users::Users;

/// How users log in. The first is offered inside TLS only, and proves that no other end is in between.
const MECHANISMS: [Mechanism<&str>; 4] =
    [Mechanism::SCRAM_SHA_256_PLUS, Mechanism::SCRAM_SHA_256, Mechanism::PLAIN, Mechanism::LOGIN];

/// How often a recipient is tried.
const ATTEMPTS: u32 = 6;

/// The pause after the first attempt. It doubles with each one.
const PAUSE: Duration = Duration::from_secs(60);

/// How many messages are sent at a time. Of the others only the names are in memory.
const AT_A_TIME: usize = 20;

/// How many servers a message may have passed. With more it is in a loop (RFC 5321, 6.3).
const MOST_HOPS: usize = 100;

/// How much of a header is searched, in octets.
const LARGEST_HEADER: usize = 256 << 10;

/// Accepts messages into the spool.
struct Incoming {
    spool: Spool,
    /// The names of messages to send.
    queue: mpsc::UnboundedSender<String>,
}

impl Handler for Incoming {
    type State = ();

    async fn rcpt(&self, _: &mut Context, _: &Rcpt) -> Decision {
        // Every client may send: it has logged in, or the address is a private one.
        Ok(Accept::usual())
    }

    async fn message(
        &self,
        cx: &mut Context,
        envelope: &Envelope,
        data: &mut Data<'_>,
    ) -> Result<Outcome, Refuse> {
        let id = self.spool.new_id();
        let path = self.spool.message(&id);
        // What is not completed goes away.
        let draft = Draft(Some(path.clone()));
        let mut file = File::options().write(true).create_new(true).open(&path).await?;
        let header = data.read_header(LARGEST_HEADER).await?;
        if hops(&header) > MOST_HOPS {
            let text = "5.4.6 Too many hops, the message goes around in circles";
            return Err(Refuse::new(ReplyCode::TRANSACTION_FAILED, text)?);
        }
        let received = cx.trace(envelope).id(&id).received_now();
        file.write_all(received.as_bytes()).await?;
        file.write_all(&header).await?;
        tokio::io::copy(data, &mut file).await?;
        file.flush().await?;
        file.sync_all().await?;
        let (spool, name) = (self.spool.clone(), id.clone());
        let entry = Entry { envelope: onward(envelope)?, attempts: 0 };
        spawn_blocking(move || {
            sync_folder(path.parent().unwrap_or(&path))?;
            spool.store(&name, State::Queued, &entry)
        })
        .await??;
        draft.keep();
        // The receiver lives as long as the process.
        let _ = self.queue.send(id.clone());
        Ok(Outcome::queued_as(id)?)
    }
}

/// Returns the envelope for the next server: without AUTH, which is for one that offers logins and
/// trusts this one (RFC 4954, 5). Any other refuses it.
fn onward(envelope: &Envelope) -> Result<Envelope, Refuse> {
    let mut mail = Mail::new(envelope.mail().path().clone());
    let params = envelope.mail().params();
    for param in params.filter(|param| !matches!(param, MailParam::Auth(_))) {
        mail = mail.param(param)?;
    }
    Ok(Envelope::new(mail, envelope.rcpts().to_vec())?)
}

/// Counts the servers that a message with this header has passed.
fn hops(header: &[u8]) -> usize {
    const NAME: &[u8] = b"received:";
    let lines = header.split(|&octet| octet == b'\n');
    lines
        .filter(|line| line.get(..NAME.len()).is_some_and(|n| n.eq_ignore_ascii_case(NAME)))
        .count()
}

/// A message that is not accepted yet.
struct Draft(Option<PathBuf>);

impl Draft {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Sends the messages of the queue, a few at a time. Those that have to wait come back to the queue.
async fn work(
    spool: Spool,
    mailer: Mailer,
    queue: mpsc::UnboundedSender<String>,
    mut waiting: mpsc::UnboundedReceiver<String>,
) {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    while let Some(id) = waiting.recv().await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (spool, mailer, queue) = (spool.clone(), mailer.clone(), queue.clone());
        tokio::spawn(async move {
            let attempted = attempt(&spool, &mailer, &id).await;
            drop(place);
            match attempted {
                Ok(None) => {}
                Ok(Some(pause)) => drop(tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    // The receiver lives as long as the process.
                    let _ = queue.send(id);
                })),
                Err(error) => log(&format!("{id}: the spool failed: {error}")),
            }
        });
    }
}

/// Tries the recipients that are left. Returns how long to wait before the next attempt.
async fn attempt(
    spool: &Spool,
    mailer: &Mailer,
    id: &str,
) -> Result<Option<Duration>, Box<dyn Error + Send + Sync>> {
    let entry = spool.load(id, State::Queued)?;
    let content = Content::file(spool.message(id))?;
    // From here on the message may arrive, also if this process dies.
    spool.change(id, State::Queued, State::Active)?;
    let rcpts = entry.envelope.rcpts();
    let sent = mailer.send(entry.envelope.clone(), content).await;
    let mut left = [Vec::new(), Vec::new(), Vec::new()];
    for (position, rcpt) in rcpts.iter().enumerate() {
        let path = rcpt.path().as_str();
        let verdict = match &sent {
            Ok(delivery) => Some(&delivery[position]),
            Err(error) => error.verdicts().nth(position).and_then(|(_, verdict)| verdict),
        };
        let (state, what) = match (verdict, &sent) {
            (Some(verdict), _) if verdict.is_accepted() => {
                log(&format!("{id}: <{path}> accepted: {}", verdict.reply()));
                continue;
            }
            (Some(verdict), _) if verdict.is_transient() => (State::Queued, verdict.to_string()),
            (Some(verdict), _) => (State::Refused, verdict.to_string()),
            (None, Err(error)) if error.in_doubt() => (State::InDoubt, error.to_string()),
            (None, Err(error)) if error.is_transient() => (State::Queued, error.to_string()),
            (None, Err(error)) => (State::Refused, error.to_string()),
            (None, Ok(_)) => continue,
        };
        let is_last = entry.attempts + 1 >= ATTEMPTS;
        let state = if is_last && matches!(state, State::Queued) { State::Refused } else { state };
        let (number, word) = match state {
            State::Queued => (0, "refused for now"),
            State::InDoubt => (1, "IN DOUBT, may have arrived, is not sent again"),
            _ => (2, "refused"),
        };
        log(&format!("{id}: <{path}> {word}: {what}"));
        left[number].push(rcpt.clone());
    }
    let attempts = entry.attempts + 1;
    let mut again = None;
    for (rcpts, state) in left.into_iter().zip([State::Queued, State::InDoubt, State::Refused]) {
        if rcpts.is_empty() {
            continue;
        }
        let envelope = Envelope::new(entry.envelope.mail().clone(), rcpts)?;
        spool.store(id, state, &Entry { envelope, attempts })?;
        if matches!(state, State::Queued) {
            again = Some(PAUSE * 2_u32.saturating_pow(entry.attempts));
        }
    }
    spool.remove(id, State::Active)?;
    Ok(again)
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    match Options::parse(std::env::args_os().skip(1))? {
        Options::Help => writeln!(std::io::stdout(), "{USAGE}")?,
        Options::NewUser(name) => {
            let mut password = String::new();
            std::io::stdin().read_line(&mut password)?;
            let line = Users::line(&name, password.trim_end_matches(['\r', '\n']))?;
            writeln!(std::io::stdout(), "{line}")?;
        }
        Options::Run(relay) => serve(relay).await?,
    }
    Ok(())
}

/// Returns the server, which listens already.
fn server(relay: &Relay, handler: Incoming) -> Result<Server<Incoming, Users>, Box<dyn Error>> {
    let settings = |starttls, implicit_tls| {
        let mut settings = Settings::smtp(&relay.host).size(relay.size).starttls(starttls);
        if implicit_tls {
            settings = settings.implicit_tls();
        }
        if relay.users.is_some() {
            settings = settings.auth(MECHANISMS).require_login();
        }
        settings.build()
    };
    let starttls = match &relay.certificate {
        Some(_) => StartTls::Offered,
        None => StartTls::Absent,
    };
    let users = match &relay.users {
        Some(path) => Users::read(path)?,
        None => Users::none()?,
    };
    let mut server = Server::new(handler).verifier(users).settings(settings(starttls, false)?);
    if let Some((chain, key)) = &relay.certificate {
        server = server.tls(Certificates::files(chain, key)?.config()?);
    }
    for address in &relay.smtp {
        server = server.listen(address.as_str())?;
    }
    for address in &relay.tls {
        let settings = settings(StartTls::Absent, true)?;
        server = server.listener(Listener::tcp(address.as_str())?.settings(settings));
    }
    Ok(server)
}

async fn serve(relay: Relay) -> Result<(), Box<dyn Error>> {
    let mailer = Mailer::from_url(&relay.to)?;
    let (spool, doubtful) = Spool::open(relay.folder.clone())?;
    for id in doubtful {
        log(&format!("{id}: IN DOUBT: a former process was sending it"));
    }
    let (queue, waiting) = mpsc::unbounded_channel();
    for id in spool.names(State::Queued)? {
        queue.send(id)?;
    }
    tokio::spawn(work(spool.clone(), mailer.clone(), queue.clone(), waiting));
    let server = server(&relay, Incoming { spool, queue })?;
    for address in server.addresses() {
        writeln!(std::io::stdout(), "{address}")?;
    }
    let stop = async {
        // Without signals it runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    server.run_until(stop).await?;
    mailer.close().await;
    Ok(())
}

/// Writes to the log. A server goes on if that fails.
fn log(what: &str) {
    let _ = writeln!(std::io::stderr(), "relay: {what}");
}
