//! The only way from a plan to a process: a person's answer to exactly that plan.

use std::time::Duration;

use tidegate_agent::approval::{APPROVAL_TIMEOUT, ApprovalAnswer, ApprovalQuestion, ExecPlan};
use tidegate_agent::tool::ToolContext;

use super::plan::{Planner, PreparedPlan, RequestError};

/// A plan that a person allowed and that still holds. Made by [`ApprovedPlan::check`] alone, used up
/// by being launched.
#[derive(Debug)]
pub(super) struct ApprovedPlan(PreparedPlan);

/// Why a command does not run. The sentence goes to the model.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotApproved {
    #[error("it was not allowed: {reason}")]
    Denied { reason: String },
    #[error("nobody decided within {} minutes, which counts as a refusal", .after.as_secs() / 60)]
    NoDecision { after: Duration },
    #[error("the run was cancelled while a person was asked")]
    Cancelled,
    #[error("the answer is for another command than this one")]
    OtherPlan,
    #[error("{what} changed after the command was shown, so the decision does not hold; ask again")]
    Changed { what: &'static str },
    #[error(transparent)]
    Plan(#[from] RequestError),
    #[error("the plan could not be made: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

impl ApprovedPlan {
    /// Makes the plan, asks for it, and makes it again when the answer is there.
    pub(super) async fn obtain(context: &ToolContext, planner: Planner) -> Result<Self, NotApproved> {
        let shown = prepare(&planner).await?;
        let question = ApprovalQuestion {
            run: context.run.clone(),
            session: context.session.clone(),
            ancestors: context.ancestors.clone(),
            plan: shown.plan.clone(),
        };
        let answer = tokio::select! {
            biased;
            () = context.cancelled.cancelled() => return Err(NotApproved::Cancelled),
            answer = tokio::time::timeout(APPROVAL_TIMEOUT, context.approvals.ask(question)) => {
                answer.map_err(|_| NotApproved::NoDecision { after: APPROVAL_TIMEOUT })?
            }
        };
        let now = prepare(&planner).await?;
        if context.cancelled.is_cancelled() {
            return Err(NotApproved::Cancelled);
        }
        Self::check(answer, &shown, now)
    }

    /// Accepts an answer only when it allows the plan that was shown, and that plan is still what it
    /// was: the same text, the same directory, the same program.
    fn check(answer: ApprovalAnswer, shown: &PreparedPlan, now: PreparedPlan) -> Result<Self, NotApproved> {
        let digest = match answer {
            ApprovalAnswer::Allowed { digest } => digest,
            ApprovalAnswer::Denied { reason } => return Err(NotApproved::Denied { reason }),
        };
        if digest != shown.plan.digest() {
            return Err(NotApproved::OtherPlan);
        }
        if digest != now.plan.digest() {
            return Err(NotApproved::Changed { what: "the plan" });
        }
        if shown.directory != now.directory {
            return Err(NotApproved::Changed { what: "the directory" });
        }
        if shown.program != now.program {
            return Err(NotApproved::Changed { what: "the program" });
        }
        Ok(Self(now))
    }

    /// What was allowed.
    pub(super) fn plan(&self) -> &ExecPlan {
        &self.0.plan
    }

    /// The plan, to be launched.
    pub(super) fn into_prepared(self) -> PreparedPlan {
        self.0
    }
}

async fn prepare(planner: &Planner) -> Result<PreparedPlan, NotApproved> {
    let planner = planner.clone();
    Ok(tokio::task::spawn_blocking(move || planner.prepare()).await??)
}
