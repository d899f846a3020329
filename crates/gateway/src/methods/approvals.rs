//! Commands that wait for a decision.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tidegate_access::AllowError;
use tidegate_agent::approval::APPROVAL_TIMEOUT;
use tidegate_protocol::params::{Empty, ExecApprovalRequest, ExecApprovalResolve, ExecApprovalWait};
use tidegate_protocol::payload::approvals::{
    ExecApprovalRequestResult, ExecApprovalResolveResult, ExecApprovalWaitResult, ExecApprovalsGetResult,
    ExecPolicy, ExecPolicyFile, WaitingApproval,
};
use tidegate_protocol::payload::permissions::{ApprovalVerdict, PermissionOffer};
use tidegate_protocol::payload::surface_params::DecideApproval;
use tidegate_protocol::{ErrorCode, ErrorShape, rpc, text};
use tidegate_trust::approval::{
    ApprovalRequest, Decision, Operation, PendingApproval, Requester, ResolveError,
};
use tidegate_trust::principal::desktop_decides;

use crate::approvals;
use crate::dispatch::{Caller, Handler};
use crate::now;

/// The most bytes of everything that a client says of a command: it is kept, shown and sent to others.
const MAX_COMMAND: usize = 64 * 1024;
/// How long an id may be that a client chooses. A shorter one could be what a person types who means
/// another command.
const ID_CHARACTERS: std::ops::RangeInclusive<usize> = 8..=128;

/// A client asks about a command of its own.
impl Handler for rpc::ExecApprovalRequest {
    async fn handle(
        caller: &Caller,
        params: ExecApprovalRequest,
    ) -> Result<ExecApprovalRequestResult, ErrorShape> {
        let argv = params.command_argv.unwrap_or_default();
        let command = params.command.unwrap_or_else(|| argv.join(" "));
        if command.trim().is_empty() {
            return Err(invalid("/command", "must not be empty"));
        }
        let cwd = params.cwd.unwrap_or_default();
        let env = params.env.unwrap_or_default();
        let bytes = command.len()
            + cwd.len()
            + argv.iter().map(String::len).sum::<usize>()
            + env.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if bytes.max(argv.len()).max(env.len()) > MAX_COMMAND {
            let problem = format!("command, commandArgv, cwd and env may have {MAX_COMMAND} bytes together");
            return Err(invalid("/", &problem));
        }
        let timeout = params.timeout_ms.map_or(APPROVAL_TIMEOUT, Duration::from_millis).min(APPROVAL_TIMEOUT);
        let mut asked = ApprovalRequest {
            operation: Operation::Exec {
                command,
                command_argv: argv,
                cwd,
                env: env.into_iter().collect(),
                confinement: None,
            },
            session_key: params.session_key.map(|key| key.to_string()).unwrap_or_default(),
            run_id: None,
            ancestors: Vec::new(),
            digest: String::new(),
            context: None,
        };
        asked.digest = approvals::digest(&asked);
        let requester = Requester::Client {
            connection: caller.session.connection().clone(),
            principal: caller.session.principal().clone(),
        };
        let id = match params.id {
            Some(id) if ID_CHARACTERS.contains(&id.len()) && text::one_line(&id, id.len()) == id => id,
            Some(_) => return Err(invalid("/id", "must have 8 to 128 visible characters")),
            None => now::entropy().map_err(|error| ErrorShape::unavailable(error.to_string()))?.uuid(),
        };
        let inner = caller.gateway.inner();
        let waiting = inner.trust.ask(id, asked, requester, timeout).ok_or_else(|| {
            ErrorShape::unavailable("too many commands wait for a decision, or this id was used already")
        })?;
        // The end of the connection withdraws what was asked on it, and may have come before the question.
        if caller.outbox.is_revoked() && !inner.stop.is_cancelled() {
            inner.trust.withdraw(&waiting.id);
            return Err(ErrorShape::unavailable("the connection was closed"));
        }
        if params.two_phase == Some(true) {
            caller.answer(caller.ok(&ExecApprovalRequestResult {
                id: waiting.id.clone(),
                status: Some("accepted".to_owned()),
                decision: None,
                created_at_ms: waiting.created_at,
                expires_at_ms: waiting.expires_at(),
            }));
        }
        let decision = decision(caller, &waiting.id).await?.flatten();
        Ok(ExecApprovalRequestResult {
            created_at_ms: waiting.created_at,
            expires_at_ms: waiting.expires_at(),
            id: waiting.id,
            status: None,
            decision: Some(decision),
        })
    }
}

/// Waits for the decision about a command, as long as the gateway serves. What waits is not lost with it:
/// the next one answers `exec.approval.waitDecision` about it.
async fn decision(caller: &Caller, id: &str) -> Result<Option<Option<Decision>>, ErrorShape> {
    let inner = caller.gateway.inner();
    tokio::select! {
        () = inner.stop.cancelled() => {
            Err(ErrorShape::unavailable("the gateway is stopping; ask for the decision again later"))
        }
        decision = inner.trust.decision(id) => Ok(decision),
    }
}

fn invalid(place: &str, problem: &str) -> ErrorShape {
    ErrorShape::invalid(format!("invalid exec.approval.request params: at {place}: {problem}"))
}

impl Handler for rpc::ExecApprovalList {
    async fn handle(caller: &Caller, _: Empty) -> Result<Vec<WaitingApproval>, ErrorShape> {
        let inner = caller.gateway.inner();
        inner.trust.tick();
        let queue = inner.trust.approvals();
        Ok(queue.waiting().iter().map(approvals::payload).collect())
    }
}

