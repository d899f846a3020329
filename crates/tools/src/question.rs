//! Asking a person: one way for all tools, and the only one.

use std::time::Duration;

use tidegate_agent::approval::{
    APPROVAL_TIMEOUT, ApprovalAnswer, ApprovalPlan, ApprovalQuestion, UsedPermission,
};
use tidegate_agent::tool::ToolContext;
use tidegate_trust::Folder;
use tidegate_trust::permissions::RequestContext;
use tidegate_trust::rules::{PlainCommand, ResolvedCommand};

/// Why something was not allowed. The sentence goes to the model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAllowed {
    #[error("it was not allowed: {reason}")]
    Denied { reason: String },
    #[error("nobody decided within {} minutes, which counts as a refusal", .after.as_secs() / 60)]
    NoDecision { after: Duration },
    #[error("the run was cancelled while a person was asked")]
    Cancelled,
    #[error("the answer is for something else than what was asked")]
    OtherPlan,
}

/// What a plan has to do with, as it was found with it; see [`RequestContext`].
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    pub(crate) folders: Vec<Folder>,
    pub(crate) outside: Vec<Folder>,
    pub(crate) plain: Option<ResolvedCommand>,
    pub(crate) not_found: Option<PlainCommand>,
}

/// Asks a person about a plan, unless they allowed it before, and returns when exactly that plan is allowed.
/// Whatever the plan was made from may have changed meanwhile: who asks looks again. The answer is a permission that
/// was used, to be kept while what it allows goes on.
pub(crate) async fn ask(
    context: &ToolContext,
    plan: ApprovalPlan,
    surroundings: Surroundings,
) -> Result<Option<UsedPermission>, NotAllowed> {
    let digest = plan.digest();
    let request = RequestContext {
        task: context.task.to_string(),
        attendance: context.authority.attendance(),
        folders: surroundings.folders,
        outside: surroundings.outside,
        plain: surroundings.plain,
        not_found: surroundings.not_found,
    };
    let question = ApprovalQuestion {
        run: context.run.clone(),
        session: context.session.clone(),
        ancestors: context.ancestors.clone(),
        context: request,
        plan,
    };
    let answer = tokio::select! {
        biased;
        () = context.cancelled.cancelled() => return Err(NotAllowed::Cancelled),
        answer = tokio::time::timeout(APPROVAL_TIMEOUT, context.approvals.ask(question)) => {
            answer.map_err(|_| NotAllowed::NoDecision { after: APPROVAL_TIMEOUT })?
        }
    };
    match answer {
        ApprovalAnswer::Denied { reason } => Err(NotAllowed::Denied { reason }),
        ApprovalAnswer::Allowed { digest: allowed } if allowed == digest => Ok(None),
        ApprovalAnswer::Permitted { digest: allowed, permission } if allowed == digest => {
            Ok(Some(permission))
        }
        ApprovalAnswer::Allowed { .. } | ApprovalAnswer::Permitted { .. } => Err(NotAllowed::OtherPlan),
    }
}
