//! `serve`: catches the mail of any program, and shows it on a web page and to an HTTP API.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use smtp_testkit::Rule;
use tokio::net::TcpListener;
use tokio::time::sleep;

use self::address::{Place, TcpAddress};
use self::http::Site;
use self::journal::Journal;
use self::listeners::{Listeners, Listening};
use self::options::Plan;
use self::rules::RuleBook;
use self::store::Store;
use crate::cli::Common;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interruption;
use crate::output::{Output, Record};

mod accounts;
mod address;
mod http;
mod journal;
mod lints;
mod listeners;
mod maildir;
mod options;
mod reading;
mod rules;
mod store;

pub(crate) use self::options::ServeArgs;

/// How long clients have for the messages that they have begun, after the program was asked to stop.
const STOPPING: Duration = Duration::from_secs(5);

/// Runs the command until it is interrupted.
pub(crate) async fn run(args: &ServeArgs, common: &Common) -> Result<Exit, Failure> {
    let output = common.output();
    let plan = args.plan()?;
    warn_of_others(&plan, output);
    let interruption = Interruption::listen();

    let journal = Journal::begin(output);
    let serving = Serving::begin(plan, &journal).await?;
    if let Some(path) = &args.ready_file {
        write_whole(path, &serving.ready())?;
    }
    for record in &serving.records {
        output.show(record);
    }
    match serving.http {
        Some(http) => tokio::select! {
            () = http => {}
            () = interruption.signal() => {}
        },
        None => interruption.signal().await,
    }
    tokio::select! {
        () = serving.listeners.stop() => {}
        // The second one is for a user who does not want to wait.
        () = interruption.signals(2) => {}
        () = sleep(STOPPING) => output.warn(format_args!(
            "messages that clients had not sent whole after {} seconds were dropped",
            STOPPING.as_secs()
        )),
    }
    journal.end(serving.store.counts());
    Ok(Exit::Fine)
}

/// Everything that listens.
struct Serving<H> {
    listeners: Arc<Listeners>,
    store: Store,
    /// The page and the API, until they are dropped.
    http: Option<H>,
    records: Vec<ListeningRecord>,
}

impl Serving<()> {
    async fn begin(
        plan: Plan,
        journal: &Journal,
    ) -> Result<Serving<impl Future<Output = ()>>, Failure> {
        let Plan { listeners, http, rules, settings, limits, authority } = plan;
        let web = match http {
            Some((address, names)) => Some((bind_http(address).await?, names)),
            None => None,
        };
        if let Some((path, pem)) = authority {
            write_whole(&path, &pem)?;
        }
        let store = Store::new(limits);
        let in_force: Vec<Rule> = rules.iter().map(|written| written.rule.clone()).collect();
        let (listeners, listening) =
            Listeners::open(&listeners, &in_force, settings, &store, journal)?;
        let listeners = Arc::new(listeners);
        let mut records: Vec<ListeningRecord> =
            listening.into_iter().map(ListeningRecord::of_mail).collect();
        let http = match web {
            Some((listener, names)) => {
                records.push(ListeningRecord::of_http(&listener)?);
                let dialogues = listeners.clone();
                let site = Site {
                    store: store.clone(),
                    dialogues: Arc::new(move |listener, connection| {
                        dialogues.conversation(listener, connection)
                    }),
                    listeners: records.iter().map(|record| record.url.clone()).collect(),
                    hosts: http::hosts_of(&listener, names)
                        .map_err(|error| Failure::option("--http", error))?,
                };
                let book = RuleBook::new(rules, listeners.clone());
                let router = http::router(site, rules::routes(book));
                Some(http::run(listener, router))
            }
            None => None,
        };
        Ok(Serving { listeners, store, http, records })
    }
}

impl<H> Serving<H> {
    /// The name and the URL of each listener, one a line.
    fn ready(&self) -> String {
        let line = |record: &ListeningRecord| format!("{} {}\n", record.service, record.url);
        self.records.iter().map(line).collect()
    }
}

async fn bind_http(address: TcpAddress) -> Result<TcpListener, Failure> {
    TcpListener::bind(address.0).await.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "; another process listens there, and port 0 takes a free port"
            }
            _ => "",
        };
        Failure::option("--http", format!("cannot listen on {address}: {error}{hint}"))
    })
}

/// Warns of listeners that other machines may reach.
fn warn_of_others(plan: &Plan, output: Output) {
    let mail = plan.listeners.iter().filter_map(|planned| match planned.place {
        Place::Tcp(address) if !address.is_loopback() => Some(address),
        _ => None,
    });
    for address in mail {
        output.warn(format_args!("every machine that reaches {address} can send messages to it"));
    }
    if let Some((address, _)) = plan.http.as_ref().filter(|(address, _)| !address.is_loopback()) {
        output.warn(format_args!(
            "every machine that reaches {address} can read and remove all messages, without a login"
        ));
    }
}

/// Writes a file whole or not at all, for programs that wait for it. What is no file, such as a pipe, is
/// written into, and a symbolic link stays one.
fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let written = if fs::metadata(&target).is_ok_and(|it| !it.is_file()) {
        fs::write(&target, text)
    } else {
        let mut draft = target.clone().into_os_string();
        draft.push(".tmp");
        fs::write(&draft, text).and_then(|()| fs::rename(&draft, &target))
    };
    written.map_err(|error| Failure::machine(format_args!("writing {}", path.display()), error))
}

/// A listener that is ready.
#[derive(Serialize)]
struct ListeningRecord {
    service: &'static str,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

impl ListeningRecord {
    fn of_mail(listening: Listening) -> Self {
        let Listening { service, url, port } = listening;
        Self { service: service.name(), url, port }
    }

    fn of_http(listener: &TcpListener) -> Result<Self, Failure> {
        let address = listener.local_addr().map_err(|error| Failure::option("--http", error))?;
        Ok(Self { service: "http", url: format!("http://{address}"), port: Some(address.port()) })
    }
}

impl Record for ListeningRecord {
    const TYPE: &'static str = "listening";
}

impl fmt::Display for ListeningRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<11} {}", self.service, self.url)
    }
}
