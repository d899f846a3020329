//! A command's network: none, or the hosts that a person granted.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use common::Fixture;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What stands for the internet: it answers every request with the first line of it. Asked for a tunnel, it
/// is a proxy to itself.
async fn server() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut line = request(&mut stream).await;
            if line.starts_with("CONNECT") {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                line = format!("{line}, {}", request(&mut stream).await);
            }
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{line}", line.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

async fn request(stream: &mut TcpStream) -> String {
    let mut buffer = vec![0; 4096];
    let read = stream.read(&mut buffer).await.unwrap_or(0);
    let head = String::from_utf8_lossy(&buffer[..read]).into_owned();
    head.lines().next().unwrap_or_default().to_owned()
}

const FETCH: &str =
    "python3 -c 'import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())'";

#[tokio::test]
async fn a_granted_host_is_reached_by_its_name() {
    let mut fixture = Fixture::new();
    fixture.server = Some(server().await);
    let command = format!("{FETCH} http://example.org/page");
    let arguments =
        json!({"command": command, "needs": ["network:example.org"], "reason": "the page is there"});
    let output = fixture.call("exec", arguments).await;
    assert!(output.text.starts_with("GET /page HTTP/1.1\n[exit code 0"), "{}", output.text);
}

#[tokio::test]
async fn other_hosts_are_refused_and_the_model_reads_how_to_ask() {
    let mut fixture = Fixture::new();
    fixture.server = Some(server().await);
    let command = format!("{FETCH} http://other.example.org/");
    let granted =
        json!({"command": command, "needs": ["network:example.org"], "reason": "the page is there"});
    for arguments in [granted, json!({"command": command})] {
        let output = fixture.call("exec", arguments).await;
        assert!(output.is_error && !output.text.contains("GET"), "{}", output.text);
        assert!(output.text.contains("network:other.example.org"), "{}", output.text);
    }
}

#[tokio::test]
async fn a_command_reaches_no_server_of_this_computer() {
    let mut fixture = Fixture::new();
    let server = server().await;
    fixture.server = Some(server);
    let port = server.port();
    let command = format!(
        "for host in 127.0.0.1 localhost [::1] 0.0.0.0; do {FETCH} http://$host:{port}/; done
         python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 2); print(\"connected\")'
         python3 -c 'import socket; socket.getaddrinfo(\"example.org\", 80); print(\"resolved\")'"
    );
    let arguments =
        json!({"command": command, "needs": ["network:example.org"], "reason": "the page is there"});
    let output = fixture.call("exec", arguments).await;
    for sign in ["GET /", "connected\n", "resolved\n"] {
        assert!(!output.text.contains(sign), "{}", output.text);
    }
}

#[tokio::test]
async fn a_server_of_the_command_itself_is_reached_without_a_grant() {
    let fixture = Fixture::new();
    let command = format!(
        "python3 -m http.server 8000 --bind 127.0.0.1 >log 2>&1 & echo hello > page
         until {FETCH} http://127.0.0.1:8000/page 2>/dev/null; do sleep 0.05; done"
    );
    let output = fixture.call("exec", json!({"command": command, "timeoutSeconds": 60})).await;
    assert!(output.text.starts_with("hello\n"), "{}", output.text);
}

#[tokio::test]
async fn local_names_and_addresses_cannot_be_asked_for() {
    let fixture = Fixture::new();
    for host in ["localhost", "printer.local", "127.0.0.1", "router"] {
        let needs = json!([format!("network:{host}")]);
        let refused =
            fixture.refused("exec", json!({"command": "true", "needs": needs, "reason": "because"})).await;
        assert!(refused.contains("needs:"), "{host}: {refused}");
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_with_a_reason() {
    let mut fixture = Fixture::new();
    fixture.server = Some(server().await);
    let arguments = json!({
        "command": format!("{FETCH} http://inside.example.org/"),
        "needs": ["network:inside.example.org"], "reason": "the page is there",
    });
    let output = fixture.call("exec", arguments).await;
    assert!(output.is_error && !output.text.contains("GET /"), "{}", output.text);
    let sentence = output.text.lines().find(|line| line.starts_with("[network: inside.example.org"));
    assert!(sentence.is_some_and(|sentence| sentence.contains("a private network")), "{}", output.text);
}

#[tokio::test]
async fn a_company_s_proxy_is_asked_for_granted_names_alone() {
    let mut fixture = Fixture::new();
    fixture.server = Some(server().await);
    fixture.variables = vec![("HTTPS_PROXY".into(), "http://proxy.example:3128".into())];
    let command = format!("{FETCH} http://inside.example.org/page; {FETCH} http://other.example.org/; env");
    let arguments =
        json!({"command": command, "needs": ["network:inside.example.org"], "reason": "the page is there"});
    let output = fixture.call("exec", arguments).await;
    let asked = "CONNECT inside.example.org:80 HTTP/1.1, GET /page HTTP/1.1\n";
    assert!(output.text.starts_with(asked), "{}", output.text);
    assert!(!output.text.contains("CONNECT other"), "{}", output.text);
    assert!(output.text.contains("network:other.example.org"), "{}", output.text);
    assert!(!output.text.contains("proxy.example"), "its address may hold a password: {}", output.text);
}

#[tokio::test]
async fn with_a_proxy_of_another_kind_no_host_is_reached() {
    let mut fixture = Fixture::new();
    fixture.server = Some(server().await);
    fixture.variables = vec![("HTTPS_PROXY".into(), "socks5://proxy.example:1080".into())];
    let arguments = |needs: &[&str]| {
        let command = format!("touch ran; {FETCH} http://example.org/");
        match needs {
            [] => json!({"command": "echo ran"}),
            needs => json!({"command": command, "needs": needs, "reason": "the page is there"}),
        }
    };
    let refused = fixture.refused("exec", arguments(&["network:example.org"])).await;
    assert!(refused.contains("HTTPS_PROXY must begin with http://"), "{refused}");
    assert!(!refused.contains("GET /"), "{refused}");
    let output = fixture.call("exec", arguments(&[])).await;
    assert!(output.text.starts_with("ran\n[exit code 0"), "{}", output.text);
}
