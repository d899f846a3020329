//! Building everything, in order, and stopping it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tidegate_agent::model::{ModelDirectory, ModelName};
use tidegate_agent::{Limits, Runtime, RuntimeParts, SystemClock};
use tidegate_gateway::listener::{self, BindError};
use tidegate_gateway::local_socket::{self, LocalListener};
use tidegate_gateway::subagent_client::public_key;
use tidegate_gateway::upgrade::UpgradeRules;
use tidegate_gateway::{Gateway, GatewayParts, PersonGate, SubagentClient, now};
use tidegate_providers::local::LocalAddress;
use tidegate_secrets::{OwnKey, OwnKeyOrigin, SecretStore, ServiceName, load_or_create_own_key};
use tidegate_store::{OpenError, OpenOptions, Store, StoreState};
use tidegate_tools::{Launcher, Protected, ToolEnvironment, ToolsConfig, standard_tools};
use tidegate_trust::Authority;
use tidegate_trust::decision::Desktop;
use tidegate_trust::records::TrustRecords;
use tidegate_trust::token::Token;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::config::{self, Config};
use crate::control::{Control, Parts, StoreCondition, keep_shared_token};
use crate::models::Models;
use crate::serve::Announcement;
use crate::state_dir::{InstanceLock, control_socket, make_private, state_dir};
use crate::{environment, log, supervise};

/// The port when neither the command line nor the configuration names one (protocol section 1).
const DEFAULT_PORT: u16 = 18_789;
/// How long the keyring may keep our own client waiting once everything else is ready. Later it is
/// only used at the next start.
const OWN_KEY_PATIENCE: Duration = Duration::from_millis(5);
/// How long stopping may take.
const DRAIN: Duration = Duration::from_secs(3);

/// Where the gateway listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bind {
    /// On this computer only.
    #[default]
    Loopback,
}

