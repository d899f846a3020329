//! `sessions_spawn`: starts a subagent.
//!
//! The tool decides what the child may do and keeps that here as a prepared start. What it sends
//! through the gateway is only the task and the id of the handoff.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_protocol::text::one_line;
use tidegate_protocol::{RunId, SessionKey};
use tidegate_store::RunRow;
use tokio::time::Instant;
use uuid::Uuid;

use crate::arguments::{ArgumentError, Arguments};
use crate::handoff::{Offer, Prepared, PreparedStart};
use crate::model::ModelName;
use crate::run::RunHandle;
use crate::runtime::Inner;
use crate::spec::{Cleanup, RunSpec, RunTrigger};
use crate::start::StartError;
use crate::subagent::CallError;
use crate::tool::{ToolDescription, ToolOutput};

const FIELDS: &[&str] = &[
    "task",
    "label",
    "runtime",
    "agentId",
    "model",
    "runTimeoutSeconds",
    "cwd",
    "tools",
    "cleanup",
    "mode",
    "expectsCompletionMessage",
    "context",
];

/// The most characters of a label (`sessions.patch` allows 512).
const LABEL_LENGTH: usize = 120;
/// The most tools that a call can name.
const MOST_TOOLS: usize = 64;
/// How long a gateway that starts or restarts is waited for, and how often it is asked.
const GATEWAY_PATIENCE: Duration = Duration::from_secs(10);
const GATEWAY_POLL: Duration = Duration::from_millis(200);

const NOTE: &str = "The subagent works on its own. Its result comes to you by itself as a message of the runtime: do \
                    not poll. When several work, answer once you have the results that you need.";

/// Why no subagent was started.
enum Refusal {
    /// A rule says no: trying again changes nothing.
    Forbidden(String),
    /// Something is wrong with the call or broke.
    Error(String),
}

impl From<ArgumentError> for Refusal {
    fn from(error: ArgumentError) -> Self {
        Self::Error(error.to_string())
    }
}

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Self {
        if error.is_refusal() { Self::Forbidden(error.to_string()) } else { Self::Error(error.to_string()) }
    }
}

pub(super) fn description() -> ToolDescription {
    ToolDescription {
        name: "sessions_spawn",
        label: "Start subagent",
        description: "Start a subagent that works on one task by itself and reports its result to you as a message. \
                      Returns at once. Good for independent pieces of work; do what is quick, or what you need at \
                      once, yourself. The subagent sees nothing of this conversation: put everything it needs into \
                      the task.",
        group: "agents",
        parameters: json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["task"],
            "properties": {
                "task": {"type": "string", "description": "What to do, complete in itself, and what to report."},
                "label": {"type": "string", "maxLength": LABEL_LENGTH, "description": "A short name, shown to the user and in the result."},
                "runtime": {"type": "string", "enum": ["subagent"]},
                "agentId": {"type": "string", "description": "Only your own agent's id."},
                "model": {"type": "string", "description": "provider/model; without it your own model."},
                "runTimeoutSeconds": {"type": "integer", "minimum": 0, "description": "How long it may run; 0 or nothing means the usual 30 minutes."},
                "cwd": {"type": "string", "description": "A directory inside your workspace."},
                "tools": {"type": "array", "items": {"type": "string"}, "maxItems": MOST_TOOLS, "description": "The only tools that it may use, out of yours; without it all that fit."},
                "cleanup": {"type": "string", "enum": ["delete", "keep"], "description": "Whether its session is deleted once you have read the result."},
                "mode": {"type": "string", "enum": ["run"]},
                "expectsCompletionMessage": {"type": "boolean", "description": "false: you do not wait for it and are not woken when it ends."},
                "context": {"type": "string", "enum": ["isolated"]},
            },
        }),
    }
}

pub(super) async fn call(inner: &Arc<Inner>, handle: &Arc<RunHandle>, arguments: Value) -> ToolOutput {
    match spawn(inner, handle, arguments).await {
        Ok(answer) => ToolOutput::ok(answer.to_string()),
        Err(Refusal::Forbidden(error)) => {
            ToolOutput::error(json!({"status": "forbidden", "error": error}).to_string())
        }
        Err(Refusal::Error(error)) => {
            ToolOutput::error(json!({"status": "error", "error": error}).to_string())
        }
    }
}

