//! Commands and files that wait for a person, as clients and runs see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use tidegate_access::{PermissionUse, RunRequest, TrustService};
use tidegate_agent::approval::{
    APPROVAL_TIMEOUT, ApprovalAnswer, ApprovalGate, ApprovalPlan, ApprovalQuestion, UsedPermission,
};
use tidegate_protocol::RunId;
use tidegate_protocol::confinement::Confinement;
use tidegate_protocol::ids::DEFAULT_AGENT;
use tidegate_protocol::payload::approvals::{ApprovalCommand, ApprovalFile, FileAction, WaitingApproval};
use tidegate_protocol::payload::permissions::{OfferedPermission, PermissionName};
use tidegate_trust::approval::{
    ApprovalRequest, BY_PERMISSION, Decision, FileAccess, Operation, PendingApproval,
};

use crate::now;

/// The policy in OpenClaw's words: nothing runs that was not allowed.
pub(crate) const SECURITY: &str = "allowlist";
/// And a person is asked about what they did not allow before.
pub(crate) const ASK: &str = "on-miss";

/// A waiting command as clients see it. For a file, clients that know only commands see the tool and
/// everything that it was called with.
pub(crate) fn payload(waiting: &PendingApproval) -> WaitingApproval {
    WaitingApproval {
        id: waiting.id.clone(),
        request: request(&waiting.command),
        offers: waiting
            .offers
            .iter()
            .map(|offered| OfferedPermission {
                offer: offered.offer.clone(),
                sentence: offered.sentence.clone(),
            })
            .collect(),
        why_asked: waiting.why_asked.as_ref().map(ToString::to_string),
        created_at_ms: waiting.created_at,
        expires_at_ms: waiting.expires_at(),
    }
}

fn request(asked: &ApprovalRequest) -> ApprovalCommand {
    let request = ApprovalCommand {
        command: String::new(),
        command_argv: Vec::new(),
        cwd: String::new(),
        env: BTreeMap::new(),
        host: "gateway".to_owned(),
        security: SECURITY.to_owned(),
        ask: ASK.to_owned(),
        agent_id: DEFAULT_AGENT.to_owned(),
        session_key: asked.session_key.clone(),
        run_id: asked.run_id.as_ref().map(ToString::to_string),
        task_id: asked.context.as_ref().map(|context| context.task.clone()),
        ancestors: asked.ancestors.clone(),
        digest: asked.digest.clone(),
        file: None,
        confinement: None,
        effects: None,
    };
    match &asked.operation {
        Operation::Exec { command, command_argv, cwd, env, confinement } => ApprovalCommand {
            command: command.clone(),
            command_argv: command_argv.clone(),
            cwd: cwd.clone(),
            env: env.iter().cloned().collect(),
            effects: confinement.as_ref().map(effects),
            confinement: confinement.clone(),
            ..request
        },
        Operation::File { path, exists, trigger, access } => {
            let (content, old_text, new_text) = match access {
                FileAccess::Read => (None, None, None),
                FileAccess::Write { content } => (Some(content.clone()), None, None),
                FileAccess::Edit { old_text, new_text } => {
                    (None, Some(old_text.clone()), Some(new_text.clone()))
                }
            };
            let texts: Vec<&String> = [&content, &old_text, &new_text].into_iter().flatten().collect();
            let title = asked.operation.title();
            let whole = [&title].into_iter().chain(texts.iter().copied()).map(String::as_str);
            let above = std::path::Path::new(path).parent().unwrap_or_else(|| "/".as_ref());
            ApprovalCommand {
                command: whole.collect::<Vec<_>>().join("\n"),
                command_argv: [access.tool(), path]
                    .into_iter()
                    .chain(texts.iter().map(|text| text.as_str()))
                    .map(str::to_owned)
                    .collect(),
                cwd: above.display().to_string(),
                file: Some(ApprovalFile {
                    action: match access {
                        FileAccess::Read => FileAction::Read,
                        FileAccess::Write { .. } => FileAction::Write,
                        FileAccess::Edit { .. } => FileAction::Edit,
                    },
                    path: path.clone(),
                    exists: *exists,
                    trigger: *trigger,
                    content,
                    old_text,
                    new_text,
                }),
                ..request
            }
        }
    }
}

