//! The output for a subscriber of `tracing`: the spans, their fields, and no addresses.
use std::{
    collections::BTreeMap,
    fmt,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Waker},
};

use smtp_client::{
    Connection, Credentials, Envelope, Login, MailData,
    session::{ClearText, Dialect},
    spans::TARGET,
};
use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_core::span::Current;

mod messages;

use crate::stage::{connector, let_the_server_play, opening, play};

/// The target of the spans of the tests themselves.
const CALLER: &str = "caller";

/// A span or an event, with its fields as they are shown.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    name: &'static str,
    pub(crate) target: &'static str,
    pub(crate) level: Level,
    fields: BTreeMap<&'static str, String>,
    /// The parent span, if it is given explicitly.
    parent: Option<u64>,
    is_event: bool,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

impl Seen {
    fn new(metadata: &'static Metadata<'static>, parent: Option<u64>) -> Self {
        Self {
            name: metadata.name(),
            target: metadata.target(),
            level: *metadata.level(),
            fields: BTreeMap::new(),
            parent,
            is_event: metadata.is_event(),
        }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

/// Keeps whatever it is shown; a span's number is its place.
#[derive(Clone, Default)]
struct Witness {
    seen: Arc<Mutex<Vec<Seen>>>,
    /// The spans that are entered, the innermost last, each with what describes it.
    entered: Arc<Mutex<Vec<Id>>>,
    described: Arc<Mutex<Vec<&'static Metadata<'static>>>>,
}

impl Witness {
    fn all(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn keep(&self, seen: Seen, metadata: &'static Metadata<'static>) -> usize {
        let mut all = self.seen.lock().unwrap();
        self.described.lock().unwrap().push(metadata);
        all.push(seen);
        all.len()
    }

    fn innermost(&self) -> Option<Id> {
        self.entered.lock().unwrap().last().cloned()
    }
}

impl Subscriber for Witness {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        target.starts_with("smtp_") || target == CALLER
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let innermost = self.innermost().filter(|_| span.is_contextual());
        let parent = span.parent().or(innermost.as_ref()).map(Id::into_u64);
        let mut seen = Seen::new(span.metadata(), parent);
        span.record(&mut seen);
        Id::from_u64(self.keep(seen, span.metadata()) as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let at = usize::try_from(span.into_u64()).unwrap() - 1;
        values.record(&mut self.seen.lock().unwrap()[at]);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut seen = Seen::new(event.metadata(), event.parent().map(Id::into_u64));
        event.record(&mut seen);
        self.keep(seen, event.metadata());
    }

    fn enter(&self, span: &Id) {
        self.entered.lock().unwrap().push(span.clone());
    }

    fn exit(&self, span: &Id) {
        let mut entered = self.entered.lock().unwrap();
        let at = entered.iter().rposition(|one| one == span).unwrap();
        entered.remove(at);
    }

    fn current_span(&self) -> Current {
        let Some(span) = self.innermost() else { return Current::none() };
        let at = usize::try_from(span.into_u64()).unwrap() - 1;
        let metadata = self.described.lock().unwrap()[at];
        Current::new(span, metadata)
    }
}

/// Runs `test` with this subscriber on its thread.
///
/// The other tests run on threads without a subscriber, and may register a callsite at the same
/// time. As long as there is only one dispatcher, `tracing` asks that of the registering thread and
/// disables the callsite for all threads. With a second one it asks both.
fn watched<T>(witness: &Witness, test: impl FnOnce() -> T) -> T {
    let _second = Dispatch::new(Witness::default());
    tracing::dispatcher::with_default(&Dispatch::new(witness.clone()), test)
}

/// Everything that is seen while a client connects and acts over this script.
#[track_caller]
pub(crate) fn witness(
    keywords: &[&str],
    rest: &str,
    act: impl AsyncFnOnce(&mut Connection),
) -> Vec<Seen> {
    let witness = Witness::default();
    let script = opening(Dialect::Smtp, keywords) + rest;
    let played = watched(&witness, || {
        play(&script, &connector(Dialect::Smtp), async |connected| {
            act(&mut connected.unwrap()).await;
        })
    });
    played.verdict.unwrap();
    witness.all()
}

/// The one span of this name, or for a command the one with this command.
#[track_caller]
fn span<'s>(all: &'s [Seen], name: &str) -> &'s Seen {
    let is_it = |seen: &&Seen| match seen.name {
        "command" => seen.field("command") == Some(name),
        other => other == name,
    };
    let found: Vec<_> = all.iter().filter(|seen| !seen.is_event).filter(is_it).collect();
    assert_eq!(found.len(), 1, "{name}: {all:#?}");
    found[0]
}

#[track_caller]
fn check(seen: &Seen, level: Level, fields: &[(&str, &str)]) {
    assert_eq!((seen.target, seen.level), (TARGET, level));
    for (name, value) in fields {
        assert_eq!(seen.field(name), Some(*value), "{name} of {seen:?}");
    }
}

#[track_caller]
fn check_duration(seen: &Seen, milliseconds: u64) {
    let took: u64 = seen.field("duration_us").unwrap().parse().unwrap();
    assert!((milliseconds * 1000..milliseconds * 1000 + 50_000).contains(&took), "{seen:?}");
}

fn message_of_secrets() -> (Envelope, MailData) {
    let rcpts = ["secret.bob@example.org", "secret.carol@example.org"];
    let envelope = Envelope::new("secret.alice@example.org", rcpts).unwrap();
    (envelope, MailData::new("secret text\r\n").unwrap())
}

async fn send(connection: &mut Connection) -> Result<(), smtp_client::Error> {
    let (envelope, text) = message_of_secrets();
    connection.send(&envelope, &text).await.map(drop)
}

const MESSAGE: &str = "
    C: MAIL FROM:<secret.alice@example.org>
    S: 250 <secret.alice@example.org> ok
    C: RCPT TO:<secret.bob@example.org>
    S: 250 ok
    C: RCPT TO:<secret.carol@example.org>
    S: 550 5.1.1 <secret.carol@example.org> unknown
    C: DATA
    S: 354 go
    [text]
    [delay 7s]
";

/// What is shown of these, apart from what differs from run to run.
fn shown(all: Vec<Seen>) -> Vec<(&'static str, Level, BTreeMap<&'static str, String>)> {
    let differing = ["duration_us", "server", "host", "address"];
    let shown = all.into_iter().map(|mut seen| {
        seen.fields.retain(|name, _| !differing.contains(name));
        // The address of the server.
        for text in seen.fields.values_mut() {
            *text = text.replace("localhost:25", "SERVER");
            if let Some((before, (_, after))) = text
                .split_once("127.0.0.1:")
                .and_then(|(before, rest)| Some((before, rest.split_once(':')?)))
            {
                *text = format!("{before}SERVER:{after}");
            }
        }
        (seen.name.split(' ').next().unwrap(), seen.level, seen.fields)
    });
    shown.collect()
}

#[test]
fn both_clients_have_the_same_spans_and_events() {
    let login = Login::new(Credentials::password("tim", "pw").unwrap());
    let login = login.clear_text(ClearText::Allowed);
    let message = MESSAGE.replace("[delay 7s]", "");
    let auth = "C: AUTH PLAIN AHRpbQBwdw==\nS: 235 in";
    let rest = format!(
        "{auth}{message}\nS: 250 ok queued as 4XyZ\nC: NOOP\nS: 450 no\nC: QUIT\nS: 221 bye"
    );
    let awaited = witness(&["AUTH PLAIN"], &rest, async |connection| {
        connection.login(&login).await.unwrap();
        send(connection).await.unwrap();
        connection.noop().await.unwrap_err();
        connection.quit().await.unwrap();
    });
    check(span(&awaited, "login"), Level::INFO, &[("outcome", "done"), ("code", "235")]);
    check(span(&awaited, "send"), Level::INFO, &[("queue_id", "4XyZ")]);
    let blocked = Witness::default();
    tracing::subscriber::with_default(blocked.clone(), || {
        crate::blocking::play_on(&["AUTH PLAIN"], &rest, |connection| {
            connection.login(&login).unwrap();
            let (envelope, text) = message_of_secrets();
            let delivery = connection.send(&envelope, &text).unwrap();
            assert!(delivery.any_accepted());
            connection.noop().unwrap_err();
            connection.quit().unwrap();
        });
    });
    let blocked = blocked.all();
    assert_eq!(shown(awaited), shown(blocked));
}

#[test]
fn every_operation_is_a_span_with_its_outcome() {
    let rest = format!("{MESSAGE}\nS: 252 queued\nC: NOOP\n[delay 2s]\nS: 450 4.0.0 not now");
    let all = witness(&[], &rest, async |connection| {
        send(connection).await.unwrap();
        connection.noop().await.unwrap_err();
    });
    let connect = span(&all, "connect");
    check(connect, Level::INFO, &[("server", "smtp://localhost:25"), ("outcome", "done")]);
    check_duration(connect, 0);
    let sent = [
        ("outcome", "partial"),
        ("recipients", "2"),
        ("accepted", "1"),
        ("refused", "1"),
        ("octets", "13"),
        ("code", "252"),
    ];
    check(span(&all, "send"), Level::INFO, &sent);
    check_duration(span(&all, "send"), 7000);
    let refused = [("outcome", "refused"), ("code", "450"), ("step", "NOOP")];
    check(span(&all, "NOOP"), Level::DEBUG, &refused);
    check_duration(span(&all, "NOOP"), 2000);
    check(span(&all, "greeting"), Level::DEBUG, &[("outcome", "done"), ("code", "250")]);
    assert_eq!(span(&all, "send").field("in_doubt"), None);
    assert_eq!(span(&all, "send").field("step"), None);
}

#[test]
fn every_span_ends_with_an_event_of_its_level() {
    let all = witness(&[], "C: NOOP\nS: 250 ok", async |connection| {
        connection.noop().await.unwrap();
    });
    let spans = all.iter().enumerate().filter(|(_, seen)| !seen.is_event);
    for (at, span) in spans {
        let is_end = |seen: &&Seen| {
            let end = format!("{}: {}", span.name, span.field("outcome").unwrap());
            seen.parent == Some(at as u64 + 1) && seen.field("message") == Some(&*end)
        };
        let ends: Vec<_> = all.iter().filter(|seen| seen.is_event).filter(is_end).collect();
        assert_eq!(ends.len(), 1, "{span:?}");
        assert_eq!(ends[0].level, span.level);
    }
}

#[test]
fn a_broken_connection_is_reported_with_its_doubt() {
    let all = witness(&[], &format!("{MESSAGE}\n[close]"), async |connection| {
        send(connection).await.unwrap_err();
    });
    let broken = [
        ("outcome", "broken"),
        ("step", "end of mail data"),
        ("in_doubt", "true"),
        ("accepted", "0"),
        ("refused", "1"),
    ];
    check(span(&all, "send"), Level::INFO, &broken);
}

#[test]
fn a_dropped_operation_is_canceled() {
    let witness = Witness::default();
    let script = opening(Dialect::Smtp, &[]) + "C: NOOP\n[stall]";
    watched(&witness, || {
        play(&script, &connector(Dialect::Smtp), async |connected| {
            let mut connection = connected.unwrap();
            let mut noop = pin!(connection.noop());
            assert!(noop.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        })
    });
    let all = witness.all();
    check(span(&all, "NOOP"), Level::DEBUG, &[("outcome", "canceled")]);
}

#[test]
fn an_operation_after_the_end_fails_too() {
    let all = witness(&[], "S: 421 4.3.2 closing", async |connection| {
        let_the_server_play().await;
        connection.verify("jones").await.unwrap_err();
        send(connection).await.unwrap_err();
    });
    let ended = [("outcome", "ended"), ("code", "421")];
    check(span(&all, "VRFY"), Level::DEBUG, &ended);
    check(span(&all, "send"), Level::INFO, &ended);
}

#[test]
fn no_operation_has_the_code_of_another() {
    let all = witness(&[], "C: NOOP\nS: 250 ok", async |connection| {
        connection.noop().await.unwrap();
        connection.etrn("example.org").await.unwrap_err();
        let envelope = Envelope::new("\u{f6}@example.org", ["a@example.org"]).unwrap();
        connection.send(&envelope, &MailData::new("text").unwrap()).await.unwrap_err();
    });
    for (name, level) in [("ETRN", Level::DEBUG), ("send", Level::INFO)] {
        check(span(&all, name), level, &[("outcome", "unsupported")]);
        assert_eq!(span(&all, name).field("code"), None);
    }
}

#[test]
fn a_failed_connection_is_reported_with_its_step() {
    let witness = Witness::default();
    watched(&witness, || {
        play("S: 554 <secret.host> go away", &connector(Dialect::Smtp), async |connected| {
            connected.unwrap_err();
        })
    });
    let all = witness.all();
    let refused = [("outcome", "refused"), ("step", "greeting"), ("code", "554")];
    check(span(&all, "connect"), Level::INFO, &refused);
    check_discreet(&all);
}

/// No address and no text of a reply appears above DEBUG, and the text of the message nowhere.
#[track_caller]
fn check_discreet(all: &[Seen]) {
    assert!(all.iter().any(|seen| seen.level < Level::DEBUG));
    for seen in all {
        let values = || seen.fields.values();
        assert!(!values().any(|value| value.contains("secret text")), "{seen:?}");
        if seen.level < Level::DEBUG {
            assert!(!values().any(|value| value.contains("secret")), "{seen:?}");
        }
    }
}

#[test]
fn no_address_is_logged_above_debug() {
    let rest = format!("{MESSAGE}\nS: 250 queued\nC: VRFY \"secret.bob\"\nS: 550 no secret.bob");
    let all = witness(&[], &rest, async |connection| {
        send(connection).await.unwrap();
        connection.verify("secret.bob").await.unwrap();
    });
    // The witness would have noticed: the dialogue has them.
    let is_told = |seen: &Seen| seen.fields.values().any(|value| value.contains("secret.bob"));
    assert!(all.iter().any(|seen| seen.level == Level::TRACE && is_told(seen)));
    check_discreet(&all);
    let broken = witness(&[], &format!("{MESSAGE}\nS: 354 secret"), async |connection| {
        send(connection).await.unwrap_err();
    });
    check_discreet(&broken);
}
