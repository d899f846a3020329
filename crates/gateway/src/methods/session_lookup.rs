//! Making, finding and stopping sessions, as chat clients do.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tidegate_agent::Activity;
use tidegate_protocol::field::Change;
use tidegate_protocol::ids::DEFAULT_AGENT;
use tidegate_protocol::params::{SessionsAbort, SessionsCreate, SessionsResolve};
use tidegate_protocol::payload::chat::ChatSendResult;
use tidegate_protocol::payload::sessions::{
    SessionCandidate, SessionModel, SessionResolved, SessionsAbortResult, SessionsCreateResult,
    SessionsResolveResult, SessionsUnresolved,
};
use tidegate_protocol::{ErrorCode, ErrorShape, RunId, SessionId, SessionKey, rpc, text};
use tidegate_store::{SessionFilter, SessionPatch, SessionRow};
use tidegate_trust::Principal;

use super::session_patch::{Settings, new_session_id, unknown_session};
use super::turns::{Said, clean_message, known_model};
use super::{chat_commands, sessions, store_error};
use crate::dispatch::{Caller, Handler};
use crate::now;
use crate::runtime_events::session_changed;
use crate::session_rows::row_payload;

/// The most sessions that several fitting ones are named of.
const MAX_CANDIDATES: usize = 10;
/// The most sessions that are looked through for a short id.
const MAX_SEARCHED: u32 = 500;

/// A session of its own where no key is given, and its first turn where there is a message. One that is there
/// already is kept as it is.
impl Handler for rpc::SessionsCreate {
    async fn handle(caller: &Caller, params: SessionsCreate) -> Result<SessionsCreateResult, ErrorShape> {
        if caller.session.principal() == &Principal::SubagentClient {
            let message = "Tidegate's own subagent client starts runs only with a handoff";
            return Err(ErrorShape::new(ErrorCode::Forbidden, message));
        }
        let key = key(caller, &params)?;
        let first =
            params.message.as_deref().or(params.task.as_deref()).filter(|text| !text.trim().is_empty());
        let first = first.map(|text| clean_message("sessions.create", text)).transpose()?;
        let patch = patch(caller, &params).await?;
        let store = &caller.gateway.inner().store;
        if let Some(parent) = &params.parent_session_key
            && store.session(parent.clone()).await.map_err(|error| store_error(&error))?.is_none()
        {
            return Err(unknown_session(parent));
        }
        let id = new_session_id()?;
        let ensured = store.ensure_session(key.clone(), id.clone(), now::wall()).await;
        let mut row = ensured.map_err(|error| store_error(&error))?;
        // A session that was there is changed by `sessions.patch` alone, which needs more.
        if row.session_id == id {
            if patch != SessionPatch::default() {
                let patched = store.patch_session(key.clone(), patch, now::wall()).await;
                row = patched.map_err(|error| store_error(&error))?.unwrap_or(row);
            }
            session_changed(caller.gateway.inner(), &row, "create");
        }
        let started = match first {
            Some(message) => Some(first_turn(caller, &key, message, &params).await),
            None => None,
        };
        let (run, run_error) = match started {
            None => (None, None),
            Some(Ok(run)) => (Some(run), None),
            Some(Err(error)) => (None, Some(error)),
        };
        let entry = row_payload(&row);
        let run_id = run.as_ref().and_then(|run| run.run_id.clone());
        Ok(SessionsCreateResult {
            ok: true,
            key,
            session_id: row.session_id.clone(),
            entry,
            run_started: run_id.is_some(),
            run_id,
            status: run.and_then(|run| run.status),
            run_error,
            resolved: model(caller, &row).await,
        })
    }
}

/// The key that a client gave, or one as OpenClaw's gateways make it.
fn key(caller: &Caller, params: &SessionsCreate) -> Result<SessionKey, ErrorShape> {
    let Some(key) = &params.key else {
        let unique = unique(caller, params, "session")?;
        return SessionKey::parse(&format!("agent:{DEFAULT_AGENT}:dashboard:{unique}"))
            .map_err(|error| ErrorShape::invalid(error.to_string()));
    };
    if key.agent().as_str() != DEFAULT_AGENT {
        return Err(ErrorShape::invalid(format!("unknown agent id \"{}\"", key.agent())));
    }
    Ok(key.clone())
}

