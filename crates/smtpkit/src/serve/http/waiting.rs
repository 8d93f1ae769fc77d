//! The request that waits for messages.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Context;
use super::answer::{Refusal, answer};
use super::messages::Answered;
use super::query::{self, Pairs};
use super::summary::{summary, whole};
use crate::serve::store::{Stored, Waited};

/// More messages are counted, but not part of the answer.
const MOST: usize = 100;

pub(super) async fn wait(State(context): State<Context>, Query(pairs): Query<Pairs>) -> Answered {
    let query = query::wait(&pairs)?;
    let permit = Arc::clone(&context.waits).try_acquire_owned();
    let _permit = permit.map_err(|_all_taken| Refusal::busy("waits"))?;
    // To wait for none is to wait for one in vain.
    let count = query.count.max(1);
    let (status, messages, form): (_, _, fn(&Stored) -> Value) =
        match (context.store.wait(&query.filter, count, query.timeout).await, query.count) {
            (Waited::Enough(messages), 0) => (StatusCode::CONFLICT, messages, whole),
            (Waited::Enough(messages), _) => (StatusCode::OK, messages, whole),
            (Waited::TimedOut(messages), 0) => (StatusCode::OK, messages, whole),
            (Waited::TimedOut(messages), _) => (StatusCode::REQUEST_TIMEOUT, messages, summary),
        };
    context
        .read(move || {
            let shown: Vec<Value> = messages.iter().take(MOST).map(|it| form(it)).collect();
            answer(status, json!({ "total": messages.len(), "messages": shown }))
        })
        .await
}
