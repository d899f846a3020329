//! The gateway: what connections share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tidegate_access::TrustService;
use tidegate_agent::model::ModelDirectory;
use tidegate_agent::{Runtime, WaitOutcome};
use tidegate_peers::{LocalSocket, PeerLookup, PeerResolver};
use tidegate_protocol::payload::events::{ChangedEvent, TickEvent};
use tidegate_protocol::payload::surfaces::{DesktopStatus, GatewayStatus, OwnClient};
use tidegate_protocol::{ErrorShape, RunId, event, limits};
use tidegate_store::Store;
use tidegate_transport::channel::channel;
use tidegate_transport::receive_budget::ReceiveBudget;
use tidegate_transport::{ChannelClient, descriptors};
use tidegate_trust::origin::{CommandsAlive, InProcessKey, Origin, Peer};
use tidegate_trust::settings::{Setting, ShownSetting};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attached::{AttachedConnections, ClientRuns};
use crate::connection_places::{ConnectionCaps, ConnectionPlaces};
use crate::dialog_requests::DialogRequests;
use crate::host::Host;
use crate::hub::{Audience, Hub};
use crate::methods::store_error;
use crate::now;
use crate::runtime_events::{Forwarder, RunEnds};

/// What the gateway is made of.
pub struct GatewayParts {
    /// Who may do what, and what waits. It outlives the gateway.
    pub trust: TrustService,
    /// The one right to open connections in-process.
    pub in_process: Arc<InProcessKey>,
    /// Sessions, transcripts and runs.
    pub store: Store,
    /// Looks local peers up.
    pub peers: Arc<dyn PeerLookup>,
    /// Serves what the gateway does not know.
    pub host: Arc<dyn Host>,
    /// Tidegate's version.
    pub version: &'static str,
    /// Names this start of the process.
    pub boot: String,
    /// Where the state is; shown to sessions with `operator.admin` only.
    pub state_dir: PathBuf,
    /// Where the configuration is; likewise.
    pub config_path: PathBuf,
}

/// How long stopping waits for the last events to reach the connections.
const LAST_EVENTS: Duration = Duration::from_millis(300);

/// The gateway. A cheap handle; clones share one gateway.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) trust: TrustService,
    pub(crate) store: Store,
    pub(crate) hub: Arc<Hub>,
    pub(crate) peers: PeerResolver,
    pub(crate) places: ConnectionPlaces,
    pub(crate) receive_budget: ReceiveBudget,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) runtime: OnceLock<Runtime>,
    run_ends: OnceLock<RunEnds>,
    pub(crate) models: OnceLock<Arc<dyn ModelDirectory>>,
    pub(crate) version: &'static str,
    pub(crate) boot: String,
    pub(crate) state_dir: PathBuf,
    pub(crate) config_path: PathBuf,
    pub(crate) started: Instant,
    pub(crate) health: crate::methods::system::HealthCache,
    pub(crate) ready: AtomicBool,
    /// What the shell of a desktop says of its surfaces.
    pub(crate) surfaces: Mutex<Option<DesktopStatus>>,
    /// Dialogs that are requested.
    pub(crate) dialog_requests: DialogRequests,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Requests that wait for something.
    pub(crate) waiting: TaskTracker,
    forwarder: Mutex<Option<JoinHandle<()>>>,
    forwarder_ended: CancellationToken,
    tick_ended: CancellationToken,
    in_process: Arc<InProcessKey>,
}

