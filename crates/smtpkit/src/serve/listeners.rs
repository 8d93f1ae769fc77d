//! The SMTP and LMTP listeners, which put what they receive into the store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use smtp_testkit::{
    Answer, Authority, CertificateKind, Conversation, Greeting, Identity, Keep, Lint, Message,
    Protocol, Rule, Server, ServerBuilder, TlsVersion, When,
};
use tokio::task::block_in_place;

use super::accounts::Accounts;
use super::address::Place;
use super::journal::Journal;
use super::lints;
use super::maildir::Maildir;
use super::store::{self, Finding, NewMessage, Store};
use crate::failure::Failure;

/// A listener before it listens.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) service: Service,
    pub(crate) place: Place,
}

/// The services that a listener can offer, by their names among the ports of IANA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Smtp,
    /// TLS from the first octet.
    Smtps,
    /// Mail only after a login.
    Submission,
    /// The same, with TLS from the first octet.
    Submissions,
    Lmtp,
}

impl Service {
    /// The option of the command line.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::Smtp => "--smtp",
            Self::Smtps => "--smtps",
            Self::Submission => "--submission",
            Self::Submissions => "--submissions",
            Self::Lmtp => "--lmtp",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        self.option().trim_start_matches('-')
    }

    pub(crate) fn needs_login(self) -> bool {
        matches!(self, Self::Submission | Self::Submissions)
    }

    fn begins_with_tls(self) -> bool {
        matches!(self, Self::Smtps | Self::Submissions)
    }

    fn scheme(self) -> &'static str {
        match self {
            Self::Lmtp => "lmtp",
            _ if self.begins_with_tls() => "smtps",
            _ => "smtp",
        }
    }
}

/// What all listeners have in common.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Lines of the EHLO reply.
    pub(crate) offers: Vec<String>,
    /// Keywords that are not offered.
    pub(crate) hidden: Vec<String>,
    /// The octets of a message.
    pub(crate) max_size: usize,
    /// The connections of each listener that are open at the same time.
    pub(crate) max_connections: usize,
    pub(crate) tolerated: Vec<Lint>,
    pub(crate) accounts: Option<Accounts>,
    pub(crate) certificate: Certificate,
    pub(crate) keep: Keep,
    pub(crate) maildir: Option<Maildir>,
}

/// The certificate that the listeners present.
#[derive(Debug)]
pub(crate) enum Certificate {
    /// One of the caller.
    Own(Identity),
    /// One of an authority that was made for this run.
    Made { authority: Authority, kind: CertificateKind },
}

/// A listener that listens.
#[derive(Clone, Debug)]
pub(crate) struct Listening {
    pub(crate) service: Service,
    pub(crate) url: String,
    /// `None` for a Unix socket.
    pub(crate) port: Option<u16>,
}

/// The listeners, until they are stopped.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// Each with its own last rules. Empty once they are stopped.
    servers: Mutex<Vec<(Server, Vec<Rule>)>>,
}

/// How long a client may take for each step of a message that it has begun, after the program was
/// asked to stop.
const STOPPING: Duration = Duration::from_secs(1);

impl Listeners {
    /// Listens at all places, or at none if one of them cannot be used.
    pub(crate) fn open(
        plan: &[Planned],
        rules: &[Rule],
        settings: Settings,
        store: &Store,
        journal: &Journal,
    ) -> Result<(Self, Vec<Listening>), Failure> {
        let settings = Arc::new(settings);
        let mut servers = Vec::new();
        let mut listening = Vec::new();
        for (index, planned) in plan.iter().enumerate() {
            let last = last_rules(planned.service, settings.max_connections);
            let receiver = Receiver {
                listener: index,
                protocol: match planned.service {
                    Service::Lmtp => store::Protocol::Lmtp,
                    _ => store::Protocol::Smtp,
                },
                settings: settings.clone(),
                store: store.clone(),
                journal: journal.clone(),
            };
            let builder = settings.builder(planned.service);
            let builder = rules.iter().chain(&last).cloned().fold(builder, ServerBuilder::rule);
            let builder = builder.on_message(move |message| receiver.receive(message));
            let (server, url, port) = start(builder, planned)?;
            servers.push((server, last));
            listening.push(Listening { service: planned.service, url, port });
        }
        Ok((Self { servers: Mutex::new(servers) }, listening))
    }

