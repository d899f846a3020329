//! Which requests are upgraded, answered or refused: tables of attacks, and arbitrary requests.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use hyper::header::SEC_WEBSOCKET_ACCEPT;
use hyper::{Method, Request, StatusCode, Version};
use proptest::prelude::*;
use tidegate_transport::upgrade::{UpgradeRules, decide};

const UPGRADE: [(&str, &str); 5] = [
    ("host", "127.0.0.1:18789"),
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "WebSocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

fn rules() -> UpgradeRules {
    UpgradeRules::loopback(18789)
}

fn request<V: AsRef<[u8]>>(method: Method, target: &str, fields: &[(&str, V)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in fields {
        request = request.header(*name, value.as_ref());
    }
    request.body(()).expect("a request")
}

/// The status of a request; 101 for the upgrade.
fn status(rules: &UpgradeRules, method: Method, target: &str, fields: &[(&str, &str)]) -> u16 {
    decide(&request(method, target, fields), rules, || true).status().as_u16()
}

fn upgrade_with(more: &[(&str, &str)]) -> u16 {
    let fields: Vec<_> = UPGRADE.iter().chain(more).copied().collect();
    status(&rules(), Method::GET, "/", &fields)
}

/// The upgrade with one header replaced, or left out where there is no value.
fn upgrade_but(name: &str, value: Option<&str>) -> u16 {
    let mut fields: Vec<_> = UPGRADE.iter().filter(|field| field.0 != name).copied().collect();
    fields.extend(value.map(|value| (name, value)));
    status(&rules(), Method::GET, "/", &fields)
}

#[test]
fn the_example_of_the_standard_is_answered_as_it_says() {
    let response = decide(&request(Method::GET, "/any/path?at=all", &UPGRADE), &rules(), || false);
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn no_browser_origin_is_upgraded_by_default() {
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost:3000",
        "http://127.0.0.1:18789",
        "http://localhost:18789",
        "tauri://localhost",
        "file://",
        "",
    ] {
        assert_eq!(upgrade_with(&[("origin", origin)]), 403, "{origin}");
        let forwarded = [("origin", origin), ("x-forwarded-for", "127.0.0.1")];
        assert_eq!(upgrade_with(&forwarded), 403, "{origin}, forwarded");
        let health = [("host", "127.0.0.1:18789"), ("origin", origin)];
        assert_eq!(status(&rules(), Method::GET, "/health", &health), 403, "{origin}, health");
    }
}

#[test]
fn only_exactly_the_listed_origin_passes() {
    let rules = rules().allow_origin("http://127.0.0.1:18789").allow_origin("null").allow_origin("");
    let with = |origins: &[&str]| {
        let more: Vec<_> = origins.iter().map(|origin| ("origin", *origin)).collect();
        let fields: Vec<_> = UPGRADE.iter().chain(&more).copied().collect();
        status(&rules, Method::GET, "/", &fields)
    };
    assert_eq!(with(&["http://127.0.0.1:18789"]), 101);
    for origins in [
        ["HTTP://127.0.0.1:18789"].as_slice(),
        &["http://127.0.0.1:18789/"],
        &["http://127.0.0.1:18789 "],
        &["http://127.0.0.1"],
        &["null"],
        &[""],
        &["http://127.0.0.1:18789", "http://127.0.0.1:18789"],
        &["http://127.0.0.1:18789", "https://evil.example"],
    ] {
        assert_eq!(with(origins), 403, "{origins:?}");
    }
}

#[test]
fn only_exactly_the_allowed_hosts_pass() {
    for host in ["127.0.0.1:18789", "localhost:18789", "[::1]:18789"] {
        assert_eq!(upgrade_but("host", Some(host)), 101, "{host}");
    }
    for host in [
        "evil.example",
        "127.0.0.1.nip.io:18789",
        "127.0.0.1:1",
        "127.0.0.1",
        "localhost",
        "localhost.:18789",
        "LOCALHOST:18789",
        "0x7f000001:18789",
        "2130706433:18789",
        "127.1:18789",
        "[::ffff:127.0.0.1]:18789",
        "user@127.0.0.1:18789",
        "%6cocalhost:18789",
        "localhost:18789, localhost:18789",
        "127.0.0.1:018789",
        "0.0.0.0:18789",
        "",
    ] {
        assert_eq!(upgrade_but("host", Some(host)), 421, "{host}");
        assert_eq!(status(&rules(), Method::GET, "/health", &[("host", host)]), 421, "{host}, health");
    }
    assert_eq!(upgrade_but("host", None), 400);
    assert_eq!(upgrade_with(&[("host", "127.0.0.1:18789")]), 400, "two hosts");
}

#[test]
fn the_port_may_be_left_out_only_where_it_is_the_default() {
    let rules = UpgradeRules::loopback(80);
    for host in ["127.0.0.1", "127.0.0.1:80", "localhost", "[::1]"] {
        assert_eq!(status(&rules, Method::GET, "/health", &[("host", host)]), 200, "{host}");
    }
}

#[test]
fn a_proxied_request_is_refused() {
    for name in [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-anything",
        "x-real-ip",
        "via",
        "cf-connecting-ip",
        "tailscale-user-login",
        "tailscale-user-name",
    ] {
        for value in ["127.0.0.1", "", "for=127.0.0.1"] {
            assert_eq!(upgrade_with(&[(name, value)]), 403, "{name}: {value}");
        }
    }
}

#[test]
fn a_broken_opening_handshake_is_refused() {
    for (name, value, expected) in [
        ("connection", None, 400),
        ("connection", Some("keep-alive"), 400),
        ("connection", Some("xupgrade"), 400),
        ("sec-websocket-version", None, 426),
        ("sec-websocket-version", Some("8"), 426),
        ("sec-websocket-version", Some("13, 8"), 426),
        ("sec-websocket-key", None, 400),
        ("sec-websocket-key", Some(""), 400),
        ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZQ"), 400),
        ("sec-websocket-key", Some("c2hvcnQ="), 400),
        ("upgrade", None, 404),
        ("upgrade", Some("h2c"), 404),
    ] {
        assert_eq!(upgrade_but(name, value), expected, "{name}: {value:?}");
    }
    assert_eq!(upgrade_with(&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")]), 400, "two keys");
    assert_eq!(upgrade_with(&[("content-length", "3")]), 400, "a body");
    assert_eq!(upgrade_with(&[("transfer-encoding", "chunked")]), 400, "a body");
    for method in [Method::POST, Method::PUT, Method::HEAD] {
        assert_eq!(status(&rules(), method.clone(), "/", &UPGRADE), 405, "{method}");
    }
    let mut old = request(Method::GET, "/", &UPGRADE);
    *old.version_mut() = Version::HTTP_10;
    assert_eq!(decide(&old, &rules(), || true).status(), StatusCode::BAD_REQUEST);
}

#[test]
fn subprotocols_and_extensions_are_neither_needed_nor_chosen() {
    let offered = [("sec-websocket-protocol", "a, b"), ("sec-websocket-extensions", "permessage-deflate")];
    assert_eq!(upgrade_with(&offered), 101);
}

#[test]
fn paths_that_are_no_health_paths_are_not_found_and_other_methods_not_allowed() {
    let host = [("host", "127.0.0.1:18789")];
    for path in ["/health", "/healthz", "/ready", "/readyz", "/health?x=1"] {
        assert_eq!(status(&rules(), Method::GET, path, &host), 200, "{path}");
        assert_eq!(status(&rules(), Method::HEAD, path, &host), 200, "{path}");
    }
    for path in ["/", "/health/", "/HEALTH", "//health", "/v1/models", "/tools/invoke", "/hooks/wake"] {
        assert_eq!(status(&rules(), Method::GET, path, &host), 404, "{path}");
        for method in
            [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE, Method::PATCH]
        {
            assert_eq!(status(&rules(), method.clone(), path, &host), 405, "{method} {path}");
        }
    }
    assert_eq!(status(&rules(), Method::GET, "http://127.0.0.1:18789/health", &host), 400);
    assert_eq!(status(&rules(), Method::CONNECT, "127.0.0.1:18789", &host), 400);
}

#[test]
fn readiness_is_reported() {
    let request = request(Method::GET, "/readyz", &[("host", "localhost:18789")]);
    let not_yet = decide(&request, &rules(), || false);
    assert_eq!((not_yet.status().as_u16(), *not_yet.body()), (503, r#"{"ready":false}"#));
}

proptest! {
    #[test]
    fn any_request_gets_a_decision(
        method in "[A-Z]{1,8}",
        path in "/[a-z/?%.]{0,20}",
        fields in prop::collection::vec((
            prop::sample::select(vec![
                "host", "origin", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "via",
                "x-forwarded-for", "content-length", "cookie",
            ]),
            prop::collection::vec(prop_oneof![Just(b'\t'), 0x20_u8..=0x7e, 0x80_u8..=0xff], 0..40),
        ), 0..12),
    ) {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let response = decide(&request(method, &path, &fields), &rules(), || true);
        let hosts: Vec<_> = fields.iter().filter(|field| field.0 == "host").collect();
        let is_host_right = matches!(hosts.as_slice(), [(_, host)]
            if [b"127.0.0.1:18789".as_slice(), b"localhost:18789", b"[::1]:18789"].contains(&host.as_slice()));
        let has_origin = fields.iter().any(|field| field.0 == "origin");
        if !is_host_right || has_origin {
            prop_assert!(response.status().is_client_error());
        }
    }
}
