//! The port to whoever may allow a tool call: a person.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_protocol::{RunId, SessionKey};

use crate::model::BoxFuture;

/// How long an approval is waited for. No decision is a refusal.
pub const APPROVAL_TIMEOUT: Duration = Duration::from_mins(30);

/// A command as it would run: exact bytes, nothing resolved later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecPlan {
    /// The command text for the shell, exactly.
    pub command: String,
    /// The program that runs it, resolved.
    pub program: PathBuf,
    /// All arguments of the program.
    pub arguments: Vec<String>,
    /// The directory, resolved.
    pub directory: PathBuf,
    /// Variables that the call adds or changes.
    pub environment: Vec<(String, String)>,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalQuestion {
    /// The run that asks.
    pub run: RunId,
    /// Its session.
    pub session: SessionKey,
    /// The runs above it, nearest first.
    pub ancestors: Vec<String>,
    /// What it wants.
    pub plan: ExecPlan,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalAnswer {
    /// A person allowed exactly this plan, once. The digest is of the plan that was shown.
    Allowed {
        /// SHA-256 of the plan's canonical JSON, lower-case hex.
        digest: String,
    },
    /// A person, or the lack of one, refused.
    Denied {
        /// A sentence for the model.
        reason: String,
    },
}

/// Asks a person. Dropping the future withdraws the question.
pub trait ApprovalGate: Send + Sync {
    /// Asks and waits.
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer>;
}

impl ExecPlan {
    /// SHA-256 of the plan's canonical JSON, lower-case hex: what a decision is bound to.
    #[must_use]
    pub fn digest(&self) -> String {
        use sha2::{Digest, Sha256};
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(canonical).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
