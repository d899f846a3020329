//! A configuration file that would open Tidegate opens nothing until a person has confirmed exactly
//! what it says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::path::{Path, PathBuf};

use support::{Tokens, ready};
use tidegate_host::{Supervised, supervise};
use tidegate_testkit::client::{ClientError, GatewayClient};
use tidegate_trust::settings::{Setting, ShownSetting};

const UI: &str = "https://ui.example";
const OTHER: &str = "https://other.example";

fn write(state_dir: &Path, origins: &[&str]) {
    std::fs::create_dir_all(state_dir).unwrap();
    let text = format!("{{ gateway: {{ bind: 'lan', controlUi: {{ allowedOrigins: {origins:?} }} }} }}");
    std::fs::write(state_dir.join("openclaw.json"), text).unwrap();
}

/// A page of an origin opens a connection.
async fn page(port: u16, origin: &str) -> Result<GatewayClient, ClientError> {
    GatewayClient::open_with(&format!("ws://127.0.0.1:{port}"), &[("origin", origin)]).await
}

fn waiting(supervised: &Supervised) -> Vec<ShownSetting> {
    supervised.host().unwrap().desktop().unwrap().settings()
}

async fn confirm(supervised: &Supervised) {
    let digest = waiting(supervised)[0].proposed.digest();
    let desktop = supervised.host().unwrap().desktop().unwrap();
    desktop.confirm_setting(Setting::AllowedOrigins, &digest).await.unwrap();
}

async fn restarted(supervised: &Supervised, generation: u64) -> u16 {
    supervised.restart();
    ready(supervised, generation).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_counts_from_its_confirmation_on_over_restarts_until_the_file_says_something_else() {
    let place = tempfile::tempdir().unwrap();
    let state_dir: PathBuf = place.path().join("state");
    write(&state_dir, &[UI]);
    let tokens = Tokens::default();
    let supervised = supervise(tokens.options(&state_dir));
    let port = ready(&supervised, 1).await;
    assert!(page(port, UI).await.is_err(), "a file alone opens nothing");
    assert_eq!(waiting(&supervised).len(), 1);
    assert!(page(restarted(&supervised, 2).await, UI).await.is_err(), "nor does a restart");

    confirm(&supervised).await;

    let mut stranger = page(port, UI).await.expect("at once");
    assert!(tokens.request_pairing(&mut stranger, 1).await.is_err(), "it asks like anyone");
    page(restarted(&supervised, 3).await, UI).await.expect("after a restart too");

    // Some program writes the file, and waits for a restart.
    write(&state_dir, &[UI, OTHER]);
    let port = restarted(&supervised, 4).await;
    page(port, UI).await.expect("it was confirmed, and is still listed");
    assert!(page(port, OTHER).await.is_err(), "this one was not");
    assert_eq!(waiting(&supervised).len(), 1);
    supervised.stop().await;

    write(&state_dir, &[OTHER]);
    let supervised = supervise(tokens.options(&state_dir));
    let port = ready(&supervised, 1).await;
    assert!(page(port, UI).await.is_err(), "the file tightens by itself");
    assert!(page(port, OTHER).await.is_err());
    write(&state_dir, &[UI]);
    page(restarted(&supervised, 2).await, UI).await.expect("what was confirmed is stored");
    write(&state_dir, &["*"]);
    let port = restarted(&supervised, 3).await;
    for origin in [UI, OTHER, "*", "null"] {
        assert!(page(port, origin).await.is_err(), "{origin}");
    }
    assert!(waiting(&supervised).is_empty(), "every page is nothing that can be confirmed");
    supervised.stop().await;
}