async fn spawn(inner: &Arc<Inner>, handle: &Arc<RunHandle>, arguments: Value) -> Result<Value, Refusal> {
    let arguments = Arguments::closed(arguments, FIELDS)?;
    let task = arguments.required_text("task")?.to_owned();
    inner.check_message(&task)?;
    arguments.word("runtime", &["subagent"], "\"subagent\", the only kind there is")?;
    arguments.word("mode", &["run"], "\"run\", the only mode there is")?;
    arguments.word("context", &["isolated"], "\"isolated\": a subagent does not see this conversation")?;
    let agent = handle.session().agent();
    if arguments.text("agentId")?.is_some_and(|id| id != agent.as_str()) {
        return Err(Refusal::Forbidden(format!(
            "subagents of other agents are not allowed; agentId may only be {agent}"
        )));
    }
    if handle.depth >= inner.limits.depth {
        let depth = inner.limits.depth;
        return Err(Refusal::Forbidden(format!(
            "subagents may be {depth} levels deep and this is the last one; do the work yourself"
        )));
    }
    let label = arguments
        .text("label")?
        .map(|label| one_line(label.trim(), LABEL_LENGTH))
        .filter(|label| !label.is_empty());
    let model = choose_model(inner, handle, arguments.text("model")?).await?;
    let spec = RunSpec {
        trigger: RunTrigger::Spawn,
        authority: narrow(inner, handle, &arguments)?,
        model: Some(model.clone()),
        timeout_ms: Some(u64::try_from(timeout(inner, &arguments)?.as_millis()).unwrap_or(u64::MAX)),
        extra_system_prompt: None,
        cleanup: match arguments.word("cleanup", &["delete", "keep"], "\"delete\" or \"keep\"")? {
            Some("delete") => Cleanup::Delete,
            _ => Cleanup::Keep,
        },
        expects_completion: arguments.flag("expectsCompletionMessage")?.unwrap_or(true),
    };
    let mut answer = json!({
        "status": "accepted",
        "mode": "run",
        "resolvedModel": model.to_string(),
        "runTimeoutSeconds": spec.timeout().map(|timeout| timeout.as_secs()),
        "note": NOTE,
    });
    if arguments.texts("tools", MOST_TOOLS)?.is_some() {
        answer["tools"] = json!(spec.authority.tools());
    }
    let run = RunId::parse(Uuid::new_v4().to_string()).map_err(|error| Refusal::Error(error.to_string()))?;
    let session = SessionKey::subagent(&agent, &Uuid::new_v4().to_string());
    let start = PreparedStart { run, session, message: task };
    let prepared =
        Prepared { start, parent: handle.id().clone(), label, spec, outcome: std::sync::OnceLock::new() };
    let child = hand_off(inner, &inner.handoffs.offer(prepared)).await?;
    answer["childSessionKey"] = json!(child.session);
    answer["runId"] = json!(child.id);
    Ok(answer)
}

/// Sends the start through the gateway. What counts is what the runtime did, not whether the
/// answer found its way back.
async fn hand_off(inner: &Inner, offer: &Offer<'_>) -> Result<RunRow, Refusal> {
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
        let answer = inner.subagents.call("agent", params.clone()).await;
        match (offer.prepared.outcome.get(), answer) {
            (Some(Ok(run)), _) => return Ok(run.clone()),
            (Some(Err(error)), _) => return Err(error.clone().into()),
            (None, Err(CallError::Unavailable(_))) if Instant::now() < patience => {
                tokio::time::sleep(GATEWAY_POLL).await
            }
            (None, Err(error)) => return Err(Refusal::Error(error.to_string())),
            (None, Ok(_)) => return Err(Refusal::Error("the gateway did not start the subagent".to_owned())),
        }
    }
}

/// Another model than one's own is the owner's choice. An unknown one is an error, not a reason to
/// take another silently.
async fn choose_model(inner: &Inner, handle: &RunHandle, asked: Option<&str>) -> Result<ModelName, Refusal> {
    let Some(text) = asked else {
        return match handle.model.get() {
            Some(model) => Ok(model.clone()),
            None => Ok(inner.models.default_model().await.name()),
        };
    };
    if !handle.spec.authority.is_owner() {
        return Err(Refusal::Forbidden("this run may not choose a model; leave \"model\" out".to_owned()));
    }
    let found = match ModelName::parse(text) {
        Some(name) => inner.models.model(&name).await,
        None => None,
    };
    if let Some(model) = found {
        return Ok(model.name());
    }
    let known: Vec<String> =
        inner.models.list().await.into_iter().take(20).map(|entry| entry.name.to_string()).collect();
    Err(Refusal::Error(format!(
        "there is no model {:?}; there are: {}",
        one_line(text, 128),
        known.join(", ")
    )))
}

fn narrow(
    inner: &Inner,
    handle: &RunHandle,
    arguments: &Arguments,
) -> Result<crate::authority::RunAuthority, Refusal> {
    let tools: Option<BTreeSet<String>> =
        arguments.texts("tools", MOST_TOOLS)?.map(|tools| tools.into_iter().collect());
    let directory = arguments.text("cwd")?.map(Path::new);
    let is_leaf = handle.depth + 1 >= inner.limits.depth;
    let withheld: &[&str] = if is_leaf { &["sessions_spawn"] } else { &[] };
    let authority = handle.spec.authority.narrow(tools.as_ref(), directory, withheld);
    authority.map_err(|widening| Refusal::Forbidden(widening.to_string()))
}

fn timeout(inner: &Inner, arguments: &Arguments) -> Result<Duration, Refusal> {
    let most = inner.limits.subagent_timeout_max;
    let expected = "a whole number of seconds, at most 86400";
    Ok(match arguments.number("runTimeoutSeconds", most.as_secs(), expected)? {
        None | Some(0) => inner.limits.subagent_timeout,
        Some(seconds) => Duration::from_secs(seconds),
    })
}
