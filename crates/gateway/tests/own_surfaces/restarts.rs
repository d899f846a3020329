//! While the gateway restarts, callers that need it hear that trying again helps.

use serde_json::json;
use tidegate_agent::subagent::{CallError, SubagentGateway as _};
use tidegate_gateway::{CurrentGateway, DeskError, SubagentClient};
use tidegate_testkit::client::ConnectOptions;
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_trust::Level;
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
async fn a_client_that_comes_when_the_gateway_stops_is_told_to_try_again() {
    let world = World::with_desktop().await;
    world.gateway.stop("restart").await;
    let options = ConnectOptions::default().device(&DeviceIdentity::numbered(1)).token(&world.token);

    let error = refused(world.connect(&options).await.map(|_| json!({})));

    assert_eq!((error["code"].as_str(), error["retryable"].as_bool()), (Some("UNAVAILABLE"), Some(true)));
}

#[tokio::test]
async fn a_gateway_that_stopped_decides_nothing_and_the_next_one_does() {
    let world = World::with_desktop().await;
    let desk = world.desk();
    assert!(desk.new_token("before", Level::Read, false).await.is_ok());

    world.gateway.stop("restart").await;

    let late = desk.new_token("late", Level::Read, false).await;
    assert_eq!(late.map(|_| ()), Err(DeskError::NotReady));
}