impl Gateway {
    /// Builds a gateway, which takes as many connections as this process has descriptors for: see
    /// [`descriptors::raise_limit`]. Nothing is served before [`Self::attach`].
    #[must_use]
    pub fn new(parts: GatewayParts) -> Self {
        let (hub, stop) = (Arc::new(Hub::new(parts.version)), CancellationToken::new());
        let dialog_requests = DialogRequests::new(parts.trust.desktop());
        parts.trust.attach(Arc::new(AttachedConnections { hub: hub.clone(), stop: stop.clone() }));
        Self(Arc::new(Inner {
            trust: parts.trust,
            store: parts.store,
            hub,
            peers: PeerResolver::new(parts.peers),
            places: ConnectionPlaces::new(ConnectionCaps::within(descriptors::limit())),
            receive_budget: ReceiveBudget::new(limits::MAX_UNFINISHED_BYTES),
            host: parts.host,
            runtime: OnceLock::new(),
            run_ends: OnceLock::new(),
            models: OnceLock::new(),
            version: parts.version,
            boot: parts.boot,
            state_dir: parts.state_dir,
            config_path: parts.config_path,
            started: Instant::now(),
            health: crate::methods::system::HealthCache::default(),
            ready: AtomicBool::new(false),
            surfaces: Mutex::default(),
            dialog_requests,
            stop,
            tasks: TaskTracker::new(),
            waiting: TaskTracker::new(),
            forwarder: Mutex::new(None),
            forwarder_ended: CancellationToken::new(),
            tick_ended: CancellationToken::new(),
            in_process: parts.in_process,
        }))
    }

    /// Gives the gateway its agent runtime and models, and begins to serve.
    pub fn attach(&self, runtime: Runtime, models: Arc<dyn ModelDirectory>) {
        // A second call finds the runtime set and changes nothing.
        let _ = self.0.models.set(models);
        self.0.trust.attach_runs(Arc::new(ClientRuns(runtime.clone())));
        let (forwarder, run_ends) = Forwarder::new(self.clone(), runtime.events());
        // Before the runtime: who finds that can wait for its events.
        let _ = self.0.run_ends.set(run_ends);
        if self.0.runtime.set(runtime).is_err() {
            return;
        }
        let forwarder = ending(self.0.forwarder_ended.clone(), forwarder.forward());
        let forwarder = self.0.tasks.spawn(forwarder);
        *self.0.forwarder.lock().unwrap_or_else(PoisonError::into_inner) = Some(forwarder);
        self.0.tasks.spawn(ending(self.0.tick_ended.clone(), tick(self.clone())));
        self.0.tasks.spawn(ending(self.0.forwarder_ended.clone(), tell_windows(self.clone())));
        self.0.ready.store(true, Ordering::Release);
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The runtime, once there is one.
    pub(crate) fn runtime(&self) -> Result<&Runtime, ErrorShape> {
        self.0.runtime.get().ok_or_else(|| ErrorShape::unavailable("the gateway is starting"))
    }

    /// Waits until a run has ended, at most for `timeout`, and until every connection that gets its last
    /// events has them in its outbox: an answer comes after them.
    pub(crate) async fn wait_for_run(
        &self,
        run: RunId,
        timeout: Duration,
    ) -> Result<WaitOutcome, ErrorShape> {
        let ended = async {
            let outcome =
                self.runtime()?.wait(run.clone(), timeout).await.map_err(|error| store_error(&error))?;
            if let (WaitOutcome::Ended(_), Some(run_ends)) = (&outcome, self.0.run_ends.get()) {
                run_ends.sent(run).await;
            }
            Ok(outcome)
        };
        tokio::select! {
            () = self.0.stop.cancelled() => Err(ErrorShape::unavailable("the gateway is stopping")),
            ended = ended => ended,
        }
    }

    /// Whether requests are served.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Acquire) && !self.0.stop.is_cancelled()
    }

    /// Which commands of agents may be alive, processes that outlived theirs among them. Reads the list
    /// of our own children.
    #[must_use]
    pub fn commands_alive(&self) -> CommandsAlive {
        self.0.peers.commands_blocking()
    }

    /// Opens a connection inside this process. What it may do is decided like for any other: only
    /// our own key gets in this way.
    #[must_use]
    pub fn open_in_process(&self) -> ChannelClient {
        let (server, client) = channel();
        let gateway = self.clone();
        let origin = self.0.in_process.origin();
        self.0.tasks.spawn(async move {
            let deadline = tokio::time::Instant::now() + limits::HANDSHAKE_TIMEOUT;
            crate::connection::serve(
                gateway,
                server,
                crate::connection::Arrival::in_process(origin, deadline),
            )
            .await;
        });
        client
    }

