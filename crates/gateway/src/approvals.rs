//! Commands that wait for a person: the driver of the pure queue.

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tidegate_agent::approval::{
    APPROVAL_TIMEOUT, ApprovalAnswer, ApprovalGate, ApprovalPlan, ApprovalQuestion,
};
use tidegate_protocol::confinement::Confinement;
use tidegate_protocol::ids::DEFAULT_AGENT;
use tidegate_protocol::payload::approvals::{
    ApprovalCommand, ApprovalFile, ApprovalResolvedEvent, FileAction, WaitingApproval,
};
use tidegate_protocol::{ConnectionId, event};
use tidegate_trust::Session;
use tidegate_trust::approval::{
    Command, Decision, FileAccess, Operation, Requester, ResolveError, ResolvedCommand, WaitingCommand,
};
use tidegate_trust::audit::{AuditEvent, AuditKind};
use tidegate_trust::decision::Decider;

use crate::gateway::{Gateway, Inner};
use crate::host::BoxFuture;
use crate::hub::Audience;
use crate::now;

/// The policy in OpenClaw's words: nothing runs that was not allowed.
pub(crate) const SECURITY: &str = "allowlist";
/// And a person is asked about each command.
pub(crate) const ASK: &str = "always";

/// Asks whoever may decide. `None` when too many wait.
pub(crate) fn ask(
    inner: &Inner,
    id: String,
    command: Command,
    requester: Requester,
    timeout: Duration,
) -> Option<WaitingCommand> {
    let waiting = inner.gatekeeper.approvals().ask(id, command, requester, timeout, now::moment())?;
    inner.gatekeeper.changed();
    inner.hub.publish::<event::ExecApprovalRequested>(&payload(&waiting), Audience::Everyone);
    Some(waiting)
}

/// Waits for the decision about a command: `Some(None)` when its time was up, `None` when there is
/// no such command.
pub(crate) async fn decision(gateway: &Gateway, id: &str) -> Option<Option<Decision>> {
    let inner = gateway.inner();
    let mut changed = inner.approvals_changed.subscribe();
    loop {
        expire(inner);
        let until = {
            let queue = inner.gatekeeper.approvals();
            if let Some(resolved) = queue.resolved(id) {
                return Some(resolved.decision);
            }
            let waiting = queue.waiting().iter().find(|waiting| waiting.id == id)?;
            waiting.expires_at().since(now::wall())
        };
        tokio::select! {
            () = inner.stop.cancelled() => return Some(None),
            _ = changed.changed() => {}
            () = tokio::time::sleep(until + Duration::from_millis(10)) => {}
        }
    }
}

/// Decides about a waiting approval.
pub(crate) fn resolve(
    inner: &Inner,
    session: &Session,
    id: &str,
    decision: Decision,
) -> Result<(), ResolveError> {
    expire(inner);
    let resolved = inner.gatekeeper.approvals().resolve(
        session,
        inner.gatekeeper.desktop,
        id,
        decision,
        now::moment(),
    )?;
    // Whether a tool of that run lives is not asked: one that left its command behind would not be seen.
    if session.principal().is_client() && resolved.waiting.requester == Requester::Run {
        inner.gatekeeper.client_decided(decision);
    }
    announce(inner, &resolved);
    Ok(())
}

/// Decides, for the person in the dialog.
pub(crate) fn resolve_shown(
    inner: &Inner,
    person: &Decider,
    id: &str,
    digest: &str,
    decision: Decision,
) -> Result<(), ResolveError> {
    expire(inner);
    let resolved = inner.gatekeeper.approvals().resolve_shown(person, id, digest, decision, now::moment())?;
    announce(inner, &resolved);
    Ok(())
}

/// Ends what has expired.
pub(crate) fn expire(inner: &Inner) {
    let expired = inner.gatekeeper.approvals().tick(now::moment());
    for resolved in expired {
        announce(inner, &resolved);
    }
}

/// Withdraws what a connection asked for.
pub(crate) fn withdraw_connection(inner: &Inner, connection: &ConnectionId) {
    let withdrawn = inner.gatekeeper.approvals().withdraw_connection(connection, now::moment());
    for resolved in withdrawn {
        announce(inner, &resolved);
    }
}

