//! `health`, `status`, `system-event`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;
use tidegate_agent::ActiveRun;
use tidegate_protocol::frame::RequestFrame;
use tidegate_protocol::ids::DEFAULT_AGENT;
use tidegate_protocol::params::{Empty, Health, SystemEvent};
use tidegate_protocol::payload::events::PresenceEvent;
use tidegate_protocol::payload::system::{
    Done, HealthAgent, HealthResult, HealthSessions, HeartbeatStatus, PresenceEntry, StatusAgentSessions,
    StatusDefaults, StatusHeartbeat, StatusHeartbeatAgent, StatusResult, StatusSessions, StatusTaskAudit,
    StatusTasks, TaskCounts,
};
use tidegate_protocol::{ErrorShape, Scope, event, rpc, text};
use tidegate_store::SessionFilter;
use tidegate_trust::Session;

use crate::dispatch::{Caller, Handler, Reply};
use crate::hub::Audience;
use crate::now;
use crate::session_rows::{FILE, status_row};
use crate::state::Gateway;

/// A health snapshot. Someone without `operator.read` sees no sessions.
pub(crate) async fn health(gateway: &Gateway, session: &Session) -> Arc<RawValue> {
    let may_read = session.scopes().covers(&Scope::Read);
    let cache = &gateway.inner().health;
    let is_ready = gateway.is_ready();
    if is_ready && let Some(snapshot) = cache.fresh(may_read) {
        return snapshot;
    }
    let snapshot = snapshot(gateway, may_read).await;
    let snapshot: Arc<RawValue> = serde_json::value::to_raw_value(&snapshot).unwrap_or_default().into();
    cache.keep(may_read, snapshot.clone());
    snapshot
}

async fn snapshot(gateway: &Gateway, may_read: bool) -> HealthResult {
    let began = Instant::now();
    let inner = gateway.inner();
    let count = if may_read { inner.store.count_sessions().await.unwrap_or(0) } else { 0 };
    let own_sessions = HealthSessions { path: FILE.to_owned(), count, recent: Vec::new() };
    HealthResult {
        ok: gateway.is_ready(),
        ts: now::wall(),
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        default_agent_id: DEFAULT_AGENT.to_owned(),
        agents: vec![HealthAgent {
            agent_id: DEFAULT_AGENT.to_owned(),
            is_default: true,
            heartbeat: HeartbeatStatus {
                every: "disabled".to_owned(),
                target: "none".to_owned(),
                ..HeartbeatStatus::default()
            },
            sessions: own_sessions.clone(),
        }],
        sessions: own_sessions,
        ..HealthResult::default()
    }
}

/// A snapshot of all clients' options, because OpenClaw's gateways look at none.
impl Handler for rpc::Health {
    async fn handle(caller: &Caller, _: Health) -> Result<HealthResult, ErrorShape> {
        let may_read = caller.session.scopes().covers(&Scope::Read);
        Ok(snapshot(&caller.gateway, may_read).await)
    }

    async fn answer(caller: &Caller, _: &RequestFrame) -> Reply {
        caller.ok(&health(&caller.gateway, &caller.session).await)
    }
}

impl Handler for rpc::SystemPresence {
    async fn handle(caller: &Caller, _: Empty) -> Result<Vec<PresenceEntry>, ErrorShape> {
        Ok(caller.gateway.inner().hub.presence())
    }
}

/// Runtime, sessions and tasks in numbers.
impl Handler for rpc::Status {
    async fn handle(caller: &Caller, _: Empty) -> Result<StatusResult, ErrorShape> {
        let inner = caller.gateway.inner();
        let store = &inner.store;
        let filter = SessionFilter { limit: 10, ..SessionFilter::default() };
        let recent = store.sessions(filter).await?;
        let count = store.count_sessions().await?;
        let recent: Vec<_> = recent.iter().map(status_row).collect();
        let path = match caller.session.scopes().covers(&Scope::Admin) {
            true => inner.state_dir.join(FILE).display().to_string(),
            false => String::new(),
        };
        let agent_id = DEFAULT_AGENT.to_owned();
        Ok(StatusResult {
            runtime_version: inner.version.to_owned(),
            heartbeat: StatusHeartbeat {
                default_agent_id: agent_id.clone(),
                agents: vec![StatusHeartbeatAgent {
                    agent_id: agent_id.clone(),
                    enabled: false,
                    every: "disabled".to_owned(),
                    every_ms: None,
                }],
            },
            channel_summary: Vec::new(),
            queued_system_events: Vec::new(),
            tasks: tasks(&caller.gateway.runtime()?.active()),
            task_audit: StatusTaskAudit { by_code: zeros(&TASK_PROBLEMS), ..StatusTaskAudit::default() },
            sessions: StatusSessions {
                paths: vec![path.clone()],
                count,
                defaults: StatusDefaults { model: None, context_tokens: None },
                recent: recent.clone(),
                by_agent: vec![StatusAgentSessions { agent_id, path, count, recent }],
            },
        })
    }
}

/// What OpenClaw looks for in its tasks, and runs here never have.
const TASK_PROBLEMS: [&str; 6] = [
    "stale_queued",
    "stale_running",
    "lost",
    "delivery_failed",
    "missing_cleanup",
    "inconsistent_timestamps",
];

fn tasks(active: &[ActiveRun]) -> StatusTasks {
    let count = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
    let (running, subagents) =
        (count(active.len()), count(active.iter().filter(|run| run.parent.is_some()).count()));
    let mut by_runtime = zeros(&["acp", "cron"]);
    by_runtime.extend([("subagent".to_owned(), subagents), ("cli".to_owned(), running - subagents)]);
    StatusTasks {
        total: running,
        active: running,
        by_status: TaskCounts { running, ..TaskCounts::default() },
        by_runtime,
        ..StatusTasks::default()
    }
}

fn zeros(names: &[&str]) -> BTreeMap<String, u64> {
    names.iter().map(|name| ((*name).to_owned(), 0)).collect()
}

/// A presence beacon. Its text is shown to others, so it is cleaned; it never reaches a model.
impl Handler for rpc::SystemEvent {
    async fn handle(caller: &Caller, params: SystemEvent) -> Result<Done, ErrorShape> {
        let line = text::one_line(params.text.trim(), 500);
        if line.is_empty() {
            return Err(ErrorShape::invalid("invalid system-event params: at /text: must not be empty"));
        }
        tracing::info!(who = %caller.session.principal().name(), text = %line, "system event");
        let hub = &caller.gateway.inner().hub;
        hub.publish::<event::Presence>(&PresenceEvent { presence: hub.presence() }, Audience::Everyone);
        Ok(Done { ok: true })
    }
}
