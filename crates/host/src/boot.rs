//! Building everything, in order.

mod own_key;
mod serving;
pub(crate) mod settings;
pub(crate) mod store;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use tidegate_access::{StoreKind, TrustService};
use tidegate_agent::model::ModelDirectory;
use tidegate_agent::{Runtime, RuntimeParts, SystemClock};
use tidegate_clock as now;
use tidegate_gateway::subagent_client::public_key;
use tidegate_gateway::{CurrentGateway, Gateway, GatewayParts, PersonGate, SubagentClient};
use tidegate_peers::KernelPeers;
use tidegate_secrets::SecretStore;
use tidegate_store::{OpenError, Store, StoreError};
use tidegate_tools::standard_tools;
use tidegate_transport::listener::BindError;
use tidegate_trust::settings::Setting;
use tidegate_trust::token::Token;
use tokio_util::sync::CancellationToken;

use crate::boot::own_key::LoadingOwnKey;
use crate::bounded;
use crate::config;
use crate::control::{self, Control, LocalSocketState, keep_shared_token};
use crate::environment;
use crate::maintenance::Maintenance;
use crate::models::Models;
use crate::options::{Announcement, ServeOptions};
use crate::parts::Parts;
use crate::process_context::{Place, ProcessContext};
use crate::running::RunningHost;
use crate::sandbox;
use crate::services::Services;
use crate::set_aside;
use crate::survivors::Survivors;
use crate::workspaces::Workspaces;

/// The port when neither the command line nor the configuration names one.
const DEFAULT_PORT: u16 = 18_789;

/// Why Tidegate does not start. Each is a sentence with what to do.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// There is no home directory, and no state directory was given.
    #[error("there is no home directory to keep state in; give one with --state-dir DIR")]
    NoStateDir,
    /// The state directory cannot be used.
    #[error("the state directory {path} cannot be used: {reason}; choose another with --state-dir DIR")]
    StateDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Another Tidegate uses it.
    #[error(
        "Tidegate already runs with the state directory {state_dir}; `tidegate status` shows it, `tidegate stop` stops it"
    )]
    AlreadyRunning {
        /// The directory.
        state_dir: PathBuf,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The port cannot be had.
    #[error("{source}{}", offer(*free))]
    Bind {
        /// Who has it, or what the system says.
        source: BindError,
        /// A port that could be used instead.
        free: Option<u16>,
    },
    /// The operating system gives no random bytes.
    #[error(transparent)]
    Entropy(#[from] now::NoEntropy),
}

impl BootError {
    /// Whether trying again by itself may help. The others need a person.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Entropy(_) | Self::Store(OpenError::Failed { .. }))
    }
}

/// A sentence that offers a port on the command line; empty where there is none.
pub(crate) fn offer(free: Option<u16>) -> String {
    free.map(|free| format!(" Port {free} is free: --port {free} listens there.")).unwrap_or_default()
}

/// Builds everything once and begins to serve, without supervision.
///
/// # Errors
/// See [`BootError`].
pub async fn start(options: ServeOptions) -> Result<RunningHost, BootError> {
    build(Arc::new(ProcessContext::new(options)), None).await
}

/// Builds a gateway on what stays, and begins to serve. `kept`: what the gateway before served, where
/// that alone failed.
pub(crate) async fn build(
    context: Arc<ProcessContext>,
    kept: Option<Arc<Services>>,
) -> Result<RunningHost, BootError> {
    let services = match kept {
        Some(kept) => kept,
        None => Arc::new(build_services(context).await?),
    };
    serve(services).await
}

