//! Sessions of subagents that their parents wanted to be deleted once their results were read.

use std::sync::Arc;

use tidegate_protocol::RunId;
use tidegate_store::{Store, TranscriptEntry};
use tracing::Instrument as _;

use super::inbox::source_run;
use crate::run::{Cleanup, RunSpec};
use crate::subagent::SubagentGateway;

/// Deletes such sessions.
#[derive(Clone)]
pub(crate) struct SessionCleanup {
    pub(crate) store: Store,
    pub(crate) subagents: Arc<dyn SubagentGateway>,
}

impl SessionCleanup {
    /// Begins to delete the sessions whose results are among these entries, and does not wait for it.
    pub(crate) fn after(&self, read: &[TranscriptEntry]) {
        let runs: Vec<RunId> = read.iter().filter_map(|entry| source_run(&entry.message)).cloned().collect();
        if runs.is_empty() {
            return;
        }
        let cleanup = self.clone();
        let delete = async move {
            for run in runs {
                cleanup.delete_session_of(run).await;
            }
        };
        tokio::spawn(delete.in_current_span());
    }

    async fn delete_session_of(&self, run: RunId) {
        let Ok(Some(row)) = self.store.run(run).await else { return };
        let spec = serde_json::from_value::<RunSpec>(row.spec);
        if !spec.is_ok_and(|spec| spec.cleanup == Cleanup::Delete) {
            return;
        }
        let params = serde_json::json!({"key": row.session});
        if let Err(error) = self.subagents.call("sessions.delete", params).await {
            tracing::warn!(session = %row.session, %error, "failed to delete the session of a subagent");
        }
    }
}
