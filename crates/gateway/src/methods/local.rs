//! What only the person's command line asks, on the local socket.

use std::path::Path;

use tidegate_access::TokenError;
use tidegate_protocol::frame::RequestFrame;
use tidegate_protocol::params::Empty;
use tidegate_protocol::payload::surface_params::{Audit, ById, Decide, TokenNew, VerdictName};
use tidegate_protocol::payload::surfaces::{
    AuditEntry, AuditResult, BlockedResult, DecidedResult, PausedResult, ProgramEntry, ProgramTokenEntry,
    RevokedResult, ShownEntry, TokenListResult, TokenNewResult, TokenRotatedResult, UnblockedResult,
};
use tidegate_protocol::{DeviceId, ErrorShape, rpc};
use tidegate_trust::ScopeSet;
use tidegate_trust::audit::AuditEvent;
use tidegate_trust::authority::{Authority, GrantExpiry};
use tidegate_trust::decision::{Choice, Verdict};
use tidegate_trust::pairing::PendingRequest;
use tidegate_trust::records::{Block, ProgramGrant, ProgramToken};

use super::device_entries::{block_payload, device_payloads, request_payload};
use super::devices::{self, change};
use crate::dialog_requests::DialogRequest;
use crate::dispatch::{Caller, Handler, parse};
use crate::now;
use crate::state::Gateway;

/// A new shared token, shown once.
impl Handler for rpc::TidegateTokenRotate {
    async fn handle(caller: &Caller, _: Empty) -> Result<TokenRotatedResult, ErrorShape> {
        let entropy = now::entropy()?;
        let rotate =
            |authority: &mut Authority| Ok(authority.rotate_shared_token(&entropy, now::timestamp()));
        let (token, note) = change(caller, rotate).await?;
        caller.gateway.inner().host.keep_shared_token(&token).await;
        Ok(TokenRotatedResult { token: token.reveal().to_owned(), note })
    }
}

/// A token for one program, shown once.
impl Handler for rpc::TidegateTokenNew {
    async fn handle(caller: &Caller, params: TokenNew) -> Result<TokenNewResult, ErrorShape> {
        let made = caller.trust().new_token(&params.name, params.level, params.pairing).await;
        let (token, record) = made.map_err(|error| match error {
            TokenError::NotSaved(_) | TokenError::Entropy(_) => ErrorShape::unavailable(error.to_string()),
            _ => ErrorShape::invalid(error.to_string()),
        })?;
        let ProgramTokenEntry { id, name, level, pairing, scopes, created_at_ms, last_used_at_ms } =
            token_payload(&record);
        let token = token.reveal().to_owned();
        Ok(TokenNewResult { id, name, level, pairing, scopes, created_at_ms, last_used_at_ms, token })
    }

    async fn dialog(_: &Caller, request: &RequestFrame) -> Result<Option<DialogRequest>, ErrorShape> {
        let TokenNew { name, level, pairing } = parse::<Self>(request)?;
        Ok(Some(DialogRequest::NewToken { name, level, pairing }))
    }
}

fn token_payload(token: &ProgramToken) -> ProgramTokenEntry {
    ProgramTokenEntry {
        id: token.id.clone(),
        name: token.name.clone(),
        level: token.level,
        pairing: token.pairing,
        scopes: token.granted().to_vec(),
        created_at_ms: token.created_at,
        last_used_at_ms: token.last_used_at,
    }
}

impl Handler for rpc::TidegateTokenList {
    async fn handle(caller: &Caller, _: Empty) -> Result<TokenListResult, ErrorShape> {
        let authority = caller.trust().authority();
        Ok(TokenListResult {
            shared_token: authority.has_shared_token(),
            tokens: authority.tokens().iter().map(token_payload).collect(),
            programs: authority.programs().map(program_payload).collect(),
        })
    }
}

