//! Waiting and paired devices, as OpenClaw's clients manage them (protocol section 11).

use serde_json::{Value, json};
use tidegate_protocol::params::{Device, DeviceRename, RequestId, TokenRevoke, TokenRotate};
use tidegate_protocol::{ErrorCode, ErrorShape};
use tidegate_trust::Principal;
use tidegate_trust::authority::{Lifetime, OWN_CLIENT_NAME};
use tidegate_trust::decision::{Choice, Decider, DecisionError, Duration, NotADecider, Verdict};
use tidegate_trust::management::{Changed, ManagementError};
use tidegate_trust::records::DeviceRecord;

use crate::dispatch::Caller;
use crate::gatekeeper::{DecideError, pending_payload, subject_id};
use crate::now;

/// `device.pair.list`. A device that was not given the right to let others in sees itself only.
pub(crate) fn list(caller: &Caller) -> Value {
    let gatekeeper = &caller.gateway.inner().gatekeeper;
    gatekeeper.tick();
    let authority = gatekeeper.authority();
    let sees_all = match caller.session.is_own_surface() {
        true => true,
        false => caller.session.scopes().names(&tidegate_protocol::Scope::Pairing),
    };
    let is_own = |record: &DeviceRecord| caller.session.principal() == &Principal::Device(record.id);
    let mut pending: Vec<Value> = match sees_all {
        true => authority.waiting().iter().map(pending_payload).collect(),
        false => Vec::new(),
    };
    pending.reverse();
    let mut records: Vec<_> = authority.devices().filter(|(record, _)| sees_all || is_own(record)).collect();
    records.sort_by_key(|(record, _)| std::cmp::Reverse(record.approved_at));
    let mut paired: Vec<Value> = records
        .into_iter()
        .map(|(record, lifetime)| device_payload(record, lifetime, authority.is_connected(record.id)))
        .collect();
    if sees_all && let Some((key, seen)) = authority.own_client() {
        paired.push(json!({
            "deviceId": key.device_id(),
            "publicKey": key,
            "displayName": OWN_CLIENT_NAME,
            "builtIn": true,
            "clientId": "gateway-client",
            "clientMode": "backend",
            "platform": std::env::consts::OS,
            "role": "operator",
            "roles": ["operator"],
            "scopes": ["operator.admin"],
            "createdAtMs": seen,
            "approvedAtMs": seen,
            "lastSeenAtMs": seen,
            "connected": seen.is_some(),
        }));
    }
    let mut list = json!({ "pending": pending, "paired": paired });
    if caller.session.is_own_surface()
        && let Some(list) = list.as_object_mut()
    {
        let blocked: Vec<Value> = authority.blocks().iter().map(super::local::block_payload).collect();
        list.insert("blocked".to_owned(), json!(blocked));
    }
    list
}

/// A known device as `device.pair.list` shows it.
pub(crate) fn device_payload(record: &DeviceRecord, lifetime: Lifetime, connected: bool) -> Value {
    let token = record.token.as_ref().map(|token| {
        json!([{
            "role": "operator",
            "scopes": record.grant.granted,
            "createdAtMs": token.created_at,
            "rotatedAtMs": token.rotated_at,
            "revokedAtMs": token.revoked_at,
        }])
    });
    let mut payload = json!({
        "deviceId": record.id,
        "publicKey": record.key,
        "displayName": record.label.as_ref().or(record.claims.display_name.as_ref()),
        "operatorLabel": record.label,
        "platform": record.claims.platform,
        "deviceFamily": record.claims.device_family,
        "clientId": record.claims.client_id,
        "clientMode": record.claims.client_mode,
        "role": "operator",
        "roles": ["operator"],
        "scopes": record.grant.granted,
        "approvedVia": "owner",
        "lasts": match lifetime {
            Lifetime::Always => "always",
            Lifetime::UntilQuit => "until-quit",
            Lifetime::Once(_) => "once",
        },
        "createdAtMs": record.created_at,
        "approvedAtMs": record.approved_at,
        "lastSeenAtMs": record.last_seen_at,
        "lastSeenFrom": record.last_seen_from,
        "connected": connected,
        "tokens": token,
    });
    if let Some(payload) = payload.as_object_mut() {
        payload.retain(|_, value| !value.is_null());
    }
    payload
}

/// `device.pair.approve`: everything that is asked, always.
pub(crate) async fn approve(caller: &Caller, params: RequestId) -> Result<Value, ErrorShape> {
    let verdict = Verdict::Approve { choice: Choice::All, duration: Duration::Always };
    let subject = decide(caller, &params.request_id, None, &verdict).await?;
    let authority = caller.gateway.inner().gatekeeper.authority();
    let device = authority
        .devices()
        .find(|(record, _)| record.id.to_string() == subject)
        .map(|(record, lifetime)| device_payload(record, lifetime, authority.is_connected(record.id)));
    Ok(
        json!({ "requestId": params.request_id, "device": device.unwrap_or_else(|| json!({ "deviceId": subject })) }),
    )
}

/// `device.pair.reject`.
pub(crate) async fn reject(caller: &Caller, params: RequestId) -> Result<Value, ErrorShape> {
    let subject = decide(caller, &params.request_id, None, &Verdict::Reject).await?;
    Ok(json!({ "requestId": params.request_id, "deviceId": subject }))
}

