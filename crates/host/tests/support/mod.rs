//! A host beside a desktop, and who connects to it.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "each test file uses its part")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_host::{Announcement, ServeOptions, Supervised, SupervisedState};
use tidegate_secrets::SecretStore;
use tidegate_testkit::client::{ClientError, ConnectOptions, GatewayClient};
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_trust::decision::Desktop;
use tidegate_trust::token::Token;

const PATIENCE: Duration = Duration::from_mins(1);

/// The shared tokens that were told.
#[derive(Clone, Default)]
pub(crate) struct Tokens(Arc<Mutex<Vec<Token>>>);

impl Tokens {
    pub(crate) fn options(&self, state_dir: &Path) -> ServeOptions {
        let told = self.clone();
        let announce = move |announcement: &Announcement| {
            if let Announcement::SharedToken { token } = announcement {
                told.0.lock().unwrap().push(token.clone());
            }
        };
        ServeOptions {
            announce: Box::new(announce),
            state_dir: Some(state_dir.to_owned()),
            port: Some(0),
            quiet: true,
            desktop: Desktop::Running,
            secrets: Some(SecretStore::memory()),
            local_models: Some(Vec::new()),
            ..ServeOptions::default()
        }
    }

    /// A device connects, with the first token.
    pub(crate) async fn connect(&self, port: u16, number: u64) -> Result<GatewayClient, ClientError> {
        let mut client = GatewayClient::open(&format!("ws://127.0.0.1:{port}")).await?;
        self.request_pairing(&mut client, number).await?;
        Ok(client)
    }

    /// It asks to pair, on an open connection.
    pub(crate) async fn request_pairing(
        &self,
        client: &mut GatewayClient,
        number: u64,
    ) -> Result<(), ClientError> {
        let token = self.0.lock().unwrap()[0].clone();
        let options = ConnectOptions::default()
            .device(&DeviceIdentity::numbered(number))
            .token(token.reveal())
            .scopes(&["operator.read", "operator.pairing"]);
        client.connect(&options).await.map(drop)
    }
}

pub(crate) async fn ready(supervised: &Supervised, least: u64) -> u16 {
    let mut states = supervised.states();
    let is_ready = |state: &SupervisedState| matches!(state, SupervisedState::Ready { generation, .. } if *generation >= least);
    let reached = tokio::time::timeout(PATIENCE, states.wait_for(is_ready)).await;
    match reached.expect("in time").expect("supervised").clone() {
        SupervisedState::Ready { port, .. } => port,
        _ => unreachable!("waited for"),
    }
}
