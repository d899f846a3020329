//! A connection that loses its place in the handshake ends, whatever it waits for.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_gateway::connection::{Arrival, serve};
use tidegate_peers::LocalSocket;
use tidegate_testkit::client::ConnectOptions;
use tidegate_transport::admission_slots::{AdmissionSlots, SlotRules, Source, UnauthenticatedSlot};
use tidegate_transport::channel::channel;
use tidegate_transport::{Accepted, ChannelClient, ClientReceived};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::peers::Stuck;
use crate::support::{PATIENCE, World};

/// The only place for a connection, and who has it.
struct Place {
    slots: AdmissionSlots,
    client: ChannelClient,
    served: JoinHandle<()>,
}

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

fn arrival(socket: Option<LocalSocket>, deadline: Instant, slot: UnauthenticatedSlot) -> Arrival {
    Accepted { socket, remote: (ADDRESS, 1).into(), user_agent: None, deadline, slot }.into()
}

impl Place {
    /// With a connection that gives way after this time, and at once when it is refused.
    fn taken(world: &World, patience: Duration, arrive: impl FnOnce(UnauthenticatedSlot) -> Arrival) -> Self {
        let slots = AdmissionSlots::new(SlotRules {
            capacity: 1,
            reserved: 0,
            request_patience: patience,
            handshake_patience: patience,
        });
        let (slot, eviction) = slots.take(Source::of(ADDRESS), Instant::now()).unwrap();
        let (transport, client) = channel();
        let connection = Box::pin(serve(world.gateway.clone(), transport, arrive(slot)));
        // As the listener serves it.
        let served = tokio::spawn(async {
            tokio::select! {
                biased;
                () = connection => {}
                () = eviction.evicted() => {}
            }
        });
        Self { slots, client, served }
    }

    async fn send_connect(&mut self, options: &ConnectOptions) {
        let ClientReceived::Text(challenge) = self.client.receive().await else { panic!("no challenge") };
        let challenge: Value = serde_json::from_slice(&challenge).unwrap();
        let params = options.params(challenge["payload"]["nonce"].as_str().unwrap());
        let request = json!({ "type": "req", "id": "1", "method": "connect", "params": params });
        self.client.send(request.to_string()).await.unwrap();
    }

    /// Gives the place to another connection; the first one must end without an answer.
    async fn assert_given_up(mut self) {
        let taken = async {
            loop {
                match self.slots.take(Source::of(ADDRESS), Instant::now()) {
                    Ok(slot) => break slot,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        let _taken = timeout(PATIENCE, taken).await.expect("the first one gives way");

        assert_eq!(self.client.receive().await, ClientReceived::Closed(None));
        self.served.await.unwrap();
    }
}

#[tokio::test]
async fn a_delayed_refusal_ends_unheard_when_its_place_is_taken() {
    let world = World::with_desktop().await;
    let deadline = Instant::now() + PATIENCE;
    let arrive = |slot| arrival(None, deadline, slot);
    let mut place = Place::taken(&world, Duration::from_hours(1), arrive);

    place.send_connect(&world.device(1, &["operator.read"]).token("wrong")).await;

    place.assert_given_up().await;
}

#[tokio::test]
async fn a_connection_that_is_looked_up_ends_when_its_place_is_taken() {
    let world = World::with_desktop().await;
    let stuck = Stuck::begin(&world.peers);
    let socket = LocalSocket::Tcp { peer: (ADDRESS, 1).into(), local: (ADDRESS, 2).into() };
    let deadline = Instant::now() + PATIENCE;
    let arrive = |slot| arrival(Some(socket), deadline, slot);
    let mut place = Place::taken(&world, Duration::ZERO, arrive);

    place.send_connect(&world.device(1, &["operator.read"])).await;
    while world.peers.look_ups.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }

    place.assert_given_up().await;
    assert!(world.desktop().requests().is_empty(), "nobody is asked about it");
    stuck.end();
}
