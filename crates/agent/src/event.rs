//! Events of the runtime, which the gateway turns into events of the protocol.

use serde_json::Value;
use tidegate_protocol::{RunId, SessionId, SessionKey, UnixMillis};
use tidegate_store::{Outcome, RunRow, TranscriptEntry};

/// One thing that happened in a run or session. Sent after the commit that made it true.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeEvent {
    pub run: RunId,
    pub session: SessionKey,
    /// The transcript that it writes to.
    pub session_id: SessionId,
    /// The session that spawned it.
    pub spawned_by: Option<SessionKey>,
    pub at: UnixMillis,
    /// Position in its run, from 1.
    pub seq: u64,
    pub kind: RunEventKind,
}

/// What happened in a run or its session.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEventKind {
    /// The run was accepted and is durable.
    Accepted,
    /// The turn loop began.
    Started,
    /// A model was asked.
    ModelChosen {
        /// `provider/model`.
        model: String,
    },
    /// More text of the answer; `text` is all of it so far.
    Text {
        /// All text of this answer so far.
        text: std::sync::Arc<str>,
        /// What was added.
        delta: String,
    },
    /// A tool call began.
    ToolStarted { call_id: String, name: String, arguments: Value },
    /// A tool call works; what there is of its answer. It may be lost, and the next one replaces it.
    ToolUpdated {
        call_id: String,
        name: String,
        /// Its answer so far, or the end of it.
        text: String,
    },
    /// A tool call ended.
    ToolEnded {
        call_id: String,
        name: String,
        text: String,
        /// Whether it failed.
        is_error: bool,
    },
    /// A transcript entry was committed.
    Appended(TranscriptEntry),
    /// The run ended.
    Ended {
        outcome: Outcome,
        /// The run as stored.
        run: Box<RunRow>,
    },
    /// The session itself changed: made, patched, reset, deleted.
    SessionChanged {
        /// `create`, `patch`, `reset`, `delete`, `send`.
        reason: &'static str,
    },
}
