//! The local socket: framing, who may come, and what is found under its name.

#![cfg(unix)]
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tidegate_peers::LocalSocket;
use tidegate_protocol::limits::{MAX_PAYLOAD, MAX_UNFINISHED_BYTES};
use tidegate_protocol::{CloseCode, CloseFrame};
use tidegate_transport::lines::{LineReceived, LinesClient, LinesTransport};
use tidegate_transport::local_socket::{LocalListener, LocalSocketError, MAX_PATH_BYTES, connect, serve};
use tidegate_transport::receive_budget::ReceiveBudget;
use tidegate_transport::{Accepted, Connections, Received, Transport};
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Tells who connected, says back what it hears, and closes when asked to.
#[derive(Clone)]
struct Echo(ReceiveBudget);

impl Echo {
    fn new() -> Self {
        Self(ReceiveBudget::new(MAX_UNFINISHED_BYTES))
    }
}

impl Connections for Echo {
    fn is_ready(&self) -> bool {
        true
    }

    fn receive_budget(&self) -> ReceiveBudget {
        self.0.clone()
    }

    async fn serve<T: Transport>(&self, mut transport: T, accepted: Accepted) {
        let Some(LocalSocket::Unix(peer)) = accepted.socket else { panic!("not local") };
        let (pid, uid) = (peer.pid(), peer.uid());
        if transport.send(format!("{{\"pid\":{pid},\"uid\":{uid}}}").into()).await.is_err() {
            return;
        }
        loop {
            match transport.receive().await {
                Received::Text(text) if text == "close" => {
                    return transport.close(CloseFrame::new(CloseCode::Policy, "as asked")).await;
                }
                Received::Text(text) => {
                    if transport.send(text.into()).await.is_err() {
                        return;
                    }
                }
                Received::Refused(frame) => return transport.close(frame).await,
                Received::Closed => return,
            }
        }
    }
}

fn private_place() -> (TempDir, PathBuf) {
    let place = TempDir::new().expect("a directory");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o700)).expect("made private");
    let path = place.path().join("control.sock");
    (place, path)
}

#[tokio::test]
async fn a_client_of_this_user_is_known_by_its_process_and_heard() {
    let (_place, path) = private_place();
    let listener = LocalListener::bind(&path).await.expect("bound");
    let mode = fs::metadata(&path).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, Echo::new(), stop.clone()));
    let mut client = connect(&path).await.expect("connected");
    let who = format!("{{\"pid\":{},\"uid\":{}}}", std::process::id(), rustix::process::geteuid().as_raw());
    assert_eq!(client.receive().await, LineReceived::Text(who));
    client.send("{\"a\":1}").await.expect("sent");
    assert_eq!(client.receive().await, LineReceived::Text("{\"a\":1}".to_owned()));
    client.send("close").await.expect("sent");
    assert_eq!(client.receive().await, LineReceived::Closed(Some((1008, "as asked".to_owned()))));
    stop.cancel();
    serving.await.expect("no panic");
    assert!(!path.exists(), "the socket is removed");
}

#[tokio::test]
async fn stopping_ends_clients_that_were_not_let_in() {
    let (_place, path) = private_place();
    let listener = LocalListener::bind(&path).await.expect("bound");
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, Echo::new(), stop.clone()));
    let mut client = connect(&path).await.expect("connected");
    client.receive().await;
    stop.cancel();
    serving.await.expect("no panic");
    assert_eq!(client.receive().await, LineReceived::Closed(None));
}

#[tokio::test]
async fn a_directory_that_others_may_enter_is_refused_by_both_ends() {
    for mode in [0o755, 0o710, 0o701, 0o770] {
        let (place, path) = private_place();
        let _listener = LocalListener::bind(&path).await.expect("bound");
        fs::set_permissions(place.path(), fs::Permissions::from_mode(mode)).expect("opened up");
        let other = place.path().join("other.sock");
        let bound = LocalListener::bind(&other).await;
        assert!(
            matches!(bound, Err(LocalSocketError::NotPrivate { mode: told, .. }) if told == mode),
            "{bound:?}"
        );
        let connected = connect(&path).await;
        assert!(matches!(connected, Err(LocalSocketError::NotPrivate { .. })), "{connected:?}");
    }
}

#[tokio::test]
async fn a_socket_of_a_dead_process_is_replaced_and_a_living_one_is_not() {
    let (_place, path) = private_place();
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
    assert!(path.exists());
    assert!(matches!(connect(&path).await, Err(LocalSocketError::NotRunning { .. })));
    let _first = LocalListener::bind(&path).await.expect("the stale one is replaced");
    let second = LocalListener::bind(&path).await;
    assert!(matches!(second, Err(LocalSocketError::InUse { .. })), "{second:?}");
    connect(&path).await.expect("the first still listens");
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let (place, path) = private_place();
    fs::write(&path, "precious").expect("written");
    assert!(matches!(LocalListener::bind(&path).await, Err(LocalSocketError::NotASocket { .. })));
    assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");
    let link = place.path().join("link.sock");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    assert!(matches!(LocalListener::bind(&link).await, Err(LocalSocketError::NotASocket { .. })));
}

