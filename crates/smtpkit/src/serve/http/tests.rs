//! Tests of the routes, without sockets.

use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::serve::store::{Finding, Limits, NewMessage, Protocol};

mod guarding;
mod hostile;

/// A router over a store that a test fills.
pub(super) struct Served {
    pub(super) store: Store,
    router: Router,
}

impl Served {
    pub(super) fn new() -> Self {
        let store = Store::new(Limits { messages: 100_000, octets: 1 << 30 });
        let site = Site {
            store: store.clone(),
            dialogues: Arc::new(|_, _| None),
            listeners: vec!["smtp://127.0.0.1:1025".to_owned()],
            hosts: Hosts::new([127, 0, 0, 1].into(), vec!["mail.test".to_owned()]),
        };
        Self { store, router: router(site, Router::new()) }
    }

    pub(super) fn add(&self, content: impl Into<Bytes>) -> u64 {
        self.store.add(new_message("bob@example.org", content.into())).id
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> Response<Body> {
        self.send(request("GET", path).body(Body::empty()).unwrap()).await
    }

    async fn json(&self, path: &str) -> (StatusCode, Value) {
        json_of(self.get(path).await).await
    }

    #[track_caller]
    fn expect<'a>(&'a self, path: &'a str) -> impl Future<Output = Value> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let (status, value) = self.json(path).await;
            assert_eq!(status, StatusCode::OK, "{path} at {caller}: {value}");
            value
        }
    }
}

pub(super) fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header("Host", "127.0.0.1:8025")
}

pub(super) fn new_message(to: &str, octets: Bytes) -> NewMessage {
    NewMessage {
        received: SystemTime::UNIX_EPOCH + Duration::from_millis(1_750_000_000_123),
        protocol: Protocol::Smtp,
        listener: 0,
        connection: 0,
        reverse_path: "alice@example.org".to_owned(),
        forward_paths: vec![to.to_owned()],
        mail: "MAIL FROM:<alice@example.org> SIZE=10".to_owned(),
        rcpts: vec![format!("RCPT TO:<{to}> NOTIFY=NEVER")],
        octets,
        tls: Some("1.3".to_owned()),
        user: None,
        findings: vec![Finding {
            lint: "no QUIT".to_owned(),
            what: "the client closed".to_owned(),
            remedy: "send QUIT".to_owned(),
        }],
    }
}

