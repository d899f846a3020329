//! A command that tries to use the proxy up, or to outlive itself.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use support::{Internet, PUBLIC, Server, Setup, client_hello};
use tidegate_proxy::record::{Failure, Outcome, Refusal};
use tidegate_proxy::{ConnectionSlots, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const REQUEST: &str = "GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n";

async fn is_closed(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    // A reset is an end, too.
    stream.read_to_end(&mut rest).await.is_ok_and(|count| count == 0) || rest.is_empty()
}

#[tokio::test]
async fn a_tunnel_ends_with_its_command_on_both_sides() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = Setup::granting(&["network:example.com:5432"]).start().await;
    running.internet.host("example.com", 5432, listener.local_addr().unwrap());
    let address = running.address;
    let (mut client, _) = running.tunnel("example.com:5432").await;
    let (mut host, _) = listener.accept().await.unwrap();
    client.write_all(b"alive").await.unwrap();
    let mut alive = [0; 5];
    host.read_exact(&mut alive).await.unwrap();

    let record = running.only_record().await;

    assert!(is_closed(client).await && is_closed(host).await);
    assert_eq!(record.sent, 5);
    assert!(TcpStream::connect(address).await.is_err(), "the listener outlived the command");
}

#[tokio::test]
async fn a_dropped_proxy_closes_its_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let running = Setup::granting(&["network:example.com"]).start().await;
    let mut serving = Box::pin(running.proxy.serve(listener, running.stop.clone()));
    let connected = async {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"CONNECT other.example:443 HT").await.unwrap();
        client
    };
    let client = tokio::select! {
        () = &mut serving => unreachable!("it was not stopped"),
        client = connected => client,
    };

    drop(serving);

    assert!(is_closed(client).await);
}