/// Builds what a gateway serves.
async fn build_services(context: Arc<ProcessContext>) -> Result<Services, BootError> {
    let started = Instant::now();
    let secrets = context.secrets.clone();
    let own_key = LoadingOwnKey::begin(&secrets)?;
    let place = context.place()?;
    let mut loaded = load_config(&place).await;
    for problem in &loaded.problems {
        tracing::error!(%problem, "the configuration is not valid; the last good one is used");
    }
    let (store, store_state) = store::open(&context, &place).await?;
    let survivors = Survivors::end(&place, &context.commands);
    // Bound before the rest, which may take longer.
    let listener = context.listener(loaded.config.port.unwrap_or(DEFAULT_PORT))?;
    let port = listener.local_addr().map_or(DEFAULT_PORT, |address| address.port());

    let workspaces = Arc::new(Workspaces::prepare(&place, &context.tool_runner, &mut loaded.policy).await?);
    let boot = now::entropy()?.uuid();
    let trust = context.trust.clone();
    let kind = match context.is_kept_in_memory() {
        true => StoreKind::InMemory,
        false => StoreKind::OnDisk,
    };
    trust.open(store.clone(), kind, store_state.is_as_before()).await;
    trust.authority().propose(loaded.policy.proposed.clone(), now::timestamp());
    let survivors = survivors.await;
    survivors.tell(&store, &context).await;
    let token_from_environment = shared_token(&trust, &store, &secrets, &context).await?;
    let confirmed = |setting| trust.authority().confirmed_value(setting);
    let workspace = workspaces.choose(confirmed(Setting::Workspace)).await;
    let default_model = loaded.config.default_model(confirmed(Setting::Model));
    let models =
        Models::load(store.clone(), secrets.clone(), default_model, context.local_models.clone()).await;
    let directory: Arc<dyn ModelDirectory> = models.directory.clone();
    let limits = settings::limits(&loaded.config);
    let keep_runs = settings::keep_runs(&loaded.config);
    let stop = CancellationToken::new();
    let end = stop.child_token();
    let own_key_state = Arc::new(OnceLock::new());
    let launcher = settings::launcher(context.tool_runner.clone(), &place, context.commands.clone());
    let sandboxes = Arc::new(settings::sandboxes(&place, &loaded, port));
    let peers = Arc::new(KernelPeers::new(workspaces.agent_writable(), context.commands.clone()));
    let unread =
        |error: StoreError| BootError::StateDir { path: place.state_dir.clone(), reason: error.to_string() };
    for folder in store.workspaces().await.map_err(unread)? {
        peers.add_agent_writable(&folder.path);
    }
    for permission in trust.permissions().0 {
        // Commands may have written there before this start.
        permission.written().for_each(|folder| peers.add_agent_writable(&folder.path));
    }
    let control = Arc::new(Control {
        version: env!("CARGO_PKG_VERSION"),
        state_dir: place.state_dir.clone(),
        config_path: place.config.clone(),
        loaded,
        store_state,
        tool_runner: context.tool_runner.clone(),
        launcher: launcher.clone(),
        sandboxes: Arc::clone(&sandboxes),
        local_socket: LocalSocketState::default(),
        orphans: survivors.ended().to_vec(),
        secrets,
        token_from_environment,
        models,
        workspaces: workspaces.clone(),
        peers: Arc::clone(&peers),
        repairs: context.repairs.clone(),
        started,
        stop: stop.clone(),
        trust: trust.clone(),
        parts: OnceLock::new(),
        applying: tokio::sync::Mutex::new(()),
        own_key: own_key_state.clone(),
    });
    let seed = own_key.settle(own_key_state).await;
    trust.authority().set_own_key(public_key(&seed));
    let gateway = CurrentGateway::default();
    let subagents = SubagentClient::new(gateway.clone(), &seed, env!("CARGO_PKG_VERSION"));
    let runtime = Runtime::new(RuntimeParts {
        store: store.clone(),
        models: directory.clone(),
        tools: standard_tools(settings::tools(launcher.clone(), Arc::clone(&sandboxes), &place)),
        approvals: Arc::new(PersonGate::new(trust.clone())),
        subagents: Arc::new(subagents.clone()),
        clock: Arc::new(SystemClock),
        limits,
        workspace,
        folders: workspaces.clone(),
        boot: boot.clone(),
    });
    recover(&runtime, &context).await;
    // Set once, here.
    let _ = control.parts.set(control::Parts {
        gateway: gateway.clone(),
        runtime: runtime.clone(),
        subagents: subagents.clone(),
        store: store.clone(),
        port,
    });
    let parts = Parts::new(place.state_dir.clone());
    let unserved = Mutex::new(Some(stop.clone().drop_guard()));
    let leftovers = survivors.end_rest(&parts, end.clone());
    if let Some(events) = sandboxes.set_aside().take_events() {
        parts.spawn("set-aside files", set_aside::forward(events, gateway.clone(), end.clone()));
    }
    parts.spawn("sandbox trial", sandbox::try_out(sandboxes, launcher, end.clone()));
    let maintenance = Maintenance {
        trust,
        runtime: runtime.clone(),
        store: store.clone(),
        keep_runs,
        state_dir: place.state_dir.clone(),
        repairs: context.repairs.clone(),
    };
    parts.spawn("maintenance", maintenance.run(end.clone()));
    Ok(Services {
        context,
        place,
        port,
        store,
        runtime,
        models: directory,
        subagents,
        control,
        peers,
        gateway,
        boot,
        leftovers,
        parts,
        stop,
        end,
        unserved,
    })
}

