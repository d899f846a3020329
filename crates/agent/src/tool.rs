//! The port to tools.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use tidegate_protocol::payload::permissions::PermissionName;
use tidegate_protocol::transcript::{CallOutcome, ResultAuthor, ResultDetails};
use tidegate_protocol::{RunId, SessionKey};
use tokio_util::sync::CancellationToken;

use crate::approval::ApprovalGate;
use crate::authority::RunAuthority;
use crate::command::ActiveCommands;

/// A tool as the model sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolDescription {
    /// Its name (OpenClaw's, so that prompts and skills keep working).
    pub name: &'static str,
    /// A short label for people.
    pub label: &'static str,
    /// What it does, for the model.
    pub description: &'static str,
    /// Group in `tools.catalog`: `fs`, `runtime`, `sessions`, `agents`.
    pub group: &'static str,
    /// JSON schema of its parameters: a closed object.
    pub parameters: Value,
}

/// The run in which a tool is called.
#[derive(Clone)]
pub struct ToolContext {
    pub run: RunId,
    pub session: SessionKey,
    /// Labels or keys of the runs above it, nearest first, for a person to read.
    pub ancestors: Vec<String>,
    pub authority: RunAuthority,
    /// The first run of its task.
    pub task: RunId,
    /// Whether a command with network ran in this turn.
    pub network: NetworkUse,
    /// Asks a person.
    pub approvals: Arc<dyn ApprovalGate>,
    /// Cancelled when the run must stop: processes end then.
    pub cancelled: CancellationToken,
    /// The id that the model gave this call.
    pub call_id: String,
    /// Takes what there is of the answer while the tool works.
    pub updates: ToolUpdates,
    /// Where it lists the command that it runs.
    pub commands: ActiveCommands,
}

/// Whether a command that reaches the network, or is not confined, ran in the turn of a run or below it. What it
/// read may be why the run asks for more.
#[derive(Clone, Debug, Default)]
pub struct NetworkUse(Arc<AtomicBool>);

impl NetworkUse {
    /// Notes that such a command begins.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether such a command has begun in this task.
    #[must_use]
    pub fn was_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Takes the text of a call's answer as far as it is known. Each update replaces the one before; it
/// decides nothing, and any of them may be lost. The tool bounds their size and number.
#[derive(Clone)]
pub struct ToolUpdates(Arc<dyn Fn(String) + Send + Sync>);

impl ToolUpdates {
    /// Gives them to a function, which must not block.
    #[must_use]
    pub fn new(take: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// For calls whose updates nobody reads.
    #[must_use]
    pub fn ignored() -> Self {
        Self::new(drop)
    }

    /// The answer so far.
    pub fn send(&self, text: String) {
        (self.0)(text);
    }
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolOutput {
    /// The text for the model. The runtime bounds and frames it.
    pub text: String,
    /// Whether the tool failed; the text then says why and what to do.
    pub is_error: bool,
    /// Only the runtime itself can say that every word is its own, so that models read it without a frame, and why
    /// a call failed that did not fail by itself.
    pub(crate) details: ResultDetails,
}

impl ToolOutput {
    /// The answer of a tool that did what it was asked.
    #[must_use]
    pub fn ok(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_error: false, details: ResultDetails::default() }
    }

    /// A failure that the model can read.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_error: true, details: ResultDetails::default() }
    }

    /// By which permission it was not asked.
    pub(crate) fn by_permission(mut self, permission: Option<PermissionName>) -> Self {
        self.details.permission = permission;
        self
    }

    pub(crate) fn by_runtime(self) -> Self {
        let details = ResultDetails { author: ResultAuthor::Runtime, ..self.details };
        Self { details, ..self }
    }

    /// Of a failed call, why it failed. The first reason stays.
    pub(crate) fn because(mut self, outcome: CallOutcome) -> Self {
        if self.is_error {
            self.details.outcome.get_or_insert(outcome);
        }
        self
    }

    /// Of a call that did not begin.
    pub(crate) fn skipped(reason: &str) -> Self {
        Self::error(format!("This call was not run: {reason}.")).by_runtime()
    }

    /// Of a call during which the run was stopped.
    pub(crate) fn stopped() -> Self {
        Self::error("The run was stopped while this tool worked. Its outcome is unknown.").by_runtime()
    }
}

/// One tool. It checks the run's authority itself, where the effect happens.
pub trait Tool: Send + Sync {
    /// How the model sees it.
    fn description(&self) -> ToolDescription;

    /// Other names under which models know such a tool. They are not described to a model; a call
    /// under one of them is a call of this tool, for the run's authority too.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether neighbouring calls in one answer are made at the same time: each is durable and none depends
    /// on another.
    fn goes_together(&self) -> bool {
        false
    }

    /// Calls it. `arguments` is a JSON object; the tool refuses unknown and missing fields by name.
    fn call(&self, context: ToolContext, arguments: Value) -> BoxFuture<'_, ToolOutput>;
}
