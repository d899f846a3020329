//! What a command may do, and the records that it leaves.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

mod support;

use std::io::Read as _;

use support::{PUBLIC, Server, Setup, client_hello, read_head};
use tidegate_proxy::UpstreamProxy;
use tidegate_proxy::record::{Checked, Failure, Outcome, Refusal, Route};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nKeep-Alive: timeout=5\r\n\r\nhello";

fn connected(checked: Checked) -> Outcome {
    Outcome::Connected { route: Route::Direct, checked }
}

#[tokio::test]
async fn a_granted_request_is_made_with_the_path_alone() {
    let server = Server::answering(ANSWER).await;
    let running = Setup::granting(&["network:example.com"]).start().await;
    running.internet.host("example.com", 80, server.address);

    let answer = running
        .exchange(
            "GET http://Example.com./a?b=c HTTP/1.1\r\nHost: example.com\r\nProxy-Authorization: Basic eA==\r\n\
             Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n\r\n",
        )
        .await;

    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    assert!(
        answer.contains("connection: close") && !answer.to_lowercase().contains("keep-alive"),
        "{answer}"
    );
    let request = server.text().to_lowercase();
    assert!(request.starts_with("get /a?b=c http/1.1\r\n"), "{request}");
    assert!(request.contains("host: example.com\r\n") && request.contains("x-end: 2\r\n"), "{request}");
    assert!(!request.contains("x-hop") && !request.contains("proxy-"), "{request}");
    let record = running.only_record().await;
    assert_eq!((record.host.as_str(), record.port), ("example.com", 80));
    assert_eq!(record.outcome, connected(Checked::Http));
    assert_eq!(record.received, ANSWER.len() as u64);
    assert_eq!(record.sent, request.len() as u64);
}

#[tokio::test]
async fn a_body_of_either_framing_reaches_the_host() {
    for (framing, body) in [
        ("Content-Length: 4\r\n", "data"),
        ("Transfer-Encoding: chunked\r\n", "2\r\nda\r\n2\r\nta\r\n0\r\n\r\n"),
    ] {
        let server = Server::answering(ANSWER).await;
        let running = Setup::granting(&["network:example.com"]).start().await;
        running.internet.host("example.com", 80, server.address);
        let head = "POST http://example.com/ HTTP/1.1\r\nHost: example.com\r\n";

        let answer = running.exchange(format!("{head}{framing}\r\n{body}")).await;

        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let request = server.text();
        assert!(request.contains("da") && request.contains("ta"), "{request}");
    }
}

#[tokio::test]
async fn a_tunnel_with_tls_carries_the_bytes_unchanged() {
    let server = Server::echo().await;
    let running = Setup::granting(&["network:example.com"]).start().await;
    running.internet.host("example.com", 443, server.address);
    let hello = client_hello("example.com");

    let (mut client, head) = running.tunnel("example.com:443").await;
    // In pieces, as networks deliver them.
    for piece in hello.chunks(7) {
        client.write_all(piece).await.unwrap();
        client.flush().await.unwrap();
    }
    let mut back = vec![0; hello.len()];
    client.read_exact(&mut back).await.unwrap();
    client.shutdown().await.unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();

    assert!(head.starts_with("HTTP/1.1 200") && !head.to_lowercase().contains("content-length"), "{head}");
    assert_eq!(back, hello);
    assert_eq!(server.received().concat(), hello);
    let record = running.only_record().await;
    assert_eq!(record.outcome, connected(Checked::Tls));
    assert_eq!((record.sent, record.received), (hello.len() as u64, hello.len() as u64));
}

