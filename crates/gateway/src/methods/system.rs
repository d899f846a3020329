//! `health`, `status`, `system-event`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tidegate_protocol::ids::DEFAULT_AGENT;
use tidegate_protocol::params::SystemEvent;
use tidegate_protocol::{ErrorShape, Event, Scope, text};
use tidegate_store::SessionFilter;
use tidegate_trust::Session;

use super::{sessions, store_error};
use crate::dispatch::Caller;
use crate::gateway::Gateway;
use crate::hub::Audience;
use crate::now;

/// How old a snapshot may be; OpenClaw's gateways refresh theirs as often (protocol section 1).
const HEALTH_AGE: Duration = Duration::from_mins(1);

/// The last health snapshots, as JSON text: clients ask for them more than for anything else.
#[derive(Debug, Default)]
pub(crate) struct HealthCache {
    /// Without sessions, and with them.
    snapshots: Mutex<[Option<Snapshot>; 2]>,
}

type Snapshot = (Instant, Arc<RawValue>);

/// A health snapshot (protocol section 15). Someone without `operator.read` sees no sessions.
pub(crate) async fn health(gateway: &Gateway, session: &Session) -> Arc<RawValue> {
    let may_read = session.scopes().covers(&Scope::Read);
    let cache = &gateway.inner().health;
    let is_ready = gateway.is_ready();
    let cached =
        cache.snapshots.lock().unwrap_or_else(PoisonError::into_inner)[usize::from(may_read)].clone();
    if let Some((at, snapshot)) = cached
        && is_ready
        && at.elapsed() < HEALTH_AGE
    {
        return snapshot;
    }
    let snapshot = snapshot(gateway, may_read).await;
    let snapshot: Arc<RawValue> = serde_json::value::to_raw_value(&snapshot).unwrap_or_default().into();
    cache.snapshots.lock().unwrap_or_else(PoisonError::into_inner)[usize::from(may_read)] =
        Some((Instant::now(), snapshot.clone()));
    snapshot
}

async fn snapshot(gateway: &Gateway, may_read: bool) -> Value {
    let began = Instant::now();
    let inner = gateway.inner();
    let count = if may_read { inner.gatekeeper.store().count_sessions().await.unwrap_or(0) } else { 0 };
    let own_sessions = json!({ "path": "tidegate.sqlite", "count": count, "recent": [] });
    json!({
        "ok": gateway.is_ready(),
        "ts": now::wall(),
        "durationMs": u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "channels": {},
        "channelOrder": [],
        "channelLabels": {},
        "heartbeatSeconds": 0,
        "defaultAgentId": DEFAULT_AGENT,
        "agents": [{
            "agentId": DEFAULT_AGENT,
            "isDefault": true,
            "heartbeat": { "enabled": false, "every": "disabled", "everyMs": null },
            "sessions": own_sessions,
        }],
        "sessions": own_sessions,
    })
}

/// Runtime, sessions and tasks in numbers (protocol section 15).
pub(crate) async fn status(caller: &Caller) -> Result<Value, ErrorShape> {
    let inner = caller.gateway.inner();
    let store = inner.gatekeeper.store();
    let filter = SessionFilter { limit: 10, ..SessionFilter::default() };
    let recent = store.sessions(filter).await.map_err(|error| store_error(&error))?;
    let count = store.count_sessions().await.map_err(|error| store_error(&error))?;
    let recent: Vec<Value> = recent.iter().map(sessions::status_row).collect();
    let active = caller.gateway.runtime()?.active();
    let is_admin = caller.session.scopes().covers(&Scope::Admin);
    let path =
        if is_admin { inner.state_dir.join("tidegate.sqlite").display().to_string() } else { String::new() };
    Ok(json!({
        "runtimeVersion": inner.version,
        "heartbeat": {
            "defaultAgentId": DEFAULT_AGENT,
            "agents": [{ "agentId": DEFAULT_AGENT, "enabled": false, "every": "disabled", "everyMs": null }],
        },
        "channelSummary": [],
        "queuedSystemEvents": [],
        "tasks": {
            "total": active.len(), "active": active.len(), "terminal": 0, "failures": 0,
            "byStatus": {
                "queued": 0, "running": active.len(), "succeeded": 0, "failed": 0, "timed_out": 0,
                "cancelled": 0, "lost": 0,
            },
            "byRuntime": {
                "subagent": active.iter().filter(|run| run.parent.is_some()).count(), "acp": 0,
                "cli": active.iter().filter(|run| run.parent.is_none()).count(), "cron": 0,
            },
        },
        "taskAudit": {
            "total": 0, "warnings": 0, "errors": 0,
            "byCode": {
                "stale_queued": 0, "stale_running": 0, "lost": 0, "delivery_failed": 0,
                "missing_cleanup": 0, "inconsistent_timestamps": 0,
            },
        },
        "sessions": {
            "paths": [path],
            "count": count,
            "defaults": { "model": null, "contextTokens": null },
            "recent": recent,
            "byAgent": [{ "agentId": DEFAULT_AGENT, "path": path, "count": count, "recent": recent }],
        },
    }))
}

/// A presence beacon. Its text is shown to others, so it is cleaned; it never reaches a model.
pub(crate) fn system_event(caller: &Caller, params: SystemEvent) -> Result<Value, ErrorShape> {
    let line = text::one_line(params.text.trim(), 500);
    if line.is_empty() {
        return Err(ErrorShape::invalid("invalid system-event params: at /text: must not be empty"));
    }
    tracing::info!(who = %caller.session.principal().name(), text = %line, "system event");
    let hub = &caller.gateway.inner().hub;
    hub.publish(Event::Presence, &json!({ "presence": hub.presence() }), Audience::Everyone);
    Ok(json!({ "ok": true }))
}
