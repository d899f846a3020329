//! Answers to wrong credentials wait, and hold nothing while they do.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_gateway::admission_slots::{AdmissionSlots, SlotRules, Source};
use tidegate_gateway::connection::{Arrival, serve};
use tidegate_gateway::transport::{ChannelClient, ClientReceived, channel};
use tidegate_testkit::client::ConnectOptions;
use tokio::time::{Instant, timeout};

use crate::support::{PATIENCE, World};

/// One place, which only a socket that is refused already gives up.
fn one_slot() -> AdmissionSlots {
    let hour = Duration::from_hours(1);
    AdmissionSlots::new(SlotRules {
        capacity: 1,
        reserved: 0,
        request_patience: hour,
        handshake_patience: hour,
    })
}

async fn send_connect(client: &mut ChannelClient, options: &ConnectOptions) {
    let ClientReceived::Text(challenge) = client.receive().await else { panic!("no challenge") };
    let challenge: Value = serde_json::from_slice(&challenge).unwrap();
    let params = options.params(challenge["payload"]["nonce"].as_str().unwrap());
    let request = json!({ "type": "req", "id": "1", "method": "connect", "params": params });
    client.send(request.to_string()).await.unwrap();
}

#[tokio::test]
async fn a_delayed_refusal_ends_unheard_when_its_place_is_taken() {
    let world = World::with_desktop().await;
    let address = IpAddr::from([192, 0, 2, 7]);
    let (slots, deadline) = (one_slot(), Instant::now() + PATIENCE);
    let slot = slots.take(Source::of(address), Instant::now()).unwrap();
    let (transport, mut client) = channel();
    let arrival = Arrival::remote(address, None, deadline, slot);
    let served = tokio::spawn(serve(world.gateway.clone(), transport, arrival));

    send_connect(&mut client, &world.device(1, &["operator.read"]).token("wrong")).await;
    let taken = async {
        loop {
            match slots.take(Source::of(address), Instant::now()) {
                Ok(slot) => break slot,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let _taken = timeout(PATIENCE, taken).await.expect("a refused socket gives way");

    assert_eq!(client.receive().await, ClientReceived::Closed(None));
    served.await.unwrap();
}