#[tokio::test]
async fn tls_sent_together_with_connect_is_not_lost() {
    let server = Server::echo().await;
    let running = Setup::granting(&["network:example.com"]).start().await;
    running.internet.host("example.com", 443, server.address);
    let hello = client_hello("example.com");
    let request =
        [&b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"[..], &hello].concat();

    let mut client = running.client().await;
    client.write_all(&request).await.unwrap();
    read_head(&mut client).await;
    let mut back = vec![0; hello.len()];
    client.read_exact(&mut back).await.unwrap();

    assert_eq!(back, hello);
}

#[tokio::test]
async fn a_tunnel_with_http_carries_one_request() {
    let server = Server::answering(ANSWER).await;
    let running = Setup::granting(&["network:example.com"]).start().await;
    running.internet.host("example.com", 80, server.address);

    let (mut client, _) = running.tunnel("example.com:80").await;
    client.write_all(b"GET /x HTTP/1.1\r\nHost: example.com\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();

    assert!(answer.ends_with("hello") && answer.contains("connection: close"), "{answer}");
    assert!(server.text().starts_with("GET /x HTTP/1.1\r\n"));
    assert_eq!(running.only_outcome().await, connected(Checked::Http));
}

#[tokio::test]
async fn a_named_port_carries_any_protocol() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = Setup::granting(&["network:db.example.com:5432"]).start().await;
    running.internet.host("db.example.com", 5432, listener.local_addr().unwrap());

    let (mut client, _) = running.tunnel("db.example.com:5432").await;
    let (mut host, _) = listener.accept().await.unwrap();
    // The host speaks first.
    host.write_all(b"220 ready").await.unwrap();
    let mut greeting = [0; 9];
    client.read_exact(&mut greeting).await.unwrap();
    client.write_all(b"\x00\x01query").await.unwrap();
    let mut query = [0; 7];
    host.read_exact(&mut query).await.unwrap();

    assert_eq!((&greeting, &query), (b"220 ready", b"\x00\x01query"));
    let record = running.only_record().await;
    assert_eq!(record.outcome, connected(Checked::NameOnly));
    assert_eq!((record.sent, record.received), (7, 9));
}

#[tokio::test]
async fn an_ungranted_host_gets_a_sentence_and_is_not_resolved() {
    let running = Setup::granting(&["network:example.com"]).start().await;

    let get = running.exchange("GET http://other.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n").await;
    let connect = running.exchange("CONNECT example.com:22 HTTP/1.1\r\nHost: example.com:22\r\n\r\n").await;

    let host = "network: other.example:80 was refused because the host was not granted to this command; \
                ask with needs [\"network:other.example:80\"]";
    let port = "network: example.com:22 was refused because the port was not granted to this command; \
                ask with needs [\"network:example.com:22\"]";
    assert!(get.starts_with("HTTP/1.1 403") && get.ends_with(&format!("\r\n\r\n{host}\n")), "{get}");
    assert!(connect.starts_with("HTTP/1.1 403") && connect.ends_with(&format!("{port}\n")), "{connect}");
    assert_eq!(running.internet.looked_up(), Vec::<String>::new());
    assert_eq!(running.end().await.sentences(), [host, port]);
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_a_failure() {
    let running = Setup::granting(&["network:*.example.com"]).start().await;
    running.internet.name("closed.example.com", &[&[PUBLIC]]);

    let closed = running.exchange("CONNECT closed.example.com:443 HTTP/1.1\r\n\r\n").await;
    let unknown = running.exchange("CONNECT unknown.example.com:443 HTTP/1.1\r\n\r\n").await;

    assert!(closed.starts_with("HTTP/1.1 502") && unknown.starts_with("HTTP/1.1 502"), "{closed}{unknown}");
    let outcomes: Vec<_> = running.end().await.records.into_iter().map(|record| record.outcome).collect();
    let failed = |failure| Outcome::Failed { failure };
    assert_eq!(outcomes, [failed(Failure::NotConnected), failed(Failure::NotResolved)]);
}

#[tokio::test]
async fn the_next_address_is_used_when_one_fails() {
    let server = Server::answering(ANSWER).await;
    let running = Setup::granting(&["network:example.com"]).start().await;
    running.internet.name("example.com", &[&["198.18.0.1", "2001:db8::1", "203.0.113.9"]]);
    running.internet.route("203.0.113.9", 80, server.address);

    let answer = running.exchange("GET http://example.com/ HTTP/1.0\r\n\r\n").await;

    assert!(answer.ends_with("hello"), "{answer}");
    assert_eq!(running.internet.connected().len(), 3);
}

/// A proxy of a company: keeps what it was asked, answers, and then echoes.
async fn company_proxy(answer: &'static str) -> (u16, tokio::task::JoinHandle<(String, TcpStream)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_head(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        (head, stream)
    });
    (port, task)
}