#[tokio::test]
async fn a_thousand_connects_are_all_answered() {
    let server = Server::answering(ANSWER).await;
    let running = Setup::granting(&["network:example.com"]).start().await;
    running.internet.host("example.com", 80, server.address);

    let mut clients = tokio::task::JoinSet::new();
    let address = running.address;
    for index in 0..1_000 {
        clients.spawn(async move {
            let mut client = TcpStream::connect(address).await.unwrap();
            let request = if index % 2 == 0 { REQUEST } else { "CONNECT other.example:443 HTTP/1.1\r\n\r\n" };
            client.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let _ = client.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        });
    }
    let answers = clients.join_all().await;

    let count = |status: &str| answers.iter().filter(|answer| answer.starts_with(status)).count();
    assert_eq!((count("HTTP/1.1 200"), count("HTTP/1.1 403")), (500, 500));
    let report = running.end().await;
    assert_eq!(report.records.len(), 2, "{report:#?}");
    assert_eq!(report.records.iter().map(|record| record.count).sum::<u64>(), 1_000);
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_room() {
    let server = Server::answering(ANSWER).await;
    let mut setup = Setup::granting(&["network:example.com"]);
    setup.limits = Some(Limits { connections: 2, ..Limits::default() });
    let running = setup.start().await;
    running.internet.host("example.com", 80, server.address);
    let idle = [running.client().await, running.client().await];

    let mut waiting = Box::pin(running.exchange(REQUEST));
    // Everything that is ready has run when the paused clock moves on.
    tokio::time::pause();
    let early = tokio::time::timeout(Duration::from_secs(1), &mut waiting).await;
    tokio::time::resume();
    drop(idle);
    let answer = waiting.await;

    assert!(early.is_err(), "{early:?}");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn commands_share_the_room_of_all() {
    let internet = Arc::new(Internet::default());
    let server = Server::answering(ANSWER).await;
    internet.host("example.com", 80, server.address);
    let slots = ConnectionSlots::new(1);
    let setup = || Setup { slots: Some(slots.clone()), ..Setup::granting(&["network:example.com"]) };
    let (first, second) = (setup().start_in(&internet).await, setup().start_in(&internet).await);
    // Accepted for certain: its tunnel is open.
    internet.route(PUBLIC, 443, server.address);
    let (tunnel, _) = first.tunnel("example.com:443").await;

    let waiting = tokio::spawn(async move { (second.exchange(REQUEST).await, second) });
    drop(tunnel);
    let (answer, _second) = waiting.await.unwrap();

    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn half_open_connections_are_closed_in_time() {
    let running = Setup::granting(&["network:example.com"]).start().await;
    let mut clients = Vec::new();
    for head in ["", "GET http://exam", "CONNECT example.com:443 HTTP/1.1\r\nA: b\r\n"] {
        for _ in 0..10 {
            let mut client = running.client().await;
            client.write_all(head.as_bytes()).await.unwrap();
            clients.push(client);
        }
    }
    // Time passes by itself from here on, whenever there is nothing but time to wait for.
    tokio::time::pause();

    for client in clients {
        assert!(is_closed(client).await);
    }
}

#[tokio::test]
async fn a_tunnel_that_never_names_its_host_is_closed() {
    for first in [&b""[..], &client_hello("example.com")[..20]] {
        let server = Server::echo().await;
        let running = Setup::granting(&["network:example.com"]).start().await;
        running.internet.host("example.com", 443, server.address);
        let (mut client, _) = running.tunnel("example.com:443").await;
        client.write_all(first).await.unwrap();
        tokio::time::pause();

        assert!(is_closed(client).await);
        tokio::time::resume();
        assert_eq!(server.received().concat(), b"");
    }
}

#[tokio::test]
async fn a_host_that_does_not_accept_is_given_up() {
    /// An address that takes no connections and refuses none.
    struct Silent(support::Access, std::sync::Once);
    impl tidegate_proxy::ports::Connector for Silent {
        fn connect(
            &self,
            _: SocketAddr,
        ) -> futures_util::future::BoxFuture<'_, Result<TcpStream, tidegate_proxy::ports::ConnectError>>
        {
            // Time passes by itself from here on; before, it would run ahead of the request.
            self.1.call_once(tokio::time::pause);
            Box::pin(std::future::pending())
        }
        fn connect_upstream(
            &self,
            address: SocketAddr,
        ) -> futures_util::future::BoxFuture<'_, Result<TcpStream, tidegate_proxy::ports::ConnectError>>
        {
            tidegate_proxy::ports::Connector::connect_upstream(&self.0, address)
        }
    }
    let internet = Arc::new(Internet::default());
    internet.name("example.com", &[&[PUBLIC, "2001:db8::1"]]);
    let access = support::Access(Arc::clone(&internet));
    let running = Setup::granting(&["network:example.com"])
        .start_with(&internet, Arc::new(access.clone()), Arc::new(Silent(access, std::sync::Once::new())))
        .await;

    let answer = running.exchange(REQUEST).await;

    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    let failure = Failure::ConnectTimedOut;
    assert_eq!(running.only_outcome().await, Outcome::Failed { failure });
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let running = Setup::granting(&["network:example.com"]).start().await;
    let long = "a".repeat(17 * 1024);
    let requests = [
        // Huge target, one huge header, many headers.
        format!("CONNECT {long}:443 HTTP/1.1\r\n\r\n"),
        format!("GET http://example.com/{long} HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        format!("{}X: {long}\r\n\r\n", REQUEST.trim_end()),
        format!("{}\r\n{}\r\n", REQUEST.trim_end(), "X: y\r\n".repeat(200)),
    ];
    for request in &requests {
        let answer = running.exchange(request).await;
        assert!(answer.starts_with("HTTP/1.1 4") || answer.is_empty(), "{answer}");
    }

    assert_eq!(running.internet.looked_up(), Vec::<String>::new());
    let record = running.only_record().await;
    assert_eq!(record.count, requests.len() as u64);
    assert_eq!(record.outcome, Outcome::Refused { refusal: Refusal::NotAProxyRequest });
}

#[tokio::test]
async fn a_head_of_sixteen_kibibytes_is_read() {
    let server = Server::answering(ANSWER).await;
    let running = Setup::granting(&["network:example.com"]).start().await;
    running.internet.host("example.com", 80, server.address);
    let cookie = "c".repeat(15 * 1024);

    let answer =
        running.exchange(format!("{}Cookie: {cookie}\r\n\r\n", REQUEST.trim_end().to_owned() + "\r\n")).await;

    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_tunnel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = Setup::granting(&["network:example.com:5432"]).start().await;
    running.internet.host("example.com", 5432, listener.local_addr().unwrap());

    let (client, _) = running.tunnel("example.com:5432").await;
    let (host, _) = listener.accept().await.unwrap();
    drop(client);

    assert!(is_closed(host).await);
}
