//! Which requests are answered, and the header fields of every answer.
//!
//! A page of another site can make a browser send requests here, and by DNS rebinding even read the
//! answers. So the Host must be one that no other site can have, and a request must not come from a
//! page of another site.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answer::Refusal;

/// The policy of everything that has none of its own.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; sandbox";

const FIELDS: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("x-dns-prefetch-control", "off"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// The names by which this server may be called: `localhost`, addresses of loopback, the address it
/// listens on (any address, if it listens on all), and names that were given.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    address: IpAddr,
    names: Vec<String>,
}

impl Hosts {
    pub(crate) fn new(address: IpAddr, names: Vec<String>) -> Self {
        Self { address, names }
    }

    pub(super) fn allow(&self, authority: &Authority) -> bool {
        let host = authority.host();
        if authority.as_str().contains('@') {
            return false;
        }
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match literal.unwrap_or(host).parse::<IpAddr>() {
            // A literal address needs no DNS, which an attacker could change.
            Ok(address) => {
                let address = address.to_canonical();
                address.is_loopback()
                    || address == self.address.to_canonical()
                    || self.address.is_unspecified()
            }
            Err(_name) => {
                host.eq_ignore_ascii_case("localhost")
                    || self.names.iter().any(|name| name.eq_ignore_ascii_case(host))
            }
        }
    }
}

/// Refuses what must not be answered, and adds the header fields.
pub(super) async fn guard(
    State(hosts): State<Arc<Hosts>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match check(&hosts, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let fields = response.headers_mut();
    for &(name, value) in FIELDS {
        fields.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    fields
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert_with(|| HeaderValue::from_static(POLICY));
    response
}

fn check(hosts: &Hosts, request: &Request) -> Result<(), Refusal> {
    let fields = request.headers();
    let host = single(fields, &header::HOST)?;
    let host = host.ok_or_else(|| Refusal::bad_request("the request has no Host field"))?;
    let authority: Authority =
        host.parse().map_err(|_| Refusal::bad_request("the Host field is not valid"))?;
    for authority in std::iter::once(&authority).chain(request.uri().authority()) {
        if !hosts.allow(authority) {
            let error = format!(
                "the host {:?} is not served here; use the address of the listener, or start \
                 `serve` with `--http-host NAME`",
                authority.host()
            );
            return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, error));
        }
    }
    check_origin(fields, host)?;
    check_site(request)?;
    check_form(request)
}

/// The value of a field that may occur once.
fn single<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = fields.get_all(name).iter();
    let value = values.next().map(|value| value.to_str());
    match (value.transpose(), values.next()) {
        (Ok(value), None) => Ok(value),
        _ => Err(Refusal::bad_request(format!("the field {name} is not valid"))),
    }
}

fn check_origin(fields: &HeaderMap, host: &str) -> Result<(), Refusal> {
    let Some(origin) = single(fields, &header::ORIGIN)? else { return Ok(()) };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    if authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host)) {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::FORBIDDEN, "requests of pages of other sites are refused"))
}

/// Browsers tell which site a request comes from, for requests without an Origin too. Only the page
/// itself may be opened from elsewhere.
fn check_site(request: &Request) -> Result<(), Refusal> {
    let field = |name: &'static str| single(request.headers(), &HeaderName::from_static(name));
    let is_ours =
        field("sec-fetch-site")?.is_none_or(|site| matches!(site, "same-origin" | "none"));
    let opens_page = field("sec-fetch-mode")? == Some("navigate")
        && field("sec-fetch-dest")? == Some("document")
        && request.method() == Method::GET
        && request.uri().path() == "/";
    if is_ours || opens_page {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::FORBIDDEN, "requests of pages of other sites are refused"))
}

/// A form of another page can send POST, with three types of content; any other type, and any other
/// method, a browser first asks about.
fn check_form(request: &Request) -> Result<(), Refusal> {
    if request.method() != Method::POST || request.headers().contains_key("x-smtpkit") {
        return Ok(());
    }
    let kind = single(request.headers(), &header::CONTENT_TYPE)?.unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let of_forms = ["", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
    if of_forms.contains(&kind.as_str()) {
        let error = "the Content-Type must be application/json or application/toml";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    Ok(())
}