/// A UUID for a part of a request: always the same one for what a client sends again with its idempotency
/// key, so that nothing is made twice when an answer was lost.
fn unique(caller: &Caller, params: &SessionsCreate, part: &str) -> Result<String, ErrorShape> {
    let Some(idempotency_key) = &params.idempotency_key else {
        return now::entropy()
            .map(|entropy| entropy.uuid())
            .map_err(|error| ErrorShape::unavailable(error.to_string()));
    };
    let client = caller.session.principal().name();
    let key = params.key.as_ref().map_or("", SessionKey::as_str);
    let mut bytes = [0; 16];
    let digest = Sha256::digest(json!([part, client, key, idempotency_key]).to_string());
    bytes.copy_from_slice(&digest[..16]);
    Ok(uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string())
}

/// What a new session begins with: names, and settings of which only an owner may choose the model.
async fn patch(caller: &Caller, params: &SessionsCreate) -> Result<SessionPatch, ErrorShape> {
    let change = |text: &Option<String>| text.clone().map_or(Change::Absent, Change::Set);
    let mut settings = Settings::of("sessions.create");
    settings.label("displayName", change(&params.display_name))?;
    settings.label("label", change(&params.label))?;
    settings.category(change(&params.category))?;
    settings.text("thinkingLevel", change(&params.thinking_level))?;
    settings.fast_mode(params.fast_mode.map_or(Change::Absent, Change::Set));
    if let Some(model) = &params.model {
        if !caller.session.is_owner() {
            let message = "provider/model overrides are not authorized for this caller.";
            return Err(ErrorShape::new(ErrorCode::Forbidden, message));
        }
        settings.text("model", Change::Set(known_model(caller, model).await?.to_string()))?;
    }
    Ok(settings.into_patch())
}

async fn first_turn(
    caller: &Caller,
    key: &SessionKey,
    message: String,
    params: &SessionsCreate,
) -> Result<ChatSendResult, ErrorShape> {
    let unique = unique(caller, params, "run")?;
    let said = Said {
        run: RunId::parse(unique).map_err(|error| ErrorShape::unavailable(error.to_string()))?,
        session: key.clone(),
        message,
        // 0 is no limit.
        timeout: params.timeout_ms.filter(|&limit| limit > 0).map(Duration::from_millis),
    };
    chat_commands::run_or_start(caller, said).await
}

async fn model(caller: &Caller, row: &SessionRow) -> SessionModel {
    let defaults = sessions::defaults(caller).await;
    let chosen = row.settings.get("model").and_then(Value::as_str).and_then(|model| model.split_once('/'));
    match chosen {
        Some((provider, model)) => {
            SessionModel { model_provider: Some(provider.to_owned()), model: Some(model.to_owned()) }
        }
        None => SessionModel { model_provider: defaults.model_provider, model: defaults.model },
    }
}

impl Handler for rpc::SessionsResolve {
    async fn handle(caller: &Caller, params: SessionsResolve) -> Result<SessionsResolveResult, ErrorShape> {
        resolve(caller, params).await
    }
}

/// The session that is meant. None is an error unless it may be missing.
pub(crate) async fn resolve(
    caller: &Caller,
    params: SessionsResolve,
) -> Result<SessionsResolveResult, ErrorShape> {
    let SessionsResolve { key, session_id, label, short_id, reference, .. } = &params;
    let given =
        [key.is_some(), session_id.is_some(), label.is_some(), short_id.is_some(), reference.is_some()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        let sentence = "exactly one of key, sessionId, label, shortId and reference is needed";
        return Err(ErrorShape::invalid(format!("invalid sessions.resolve params: {sentence}")));
    }
    let (wanted, found) = found(caller, &params).await?;
    let fits = |row: &SessionRow| {
        params.agent_id.as_ref().is_none_or(|agent| *agent == row.agent)
            && params.spawned_by.as_ref().is_none_or(|parent| row.parent.as_ref() == Some(parent))
    };
    let mut rows: Vec<SessionRow> = found.into_iter().filter(fits).collect();
    if let ([_], Some(row)) = (&rows[..], rows.first()) {
        return Ok(SessionsResolveResult::Resolved(SessionResolved {
            ok: true,
            key: row.key.clone(),
            agent_id: row.agent.clone(),
            display_name: row.label.clone(),
        }));
    }
    if rows.is_empty() {
        return match params.allow_missing {
            Some(true) => {
                Ok(SessionsResolveResult::Unresolved(SessionsUnresolved { ok: false, candidates: None }))
            }
            _ => Err(ErrorShape::invalid(format!("No session found: {}", text::one_line(&wanted, 128)))),
        };
    }
    if short_id.is_none() {
        let wanted = text::one_line(&wanted, 128);
        return Err(ErrorShape::invalid(format!("Multiple sessions found: {wanted}; name one by its key")));
    }
    rows.truncate(MAX_CANDIDATES);
    let candidate =
        |row: SessionRow| SessionCandidate { key: row.key, agent_id: row.agent, display_name: row.label };
    let candidates = Some(rows.into_iter().map(candidate).collect());
    Ok(SessionsResolveResult::Unresolved(SessionsUnresolved { ok: false, candidates }))
}

