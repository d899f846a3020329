//! What an HTTP request gets: the upgrade, a health answer, or a refusal. Pure. Each answer but the upgrade
//! ends the connection.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{
    self, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode, Version};
use sha1_smol::Sha1;

/// The names and origins that are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeRules {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl UpgradeRules {
    /// The rules of a listener on loopback: its names with this port, and no browser origin.
    #[must_use]
    pub fn loopback(port: u16) -> Self {
        Self { hosts: vec![], origins: vec![] }
            .allow_host("127.0.0.1", port)
            .allow_host("localhost", port)
            .allow_host("[::1]", port)
    }

    /// Allows one more name, as it stands in a URL, with a port. The port may be left out of the
    /// header only where it is the default one.
    #[must_use]
    pub fn allow_host(mut self, name: &str, port: u16) -> Self {
        self.hosts.push(format!("{name}:{port}"));
        if port == 80 {
            self.hosts.push(name.to_owned());
        }
        self
    }

    /// Allows one browser origin, compared byte by byte. `null` and the empty text stay refused.
    #[must_use]
    pub fn allow_origin(mut self, origin: &str) -> Self {
        if !origin.is_empty() && origin != "null" {
            self.origins.push(origin.to_owned());
        }
        self
    }
}

/// Headers of every answer but the upgrade.
const COMMON_HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Headers that proxies add. A proxied connection is refused: behind a proxy nothing tells local
/// from remote. `X-Forwarded-*` and `Tailscale-User-*` are refused by their prefix.
const FORWARDING_HEADERS: [&str; 9] = [
    "forwarded",
    "x-real-ip",
    "via",
    "cf-connecting-ip",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-envoy-external-address",
];
const FORWARDING_PREFIXES: [&str; 2] = ["x-forwarded", "tailscale-"];

/// Decides; status 101 is the upgrade. `is_ready` is asked only by the readiness path.
#[must_use]
pub fn decide<B>(
    request: &Request<B>,
    rules: &UpgradeRules,
    is_ready: impl FnOnce() -> bool,
) -> Response<&'static str> {
    match refusal(request, rules) {
        Some(refusal) => refusal,
        None if holds_token(request.headers(), &UPGRADE, "websocket") => upgrade(request),
        None => health(request, is_ready),
    }
}

fn answer(status: StatusCode, body: &'static str) -> Response<&'static str> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let content_type = if body.starts_with('{') { "application/json" } else { "text/plain; charset=utf-8" };
    let headers = response.headers_mut();
    headers.extend(COMMON_HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // One request a connection. Said here and not by hyper for all, which would add it to an
    // upgrade's answer, too: Node's WebSocket takes that for no upgrade.
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn bad_request() -> Response<&'static str> {
    answer(StatusCode::BAD_REQUEST, "Bad Request")
}

fn method_not_allowed() -> Response<&'static str> {
    let mut response = answer(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// What is wrong whatever the request asks for.
fn refusal<B>(request: &Request<B>, rules: &UpgradeRules) -> Option<Response<&'static str>> {
    let (target, headers) = (request.uri(), request.headers());
    if target.authority().is_some() || target.path().is_empty() {
        return Some(bad_request());
    }
    match single(headers, &HOST) {
        Some(host) if rules.hosts.iter().any(|allowed| allowed.as_bytes() == host) => {}
        Some(_) => return Some(answer(StatusCode::MISDIRECTED_REQUEST, "Misdirected Request")),
        None => return Some(bad_request()),
    }
    let is_origin_fine = !headers.contains_key(ORIGIN)
        || single(headers, &ORIGIN)
            .is_some_and(|origin| rules.origins.iter().any(|allowed| allowed.as_bytes() == origin));
    let is_forwarded = headers.keys().any(|name| {
        FORWARDING_HEADERS.contains(&name.as_str())
            || FORWARDING_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
    });
    (!is_origin_fine || is_forwarded).then(|| answer(StatusCode::FORBIDDEN, "Forbidden"))
}

/// Whether a comma-separated header holds a token, in any case (RFC 9110 section 5.6.1).
fn holds_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// The answer to an opening handshake (RFC 6455 section 4.2).
fn upgrade<B>(request: &Request<B>) -> Response<&'static str> {
    const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let headers = request.headers();
    if request.method() != Method::GET {
        return method_not_allowed();
    }
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    if request.version() != Version::HTTP_11 || !holds_token(headers, &CONNECTION, "upgrade") || has_body {
        return bad_request();
    }
    let version = HeaderValue::from_static("13");
    if single(headers, &SEC_WEBSOCKET_VERSION) != Some(version.as_bytes()) {
        let mut response = answer(StatusCode::UPGRADE_REQUIRED, "Upgrade Required");
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, version);
        return response;
    }
    let key = single(headers, &SEC_WEBSOCKET_KEY).unwrap_or_default();
    if !BASE64_STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16) {
        return bad_request();
    }
    let mut digest = Sha1::from(key);
    digest.update(GUID.as_bytes());
    let accept = BASE64_STANDARD.encode(digest.digest().bytes());
    let Ok(accept) = HeaderValue::try_from(accept) else { return bad_request() };
    let mut response = Response::new("");
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// The value of a header that must stand there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

fn health<B>(request: &Request<B>, is_ready: impl FnOnce() -> bool) -> Response<&'static str> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return method_not_allowed();
    }
    match request.uri().path() {
        "/health" | "/healthz" => answer(StatusCode::OK, r#"{"ok":true,"status":"live"}"#),
        "/ready" | "/readyz" => match is_ready() {
            true => answer(StatusCode::OK, r#"{"ready":true}"#),
            false => answer(StatusCode::SERVICE_UNAVAILABLE, r#"{"ready":false}"#),
        },
        _ => answer(StatusCode::NOT_FOUND, "Not Found"),
    }
}
