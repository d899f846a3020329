//! What only the person's command line asks, on the local socket.

use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_protocol::{DeviceId, ErrorShape, Scope};
use tidegate_trust::authority::Lifetime;
use tidegate_trust::decision::{Choice, Duration, Verdict};
use tidegate_trust::pairing::PendingRequest;
use tidegate_trust::records::{Block, BlockedSubject, ProgramGrant, ProgramToken};
use tidegate_trust::{Level, ScopeSet};

use super::devices::{self, device_payload, settle, with_note};
use super::store_error;
use crate::dispatch::Caller;
use crate::gatekeeper::{pending_payload, subject_id};
use crate::gateway::Gateway;
use crate::now;

/// `tidegate.token.rotate`: a new shared token, told once.
pub(crate) async fn token_rotate(caller: &Caller) -> Result<Value, ErrorShape> {
    let entropy = now::entropy().map_err(|error| ErrorShape::unavailable(error.to_string()))?;
    let changed = caller.gateway.inner().gatekeeper.authority().rotate_shared_token(&entropy, now::moment());
    let (token, saved) = settle(caller, Ok(changed)).await?;
    caller.gateway.inner().host.keep_shared_token(&token).await;
    Ok(with_note(json!({ "token": token.reveal() }), saved))
}

/// `tidegate.token.new`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenNew {
    pub(crate) name: String,
    pub(crate) level: Level,
    #[serde(default)]
    pub(crate) pairing: bool,
}

/// A token for one program, told once.
pub(crate) async fn token_new(caller: &Caller, params: TokenNew) -> Result<Value, ErrorShape> {
    let entropy = now::entropy().map_err(|error| ErrorShape::unavailable(error.to_string()))?;
    let changed = {
        let mut authority = caller.gateway.inner().gatekeeper.authority();
        authority.new_program_token(&params.name, params.level, params.pairing, &entropy, now::moment())
    };
    let made = changed.map_err(|error| ErrorShape::invalid(error.to_string()))?;
    let (token, record) = caller.gateway.inner().gatekeeper.keep_token(made).await.map_err(|reason| {
        ErrorShape::unavailable(format!("the token could not be saved, so it was not made: {reason}"))
    })?;
    let mut payload = token_payload(&record);
    if let Some(payload) = payload.as_object_mut() {
        payload.insert("token".to_owned(), json!(token.reveal()));
    }
    Ok(payload)
}

fn token_payload(token: &ProgramToken) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "level": token.level,
        "pairing": token.pairing,
        "scopes": token.granted(),
        "createdAtMs": token.created_at,
        "lastUsedAtMs": token.last_used_at,
    })
}

/// `tidegate.token.list`.
pub(crate) fn token_list(caller: &Caller) -> Value {
    let authority = caller.gateway.inner().gatekeeper.authority();
    json!({
        "sharedToken": authority.has_shared_token(),
        "tokens": authority.tokens().iter().map(token_payload).collect::<Vec<_>>(),
        "programs": authority.programs().map(|(record, lifetime)| program_payload(record, lifetime)).collect::<Vec<_>>(),
    })
}

fn program_payload(record: &ProgramGrant, lifetime: Lifetime) -> Value {
    json!({
        "id": record.id,
        "executable": record.program.executable,
        "script": record.program.script,
        "uid": record.program.uid,
        "scopes": record.grant.granted,
        "clientId": record.claims.client_id,
        "lasting": lifetime == Lifetime::Always,
        "approvedAtMs": record.approved_at,
        "lastSeenAtMs": record.last_seen_at,
    })
}

/// One thing by its id or name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ById {
    pub(crate) id: String,
}

/// `tidegate.token.revoke`.
pub(crate) async fn token_revoke(caller: &Caller, params: ById) -> Result<Value, ErrorShape> {
    let changed = {
        let mut authority = caller.gateway.inner().gatekeeper.authority();
        authority.revoke_program_token(&params.id, now::moment())
    };
    let ((), saved) = settle(caller, changed).await?;
    Ok(with_note(json!({ "revoked": params.id }), saved))
}

