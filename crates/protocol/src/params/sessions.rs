//! Parameters of methods about sessions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field::{Change, Ignored, ServedAgent, reasons as because};
use crate::ids::{AgentId, RunId, SessionKey};
use crate::scope::Scope;
use crate::time::UnixMillis;

objects! {
    /// `sessions.list`.
    #[derive(Default)]
    SessionsList {
        limit: Option<u32>,
        offset: Option<u32>,
        active_minutes: Option<u32>,
        include_derived_titles: Option<bool>,
        include_last_message: Option<bool>,
        label: Option<String>,
        spawned_by: Option<SessionKey>,
        agent_id: Option<AgentId>,
        search: Option<String>,
        archived: Option<ArchivedFilter>,
        require_last_interaction: Option<bool>,
        board_face: Option<BoardFace>,
        creator_id: Option<String>,
        owner_id: Option<String>,
        involving_profile_id: Option<String>,
        [Ignored EveryKeyHasAnAgent: include_global, include_unknown]
        [Ignored NewestChangeFirst: sort_by]
        [Ignored NoProfiles: involving_me, owner_first, include_people]
        [Ignored OneAgent: configured_agents_only]
    }
    /// `sessions.messages.subscribe`.
    SessionsMessagesSubscribe {
        key: SessionKey,
        agent_id: Option<ServedAgent>,
        include_approvals: Option<bool>,
    }
    /// `sessions.messages.unsubscribe`.
    SessionsMessagesUnsubscribe {
        key: SessionKey,
        agent_id: Option<ServedAgent>,
    }
    /// `sessions.describe`.
    SessionsDescribe {
        key: SessionKey,
        include_derived_titles: Option<bool>,
        include_last_message: Option<bool>,
        agent_id: Option<ServedAgent>,
    }
    /// `sessions.preview`.
    SessionsPreview {
        keys: Vec<SessionKey>,
        limit: Option<u32>,
        max_chars: Option<u32>,
    }
    /// `sessions.reset`.
    SessionsReset {
        key: SessionKey,
        agent_id: Option<ServedAgent>,
        [Ignored EmptyEitherWay: reason]
    }
    /// `sessions.delete`.
    SessionsDelete (key: SessionKey) {
        agent_id: Option<ServedAgent>,
        delete_transcript: Option<bool>,
        /// The session's id must be this one.
        expected_session_id: Option<String>,
        /// Its last change must be of this time.
        expected_session_updated_at: Option<UnixMillis>,
        /// It must be archived.
        archived_only: Option<bool>,
        [Ignored NoHooks: emit_lifecycle_hooks]
        [Refused NoRevisions: expected_lifecycle_revision]
    }
    /// `sessions.patch`; `null` clears.
    SessionsPatch {
        key: SessionKey,
        agent_id: Option<ServedAgent>,
        /// The session must be there, and have this id.
        expected_session_id: Option<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] label: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] category: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] icon: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] color: Change<String>,
        archived: Option<bool>,
        pinned: Option<bool>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] model: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] thinking_level: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] fast_mode: Change<FastMode>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] verbose_level: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] trace_level: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] reasoning_level: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] response_usage: Change<String>,
        [Ignored NoGroups: group_activation]
        [Refused NeverElevated: elevated_level]
        [Refused OwnConfinement: exec_host, exec_security, exec_ask, exec_node]
        [Refused NoPermissionModes: permission_mode, expected_permission_mode]
        [Refused NoToolOverrides: tool_overrides, expected_tool_overrides]
        [Refused NoSendPolicy: send_policy]
        [Refused TurnsWait: queue_mode]
        [Refused ModelsOwnWindow: context_window]
        [Refused NoReadMarks: unread, expected_marked_unread_at]
        [Refused NoStatusNotes: status_note, attention, ttl_minutes]
        [Refused ChatsOnly: board_face]
        [Refused LineageIsAFact: completion_owner_session_key, inherited_tool_policy_version,
            inherited_tool_allow, inherited_tool_deny]
        [Refused NoRevisions: expected_lifecycle_revision]
    }
    /// `sessions.create`.
    SessionsCreate {
        /// Without one, the session is one of its own.
        key: Option<SessionKey>,
        /// With the same one again, a client gets the same session and the same first turn.
        idempotency_key: Option<String>,
        agent_id: Option<ServedAgent>,
        label: Option<String>,
        /// Taken where there is no label.
        display_name: Option<String>,
        category: Option<String>,
        model: Option<String>,
        thinking_level: Option<String>,
        fast_mode: Option<FastMode>,
        parent_session_key: Option<SessionKey>,
        /// The first message.
        message: Option<String>,
        /// Taken where there is no message.
        task: Option<String>,
        timeout_ms: Option<u64>,
        [Ignored TextHasIt: mentions]
        [Ignored NoMadeTitles: title_source]
        [Ignored NoProfiles: visibility]
        [Ignored NoHooks: emit_command_hooks, succeeds_parent]
        [Refused TextOnly: attachments]
        [Refused OwnRuntime: agent_runtime]
        [Refused ModelsOwnWindow: context_window]
        [Refused NoPermissionModes: permission_mode]
        [Refused NoToolOverrides: tool_overrides]
        [Refused AlwaysStored: incognito]
        [Refused NoCatalogs: catalog_id]
        [Refused LineageIsAFact: spawn_depth]
        [Refused NoForks: fork, fork_from]
        [Refused NoProjects: project_id, project_git_url]
        [Refused PersonChoosesFolder: worktree, worktree_base_ref, worktree_name, worktree_source, cwd]
        [Refused OwnConfinement: exec_node]
    }
    /// `sessions.get`; one of the two names the session.
    SessionsGet {
        key: Option<SessionKey>,
        session_key: Option<SessionKey>,
        agent_id: Option<ServedAgent>,
        limit: Option<u32>,
    }
    /// The session of a page's address.
    SessionReference {
        key: SessionKey,
        [Ignored KeyIsUnique: slug]
    }
    /// `sessions.resolve`: exactly one of key, session id, label, short id and reference.
    #[derive(Default)]
    SessionsResolve {
        key: Option<SessionKey>,
        session_id: Option<String>,
        label: Option<String>,
        short_id: Option<String>,
        reference: Option<SessionReference>,
        agent_id: Option<AgentId>,
        spawned_by: Option<SessionKey>,
        allow_missing: Option<bool>,
        [Ignored AllThatFit: slug_hint]
        [Ignored EveryKeyHasAnAgent: include_global, include_unknown]
    }
    /// `sessions.abort`: a session, or a run of any.
    SessionsAbort {
        key: Option<SessionKey>,
        run_id: Option<RunId>,
        agent_id: Option<ServedAgent>,
        clear_queued: Option<bool>,
    }
    /// `progressCard.get`, `sessions.branches.list`, `sessions.companion.state`.
    OfSession {
        session_key: Ignored<because::NoSessionHasAny>,
        agent_id: Option<ServedAgent>,
    }
    /// `sessions.observer.visibility`.
    ObserverVisibility {
        visible: Ignored<because::NoObserver>,
    }
}

