//! `sessions_spawn`: starts a subagent.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tidegate_protocol::text::one_line;

use crate::arguments::{ArgumentError, Arguments};
use crate::run::Cleanup;
use crate::sessions::{SessionTools, SpawnError, SpawnRequest};
use crate::tool::{Tool, ToolContext, ToolDescription, ToolOutput};

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
const NOTE: &str = "The subagent works on its own. Its result comes to you by itself as a message of the runtime: do \
                    not poll. When several work, answer once you have the results that you need.";

pub(super) struct SessionsSpawn<S>(pub(super) Arc<S>);

impl<S: SessionTools + 'static> Tool for SessionsSpawn<S> {
    fn description(&self) -> ToolDescription {
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

    fn goes_together(&self) -> bool {
        true
    }

    fn call(&self, context: ToolContext, arguments: Value) -> BoxFuture<'_, ToolOutput> {
        Box::pin(async move {
            let spawned = tokio::select! {
                biased;
                () = context.cancelled.cancelled() => return ToolOutput::stopped(),
                spawned = self.spawn(&context, arguments) => spawned,
            };
            match spawned {
                Ok(answer) => ToolOutput::ok(answer.to_string()).by_runtime(),
                Err(error) => {
                    let status = if error.is_refusal() { "forbidden" } else { "error" };
                    let answer = json!({"status": status, "error": error.to_string()});
                    ToolOutput::error(answer.to_string()).by_runtime()
                }
            }
        })
    }
}

impl<S: SessionTools> SessionsSpawn<S> {
    async fn spawn(&self, context: &ToolContext, arguments: Value) -> Result<Value, SpawnError> {
        let request = self.request(arguments)?;
        let (timeout, names_tools) = (request.timeout, request.tools.is_some());
        let spawned = self.0.spawn(&context.run, request).await?;
        let mut answer = json!({
            "status": "accepted",
            "mode": "run",
            "resolvedModel": spawned.model,
            "runTimeoutSeconds": timeout.as_secs(),
            "childSessionKey": spawned.run.session,
            "runId": spawned.run.id,
            "note": NOTE,
        });
        if names_tools {
            answer["tools"] = json!(spawned.tools);
        }
        Ok(answer)
    }

    fn request(&self, arguments: Value) -> Result<SpawnRequest, ArgumentError> {
        let arguments = Arguments::closed(arguments, FIELDS)?;
        arguments.word("runtime", &["subagent"], "\"subagent\", the only kind there is")?;
        arguments.word("mode", &["run"], "\"run\", the only mode there is")?;
        arguments.word(
            "context",
            &["isolated"],
            "\"isolated\": a subagent does not see this conversation",
        )?;
        let label = arguments.text("label")?.map(|label| one_line(label.trim(), LABEL_LENGTH));
        let limits = self.0.limits();
        let (most, expected) = (limits.subagent_timeout_max, "a whole number of seconds, at most 86400");
        let seconds = arguments.number("runTimeoutSeconds", most.as_secs(), expected)?;
        Ok(SpawnRequest {
            task: arguments.required_text("task")?.to_owned(),
            label: label.filter(|label| !label.is_empty()),
            agent: arguments.text("agentId")?.map(str::to_owned),
            model: arguments.text("model")?.map(str::to_owned),
            timeout: match seconds {
                None | Some(0) => limits.subagent_timeout,
                Some(seconds) => Duration::from_secs(seconds),
            },
            directory: arguments.text("cwd")?.map(PathBuf::from),
            tools: arguments.texts("tools", MOST_TOOLS)?.map(|tools| tools.into_iter().collect()),
            cleanup: match arguments.word("cleanup", &["delete", "keep"], "\"delete\" or \"keep\"")? {
                Some("delete") => Cleanup::Delete,
                _ => Cleanup::Keep,
            },
            expects_completion: arguments.flag("expectsCompletionMessage")?.unwrap_or(true),
        })
    }
}