fn program_payload((record, lifetime): (&ProgramGrant, GrantExpiry)) -> ProgramEntry {
    let path = |path: &Path| path.display().to_string();
    ProgramEntry {
        id: record.id.clone(),
        executable: path(&record.program.executable),
        script: record.program.script.as_deref().map(path),
        uid: record.program.uid,
        scopes: record.grant.granted.to_vec(),
        client_id: record.claims.client_id.clone(),
        lasting: lifetime == GrantExpiry::Always,
        approved_at_ms: record.approved_at,
        last_seen_at_ms: record.last_seen_at,
    }
}

impl Handler for rpc::TidegateTokenRevoke {
    async fn handle(caller: &Caller, params: ById) -> Result<RevokedResult, ErrorShape> {
        let revoke = |authority: &mut Authority| authority.revoke_program_token(&params.id, now::timestamp());
        let ((), note) = change(caller, revoke).await?;
        Ok(RevokedResult { revoked: params.id, note })
    }
}

/// A waiting request, a device, a program, or a block, by the beginning of its id.
impl Handler for rpc::TidegateDevicesShow {
    async fn handle(caller: &Caller, params: ById) -> Result<ShownEntry, ErrorShape> {
        let trust = caller.trust();
        trust.tick();
        let authority = trust.authority();
        let fits = |id: &str| id.starts_with(&params.id);
        let mut found: Vec<ShownEntry> = Vec::new();
        let waiting = authority.waiting().iter().filter(|request| fits(&request.id));
        found.extend(waiting.map(|request| ShownEntry::Request(Box::new(request_payload(request)))));
        let devices = device_payloads(&authority).filter(|device| fits(&device.device_id.to_string()));
        found.extend(devices.map(|device| ShownEntry::Device(Box::new(device))));
        let programs = authority.programs().map(program_payload).filter(|program| fits(&program.id));
        found.extend(programs.map(ShownEntry::Program));
        let is_meant =
            |block: &&Block| fits(&block.id()) || block.device().is_some_and(|device| fits(&device));
        found.extend(authority.blocks().iter().filter(is_meant).map(block_payload).map(ShownEntry::Block));
        match (found.len(), params.id.len() >= 4) {
            (_, false) => Err(ErrorShape::invalid("give at least the first 4 characters of an id")),
            (0, _) => Err(ErrorShape::invalid("nothing waits or is known under this id")),
            (1, _) => Ok(found.remove(0)),
            _ => Err(ErrorShape::invalid("more than one id begins like that; give more of it")),
        }
    }
}

/// The request is named by its id, or by the beginning of it; there is no "the latest".
impl Handler for rpc::TidegateDevicesDecide {
    async fn handle(caller: &Caller, params: Decide) -> Result<DecidedResult, ErrorShape> {
        let id = {
            let trust = caller.trust();
            trust.tick();
            let authority = trust.authority();
            let fits = |request: &&PendingRequest| {
                params.request_id.len() >= 8 && request.id.starts_with(&params.request_id)
            };
            let mut matching = authority.waiting().iter().filter(fits);
            match (matching.next(), matching.next()) {
                (Some(request), None) => request.id.clone(),
                (Some(_), Some(_)) => {
                    return Err(ErrorShape::invalid(
                        "more than one request begins like that; give the whole id",
                    ));
                }
                (None, _) => {
                    return Err(ErrorShape::invalid(
                        "no request waits under this id (give at least its first 8 characters); `tidegate devices list` shows what waits",
                    ));
                }
            }
        };
        let choice = match (params.level, params.scopes) {
            (Some(_), Some(_)) => return Err(ErrorShape::invalid("give a level or scopes, not both")),
            (Some(level), None) => Choice::Level { level, pairing: params.pairing },
            (None, Some(scopes)) => Choice::Scopes(scopes.into_iter().collect::<ScopeSet>()),
            (None, None) => Choice::All,
        };
        let verdict = match params.verdict {
            VerdictName::Approve => Verdict::Approve { choice, duration: params.duration },
            VerdictName::Reject => Verdict::Reject,
            VerdictName::Later => Verdict::Later,
            VerdictName::Block => Verdict::Block,
        };
        let subject = devices::decide(caller, &id, params.digest.as_deref(), &verdict).await?;
        let approved = params.verdict == VerdictName::Approve;
        Ok(DecidedResult { request_id: id, subject, approved })
    }
}

