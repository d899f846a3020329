//! A command that tries to reach what it was not granted.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

mod support;

use std::net::SocketAddr;

use support::{PUBLIC, Server, Setup, client_hello};
use tidegate_proxy::UpstreamProxy;
use tidegate_proxy::address::AddressClass;
use tidegate_proxy::record::{Outcome, Refusal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn refused(refusal: Refusal) -> Outcome {
    Outcome::Refused { refusal }
}

#[tokio::test]
async fn addresses_in_every_notation_reach_nothing() {
    let running = Setup::granting(&["network:example.com"]).start().await;
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "017700000001",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "127.0.0.1.",
        "localhost",
        "localhost.",
        "example.com@127.0.0.1",
        "example.com:80@127.0.0.1",
        "metadata.google.internal",
        "127.0.0.1%2eexample.com",
        "127%2e0%2e0%2e1",
        "%31%32%37.0.0.1",
        "127.0.0.1\\.example.com",
        "127.0.0.1#.example.com",
        "example.com\t",
    ] {
        for request in [
            format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET http://{host}/ HTTP/1.1\r\nHost: example.com\r\n\r\n"),
            format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n"),
            format!("CONNECT {host}:80 HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        ] {
            let answer = running.exchange(&request).await;
            assert!(answer.starts_with("HTTP/1.1 4"), "{request}{answer}");
        }
    }

    assert_eq!(running.internet.looked_up(), Vec::<String>::new());
    assert_eq!(running.internet.connected(), Vec::<SocketAddr>::new());
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_connected_to() {
    use AddressClass::{CarrierGrade, LinkLocal, Loopback, Private};
    for (address, class) in [
        ("127.0.0.1", Loopback),
        ("::1", Loopback),
        ("::ffff:127.0.0.1", Loopback),
        ("64:ff9b::7f00:1", Loopback),
        ("2002:7f00:1::1", Loopback),
        ("10.0.0.1", Private),
        ("169.254.169.254", LinkLocal),
        ("100.100.100.200", CarrierGrade),
        ("fd00:ec2::254", Private),
    ] {
        let running = Setup::granting(&["network:example.com"]).start().await;
        running.internet.name("example.com", &[&[address]]);

        let answer = running.exchange("CONNECT example.com:443 HTTP/1.1\r\n\r\n").await;

        assert!(answer.starts_with("HTTP/1.1 403"), "{address}: {answer}");
        assert_eq!(running.internet.connected(), Vec::<SocketAddr>::new());
        assert_eq!(running.only_outcome().await, refused(Refusal::NoPublicAddress { class }));
    }
}

#[tokio::test]
async fn a_rebinding_name_is_connected_to_what_was_checked() {
    let server = Server::answering(ANSWER).await;
    let running = Setup::granting(&["network:example.com"]).start().await;
    // Public for the check; this computer when it is asked for again.
    running.internet.name("example.com", &[&[PUBLIC], &["127.0.0.1"]]);
    running.internet.route(PUBLIC, 80, server.address);

    let first = running.exchange("GET http://example.com/ HTTP/1.0\r\n\r\n").await;
    let lookups = running.internet.looked_up().len();
    let second = running.exchange("GET http://example.com/ HTTP/1.0\r\n\r\n").await;

    assert!(first.contains("200 OK") && second.contains("403"), "{first}{second}");
    assert_eq!(lookups, 1);
    assert_eq!(running.internet.connected(), [SocketAddr::new(PUBLIC.parse().unwrap(), 80)]);
}

#[tokio::test]
async fn a_mixed_answer_leads_to_its_public_address_only() {
    let running = Setup::granting(&["network:example.com"]).start().await;
    running.internet.name("example.com", &[&["127.0.0.1", PUBLIC, "::1", "192.168.1.1"]]);

    running.exchange("CONNECT example.com:443 HTTP/1.1\r\n\r\n").await;

    assert_eq!(running.internet.connected(), [SocketAddr::new(PUBLIC.parse().unwrap(), 443)]);
}

/// A tunnel to a granted host that begins with `bytes`: what the host got, and the outcome.
async fn tunnel_with(bytes: &[u8]) -> (Vec<u8>, Vec<u8>, Outcome) {
    let server = Server::echo().await;
    let running = Setup::granting(&["network:example.com"]).start().await;
    running.internet.host("example.com", 443, server.address);
    let (mut client, _) = running.tunnel("example.com:443").await;
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let mut back = Vec::new();
    let _ = client.read_to_end(&mut back).await;
    let received = server.received().concat();
    (received, back, running.only_outcome().await)
}

#[tokio::test]
async fn a_handshake_with_another_name_is_closed() {
    let (received, back, outcome) = tunnel_with(&client_hello("evil.example")).await;

    assert_eq!(received, b"");
    assert_eq!(back[..1], [0x15], "no TLS alert");
    assert_eq!(outcome, refused(Refusal::OtherServerName { name: "evil.example".to_owned() }));
}

#[tokio::test]
async fn a_fronting_handshake_in_fragments_is_closed() {
    // One byte of the message in each record.
    let hello = client_hello("evil.example");
    let fragments: Vec<u8> = hello[5..].iter().flat_map(|byte| [0x16, 3, 1, 0, 1, *byte]).collect();

    let (received, _, outcome) = tunnel_with(&fragments).await;

    assert_eq!(received, b"");
    assert_eq!(outcome, refused(Refusal::OtherServerName { name: "evil.example".to_owned() }));
}

#[tokio::test]
async fn a_handshake_without_a_name_is_closed() {
    let (received, _, outcome) = tunnel_with(&client_hello("192.0.2.1")).await;

    assert_eq!(received, b"");
    assert_eq!(outcome, refused(Refusal::NoServerName));
}

#[tokio::test]
async fn other_protocols_on_the_tls_port_are_closed() {
    for bytes in [&b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"[..], b"SSH-2.0-x\r\n", b"\x16\x02\x01\0\0"]
    {
        let (received, _, outcome) = tunnel_with(bytes).await;

        assert_eq!(received, b"");
        assert_eq!(outcome, refused(Refusal::NotTls));
    }
}

#[tokio::test]
async fn a_fronting_handshake_on_a_named_port_is_closed() {
    let server = Server::echo().await;
    let running = Setup::granting(&["network:example.com:8443"]).start().await;
    running.internet.host("example.com", 8443, server.address);

    let (mut client, _) = running.tunnel("example.com:8443").await;
    client.write_all(&client_hello("evil.example")).await.unwrap();
    let mut back = Vec::new();
    let _ = client.read_to_end(&mut back).await;

    assert_eq!(server.received().concat(), b"");
    let refusal = Refusal::OtherServerName { name: "evil.example".to_owned() };
    assert_eq!(running.only_outcome().await, refused(refusal));
}

#[tokio::test]
async fn a_host_header_for_another_site_is_refused() {
    let server = Server::answering(ANSWER).await;
    let running = Setup::granting(&["network:example.com"]).start().await;
    running.internet.host("example.com", 80, server.address);

    let absolute = running.exchange("GET http://example.com/ HTTP/1.1\r\nHost: evil.example\r\n\r\n").await;
    let twice = "GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\nHost: evil.example\r\n\r\n";
    let twice = running.exchange(twice).await;
    let (mut client, _) = running.tunnel("example.com:80").await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").await.unwrap();
    let mut tunnelled = String::new();
    client.read_to_string(&mut tunnelled).await.unwrap();

    for answer in [&absolute, &twice, &tunnelled] {
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(server.received().concat(), b"");
    let other = refused(Refusal::OtherHostHeader { name: "evil.example".to_owned() });
    let records = running.end().await.records;
    assert_eq!(records.iter().filter(|record| record.outcome == other).map(|r| r.count).sum::<u64>(), 2);
}

#[tokio::test]
async fn a_second_request_never_reaches_the_host() {
    let second = "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let length = format!("Content-Length: {}\r\n", second.len());
    for (framing, body) in [
        // Sent right behind the first.
        (String::new(), second.to_owned()),
        // A length and chunks that disagree, in both orders.
        (format!("{length}Transfer-Encoding: chunked\r\n"), format!("0\r\n\r\n{second}")),
        (format!("Transfer-Encoding: chunked\r\n{length}"), format!("0\r\n\r\n{second}")),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            format!("0\r\n\r\n{second}"),
        ),
        // Two lengths.
        (format!("Content-Length: 0\r\n{length}"), second.to_owned()),
        // Encodings and lengths that readers take differently.
        ("Transfer-Encoding: xchunked\r\n".to_owned(), format!("0\r\n\r\n{second}")),
        ("Transfer-Encoding : chunked\r\n".to_owned(), format!("0\r\n\r\n{second}")),
        ("Content-Length: +0\r\n".to_owned(), second.to_owned()),
        ("X: y\r\n Transfer-Encoding: chunked\r\n".to_owned(), format!("0\r\n\r\n{second}")),
        ("X: y\nTransfer-Encoding: chunked\n".to_owned(), format!("0\r\n\r\n{second}")),
    ] {
        let server = Server::answering(ANSWER).await;
        let running = Setup::granting(&["network:example.com"]).start().await;
        running.internet.host("example.com", 80, server.address);
        let head = "POST http://example.com/ HTTP/1.1\r\nHost: example.com\r\n";

        running.exchange(format!("{head}{framing}\r\n{body}")).await;
        running.end().await;

        let received = String::from_utf8_lossy(&server.received().concat()).into_owned();
        assert!(!received.contains("evil"), "{framing:?}: {received}");
        assert!(received.matches("HTTP/1.1").count() <= 1, "{framing:?}: {received}");
        let both = received.contains("content-length") && received.contains("transfer-encoding");
        assert!(!both, "{framing:?}: {received}");
    }
}

#[tokio::test]
async fn a_second_request_inside_a_tunnel_never_reaches_the_host() {
    let server = Server::answering(ANSWER).await;
    let running = Setup::granting(&["network:example.com"]).start().await;
    running.internet.host("example.com", 80, server.address);

    let (mut client, _) = running.tunnel("example.com:80").await;
    let requests =
        "GET /1 HTTP/1.1\r\nHost: example.com\r\n\r\nGET /2 HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    client.write_all(requests.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;

    let received = server.text();
    assert!(received.contains("/1") && !received.contains("evil"), "{received}");
}

#[tokio::test]
async fn a_split_request_adds_no_line() {
    let server = Server::answering(ANSWER).await;
    let mut setup = Setup::granting(&["network:example.com"]);
    setup.upstream = Some(UpstreamProxy::parse(&format!("http://{}", server.address)).unwrap());
    let running = setup.start().await;
    for target in [
        "example.com:443\r\nX-Evil: 1",
        "example.com:443%0d%0aX-Evil:1",
        "example.com\r\n\r\nCONNECT evil.example:443",
        "example.com:443 HTTP/1.1\r\nProxy-Authorization: X\r\n\r\nCONNECT evil.example:443",
        "evil.example:443/example.com:443",
        "example.com\0:443",
    ] {
        let request = format!("CONNECT {target} HTTP/1.1\r\n\r\n");
        running.exchange(request).await;
    }
    running.end().await;

    for received in server.received() {
        let text = String::from_utf8_lossy(&received).into_owned();
        assert_eq!(text, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
    }
}

#[tokio::test]
async fn text_of_a_hostile_request_is_cleaned_in_records() {
    let running = Setup::granting(&["network:example.com"]).start().await;
    let long = "a".repeat(9_000);

    running.exchange(format!("CONNECT {long}:443 HTTP/1.1\r\n\r\n")).await;
    running
        .exchange("GET http://example.com/ HTTP/1.1\r\nHost: \u{202e}\u{1b}[31mevil\r\n\r\n".as_bytes())
        .await;

    for record in running.end().await.records {
        let shown = serde_json::to_string(&record).unwrap();
        assert!(shown.len() < 600 && record.host.chars().count() <= 128, "{shown}");
        let sentence = record.sentence().unwrap();
        assert!(!sentence.chars().any(|c| c.is_control() || c == '\u{202e}'), "{sentence:?}");
    }
}