impl SessionsPatch {
    /// The scope that this request needs, as in OpenClaw 2026.9.6, whose command line asks for no other;
    /// but choosing a model needs [`Scope::Admin`] in every method.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let Self { model, verbose_level, trace_level, reasoning_level, response_usage, .. } = self;
        let settings = [model, verbose_level, trace_level, reasoning_level, response_usage];
        if settings.iter().all(|setting| setting.is_absent()) { Scope::Write } else { Scope::Admin }
    }
}

/// Which sessions `sessions.list` lists: `true` for archived ones only, and `"all"` for archived ones, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "must be true, false or \"all\"")]
pub enum ArchivedFilter {
    Archived(bool),
    All(AllSessions),
}

impl ArchivedFilter {
    /// Whether archived sessions are meant, or the others; `None` for both.
    #[must_use]
    pub fn archived(self) -> Option<bool> {
        match self {
            Self::Archived(archived) => Some(archived),
            Self::All(AllSessions::All) => None,
        }
    }
}

words! {
    /// The word `all`.
    AllSessions {
        All = "all",
    }
    /// How a session is shown by clients that have more than chats.
    BoardFace {
        Chat = "chat",
        Dashboard = "dashboard",
    }
    /// The word `auto`.
    AutoWord {
        Auto = "auto",
    }
}

/// Whether a model works faster for more money; `auto` leaves it to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "must be true, false or \"auto\"")]
pub enum FastMode {
    Chosen(bool),
    Auto(AutoWord),
}