#[tokio::test]
async fn an_upstream_proxy_is_asked_for_the_name() {
    let (port, proxy) = company_proxy("HTTP/1.1 200 Connection established\r\n\r\nearly").await;
    let upstream = UpstreamProxy::parse(&format!("http://ada:p%40ss@127.0.0.1:{port}")).unwrap();
    let mut setup = Setup::granting(&["network:example.com:8443"]);
    setup.upstream = Some(upstream);
    let running = setup.start().await;

    let (mut client, _) = running.tunnel("example.com:8443").await;
    let (asked, mut stream) = proxy.await.unwrap();
    let mut early = [0; 5];
    client.read_exact(&mut early).await.unwrap();
    client.write_all(b"ping").await.unwrap();
    let mut ping = [0; 4];
    stream.read_exact(&mut ping).await.unwrap();

    assert_eq!((&early, &ping), (b"early", b"ping"));
    assert!(asked.starts_with("CONNECT example.com:8443 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("Proxy-Authorization: Basic YWRhOnBAc3M=\r\n"), "{asked}");
    assert_eq!(running.internet.looked_up(), Vec::<String>::new());
    let record = running.only_record().await;
    assert_eq!(record.outcome, Outcome::Connected { route: Route::Upstream, checked: Checked::NameOnly });
}

#[tokio::test]
async fn hosts_without_the_upstream_proxy_are_resolved_and_checked() {
    let mut setup = Setup::granting(&["network:example.com", "network:other.example"]);
    setup.upstream = Some(UpstreamProxy::parse("127.0.0.1:1").unwrap().except("localhost, .example.com"));
    let running = setup.start().await;
    running.internet.name("example.com", &[&["10.0.0.1"]]);

    let direct = running.exchange("GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    let through = running.exchange("CONNECT other.example:443 HTTP/1.1\r\n\r\n").await;

    assert!(direct.starts_with("HTTP/1.1 403"), "{direct}");
    assert!(through.starts_with("HTTP/1.1 502"), "{through}");
    assert_eq!(running.internet.looked_up(), ["example.com"]);
}

#[tokio::test]
async fn an_upstream_proxy_that_refuses_is_a_failure() {
    let (port, _proxy) = company_proxy("HTTP/1.1 407 Authenticate\r\n\r\n").await;
    let mut setup = Setup::granting(&["network:example.com"]);
    setup.upstream = Some(UpstreamProxy::parse(&format!("127.0.0.1:{port}")).unwrap());
    let running = setup.start().await;

    let answer = running.exchange("CONNECT example.com:443 HTTP/1.1\r\n\r\n").await;

    assert!(answer.contains("refused it with status 407"), "{answer}");
    let failure = Failure::UpstreamRefused { status: 407 };
    assert_eq!(running.only_outcome().await, Outcome::Failed { failure });
}

#[tokio::test]
async fn an_upstream_proxy_changes_nothing_about_names() {
    let mut setup = Setup::granting(&["network:example.com"]);
    setup.upstream = Some(UpstreamProxy::parse("127.0.0.1:1").unwrap());
    let running = setup.start().await;

    let answer = running.exchange("CONNECT other.example:443 HTTP/1.1\r\n\r\n").await;

    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let refusal = Refusal::HostNotGranted;
    assert_eq!(running.only_outcome().await, Outcome::Refused { refusal });
}

/// As the host gets it from a sandbox: a listening socket of the standard library.
#[tokio::test]
async fn a_socket_that_was_handed_over_is_served() {
    let made = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = made.local_addr().unwrap();
    let listener = tidegate_proxy::listener::listener(made.into()).unwrap();
    let running = Setup::granting(&[]).start().await;
    let serving = running.proxy.serve(listener, running.stop.clone());
    let client = tokio::task::spawn_blocking(move || {
        let mut client = std::net::TcpStream::connect(address).unwrap();
        std::io::Write::write_all(&mut client, b"GET http://example.com/ HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    });

    let answer = tokio::select! {
        () = serving => String::new(),
        answer = client => answer.unwrap(),
    };

    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}
