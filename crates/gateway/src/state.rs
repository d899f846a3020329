//! What connections, methods and events of a gateway share. It starts none of them: that is done where the
//! gateway is composed ([`crate::gateway`]).

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use tidegate_access::TrustService;
use tidegate_agent::Runtime;
use tidegate_agent::model::ModelDirectory;
use tidegate_peers::{PeerLookup, PeerResolver};
use tidegate_protocol::payload::surfaces::{DesktopStatus, GatewayStatus, OwnClient};
use tidegate_protocol::{ErrorShape, limits};
use tidegate_store::Store;
use tidegate_transport::descriptors;
use tidegate_transport::receive_budget::ReceiveBudget;
use tidegate_trust::origin::{CommandsAlive, InProcessKey};
use tidegate_trust::settings::{Setting, ShownSetting};
use tokio::sync::SetOnce;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection_places::{ConnectionCaps, ConnectionPlaces};
use crate::dialog_requests::DialogRequests;
use crate::health_cache::HealthCache;
use crate::host::Host;
use crate::hub::Hub;
use crate::run_ends::RunEnds;

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
    pub version: &'static str,
    /// Names this start of the process.
    pub boot: String,
    /// Where the state is; shown to sessions with `operator.admin` only.
    pub state_dir: PathBuf,
    /// Where the configuration is; likewise.
    pub config_path: PathBuf,
}

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
    pub(crate) run_ends: OnceLock<RunEnds>,
    pub(crate) models: OnceLock<Arc<dyn ModelDirectory>>,
    pub(crate) version: &'static str,
    pub(crate) boot: String,
    pub(crate) state_dir: PathBuf,
    pub(crate) config_path: PathBuf,
    pub(crate) started: Instant,
    pub(crate) health: HealthCache,
    pub(crate) ready: AtomicBool,
    /// What the shell of a desktop says of its surfaces.
    pub(crate) surfaces: Mutex<Option<DesktopStatus>>,
    /// Dialogs that are requested.
    pub(crate) dialog_requests: DialogRequests,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Requests that wait for something.
    pub(crate) waiting: TaskTracker,
    /// What the gateway does not serve without.
    pub(crate) parts: TaskTracker,
    /// The part that ended first, by a panic or otherwise.
    pub(crate) part_ended: SetOnce<&'static str>,
    pub(crate) in_process: Arc<InProcessKey>,
}

impl Inner {
    /// The state of a gateway that serves nothing yet.
    pub(crate) fn new(parts: GatewayParts) -> Self {
        Self {
            hub: Arc::new(Hub::new(parts.version)),
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
            health: HealthCache::default(),
            ready: AtomicBool::new(false),
            surfaces: Mutex::default(),
            dialog_requests: DialogRequests::new(parts.trust.desktop()),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            waiting: TaskTracker::new(),
            parts: TaskTracker::new(),
            part_ended: SetOnce::new(),
            in_process: parts.in_process,
            store: parts.store,
            trust: parts.trust,
        }
    }
}

impl From<Inner> for Gateway {
    fn from(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }
}

impl Gateway {
    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The runtime, once there is one.
    pub(crate) fn runtime(&self) -> Result<&Runtime, ErrorShape> {
        self.0.runtime.get().ok_or_else(|| ErrorShape::unavailable("the gateway is starting"))
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

    /// Saves when devices were last seen. Writes nothing when nothing changed.
    pub async fn save_touched(&self) {
        self.0.trust.save_touched().await;
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
            unasked: self.0.trust.unasked_commands(),
            ask_everything: authority.asks_everything(),
            waiting_settings: count(authority.waiting_settings().len()),
            own_client: own_client
                .map(|(key, seen)| OwnClient { device_id: key.device_id(), admitted_at_ms: seen }),
        }
    }
}

fn count(entries: usize) -> u64 {
    u64::try_from(entries).unwrap_or(u64::MAX)
}