    /// Stops: refuses new requests, tells everyone, closes connections, saves what was touched.
    pub async fn stop(&self, reason: &str) {
        self.0.ready.store(false, Ordering::Release);
        self.0.stop.cancel();
        // The ends of runs are sent before the connections close.
        let forwarder = self.0.forwarder.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(forwarder) = forwarder {
            // Events that take longer are in the transcripts, where clients read them again.
            let _ = tokio::time::timeout(LAST_EVENTS, forwarder).await;
        }
        // A waiting client hears that the gateway stops, and not only that the connection closes.
        self.0.waiting.close();
        let _ = tokio::time::timeout(LAST_EVENTS, self.0.waiting.wait()).await;
        self.0.hub.shut_down(reason);
        self.0.trust.save_unsaved().await;
        self.0.trust.save_touched().await;
        self.0.tasks.close();
    }

    /// Waits until a part has ended without which the gateway does not serve, by a panic or
    /// otherwise, and names it. Once [`Self::stop`] was called they end in order.
    pub async fn part_ended(&self) -> &'static str {
        tokio::select! {
            () = self.0.forwarder_ended.cancelled() => "event forwarder",
            () = self.0.tick_ended.cancelled() => "tick",
        }
    }

    /// Saves when devices were last seen. Writes nothing when nothing changed.
    pub async fn save_touched(&self) {
        self.0.trust.save_touched().await;
    }

    /// Waits until every connection and task has ended.
    pub async fn stopped(&self) {
        self.0.tasks.wait().await;
    }

    /// What the shell of a desktop said of its surfaces.
    pub(crate) fn surfaces(&self) -> Option<DesktopStatus> {
        self.0.surfaces.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Which models there are, or which is the default, has changed: windows read it again.
    pub fn models_changed(&self) {
        self.0.trust.changed();
    }

    /// What the configuration file proposes, and what became of it.
    #[must_use]
    pub fn settings(&self) -> Vec<ShownSetting> {
        self.0.trust.authority().settings()
    }

    /// What counts of a setting that has one value.
    #[must_use]
    pub fn confirmed_value(&self, setting: Setting) -> Option<String> {
        self.0.trust.authority().confirmed_value(setting)
    }

    /// Numbers for the person.
    #[must_use]
    pub fn status(&self) -> GatewayStatus {
        let waiting_commands = count(self.0.trust.approvals().waiting().len());
        let authority = self.0.trust.authority();
        let own_client = authority.own_client();
        GatewayStatus {
            ready: self.is_ready(),
            connections: count(self.0.hub.len()),
            devices: count(authority.devices().count()),
            programs: count(authority.programs().count()),
            tokens: count(authority.tokens().len()),
            blocked: count(authority.blocks().len()),
            waiting_requests: count(authority.waiting().len()),
            waiting_commands,
            waiting_settings: count(authority.waiting_settings().len()),
            own_client: own_client
                .map(|(key, seen)| OwnClient { device_id: key.device_id(), admitted_at_ms: seen }),
        }
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gateway").field("ready", &self.is_ready()).finish_non_exhaustive()
    }
}

fn count(entries: usize) -> u64 {
    u64::try_from(entries).unwrap_or(u64::MAX)
}

/// Cancels `ended` when `part` ends, however it does.
async fn ending(ended: CancellationToken, part: impl Future<Output = ()>) {
    let _ended = ended.drop_guard();
    part.await;
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

/// Where a connection of the local socket or of loopback comes from, before anybody looked.
pub(crate) fn unknown_local(socket: &LocalSocket) -> Origin {
    match socket {
        LocalSocket::Tcp { .. } => Origin::Loopback(Peer::NotLookedUp),
        LocalSocket::Unix(_) => Origin::LocalSocket(Peer::NotLookedUp),
    }
}
