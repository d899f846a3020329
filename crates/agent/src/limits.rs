//! What runs may use, at most. Each limit that is hit gives the model or the run a clear error.

use std::time::Duration;

/// The runtime's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most spawns between a session that a person opened and a subagent. A subagent at this
    /// depth cannot spawn.
    pub depth: u32,
    /// The most unfinished subagents of one session.
    pub children: u32,
    /// The most subagents that one tree of runs may ever start.
    pub descendants: u32,
    /// The most times that one run may ask a model.
    pub rounds: u32,
    /// The most bytes of one tool result that a model reads; the middle of a longer one is left out.
    pub tool_result_bytes: usize,
    /// The most bytes of one message or task.
    pub message_bytes: usize,
    /// The most bytes of one model answer; a longer one ends the run with an error.
    pub answer_bytes: usize,
    /// The most tool calls in one model answer; those beyond it get an error result.
    pub calls_per_answer: usize,
    /// How long a model may send nothing.
    pub model_idle: Duration,
    /// The same for a model on this computer, which may have to load first.
    pub local_model_idle: Duration,
    /// How long a model may say nothing while its connection shows signs of life.
    pub model_says_nothing: Duration,
    /// How many runs that clients start may work at once.
    pub concurrent_main: usize,
    /// How many subagent runs may work at once.
    pub concurrent_subagents: usize,
    /// The most runs of one session that may wait for their turn.
    pub queued_per_session: usize,
    /// How long a subagent may run when its parent does not say.
    pub subagent_timeout: Duration,
    /// The longest time that a parent may give a subagent.
    pub subagent_timeout_max: Duration,
    /// The most runs that a session may start on its own to answer its subagents, until a person
    /// writes again.
    pub autonomous_wakes: u32,
    /// How long a wake waits for further subagents to end, so that one answer covers them.
    pub wake_coalesce: Duration,
    /// How long tools may take to stop once their run was stopped; then they are abandoned.
    pub stop_grace: Duration,
    /// The most bytes of earlier conversation that a model of unknown context length reads.
    pub history_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 3,
            children: 5,
            descendants: 16,
            rounds: 50,
            tool_result_bytes: 64 * 1024,
            message_bytes: 1024 * 1024,
            answer_bytes: 1024 * 1024,
            calls_per_answer: 64,
            model_idle: Duration::from_secs(120),
            local_model_idle: Duration::from_secs(300),
            model_says_nothing: Duration::from_mins(15),
            concurrent_main: 4,
            concurrent_subagents: 8,
            queued_per_session: 64,
            subagent_timeout: Duration::from_mins(30),
            subagent_timeout_max: Duration::from_hours(24),
            autonomous_wakes: 5,
            wake_coalesce: Duration::from_millis(50),
            stop_grace: Duration::from_secs(5),
            history_bytes: 400 * 1024,
        }
    }
}
