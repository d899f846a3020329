//! What clients list and show: chat commands, tasks, and much that Tidegate does not have, which is empty
//! in the shapes that clients expect.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{AgentId, RunId, SessionKey, UnixMillis};

objects! {
    /// The argument of a chat command.
    CommandArgument {
        name: String,
        description: String,
        /// `string`.
        #[serde(rename = "type")] kind: String,
    }
    /// A chat command.
    CommandEntry {
        name: String,
        text_aliases: Vec<String>,
        description: String,
        /// `session`, `options` or `status`.
        category: String,
        /// `native`: of the gateway itself.
        source: String,
        /// `text`: it is a message.
        scope: String,
        accepts_args: bool,
        args: Option<Vec<CommandArgument>>,
    }
    /// `commands.list`.
    CommandsListResult {
        commands: Vec<CommandEntry>,
    }
    /// A subagent's run that has not ended, as a task.
    TaskEntry {
        id: String,
        /// `subagent`.
        runtime: String,
        /// `queued` or `running`.
        status: String,
        title: Option<String>,
        agent_id: AgentId,
        session_key: SessionKey,
        child_session_key: SessionKey,
        run_id: RunId,
        created_at: UnixMillis,
        last_tool_name: Option<String>,
    }
    /// `tasks.list`.
    TasksListResult {
        tasks: Vec<TaskEntry>,
    }
    /// `cron.runs`.
    CronRunsResult {
        entries: Vec<Value>,
        total: u64,
        offset: u64,
        limit: u64,
        has_more: bool,
        #[serialize_always] next_offset: Option<u64>,
    }
    /// `node.pair.list`.
    #[derive(Default)] NodePairListResult {
        pending: Vec<Value>,
        paired: Vec<Value>,
    }
    /// `models.authStatus`: accounts that providers signed a person in to.
    #[derive(Default)] ModelsAuthStatusResult {
        ts: UnixMillis,
        providers: Vec<Value>,
    }
    /// `update.status`: Tidegate looks for no updates.
    #[derive(Default)] UpdateStatusResult {
        #[serialize_always] sentinel: Option<Value>,
        #[serialize_always] update_available: Option<Value>,
    }
    /// `progressCard.get`.
    #[derive(Default)] ProgressCardResult {
        #[serialize_always] card: Option<Value>,
    }
    /// `sessions.branches.list`.
    #[derive(Default)] BranchesListResult {
        branches: Vec<Value>,
    }
    /// `sessions.companion.state`.
    #[derive(Default)] CompanionStateResult {
        exchanges: Vec<Value>,
    }
    /// `plugins.list`.
    #[derive(Default)] PluginsListResult {
        plugins: Vec<Value>,
        diagnostics: Vec<Value>,
        mutation_allowed: bool,
    }
    /// `skills.status`.
    SkillsStatusResult {
        workspace_dir: String,
        managed_skills_dir: String,
        skills: Vec<Value>,
    }
    /// `usage.status`: quotas of providers' accounts.
    #[derive(Default)] UsageStatusResult {
        updated_at: UnixMillis,
        providers: Vec<Value>,
    }
    /// `cron.list`.
    CronListResult {
        jobs: Vec<Value>,
        total: u64,
        offset: u64,
        limit: u64,
        has_more: bool,
        #[serialize_always] next_offset: Option<u64>,
        /// The same for as long as nothing changed. 2026.9.6's command line refuses a list without one.
        snapshot_revision: String,
    }
    /// `cron.status`.
    #[derive(Default)] CronStatusResult {
        enabled: bool,
        #[serialize_always] store_path: Option<String>,
        jobs: u64,
        #[serialize_always] next_wake_at_ms: Option<UnixMillis>,
    }
    /// `node.list`.
    #[derive(Default)] NodeListResult {
        ts: UnixMillis,
        nodes: Vec<Value>,
    }
    /// `channels.status`.
    #[derive(Default)] ChannelsStatusResult {
        ts: UnixMillis,
        channel_order: Vec<String>,
        channel_labels: BTreeMap<String, Value>,
        channel_detail_labels: BTreeMap<String, Value>,
        channel_system_images: BTreeMap<String, Value>,
        channel_meta: Vec<Value>,
        channels: BTreeMap<String, Value>,
        channel_accounts: BTreeMap<String, Value>,
        channel_default_account_id: BTreeMap<String, Value>,
    }
    /// `question.list`.
    #[derive(Default)] QuestionListResult {
        questions: Vec<Value>,
    }
    /// `taskSuggestions.list`.
    #[derive(Default)] TaskSuggestionsListResult {
        suggestions: Vec<Value>,
    }
}
