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

/// A client's next message is received while its request is answered, and would be worked on right after it.
#[tokio::test]
async fn who_gave_up_their_access_does_nothing_more() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.read", "operator.pairing"]).await;
    let itself = json!({ "deviceId": DeviceIdentity::numbered(1).device_id() });

    let removal = client.send_request("device.pair.remove", itself).await.unwrap();
    client.send_request("logs.tail", json!({})).await.unwrap();

    client.answer(&removal).await.unwrap();
    assert_eq!(client.closed().await.unwrap().code, Some(4001));
    assert!(!world.host.called.lock().unwrap().contains(&Method::LogsTail), "it was not let in any more");
}

/// The question is put beside the connection, whose end withdraws what was asked on it.
#[tokio::test]
async fn who_asks_and_leaves_at_once_leaves_no_question() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.approvals"]).await;

    client.send_request("exec.approval.request", json!({ "command": "make all" })).await.unwrap();
    client.close().await.unwrap();

    let mut other = world.let_in(2, &["operator.approvals"]).await;
    assert_eq!(other.request("exec.approval.list", json!({})).await.unwrap(), json!([]));
}

/// A window that froze takes no more events; what it asked for before that is done all the same.
#[tokio::test]
async fn a_request_is_worked_on_while_its_client_reads_nothing() {
    let world = World::with_desktop().await;
    let log = world.host.log.get_or_init(|| Semaphore::new(0));
    let window = world.desktop().open_window();
    let request = json!({ "type": "req", "id": "1", "method": "logs.tail", "params": {} });
    window.send(request.to_string()).await.unwrap();
    // Each is two events, which are more than the channel holds and fewer than what closes a slow reader.
    for _ in 0..150 {
        world.ask_for_a_run().await.abort();
        while !world.desktop().commands().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    log.add_permits(1);

    let done = async {
        while log.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, done).await.expect("it is done");
    drop(window);
}
