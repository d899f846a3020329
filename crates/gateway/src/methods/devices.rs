//! Waiting and paired devices, as OpenClaw's clients manage them.

use tidegate_access::DecideError;
use tidegate_protocol::frame::RequestFrame;
use tidegate_protocol::params::{Device, DeviceRename, Empty, RequestId, TokenRevoke, TokenRotate};
use tidegate_protocol::payload::devices::{
    ApprovedProgram, ApprovedSubject, DevicePairApproveResult, DevicePairListResult, DevicePairRejectResult,
    DevicePairRemoveResult, DevicePairRenameResult, DeviceTokenRevokeResult, DeviceTokenRotateResult,
    PairedDevice,
};
use tidegate_protocol::{ErrorCode, ErrorShape, Scope, rpc};
use tidegate_trust::authority::Authority;
use tidegate_trust::decision::{Choice, Decider, DecisionError, GrantLifetime, NotADecider, Verdict};
use tidegate_trust::management::ManagementError;
use tidegate_trust::{Principal, Transaction};

use super::desktop::waiting_id;
use super::device_entries::{block_payload, device_payloads, own_client_payload};
use super::unsaved_note;
use crate::attached::pending_payload;
use crate::dialog_requests::DialogRequest;
use crate::dispatch::{Caller, Handler, parse};
use crate::now;

/// A device that was not granted `operator.pairing` sees itself only.
impl Handler for rpc::DevicePairList {
    async fn handle(caller: &Caller, _: Empty) -> Result<DevicePairListResult, ErrorShape> {
        let trust = caller.trust();
        trust.tick();
        let authority = trust.authority();
        let is_own_surface = caller.session.is_own_surface();
        let sees_all = is_own_surface || caller.session.scopes().names(&Scope::Pairing);
        let is_own =
            |device: &PairedDevice| caller.session.principal() == &Principal::Device(device.device_id);
        let pending = authority.waiting().iter().rev().filter(|_| sees_all).map(pending_payload).collect();
        let mut paired: Vec<PairedDevice> =
            device_payloads(&authority).filter(|device| sees_all || is_own(device)).collect();
        paired.sort_by_key(|device| std::cmp::Reverse(device.approved_at_ms));
        paired.extend(authority.own_client().filter(|_| sees_all).map(own_client_payload));
        let blocked = is_own_surface.then(|| authority.blocks().iter().map(block_payload).collect());
        Ok(DevicePairListResult { pending, paired, blocked })
    }
}

/// Everything that is asked, always.
impl Handler for rpc::DevicePairApprove {
    async fn handle(caller: &Caller, params: RequestId) -> Result<DevicePairApproveResult, ErrorShape> {
        let verdict = Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Always };
        let subject = decide(caller, &params.request_id, None, &verdict).await?;
        let authority = caller.trust().authority();
        let device = device_payloads(&authority)
            .find(|device| device.device_id.to_string() == subject)
            .map_or(ApprovedSubject::Program(ApprovedProgram { device_id: subject }), |device| {
                ApprovedSubject::Device(Box::new(device))
            });
        Ok(DevicePairApproveResult { request_id: params.request_id, device })
    }

    async fn dialog(caller: &Caller, request: &RequestFrame) -> Result<Option<DialogRequest>, ErrorShape> {
        let params = parse::<Self>(request)?;
        Ok(waiting_id(caller.gateway.inner(), &params.request_id).map(Some).map(DialogRequest::Review))
    }
}

impl Handler for rpc::DevicePairReject {
    async fn handle(caller: &Caller, params: RequestId) -> Result<DevicePairRejectResult, ErrorShape> {
        let subject = decide(caller, &params.request_id, None, &Verdict::Reject).await?;
        Ok(DevicePairRejectResult { request_id: params.request_id, device_id: subject })
    }
}

