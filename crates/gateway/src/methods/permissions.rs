//! What a person allowed for more than one time: looked at, taken back, and used again. Allowing is part of
//! deciding about a request.

use tidegate_access::{AllowError, Unasked};
use tidegate_protocol::frame::RequestFrame;
use tidegate_protocol::params::Empty;
use tidegate_protocol::payload::permissions::{
    AskEverythingResult, PermissionEntry, PermissionRevokedResult, PermissionsListResult, UnaskedEntry,
};
use tidegate_protocol::payload::surface_params::ById;
use tidegate_protocol::{ErrorCode, ErrorShape, rpc, text};
use tidegate_trust::permissions::{GrantedNeeds, Permission, PermissionError, PermissionKind};

use super::settings::decider;
use crate::dialog_requests::DialogRequest;
use crate::dispatch::{Caller, Handler};

/// Bytes of a folder's name.
const MAX_PATH: usize = 4096;

impl Handler for rpc::TidegatePermissionsList {
    async fn handle(caller: &Caller, _: Empty) -> Result<PermissionsListResult, ErrorShape> {
        let trust = &caller.gateway.inner().trust;
        let (permissions, ask_everything) = trust.permissions();
        let (unasked_count, unasked) = trust.unasked();
        Ok(PermissionsListResult {
            permissions: permissions.iter().map(entry).collect(),
            ask_everything,
            unasked: unasked.into_iter().map(unasked_entry).collect(),
            unasked_count,
        })
    }
}

fn entry(permission: &Permission) -> PermissionEntry {
    let granted = match &permission.kind {
        PermissionKind::Needs(granted)
        | PermissionKind::Task { granted, .. }
        | PermissionKind::Rule { granted, .. } => Some(granted),
        PermissionKind::Contained | PermissionKind::Read { .. } => None,
    };
    let (prefix, program) = match &permission.kind {
        PermissionKind::Rule { prefix, program, .. } => {
            let file = text::one_line(&program.file.to_string_lossy(), MAX_PATH);
            (Some(prefix.words().to_vec()), Some(file))
        }
        _ => (None, None),
    };
    let session_key = match &permission.kind {
        PermissionKind::Read { session_key } => Some(session_key.clone()),
        _ => None,
    };
    PermissionEntry {
        id: permission.id.clone(),
        kind: permission.kind.name(),
        folder: text::one_line(&permission.folder.path.to_string_lossy(), MAX_PATH),
        needs: granted.map(needs).unwrap_or_default(),
        prefix,
        program,
        session_key,
        sentence: permission.sentence(),
        granted_at_ms: permission.granted_at,
        expires_at_ms: permission.expires_at(),
        last_used_at_ms: permission.last_used_at,
    }
}

fn needs(granted: &GrantedNeeds) -> Vec<tidegate_protocol::confinement::Need> {
    granted.needs.iter().cloned().collect()
}

fn unasked_entry(unasked: Unasked) -> UnaskedEntry {
    let Unasked { at, session_key, run_id, title, digest, permissions } = unasked;
    UnaskedEntry { at_ms: at, session_key, run_id, title, digest, permissions }
}

impl Handler for rpc::TidegatePermissionsRevoke {
    async fn handle(caller: &Caller, params: ById) -> Result<PermissionRevokedResult, ErrorShape> {
        let trust = &caller.gateway.inner().trust;
        let revoked = trust.revoke_permission(&caller.session, &params.id).await;
        let (ended, saved) = revoked.map_err(|error| refused(&error))?;
        Ok(PermissionRevokedResult {
            id: params.id,
            saved,
            ended_commands: u64::try_from(ended).unwrap_or(u64::MAX),
        })
    }
}

impl Handler for rpc::TidegatePermissionsAskEverything {
    async fn handle(caller: &Caller, _: Empty) -> Result<AskEverythingResult, ErrorShape> {
        let trust = &caller.gateway.inner().trust;
        let saved = trust.ask_everything(&caller.session).await.map_err(|error| refused(&error))?;
        Ok(AskEverythingResult { ask_everything: true, saved })
    }
}

/// Where the command line is the person's place; beside a desktop its dialog decides.
impl Handler for rpc::TidegatePermissionsUse {
    async fn handle(caller: &Caller, _: Empty) -> Result<AskEverythingResult, ErrorShape> {
        let person = decider(caller)?;
        let trust = &caller.gateway.inner().trust;
        trust.use_permissions_again(&person).await.map_err(|error| not_allowed(caller, &error))?;
        Ok(AskEverythingResult { ask_everything: false, saved: true })
    }

    async fn dialog(_: &Caller, _: &RequestFrame) -> Result<Option<DialogRequest>, ErrorShape> {
        Ok(Some(DialogRequest::UsePermissions))
    }
}

fn refused(error: &PermissionError) -> ErrorShape {
    match error {
        PermissionError::SubagentClient | PermissionError::PersonOnly | PermissionError::DesktopDecides => {
            ErrorShape::new(ErrorCode::Forbidden, error.to_string())
        }
        PermissionError::Unknown | PermissionError::NotOffered | PermissionError::TooMany => {
            ErrorShape::invalid(error.to_string())
        }
    }
}

/// Why something was not allowed, as an answer.
pub(super) fn not_allowed(caller: &Caller, error: &AllowError) -> ErrorShape {
    match error {
        AllowError::Resolve(error) => super::approvals::not_resolved(caller, error),
        AllowError::Permission(error) => refused(error),
        AllowError::NotSaved(_) | AllowError::Overtaken | AllowError::Entropy(_) => {
            ErrorShape::unavailable(error.to_string())
        }
    }
}
