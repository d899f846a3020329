//! SOCKS 5 at the proxy's port: the same grants, the same checks.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod support;

use std::net::SocketAddr;

use proptest::prelude::*;
use support::{PUBLIC, Running, Setup};
use tidegate_proxy::record::{Outcome, Refusal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const GREETING: &[u8] = &[5, 1, 0];

fn to_name(name: &str, port: u16) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    [&[5, 1, 0, 3, length], name.as_bytes(), &port.to_be_bytes()].concat()
}

/// What the proxy replies to a request, and the connection.
async fn ask(running: &Running, request: &[u8]) -> (u8, TcpStream) {
    let mut client = running.client().await;
    client.write_all(&[GREETING, request].concat()).await.unwrap();
    let mut answer = [0; 12];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!((answer[..2].to_vec(), answer[2]), (vec![5, 0], 5));
    (answer[3], client)
}

#[tokio::test]
async fn a_granted_name_is_connected_to_and_carries_bytes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = Setup::granting(&["network:example.com:8022"]).start().await;
    running.internet.host("example.com", 8022, listener.local_addr().unwrap());

    let (reply, mut client) = ask(&running, &to_name("Example.com", 8022)).await;
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b"ping").await.unwrap();
    let mut ping = [0; 4];
    server.read_exact(&mut ping).await.unwrap();

    assert_eq!((reply, &ping), (0, b"ping"));
}

#[tokio::test]
async fn what_was_not_granted_is_neither_resolved_nor_connected_to() {
    let address = |kind: u8, bytes: &[u8]| [&[5, 1, 0, kind], bytes, &443u16.to_be_bytes()].concat();
    for (request, refusal) in [
        (to_name("other.example", 443), Refusal::HostNotGranted),
        (to_name("example.com", 22), Refusal::PortNotGranted),
        (to_name("localhost", 443), Refusal::LocalName),
        (to_name("127.0.0.1", 443), Refusal::Address),
        (to_name("a@example.com", 443), Refusal::UserInfo),
        (address(1, &[203, 0, 113, 7]), Refusal::Address),
        (address(4, &[0; 16]), Refusal::Address),
    ] {
        let running = Setup::granting(&["network:example.com"]).start().await;
        running.internet.name("example.com", &[&[PUBLIC]]);
        let (reply, mut client) = ask(&running, &request).await;
        let _ = client.shutdown().await;
        assert_eq!(reply, 2, "{refusal:?}");
        assert_eq!(running.internet.looked_up(), Vec::<String>::new());
        assert_eq!(running.internet.connected(), Vec::<SocketAddr>::new());
        assert_eq!(running.only_outcome().await, Outcome::Refused { refusal });
    }
}

#[tokio::test]
async fn a_tunnel_for_tls_is_compared_with_its_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = Setup::granting(&["network:example.com"]).start().await;
    running.internet.host("example.com", 443, listener.local_addr().unwrap());

    let (reply, mut client) = ask(&running, &to_name("example.com", 443)).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: other.example\r\n\r\n").await.unwrap();
    let _ = client.read_to_end(&mut Vec::new()).await;

    assert_eq!(reply, 0);
    assert_eq!(running.only_outcome().await, Outcome::Refused { refusal: Refusal::NotTls });
}

#[tokio::test]
async fn other_commands_and_methods_are_refused() {
    let running = Setup::granting(&["network:example.com"]).start().await;
    for command in [2, 3] {
        let mut request = to_name("example.com", 443);
        request[1] = command;
        assert_eq!(ask(&running, &request).await.0, 7);
    }
    let mut client = running.client().await;
    client.write_all(&[5, 1, 2]).await.unwrap();
    let mut answer = [0; 2];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [5, 0xff]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_connect_nowhere(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let running = Setup::granting(&["network:example.com"]).start().await;
            let mut client = running.client().await;
            client.write_all(&[&[5], &bytes[..]].concat()).await.unwrap();
            let _ = client.shutdown().await;
            let _ = client.read_to_end(&mut Vec::new()).await;
            assert_eq!(running.internet.connected(), Vec::<SocketAddr>::new());
        });
    }
}