/// Takes a decision through the one sink, and tells whom it was about.
pub(crate) async fn decide(
    caller: &Caller,
    request: &str,
    digest: Option<&str>,
    verdict: &Verdict,
) -> Result<String, ErrorShape> {
    let trust = caller.trust();
    let decider =
        Decider::of(&caller.session, trust.desktop()).map_err(|error| not_a_decider(caller, error))?;
    let subject = trust
        .authority()
        .waiting()
        .iter()
        .find(|waiting| waiting.id == request)
        .map(|waiting| waiting.details.subject.name());
    trust.decide(&decider, request, digest, verdict).await.map_err(|error| match error {
        DecideError::Decision(DecisionError::DesktopDecides) => {
            super::desktop::review_instead(&caller.gateway, request)
        }
        error => decide_error(caller, &error),
    })?;
    Ok(subject.unwrap_or_default())
}

fn not_a_decider(caller: &Caller, error: NotADecider) -> ErrorShape {
    match error {
        NotADecider::NotGiven => caller.session.dialect().missing_scope(&Scope::Pairing),
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

impl Handler for rpc::DevicePairRemove {
    async fn handle(caller: &Caller, params: Device) -> Result<DevicePairRemoveResult, ErrorShape> {
        let ((), note) = change(caller, |authority| {
            authority.remove_device(&caller.session, params.device_id, now::timestamp())
        })
        .await?;
        Ok(DevicePairRemoveResult { device_id: params.device_id, note })
    }
}

impl Handler for rpc::DevicePairRename {
    async fn handle(caller: &Caller, params: DeviceRename) -> Result<DevicePairRenameResult, ErrorShape> {
        let (label, note) = change(caller, |authority| {
            authority.rename_device(&caller.session, params.device_id, &params.label, now::timestamp())
        })
        .await?;
        Ok(DevicePairRenameResult { device_id: params.device_id, label, note })
    }
}

/// Only the device itself and the person get the new token.
impl Handler for rpc::DeviceTokenRotate {
    async fn handle(caller: &Caller, params: TokenRotate) -> Result<DeviceTokenRotateResult, ErrorShape> {
        let (entropy, now) = (now::entropy()?, now::timestamp());
        let (rotated, note) = change(caller, |authority| {
            authority.rotate_token(&caller.session, params.device_id, &params.role, &entropy, now)
        })
        .await?;
        let delivery = if rotated.token.is_some() { "in-band" } else { "withheld-cross-device" };
        Ok(DeviceTokenRotateResult {
            device_id: params.device_id,
            role: params.role,
            scopes: rotated.scopes.to_vec(),
            rotated_at_ms: rotated.at,
            token_delivery: delivery.to_owned(),
            token: rotated.token.as_ref().map(|token| token.reveal().to_owned()),
            note,
        })
    }
}

impl Handler for rpc::DeviceTokenRevoke {
    async fn handle(caller: &Caller, params: TokenRevoke) -> Result<DeviceTokenRevokeResult, ErrorShape> {
        let (at, note) = change(caller, |authority| {
            authority.revoke_token(&caller.session, params.device_id, &params.role, now::timestamp())
        })
        .await?;
        Ok(DeviceTokenRevokeResult {
            device_id: params.device_id,
            role: params.role,
            revoked_at_ms: at,
            note,
        })
    }
}

/// Makes a change, which is in effect at once, and commits it; with a note where that has to be tried again.
pub(crate) async fn change<T>(
    caller: &Caller,
    make: impl FnOnce(&mut Authority) -> Result<Transaction<T>, ManagementError>,
) -> Result<(T, Option<String>), ErrorShape> {
    let trust = caller.trust();
    let made = make(&mut trust.authority());
    let changed = made.map_err(|error| match error {
        ManagementError::BeyondCaller(scope) => caller.session.dialect().missing_scope(&scope),
        error => ErrorShape::invalid(error.to_string()),
    })?;
    let (result, saved) = trust.settle(changed, Some(caller.session.connection())).await;
    Ok((result, unsaved_note(saved)))
}