/// What was asked for, and the sessions that have it.
async fn found(caller: &Caller, params: &SessionsResolve) -> Result<(String, Vec<SessionRow>), ErrorShape> {
    let store = &caller.gateway.inner().store;
    let key = params.key.as_ref().or(params.reference.as_ref().map(|reference| &reference.key));
    if let Some(key) = key {
        let row = store.session(key.clone()).await.map_err(|error| store_error(&error))?;
        return Ok((key.to_string(), row.into_iter().collect()));
    }
    if let Some(id) = &params.session_id {
        let row = match SessionId::parse(id.clone()) {
            Ok(id) => store.session_by_id(id).await.map_err(|error| store_error(&error))?,
            Err(_) => None,
        };
        return Ok((id.clone(), row.into_iter().collect()));
    }
    if let Some(label) = &params.label {
        let filter = SessionFilter { label: Some(label.clone()), limit: 2, ..SessionFilter::default() };
        let rows = store.sessions(filter).await.map_err(|error| store_error(&error))?;
        return Ok((label.clone(), rows));
    }
    let short_id = params.short_id.clone().unwrap_or_default().to_ascii_lowercase();
    if !(8..=32).contains(&short_id.len()) || !short_id.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(ErrorShape::invalid("shortId must be 8-32 hexadecimal characters"));
    }
    // The first group of a UUID has eight digits.
    let search = short_id.chars().take(8).collect();
    let filter = SessionFilter { search: Some(search), limit: MAX_SEARCHED, ..SessionFilter::default() };
    let mut rows = store.sessions(filter).await.map_err(|error| store_error(&error))?;
    rows.retain(|row| {
        let unique = row.key.as_str().rsplit(':').next().unwrap_or_default();
        // A client chose the key: it may be anything but a UUID, and have characters of several bytes.
        let uuid = unique.len().checked_sub(36).and_then(|start| unique.get(start..));
        uuid.is_some_and(|uuid| uuid.to_ascii_lowercase().replace('-', "").starts_with(&short_id))
    });
    Ok((short_id, rows))
}

/// Stops what runs, and with `clearQueued` what is queued as well. Everything below a run stops with it.
impl Handler for rpc::SessionsAbort {
    async fn handle(caller: &Caller, params: SessionsAbort) -> Result<SessionsAbortResult, ErrorShape> {
        let store = &caller.gateway.inner().store;
        let key = match (&params.key, &params.run_id) {
            (None, None) => {
                return Err(ErrorShape::invalid("invalid sessions.abort params: key or runId is needed"));
            }
            (Some(key), None) => Some(key.clone()),
            (key, Some(run)) => {
                let row = store.run(run.clone()).await.map_err(|error| store_error(&error))?;
                let of_run = row.map(|row| row.session);
                if key.is_some() && of_run.is_some() && *key != of_run {
                    return Err(ErrorShape::invalid("runId does not match session"));
                }
                of_run
            }
        };
        let stopped = match key {
            Some(key) => stop(caller, &key, &params).await?,
            None => None,
        };
        let status = if stopped.is_some() { "aborted" } else { "no-active-run" };
        Ok(SessionsAbortResult { ok: true, aborted_run_id: stopped, status: status.to_owned() })
    }
}

async fn stop(
    caller: &Caller,
    key: &SessionKey,
    params: &SessionsAbort,
) -> Result<Option<RunId>, ErrorShape> {
    let runtime = caller.gateway.runtime()?;
    if params.run_id.is_some() || params.clear_queued == Some(true) {
        let aborted = runtime.abort(key, params.run_id.as_ref()).await;
        // Those that waited come first.
        return Ok(aborted.runs.last().cloned());
    }
    let is_working =
        |run: &tidegate_agent::ActiveRun| run.session == *key && run.activity != Activity::Queued;
    let mut stopped = None;
    for run in runtime.active().into_iter().filter(is_working) {
        stopped = runtime.abort(key, Some(&run.run)).await.runs.into_iter().next().or(stopped);
    }
    Ok(stopped)
}