/// The policy is part of the program, so there is no file and nothing to change.
impl Handler for rpc::ExecApprovalsGet {
    async fn handle(_: &Caller, _: Empty) -> Result<ExecApprovalsGetResult, ErrorShape> {
        let policy = ExecPolicy {
            security: approvals::SECURITY.to_owned(),
            ask: approvals::ASK.to_owned(),
            ask_fallback: "deny".to_owned(),
            auto_allow_skills: false,
        };
        let file = ExecPolicyFile { version: 1, defaults: policy.clone(), agents: BTreeMap::new() };
        let text = serde_json::to_vec(&file).map_err(|error| ErrorShape::unavailable(error.to_string()))?;
        Ok(ExecApprovalsGetResult {
            path: "(part of Tidegate)".to_owned(),
            exists: false,
            hash: hex::encode(Sha256::digest(text)),
            file,
            resolved_defaults: policy,
        })
    }
}

/// Commands and files wait in `exec.approval.list`, which clients read beside this one.
impl Handler for rpc::OpenclawApprovalList {
    async fn handle(_: &Caller, _: Empty) -> Result<Vec<Value>, ErrorShape> {
        Ok(Vec::new())
    }
}

/// What `allow-always` gives a client: the needs for the rest of the task, where the request offers that, else
/// the one time. The answer says what it was.
impl Handler for rpc::ExecApprovalResolve {
    async fn handle(
        caller: &Caller,
        params: ExecApprovalResolve,
    ) -> Result<ExecApprovalResolveResult, ErrorShape> {
        let verdict = match params.decision.as_str() {
            "allow-once" => ApprovalVerdict::AllowOnce,
            "deny" => ApprovalVerdict::Deny { words: None, stop: false },
            "allow-always" if offers_task(caller, &params.id) => {
                ApprovalVerdict::Permit { offer: PermissionOffer::Task }
            }
            "allow-always" => ApprovalVerdict::AllowOnce,
            _ => return Err(ErrorShape::invalid("invalid decision")),
        };
        let is_always = params.decision == "allow-always";
        let mut decided = decide(caller, &params.id, verdict).await?;
        if is_always {
            let once = || "Allowed this once: more than that is given in Tidegate's dialog.".to_owned();
            decided.granted.get_or_insert_with(once);
        }
        Ok(decided)
    }
}

fn offers_task(caller: &Caller, id: &str) -> bool {
    let queue = caller.gateway.inner().trust.approvals();
    let is_meant = |waiting: &&PendingApproval| waiting.id.starts_with(id);
    let offers = queue.waiting().iter().find(is_meant).map(|waiting| &waiting.offers);
    offers.is_some_and(|offers| offers.iter().any(|offered| offered.offer == PermissionOffer::Task))
}

impl Handler for rpc::TidegateApprovalsDecide {
    async fn handle(
        caller: &Caller,
        params: DecideApproval,
    ) -> Result<ExecApprovalResolveResult, ErrorShape> {
        decide(caller, &params.id, params.verdict).await
    }
}

async fn decide(
    caller: &Caller,
    id: &str,
    verdict: ApprovalVerdict,
) -> Result<ExecApprovalResolveResult, ErrorShape> {
    let trust = &caller.gateway.inner().trust;
    let offer = match &verdict {
        ApprovalVerdict::Deny { words, stop } => {
            let denied = trust.deny(&caller.session, id, words.as_deref(), *stop);
            denied.map_err(|error| not_resolved_as(caller, id, &error))?;
            return Ok(ExecApprovalResolveResult { ok: true, granted: None });
        }
        ApprovalVerdict::AllowOnce => None,
        ApprovalVerdict::Permit { offer } => Some(offer),
    };
    let granted = trust.allow(&caller.session, id, offer).await.map_err(|error| match error {
        AllowError::Resolve(error) => not_resolved_as(caller, id, &error),
        error => super::permissions::not_allowed(caller, &error),
    })?;
    Ok(ExecApprovalResolveResult { ok: true, granted })
}

fn not_resolved_as(caller: &Caller, id: &str, error: &ResolveError) -> ErrorShape {
    match error {
        ResolveError::DesktopDecides => super::desktop::review_instead(&caller.gateway, id),
        error => not_resolved(caller, error),
    }
}

/// Why something was not decided, as an answer.
pub(super) fn not_resolved(caller: &Caller, error: &ResolveError) -> ErrorShape {
    match error {
        ResolveError::DesktopDecides => desktop_decides(),
        ResolveError::Unknown => {
            ErrorShape::invalid(error.to_string()).with_details(json!({ "reason": "APPROVAL_NOT_FOUND" }))
        }
        ResolveError::MissingScope => {
            caller.session.dialect().missing_scope(&tidegate_protocol::Scope::Approvals)
        }
        ResolveError::Ambiguous => ErrorShape::invalid(error.to_string()),
        ResolveError::Deciding => ErrorShape::unavailable(error.to_string()),
        ResolveError::SubagentClient
        | ResolveError::Own
        | ResolveError::Changed
        | ResolveError::NotThePerson => ErrorShape::new(ErrorCode::Forbidden, error.to_string()),
    }
}

impl Handler for rpc::ExecApprovalWaitDecision {
    async fn handle(caller: &Caller, params: ExecApprovalWait) -> Result<ExecApprovalWaitResult, ErrorShape> {
        match decision(caller, &params.id).await? {
            Some(decision) => Ok(ExecApprovalWaitResult { id: params.id, decision }),
            None => Err(ErrorShape::invalid("approval expired or not found")),
        }
    }
}
