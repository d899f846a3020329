//! Starting the real host inside a test.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tidegate_agent::Runtime;
use tidegate_gateway::{Gateway, SubagentClient};
use tidegate_host::{Announcement, BootError, RunningHost, ServeOptions};
use tidegate_protocol::Scope;
use tidegate_protocol::payload::surfaces::OwnClient;
use tidegate_secrets::SecretStore;
use tidegate_store::Store;
use tidegate_testkit::client::{ClientError, ConnectOptions, GatewayClient};
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_trust::Change;

use crate::control::Control;
use crate::device;
use crate::place::Place;

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
    pub runtime: Runtime,
    /// Our own client.
    pub subagents: SubagentClient,
    pub store: Store,
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
    #[must_use]
    pub fn waiting_requests(&self) -> u64 {
        self.gateway.status().waiting_requests
    }

    /// Our own client as the gateway knows it.
    ///
    /// # Panics
    /// When the gateway knows none.
    #[must_use]
    pub fn own_client(&self) -> OwnClient {
        self.gateway.status().own_client.expect("our own client")
    }
}

/// A host in this process, its shared token, and how to connect to it.
pub struct Served {
    pub host: RunningHost,
    /// The shared token, announced at the first start.
    pub token: String,
}

impl Served {
    /// Starts a host whose store is new.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(mut options: ServeOptions) -> Self {
        let told = Arc::new(Mutex::new(None));
        let teller = Arc::clone(&told);
        options.announce = Box::new(move |announcement| {
            if let Announcement::SharedToken { token } = announcement {
                *teller.lock().unwrap() = Some(token.reveal().to_owned());
            }
        });
        let host = tidegate_host::start(options).await.unwrap();
        let token = told.lock().unwrap().take().expect("a new store has a new token");
        Self { host, token }
    }

    /// Starts a host in a place of its own, in which a person has let `devices` in before, with
    /// these scopes.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn with_devices(place: &Place, devices: &[(&DeviceIdentity, &[Scope])]) -> Self {
        Self::with_devices_and(place, devices, |_| {}).await
    }

    /// The same with other options.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn with_devices_and(
        place: &Place,
        devices: &[(&DeviceIdentity, &[Scope])],
        change: impl FnOnce(&mut ServeOptions),
    ) -> Self {
        let change_of = |(number, (device, scopes)): (usize, &(&DeviceIdentity, &[Scope]))| {
            let record = device::record(device::public_key(device), &format!("device {number}"), scopes);
            Change::PutDevice(Box::new(record))
        };
        device::commit(&place.state_dir(), devices.iter().enumerate().map(change_of).collect()).await;
        let mut options = options(&place.state_dir(), SecretStore::memory());
        change(&mut options);
        Self::start(options).await
    }

    /// Takes the server on this computer that was found into use, as the person's command line does.
    ///
    /// # Panics
    /// When none is found.
    pub async fn use_found_model(&self) {
        let mut control = Control::open(self).await;
        let list = control.call("models.list", json!({})).await.unwrap();
        let is_found = |model: &&Value| model["tags"] == json!(["found"]);
        let model = list["models"].as_array().unwrap().iter().find(is_found).expect("a found model");
        let name = format!("{}/{}", model["provider"].as_str().unwrap(), model["id"].as_str().unwrap());
        let error = control.call("tidegate.models.use", json!({ "model": name })).await.unwrap_err();
        let owner = &error["details"]["server"]["owner"];
        control.call("tidegate.models.take", json!({ "model": name, "owner": owner })).await.unwrap();
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.host.port())
    }

    /// What a device says that connects with the shared token.
    #[must_use]
    pub fn options(&self, device: &DeviceIdentity, scopes: &[&str]) -> ConnectOptions {
        ConnectOptions::default().device(device).token(&self.token).caps(&["tool-events"]).scopes(scopes)
    }

    /// Connects a device.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn connect(
        &self,
        device: &DeviceIdentity,
        scopes: &[&str],
    ) -> Result<GatewayClient, ClientError> {
        let mut client = GatewayClient::open(&self.url()).await?;
        client.connect(&self.options(device, scopes)).await?;
        Ok(client)
    }
}
