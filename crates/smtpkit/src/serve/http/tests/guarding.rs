//! Tests of who may ask, and of the header fields of every answer.

use axum::http::request::Builder;

use super::*;

const EVERYWHERE: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

#[tokio::test]
async fn every_answer_has_the_fields() {
    let served = Served::new();
    served.add("Content-Type: text/html\r\n\r\n<p>");
    for (path, policy) in [
        (
            "/",
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
               img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'none'; \
               frame-ancestors 'none'",
        ),
        (
            "/api/v1/messages/1/html",
            "sandbox; default-src 'none'; img-src data:; \
               style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
               frame-ancestors 'self'",
        ),
        (
            "/api/v1/messages/1/source",
            "default-src 'none'; base-uri 'none'; form-action 'none'; \
               frame-ancestors 'none'; sandbox",
        ),
        (
            "/api/v1/events",
            "default-src 'none'; base-uri 'none'; form-action 'none'; \
               frame-ancestors 'none'; sandbox",
        ),
        (
            "/unknown",
            "default-src 'none'; base-uri 'none'; form-action 'none'; \
               frame-ancestors 'none'; sandbox",
        ),
    ] {
        let response = served.get(path).await;
        for (name, value) in EVERYWHERE {
            assert_eq!(response.headers()[*name], value, "{name} of {path}");
        }
        assert_eq!(response.headers()["content-security-policy"], policy, "{path}");
        assert!(!response.headers().contains_key("access-control-allow-origin"));
    }
}

