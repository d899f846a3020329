//! When a program's token was last used is still known after a restart.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

mod support;

use support::{Tokens, ready};
use tidegate_host::supervise;
use tidegate_testkit::client::{ConnectOptions, GatewayClient};
use tidegate_trust::Level;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_token_was_last_used_survives_a_restart_and_is_written_only_when_it_was_used() {
    let place = tempfile::tempdir().unwrap();
    let state_dir = place.path().join("state");
    let tokens = Tokens::default();
    let supervised = supervise(tokens.options(&state_dir));
    let port = ready(&supervised, 1).await;
    let token =
        supervised.host().unwrap().desktop().unwrap().new_token("ci", Level::Read, false).await.unwrap();
    let mut client = GatewayClient::open(&format!("ws://127.0.0.1:{port}")).await.unwrap();
    let options = ConnectOptions::default().token(token.reveal()).scopes(&["operator.read"]);
    client.connect(&options).await.unwrap();

    supervised.stop().await;

    let supervised = supervise(tokens.options(&state_dir));
    ready(&supervised, 1).await;
    let host = supervised.host().unwrap();
    let stored = host.store().load_trust().await.unwrap().records.tokens.remove(0);
    assert!(stored.last_used_at.is_some_and(|used| used >= stored.created_at), "{stored:?}");
    let writes = host.store().stats().writes;
    host.gateway().save_touched().await;
    assert_eq!(host.store().stats().writes, writes, "nobody used it");
    supervised.stop().await;
}
