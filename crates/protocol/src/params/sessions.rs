//! Parameters of methods about sessions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field::{Change, Ignored, Refused, ServedAgent, reasons as because};
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
        include_global: Option<Ignored<because::EveryKeyHasAnAgent>>,
        include_unknown: Option<Ignored<because::EveryKeyHasAnAgent>>,
        include_derived_titles: Option<bool>,
        include_last_message: Option<bool>,
        label: Option<String>,
        spawned_by: Option<SessionKey>,
        agent_id: Option<AgentId>,
        search: Option<String>,
        archived: Option<ArchivedFilter>,
        sort_by: Option<Ignored<because::NewestChangeFirst>>,
        require_last_interaction: Option<bool>,
        board_face: Option<BoardFace>,
        creator_id: Option<String>,
        owner_id: Option<String>,
        involving_profile_id: Option<String>,
        involving_me: Option<Ignored<because::NoProfiles>>,
        owner_first: Option<Ignored<because::NoProfiles>>,
        include_people: Option<Ignored<because::NoProfiles>>,
        configured_agents_only: Option<Ignored<because::OneAgent>>,
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
        reason: Option<Ignored<because::EmptyEitherWay>>,
    }
    /// `sessions.delete`.
    SessionsDelete {
        key: SessionKey,
        agent_id: Option<ServedAgent>,
        delete_transcript: Option<bool>,
        /// The session's id must be this one.
        expected_session_id: Option<String>,
        /// Its last change must be of this time.
        expected_session_updated_at: Option<UnixMillis>,
        /// It must be archived.
        archived_only: Option<bool>,
        expected_lifecycle_revision: Option<Refused<because::NoRevisions>>,
        emit_lifecycle_hooks: Option<Ignored<because::NoHooks>>,
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
        group_activation: Option<Ignored<because::NoGroups>>,
        elevated_level: Option<Refused<because::NeverElevated>>,
        exec_host: Option<Refused<because::OwnConfinement>>,
        exec_security: Option<Refused<because::OwnConfinement>>,
        exec_ask: Option<Refused<because::OwnConfinement>>,
        exec_node: Option<Refused<because::OwnConfinement>>,
        permission_mode: Option<Refused<because::NoPermissionModes>>,
        tool_overrides: Option<Refused<because::NoToolOverrides>>,
        send_policy: Option<Refused<because::NoSendPolicy>>,
        queue_mode: Option<Refused<because::TurnsWait>>,
        context_window: Option<Refused<because::ModelsOwnWindow>>,
        unread: Option<Refused<because::NoReadMarks>>,
        expected_marked_unread_at: Option<Refused<because::NoReadMarks>>,
        status_note: Option<Refused<because::NoStatusNotes>>,
        attention: Option<Refused<because::NoStatusNotes>>,
        ttl_minutes: Option<Refused<because::NoStatusNotes>>,
        board_face: Option<Refused<because::ChatsOnly>>,
        completion_owner_session_key: Option<Refused<because::LineageIsAFact>>,
        inherited_tool_policy_version: Option<Refused<because::LineageIsAFact>>,
        inherited_tool_allow: Option<Refused<because::LineageIsAFact>>,
        inherited_tool_deny: Option<Refused<because::LineageIsAFact>>,
        expected_lifecycle_revision: Option<Refused<because::NoRevisions>>,
        expected_permission_mode: Option<Refused<because::NoPermissionModes>>,
        expected_tool_overrides: Option<Refused<because::NoToolOverrides>>,
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
        mentions: Option<Ignored<because::TextHasIt>>,
        title_source: Option<Ignored<because::NoMadeTitles>>,
        visibility: Option<Ignored<because::NoProfiles>>,
        emit_command_hooks: Option<Ignored<because::NoHooks>>,
        succeeds_parent: Option<Ignored<because::NoHooks>>,
        attachments: Option<Refused<because::TextOnly>>,
        agent_runtime: Option<Refused<because::OwnRuntime>>,
        context_window: Option<Refused<because::ModelsOwnWindow>>,
        permission_mode: Option<Refused<because::NoPermissionModes>>,
        tool_overrides: Option<Refused<because::NoToolOverrides>>,
        incognito: Option<Refused<because::AlwaysStored>>,
        catalog_id: Option<Refused<because::NoCatalogs>>,
        spawn_depth: Option<Refused<because::LineageIsAFact>>,
        fork: Option<Refused<because::NoForks>>,
        fork_from: Option<Refused<because::NoForks>>,
        project_id: Option<Refused<because::NoProjects>>,
        project_git_url: Option<Refused<because::NoProjects>>,
        worktree: Option<Refused<because::PersonChoosesFolder>>,
        worktree_base_ref: Option<Refused<because::PersonChoosesFolder>>,
        worktree_name: Option<Refused<because::PersonChoosesFolder>>,
        worktree_source: Option<Refused<because::PersonChoosesFolder>>,
        cwd: Option<Refused<because::PersonChoosesFolder>>,
        exec_node: Option<Refused<because::OwnConfinement>>,
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
        slug: Option<Ignored<because::KeyIsUnique>>,
    }
    /// `sessions.resolve`: exactly one of key, session id, label, short id and reference.
    #[derive(Default)]
    SessionsResolve {
        key: Option<SessionKey>,
        session_id: Option<String>,
        label: Option<String>,
        short_id: Option<String>,
        reference: Option<SessionReference>,
        slug_hint: Option<Ignored<because::AllThatFit>>,
        agent_id: Option<AgentId>,
        spawned_by: Option<SessionKey>,
        include_global: Option<Ignored<because::EveryKeyHasAnAgent>>,
        include_unknown: Option<Ignored<because::EveryKeyHasAnAgent>>,
        allow_missing: Option<bool>,
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

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AllSessions {
    All,
}

/// How a session is shown by clients that have more than chats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BoardFace {
    Chat,
    Dashboard,
}

/// Whether a model works faster for more money; `auto` leaves it to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "must be true, false or \"auto\"")]
pub enum FastMode {
    Chosen(bool),
    Auto(AutoWord),
}

/// The word `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AutoWord {
    Auto,
}

impl SessionsDelete {
    /// Whatever is there under the key.
    #[must_use]
    pub fn new(key: SessionKey) -> Self {
        Self {
            key,
            agent_id: None,
            delete_transcript: None,
            expected_session_id: None,
            expected_session_updated_at: None,
            archived_only: None,
            expected_lifecycle_revision: None,
            emit_lifecycle_hooks: None,
        }
    }
}