/// Checks the status that a request gets, whether or not its path exists.
async fn check(served: &Served, build: impl Fn(Builder) -> Builder, expected: StatusCode) {
    let request = build(Request::builder()).body(Body::empty()).unwrap();
    let shown = format!("{request:?}");
    let response = served.send(request).await;
    assert_eq!(response.status(), expected, "{shown}");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn only_hosts_that_no_other_site_can_have() {
    let served = Served::new();
    for (host, expected) in [
        ("127.0.0.1:8025", StatusCode::OK),
        ("127.0.0.1", StatusCode::OK),
        ("127.1.2.3:80", StatusCode::OK),
        ("[::1]:8025", StatusCode::OK),
        ("[::ffff:127.0.0.1]:8025", StatusCode::OK),
        ("localhost:8025", StatusCode::OK),
        ("LocalHost", StatusCode::OK),
        ("mail.test:8025", StatusCode::OK),
        ("evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("localhost.evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("evil.localhost", StatusCode::MISDIRECTED_REQUEST),
        ("localhost.", StatusCode::MISDIRECTED_REQUEST),
        ("127.0.0.1.nip.io", StatusCode::MISDIRECTED_REQUEST),
        ("2130706433", StatusCode::MISDIRECTED_REQUEST),
        ("10.0.0.1", StatusCode::MISDIRECTED_REQUEST),
        ("localhost@evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("evil.example@localhost", StatusCode::MISDIRECTED_REQUEST),
        ("", StatusCode::BAD_REQUEST),
        ("a b", StatusCode::BAD_REQUEST),
    ] {
        check(&served, |it| it.uri("/api/v1/status").header("Host", host), expected).await;
    }
    let bad = StatusCode::BAD_REQUEST;
    check(&served, |it| it.uri("/"), bad).await;
    check(&served, |it| it.uri("/").header("Host", "localhost").header("Host", "x"), bad).await;
    // An absolute form has a host of its own.
    let wrong = StatusCode::MISDIRECTED_REQUEST;
    check(&served, |it| it.uri("http://evil.example/").header("Host", "localhost"), wrong).await;
}

#[tokio::test]
async fn a_listener_on_all_addresses_has_any_address_as_host() {
    let hosts = |address: &str| Hosts::new(address.parse().unwrap(), Vec::new());
    let allow = |hosts: &Hosts, host: &str| hosts.allow(&host.parse().unwrap());
    assert!(allow(&hosts("0.0.0.0"), "10.0.0.1:8025"));
    assert!(allow(&hosts("::"), "[2001:db8::1]"));
    assert!(!allow(&hosts("0.0.0.0"), "evil.example"));
    assert!(allow(&hosts("10.0.0.1"), "10.0.0.1"));
    assert!(!allow(&hosts("10.0.0.1"), "10.0.0.2"));
}

#[tokio::test]
async fn pages_of_other_sites_are_refused() {
    let served = Served::new();
    served.add(HELLO);
    let ours = "http://127.0.0.1:8025";
    for (method, path, fields, expected) in [
        ("GET", "/api/v1/messages", &[("Origin", ours)][..], StatusCode::OK),
        ("GET", "/api/v1/messages", &[("Origin", "http://evil.example")], StatusCode::FORBIDDEN),
        ("GET", "/api/v1/messages", &[("Origin", "http://127.0.0.1:9999")], StatusCode::FORBIDDEN),
        ("GET", "/api/v1/messages", &[("Origin", "null")], StatusCode::FORBIDDEN),
        (
            "OPTIONS",
            "/api/v1/messages",
            &[("Origin", "http://evil.example")],
            StatusCode::FORBIDDEN,
        ),
        ("GET", "/api/v1/messages", &[("Sec-Fetch-Site", "same-origin")], StatusCode::OK),
        ("GET", "/api/v1/messages", &[("Sec-Fetch-Site", "cross-site")], StatusCode::FORBIDDEN),
        ("GET", "/api/v1/messages", &[("Sec-Fetch-Site", "same-site")], StatusCode::FORBIDDEN),
        (
            "GET",
            "/",
            &[
                ("Sec-Fetch-Site", "cross-site"),
                ("Sec-Fetch-Mode", "navigate"),
                ("Sec-Fetch-Dest", "document"),
            ],
            StatusCode::OK,
        ),
        (
            "GET",
            "/api/v1/messages/1/source",
            &[
                ("Sec-Fetch-Site", "cross-site"),
                ("Sec-Fetch-Mode", "navigate"),
                ("Sec-Fetch-Dest", "document"),
            ],
            StatusCode::FORBIDDEN,
        ),
        ("POST", "/", &[("Content-Type", "text/plain")], StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("POST", "/", &[], StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("POST", "/", &[("Content-Type", "application/json")], StatusCode::METHOD_NOT_ALLOWED),
        ("DELETE", "/api/v1/messages", &[("Origin", "http://evil.example")], StatusCode::FORBIDDEN),
        ("DELETE", "/api/v1/messages", &[("Sec-Fetch-Site", "cross-site")], StatusCode::FORBIDDEN),
        ("DELETE", "/api/v1/messages", &[("Origin", ours)], StatusCode::OK),
    ] {
        let build = |builder: Builder| {
            let builder = builder.method(method).uri(path).header("Host", "127.0.0.1:8025");
            fields.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value))
        };
        check(&served, build, expected).await;
    }
}

#[tokio::test]
async fn added_routes_are_guarded_and_bounded() {
    let served = Served::new();
    let more = Router::new().route("/more", axum::routing::put(async |body: Bytes| body));
    let site = Site {
        store: served.store.clone(),
        dialogues: Arc::new(|_, _| None),
        listeners: Vec::new(),
        hosts: Hosts::new([127, 0, 0, 1].into(), Vec::new()),
    };
    let router = router(site, more);
    for (host, size, expected) in [
        ("localhost", 1_000, StatusCode::OK),
        ("localhost", LARGEST_BODY + 1, StatusCode::PAYLOAD_TOO_LARGE),
        ("evil.example", 0, StatusCode::MISDIRECTED_REQUEST),
    ] {
        let request = Request::builder().method("PUT").uri("/more").header("Host", host);
        let request = request.body(Body::from(vec![0; size])).unwrap();
        assert_eq!(router.clone().oneshot(request).await.unwrap().status(), expected);
    }
}
