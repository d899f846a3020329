//! Starting the real host inside a test.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tidegate_agent::Runtime;
use tidegate_gateway::{Gateway, SubagentClient};
use tidegate_host::{BootError, RunningHost, ServeOptions};
use tidegate_secrets::SecretStore;
use tidegate_store::Store;

/// Options for a host on a free port that looks for no models on this computer.
#[must_use]
pub fn options(state_dir: &Path, secrets: SecretStore) -> ServeOptions {
    ServeOptions {
        state_dir: Some(state_dir.to_owned()),
        port: Some(0),
        quiet: true,
        secrets: Some(secrets),
        local_models: Some(Vec::new()),
        ..ServeOptions::default()
    }
}

/// Starts a host.
///
/// # Errors
/// Why it does not start.
pub async fn start(state_dir: &Path, secrets: SecretStore) -> Result<RunningHost, BootError> {
    tidegate_host::start(options(state_dir, secrets)).await
}

/// The handles of a host that tasks of a test share.
#[derive(Clone)]
pub struct Handles {
    /// The runtime.
    pub runtime: Runtime,
    /// Our own client.
    pub subagents: SubagentClient,
    /// The store.
    pub store: Store,
    /// The gateway.
    pub gateway: Gateway,
}

impl Handles {
    /// The handles of a host.
    #[must_use]
    pub fn of(host: &RunningHost) -> Arc<Self> {
        Arc::new(Self {
            runtime: host.runtime().clone(),
            subagents: host.subagents().clone(),
            store: host.store().clone(),
            gateway: host.gateway().clone(),
        })
    }

    /// How many requests to be let in wait for a person.
    ///
    /// # Panics
    /// When the gateway's status does not tell.
    #[must_use]
    pub fn waiting_requests(&self) -> u64 {
        self.gateway.status()["waitingRequests"].as_u64().expect("a number")
    }

    /// Our own client as the gateway knows it: `deviceId` and `admittedAtMs`.
    #[must_use]
    pub fn own_client(&self) -> Value {
        self.gateway.status()["ownClient"].clone()
    }
}
