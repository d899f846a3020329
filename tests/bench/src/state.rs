//! A state directory in which devices are approved already.

use std::path::Path;

use anyhow::Context as _;
use serde_json::json;
use tidegate_protocol::{PublicKey, Scope, UnixMillis};
use tidegate_store::{OpenOptions, Store};
use tidegate_testkit::load::LoadDevice;
use tidegate_trust::Change;
use tidegate_trust::records::{Claims, DeviceRecord, DeviceToken, Grant};
use tidegate_trust::scopes::ScopeSet;
use tidegate_trust::token::TokenHash;

/// The scopes that every device was granted.
const GRANTED: [Scope; 4] = [Scope::Admin, Scope::Approvals, Scope::Pairing, Scope::Read];

/// Approves devices number 0 to `devices` - 1, as a person would have: their records are written
/// into the store before the program starts. Each has its token, so that none is made while it is
/// measured. `config` becomes the configuration file.
pub(crate) async fn prepare(
    directory: &Path,
    devices: u64,
    config: &serde_json::Value,
) -> anyhow::Result<()> {
    let path = directory.to_owned();
    let opened = tokio::task::spawn_blocking(move || Store::open(&path, OpenOptions::default())).await?;
    let (store, _) = opened.context("the store cannot be prepared")?;
    let records = (0..devices).map(|number| Ok(Change::PutDevice(Box::new(record(number)?))));
    store.commit_trust(records.collect::<anyhow::Result<_>>()?).await?;
    store.close().await;
    std::fs::write(directory.join("openclaw.json"), config.to_string())?;
    Ok(())
}

/// A configuration that leaves everything as it is.
pub(crate) fn defaults() -> serde_json::Value {
    json!({})
}

/// A configuration in which the built-in model answers.
pub(crate) fn offline_model() -> serde_json::Value {
    json!({ "agents": { "defaults": { "model": { "primary": "offline/demo" } } } })
}

fn record(number: u64) -> anyhow::Result<DeviceRecord> {
    let device = LoadDevice::numbered(number);
    let key = PublicKey::parse(&device.identity.public_key()).map_err(|error| anyhow::anyhow!("{error}"))?;
    let scopes: ScopeSet = GRANTED.into_iter().collect();
    let at = UnixMillis(1_700_000_000_000);
    let options = device.options(&[]);
    Ok(DeviceRecord {
        id: key.device_id(),
        key,
        claims: Claims {
            display_name: None,
            client_id: options.client_id,
            client_mode: options.client_mode,
            version: options.client_version,
            platform: options.platform,
            device_family: None,
        },
        label: None,
        grant: Grant { decided: scopes.clone(), granted: scopes },
        token: Some(DeviceToken {
            hash: Some(TokenHash::of(&device.token)),
            created_at: at,
            rotated_at: None,
            revoked_at: None,
        }),
        created_at: at,
        approved_at: at,
        last_seen_at: None,
        last_seen_from: None,
    })
}

#[cfg(test)]
mod tests {
    use tidegate_host::ServeOptions;
    use tidegate_secrets::SecretStore;
    use tidegate_testkit::load::{self, connect_all};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn prepared_devices_are_let_in_and_answered_without_asking_anyone() {
        let directory = tempfile::tempdir().unwrap();
        let state_dir = directory.path().join("state");
        prepare(&state_dir, 3, &defaults()).await.unwrap();
        let options = ServeOptions {
            state_dir: Some(state_dir),
            port: Some(0),
            quiet: true,
            secrets: Some(SecretStore::memory()),
            local_models: Some(Vec::new()),
            ..ServeOptions::default()
        };
        let host = tidegate_host::start(options).await.unwrap();
        let devices: Vec<_> =
            (0..3).map(|number| LoadDevice::numbered(number).options(&["operator.read"])).collect();

        load::handshakes(host.port(), &devices, 12, 2).await.unwrap();
        let connections = connect_all(host.port(), devices, 2).await.unwrap();
        load::health(connections, 30).await.unwrap();

        assert_eq!(host.gateway().status().waiting_requests, 0);
        host.stop().await;
    }
}