fn withdraw(inner: &Inner, id: &str) {
    let withdrawn = inner.gatekeeper.approvals().withdraw(id, now::moment());
    if let Some(resolved) = withdrawn {
        announce(inner, &resolved);
    }
}

fn announce(inner: &Inner, resolved: &ResolvedCommand) {
    let operation = &resolved.waiting.command.operation;
    let (kind, what) = match (operation, resolved.decision) {
        (Operation::Exec { .. }, Some(Decision::AllowOnce)) => (AuditKind::CommandAllowed, "command"),
        (Operation::Exec { .. }, Some(Decision::Deny)) => (AuditKind::CommandDenied, "command"),
        (Operation::Exec { .. }, None) => (AuditKind::CommandUndecided, "command"),
        (Operation::File { .. }, Some(Decision::AllowOnce)) => (AuditKind::FileAllowed, "file"),
        (Operation::File { .. }, Some(Decision::Deny)) => (AuditKind::FileDenied, "file"),
        (Operation::File { .. }, None) => (AuditKind::FileUndecided, "file"),
    };
    let line = format!(
        "{kind} id={} digest={} by={} session={} {what}={}",
        resolved.waiting.id,
        resolved.waiting.command.digest,
        resolved.by.as_deref().unwrap_or("nobody"),
        tidegate_protocol::text::one_line(&resolved.waiting.command.session_key, 200),
        operation.logged(),
    );
    inner.gatekeeper.audit(AuditEvent::new(now::wall(), kind, resolved.waiting.id.clone(), line));
    let payload = ApprovalResolvedEvent {
        id: resolved.waiting.id.clone(),
        decision: resolved.decision,
        resolved_by: resolved.by.clone(),
        ts: now::wall(),
    };
    inner.hub.publish::<event::ExecApprovalResolved>(&payload, Audience::Everyone);
    inner.approvals_changed.send_modify(|version| *version += 1);
    inner.gatekeeper.changed();
}

/// A waiting command as clients see it. For a file, clients that know only commands see the tool and
/// everything that it was called with.
pub(crate) fn payload(waiting: &WaitingCommand) -> WaitingApproval {
    WaitingApproval {
        id: waiting.id.clone(),
        request: request(&waiting.command),
        created_at_ms: waiting.created_at,
        expires_at_ms: waiting.expires_at(),
    }
}

fn request(asked: &Command) -> ApprovalCommand {
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
            effects: confinement.as_ref().map(Confinement::sentences),
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

/// The digest of a command that a client describes.
pub(crate) fn digest(command: &Command) -> String {
    let text = serde_json::to_vec(command).unwrap_or_default();
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The runtime's way to a person.
#[derive(Debug, Clone)]
pub struct PersonGate(Gateway);

impl PersonGate {
    /// The gate of a gateway.
    #[must_use]
    pub fn new(gateway: Gateway) -> Self {
        Self(gateway)
    }

    async fn ask_person(&self, question: ApprovalQuestion) -> ApprovalAnswer {
        let denied = |reason: &str| ApprovalAnswer::Denied { reason: reason.to_owned() };
        let Ok(entropy) = now::entropy() else { return denied("the operating system gives no random bytes") };
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
        let command = Command {
            operation,
            session_key: question.session.to_string(),
            run_id: Some(question.run.to_string()),
            ancestors: question.ancestors,
            digest: digest.clone(),
        };
        let Some(waiting) = ask(self.0.inner(), entropy.uuid(), command, Requester::Run, APPROVAL_TIMEOUT)
        else {
            return denied("too much waits for a person; ask again later");
        };
        // A run that is cancelled drops this future, and nobody is asked any longer.
        let question = Withdraw { gateway: &self.0, id: waiting.id };
        match decision(&self.0, &question.id).await.flatten() {
            Some(Decision::AllowOnce) => ApprovalAnswer::Allowed { digest },
            Some(Decision::Deny) => denied(refused),
            None => denied(undecided),
        }
    }
}

impl ApprovalGate for PersonGate {
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer> {
        Box::pin(self.ask_person(question))
    }
}

struct Withdraw<'a> {
    gateway: &'a Gateway,
    id: String,
}

impl Drop for Withdraw<'_> {
    fn drop(&mut self) {
        withdraw(self.gateway.inner(), &self.id);
    }
}
