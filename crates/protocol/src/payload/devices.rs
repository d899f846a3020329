//! What the methods of `device.*` answer with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::surface_params::GrantLifetime;
use crate::refusal::PairingReason;
use crate::{DeviceId, PublicKey, Scope, UnixMillis};

/// What was approved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ApprovedSubject {
    Device(Box<PairedDevice>),
    Program(ApprovedProgram),
}

objects! {
    /// A program that was approved: it has a name in the place of a device id.
    ApprovedProgram {
        device_id: String,
    }
    /// A waiting request. Only the person's own surfaces get the second half.
    #[derive(Default)] PendingDevice {
        request_id: String,
        /// The device's id, or a name for the program.
        device_id: String,
        /// Empty for programs.
        public_key: String,
        display_name: Option<String>,
        platform: String,
        device_family: Option<String>,
        client_id: String,
        client_mode: String,
        role: String,
        roles: Vec<String>,
        /// What it asks for.
        scopes: Vec<Scope>,
        silent: bool,
        is_repair: bool,
        ts: UnixMillis,
        /// The code that the client shows too: the first characters of the request's id.
        code: Option<String>,
        /// Of everything that a person was shown: a decision names it.
        digest: Option<String>,
        reason: Option<PairingReason>,
        /// What it was granted before.
        has: Option<Vec<Scope>>,
        /// What is asked for beyond that.
        adds: Option<Vec<Scope>>,
        /// Where it comes from, in words.
        from: Option<String>,
        subject: Option<String>,
        version: Option<String>,
        /// Whether a person gave this name to another device.
        known_name: Option<bool>,
        /// Whether an agent's command could be behind it.
        unidentified: Option<bool>,
        caution: Option<String>,
        later: Option<bool>,
        expires_at_ms: Option<UnixMillis>,
        fingerprint: Option<String>,
    }
    /// A device's token, without the token.
    DeviceTokenEntry {
        role: String,
        scopes: Vec<Scope>,
        created_at_ms: UnixMillis,
        #[serialize_always] rotated_at_ms: Option<UnixMillis>,
        #[serialize_always] revoked_at_ms: Option<UnixMillis>,
    }
    /// A known device, or our own client.
    PairedDevice {
        device_id: DeviceId,
        public_key: PublicKey,
        display_name: Option<String>,
        /// The name that a person gave it.
        operator_label: Option<String>,
        /// Only our own client: it can be neither removed nor renamed.
        built_in: Option<bool>,
        platform: String,
        device_family: Option<String>,
        client_id: String,
        client_mode: String,
        role: String,
        roles: Vec<String>,
        scopes: Vec<Scope>,
        approved_via: Option<String>,
        /// How long the grant lasts.
        lasts: Option<GrantLifetime>,
        created_at_ms: Option<UnixMillis>,
        approved_at_ms: Option<UnixMillis>,
        last_seen_at_ms: Option<UnixMillis>,
        last_seen_from: Option<String>,
        connected: bool,
        tokens: Option<Vec<DeviceTokenEntry>>,
    }
    /// What is blocked.
    BlockedEntry {
        id: String,
        /// `true`.
        blocked: bool,
        name: String,
        #[serialize_always] device_id: Option<DeviceId>,
        #[serialize_always] executable: Option<String>,
        #[serialize_always] script: Option<String>,
        since: UnixMillis,
    }
    /// `device.pair.list`; blocks are sent to the person's own surfaces only.
    DevicePairListResult {
        pending: Vec<PendingDevice>,
        paired: Vec<PairedDevice>,
        blocked: Option<Vec<BlockedEntry>>,
    }
    /// `device.pair.approve`.
    DevicePairApproveResult {
        request_id: String,
        device: ApprovedSubject,
    }
    /// `device.pair.reject`.
    DevicePairRejectResult {
        request_id: String,
        device_id: String,
    }
    /// `device.pair.remove`.
    DevicePairRemoveResult {
        device_id: DeviceId,
        /// Why it holds only until restart, if so.
        note: Option<String>,
    }
    /// `device.pair.rename`.
    DevicePairRenameResult {
        device_id: DeviceId,
        label: String,
        note: Option<String>,
    }
    /// `device.token.rotate`.
    DeviceTokenRotateResult {
        device_id: DeviceId,
        role: String,
        scopes: Vec<Scope>,
        rotated_at_ms: UnixMillis,
        /// `in-band` or `withheld-cross-device`.
        token_delivery: String,
        token: Option<String>,
        note: Option<String>,
    }
    /// `device.token.revoke`.
    DeviceTokenRevokeResult {
        device_id: DeviceId,
        role: String,
        revoked_at_ms: UnixMillis,
        note: Option<String>,
    }
}
