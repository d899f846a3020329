//! The only way from a plan to a process: a person's answer to exactly that plan.

use tidegate_agent::approval::{ApprovalPlan, ExecPlan, UsedPermission};
use tidegate_agent::tool::ToolContext;
use tidegate_protocol::payload::permissions::PermissionName;

use super::plan::{Planner, PreparedPlan, RequestError};
use crate::question::{self, NotAllowed, Surroundings};

/// A plan that a person allowed and that still holds. Made by [`ApprovedPlan::check`] alone, used up
/// by being launched.
#[derive(Debug)]
pub(super) struct ApprovedPlan(PreparedPlan, Option<UsedPermission>);

/// Why a command does not run. The sentence goes to the model.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotApproved {
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
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
        let plan = ApprovalPlan::Exec(shown.plan.clone());
        let surroundings = Surroundings {
            folders: shown.folders.clone(),
            outside: shown.outside.clone(),
            plain: shown.plain.clone(),
            not_found: shown.not_found.clone(),
        };
        let permission = question::ask(context, plan, surroundings).await?;
        let now = prepare(&planner).await?;
        if context.cancelled.is_cancelled() {
            return Err(NotAllowed::Cancelled.into());
        }
        Self::check(&shown, now, permission)
    }

    /// Accepts an allowed plan only when it is still what it was: the same text, the same directory,
    /// the same program.
    fn check(
        shown: &PreparedPlan,
        now: PreparedPlan,
        permission: Option<UsedPermission>,
    ) -> Result<Self, NotApproved> {
        if shown.plan.digest() != now.plan.digest() {
            return Err(NotApproved::Changed { what: "the plan" });
        }
        // A permission is for the workspace as it was shown, too.
        if shown.directory != now.directory || shown.folders != now.folders {
            return Err(NotApproved::Changed { what: "the directory" });
        }
        if shown.outside != now.outside {
            return Err(NotApproved::Changed { what: "a folder outside the workspace" });
        }
        if shown.program != now.program {
            return Err(NotApproved::Changed { what: "the program" });
        }
        let mut allowed = now;
        if permission.as_ref().is_some_and(|used| used.kind == PermissionName::Rule) {
            // What runs is what the rule was compared with, and not the text that it was read from.
            let plain = allowed.plain.as_ref().filter(|plain| Some(*plain) == shown.plain.as_ref());
            let plain = plain.ok_or(NotApproved::Changed { what: "a program of the command" })?;
            allowed.plan.arguments = vec!["-c".to_owned(), plain.text()];
        }
        Ok(Self(allowed, permission))
    }

    /// What was allowed.
    pub(super) fn plan(&self) -> &ExecPlan {
        &self.0.plan
    }

    /// The permission by which nobody was asked.
    pub(super) fn permission(&self) -> Option<&UsedPermission> {
        self.1.as_ref()
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
