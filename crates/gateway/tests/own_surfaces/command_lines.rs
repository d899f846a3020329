//! How much programs on the local socket may take up.

use std::time::Duration;

use serde_json::json;
use tidegate_protocol::limits;
use tidegate_testkit::raw_socket::{RawSocket, TEXT_START, frame};
use tidegate_transport::Connections as _;
use tidegate_transport::lines::LineReceived;
use tidegate_trust::decision::Desktop;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::peers::Stuck;
use crate::support::{PATIENCE, World};

#[tokio::test]
async fn command_lines_have_as_many_places_as_are_kept_for_them() {
    let world = World::with_desktop().await;
    let mut open = Vec::new();
    for _ in 0..limits::MAX_COMMAND_LINES {
        open.push(world.command_line().await);
    }

    let mut refused = world.local_socket().await;

    match refused.receive().await {
        LineReceived::Text(text) => {
            let why = format!("this client has {} connections already", limits::MAX_COMMAND_LINES);
            assert!(text.contains("tidegate.refused") && text.contains(&why), "{text}");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(refused.receive().await, LineReceived::Closed(Some((1013, _)))));
    assert!(world.let_in(1, &["operator.read"]).await.request("health", json!({})).await.is_ok());
    assert!(open[0].call("health", json!({})).await.is_ok());

    open.pop();
    let greeted = async {
        loop {
            match world.local_socket().await.receive().await {
                LineReceived::Text(text) if text.contains("tidegate.welcome") => break,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    timeout(PATIENCE, greeted).await.expect("the place is given back");
}

#[tokio::test]
async fn a_flood_of_programs_nobody_looked_up_yet_is_closed() {
    let world = World::start(Desktop::Absent).await;
    let stuck = Stuck::begin(&world.peers);
    let mut first = world.local_socket().await;
    let flood = async {
        loop {
            drop(world.local_socket().await);
            tokio::task::yield_now().await;
        }
    };

    let received = tokio::select! {
        received = first.receive() => received,
        () = flood => unreachable!("it goes on"),
    };

    // Unheard: for an answer it would have to be looked up.
    assert_eq!(received, LineReceived::Closed(None));
    stuck.end();
}

#[tokio::test]
async fn unfinished_messages_of_all_listeners_share_one_budget() {
    let world = World::with_desktop().await;
    let budget = world.gateway.receive_budget();
    let piece = vec![b'x'; 60_000];
    let mut line = world.local_stream().await;
    while line.read_u8().await.unwrap() != b'\n' {}
    let address = world.url().trim_start_matches("ws://").parse().unwrap();
    let mut socket = RawSocket::upgraded(address).await.unwrap();

    line.write_all(&piece).await.unwrap();
    socket.send(&frame(TEXT_START, &piece)).await.unwrap();

    until("both are counted", || budget.held() >= 2 * piece.len()).await;
    drop(line);
    until("the line is given back", || budget.held() < 2 * piece.len()).await;
    drop(socket);
    until("all is given back", || budget.held() == 0).await;
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect(what);
}