    /// Returns the dialogue of a connection of a listener, if it is kept.
    pub(crate) fn conversation(&self, listener: usize, connection: usize) -> Option<Conversation> {
        self.servers().get(listener)?.0.conversation(connection)
    }

    /// Replaces the rules on all listeners.
    pub(crate) fn set_rules(&self, rules: &[Rule]) {
        for (server, last) in self.servers().iter() {
            server.set_rules([rules, last].concat());
        }
    }

    /// Adds rules on all listeners.
    pub(crate) fn add_rules(&self, rules: &[Rule]) {
        for (server, _) in self.servers().iter() {
            server.add_rules(rules.to_vec());
        }
    }

    /// Accepts no further connection, lets clients finish the messages that they have begun, and
    /// returns when all connections have ended.
    pub(crate) async fn stop(&self) {
        let servers = std::mem::take(&mut *self.servers());
        let stopping: Vec<_> = servers.into_iter().map(|(server, _)| server.finish()).collect();
        for stopped in stopping {
            // A client that did not finish in time is no failure of this program.
            let _ = stopped.await;
        }
    }

    fn servers(&self) -> MutexGuard<'_, Vec<(Server, Vec<Rule>)>> {
        // No change of the list can panic in the middle.
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start(
    builder: ServerBuilder,
    planned: &Planned,
) -> Result<(Server, String, Option<u16>), Failure> {
    let cannot = |error| Failure::option(planned.service.option(), error);
    let scheme = planned.service.scheme();
    match &planned.place {
        Place::Tcp(address) => {
            let server = builder.listen_on(address.0).tcp().map_err(cannot)?;
            let address = server.addr();
            Ok((server, format!("{scheme}://{address}"), Some(address.port())))
        }
        #[cfg(unix)]
        Place::Unix(path) => {
            let path = std::path::absolute(path).map_err(|error| Failure::file(path, error))?;
            let server = builder.unix(&path).map_err(cannot)?;
            Ok((server, format!("{scheme}+unix://{}", path.display()), None))
        }
        #[cfg(not(unix))]
        Place::Unix(path) => Err(Failure::file(path, "this system has no Unix sockets")),
    }
}

/// The rules of a service, which apply after all others.
fn last_rules(service: Service, max_connections: usize) -> Vec<Rule> {
    let too_many = "421 4.3.2 too many connections, try again later";
    let idle = "S: 421 4.4.2 the connection was idle for too long\n[close]";
    let mut rules = vec![
        Rule::connections_above(max_connections).reply(too_many),
        Rule::idle(IDLE).answer(idle.parse().expect("the lines of this answer are valid")),
    ];
    if service.needs_login() {
        let logged_out = Rule::on("MAIL *").when(When::LoggedOut);
        rules.push(logged_out.reply("530 5.7.0 authentication required"));
    }
    rules
}

/// The silence of a client outside of a transaction after which a listener closes the connection: the
/// shortest that RFC 5321, 4.5.3.2.7, allows.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// The recipients of a message. Further ones are refused with 452, so that a client cannot fill the
/// memory with them.
const MOST_RECIPIENTS: usize = 5_000;

impl Settings {
    fn builder(&self, service: Service) -> ServerBuilder {
        let mut builder = Server::builder()
            .keep(self.keep)
            .input_limit(most_input(self.max_size))
            .watchdog(STOPPING)
            .protocol(match service {
                Service::Lmtp => Protocol::Lmtp,
                _ => Protocol::Smtp,
            });
        for line in self.offered(service) {
            builder = builder.offer(&line);
        }
        if service.begins_with_tls() {
            builder = builder.greeting(Greeting::UnderTls);
        }
        if let Some(accounts) = self.accounts.as_ref().filter(|_| service.needs_login()) {
            builder = accounts.add_to(builder);
        }
        builder = match &self.certificate {
            Certificate::Own(identity) => builder.identity(identity.clone()),
            Certificate::Made { authority, kind } => {
                builder.authority(authority.clone()).certificate(*kind)
            }
        };
        self.tolerated.iter().fold(builder, |builder, lint| builder.tolerate(*lint))
    }