/// A device by its id, or a program's grant by its id.
impl Handler for rpc::TidegateDevicesRevoke {
    async fn handle(caller: &Caller, params: ById) -> Result<RevokedResult, ErrorShape> {
        let remove = |authority: &mut Authority| match DeviceId::parse(&params.id) {
            Ok(device) => authority.remove_device(&caller.session, device, now::timestamp()),
            Err(_) => authority.remove_program(&params.id, now::timestamp()),
        };
        let ((), note) = change(caller, remove).await?;
        Ok(RevokedResult { revoked: params.id, note })
    }
}

/// For good: a device by its id, or a program by the id of its grant.
impl Handler for rpc::TidegateDevicesBlock {
    async fn handle(caller: &Caller, params: ById) -> Result<BlockedResult, ErrorShape> {
        let block = |authority: &mut Authority| match DeviceId::parse(&params.id) {
            Ok(device) => authority.block_device(device, now::timestamp()),
            Err(_) => authority.block_program(&params.id, now::timestamp()),
        };
        let ((), note) = change(caller, block).await?;
        Ok(BlockedResult { blocked: params.id, note })
    }
}

impl Handler for rpc::TidegateDevicesUnblock {
    async fn handle(caller: &Caller, params: ById) -> Result<UnblockedResult, ErrorShape> {
        let blocked = caller.trust().authority().block(&params.id).map(|block| block.subject.clone());
        let subject = blocked.ok_or_else(|| ErrorShape::invalid("this id is not blocked"))?;
        let ((), note) = change(caller, |authority| authority.unblock(&subject, now::timestamp())).await?;
        Ok(UnblockedResult { unblocked: params.id, note })
    }

    async fn dialog(caller: &Caller, request: &RequestFrame) -> Result<Option<DialogRequest>, ErrorShape> {
        let params = parse::<Self>(request)?;
        let authority = caller.trust().authority();
        let block = authority.block(&params.id);
        Ok(block.map(|block| DialogRequest::Unblock { id: block.id(), name: block.name.clone() }))
    }
}

/// The newest entries of the audit log.
impl Handler for rpc::TidegateAudit {
    async fn handle(caller: &Caller, params: Audit) -> Result<AuditResult, ErrorShape> {
        let limit = params.limit.unwrap_or(50).clamp(1, 1000);
        let events = caller.store().audit_tail(limit).await?;
        let entry = |event: AuditEvent| {
            let AuditEvent { at, kind, severity, subject, line } = event;
            let sentence = kind.sentence().into_owned();
            AuditEntry { at, kind, severity, subject, sentence, line }
        };
        Ok(AuditResult { events: events.into_iter().map(entry).collect() })
    }
}

impl Handler for rpc::TidegatePause {
    async fn handle(caller: &Caller, _: Empty) -> Result<PausedResult, ErrorShape> {
        pause(&caller.gateway, true).await
    }
}

impl Handler for rpc::TidegateResume {
    async fn handle(caller: &Caller, _: Empty) -> Result<PausedResult, ErrorShape> {
        pause(&caller.gateway, false).await
    }
}

/// Pauses all agents, or lets them go on.
pub(crate) async fn pause(gateway: &Gateway, on: bool) -> Result<PausedResult, ErrorShape> {
    let runtime = gateway.runtime()?;
    let result = if on { runtime.pause().await } else { runtime.resume().await };
    gateway.inner().trust.changed();
    result?;
    Ok(PausedResult { paused: runtime.is_paused() })
}