/// Takes a decision through the one sink, and tells whom it was about.
pub(crate) async fn decide(
    caller: &Caller,
    request: &str,
    digest: Option<&str>,
    verdict: &Verdict,
) -> Result<String, ErrorShape> {
    let gatekeeper = &caller.gateway.inner().gatekeeper;
    let decider =
        Decider::of(&caller.session, gatekeeper.desktop).map_err(|error| not_a_decider(caller, error))?;
    let subject = gatekeeper
        .authority()
        .waiting()
        .iter()
        .find(|waiting| waiting.id == request)
        .map(|waiting| subject_id(&waiting.ask.subject));
    gatekeeper.decide(&decider, request, digest, verdict).await.map_err(|error| match error {
        DecideError::Decision(DecisionError::DesktopDecides) => {
            super::desktop::review_instead(&caller.gateway, request)
        }
        error => decide_error(caller, &error),
    })?;
    Ok(subject.unwrap_or_default())
}

fn not_a_decider(caller: &Caller, error: NotADecider) -> ErrorShape {
    match error {
        NotADecider::NotGiven => caller.session.dialect().missing_scope(&tidegate_protocol::Scope::Pairing),
        NotADecider::SubagentClient => ErrorShape::new(ErrorCode::Forbidden, error.to_string()),
    }
}

fn decide_error(caller: &Caller, error: &DecideError) -> ErrorShape {
    match error {
        DecideError::Decision(DecisionError::BeyondDecider(scope)) => {
            caller.session.dialect().missing_scope(scope)
        }
        DecideError::Decision(DecisionError::Own | DecisionError::PersonOnly) => {
            ErrorShape::new(ErrorCode::Forbidden, error.to_string())
        }
        DecideError::Decision(_) | DecideError::Overtaken => ErrorShape::invalid(error.to_string()),
        DecideError::NotSaved(_) | DecideError::Entropy(_) => ErrorShape::unavailable(error.to_string()),
    }
}

/// `device.pair.remove`.
pub(crate) async fn remove(caller: &Caller, params: Device) -> Result<Value, ErrorShape> {
    let changed = {
        let mut authority = caller.gateway.inner().gatekeeper.authority();
        authority.remove_device(&caller.session, params.device_id, now::moment())
    };
    let ((), saved) = settle(caller, changed).await?;
    Ok(with_note(json!({ "deviceId": params.device_id }), saved))
}

/// `device.pair.rename`.
pub(crate) async fn rename(caller: &Caller, params: DeviceRename) -> Result<Value, ErrorShape> {
    let changed = {
        let mut authority = caller.gateway.inner().gatekeeper.authority();
        authority.rename_device(&caller.session, params.device_id, &params.label, now::moment())
    };
    let (label, saved) = settle(caller, changed).await?;
    Ok(with_note(json!({ "deviceId": params.device_id, "label": label }), saved))
}

/// `device.token.rotate`. The new token is told to the device itself and to the person only.
pub(crate) async fn rotate(caller: &Caller, params: TokenRotate) -> Result<Value, ErrorShape> {
    let entropy = now::entropy().map_err(|error| ErrorShape::unavailable(error.to_string()))?;
    let changed = {
        let mut authority = caller.gateway.inner().gatekeeper.authority();
        authority.rotate_token(&caller.session, params.device_id, &params.role, &entropy, now::moment())
    };
    let (rotated, saved) = settle(caller, changed).await?;
    let mut payload = json!({
        "deviceId": params.device_id,
        "role": params.role,
        "scopes": rotated.scopes,
        "rotatedAtMs": rotated.at,
        "tokenDelivery": if rotated.token.is_some() { "in-band" } else { "withheld-cross-device" },
    });
    if let (Some(payload), Some(token)) = (payload.as_object_mut(), &rotated.token) {
        payload.insert("token".to_owned(), json!(token.reveal()));
    }
    Ok(with_note(payload, saved))
}

/// `device.token.revoke`.
pub(crate) async fn revoke(caller: &Caller, params: TokenRevoke) -> Result<Value, ErrorShape> {
    let changed = {
        let mut authority = caller.gateway.inner().gatekeeper.authority();
        authority.revoke_token(&caller.session, params.device_id, &params.role, now::moment())
    };
    let (at, saved) = settle(caller, changed).await?;
    Ok(with_note(json!({ "deviceId": params.device_id, "role": params.role, "revokedAtMs": at }), saved))
}

/// Commits a change that already counts.
pub(crate) async fn settle<T>(
    caller: &Caller,
    changed: Result<Changed<T>, ManagementError>,
) -> Result<(T, bool), ErrorShape> {
    let changed = changed.map_err(|error| management_error(caller, &error))?;
    Ok(caller.gateway.inner().gatekeeper.settle(changed, Some(caller.session.connection())).await)
}

fn management_error(caller: &Caller, error: &ManagementError) -> ErrorShape {
    match error {
        ManagementError::BeyondCaller(scope) => caller.session.dialect().missing_scope(scope),
        _ => ErrorShape::invalid(error.to_string()),
    }
}

/// Says so when a change holds only until restart, because it could not be saved yet.
pub(crate) fn with_note(mut payload: Value, saved: bool) -> Value {
    if !saved && let Some(payload) = payload.as_object_mut() {
        let note = "This holds until restart: it could not be saved yet, and saving is tried again.";
        payload.insert("note".to_owned(), json!(note));
    }
    payload
}