    /// The lines of the EHLO reply of a service.
    fn offered(&self, service: Service) -> Vec<String> {
        let mut lines: Vec<String> = match service {
            // The testkit adds what LMTP requires.
            Service::Lmtp => Vec::new(),
            _ => ["PIPELINING", "ENHANCEDSTATUSCODES"].map(str::to_owned).to_vec(),
        };
        lines.extend(["8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME", "DSN"].map(str::to_owned));
        lines.push(format!("SIZE {}", self.max_size));
        lines.push(format!("LIMITS RCPTMAX={MOST_RECIPIENTS}"));
        if !service.begins_with_tls() {
            lines.push("STARTTLS".to_owned());
        }
        if let Some(accounts) = self.accounts.as_ref().filter(|_| service.needs_login()) {
            lines.push(accounts.offer().to_owned());
        }
        for line in &self.offers {
            lines.retain(|other| !keyword(other).eq_ignore_ascii_case(keyword(line)));
            lines.push(line.clone());
        }
        let hidden =
            |line: &String| self.hidden.iter().any(|it| it.eq_ignore_ascii_case(keyword(line)));
        lines.retain(|line| !hidden(line));
        lines
    }
}

fn keyword(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

/// The octets of a message with this size as sent, in which every line may have a dot added, and
/// some more, so that a text that is a little too large is refused in the usual way.
fn most_input(max_size: usize) -> usize {
    max_size.saturating_mul(3) / 2 + (1 << 16)
}

/// Puts the messages of one listener into the store.
struct Receiver {
    listener: usize,
    protocol: store::Protocol,
    settings: Arc<Settings>,
    store: Store,
    journal: Journal,
}

impl Receiver {
    /// Keeps a message. The answer is the reply, if the message cannot be kept.
    fn receive(&self, message: &Message) -> Option<Answer> {
        let new = self.new_message(message);
        if self.store.is_too_small_for(&new) {
            let text = "552 5.3.4 the message and its envelope are larger than --max-octets";
            return Some(Answer::reply(text));
        }
        if let Some(maildir) = &self.settings.maildir
            && let Err(error) = block_in_place(|| maildir.deliver(message))
        {
            self.journal.not_stored(error);
            return Some(Answer::reply("451 4.3.0 the message could not be stored"));
        }
        let stored = self.store.add(new);
        self.journal.received(&stored);
        None
    }

    fn new_message(&self, message: &Message) -> NewMessage {
        NewMessage {
            received: SystemTime::now(),
            protocol: self.protocol,
            listener: self.listener,
            connection: message.connection(),
            reverse_path: message.sender().unwrap_or_default(),
            forward_paths: message.recipients(),
            mail: message.mail().unwrap_or_default().to_owned(),
            rcpts: message.rcpts().to_vec(),
            octets: Bytes::copy_from_slice(message.text()),
            tls: message.tls().map(|tls| version(tls.version).to_owned()),
            user: message.login().map(|login| login.user.clone()),
            findings: message.findings().iter().map(finding).collect(),
        }
    }
}

fn version(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::V13 => "1.3",
        _ => "1.2",
    }
}

fn finding(finding: &smtp_testkit::Finding) -> Finding {
    Finding {
        lint: lints::name(finding.lint),
        what: finding.what.clone(),
        remedy: finding.lint.remedy().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_closed_with_421() {
        let rules = last_rules(Service::Smtp, 500);
        let builder = rules.into_iter().fold(Server::builder(), ServerBuilder::rule);
        let (server, mut client) = builder.pipe();
        let begun = Instant::now();
        let mut received = String::new();
        let closed = timeout(2 * IDLE, client.read_to_string(&mut received)).await;
        closed.expect("the server closes").unwrap();
        let last = received.lines().last();
        assert_eq!(last, Some("421 4.4.2 the connection was idle for too long"));
        assert_eq!(begun.elapsed().as_secs(), 300);
        drop(server);
    }
}
