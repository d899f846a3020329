//! What the ledger of sessions and runs holds.

use serde::{Deserialize, Serialize};
pub use tidegate_protocol::transcript::Outcome;
use tidegate_protocol::{AgentId, RunId, SessionId, SessionKey, TranscriptMessage, UnixMillis};
use tidegate_trust::Folder;

/// Where a run is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Accepted and durable; waits for its session or for a free place.
    Queued,
    /// A turn loop works on it.
    Running,
    Terminal(Outcome),
}

/// One session, as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    /// The canonical key.
    pub key: SessionKey,
    /// The current transcript.
    pub session_id: SessionId,
    /// The agent that owns it.
    pub agent: AgentId,
    /// The session that spawned it.
    pub parent: Option<SessionKey>,
    /// How many spawns lie between it and a session that a person opened; 0 for those.
    pub depth: u32,
    /// A name that a person or a parent gave it.
    pub label: Option<String>,
    /// What clients may set by `sessions.patch`, as one JSON object (`model`, `thinkingLevel`, ...).
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// State of its newest run.
    pub last_state: Option<RunState>,
    /// Its newest run.
    pub last_run: Option<RunId>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When anything in it last changed.
    pub updated_at: UnixMillis,
    /// When its newest run started and ended.
    pub started_at: Option<UnixMillis>,
    /// When its newest run ended.
    pub ended_at: Option<UnixMillis>,
    /// The model that answered last, as `provider/model`.
    pub model: Option<String>,
    /// Tokens of all its runs.
    pub usage: Usage,
    /// The folder that a person chose for it, or for the session that spawned it.
    pub workspace: Option<Folder>,
}

/// Tokens that a provider reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompts.
    pub input: u64,
    /// Tokens of the answers.
    pub output: u64,
}

/// One entry of a transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct TranscriptEntry {
    /// Position in its session, from 1 without gaps.
    pub seq: u64,
    /// A UUID, by which clients name the message.
    pub id: String,
    /// The run that wrote it.
    pub run: Option<RunId>,
    pub message: TranscriptMessage,
    /// When it was written.
    pub at: UnixMillis,
}

/// What became of the message that started a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputReceipt {
    pub run: RunId,
    /// The transcript entry that holds the message; `None` while the run is queued.
    pub entry: Option<String>,
}

/// A part of a transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct TranscriptPage {
    /// Its entries, oldest first.
    pub entries: Vec<TranscriptEntry>,
    /// How many entries the whole transcript has.
    pub total: u64,
}

/// One run, as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Its id; the client's idempotency key where there was one.
    pub id: RunId,
    pub session: SessionKey,
    /// The transcript it writes to.
    pub session_id: SessionId,
    /// The run that spawned it.
    pub parent: Option<RunId>,
    /// The first run of its tree; itself when it has no parent.
    pub root: RunId,
    /// Number of spawns above it.
    pub depth: u32,
    /// Where it is in its life.
    pub state: RunState,
    /// Its name for people and models.
    pub label: Option<String>,
    /// The input that starts it; `None` for a run that only answers what waits in its session's inbox.
    pub input: Option<TranscriptMessage>,
    /// Everything that the runtime needs to run it (authority, model, tools, deadline), as JSON
    /// that only the runtime reads. Fixed when the run is made.
    pub spec: serde_json::Value,
    /// Why it failed, as a sentence.
    pub error: Option<String>,
    /// Its final answer.
    pub result: Option<String>,
    /// The model that answered, as `provider/model`.
    pub model: Option<String>,
    /// Tokens it used.
    pub usage: Usage,
    /// The process start that owns it.
    pub boot: String,
    /// When it was accepted.
    pub created_at: UnixMillis,
    /// When its turn loop began.
    pub started_at: Option<UnixMillis>,
    /// When it ended.
    pub ended_at: Option<UnixMillis>,
}

/// What a new run needs. Everything is written in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// The run's id. A second run with the same id is not made: the first is returned.
    pub id: RunId,
    /// The session; made when it is missing.
    pub session: SessionKey,
    /// The id for the session's transcript if it has to be made.
    pub new_session_id: SessionId,
    /// The parent, for a subagent.
    pub parent: Option<ParentEdge>,
    pub label: Option<String>,
    /// The first message.
    pub input: Option<TranscriptMessage>,
    /// Kept as [`RunRow::spec`].
    pub spec: serde_json::Value,
    /// The process start that owns it.
    pub boot: String,
    /// The time of the transaction.
    pub at: UnixMillis,
}

/// How a subagent hangs on its parent, and what its tree may still hold. The counts are checked
/// inside the transaction that makes the run.
#[derive(Debug, Clone, PartialEq)]
pub struct ParentEdge {
    /// The run that spawns.
    pub run: RunId,
    /// The session whose inbox gets the result.
    pub session: SessionKey,
    /// Depth of the child: the parent's plus one.
    pub depth: u32,
    /// The chosen folder in which the parent works: the child's session has it too.
    pub workspace: Option<Folder>,
    /// The most children of the parent's session that may be unfinished at once.
    pub max_active_children: u32,
    /// The most runs that the whole tree may ever hold, the root not counted.
    pub max_descendants: u32,
}

