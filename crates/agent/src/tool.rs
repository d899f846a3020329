//! The port to tools.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use tidegate_protocol::{RunId, SessionKey};
use tokio_util::sync::CancellationToken;

use crate::approval::ApprovalGate;
use crate::authority::RunAuthority;
use crate::command::ActiveCommands;
use crate::model::BoxFuture;

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
    /// The run.
    pub run: RunId,
    /// Its session.
    pub session: SessionKey,
    /// Labels or keys of the runs above it, nearest first, for a person to read.
    pub ancestors: Vec<String>,
    /// What it may do.
    pub authority: RunAuthority,
    /// Asks a person.
    pub approvals: Arc<dyn ApprovalGate>,
    /// Cancelled when the run must stop: processes end then.
    pub cancelled: CancellationToken,
    /// The id of this call.
    pub call_id: String,
    /// Takes what there is of the answer while the tool works.
    pub updates: ToolUpdates,
    /// Where it lists the command that it runs.
    pub commands: ActiveCommands,
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

    /// Nobody listens.
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
}

impl ToolOutput {
    /// A success.
    #[must_use]
    pub fn ok(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_error: false }
    }

    /// A failure that the model can read.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_error: true }
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

    /// Calls it. `arguments` is a JSON object; the tool refuses unknown and missing fields by name.
    fn call(&self, context: ToolContext, arguments: Value) -> BoxFuture<'_, ToolOutput>;
}