/// `tidegate.devices.show`: a waiting request, a device, a program, or a block, by the beginning of
/// its id.
pub(crate) fn show(caller: &Caller, params: &ById) -> Result<Value, ErrorShape> {
    let gatekeeper = &caller.gateway.inner().gatekeeper;
    gatekeeper.tick();
    let authority = gatekeeper.authority();
    let fits = |id: &str| id.starts_with(&params.id);
    let mut found: Vec<Value> = Vec::new();
    found.extend(authority.waiting().iter().filter(|request| fits(&request.id)).map(request_payload));
    found.extend(
        authority
            .devices()
            .filter(|(record, _)| fits(&record.id.to_string()))
            .map(|(record, lifetime)| device_payload(record, lifetime, authority.is_connected(record.id))),
    );
    found.extend(
        authority
            .programs()
            .filter(|(record, _)| fits(&record.id))
            .map(|(record, lifetime)| program_payload(record, lifetime)),
    );
    found.extend(
        authority
            .blocks()
            .iter()
            .filter(|block| fits(&block.id()) || block.device().is_some_and(|device| fits(&device)))
            .map(block_payload),
    );
    match (found.len(), params.id.len() >= 4) {
        (_, false) => Err(ErrorShape::invalid("give at least the first 4 characters of an id")),
        (0, _) => Err(ErrorShape::invalid("nothing waits or is known under this id")),
        (1, _) => Ok(found.remove(0)),
        _ => Err(ErrorShape::invalid("more than one id begins like that; give more of it")),
    }
}

/// A block as the person sees it.
pub(crate) fn block_payload(block: &Block) -> Value {
    let (device, program) = match &block.subject {
        BlockedSubject::Device(device) => (Some(device), None),
        BlockedSubject::Program(program) => (None, Some(program)),
    };
    json!({
        "id": block.id(),
        "blocked": true,
        "name": block.name,
        "deviceId": device,
        "executable": program.map(|program| &program.executable),
        "script": program.and_then(|program| program.script.as_ref()),
        "since": block.at,
    })
}

/// What the shell of a desktop says of its surfaces, as a part of the whole state.
pub(crate) fn add_surfaces(caller: &Caller, status: &mut Value) {
    if let (Some(status), Some(surfaces)) =
        (status.as_object_mut(), caller.gateway.inner().gatekeeper.surfaces())
    {
        status.insert("desktop".to_owned(), json!(surfaces));
    }
}

/// A waiting request with everything that a person should see.
pub(crate) fn request_payload(request: &PendingRequest) -> Value {
    let mut payload = pending_payload(request);
    if let Some(payload) = payload.as_object_mut() {
        payload.insert("code".to_owned(), json!(request.id.get(..8)));
        payload.insert("digest".to_owned(), json!(request.ask.digest()));
        payload.insert("reason".to_owned(), json!(request.ask.reason.name()));
        payload.insert("has".to_owned(), json!(request.ask.has));
        payload.insert("adds".to_owned(), json!(request.ask.added));
        payload.insert("from".to_owned(), json!(request.ask.from));
        payload.insert("subject".to_owned(), json!(subject_id(&request.ask.subject)));
        payload.insert("version".to_owned(), json!(request.ask.claims.version));
        payload.insert("knownName".to_owned(), json!(request.ask.known_name));
        payload.insert("unidentified".to_owned(), json!(request.ask.unidentified));
        payload.insert("caution".to_owned(), json!(request.ask.fleeting));
        payload.insert("later".to_owned(), json!(request.later));
        payload.insert("expiresAtMs".to_owned(), json!(request.expires_at()));
        let fingerprint = request.ask.key.map(|key| key.device_id().fingerprint());
        payload.insert("fingerprint".to_owned(), json!(fingerprint));
    }
    payload
}