pub(super) async fn octets_of(response: Response<Body>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

async fn json_of(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    assert_eq!(response.headers()["content-type"], "application/json");
    let value: Value = serde_json::from_slice(&octets_of(response).await).unwrap();
    assert_eq!(value["schema"], 1);
    (status, value)
}

const HELLO: &str =
    "From: Alice <a@example.org>\r\nSubject: Hello\r\n\r\nSee https://example.org/x.\r\n";

#[tokio::test]
async fn summaries() {
    let served = Served::new();
    served.add(HELLO);
    assert_eq!(
        served.expect("/api/v1/messages").await,
        json!({
            "schema": 1,
            "total": 1,
            "messages": [{
                "id": 1,
                "received": "2025-06-15T15:06:40.123Z",
                "protocol": "smtp",
                "reverse_path": "alice@example.org",
                "forward_paths": ["bob@example.org"],
                "subject": "Hello",
                "header_from": "Alice <a@example.org>",
                "header_to": "",
                "size": 75,
                "attachments": 0,
                "findings": 1,
                "tls": "1.3",
                "user": null,
            }],
        })
    );
}

#[tokio::test]
async fn a_whole_message() {
    let served = Served::new();
    served.add(HELLO);
    let value = served.expect("/api/v1/messages/1").await;
    assert_eq!(value["subject"], "Hello");
    assert_eq!(value["text"], "See https://example.org/x.\r\n");
    assert_eq!(value["links"], json!(["https://example.org/x"]));
    assert_eq!(value["html"], false);
    assert_eq!(value["mail"], "MAIL FROM:<alice@example.org> SIZE=10");
    assert_eq!(value["rcpt"], json!(["RCPT TO:<bob@example.org> NOTIFY=NEVER"]));
    assert_eq!(value["findings"][0]["remedy"], "send QUIT");
    let field = json!({ "name": "Subject", "text": "Hello", "raw": "Hello" });
    assert_eq!(value["header_fields"][1], field);
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let served = Served::new();
    for number in 0..5 {
        served.store.add(new_message(&format!("user{number}@example.org"), Bytes::from(HELLO)));
    }
    let ids = |value: &Value| -> Vec<u64> {
        value["messages"].as_array().unwrap().iter().filter_map(|it| it["id"].as_u64()).collect()
    };
    let value = served.expect("/api/v1/messages?limit=2&before=4").await;
    assert_eq!((ids(&value), &value["total"]), (vec![3, 2], &json!(5)));
    let value = served.expect("/api/v1/messages?to=user3@example.org&search=hello+alice").await;
    assert_eq!(ids(&value), [4]);
    let value =
        served.expect("/api/v1/messages?to=user3%40example.org&to=user4%40example.org").await;
    assert_eq!(value["total"], 0);
    let (status, value) = served.json("/api/v1/messages?too=x").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let error =
        "no parameter is named \"too\"; there are to, from, subject, text, search, limit, before";
    assert_eq!(value["error"], error);
}

#[tokio::test]
async fn messages_are_removed() {
    let served = Served::new();
    for _ in 0..4 {
        served.add(HELLO);
    }
    let delete = async |path: &str| {
        json_of(served.send(request("DELETE", path).body(Body::empty()).unwrap()).await).await
    };
    assert_eq!(delete("/api/v1/messages/1").await.1["removed"], 1);
    assert_eq!(delete("/api/v1/messages/1").await.0, StatusCode::NOT_FOUND);
    assert_eq!(delete("/api/v1/messages?subject=other").await.1["removed"], 0);
    // A misspelled condition removes nothing.
    assert_eq!(delete("/api/v1/messages?subjekt=other").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(delete("/api/v1/messages?limit=1").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(served.store.counts().stored, 3);
    assert_eq!(delete("/api/v1/messages").await.1["removed"], 3);
}

#[tokio::test]
async fn what_does_not_exist() {
    let served = Served::new();
    served.add(HELLO);
    for path in [
        "/x",
        "/api/v1/messages/2",
        "/api/v1/messages/-1",
        "/api/v1/messages/x/html",
        "/api/v1/messages/1/html",
        "/api/v1/messages/1/attachments/0",
        "/api/v1/messages/1/attachments/x",
        "/api/v1/messages/1/dialogue",
        "/api/v1/messages/..%2f..%2fetc%2fpasswd/source",
    ] {
        assert_eq!(served.json(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    let post = request("POST", "/api/v1/status").header("X-Smtpkit", "1");
    let response = served.send(post.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(start_paused = true)]
async fn waits() {
    let served = Served::new();
    let (answer, _) = tokio::join!(served.json("/api/v1/wait?to=bob@example.org"), async {
        tokio::task::yield_now().await;
        served.add(HELLO)
    });
    assert_eq!((answer.0, &answer.1["messages"][0]["subject"]), (StatusCode::OK, &json!("Hello")));
    // The whole message is there, to assert on.
    assert_eq!(answer.1["messages"][0]["text"], "See https://example.org/x.\r\n");

    let (status, value) = served.json("/api/v1/wait?count=2&timeout=1s").await;
    assert_eq!((status, &value["total"]), (StatusCode::REQUEST_TIMEOUT, &json!(1)));
    assert_eq!(served.json("/api/v1/wait?count=0&timeout=1s").await.0, StatusCode::CONFLICT);
    let (status, value) = served.json("/api/v1/wait?count=0&timeout=1s&to=carol").await;
    assert_eq!((status, &value["total"]), (StatusCode::OK, &json!(0)));
}

#[tokio::test]
async fn changes_are_events() {
    let served = Served::new();
    let response = served.get("/api/v1/events").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    served.add(HELLO);
    served.store.remove(1);
    served.add(HELLO);
    served.store.clear();
    served.add(HELLO);
    let mut seen = String::new();
    while !seen.contains("\"id\":3") {
        let frame = body.frame().await.unwrap().unwrap();
        seen += std::str::from_utf8(&frame.into_data().unwrap()).unwrap();
    }
    // Those that were removed before they were sent are left out.
    assert!(
        seen.starts_with("event: removed\ndata: {\"ids\":[1],\"schema\":1,\"stored\":1}\n\n"),
        "{seen}"
    );
    assert!(seen.contains("event: cleared\n"), "{seen}");
    assert!(seen.contains("event: added\n"), "{seen}");
}

#[tokio::test]
async fn event_streams_and_waits_are_bounded() {
    let served = Served::new();
    let mut streams = Vec::new();
    for _ in 0..EVENT_STREAMS {
        streams.push(served.get("/api/v1/events").await);
    }
    let refused = served.get("/api/v1/events").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    // A stream that the client closed makes place for another.
    streams.pop();
    assert_eq!(served.get("/api/v1/events").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn ten_thousand_messages_are_listed() {
    let served = Served::new();
    for _ in 0..10_000 {
        served.add(HELLO);
    }
    let begin = std::time::Instant::now();
    let value = served.expect("/api/v1/messages?limit=10000").await;
    println!("10,000 summaries in {:?}", begin.elapsed());
    assert_eq!(value["messages"].as_array().map(Vec::len), Some(10_000));
}
