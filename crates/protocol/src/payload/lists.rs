//! Lists of what Tidegate does not have: empty, in the shapes that clients expect.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::UnixMillis;

payload! {
    /// `commands.list`.
    CommandsListResult {
        commands: Vec<Value>,
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
    CronStatusResult {
        enabled: bool,
        #[serialize_always] store_path: Option<String>,
        jobs: u64,
        #[serialize_always] next_wake_at_ms: Option<UnixMillis>,
    }
    /// `node.list`.
    NodeListResult {
        ts: UnixMillis,
        nodes: Vec<Value>,
    }
    /// `channels.status`.
    ChannelsStatusResult {
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
    QuestionListResult {
        questions: Vec<Value>,
    }
    /// `taskSuggestions.list`.
    TaskSuggestionsListResult {
        suggestions: Vec<Value>,
    }
}
