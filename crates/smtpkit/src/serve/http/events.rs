//! The changes of the store, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Context;
use super::answer::Refusal;
use super::summary::summary;
use crate::serve::store::Change;

/// So that proxies keep the stream open, and a closed one is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn events(State(context): State<Context>) -> Result<Response, Refusal> {
    let permit = Arc::clone(&context.streams).try_acquire_owned();
    let permit = permit.map_err(|_all_taken| Refusal::busy("event streams"))?;
    let changes = context.store.subscribe();
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(stream_of(context, changes, permit)).keep_alive(keep_alive).into_response())
}

fn stream_of(
    context: Context,
    changes: Receiver<Change>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((context, changes, permit), |(context, mut changes, permit)| async {
        loop {
            let (name, value) = match changes.recv().await {
                Ok(Change::Added(id)) => {
                    // It may have been removed since.
                    let Some(stored) = context.store.get(id) else { continue };
                    match context.read(move || summary(&stored)).await {
                        Ok(summary) => ("added", summary),
                        Err(_unreadable) => continue,
                    }
                }
                Ok(Change::Removed(ids)) => ("removed", json!({ "ids": ids })),
                Ok(Change::Cleared) => ("cleared", json!({})),
                Err(RecvError::Lagged(_)) => ("lagged", json!({})),
                Err(RecvError::Closed) => return None,
            };
            let data = complete(value, context.store.counts().stored);
            let event = Event::default().event(name).data(data.to_string());
            return Some((Ok(event), (context, changes, permit)));
        }
    })
}

/// Adds what every event has.
fn complete(mut value: Value, stored: usize) -> Value {
    if let Value::Object(members) = &mut value {
        members.insert("schema".to_owned(), json!(1));
        members.insert("stored".to_owned(), json!(stored));
    }
    value
}
