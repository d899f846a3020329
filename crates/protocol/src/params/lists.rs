//! Parameters of lists: of models, commands and tools, and of much that Tidegate does not have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field::{Ignored, ServedAgent, reasons as because};
use crate::ids::{AgentId, SessionKey};

objects! {
    /// `models.list`.
    #[derive(Default)]
    ModelsList {
        agent_id: Option<ServedAgent>,
        session_key: Option<Ignored<because::SameForAllSessions>>,
        view: Option<ModelsView>,
        refresh: Option<Ignored<because::AlwaysFresh>>,
        prepared_only: Option<Ignored<because::AlwaysPrepared>>,
        include_provider_capabilities: Option<Ignored<because::NoProviderKinds>>,
    }
    /// `commands.list`.
    #[derive(Default)]
    CommandsList {
        scope: Option<CommandScope>,
        /// Whether the arguments of commands are listed; they are unless it says no.
        include_args: Option<bool>,
        agent_id: Option<ServedAgent>,
        session_key: Option<Ignored<because::SameForAllSessions>>,
        provider: Option<Ignored<because::NoChannelsToAsk>>,
    }
    /// `tools.catalog`.
    #[derive(Default)]
    ToolsCatalog {
        agent_id: Option<ServedAgent>,
        include_plugins: Option<Ignored<because::NoPlugins>>,
    }
    /// `skills.status`.
    SkillsStatus {
        agent_id: Option<ServedAgent>,
        session_key: Option<Ignored<because::NoSkills>>,
    }
    /// `tasks.list`.
    TasksList {
        status: Option<TaskStatuses>,
        agent_id: Option<AgentId>,
        session_key: Option<SessionKey>,
        limit: Option<u32>,
        cursor: Option<Ignored<because::NoCursors>>,
        sort_by: Option<Ignored<because::OldestTaskFirst>>,
    }
    /// `taskSuggestions.list`.
    TaskSuggestionsList {
        session_key: Option<Ignored<because::NoSuggestions>>,
        agent_id: Option<ServedAgent>,
    }
    /// `cron.list`.
    #[derive(Default)]
    CronList {
        limit: Option<u32>,
        offset: Option<u32>,
        agent_id: Option<Ignored<because::NoJobs>>,
        include_disabled: Option<Ignored<because::NoJobs>>,
        query: Option<Ignored<because::NoJobs>>,
        enabled: Option<Ignored<because::NoJobs>>,
        schedule_kind: Option<Ignored<because::NoJobs>>,
        last_run_status: Option<Ignored<because::NoJobs>>,
        trigger: Option<Ignored<because::NoJobs>>,
        sort_by: Option<Ignored<because::NoJobs>>,
        sort_dir: Option<Ignored<because::NoJobs>>,
        compact: Option<Ignored<because::NoJobs>>,
        include_delivery_previews: Option<Ignored<because::NoJobs>>,
    }
    /// `cron.runs`.
    CronRuns {
        limit: Option<u32>,
        offset: Option<u32>,
        agent_id: Option<Ignored<because::NoJobs>>,
        scope: Option<Ignored<because::NoJobs>>,
        id: Option<Ignored<because::NoJobs>>,
        job_id: Option<Ignored<because::NoJobs>>,
        run_id: Option<Ignored<because::NoJobs>>,
        statuses: Option<Ignored<because::NoJobs>>,
        status: Option<Ignored<because::NoJobs>>,
        delivery_statuses: Option<Ignored<because::NoJobs>>,
        delivery_status: Option<Ignored<because::NoJobs>>,
        query: Option<Ignored<because::NoJobs>>,
        sort_dir: Option<Ignored<because::NoJobs>>,
    }
    /// `channels.status`.
    #[derive(Default)]
    ChannelsStatus {
        probe: Option<Ignored<because::NoChannelsToAsk>>,
        timeout_ms: Option<Ignored<because::NoChannelsToAsk>>,
        channel: Option<Ignored<because::NoChannelsToAsk>>,
    }
    /// `models.authStatus`.
    ModelsAuthStatus {
        refresh: Option<Ignored<because::NoAccounts>>,
        agent_id: Option<Ignored<because::NoAccounts>>,
    }
    /// `update.status`.
    UpdateStatus {
        refresh_checkout: Option<Ignored<because::NoUpdates>>,
    }
}

/// Which models are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ModelsView {
    Default,
    Configured,
    ProviderConfig,
    All,
}

/// Where a command can be given: in a message, or by what a channel offers beside messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CommandScope {
    Text,
    Native,
    Both,
}

/// One status of tasks, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "must be a status or a list of them")]
pub enum TaskStatuses {
    One(String),
    Several(Vec<String>),
}

impl TaskStatuses {
    /// Whether a status is among them.
    #[must_use]
    pub fn contain(&self, status: &str) -> bool {
        match self {
            Self::One(one) => one == status,
            Self::Several(several) => several.iter().any(|one| one == status),
        }
    }
}