/// Builds a gateway, and begins to serve.
async fn serve(services: Arc<Services>) -> Result<RunningHost, BootError> {
    let context = &services.context;
    let listener = context.listener(services.port)?;
    let gateway = Gateway::new(GatewayParts {
        trust: context.trust.clone(),
        in_process: context.in_process.clone(),
        store: services.store.clone(),
        peers: services.peers.clone(),
        host: services.control.clone(),
        version: env!("CARGO_PKG_VERSION"),
        boot: services.boot.clone(),
        state_dir: services.place.state_dir.clone(),
        config_path: services.place.config.clone(),
    });
    let desktop = context.desktop_key.as_ref().map(|key| gateway.desktop(key));
    gateway.attach(services.runtime.clone(), services.models.clone());
    services.gateway.set(Some(gateway.clone()));
    let accept = services.stop.child_token();
    // What was begun ends when this function does not come to its end.
    let unfinished = accept.clone().drop_guard();
    let parts = Parts::new(services.place.state_dir.clone());
    serving::tcp(&parts, listener, services.port, gateway.clone(), accept.clone());
    let (control, leftovers) = (&services.control, services.leftovers.clone());
    serving::local(&parts, &services.place, &control.local_socket, &gateway, leftovers, &accept).await;
    if let Err(error) = services.subagents.connect().await {
        tracing::error!(%error, "Tidegate's own client was not admitted; this is a defect");
    }
    let (port, state_dir) = (services.port, services.place.state_dir.clone());
    tracing::info!(port, state_dir = %state_dir.display(), "Tidegate is ready");
    context.announce(&Announcement::Ready { port, state_dir });
    services.served();
    unfinished.disarm();
    Ok(RunningHost { services, gateway, desktop, parts, accept })
}

/// Reads the configuration off the async workers: its file may lie on a disk that does not answer.
async fn load_config(place: &Place) -> config::Loaded {
    let path = place.config.clone();
    let problem = match bounded::blocking(move || config::load(&path)).await {
        Ok(loaded) => return loaded,
        Err(error) => error.to_string(),
    };
    let (path, reason) = (place.config.clone(), problem.clone());
    let last_good = bounded::blocking(move || config::load_last_good(&path, reason)).await;
    last_good.unwrap_or_else(|_| config::Loaded::unreadable(problem))
}

/// Takes the shared token from the environment, or makes one where there is none yet. Says whether
/// it comes from the environment.
async fn shared_token(
    trust: &TrustService,
    store: &Store,
    secrets: &SecretStore,
    context: &ProcessContext,
) -> Result<bool, BootError> {
    if let Some(token) = environment::shared_token() {
        trust.authority().override_shared_token(Token::from_text(&token).hash());
        return Ok(true);
    }
    if trust.authority().has_shared_token() {
        return Ok(false);
    }
    let changed = trust.authority().rotate_shared_token(&now::entropy()?, now::timestamp());
    if let Err(error) = store.commit_trust(changed.durable).await {
        tracing::error!(%error, "the shared token could not be saved; there is a new one after a restart");
    }
    context.announce(&Announcement::SharedToken { token: changed.value.clone() });
    let secrets = secrets.clone();
    tokio::spawn(async move { keep_shared_token(&secrets, &changed.value).await });
    Ok(false)
}

/// Settles what the process or the gateway before left.
async fn recover(runtime: &Runtime, context: &ProcessContext) {
    match runtime.recover().await {
        Ok(report) if !report.interrupted.is_empty() => {
            let runs = report.interrupted.len();
            tracing::warn!(runs, "runs were interrupted when Tidegate stopped last");
            context.announce(&Announcement::Interrupted { runs });
        }
        Ok(_) => {}
        Err(error) => tracing::error!(%error, "what the last run left could not be read"),
    }
}
