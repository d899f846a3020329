//! Lists that clients show: chat commands, subagents as tasks, and what Tidegate does not have, which is
//! empty, and true.

use std::collections::BTreeMap;

use tidegate_agent::{ActiveRun, Activity};
use tidegate_protocol::params::{
    ChannelsStatus, CommandScope, CommandsList, CronList, CronRuns, Empty, ModelsAuthStatus,
    ObserverVisibility, SkillsStatus, TasksList,
};
use tidegate_protocol::payload::lists::{
    ChannelsStatusResult, CommandsListResult, CronListResult, CronRunsResult, ModelsAuthStatusResult,
    NodeListResult, SkillsStatusResult, TaskEntry, TasksListResult, UsageStatusResult,
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

/// Answers in which nothing is, whatever the parameters.
macro_rules! nothing_there {
    ($($method:ident)*) => {$(
        impl Handler for rpc::$method {
            async fn handle(_: &Caller, _: Self::Params) -> Result<Self::Result, ErrorShape> {
                Ok(Default::default())
            }
        }
    )*};
}

nothing_there! {
    CronStatus LastHeartbeat NodePairList PluginApprovalList PluginsList ProgressCardGet QuestionList
    SessionsBranchesList SessionsCompanionState TaskSuggestionsList UpdateStatus
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

impl Handler for rpc::NodeList {
    async fn handle(_: &Caller, _: Empty) -> Result<NodeListResult, ErrorShape> {
        Ok(NodeListResult { ts: now::wall(), nodes: Vec::new() })
    }
}

impl Handler for rpc::ChannelsStatus {
    async fn handle(_: &Caller, _: ChannelsStatus) -> Result<ChannelsStatusResult, ErrorShape> {
        Ok(ChannelsStatusResult { ts: now::wall(), ..ChannelsStatusResult::default() })
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

impl Handler for rpc::SessionsObserverVisibility {
    async fn handle(_: &Caller, _: ObserverVisibility) -> Result<Done, ErrorShape> {
        Ok(Done { ok: true })
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
