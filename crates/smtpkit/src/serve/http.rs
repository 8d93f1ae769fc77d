//! The web page of `serve`, and its HTTP API.
//!
//! An answer is JSON unless the table has another form, an object with `"schema": 1`. A request that
//! is refused is answered with `{"schema": 1, "error": "..."}`.
//!
//! | Request | Answer |
//! |---|---|
//! | `GET /`, `/page.css`, `/page.js` | the page |
//! | `GET /api/v1/status` | `version`, `listeners` (URLs), `limits` and `counts` of the store |
//! | `GET /api/v1/messages` | `messages` (summaries, the newest first) and `total`; `limit` (1 to 10000, default 100) and `before` (a number) are for paging |
//! | `GET /api/v1/messages/ID` | a summary; and `header_fields` (`name`, `text`, `raw`), `text`, `html` (whether there is any), `links`, `remote` (references to content elsewhere), `mail` and `rcpt` (the commands); `attachments` (`index`, `name`, `type`, `size`, `content_id`) and `findings` (`lint`, `what`, `remedy`) are lists |
//! | `GET /api/v1/messages/ID/source` | the content as received, to be saved |
//! | `GET /api/v1/messages/ID/html` | the HTML, made safe to show |
//! | `GET /api/v1/messages/ID/attachments/INDEX` | a decoded attachment, to be saved |
//! | `GET /api/v1/messages/ID/dialogue` | `lines` of the connection (`speaker`: `client`, `server` or `stage`; `line`, `elapsed_ms`) and its `findings`, with the index of a line as `at`; what a client sent for AUTH is hidden |
//! | `DELETE /api/v1/messages/ID` | `removed`: 1 |
//! | `DELETE /api/v1/messages` | `removed`: the number of messages |
//! | `GET /api/v1/wait` | as soon as `count` (default 1) messages fit: 200 and `messages`, as `/messages/ID` has them (the newest 100); after `timeout` (`10s` by default, at most `10m`): 408 and summaries of those that fit. With `count=0`: 200 if none fits until then, 409 and the messages otherwise |
//! | `GET /api/v1/events` | server-sent events: `added` (a summary), `removed` (`ids`), `cleared`, and `lagged` if events were lost; each with the number of messages now `stored` |
//!
//! Requests for messages take conditions, each of them also more than once; a message must meet all:
//! `to` and `from` (equal to a whole address, or contained in one), `subject` and `text` (contained
//! in the decoded text), `search` (each word is contained in any of these). Letter case never
//! matters.
//!
//! A summary has `id`, `received` (RFC 3339), `protocol`, `reverse_path`, `forward_paths`,
//! `subject`, `header_from`, `header_to`, `size`, `attachments` and `findings` (numbers), `tls` (a
//! version or null), `user` (or null).

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::get;
use smtp_testkit::Conversation;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::store::Store;

mod answer;
mod assets;
mod connections;
mod dialogue;
mod events;
mod guard;
mod messages;
mod query;
mod summary;
mod waiting;

pub(crate) use answer::{Refusal, answer};
pub(crate) use guard::Hosts;

/// Returns the dialogue of a connection of a listener, if it is still known.
pub(crate) type Dialogues = Arc<dyn Fn(usize, usize) -> Option<Conversation> + Send + Sync>;

/// What the page and the API are about.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) dialogues: Dialogues,
    /// The URLs of all listeners, for people.
    pub(crate) listeners: Vec<String>,
    /// The names by which this server may be called.
    pub(crate) hosts: Hosts,
}

/// Octets of the body of a request.
const LARGEST_BODY: usize = 1 << 20;
/// Event streams at one time.
const EVENT_STREAMS: usize = 64;
/// Waits at one time.
const WAITS: usize = 256;
/// Messages that are read, and searches, at one time.
const READERS: usize = 4;

/// What the handlers share.
#[derive(Clone)]
struct Context {
    store: Store,
    dialogues: Dialogues,
    listeners: Arc<[String]>,
    streams: Arc<Semaphore>,
    waits: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

/// Returns the routes of this file and `more`, all of them guarded.
pub(crate) fn router(site: Site, more: Router) -> Router {
    let context = Context {
        store: site.store,
        dialogues: site.dialogues,
        listeners: site.listeners.into(),
        streams: Arc::new(Semaphore::new(EVENT_STREAMS)),
        waits: Arc::new(Semaphore::new(WAITS)),
        readers: Arc::new(Semaphore::new(READERS)),
    };
    let message = "/api/v1/messages/{id}";
    Router::new()
        .route("/", get(assets::index))
        .route("/page.css", get(assets::style))
        .route("/page.js", get(assets::script))
        .route("/api/v1/status", get(messages::status))
        .route("/api/v1/messages", get(messages::list).delete(messages::remove_fitting))
        .route(message, get(messages::one).delete(messages::remove))
        .route(&format!("{message}/source"), get(messages::source))
        .route(&format!("{message}/html"), get(messages::html))
        .route(&format!("{message}/attachments/{{index}}"), get(messages::attachment))
        .route(&format!("{message}/dialogue"), get(messages::dialogue))
        .route("/api/v1/wait", get(waiting::wait))
        .route("/api/v1/events", get(events::events))
        .with_state(context)
        .merge(more)
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::method_not_allowed)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(Arc::new(site.hosts), guard::guard))
}

/// Answers requests on this listener, until the future is dropped.
pub(crate) async fn run(listener: TcpListener, router: Router) {
    connections::run(listener, router).await;
}

/// Returns the hosts of a listener: its own address, and these names.
pub(crate) fn hosts_of(listener: &TcpListener, names: Vec<String>) -> io::Result<Hosts> {
    let address: IpAddr = listener.local_addr()?.ip();
    Ok(Hosts::new(address, names))
}

#[cfg(test)]
mod tests;