/// How to serve.
pub struct ServeOptions {
    /// The state directory; the system's default when not given.
    pub state_dir: Option<PathBuf>,
    /// The port; 0 for any free one. From the configuration when not given.
    pub port: Option<u16>,
    /// Where to listen.
    pub bind: Bind,
    /// The configuration file; `openclaw.json` in the state directory when not given.
    pub config: Option<PathBuf>,
    /// Whether nothing is logged to the terminal.
    pub quiet: bool,
    /// The program that runs tools, as `PROGRAM run-tool`: our own command line.
    pub tool_runner: PathBuf,
    /// Whether a desktop is there for a person to decide at.
    pub desktop: Desktop,
    /// Where secrets are kept; the system's keyring when not given.
    pub secrets: Option<SecretStore>,
    /// Where model servers on this computer are looked for; the usual places when not given.
    pub local_models: Option<Vec<LocalAddress>>,
    /// Told what a person should see.
    pub announce: Box<dyn FnMut(&Announcement) + Send>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            state_dir: None,
            port: None,
            bind: Bind::Loopback,
            config: None,
            quiet: false,
            tool_runner: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("tidegate")),
            desktop: Desktop::Absent,
            secrets: None,
            local_models: None,
            announce: Box::new(|_| {}),
        }
    }
}

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
    #[error("{0}")]
    Store(String),
    /// The port cannot be had.
    #[error("{0}")]
    Bind(#[from] BindError),
    /// The operating system gives no random bytes.
    #[error(transparent)]
    Entropy(#[from] now::NoEntropy),
    /// The asynchronous runtime could not be started.
    #[error("the runtime could not be started: {0}")]
    Runtime(std::io::Error),
    /// The local socket cannot be had.
    #[error("{0}")]
    Socket(String),
}

/// A host that serves.
pub struct RunningHost {
    gateway: Gateway,
    runtime: Runtime,
    subagents: SubagentClient,
    store: Store,
    port: u16,
    state_dir: PathBuf,
    stop: CancellationToken,
    accept: CancellationToken,
    _lock: Option<InstanceLock>,
}

/// Builds everything and begins to serve.
///
/// # Errors
/// See [`BootError`].
pub async fn start(mut options: ServeOptions) -> Result<RunningHost, BootError> {
    let started = Instant::now();
    let state_dir = state_dir(options.state_dir.take())?;
    let private = make_private(&state_dir);
    log::start(&state_dir, options.quiet);
    let secrets = options.secrets.take().unwrap_or_else(|| SecretStore::keyring(ServiceName::default()));
    let own_key = begin_own_key(&secrets)?;
    let config_path = options.config.take().unwrap_or_else(|| state_dir.join(config::FILE));
    let loaded = config::load(&config_path);
    for problem in &loaded.problems {
        tracing::error!(%problem, "the configuration is not valid; the last good one is used");
    }
    let lock = match private {
        Ok(()) => Some(InstanceLock::take(&state_dir)),
        Err(error) => Some(Err(error)),
    };
    let (lock, may_write) = match lock {
        Some(Ok(lock)) => (Some(lock), true),
        Some(Err(error @ BootError::AlreadyRunning { .. })) => return Err(error),
        Some(Err(error)) => {
            // Reading may still be possible; what cannot be kept is said, not hidden.
            tracing::error!(%error, "nothing can be kept");
            (None, false)
        }
        None => (None, false),
    };
    let (store, store_state) = open_store(&state_dir, may_write).await?;
    let records = load_records(&store).await;
    let had_token = records.shared_token.is_some();
    let (mut authority, in_process) = Authority::new(records);

    let token_from_environment = match environment::shared_token() {
        Some(token) => {
            authority.override_shared_token(Token::from_text(&token).hash());
            true
        }
        None => false,
    };
    if !had_token && !token_from_environment {
        let changed = authority.rotate_shared_token(&now::entropy()?, now::moment());
        if let Err(error) = store.commit_trust(changed.durable).await {
            tracing::error!(%error, "the shared token could not be saved; there is a new one after a restart");
        }
        (options.announce)(&Announcement::SharedToken { token: changed.value.clone() });
        let secrets = secrets.clone();
        tokio::spawn(async move { keep_shared_token(&secrets, &changed.value).await });
    }
    let port = options.port.or(loaded.config.port).unwrap_or(DEFAULT_PORT);
    let Bind::Loopback = options.bind;
    let listener = listener::bind_loopback(port)?;
    let port = listener.local_addr().map_or(port, |address| address.port());

    let workspace = workspace(&loaded.config, &state_dir, may_write)?;
    let boot = now::entropy()?.uuid();
    let default_model = loaded.config.model.as_deref().and_then(ModelName::parse);
    let local_models = options.local_models.take().unwrap_or_else(LocalAddress::defaults);
    let models = Models::load(store.clone(), secrets.clone(), default_model, local_models).await;
    let directory: Arc<dyn ModelDirectory> = models.directory.clone();
    let limits = limits(&loaded.config);
    let stop = CancellationToken::new();
    let own_key_state = Arc::new(OnceLock::new());
    let control = Arc::new(Control {
        version: env!("CARGO_PKG_VERSION"),
        state_dir: state_dir.clone(),
        config_path: config_path.clone(),
        loaded,
        store_state,
        secrets,
        token_from_environment,
        models,
        started,
        stop: stop.clone(),
        parts: OnceLock::new(),
        own_key: own_key_state.clone(),
    });
    let seed = settle_own_key(own_key, own_key_state).await;
    authority.set_own_key(public_key(&seed));
    let gateway = Gateway::new(GatewayParts {
        authority,
        in_process,
        store: store.clone(),
        peers: Arc::new(tidegate_gateway::peer_lookup::KernelPeers::new(vec![
            workspace.clone(),
            std::env::temp_dir(),
        ])),
        host: control.clone(),
        desktop: options.desktop,
        version: env!("CARGO_PKG_VERSION"),
        boot: boot.clone(),
        state_dir: state_dir.clone(),
        config_path: config_path.clone(),
    });
    let subagents = SubagentClient::new(gateway.clone(), &seed, env!("CARGO_PKG_VERSION"));
    let runtime = Runtime::new(RuntimeParts {
        store: store.clone(),
        models: directory.clone(),
        tools: standard_tools(tools_config(&options.tool_runner, &state_dir, &config_path)),
        approvals: Arc::new(PersonGate::new(gateway.clone())),
        subagents: Arc::new(subagents.clone()),
        clock: Arc::new(SystemClock),
        limits,
        workspace,
        boot,
    });
    match runtime.recover().await {
        Ok(report) if !report.interrupted.is_empty() => {
            tracing::warn!(
                runs = report.interrupted.len(),
                "runs were interrupted when Tidegate stopped last"
            );
            (options.announce)(&Announcement::Interrupted { runs: report.interrupted.len() });
        }
        Ok(_) => {}
        Err(error) => tracing::error!(%error, "what the last run left could not be read"),
    }
    gateway.attach(runtime.clone(), directory);
    let accept = stop.child_token();
    serve_tcp(listener, port, gateway.clone(), accept.clone());
    serve_local(&state_dir, may_write, gateway.clone(), accept.clone()).await?;
    if let Err(error) = subagents.connect().await {
        tracing::error!(%error, "Tidegate's own client was not let in; this is a defect");
    }
    let parts =
        Parts { gateway: gateway.clone(), runtime: runtime.clone(), subagents: subagents.clone(), port };
    // Set once, here.
    let _ = control.parts.set(parts);
    tracing::info!(port, state_dir = %state_dir.display(), "Tidegate is ready");
    (options.announce)(&Announcement::Ready { port, state_dir: state_dir.clone() });
    Ok(RunningHost { gateway, runtime, subagents, store, port, state_dir, stop, accept, _lock: lock })
}

impl RunningHost {
    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The state directory.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// The gateway.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The agent runtime.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Our own client.
    #[must_use]
    pub fn subagents(&self) -> &SubagentClient {
        &self.subagents
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Waits until someone asks it to stop.
    pub async fn stop_requested(&self) {
        self.stop.cancelled().await;
    }

    /// Stops in order, within three seconds: no new work, runs end and are settled, connections are
    /// told and closed, everything is saved.
    pub async fn stop(self) {
        let Self { gateway, runtime, store, stop, accept, .. } = self;
        accept.cancel();
        runtime.drain(DRAIN.mul_f64(0.7)).await;
        gateway.stop("shutdown").await;
        if tokio::time::timeout(DRAIN.mul_f64(0.2), gateway.stopped()).await.is_err() {
            tracing::warn!("some connections did not close in time");
        }
        stop.cancel();
        store.close().await;
        tracing::info!("Tidegate has stopped");
    }
}

/// Our own key while the keyring is asked for it.
struct LoadingOwnKey {
    task: tokio::task::JoinHandle<OwnKey>,
    /// The key of this run, if the keyring does not answer in time.
    fallback: Zeroizing<[u8; 32]>,
}

/// Begins to load our own key, beside everything else.
fn begin_own_key(secrets: &SecretStore) -> Result<LoadingOwnKey, BootError> {
    let fallback = Zeroizing::new(now::random::<32>()?);
    let (store, entropy) = (secrets.clone(), fallback.clone());
    let task = tokio::spawn(async move { load_or_create_own_key(&store, *entropy).await });
    Ok(LoadingOwnKey { task, fallback })
}

/// The stored key when the keyring was quick enough, else the one of this run. Which key it is
/// plays no part in what our own client may do.
async fn settle_own_key(loading: LoadingOwnKey, state: Arc<OnceLock<String>>) -> Zeroizing<[u8; 32]> {
    let LoadingOwnKey { mut task, fallback } = loading;
    match tokio::time::timeout(OWN_KEY_PATIENCE, &mut task).await {
        Ok(Ok(key)) => {
            describe_own_key(&key, &state);
            key.seed
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "the own key could not be loaded; one was made for this run");
            fallback
        }
        Err(_) => {
            tokio::spawn(async move {
                if let Ok(key) = task.await {
                    describe_own_key(&key, &state);
                }
            });
            fallback
        }
    }
}

fn describe_own_key(key: &OwnKey, state: &OnceLock<String>) {
    let sentence = match key.origin {
        OwnKeyOrigin::Keyring => "Tidegate's own key is in the keyring.".to_owned(),
        OwnKeyOrigin::ThisRunOnly(reason) => {
            tracing::warn!(reason = reason.sentence(), "Tidegate's own key is for this run only");
            format!("Tidegate's own key is for this run only: {}", reason.sentence())
        }
    };
    // The first description stays.
    let _ = state.set(sentence);
}

async fn open_store(state_dir: &Path, may_write: bool) -> Result<(Store, StoreCondition), BootError> {
    let options = OpenOptions { frame_inbox: tidegate_agent::inbox_message, ..OpenOptions::default() };
    let directory = state_dir.to_owned();
    let opened = match may_write {
        true => tokio::task::spawn_blocking(move || Store::open(&directory, options))
            .await
            .map_err(|error| BootError::Store(format!("the store could not be opened: {error}")))?,
        false => Err(OpenError::NotWritable {
            path: directory,
            reason: "the directory cannot be written".to_owned(),
        }),
    };
    match opened {
        Ok((store, report)) => {
            let condition = match report.state {
                StoreState::Fresh => {
                    StoreCondition { state: "new", sentence: "The store is new.".to_owned() }
                }
                StoreState::Existing => {
                    StoreCondition { state: "ok", sentence: "The store is in order.".to_owned() }
                }
                StoreState::QuarantinedCorrupt { moved_to, reason } => {
                    let sentence = format!(
                        "The store was damaged ({reason}) and was moved to {}. A new one was begun: devices have \
                         to be approved again, and earlier sessions are not shown.",
                        moved_to.display()
                    );
                    tracing::error!("{sentence}");
                    StoreCondition { state: "quarantined", sentence }
                }
            };
            Ok((store, condition))
        }
        Err(error @ OpenError::NotWritable { .. }) => {
            let sentence = format!("Nothing is kept: {error}. What happens now is lost when Tidegate stops.");
            tracing::error!("{sentence}");
            let store = Store::in_memory_with(tidegate_agent::inbox_message)
                .map_err(|error| BootError::Store(error.to_string()))?;
            Ok((store, StoreCondition { state: "memory", sentence }))
        }
        Err(error @ OpenError::InUse { .. }) => {
            tracing::error!(%error, "the store is in use");
            Err(BootError::AlreadyRunning { state_dir: state_dir.to_owned() })
        }
        Err(error) => Err(BootError::Store(error.to_string())),
    }
}

async fn load_records(store: &Store) -> TrustRecords {
    match store.load_trust().await {
        Ok(loaded) => {
            for record in &loaded.unreadable {
                tracing::error!(table = record.table, key = %record.key, reason = %record.reason,
                    "a stored record cannot be read and grants nothing");
            }
            loaded.records
        }
        Err(error) => {
            tracing::error!(%error, "what was decided about others cannot be read; everyone has to ask again");
            TrustRecords::default()
        }
    }
}

fn workspace(config: &Config, state_dir: &Path, may_write: bool) -> Result<PathBuf, BootError> {
    // Beside the state, not in it: tools never touch what lies in the state directory.
    let path = config.workspace.clone().unwrap_or_else(|| {
        let name = state_dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        state_dir.with_file_name(format!("{name}-workspace"))
    });
    let failed =
        |error: std::io::Error| BootError::StateDir { path: path.clone(), reason: error.to_string() };
    if may_write || !path.exists() {
        match std::fs::create_dir_all(&path) {
            Ok(()) => {}
            Err(error) if may_write => return Err(failed(error)),
            Err(_) => return Ok(path),
        }
    }
    path.canonicalize().map_err(failed)
}

fn limits(config: &Config) -> Limits {
    let mut limits = Limits::default();
    if let Some(depth) = config.depth {
        limits.depth = depth;
    }
    if let Some(children) = config.children {
        limits.children = children;
    }
    if let Some(concurrent) = config.concurrent_subagents {
        limits.concurrent_subagents = concurrent;
    }
    if let Some(descendants) = config.descendants {
        limits.descendants = descendants;
    }
    if let Some(seconds) = config.subagent_timeout_seconds {
        limits.subagent_timeout = Duration::from_secs(seconds);
    }
    limits
}

fn tools_config(tool_runner: &Path, state_dir: &Path, config: &Path) -> ToolsConfig {
    let temporary = std::env::temp_dir();
    let home = environment::home().unwrap_or_else(|| PathBuf::from("/"));
    ToolsConfig {
        launcher: Launcher::new(tool_runner.to_owned()),
        protected: Protected::for_home(&home, state_dir, config),
        environment: ToolEnvironment::from_host(environment::all(), &temporary),
        temporary,
    }
}

/// Serves the port. A failed listener task starts again on the same bound socket.
fn serve_tcp(listener: tokio::net::TcpListener, port: u16, gateway: Gateway, stop: CancellationToken) {
    let Ok(listener) = listener.into_std() else { return };
    let make = move || {
        let (gateway, stop) = (gateway.clone(), stop.clone());
        let listener = listener.try_clone().and_then(tokio::net::TcpListener::from_std);
        async move {
            match listener {
                Ok(listener) => listener::serve(listener, gateway, UpgradeRules::loopback(port), stop).await,
                Err(error) => tracing::error!(%error, "the listener could not be used"),
            }
        }
    };
    tokio::spawn(supervise::supervise("listener", make, |_| {}));
}

/// Serves the person's command line. A failed task binds the socket anew.
async fn serve_local(
    state_dir: &Path,
    may_write: bool,
    gateway: Gateway,
    stop: CancellationToken,
) -> Result<(), BootError> {
    let path = control_socket(state_dir);
    if !may_write {
        tracing::error!("there is no local socket, because the state directory cannot be written");
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_private(parent)?;
    }
    let bound = LocalListener::bind(&path).await.map_err(|error| BootError::Socket(error.to_string()))?;
    let mut bound = Some(bound);
    let make = move || {
        let (first, path, gateway, stop) = (bound.take(), path.clone(), gateway.clone(), stop.clone());
        async move {
            let listener = match first {
                Some(listener) => Ok(listener),
                None => LocalListener::bind(&path).await,
            };
            match listener {
                Ok(listener) => local_socket::serve(listener, gateway, stop).await,
                Err(error) => tracing::error!(%error, "the local socket could not be used"),
            }
        }
    };
    tokio::spawn(supervise::supervise("local socket", make, |_| {}));
    Ok(())
}
