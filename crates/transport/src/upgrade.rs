//! What an HTTP request gets: the upgrade, a health answer, or a refusal. Pure.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{
    self, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Method, StatusCode, Uri, Version};
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

/// The head of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    pub method: &'a Method,
    /// The target as it was sent.
    pub target: &'a Uri,
    /// The version of HTTP.
    pub version: Version,
    pub headers: &'a HeaderMap,
}

/// What the request gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The upgrade, with this `Sec-WebSocket-Accept`.
    Upgrade {
        /// The header's value.
        accept: HeaderValue,
    },
    /// An answer, after which the connection ends.
    Answer(Answer),
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    /// The body: JSON if it starts with a brace, text otherwise.
    pub body: &'static str,
    /// A header that belongs to the status.
    pub header: Option<(HeaderName, HeaderValue)>,
}

impl Answer {
    const fn new(status: StatusCode, body: &'static str) -> Self {
        Self { status, body, header: None }
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    /// The type of the body.
    #[must_use]
    pub fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static(if self.body.starts_with('{') {
            "application/json"
        } else {
            "text/plain; charset=utf-8"
        })
    }
}

/// Headers of every answer.
pub const COMMON_HEADERS: [(HeaderName, HeaderValue); 3] = [
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

/// Decides. `is_ready` is asked only by the readiness path.
#[must_use]
pub fn decide(head: RequestHead<'_>, rules: &UpgradeRules, is_ready: impl FnOnce() -> bool) -> Decision {
    match refusal(head, rules) {
        Some(answer) => Decision::Answer(answer),
        None if wants_websocket(head.headers) => match accept_key(head) {
            Ok(accept) => Decision::Upgrade { accept },
            Err(answer) => Decision::Answer(answer),
        },
        None => Decision::Answer(health(head, is_ready)),
    }
}

/// What is wrong whatever the request asks for.
fn refusal(head: RequestHead<'_>, rules: &UpgradeRules) -> Option<Answer> {
    if head.target.authority().is_some() || head.target.path().is_empty() {
        return Some(Answer::new(StatusCode::BAD_REQUEST, "Bad Request"));
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            if !rules.hosts.iter().any(|allowed| allowed.as_bytes() == host.as_bytes()) {
                return Some(Answer::new(StatusCode::MISDIRECTED_REQUEST, "Misdirected Request"));
            }
        }
        (None, _) | (_, Some(_)) => return Some(Answer::new(StatusCode::BAD_REQUEST, "Bad Request")),
    }
    let mut origins = head.headers.get_all(ORIGIN).iter();
    let is_origin_fine = match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(origin), None) => rules.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()),
        (Some(_), Some(_)) => false,
    };
    let is_forwarded = head.headers.keys().any(|name| {
        FORWARDING_HEADERS.contains(&name.as_str())
            || FORWARDING_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
    });
    (!is_origin_fine || is_forwarded).then(|| Answer::new(StatusCode::FORBIDDEN, "Forbidden"))
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

fn wants_websocket(headers: &HeaderMap) -> bool {
    holds_token(headers, &UPGRADE, "websocket")
}

/// The answer to a valid opening handshake (RFC 6455 section 4.2).
fn accept_key(head: RequestHead<'_>) -> Result<HeaderValue, Answer> {
    const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let bad_request = || Answer::new(StatusCode::BAD_REQUEST, "Bad Request");
    if head.method != Method::GET {
        return Err(method_not_allowed());
    }
    let has_body = head.headers.contains_key(header::TRANSFER_ENCODING)
        || head.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    if head.version != Version::HTTP_11 || !holds_token(head.headers, &CONNECTION, "upgrade") || has_body {
        return Err(bad_request());
    }
    if single(head.headers, &SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err(
            Answer::new(StatusCode::UPGRADE_REQUIRED, "Upgrade Required").with(SEC_WEBSOCKET_VERSION, "13")
        );
    }
    let key = single(head.headers, &SEC_WEBSOCKET_KEY).ok_or_else(bad_request)?;
    let is_valid = BASE64_STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16);
    if !is_valid {
        return Err(bad_request());
    }
    let mut digest = Sha1::from(key);
    digest.update(GUID.as_bytes());
    HeaderValue::try_from(BASE64_STANDARD.encode(digest.digest().bytes())).map_err(|_| bad_request())
}

/// The value of a header that must stand there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

fn method_not_allowed() -> Answer {
    Answer::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed").with(header::ALLOW, "GET, HEAD")
}

fn health(head: RequestHead<'_>, is_ready: impl FnOnce() -> bool) -> Answer {
    if head.method != Method::GET && head.method != Method::HEAD {
        return method_not_allowed();
    }
    match head.target.path() {
        "/health" | "/healthz" => Answer::new(StatusCode::OK, r#"{"ok":true,"status":"live"}"#),
        "/ready" | "/readyz" => match is_ready() {
            true => Answer::new(StatusCode::OK, r#"{"ready":true}"#),
            false => Answer::new(StatusCode::SERVICE_UNAVAILABLE, r#"{"ready":false}"#),
        },
        _ => Answer::new(StatusCode::NOT_FOUND, "Not Found"),
    }
}
