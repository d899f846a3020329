//! Devices that a person has decided about before a test begins.

use std::path::Path;

use tidegate_protocol::{DeviceId, PublicKey, Scope, UnixMillis};
use tidegate_store::{OpenOptions, Store};
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_trust::Change;
use tidegate_trust::records::{Claims, DeviceRecord, Grant};

/// The record of a device that was granted exactly these scopes.
#[must_use]
pub fn record(key: PublicKey, name: &str, scopes: &[Scope]) -> DeviceRecord {
    let granted: tidegate_trust::ScopeSet = scopes.iter().cloned().collect();
    DeviceRecord {
        id: key.device_id(),
        key,
        claims: Claims {
            display_name: Some(name.to_owned()),
            client_id: "cli".to_owned(),
            client_mode: "cli".to_owned(),
            version: "1.0.0".to_owned(),
            platform: "linux".to_owned(),
            device_family: None,
        },
        label: None,
        grant: Grant { decided: granted.clone(), granted },
        token: None,
        created_at: UnixMillis(1_700_000_000_000),
        approved_at: UnixMillis(1_700_000_000_000),
        last_seen_at: None,
        last_seen_from: None,
    }
}

/// The public key of a test's device.
///
/// # Panics
/// Never: a device's key has the right form.
#[must_use]
pub fn public_key(device: &DeviceIdentity) -> PublicKey {
    PublicKey::parse(&device.public_key()).unwrap()
}

/// The id of a test's device.
#[must_use]
pub fn device_id(device: &DeviceIdentity) -> DeviceId {
    public_key(device).device_id()
}

/// Writes into a store that no host has open.
///
/// # Panics
/// When it cannot be opened or written.
pub async fn commit(state_dir: &Path, changes: Vec<Change>) {
    let (store, _) = Store::open(state_dir, OpenOptions::default()).unwrap();
    store.commit_trust(changes).await.unwrap();
    store.close().await;
}
