//! Parameters of lists: of models, commands and tools, and of much that Tidegate does not have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field::ServedAgent;
use crate::ids::{AgentId, SessionKey};

objects! {
    /// `models.list`.
    #[derive(Default)]
    ModelsList {
        agent_id: Option<ServedAgent>,
        view: Option<ModelsView>,
        [Ignored SameForAllSessions: session_key]
        [Ignored AlwaysFresh: refresh]
        [Ignored AlwaysPrepared: prepared_only]
        [Ignored NoProviderKinds: include_provider_capabilities]
    }
    /// `commands.list`.
    #[derive(Default)]
    CommandsList {
        scope: Option<CommandScope>,
        /// Whether the arguments of commands are listed; they are unless it says no.
        include_args: Option<bool>,
        agent_id: Option<ServedAgent>,
        [Ignored SameForAllSessions: session_key]
        [Ignored NoChannelsToAsk: provider]
    }
    /// `tools.catalog`.
    #[derive(Default)]
    ToolsCatalog {
        agent_id: Option<ServedAgent>,
        [Ignored NoPlugins: include_plugins]
    }
    /// `skills.status`.
    SkillsStatus {
        agent_id: Option<ServedAgent>,
        [Ignored NoSkills: session_key]
    }
    /// `tasks.list`.
    TasksList {
        status: Option<TaskStatuses>,
        agent_id: Option<AgentId>,
        session_key: Option<SessionKey>,
        limit: Option<u32>,
        [Ignored NoCursors: cursor]
        [Ignored OldestTaskFirst: sort_by]
    }
    /// `taskSuggestions.list`.
    TaskSuggestionsList {
        agent_id: Option<ServedAgent>,
        [Ignored NoSuggestions: session_key]
    }
    /// `cron.list`.
    #[derive(Default)]
    CronList {
        limit: Option<u32>,
        offset: Option<u32>,
        [Ignored NoJobs: agent_id, include_disabled, query, enabled, schedule_kind, last_run_status, trigger,
            sort_by, sort_dir, compact, include_delivery_previews]
    }
    /// `cron.runs`.
    CronRuns {
        limit: Option<u32>,
        offset: Option<u32>,
        [Ignored NoJobs: agent_id, scope, id, job_id, run_id, statuses, status, delivery_statuses,
            delivery_status, query, sort_dir]
    }
    /// `channels.status`.
    #[derive(Default)]
    ChannelsStatus {
        [Ignored NoChannelsToAsk: probe, timeout_ms, channel]
    }
    /// `models.authStatus`.
    ModelsAuthStatus {
        [Ignored NoAccounts: refresh, agent_id]
    }
    /// `update.status`.
    UpdateStatus {
        [Ignored NoUpdates: refresh_checkout]
    }
}

words! {
    /// Which models are listed.
    ModelsView {
        Default = "default",
        Configured = "configured",
        ProviderConfig = "provider-config",
        All = "all",
    }
    /// Where a command can be given: in a message, or by what a channel offers beside messages.
    CommandScope {
        Text = "text",
        Native = "native",
        Both = "both",
    }
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
