//! Lists of messages, one message and its parts, and their removal.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::answer::{Refusal, answer, file};
use super::query::{self, Pairs};
use super::summary::{List, Summary, whole};
use super::{Context, dialogue as conversation};
use crate::serve::reading::Reading;
use crate::serve::store::Stored;

/// The policy of the HTML of a message. It is shown in a frame of the page, and could also be opened
/// alone: so it has a sandbox of its own.
const HTML_POLICY: &str = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

pub(super) type Answered = Result<Response, Refusal>;

impl Context {
    /// Does what may take long on a thread of its own, a few at one time.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let failed = |_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "reading failed");
        let permit = Arc::clone(&self.readers).acquire_owned().await;
        // The semaphore is never closed.
        let permit = permit.map_err(|_closed| Refusal::busy("requests"))?;
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        })
        .await
        .map_err(failed)
    }

    fn message(&self, id: &str) -> Result<Arc<Stored>, Refusal> {
        let found = id.parse().ok().and_then(|id| self.store.get(id));
        found.ok_or_else(|| no_message(id))
    }
}

fn no_message(id: &str) -> Refusal {
    Refusal::not_found(format!("there is no message {id:?}; it may have been removed or dropped"))
}

pub(super) async fn status(State(context): State<Context>) -> Response {
    let limits = context.store.limits();
    let counts = context.store.counts();
    let value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "listeners": *context.listeners,
        "limits": { "messages": limits.messages, "octets": limits.octets },
        "counts": {
            "stored": counts.stored,
            "octets": counts.octets,
            "received": counts.received,
            "dropped": counts.dropped,
        },
    });
    answer(StatusCode::OK, value)
}

pub(super) async fn list(State(context): State<Context>, Query(pairs): Query<Pairs>) -> Answered {
    let query = query::paging(&pairs)?;
    let store = context.store.clone();
    context
        .read(move || {
            let page = store.list(&query.filter, query.limit, query.before);
            let messages = page.messages.iter().map(|it| Summary::new(it)).collect();
            answer(StatusCode::OK, List { total: page.total, messages })
        })
        .await
}

pub(super) async fn one(State(context): State<Context>, Path(id): Path<String>) -> Answered {
    let stored = context.message(&id)?;
    context.read(move || answer(StatusCode::OK, whole(&stored))).await
}

pub(super) async fn source(State(context): State<Context>, Path(id): Path<String>) -> Answered {
    let stored = context.message(&id)?;
    let octets = stored.message.octets.clone();
    Ok(file(&format!("message-{}.eml", stored.id), "message/rfc822", octets))
}

pub(super) async fn html(State(context): State<Context>, Path(id): Path<String>) -> Answered {
    let stored = context.message(&id)?;
    let html = context.read(move || Reading::new(&stored.message.octets).html()).await?;
    let html = html.ok_or_else(|| Refusal::not_found("the message has no HTML"))?;
    let fields = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, HTML_POLICY),
    ];
    Ok((fields, html.document).into_response())
}

pub(super) async fn attachment(
    State(context): State<Context>,
    Path((id, index)): Path<(String, String)>,
) -> Answered {
    let stored = context.message(&id)?;
    let index: Option<usize> = index.parse().ok();
    let found = context.read(move || {
        let reading = Reading::new(&stored.message.octets);
        let attachment = reading.attachments().into_iter().nth(index?)?;
        Some((attachment.name, attachment.octets.into_owned()))
    });
    let found = found.await?;
    let (name, octets) =
        found.ok_or_else(|| Refusal::not_found("the message has no such attachment"))?;
    Ok(file(&name, "application/octet-stream", octets))
}

pub(super) async fn dialogue(State(context): State<Context>, Path(id): Path<String>) -> Answered {
    let stored = context.message(&id)?;
    let dialogues = Arc::clone(&context.dialogues);
    let found = context.read(move || {
        let message = &stored.message;
        let found = dialogues(message.listener, message.connection)?;
        Some(answer(StatusCode::OK, conversation::dialogue(&found)))
    });
    found.await?.ok_or_else(|| Refusal::not_found("the dialogue of the connection is not kept"))
}

pub(super) async fn remove(State(context): State<Context>, Path(id): Path<String>) -> Answered {
    let removed = id.parse().is_ok_and(|id| context.store.remove(id));
    if removed { Ok(answer(StatusCode::OK, json!({ "removed": 1 }))) } else { Err(no_message(&id)) }
}

pub(super) async fn remove_fitting(
    State(context): State<Context>,
    Query(pairs): Query<Pairs>,
) -> Answered {
    let filter = query::conditions(&pairs)?;
    let store = context.store.clone();
    let removed = context.read(move || store.remove_fitting(&filter)).await?;
    Ok(answer(StatusCode::OK, json!({ "removed": removed })))
}