/// `tidegate.devices.decide`. The request is named by its id, or by the beginning of it; there is
/// no "the latest".
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Decide {
    request_id: String,
    verdict: VerdictName,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    level: Option<Level>,
    #[serde(default)]
    scopes: Option<Vec<Scope>>,
    #[serde(default)]
    pairing: bool,
    #[serde(default)]
    duration: DurationName,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum VerdictName {
    Approve,
    Reject,
    Later,
    Block,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DurationName {
    #[default]
    Always,
    UntilQuit,
    Once,
}

/// Decides a waiting request.
pub(crate) async fn decide(caller: &Caller, params: Decide) -> Result<Value, ErrorShape> {
    let id = {
        let gatekeeper = &caller.gateway.inner().gatekeeper;
        gatekeeper.tick();
        let authority = gatekeeper.authority();
        let fits = |request: &&PendingRequest| {
            params.request_id.len() >= 8 && request.id.starts_with(&params.request_id)
        };
        let mut matching = authority.waiting().iter().filter(fits);
        match (matching.next(), matching.next()) {
            (Some(request), None) => request.id.clone(),
            (Some(_), Some(_)) => {
                return Err(ErrorShape::invalid("more than one request begins like that; give the whole id"));
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
    let duration = match params.duration {
        DurationName::Always => Duration::Always,
        DurationName::UntilQuit => Duration::UntilQuit,
        DurationName::Once => Duration::Once,
    };
    let verdict = match params.verdict {
        VerdictName::Approve => Verdict::Approve { choice, duration },
        VerdictName::Reject => Verdict::Reject,
        VerdictName::Later => Verdict::Later,
        VerdictName::Block => Verdict::Block,
    };
    let subject = devices::decide(caller, &id, params.digest.as_deref(), &verdict).await?;
    Ok(json!({ "requestId": id, "subject": subject, "approved": params.verdict == VerdictName::Approve }))
}

/// `tidegate.devices.revoke`: a device by its id, or a program's grant by its id.
pub(crate) async fn revoke(caller: &Caller, params: ById) -> Result<Value, ErrorShape> {
    let changed = {
        let mut authority = caller.gateway.inner().gatekeeper.authority();
        match DeviceId::parse(&params.id) {
            Ok(device) => authority.remove_device(&caller.session, device, now::moment()),
            Err(_) => authority.remove_program(&params.id, now::moment()),
        }
    };
    let ((), saved) = settle(caller, changed).await?;
    Ok(with_note(json!({ "revoked": params.id }), saved))
}

/// `tidegate.devices.block`: for good, a device by its id, or a program by the id of its grant.
pub(crate) async fn block(caller: &Caller, params: ById) -> Result<Value, ErrorShape> {
    let changed = {
        let mut authority = caller.gateway.inner().gatekeeper.authority();
        match DeviceId::parse(&params.id) {
            Ok(device) => authority.block_device(device, now::moment()),
            Err(_) => authority.block_program(&params.id, now::moment()),
        }
    };
    let ((), saved) = settle(caller, changed).await?;
    Ok(with_note(json!({ "blocked": params.id }), saved))
}

/// `tidegate.devices.unblock`.
pub(crate) async fn unblock(caller: &Caller, params: ById) -> Result<Value, ErrorShape> {
    let changed = {
        let mut authority = caller.gateway.inner().gatekeeper.authority();
        let subject = authority.block(&params.id).map(|block| block.subject.clone());
        let subject = subject.ok_or_else(|| ErrorShape::invalid("this id is not blocked"))?;
        authority.unblock(&subject, now::moment())
    };
    let ((), saved) = settle(caller, changed).await?;
    Ok(with_note(json!({ "unblocked": params.id }), saved))
}

/// `tidegate.audit`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Audit {
    #[serde(default)]
    limit: Option<u32>,
}

/// The newest entries of the audit log.
pub(crate) async fn audit(caller: &Caller, params: Audit) -> Result<Value, ErrorShape> {
    let store = caller.gateway.inner().gatekeeper.store();
    let limit = params.limit.unwrap_or(50).clamp(1, 1000);
    let events = store.audit_tail(limit).await.map_err(|error| store_error(&error))?;
    Ok(json!({ "events": events }))
}

/// `tidegate.pause` and `tidegate.resume`.
pub(crate) async fn pause(gateway: &Gateway, on: bool) -> Result<Value, ErrorShape> {
    let runtime = gateway.runtime()?;
    let result = if on { runtime.pause().await } else { runtime.resume().await };
    gateway.inner().gatekeeper.changed();
    result.map_err(|error| store_error(&error))?;
    Ok(json!({ "paused": runtime.is_paused() }))
}
