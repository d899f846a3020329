//! Starts a subagent for a run.
//!
//! What the child may do is decided here and kept as a prepared start. What goes through the gateway is
//! only the task and the id of the handoff.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::json;
use tidegate_protocol::text::one_line;
use tidegate_protocol::{RunId, SessionKey};
use tidegate_store::RunRow;
use tokio::time::Instant;
use uuid::Uuid;

use super::handoff::{Handoffs, Offer, Prepared, PreparedStart};
use crate::limits::Limits;
use crate::model::{ModelDirectory, ModelName};
use crate::queue::{StartError, check_message};
use crate::run::{RunHandle, RunSpec, RunTrigger};
use crate::sessions::{SpawnError, SpawnRequest, Spawned};
use crate::subagent::{CallError, SubagentGateway};

/// How long a gateway that starts or restarts is waited for, and how often it is asked.
const GATEWAY_PATIENCE: Duration = Duration::from_secs(10);
const GATEWAY_POLL: Duration = Duration::from_millis(200);

/// Models that an error names.
const MOST_NAMED_MODELS: usize = 20;

/// Starts subagents through our own gateway.
pub(crate) struct Spawner {
    pub(crate) models: Arc<dyn ModelDirectory>,
    pub(crate) subagents: Arc<dyn SubagentGateway>,
    pub(crate) limits: Limits,
    pub(crate) handoffs: Arc<Handoffs>,
}

impl Spawner {
    pub(super) async fn spawn(
        &self,
        parent: &RunHandle,
        request: SpawnRequest,
    ) -> Result<Spawned, SpawnError> {
        check_message(&request.task, &self.limits)?;
        let agent = parent.session().agent();
        if request.agent.is_some_and(|id| id != agent.as_str()) {
            return Err(SpawnError::OtherAgent { agent });
        }
        let depth = self.limits.depth;
        if parent.depth >= depth {
            return Err(SpawnError::TooDeep { depth });
        }
        let model = self.choose_model(parent, request.model.as_deref()).await?;
        let withheld: &[&str] = if parent.depth + 1 >= depth { &["sessions_spawn"] } else { &[] };
        let authority =
            parent.authority().narrow(request.tools.as_ref(), request.directory.as_deref(), withheld)?;
        let tools = authority.tools().clone();
        let spec = RunSpec {
            trigger: RunTrigger::Spawn,
            model: Some(model.clone()),
            timeout_ms: Some(u64::try_from(request.timeout.as_millis()).unwrap_or(u64::MAX)),
            cleanup: request.cleanup,
            expects_completion: request.expects_completion,
            ..RunSpec::turn(authority)
        };
        let run = RunId::parse(Uuid::new_v4().to_string()).map_err(|_| StartError::Internal)?;
        let session = SessionKey::subagent(&agent, &Uuid::new_v4().to_string());
        let prepared = Prepared {
            start: PreparedStart { run, session, message: request.task },
            parent: parent.id().clone(),
            label: request.label,
            spec,
            outcome: OnceLock::new(),
        };
        let run = self.hand_off(&self.handoffs.offer(prepared)).await?;
        Ok(Spawned { run, model: model.to_string(), tools })
    }

    /// Sends the start through the gateway. The outcome is what the runtime did, whether or not the answer found
    /// its way back.
    async fn hand_off(&self, offer: &Offer<'_>) -> Result<RunRow, SpawnError> {
        let PreparedStart { run, session, message } = &offer.prepared.start;
        let mut params = json!({
            "message": message,
            "sessionKey": session,
            "idempotencyKey": run,
            "lane": "subagent",
            "internalRuntimeHandoffId": offer.id.reveal(),
        });
        if let Some(label) = &offer.prepared.label {
            params["label"] = json!(label);
        }
        let patience = Instant::now() + GATEWAY_PATIENCE;
        loop {
            let answer = self.subagents.call("agent", params.clone()).await;
            match (offer.prepared.outcome.get(), answer) {
                (Some(Ok(run)), _) => return Ok(run.clone()),
                (Some(Err(error)), _) => return Err(error.clone().into()),
                (None, Err(CallError::Unavailable(_))) if Instant::now() < patience => {
                    tokio::time::sleep(GATEWAY_POLL).await
                }
                (None, Err(error)) => return Err(SpawnError::Call(error)),
                (None, Ok(_)) => return Err(SpawnError::NotStarted),
            }
        }
    }

    /// Another model than one's own is the owner's choice. An unknown one is an error, not a reason to
    /// take another silently.
    async fn choose_model(&self, parent: &RunHandle, asked: Option<&str>) -> Result<ModelName, SpawnError> {
        let Some(text) = asked else {
            return match parent.model.get() {
                Some(model) => Ok(model.clone()),
                None => Ok(self.models.default_model().await.name()),
            };
        };
        if !parent.spec.authority.is_owner() {
            return Err(SpawnError::ModelNotAllowed);
        }
        let found = match ModelName::parse(text) {
            Some(name) => self.models.model(&name).await,
            None => None,
        };
        if let Some(model) = found {
            return Ok(model.name());
        }
        let known = self.models.list().await;
        let known: Vec<String> =
            known.iter().take(MOST_NAMED_MODELS).map(|entry| entry.name.to_string()).collect();
        Err(SpawnError::UnknownModel { model: one_line(text, 128), known: known.join(", ") })
    }
}
