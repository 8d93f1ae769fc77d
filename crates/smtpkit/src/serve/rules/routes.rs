//! The routes of the HTTP API for rules.
//!
//! | Request | Answer |
//! |---|---|
//! | `GET /api/v1/rules` | `rules`, as they were given |
//! | `PUT /api/v1/rules` | replaces all rules by those of the body, and begins all counts again; `rules` |
//! | `POST /api/v1/rules` | adds those of the body after the others, whose counts go on; `rules` |
//! | `DELETE /api/v1/rules` | removes all rules; `rules` |
//!
//! The body is `application/json` or `application/toml`.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::{RuleBook, RuleSpec, WrittenRule, from_json, from_toml};
use crate::serve::http::{Refusal, answer};

/// Returns the routes for these rules.
pub(crate) fn routes(book: RuleBook) -> Router {
    let all = get(list).put(replace).post(add).delete(clear);
    Router::new().route("/api/v1/rules", all).with_state(book)
}

async fn list(State(book): State<RuleBook>) -> Response {
    listed(&book.specs())
}

async fn replace(
    State(book): State<RuleBook>,
    fields: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    Ok(listed(&book.set(read(&fields, &body)?)))
}

async fn add(
    State(book): State<RuleBook>,
    fields: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    Ok(listed(&book.add(read(&fields, &body)?)))
}

async fn clear(State(book): State<RuleBook>) -> Response {
    listed(&book.set(Vec::new()))
}

fn listed(specs: &[RuleSpec]) -> Response {
    answer(StatusCode::OK, json!({ "rules": specs }))
}

fn read(fields: &HeaderMap, body: &Bytes) -> Result<Vec<WrittenRule>, Refusal> {
    let kind = fields.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let read = match kind.to_ascii_lowercase().as_str() {
        "application/json" => from_json(body),
        "application/toml" => {
            let text = std::str::from_utf8(body);
            from_toml(text.map_err(|_| Refusal::bad_request("the body is not UTF-8"))?)
        }
        _ => {
            let error = "the Content-Type must be application/json or application/toml";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
        }
    };
    read.map_err(|invalid| Refusal::bad_request(invalid.to_string()))
}