#[tokio::test]
async fn a_successors_socket_is_not_removed() {
    let (_place, path) = private_place();
    let first = LocalListener::bind(&path).await.expect("bound");
    fs::remove_file(&path).expect("removed");
    let _second = LocalListener::bind(&path).await.expect("bound");
    drop(first);
    connect(&path).await.expect("the second listens");
}

#[tokio::test]
async fn a_path_that_is_too_long_is_reported_with_what_to_do() {
    let (place, _) = private_place();
    let path = place.path().join("x".repeat(120));
    let length = path.as_os_str().len();
    for error in
        [LocalListener::bind(&path).await.expect_err("too long"), connect(&path).await.expect_err("too long")]
    {
        let sentence = error.to_string();
        assert!(
            sentence.contains(&format!("{length} bytes; the system allows {MAX_PATH_BYTES}")),
            "{sentence}"
        );
    }
}

#[tokio::test]
async fn nothing_running_is_reported_as_such() {
    let (_place, path) = private_place();
    let error = connect(&path).await.expect_err("nobody there");
    assert!(matches!(error, LocalSocketError::NotRunning { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn lines_are_bounded_while_they_are_read() {
    let (server, mut client) = tokio::io::duplex(1 << 20);
    let mut transport = LinesTransport::new(server);
    client.write_all(&vec![b'x'; 65_537]).await.expect("sent");
    match transport.receive().await {
        Received::Refused(frame) => {
            assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::TooBig, "preauth payload too large"))
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn unfinished_lines_share_a_budget_that_leaves_room_for_small_ones() {
    let budget = ReceiveBudget::new(300_000);
    let pair = || {
        let (server, client) = tokio::io::duplex(1 << 20);
        let mut transport = LinesTransport::new(server).with_budget(&budget);
        transport.set_limit(MAX_PAYLOAD);
        (transport, client)
    };
    let mut held = Vec::new();
    let refused = loop {
        let (mut transport, mut client) = pair();
        client.write_all(&[b'x'; 60_000]).await.expect("sent");
        match tokio::time::timeout(Duration::from_millis(1), transport.receive()).await {
            Ok(Received::Refused(frame)) => break frame,
            Ok(other) => panic!("not refused: {other:?}"),
            Err(_) => held.push((transport, client)),
        }
    };
    assert_eq!(refused.code, CloseCode::TryLater, "{}", refused.reason);
    assert!(held.len() >= 2 && budget.held() <= 300_000, "{} with {} bytes", held.len(), budget.held());

    let (mut transport, mut client) = pair();
    client.write_all(b"small\n").await.expect("sent");
    assert!(matches!(transport.receive().await, Received::Text(text) if text == "small"));
    let (mut first, mut client) = held.swap_remove(0);
    let before = budget.held();
    client.write_all(b"end\n").await.expect("sent");
    assert!(matches!(first.receive().await, Received::Text(text) if text.len() == 60_003));
    assert!(budget.held() + 60_000 <= before, "a whole line is not counted");
    drop(held);
    assert_eq!(budget.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_trickles_in_is_cut_off() {
    let (server, mut client) = tokio::io::duplex(1024);
    let mut transport = LinesTransport::new(server);
    let trickle = tokio::spawn(async move {
        while client.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let start = Instant::now();
    assert!(matches!(transport.receive().await, Received::Refused(_)));
    assert!(start.elapsed() < Duration::from_secs(11));
    drop(transport);
    trickle.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_receive_loses_nothing_and_a_silent_client_may_stay() {
    let (server, mut client) = tokio::io::duplex(1024);
    let mut transport = LinesTransport::new(server);
    assert!(tokio::time::timeout(Duration::from_secs(3600), transport.receive()).await.is_err());
    client.write_all(b"{\"half\":").await.expect("sent");
    assert!(tokio::time::timeout(Duration::from_secs(1), transport.receive()).await.is_err());
    client.write_all(b"1}\r\n").await.expect("sent");
    assert!(matches!(transport.receive().await, Received::Text(text) if text == "{\"half\":1}"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_given_up() {
    let (server, _client) = tokio::io::duplex(64);
    let mut transport = LinesTransport::new(server);
    let start = Instant::now();
    assert!(transport.send(Bytes::from(vec![b'x'; 1000])).await.is_err());
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_text_are_refused() {
    let (server, mut client) = tokio::io::duplex(1024);
    let mut transport = LinesTransport::new(server);
    client.write_all(b"\xff\xfe\n").await.expect("sent");
    assert!(matches!(transport.receive().await, Received::Refused(_)));
}

#[tokio::test(start_paused = true)]
async fn an_end_within_a_line_is_an_end() {
    let (server, client) = tokio::io::duplex(1024);
    let mut transport = LinesTransport::new(server);
    let mut client = LinesClient::new(client);
    client.send("whole").await.expect("sent");
    assert!(matches!(transport.receive().await, Received::Text(_)));
    drop(client);
    assert!(matches!(transport.receive().await, Received::Closed));
}