/// A message that was answered without a model: a run that has ended when it is made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAnswer {
    /// The run. Its input is not stored a second time: it is among the entries.
    pub run: NewRun,
    /// The message and its answer, as the transcript shows them.
    pub entries: Vec<TranscriptMessage>,
    /// The text of the answer.
    pub result: String,
}

/// What came of a [`NewAnswer`].
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "the large variant is the usual one, and few exist at a time")]
pub enum Answered {
    /// It is durable.
    New {
        /// The run as stored.
        run: RunRow,
        /// What was appended.
        appended: Vec<TranscriptEntry>,
    },
    /// The id is known in this session: nothing was stored.
    Existing(RunRow),
    /// The id belongs to a run of another session.
    TakenElsewhere,
}

/// What came of [`NewRun`].
#[derive(Debug, Clone, PartialEq)]
pub enum BegunRun {
    /// The run is new and durable.
    Created(RunRow),
    /// A run with this id exists already, in the same session.
    Existing(RunRow),
    /// A run with this id exists in another session: the id is taken.
    TakenElsewhere,
    /// The parent has as many unfinished children as it may have.
    TooManyChildren {
        /// How many there are.
        active: u32,
    },
    /// The tree holds as many runs as it may.
    TooManyDescendants {
        /// How many there are.
        total: u32,
    },
    /// The parent has ended, so it can start nothing.
    ParentEnded,
}

/// A result that waits for a session, or did.
#[derive(Debug, Clone, PartialEq)]
pub struct InboxRow {
    /// Counts up over all sessions, in the order of delivery.
    pub id: u64,
    /// The session that it is for.
    pub session: SessionKey,
    /// The child run that settled. Unique in its session.
    pub source: RunId,
    /// The child's session.
    pub source_session: SessionKey,
    /// The child's label.
    pub label: Option<String>,
    /// How the child ended.
    pub outcome: Outcome,
    /// Its final text, or why it failed.
    pub text: String,
    /// The transcript position that consumed it.
    pub consumed_at_seq: Option<u64>,
    /// When the child settled.
    pub at: UnixMillis,
}

/// A run whose turn loop may begin.
#[derive(Debug, Clone, PartialEq)]
pub struct StartedRun {
    /// The run, now running.
    pub run: RunRow,
    /// What was appended for it: consumed inbox rows first, then its input.
    pub appended: Vec<TranscriptEntry>,
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    pub run: RunId,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, for everything but [`Outcome::Ok`].
    pub error: Option<String>,
    /// Its final text.
    pub result: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    pub usage: Usage,
    /// Messages to append in the same transaction (the final answer, synthetic tool results).
    pub entries: Vec<TranscriptMessage>,
    /// The time of the transaction.
    pub at: UnixMillis,
}

/// What came of a [`Settlement`].
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "the large variant is the usual one, and few exist at a time")]
pub enum Settled {
    /// This settlement decided the outcome.
    First {
        /// The run as it is now.
        run: RunRow,
        /// What was appended.
        appended: Vec<TranscriptEntry>,
        /// The parent's new inbox row, for a subagent.
        delivered: Option<InboxRow>,
    },
    /// The run had ended before; nothing changed.
    Already(Outcome),
}

/// What a start found of the process before it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recovery {
    /// Runs that were queued or running and are now settled as interrupted.
    pub interrupted: Vec<RunRow>,
    /// Sessions with results that no run has consumed.
    pub waiting_inboxes: Vec<SessionKey>,
}

/// What to change about a session. A setting whose value is JSON `null` is removed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SessionPatch {
    /// The label: `Some(None)` clears it.
    pub label: Option<Option<String>>,
    /// Settings to set or clear.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

/// Which sessions to list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SessionFilter {
    /// Only those of this agent.
    pub agent: Option<AgentId>,
    /// Only those that this session spawned.
    pub spawned_by: Option<SessionKey>,
    /// Only those changed since.
    pub updated_since: Option<UnixMillis>,
    /// Only those whose key, label or id contains this text, ignoring ASCII case.
    pub search: Option<String>,
    /// Only the one with exactly this label.
    pub label: Option<String>,
    /// Only those that are archived, or only those that are not.
    pub archived: Option<bool>,
    /// Only those that had a run.
    pub with_runs: bool,
    /// So many of the newest are left out.
    pub offset: u32,
    /// At most so many, newest first.
    pub limit: u32,
}

/// Runs that may be forgotten, of a part of all runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OldRuns {
    pub runs: Vec<RunId>,
    /// Where to go on looking; `None` when no older ones follow.
    pub next: Option<u64>,
}
