//! Building, starting and stopping a gateway: what its state has is put to work here.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidegate_agent::Runtime;
use tidegate_agent::model::ModelDirectory;
use tidegate_protocol::payload::events::{ChangedEvent, TickEvent};
use tidegate_protocol::{event, limits};
use tidegate_transport::ChannelClient;
use tidegate_transport::channel::channel;

use crate::attached::{AttachedConnections, ClientRuns};
use crate::connection::{Arrival, serve};
use crate::hub::Audience;
use crate::now;
use crate::runtime_events::Forwarder;
use crate::state::{Gateway, GatewayParts, Inner};

/// How long stopping waits for the last events to reach the connections.
const LAST_EVENTS: Duration = Duration::from_millis(300);

impl Gateway {
    /// Builds a gateway, which takes as many connections as this process has descriptors for: see
    /// [`tidegate_transport::descriptors::raise_limit`]. Nothing is served before [`Self::attach`].
    #[must_use]
    pub fn new(parts: GatewayParts) -> Self {
        let inner = Inner::new(parts);
        let attached = AttachedConnections { hub: inner.hub.clone(), stop: inner.stop.clone() };
        inner.trust.attach(Arc::new(attached));
        inner.into()
    }

    /// Gives the gateway its agent runtime and models, and begins to serve.
    pub fn attach(&self, runtime: Runtime, models: Arc<dyn ModelDirectory>) {
        // A second call finds the runtime set and changes nothing.
        let _ = self.inner().models.set(models);
        self.inner().trust.attach_runs(Arc::new(ClientRuns(runtime.clone())));
        let (forwarder, run_ends) = Forwarder::new(self.clone(), runtime.events());
        // Before the runtime: who finds that can wait for its events.
        let _ = self.inner().run_ends.set(run_ends);
        if self.inner().runtime.set(runtime).is_err() {
            return;
        }
        self.start_part("event forwarder", forwarder.forward());
        self.start_part("tick", tick(self.clone()));
        self.start_part("change notifications", tell_windows(self.clone()));
        self.inner().ready.store(true, Ordering::Release);
    }

    fn start_part(&self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let (gateway, part) = (self.clone(), tokio::spawn(part));
        self.inner().parts.spawn(async move {
            // A panic is an end, too; the first one counts.
            let _ = part.await;
            let _ = gateway.inner().part_ended.set(name);
        });
    }

    /// Opens a connection inside this process. What it may do is decided like for any other: only
    /// our own key gets in this way.
    #[must_use]
    pub fn open_in_process(&self) -> ChannelClient {
        let (server, client) = channel();
        let gateway = self.clone();
        let origin = self.inner().in_process.origin();
        self.inner().tasks.spawn(async move {
            let deadline = tokio::time::Instant::now() + limits::HANDSHAKE_TIMEOUT;
            serve(gateway, server, Arrival::in_process(origin, deadline)).await;
        });
        client
    }

    /// Stops: refuses new requests, tells everyone, closes connections, saves what was touched.
    pub async fn stop(&self, reason: &str) {
        self.inner().ready.store(false, Ordering::Release);
        self.inner().stop.cancel();
        // The ends of runs are sent before the connections close.
        self.inner().parts.close();
        // Events that take longer are in the transcripts, where clients read them again.
        let _ = tokio::time::timeout(LAST_EVENTS, self.inner().parts.wait()).await;
        // A waiting client hears that the gateway stops, and not only that the connection closes.
        self.inner().waiting.close();
        let _ = tokio::time::timeout(LAST_EVENTS, self.inner().waiting.wait()).await;
        self.inner().hub.shut_down(reason);
        self.inner().trust.save_unsaved().await;
        self.inner().trust.save_touched().await;
        self.inner().tasks.close();
    }

    /// Waits until a part has ended without which the gateway does not serve, by a panic or
    /// otherwise, and names it. Once [`Self::stop`] was called they end in order.
    pub async fn part_ended(&self) -> &'static str {
        self.inner().part_ended.wait().await
    }

    /// Waits until every connection and task has ended.
    pub async fn stopped(&self) {
        self.inner().tasks.wait().await;
        self.inner().parts.wait().await;
    }
}

/// Signs of life, and the end of what has expired.
async fn tick(gateway: Gateway) {
    let mut ticks = tokio::time::interval(limits::TICK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            () = gateway.inner().stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        gateway.inner().trust.tick();
        gateway.inner().hub.publish::<event::Tick>(&TickEvent { ts: now::wall() }, Audience::Everyone);
    }
}

/// Tells windows to look again. Many changes at once are sent once.
async fn tell_windows(gateway: Gateway) {
    const TOGETHER: Duration = Duration::from_millis(50);
    let inner = gateway.inner();
    let mut changes = inner.trust.changes();
    loop {
        tokio::select! {
            () = inner.stop.cancelled() => return,
            _ = changes.changed() => {}
        }
        inner.hub.publish::<event::TidegateChanged>(&ChangedEvent {}, Audience::Windows);
        tokio::time::sleep(TOGETHER).await;
    }
}
