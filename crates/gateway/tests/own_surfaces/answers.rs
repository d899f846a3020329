//! What a connection does while one of its requests is answered.

use serde_json::{Value, json};
use tidegate_protocol::Method;
use tidegate_testkit::client::GatewayClient;
use tidegate_testkit::identity::DeviceIdentity;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::support::{PATIENCE, World};

/// A client whose presence others see: command lines are not shown.
async fn shown(world: &World, number: u64) -> GatewayClient {
    let client = world.let_in(number, &["operator.read"]).await;
    client.close().await.unwrap();
    let options = world.device(number, &["operator.read"]).client("openclaw-tui", "ui");
    world.connect(&options).await.unwrap()
}

/// A client whose request is not answered before the log has a permit.
async fn waiting_client(world: &World) -> (GatewayClient, String) {
    world.host.log.set(Semaphore::new(0)).unwrap();
    let mut client = shown(world, 1).await;
    let id = client.send_request("logs.tail", json!({})).await.unwrap();
    while !world.host.called.lock().unwrap().contains(&Method::LogsTail) {
        tokio::task::yield_now().await;
    }
    (client, id)
}

#[tokio::test]
async fn events_arrive_while_a_request_is_answered() {
    let world = World::with_desktop().await;
    let (mut client, id) = waiting_client(&world).await;
    let other = DeviceIdentity::numbered(2).device_id();

    let _other = shown(&world, 2).await;

    let tells_of_it = |frame: &Value| {
        let present = frame["payload"]["presence"].as_array();
        present.is_some_and(|all| all.iter().any(|entry| entry["deviceId"] == other.as_str()))
    };
    client.wait("presence of the other", tells_of_it).await.unwrap();
    world.host.log.get().unwrap().add_permits(1);
    client.answer(&id).await.unwrap_err();
}

#[tokio::test]
async fn requests_are_answered_in_their_order() {
    let world = World::with_desktop().await;
    let (mut client, first) = waiting_client(&world).await;
    let second = client.send_request("logs.tail", json!({})).await.unwrap();
    let third = client.send_request("health", json!({})).await.unwrap();

    world.host.log.get().unwrap().add_permits(2);

    client.answer(&third).await.unwrap();
    let kept = client.take_kept();
    let answered: Vec<_> = kept.iter().filter_map(|frame| frame["id"].as_str()).collect();
    assert_eq!(answered, [first, second]);
}

#[tokio::test]
async fn a_client_that_leaves_is_missed_before_its_answer() {
    let world = World::with_desktop().await;
    let mut other = shown(&world, 2).await;
    let (client, _) = waiting_client(&world).await;

    client.close().await.unwrap();

    let left = async {
        loop {
            let presence = other.event("presence").await.unwrap();
            let left = |entry: &Value| entry["reason"] == "disconnect";
            if presence["presence"].as_array().is_some_and(|all| all.iter().any(left)) {
                return;
            }
        }
    };
    timeout(PATIENCE, left).await.expect("it is seen to leave");
}
