//! Lists that clients show: chat commands, subagents as tasks, and what Tidegate does not have, which is
//! empty, and true.

use std::collections::BTreeMap;

use serde_json::Value;
use tidegate_agent::{ActiveRun, Activity};
use tidegate_protocol::params::{
    ChannelsStatus, CommandScope, CommandsList, CronList, CronRuns, Empty, ModelsAuthStatus,
    ObserverVisibility, OfSession, SkillsStatus, TaskSuggestionsList, TasksList, UpdateStatus,
};
use tidegate_protocol::payload::lists::{
    BranchesListResult, ChannelsStatusResult, CommandsListResult, CompanionStateResult, CronListResult,
    CronRunsResult, CronStatusResult, ModelsAuthStatusResult, NodeListResult, NodePairListResult,
    PluginsListResult, ProgressCardResult, QuestionListResult, SkillsStatusResult, TaskEntry,
    TaskSuggestionsListResult, TasksListResult, UpdateStatusResult, UsageStatusResult,
};
use tidegate_protocol::payload::system::Done;
use tidegate_protocol::{ErrorShape, rpc};

use super::chat_commands;
use crate::dispatch::{Caller, Handler};
use crate::now;

/// The most jobs of one page.
const MAX_JOBS: u32 = 200;
/// The most tasks of one answer.
const MAX_TASKS: u32 = 500;

impl Handler for rpc::LastHeartbeat {
    async fn handle(_: &Caller, _: Empty) -> Result<(), ErrorShape> {
        Ok(())
    }
}

impl Handler for rpc::CommandsList {
    async fn handle(_: &Caller, params: CommandsList) -> Result<CommandsListResult, ErrorShape> {
        let mut commands = chat_commands::entries();
        if params.scope == Some(CommandScope::Native) {
            commands.clear();
        }
        if params.include_args == Some(false) {
            commands.iter_mut().for_each(|command| command.args = None);
        }
        Ok(CommandsListResult { commands })
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
    async fn handle(_: &Caller, _: Empty) -> Result<CronStatusResult, ErrorShape> {
        Ok(CronStatusResult { enabled: false, store_path: None, jobs: 0, next_wake_at_ms: None })
    }
}

impl Handler for rpc::NodeList {
    async fn handle(_: &Caller, _: Empty) -> Result<NodeListResult, ErrorShape> {
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

impl Handler for rpc::NodePairList {
    async fn handle(_: &Caller, _: Empty) -> Result<NodePairListResult, ErrorShape> {
        Ok(NodePairListResult { pending: Vec::new(), paired: Vec::new() })
    }
}

impl Handler for rpc::CronRuns {
    async fn handle(_: &Caller, params: CronRuns) -> Result<CronRunsResult, ErrorShape> {
        Ok(CronRunsResult {
            entries: Vec::new(),
            total: 0,
            offset: params.offset.unwrap_or(0).into(),
            limit: params.limit.unwrap_or(MAX_JOBS).clamp(1, MAX_JOBS).into(),
            has_more: false,
            next_offset: None,
        })
    }
}

impl Handler for rpc::ModelsAuthStatus {
    async fn handle(_: &Caller, _: ModelsAuthStatus) -> Result<ModelsAuthStatusResult, ErrorShape> {
        Ok(ModelsAuthStatusResult { ts: now::wall(), providers: Vec::new() })
    }
}

impl Handler for rpc::UsageStatus {
    async fn handle(_: &Caller, _: Empty) -> Result<UsageStatusResult, ErrorShape> {
        Ok(UsageStatusResult { updated_at: now::wall(), providers: Vec::new() })
    }
}

/// Only what has not ended: transcripts tell of the rest.
impl Handler for rpc::TasksList {
    async fn handle(caller: &Caller, params: TasksList) -> Result<TasksListResult, ErrorShape> {
        let active = caller.gateway.runtime()?.active();
        let session_of: BTreeMap<_, _> =
            active.iter().map(|run| (run.run.clone(), run.session.clone())).collect();
        let task = |run: &ActiveRun| {
            // A parent that has ended is not known any more.
            let session_key = session_of.get(run.parent.as_ref()?)?.clone();
            let status = if run.activity == Activity::Queued { "queued" } else { "running" };
            Some(TaskEntry {
                id: run.run.to_string(),
                runtime: "subagent".to_owned(),
                status: status.to_owned(),
                title: run.label.clone(),
                agent_id: run.session.agent(),
                session_key,
                child_session_key: run.session.clone(),
                run_id: run.run.clone(),
                created_at: run.since,
                last_tool_name: run.tool.clone(),
            })
        };
        let is_asked = |task: &TaskEntry| {
            params.status.as_ref().is_none_or(|asked| asked.contain(&task.status))
                && params.agent_id.as_ref().is_none_or(|agent| *agent == task.agent_id)
                && params.session_key.as_ref().is_none_or(|key| *key == task.session_key)
        };
        let limit = usize::try_from(params.limit.unwrap_or(MAX_TASKS).clamp(1, MAX_TASKS)).unwrap_or(0);
        Ok(TasksListResult { tasks: active.iter().filter_map(task).filter(is_asked).take(limit).collect() })
    }
}

impl Handler for rpc::ProgressCardGet {
    async fn handle(_: &Caller, _: OfSession) -> Result<ProgressCardResult, ErrorShape> {
        Ok(ProgressCardResult { card: None })
    }
}

impl Handler for rpc::SessionsBranchesList {
    async fn handle(_: &Caller, _: OfSession) -> Result<BranchesListResult, ErrorShape> {
        Ok(BranchesListResult { branches: Vec::new() })
    }
}

impl Handler for rpc::SessionsCompanionState {
    async fn handle(_: &Caller, _: OfSession) -> Result<CompanionStateResult, ErrorShape> {
        Ok(CompanionStateResult { exchanges: Vec::new() })
    }
}

impl Handler for rpc::SessionsObserverVisibility {
    async fn handle(_: &Caller, _: ObserverVisibility) -> Result<Done, ErrorShape> {
        Ok(Done { ok: true })
    }
}

impl Handler for rpc::PluginsList {
    async fn handle(_: &Caller, _: Empty) -> Result<PluginsListResult, ErrorShape> {
        Ok(PluginsListResult { plugins: Vec::new(), diagnostics: Vec::new(), mutation_allowed: false })
    }
}

impl Handler for rpc::SkillsStatus {
    async fn handle(caller: &Caller, _: SkillsStatus) -> Result<SkillsStatusResult, ErrorShape> {
        Ok(SkillsStatusResult {
            workspace_dir: caller.gateway.runtime()?.workspace().display().to_string(),
            managed_skills_dir: String::new(),
            skills: Vec::new(),
        })
    }
}

impl Handler for rpc::UpdateStatus {
    async fn handle(_: &Caller, _: UpdateStatus) -> Result<UpdateStatusResult, ErrorShape> {
        Ok(UpdateStatusResult { sentinel: None, update_available: None })
    }
}

impl Handler for rpc::QuestionList {
    async fn handle(_: &Caller, _: Empty) -> Result<QuestionListResult, ErrorShape> {
        Ok(QuestionListResult { questions: Vec::new() })
    }
}

impl Handler for rpc::PluginApprovalList {
    async fn handle(_: &Caller, _: Empty) -> Result<Vec<Value>, ErrorShape> {
        Ok(Vec::new())
    }
}

impl Handler for rpc::TaskSuggestionsList {
    async fn handle(_: &Caller, _: TaskSuggestionsList) -> Result<TaskSuggestionsListResult, ErrorShape> {
        Ok(TaskSuggestionsListResult { suggestions: Vec::new() })
    }
}
