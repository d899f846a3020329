//! The sessions below a run's session, as the run may see and change them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_protocol::payload::chat::ChatMessage;
use tidegate_protocol::text::one_line;
use tidegate_protocol::{RunId, SessionKey, UnixMillis};
use tidegate_store::{RunRow, Store, StoreError};

use super::spawner::Spawner;
use crate::clock::Clock;
use crate::limits::Limits;
use crate::queue::{CancelReport, Places, Schedule, StartError};
use crate::run::RunHandle;
use crate::sessions::{
    Answer, SessionStatus, SessionToolError, SessionTools, SpawnError, SpawnRequest, Spawned,
};
use crate::subagent::SubagentGateway;

/// More spawns than any tree can have between a session and the one that a person opened.
const DEEPEST: usize = 64;

/// The most characters of one message that the gateway may send.
const MESSAGE_CHARS: u64 = 500_000;

/// What runs may see and do of the sessions below them. What clients can ask for as well goes through our own
/// gateway.
pub(crate) struct SessionTree {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) places: Arc<Places>,
    pub(crate) subagents: Arc<dyn SubagentGateway>,
    pub(crate) spawner: Spawner,
}

impl SessionTools for SessionTree {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    async fn spawn(&self, caller: &RunId, request: SpawnRequest) -> Result<Spawned, SpawnError> {
        let parent = self.schedule.handle(caller).ok_or(StartError::ParentEnded)?;
        self.spawner.spawn(&parent, request).await
    }

    async fn spawned_sessions(
        &self,
        caller: &RunId,
        limit: u64,
        active_minutes: Option<u64>,
    ) -> Answer<Vec<Value>> {
        let caller = self.caller(caller)?;
        let mut params = json!({"spawnedBy": caller.session(), "limit": limit});
        if let Some(minutes) = active_minutes {
            params["activeMinutes"] = json!(minutes);
        }
        let mut answer = self.subagents.call("sessions.list", params).await?;
        Ok(answer["sessions"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    async fn messages(&self, caller: &RunId, session: &str, limit: u64) -> Answer<Vec<ChatMessage>> {
        let session = self.visible(self.caller(caller)?.session(), session).await?;
        let params = json!({"sessionKey": session, "limit": limit, "maxChars": MESSAGE_CHARS});
        let answer = self.subagents.call("chat.history", params).await?;
        Ok(Vec::deserialize(&answer["messages"])?)
    }

    async fn status(&self, caller: &RunId, session: Option<&str>) -> Answer<SessionStatus> {
        let caller = self.caller(caller)?;
        let own = caller.session();
        let session = match session {
            Some(text) => self.visible(own, text).await?,
            None => own.clone(),
        };
        let Some(row) = self.store.session(session.clone()).await? else {
            return Err(SessionToolError::SessionGone { session });
        };
        let model = caller.model.get().filter(|_| session == *own).map(ToString::to_string);
        let active = self.schedule.children(&session).iter().map(|run| run.session().clone()).collect();
        Ok(SessionStatus { row, model, active })
    }

    async fn children(&self, caller: &RunId, window: Duration) -> Answer<Vec<RunRow>> {
        let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        let since = UnixMillis(self.clock.now().0.saturating_sub(window));
        let session = self.caller(caller)?.session().clone();
        Ok(self.store.children(session, Some(since)).await?)
    }

    async fn wait(
        &self,
        caller: &RunId,
        subagents: Option<&[String]>,
        limit: Duration,
    ) -> Answer<Vec<RunRow>> {
        let caller = self.caller(caller)?;
        let runs: Vec<RunId> = match subagents {
            Some(names) => self.named(caller.session(), names).await?.into_iter().map(|run| run.id).collect(),
            None => self.schedule.children(caller.session()).iter().map(|run| run.id().clone()).collect(),
        };
        let timeout = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let params = |run| json!({"runId": run, "timeoutMs": timeout});
        let waits = runs.iter().map(|run| self.subagents.call("agent.wait", params(run)));
        let answers = self.places.without_place(&caller, join_all(waits)).await;
        // How the runs stand is read afterwards, so a wait that failed changes nothing.
        if let Some(Err(error)) = answers.into_iter().find(Result::is_err) {
            tracing::debug!(%error, "failed to wait for a subagent");
        }
        let mut rows = Vec::new();
        for run in runs {
            rows.extend(self.store.run(run).await?);
        }
        Ok(rows)
    }

    async fn cancel(&self, caller: &RunId, subagents: &[String]) -> Answer<CancelReport> {
        let caller = self.caller(caller)?;
        let runs = self.named(caller.session(), subagents).await?;
        let cancelling = join_all(runs.iter().map(|run| self.schedule.cancel_tree(&run.id)));
        let mut all = CancelReport::default();
        for report in self.places.without_place(&caller, cancelling).await {
            all.cancelled.extend(report.cancelled);
            all.unfinished.extend(report.unfinished);
        }
        Ok(all)
    }
}

impl SessionTree {
    fn caller(&self, run: &RunId) -> Answer<Arc<RunHandle>> {
        self.schedule.handle(run).ok_or(SessionToolError::CallerEnded)
    }

    /// A session of the caller's tree as a model names it.
    async fn visible(&self, own: &SessionKey, text: &str) -> Answer<SessionKey> {
        let session = SessionKey::parse(text)?;
        if self.is_visible(own, &session).await? {
            return Ok(session);
        }
        Err(SessionToolError::NotVisible { session: one_line(text, 128) })
    }

    /// Whether `session` is `own` or was spawned below it.
    async fn is_visible(&self, own: &SessionKey, session: &SessionKey) -> Result<bool, StoreError> {
        let mut current = session.clone();
        for _ in 0..DEEPEST {
            if current == *own {
                return Ok(true);
            }
            match self.store.session(current).await?.and_then(|row| row.parent) {
                Some(parent) => current = parent,
                None => return Ok(false),
            }
        }
        Ok(false)
    }

    /// The subagents of these names, each once.
    async fn named(&self, own: &SessionKey, names: &[String]) -> Answer<Vec<RunRow>> {
        let mut runs: Vec<RunRow> = Vec::new();
        for name in names {
            let Some(run) = self.find(own, name).await? else {
                return Err(SessionToolError::NotASubagent { name: one_line(name, 128) });
            };
            if runs.iter().all(|other| other.id != run.id) {
                runs.push(run);
            }
        }
        Ok(runs)
    }

    /// A subagent of the caller's tree, by run, session key or label.
    async fn find(&self, own: &SessionKey, name: &str) -> Result<Option<RunRow>, StoreError> {
        if let Some(child) = self.schedule.descendant(own, name) {
            return Ok(Some(child.row.clone()));
        }
        let mut found = match RunId::parse(name) {
            Ok(id) => self.store.run(id).await?,
            Err(_) => None,
        };
        if found.is_none()
            && let Ok(key) = SessionKey::parse(name)
            && let Some(last) = self.store.session(key).await?.and_then(|row| row.last_run)
        {
            found = self.store.run(last).await?;
        }
        match found {
            Some(run) if run.session != *own && self.is_visible(own, &run.session).await? => Ok(Some(run)),
            _ => Ok(None),
        }
    }
}
