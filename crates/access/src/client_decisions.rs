//! What clients decided without the person.

use tidegate_trust::approval::Decision;
use tidegate_trust::decision::Verdict;

/// How often clients to which the person gave the right to decide (`operator.pairing`,
/// `operator.approvals`) have decided since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientDecisions {
    /// How many they let in.
    pub let_in: u64,
    /// How many they refused.
    pub refused: u64,
    /// How many requests of agents they approved.
    pub approved: u64,
    /// How many of these they approved until the task ends.
    pub approved_for_task: u64,
    /// How many requests of agents they denied.
    pub denied: u64,
}

impl ClientDecisions {
    /// What was decided since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            let_in: self.let_in.saturating_sub(earlier.let_in),
            refused: self.refused.saturating_sub(earlier.refused),
            approved: self.approved.saturating_sub(earlier.approved),
            approved_for_task: self.approved_for_task.saturating_sub(earlier.approved_for_task),
            denied: self.denied.saturating_sub(earlier.denied),
        }
    }

    pub(crate) fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Approve { .. } => self.let_in = self.let_in.saturating_add(1),
            Verdict::Reject | Verdict::Block => self.refused = self.refused.saturating_add(1),
            // It still waits for the person.
            Verdict::Later => {}
        }
    }

    pub(crate) fn count_agent_request(&mut self, decision: Decision) {
        match decision {
            Decision::AllowOnce => self.approved = self.approved.saturating_add(1),
            Decision::AllowAlways => {
                self.approved = self.approved.saturating_add(1);
                self.approved_for_task = self.approved_for_task.saturating_add(1);
            }
            Decision::Deny => self.denied = self.denied.saturating_add(1),
        }
    }
}
