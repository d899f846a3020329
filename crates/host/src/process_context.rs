//! What lives as long as the process: what was asked for, the lock of the state directory, the bound
//! port, the log, and the trust service.

use std::net::TcpListener as StdTcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_access::TrustService;
use tidegate_peers::commands::RunningCommands;
use tidegate_providers::local::LocalAddress;
use tidegate_secrets::{SecretStore, ServiceName};
use tidegate_store::Store;
use tidegate_transport::listener::{self, BindError};
use tidegate_trust::origin::{DesktopKey, InProcessKey};
use tidegate_trust::{Authority, TrustRecords};
use tokio::net::TcpListener;

use crate::boot::BootError;
use crate::options::{Announce, Announcement, ServeOptions};
use crate::private_files::{Repairs, repair_all};
use crate::state_dir::{InstanceLock, make_private, state_dir};
use crate::{config, log};

/// How many ports above a taken one are tried for one to offer.
const OFFERED_PORTS: u16 = 32;

/// Made once, before the first start of the gateway; restarts use it again.
pub(crate) struct ProcessContext {
    state_dir: Option<PathBuf>,
    config: Option<PathBuf>,
    port: Mutex<Option<u16>>,
    pub(crate) tool_runner: PathBuf,
    pub(crate) secrets: SecretStore,
    pub(crate) local_models: Vec<LocalAddress>,
    announce: Mutex<Announce>,
    lock: Mutex<Option<InstanceLock>>,
    listener: Mutex<Option<KeptListener>>,
    /// A store that exists nowhere else, so it outlives the gateway that made it.
    pub(crate) memory: Mutex<Option<Store>>,
    /// Who may do what, and what waits.
    pub(crate) trust: TrustService,
    /// The one right to open connections in-process.
    pub(crate) in_process: Arc<InProcessKey>,
    /// The one right to act for the person, where a desktop is.
    pub(crate) desktop_key: Option<DesktopKey>,
    /// The commands of agents that run in this process's care.
    pub(crate) commands: RunningCommands,
    /// Files whose modes were put right.
    pub(crate) repairs: Arc<Repairs>,
}

/// A bound port, under the number that was asked for.
struct KeptListener {
    wanted: u16,
    listener: StdTcpListener,
}

/// A state directory that was looked at.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) state_dir: PathBuf,
    pub(crate) config: PathBuf,
    /// Whether the directory is ours alone, and locked.
    pub(crate) may_write: bool,
}

impl ProcessContext {
    /// Takes over what was asked for, and starts the log and the trust service, which knows nobody yet.
    /// Nothing else is touched. To be called within a runtime.
    pub(crate) fn new(options: ServeOptions) -> Self {
        let ServeOptions {
            state_dir: asked,
            port,
            config,
            quiet,
            tool_runner,
            desktop,
            secrets,
            local_models,
            announce,
        } = options;
        let repairs = Arc::new(Repairs::default());
        if let Ok(state_dir) = state_dir(asked.clone()) {
            let found = repair_all(&state_dir);
            // The log lies inside. Whether the directory can be used is found out where it is needed.
            let _ = make_private(&state_dir);
            log::start(&state_dir, quiet);
            repairs.note(&found);
        }
        let (mut authority, in_process) = Authority::new(TrustRecords::default());
        let desktop_key = authority.take_desktop_key(desktop);
        Self {
            state_dir: asked,
            config,
            port: Mutex::new(port),
            tool_runner,
            secrets: secrets.unwrap_or_else(|| SecretStore::keyring(ServiceName::default())),
            local_models: local_models.unwrap_or_else(LocalAddress::defaults),
            announce: Mutex::new(announce),
            lock: Mutex::default(),
            listener: Mutex::default(),
            memory: Mutex::default(),
            trust: TrustService::new(authority, desktop),
            in_process: Arc::new(in_process),
            desktop_key,
            commands: RunningCommands::default(),
            repairs,
        }
    }

    pub(crate) fn announce(&self, announcement: &Announcement) {
        let mut announce = held(&self.announce);
        announce(announcement);
    }

    /// Looks at the state directory and takes its lock, unless it is held already.
    pub(crate) fn place(&self) -> Result<Place, BootError> {
        let state_dir = state_dir(self.state_dir.clone())?;
        let config = self.config.clone().unwrap_or_else(|| state_dir.join(config::FILE));
        let mut lock = held(&self.lock);
        let taken = match (&*lock, make_private(&state_dir)) {
            (_, Err(error)) => Err(error),
            (Some(_), Ok(())) => Ok(()),
            (None, Ok(())) => InstanceLock::take(&state_dir).map(|taken| *lock = Some(taken)),
        };
        let may_write = match taken {
            Ok(()) => true,
            Err(error @ BootError::AlreadyRunning { .. }) => return Err(error),
            Err(error) => {
                // Reading may still be possible; what cannot be kept is said, not hidden.
                tracing::error!(%error, "nothing can be kept");
                false
            }
        };
        Ok(Place { state_dir, config, may_write })
    }

    /// The socket that listens: bound at the first call, and the same one afterwards. `configured`
    /// counts when no port was asked for.
    pub(crate) fn listener(&self, configured: u16) -> Result<TcpListener, BootError> {
        let wanted = held(&self.port).unwrap_or(configured);
        let unusable =
            |source| BootError::Bind { source: BindError::Refused { port: wanted, source }, free: None };
        let mut kept = held(&self.listener);
        let bound = match kept.take().filter(|kept| kept.wanted == wanted) {
            Some(bound) => bound,
            None => {
                let bound = listener::bind_loopback(wanted).map_err(|source| {
                    let free = matches!(source, BindError::InUse { .. }).then(|| free_port(wanted)).flatten();
                    BootError::Bind { source, free }
                })?;
                KeptListener { wanted, listener: bound.into_std().map_err(unusable)? }
            }
        };
        let listener = bound.listener.try_clone().and_then(TcpListener::from_std);
        *kept = Some(bound);
        listener.map_err(unusable)
    }

    /// From the next start on, listens elsewhere.
    pub(crate) fn choose_port(&self, port: u16) {
        *held(&self.port) = Some(port);
    }

    /// Forgets a store in memory, so that the next start looks at the disk again.
    pub(crate) fn forget_memory(&self) -> Option<Store> {
        let memory = held(&self.memory).take();
        if memory.is_some() {
            self.trust.forget_store();
        }
        memory
    }

    /// Whether there is a store in memory.
    pub(crate) fn is_kept_in_memory(&self) -> bool {
        held(&self.memory).is_some()
    }

    /// Gives up the port and the state directory.
    pub(crate) fn release(&self) {
        let changes = self.trust.unsaved();
        if changes > 0 {
            tracing::error!(
                changes,
                "changes of who may connect could not be saved and end now; make them again after the next start"
            );
        }
        held(&self.listener).take();
        held(&self.lock).take();
    }
}

/// A port near a taken one that nobody listens on at this moment.
fn free_port(taken: u16) -> Option<u16> {
    let above = (1..=OFFERED_PORTS).filter_map(|step| taken.checked_add(step));
    above.into_iter().find(|&port| StdTcpListener::bind(("127.0.0.1", port)).is_ok())
}

pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
