//! Devices, blocks and waiting requests as clients and the person's surfaces see them.

use std::path::Path;

use tidegate_protocol::payload::devices::{BlockedEntry, DeviceTokenEntry, PairedDevice, PendingDevice};
use tidegate_protocol::payload::surface_params::GrantLifetime;
use tidegate_protocol::{PublicKey, Scope, UnixMillis};
use tidegate_trust::ScopeSet;
use tidegate_trust::authority::{Authority, GrantExpiry, OWN_CLIENT_NAME};
use tidegate_trust::pairing::PendingRequest;
use tidegate_trust::records::{Block, DeviceRecord, Subject};

use crate::attached::pending_payload;

/// The one role that devices have here.
const OPERATOR: &str = "operator";

/// The known devices as `device.pair.list` shows them.
pub(crate) fn device_payloads(authority: &Authority) -> impl Iterator<Item = PairedDevice> {
    authority
        .devices()
        .map(|(record, lifetime)| device_payload(record, lifetime, authority.is_connected(record.id)))
}

fn device_payload(record: &DeviceRecord, lifetime: GrantExpiry, connected: bool) -> PairedDevice {
    let scopes: Vec<Scope> = record.grant.granted.to_vec();
    let token = record.token.as_ref().map(|token| DeviceTokenEntry {
        role: OPERATOR.to_owned(),
        scopes: scopes.clone(),
        created_at_ms: token.created_at,
        rotated_at_ms: token.rotated_at,
        revoked_at_ms: token.revoked_at,
    });
    PairedDevice {
        device_id: record.id,
        public_key: record.key,
        display_name: record.label.clone().or_else(|| record.claims.display_name.clone()),
        operator_label: record.label.clone(),
        built_in: None,
        platform: record.claims.platform.clone(),
        device_family: record.claims.device_family.clone(),
        client_id: record.claims.client_id.clone(),
        client_mode: record.claims.client_mode.clone(),
        role: OPERATOR.to_owned(),
        roles: vec![OPERATOR.to_owned()],
        scopes,
        approved_via: Some("owner".to_owned()),
        lasts: Some(match lifetime {
            GrantExpiry::Always => GrantLifetime::Always,
            GrantExpiry::UntilQuit => GrantLifetime::UntilQuit,
            GrantExpiry::Once(_) => GrantLifetime::Once,
        }),
        created_at_ms: Some(record.created_at),
        approved_at_ms: Some(record.approved_at),
        last_seen_at_ms: record.last_seen_at,
        last_seen_from: record.last_seen_from.clone(),
        connected,
        tokens: token.map(|token| vec![token]),
    }
}

/// Tidegate's own subagent client, as `device.pair.list` shows it.
pub(crate) fn own_client_payload((key, seen): (PublicKey, Option<UnixMillis>)) -> PairedDevice {
    PairedDevice {
        device_id: key.device_id(),
        public_key: key,
        display_name: Some(OWN_CLIENT_NAME.to_owned()),
        operator_label: None,
        built_in: Some(true),
        platform: std::env::consts::OS.to_owned(),
        device_family: None,
        client_id: "gateway-client".to_owned(),
        client_mode: "backend".to_owned(),
        role: OPERATOR.to_owned(),
        roles: vec![OPERATOR.to_owned()],
        scopes: vec![Scope::Admin],
        approved_via: None,
        lasts: None,
        created_at_ms: seen,
        approved_at_ms: seen,
        last_seen_at_ms: seen,
        last_seen_from: None,
        connected: seen.is_some(),
        tokens: None,
    }
}

/// A block as the person sees it.
pub(crate) fn block_payload(block: &Block) -> BlockedEntry {
    let (device, program) = match &block.subject {
        Subject::Device(device) => (Some(device), None),
        Subject::Program(program) => (None, Some(program)),
    };
    let path = |path: &Path| path.display().to_string();
    BlockedEntry {
        id: block.id(),
        blocked: true,
        name: block.name.clone(),
        device_id: device.copied(),
        executable: program.map(|program| path(&program.executable)),
        script: program.and_then(|program| program.script.as_deref()).map(path),
        since: block.at,
    }
}

/// A waiting request with everything that a person should see.
pub(crate) fn request_payload(request: &PendingRequest) -> PendingDevice {
    let ask = &request.details;
    let scopes = |scopes: &ScopeSet| Some(scopes.to_vec());
    PendingDevice {
        code: request.id.get(..8).map(str::to_owned),
        digest: Some(ask.digest()),
        reason: Some(ask.reason),
        has: scopes(&ask.has),
        adds: scopes(&ask.added),
        from: Some(ask.from.clone()),
        subject: Some(ask.subject.name()),
        version: Some(ask.claims.version.clone()),
        known_name: Some(ask.known_name),
        unidentified: Some(ask.unidentified),
        caution: ask.ephemeral.map(str::to_owned),
        later: Some(request.later),
        expires_at_ms: Some(request.expires_at()),
        fingerprint: ask.key.map(|key| key.device_id().fingerprint()),
        ..pending_payload(request)
    }
}