/// What a command can do, and what to be cautious about, for surfaces that do not draw the parts themselves.
fn effects(confinement: &Confinement) -> Vec<String> {
    let caution = confinement.caution().map(str::to_owned);
    confinement.sentences().into_iter().chain(caution).collect()
}

/// The digest of a command that a client describes.
pub(crate) fn digest(command: &ApprovalRequest) -> String {
    let text = serde_json::to_vec(command).unwrap_or_default();
    hex::encode(Sha256::digest(text))
}

/// The runtime's way to a person.
#[derive(Debug, Clone)]
pub struct PersonGate(TrustService);

impl PersonGate {
    /// The gate of a trust service. It needs no gateway: what an agent asks for waits on while there is
    /// none.
    #[must_use]
    pub fn new(trust: TrustService) -> Self {
        Self(trust)
    }

    async fn ask_person(&self, question: ApprovalQuestion) -> ApprovalAnswer {
        let digest = question.plan.digest();
        let operation = match question.plan {
            ApprovalPlan::Exec(plan) => Operation::Exec {
                command: plan.command,
                command_argv: std::iter::once(plan.program.display().to_string())
                    .chain(plan.arguments)
                    .collect(),
                cwd: plan.directory.display().to_string(),
                env: plan.environment,
                confinement: Some(plan.confinement),
            },
            ApprovalPlan::File(plan) => Operation::File {
                path: plan.path.display().to_string(),
                exists: plan.exists,
                trigger: plan.trigger,
                access: plan.access,
            },
        };
        let (refused, undecided) = match &operation {
            Operation::Exec { .. } => {
                ("a person refused this command", "nobody allowed this command in time")
            }
            Operation::File { .. } => ("a person refused it", "nobody allowed it in time"),
        };
        let request = ApprovalRequest {
            operation,
            session_key: question.session.to_string(),
            run_id: Some(question.run.to_string()),
            ancestors: question.ancestors,
            digest,
            context: Some(question.context),
        };
        self.decided(&request, refused, undecided).await
    }

    async fn decided(&self, request: &ApprovalRequest, refused: &str, undecided: &str) -> ApprovalAnswer {
        let denied = |reason: &str| ApprovalAnswer::Denied { reason: reason.to_owned() };
        let digest = request.digest.clone();
        // Once more where what allowed it was revoked at this moment.
        loop {
            let Ok(entropy) = now::entropy() else {
                return denied("the operating system gives no random bytes");
            };
            let waiting = match self.0.ask_for_run(entropy.uuid(), request.clone(), APPROVAL_TIMEOUT) {
                RunRequest::Permitted(held, kind) => {
                    return ApprovalAnswer::Permitted { digest, permission: used(held, kind, false) };
                }
                RunRequest::Waits(waiting) => waiting,
                RunRequest::Denied => {
                    return denied(
                        "a person refused exactly this before, and is not asked again in this task",
                    );
                }
                RunRequest::TooMuch => return denied("too much waits for a person; ask again later"),
            };
            // A run that is cancelled drops this future, and nobody is asked any longer.
            let question = Withdraw { trust: &self.0, id: waiting.id };
            let Some(resolved) = self.0.resolution(&question.id).await else { return denied(undecided) };
            return match resolved.decision {
                Some(Decision::AllowOnce) => ApprovalAnswer::Allowed { digest },
                Some(Decision::AllowAlways) => match self.0.use_permissions(&resolved.permissions) {
                    Some((held, kind)) => {
                        let was_asked = resolved.by.as_deref() != Some(BY_PERMISSION);
                        ApprovalAnswer::Permitted { digest, permission: used(held, kind, was_asked) }
                    }
                    None => continue,
                },
                Some(Decision::Deny) => match resolved.words {
                    Some(words) => denied(&format!("{refused}, and says: {words}")),
                    None => denied(refused),
                },
                None => denied(undecided),
            };
        }
    }
}

fn used(held: Arc<PermissionUse>, kind: PermissionName, was_asked: bool) -> UsedPermission {
    UsedPermission { kind, was_asked, revoked: held.revoked().clone(), held }
}

impl ApprovalGate for PersonGate {
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer> {
        Box::pin(self.ask_person(question))
    }

    fn end_task(&self, task: &RunId) {
        self.0.end_task(task.as_str());
    }
}

struct Withdraw<'a> {
    trust: &'a TrustService,
    id: String,
}

impl Drop for Withdraw<'_> {
    fn drop(&mut self) {
        self.trust.withdraw(&self.id);
    }
}
