//! Clients that cannot be identified, or not in time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use serde_json::json;
use tidegate_protocol::refusal::PairingReason;
use tidegate_transport::lines::LineReceived;
use tidegate_trust::decision::{Choice, Desktop, GrantLifetime, Verdict};
use tidegate_trust::origin::{CommandsAlive, Peer};

use crate::support::{Peers, World};

const SCOPES: [&str; 2] = ["operator.admin", "operator.approvals"];

/// A world with a known device, in which from now on nobody can be identified.
async fn unidentified(commands: CommandsAlive) -> World {
    let world = World::with_desktop().await;
    drop(world.let_in(1, &SCOPES).await);
    *world.peers.found.lock().unwrap() = Some(Peer::Unknown { uid: None });
    *world.peers.commands.lock().unwrap() = commands;
    world.peers.look_ups.store(0, Ordering::Relaxed);
    world
}

#[tokio::test]
async fn a_known_device_is_looked_up_only_while_commands_may_be_alive() {
    for (commands, look_ups) in [(CommandsAlive::None, 0), (CommandsAlive::Contained, 1)] {
        let world = unidentified(commands).await;

        world.connect(&world.device(1, &SCOPES)).await.unwrap();

        assert_eq!(world.peers.look_ups.load(Ordering::Relaxed), look_ups, "{commands:?}");
    }
}

/// The test's own thread is the only async worker.
#[tokio::test]
async fn what_runs_is_read_once_in_a_handshake_off_the_async_workers() {
    let world = unidentified(CommandsAlive::Contained).await;
    world.peers.readers.lock().unwrap().clear();

    world.connect(&world.device(1, &SCOPES)).await.unwrap();

    let readers = world.peers.readers.lock().unwrap().clone();
    assert_eq!(readers.len(), 1);
    assert_ne!(readers[0], std::thread::current().id());
}

#[tokio::test]
async fn a_known_device_asks_while_a_command_could_be_behind_it() {
    let world = unidentified(CommandsAlive::Beyond).await;
    let request = world.request_pairing(&world.device(1, &SCOPES)).await;
    assert_eq!((request.details.reason, request.details.unidentified), (PairingReason::Unidentified, true));

    let verdict = Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Always };
    world.desktop().decide(&request.id, &request.details.digest(), &verdict).await.unwrap();

    world.connect(&world.device(1, &SCOPES)).await.unwrap();
    world.request_pairing(&world.device(1, &SCOPES)).await;
}

#[tokio::test]
async fn the_surfaces_are_reported_that_a_command_could_be_behind_a_request() {
    let world = unidentified(CommandsAlive::Beyond).await;
    let request = world.request_pairing(&world.device(1, &SCOPES)).await;
    *world.peers.found.lock().unwrap() = None;
    let mut window = world.window().await;

    let shown = window.call("tidegate.devices.show", json!({ "id": request.id })).await.unwrap();

    assert_eq!((&shown["unidentified"], &shown["reason"]), (&json!(true), &json!("unidentified")), "{shown}");
}

#[tokio::test]
async fn a_request_of_an_unidentified_program_counts_as_its_users() {
    let world = unidentified(CommandsAlive::Beyond).await;

    let request = world.request_pairing(&world.device(1, &SCOPES)).await;

    let own = format!("user {}", rustix::process::geteuid().as_raw());
    assert_eq!((request.details.user, request.details.source), (own.clone(), own));
}

#[tokio::test]
async fn a_connected_device_stays_when_a_command_starts() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &SCOPES).await;
    *world.peers.commands.lock().unwrap() = CommandsAlive::Beyond;
    client.request("health", json!({})).await.unwrap();
}

#[tokio::test]
async fn an_unidentified_program_gets_no_local_socket() {
    for desktop in [Desktop::Running, Desktop::Absent] {
        let world = World::start(desktop).await;
        *world.peers.found.lock().unwrap() = Some(Peer::Unknown { uid: None });

        assert_refused(&world).await;
    }
}

async fn assert_refused(world: &World) {
    let mut client = world.local_socket().await;
    match client.receive().await {
        LineReceived::Text(text) => {
            assert!(text.contains("tidegate.refused") && text.contains("could not be identified"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(client.receive().await, LineReceived::Closed(Some((1008, _)))));
}

/// As long as this lasts, no look-up ends.
pub(crate) struct Stuck {
    release: Sender<()>,
    holder: JoinHandle<()>,
}

impl Stuck {
    pub(crate) fn begin(peers: &Arc<Peers>) -> Self {
        let (release, released) = channel();
        let (begun, has_begun) = channel();
        let peers = peers.clone();
        let holder = std::thread::spawn(move || {
            let _stuck = peers.stuck.lock().unwrap();
            begun.send(()).unwrap();
            // Ends with the sender, at the latest.
            let _ = released.recv();
        });
        has_begun.recv().unwrap();
        Self { release, holder }
    }

    pub(crate) fn end(self) {
        drop(self.release);
        self.holder.join().unwrap();
    }
}

#[tokio::test]
async fn a_look_up_that_takes_too_long_identifies_nobody() {
    let world = World::start(Desktop::Absent).await;
    let stuck = Stuck::begin(&world.peers);

    assert_refused(&world).await;

    stuck.end();
    world.command_line().await;
}

#[tokio::test]
async fn look_ups_of_others_do_not_keep_the_command_line_waiting() {
    let world = World::start(Desktop::Absent).await;
    let peers = world.peers.clone();
    let stuck = Stuck::begin(&peers);
    let options = world.program(&["operator.read"]);
    let url = world.url().to_owned();
    let crowd: Vec<_> = (0..8)
        .map(|_| {
            let (url, options) = (url.clone(), options.clone());
            tokio::spawn(async move {
                let mut client = tidegate_testkit::client::GatewayClient::open(&url).await.unwrap();
                client.connect(&options).await.map(|_| ())
            })
        })
        .collect();
    while peers.look_ups.load(Ordering::Relaxed) < 4 {
        tokio::task::yield_now().await;
    }
    let before = peers.look_ups.load(Ordering::Relaxed);

    let mut client = world.local_socket().await;
    while peers.look_ups.load(Ordering::Relaxed) == before {
        tokio::task::yield_now().await;
    }

    stuck.end();
    assert!(matches!(client.receive().await, LineReceived::Text(text) if text.contains("tidegate.welcome")));
    crowd.into_iter().for_each(|client| client.abort());
}
