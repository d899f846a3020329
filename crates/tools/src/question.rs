//! Asking a person: one way for all tools, and the only one.

use std::time::Duration;

use tidegate_agent::approval::{APPROVAL_TIMEOUT, ApprovalAnswer, ApprovalPlan, ApprovalQuestion};
use tidegate_agent::tool::ToolContext;

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

/// Asks a person about a plan, and returns when exactly that plan was allowed. Whatever the plan was
/// made from may have changed meanwhile: who asks looks again.
pub(crate) async fn ask(context: &ToolContext, plan: ApprovalPlan) -> Result<(), NotAllowed> {
    let digest = plan.digest();
    let question = ApprovalQuestion {
        run: context.run.clone(),
        session: context.session.clone(),
        ancestors: context.ancestors.clone(),
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
        ApprovalAnswer::Allowed { digest: allowed } if allowed == digest => Ok(()),
        ApprovalAnswer::Allowed { .. } => Err(NotAllowed::OtherPlan),
    }
}
