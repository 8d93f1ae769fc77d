//! The forms of answers: JSON, files to be saved, and refusals.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::json;

/// What stays as it is in `filename*` (RFC 8187, 3.2.1).
const NOT_ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An object with its members, and `schema`.
#[derive(Serialize)]
struct Answer<T> {
    schema: u8,
    #[serde(flatten)]
    members: T,
}

/// Returns an answer with `"schema": 1` and the members of this object.
pub(crate) fn answer(status: StatusCode, members: impl Serialize) -> Response {
    match serde_json::to_string(&Answer { schema: 1, members }) {
        Ok(text) => (status, [(header::CONTENT_TYPE, "application/json")], text).into_response(),
        // Only what is not an object.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Why a request is refused, as a sentence.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    error: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    pub(crate) fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    /// Too many requests of one kind are being answered.
    pub(crate) fn busy(what: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("too many {what} at one time"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        answer(self.status, json!({ "error": self.error }))
    }
}

pub(super) async fn not_found() -> Refusal {
    Refusal::not_found("there is no such resource; the page is at /, the API at /api/v1/")
}

pub(super) async fn method_not_allowed() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this resource has no such method")
}

/// Returns octets to be saved as a file, never to be shown. The name has no control characters.
pub(super) fn file(name: &str, media_type: &'static str, octets: impl Into<Body>) -> Response {
    let ascii: String =
        name.chars()
            .map(|it| {
                if it.is_ascii_graphic() && !matches!(it, '"' | '\\') || it == ' ' {
                    it
                } else {
                    '_'
                }
            })
            .collect();
    let encoded = utf8_percent_encode(name, NOT_ENCODED);
    let disposition = format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}");
    let disposition = HeaderValue::from_str(&disposition)
        .unwrap_or_else(|_not_ascii| HeaderValue::from_static("attachment"));
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (fields, octets.into()).into_response()
}
