//! While the gateway restarts, callers that need it hear that trying again helps.

use std::sync::atomic::Ordering;

use serde_json::json;
use tidegate_agent::subagent::{CallError, SubagentGateway as _};
use tidegate_gateway::{CurrentGateway, DesktopError, SubagentClient};
use tidegate_testkit::client::ConnectOptions;
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_trust::Level;
use tidegate_trust::decision::{Choice, GrantLifetime, Verdict};
use zeroize::Zeroizing;

use crate::clients::refused;
use crate::support::World;

#[tokio::test]
async fn the_own_client_hears_that_no_gateway_serves_until_one_does() {
    let world = World::with_desktop().await;
    let current = CurrentGateway::default();
    let client = SubagentClient::new(current.clone(), &Zeroizing::new([9; 32]), "1.2.3");

    let early = client.call("sessions.list", json!({})).await;
    current.set(Some(world.gateway.clone()));
    let served = client.call("sessions.list", json!({})).await;
    current.set(None);
    let late = client.call("sessions.list", json!({})).await;

    assert!(matches!(early, Err(CallError::Unavailable(_))), "{early:?}");
    assert!(served.is_ok(), "{served:?}");
    assert!(matches!(late, Err(CallError::Unavailable(_))), "{late:?}");
}

#[tokio::test]
async fn a_client_that_comes_when_the_gateway_stops_is_reported_to_try_again() {
    let world = World::with_desktop().await;
    world.gateway.stop("restart").await;
    let options = ConnectOptions::default().device(&DeviceIdentity::numbered(1)).token(&world.token);

    let error = refused(world.connect(&options).await.map(|_| json!({})));

    assert_eq!((error["code"].as_str(), error["retryable"].as_bool()), (Some("UNAVAILABLE"), Some(true)));
}

#[tokio::test]
async fn a_gateway_that_stopped_decides_nothing_and_the_next_one_does() {
    let world = World::with_desktop().await;
    let desktop = world.desktop();
    assert!(desktop.new_token("before", Level::Read, false).await.is_ok());

    world.gateway.stop("restart").await;

    let late = desktop.new_token("late", Level::Read, false).await;
    assert_eq!(late.map(|_| ()), Err(DesktopError::NotReady));
}

/// A program that was approved for one time comes while the gateway stops. Who it is was not known yet.
#[tokio::test]
async fn a_gateway_that_stopped_uses_up_no_approval() {
    let world = World::with_desktop().await;
    let options = world.program(&["operator.read"]);
    let request = world.request_pairing(&options).await;
    let once = Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Once };
    world.desktop().decide(&request.id, &request.details.digest(), &once).await.unwrap();
    let looked_up = world.peers.look_ups.load(Ordering::Relaxed);
    let stuck = world.peers.stuck.lock().unwrap();

    let coming = async { refused(world.connect(&options).await.map(|_| json!({}))) };
    let stopping = async {
        while world.peers.look_ups.load(Ordering::Relaxed) == looked_up {
            tokio::task::yield_now().await;
        }
        world.gateway.stop("restart").await;
        drop(stuck);
    };
    let (error, ()) = tokio::join!(coming, stopping);

    assert_eq!((error["code"].as_str(), error["retryable"].as_bool()), (Some("UNAVAILABLE"), Some(true)));
    assert_eq!(world.gateway.status().programs, 1, "the approval is still there");
}
