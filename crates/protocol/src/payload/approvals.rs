//! Commands that wait for a decision.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::UnixMillis;
use crate::confinement::Confinement;
use crate::payload::permissions::OfferedPermission;

/// A decision about a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalDecision {
    /// It may run once, exactly as shown.
    AllowOnce,
    /// It may run, and what it needs is allowed for the rest of the task, where that can be given; else as
    /// `allow-once`.
    AllowAlways,
    /// It may not.
    Deny,
}

/// What would be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FileAction {
    Read,
    Write,
    Edit,
}

objects! {
    /// A file outside the workspace, or a trigger file in it. The texts are whole.
    ApprovalFile {
        action: FileAction,
        path: String,
        /// Whether it was there when the question was asked.
        exists: bool,
        /// Whether it is in the workspace, and its text can run as the person's own commands later.
        trigger: bool,
        /// What `write` would put there.
        content: Option<String>,
        /// What `edit` would take away.
        old_text: Option<String>,
        /// What `edit` would put in its place.
        new_text: Option<String>,
    }
    /// A command as it would run.
    ApprovalCommand {
        command: String,
        command_argv: Vec<String>,
        cwd: String,
        /// Variables that it adds or changes.
        env: BTreeMap<String, String>,
        host: String,
        security: String,
        ask: String,
        agent_id: String,
        session_key: String,
        #[serialize_always] run_id: Option<String>,
        /// Of a run's request, the first run of its task.
        #[serde(default)] task_id: Option<String>,
        /// The runs above it, nearest first.
        ancestors: Vec<String>,
        digest: String,
        /// For a file: what the command says, by its parts.
        file: Option<ApprovalFile>,
        /// For a command of an agent: how it is confined and what it needs.
        confinement: Option<Confinement>,
        /// What it can do then, in sentences for the person.
        effects: Option<Vec<String>>,
    }
    /// A waiting command: an entry of `exec.approval.list`, and `exec.approval.requested`.
    WaitingApproval {
        id: String,
        request: ApprovalCommand,
        /// What can be given with it, beyond the one time.
        #[serde(default)]
        offers: Vec<OfferedPermission>,
        /// Why a person is asked although something is allowed, as a sentence.
        why_asked: Option<String>,
        created_at_ms: UnixMillis,
        expires_at_ms: UnixMillis,
    }
    /// `exec.approval.request`: the first answer has a status, the last a decision, or `null` when there is
    /// none.
    ExecApprovalRequestResult {
        id: String,
        status: Option<String>,
        #[serde(default, deserialize_with = "present")]
        #[schemars(with = "Option<ApprovalDecision>")]
        decision: Option<Option<ApprovalDecision>>,
        created_at_ms: UnixMillis,
        expires_at_ms: UnixMillis,
    }
    /// `exec.approval.resolve`, `tidegate.approvals.decide`: what was given with an approval.
    ExecApprovalResolveResult {
        ok: bool,
        /// What was allowed beyond the one time, as a sentence.
        granted: Option<String>,
    }
    /// `exec.approval.waitDecision`; no decision is a refusal.
    ExecApprovalWaitResult {
        id: String,
        #[serialize_always] decision: Option<ApprovalDecision>,
    }
    /// How commands are decided, in the fields of OpenClaw's policy file.
    ExecPolicy {
        /// `allowlist`: nothing runs that was not allowed.
        security: String,
        /// `always`: a person is asked about each command.
        ask: String,
        /// `deny`: what happens when nobody answers.
        ask_fallback: String,
        auto_allow_skills: bool,
    }
    /// OpenClaw's policy file. Tidegate has none: the policy is part of the program.
    ExecPolicyFile {
        version: u32,
        defaults: ExecPolicy,
        agents: BTreeMap<String, ExecPolicy>,
    }
    /// `exec.approvals.get`.
    ExecApprovalsGetResult {
        path: String,
        exists: bool,
        /// SHA-256 of `file`, in hexadecimal.
        hash: String,
        file: ExecPolicyFile,
        resolved_defaults: ExecPolicy,
    }
    /// `exec.approval.resolved`.
    ApprovalResolvedEvent {
        id: String,
        #[serialize_always] decision: Option<ApprovalDecision>,
        #[serialize_always] resolved_by: Option<String>,
        ts: UnixMillis,
    }
}

/// A field that is there, whether it has a value or is `null`.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}
