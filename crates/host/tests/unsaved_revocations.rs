//! A revoked device does not come back by a restart of the gateway when its revocation could not be
//! written: a person took it away, and the answer said that it holds until Tidegate restarts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use support::{Tokens, ready};
use tidegate_host::{Supervised, supervise};
use tidegate_testkit::client::GatewayClient;
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_trust::decision::{Choice, GrantLifetime, Verdict};
use tokio::signal::unix::{SignalKind, signal};

/// No file grows any further, as on a full disk.
fn fill_the_disk(state_dir: &Path) {
    let log = std::fs::metadata(state_dir.join("tidegate.sqlite-wal")).unwrap().len();
    setrlimit(Resource::Fsize, Rlimit { current: Some(log), ..getrlimit(Resource::Fsize) }).unwrap();
}

fn free_the_disk() {
    let limit = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

async fn let_in(supervised: &Supervised, tokens: &Tokens, port: u16, number: u64) -> GatewayClient {
    assert!(tokens.connect(port, number).await.is_err(), "a stranger asks");
    let desktop = supervised.host().unwrap().desktop().unwrap();
    let request = desktop.requests().pop().unwrap();
    let verdict = Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Always };
    desktop.decide(&request.id, &request.details.digest(), &verdict).await.unwrap();
    tokens.connect(port, number).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_device_stays_out_over_restarts_though_the_disk_was_full() {
    // Without this, writing beyond the limit would end the process.
    let _ignored = signal(SignalKind::from_raw(25)).unwrap();
    let place = tempfile::tempdir().unwrap();
    let state_dir = place.path().join("state");
    let tokens = Tokens::default();
    let supervised = supervise(tokens.options(&state_dir));
    let port = ready(&supervised, 1).await;
    let mut person = let_in(&supervised, &tokens, port, 1).await;
    let mut revoked = let_in(&supervised, &tokens, port, 2).await;
    fill_the_disk(&state_dir);

    let id = DeviceIdentity::numbered(2).device_id();
    let answer = person.request("device.pair.remove", json!({ "deviceId": id })).await.unwrap();

    let note = answer["note"].as_str().unwrap_or_default();
    assert!(note.contains("until restart"), "{answer}");
    revoked.closed().await.expect("its connection is closed");
    // As a part that failed would: nothing can be written in between.
    supervised.host().unwrap().gateway().stop("test").await;
    let port = ready(&supervised, 2).await;
    assert!(tokens.connect(port, 2).await.is_err(), "not by a restart by itself");
    free_the_disk();
    supervised.restart();
    let port = ready(&supervised, 3).await;
    tokens.connect(port, 1).await.expect("who was not revoked is let in");
    assert!(tokens.connect(port, 2).await.is_err(), "not by a restart that a person asked for");
    supervised.stop().await;

    let supervised = supervise(tokens.options(&state_dir));
    let port = ready(&supervised, 1).await;
    tokens.connect(port, 1).await.expect("who was not revoked is let in");
    assert!(tokens.connect(port, 2).await.is_err(), "and it was saved in the end");
    supervised.stop().await;
}
