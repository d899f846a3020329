//! Lists of what Tidegate does not have: empty, and true.

use std::collections::BTreeMap;

use serde_json::Value;
use tidegate_protocol::params::{ChannelsStatus, CronList, Empty, ListOptions};
use tidegate_protocol::payload::lists::{
    ChannelsStatusResult, CommandsListResult, CronListResult, CronStatusResult, NodeListResult,
    QuestionListResult, TaskSuggestionsListResult,
};
use tidegate_protocol::{ErrorShape, rpc};

use crate::dispatch::{Caller, Handler};
use crate::now;

/// The most jobs of one page.
const MAX_JOBS: u32 = 200;

impl Handler for rpc::LastHeartbeat {
    async fn handle(_: &Caller, _: Empty) -> Result<(), ErrorShape> {
        Ok(())
    }
}

impl Handler for rpc::CommandsList {
    async fn handle(_: &Caller, _: ListOptions) -> Result<CommandsListResult, ErrorShape> {
        Ok(CommandsListResult { commands: Vec::new() })
    }
}

impl Handler for rpc::CronList {
    async fn handle(_: &Caller, params: CronList) -> Result<CronListResult, ErrorShape> {
        Ok(CronListResult {
            jobs: Vec::new(),
            total: 0,
            offset: params.offset.unwrap_or(0).into(),
            limit: params.limit.unwrap_or(MAX_JOBS).clamp(1, MAX_JOBS).into(),
            has_more: false,
            next_offset: None,
            snapshot_revision: "none".to_owned(),
        })
    }
}

impl Handler for rpc::CronStatus {
    async fn handle(_: &Caller, _: ListOptions) -> Result<CronStatusResult, ErrorShape> {
        Ok(CronStatusResult { enabled: false, store_path: None, jobs: 0, next_wake_at_ms: None })
    }
}

impl Handler for rpc::NodeList {
    async fn handle(_: &Caller, _: ListOptions) -> Result<NodeListResult, ErrorShape> {
        Ok(NodeListResult { ts: now::wall(), nodes: Vec::new() })
    }
}

impl Handler for rpc::ChannelsStatus {
    async fn handle(_: &Caller, _: ChannelsStatus) -> Result<ChannelsStatusResult, ErrorShape> {
        Ok(ChannelsStatusResult {
            ts: now::wall(),
            channel_order: Vec::new(),
            channel_labels: BTreeMap::new(),
            channel_detail_labels: BTreeMap::new(),
            channel_system_images: BTreeMap::new(),
            channel_meta: Vec::new(),
            channels: BTreeMap::new(),
            channel_accounts: BTreeMap::new(),
            channel_default_account_id: BTreeMap::new(),
        })
    }
}

impl Handler for rpc::QuestionList {
    async fn handle(_: &Caller, _: ListOptions) -> Result<QuestionListResult, ErrorShape> {
        Ok(QuestionListResult { questions: Vec::new() })
    }
}

impl Handler for rpc::PluginApprovalList {
    async fn handle(_: &Caller, _: ListOptions) -> Result<Vec<Value>, ErrorShape> {
        Ok(Vec::new())
    }
}

impl Handler for rpc::TaskSuggestionsList {
    async fn handle(_: &Caller, _: ListOptions) -> Result<TaskSuggestionsListResult, ErrorShape> {
        Ok(TaskSuggestionsListResult { suggestions: Vec::new() })
    }
}
