//! Parameters of methods about sessions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field::{Change, Ignored, Refused, ServedAgent, reasons as because};
use crate::ids::{AgentId, SessionKey};
use crate::scope::Scope;
use crate::time::UnixMillis;

params! {
    /// `sessions.list`.
    #[derive(Default)]
    SessionsList {
        #[serde(default)] limit: Option<u32>,
        #[serde(default)] offset: Option<u32>,
        #[serde(default)] active_minutes: Option<u32>,
        #[serde(default)] include_global: Option<bool>,
        #[serde(default)] include_unknown: Option<bool>,
        #[serde(default)] include_derived_titles: Option<bool>,
        #[serde(default)] include_last_message: Option<bool>,
        #[serde(default)] label: Option<String>,
        #[serde(default)] spawned_by: Option<SessionKey>,
        #[serde(default)] agent_id: Option<AgentId>,
        #[serde(default)] search: Option<String>,
        #[serde(default)] archived: Option<ArchivedFilter>,
        #[serde(default)] sort_by: Option<Ignored<because::NewestChangeFirst>>,
        #[serde(default)] require_last_interaction: Option<bool>,
        #[serde(default)] board_face: Option<BoardFace>,
        #[serde(default)] creator_id: Option<String>,
        #[serde(default)] owner_id: Option<String>,
        #[serde(default)] involving_profile_id: Option<String>,
        #[serde(default)] involving_me: Option<Ignored<because::NoProfiles>>,
        #[serde(default)] owner_first: Option<Ignored<because::NoProfiles>>,
        #[serde(default)] include_people: Option<Ignored<because::NoProfiles>>,
        #[serde(default)] configured_agents_only: Option<Ignored<because::OneAgent>>,
    }
    /// `sessions.messages.subscribe`.
    SessionsMessagesSubscribe {
        key: SessionKey,
        #[serde(default)] agent_id: Option<ServedAgent>,
        #[serde(default)] include_approvals: Option<bool>,
    }
    /// `sessions.describe`, `sessions.messages.unsubscribe`.
    SessionRef {
        key: SessionKey,
        #[serde(default)] include_derived_titles: Option<bool>,
        #[serde(default)] include_last_message: Option<bool>,
        #[serde(default)] agent_id: Option<AgentId>,
    }
    /// `sessions.preview`.
    SessionsPreview {
        keys: Vec<SessionKey>,
        #[serde(default)] limit: Option<u32>,
        #[serde(default)] max_chars: Option<u32>,
    }
    /// `sessions.reset`.
    SessionsReset {
        key: SessionKey,
        #[serde(default)] agent_id: Option<ServedAgent>,
        #[serde(default)] reason: Option<Ignored<because::EmptyEitherWay>>,
    }
    /// `sessions.delete`.
    SessionsDelete {
        key: SessionKey,
        #[serde(default)] agent_id: Option<ServedAgent>,
        #[serde(default)] delete_transcript: Option<bool>,
        /// The session's id must be this one.
        #[serde(default)] expected_session_id: Option<String>,
        /// Its last change must be of this time.
        #[serde(default)] expected_session_updated_at: Option<UnixMillis>,
        /// It must be archived.
        #[serde(default)] archived_only: Option<bool>,
        #[serde(default)] expected_lifecycle_revision: Option<Refused<because::NoRevisions>>,
        #[serde(default)] emit_lifecycle_hooks: Option<Ignored<because::NoHooks>>,
    }
    /// `sessions.patch`; `null` clears.
    SessionsPatch {
        key: SessionKey,
        #[serde(default)] agent_id: Option<ServedAgent>,
        /// The session must be there, and have this id.
        #[serde(default)] expected_session_id: Option<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] label: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] category: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] icon: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] color: Change<String>,
        #[serde(default)] archived: Option<bool>,
        #[serde(default)] pinned: Option<bool>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] model: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] thinking_level: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] fast_mode: Change<FastMode>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] verbose_level: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] trace_level: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] reasoning_level: Change<String>,
        #[serde(default, skip_serializing_if = "Change::is_absent")] response_usage: Change<String>,
        #[serde(default)] group_activation: Option<Ignored<because::NoGroups>>,
        #[serde(default)] elevated_level: Option<Refused<because::NeverElevated>>,
        #[serde(default)] exec_host: Option<Refused<because::OwnConfinement>>,
        #[serde(default)] exec_security: Option<Refused<because::OwnConfinement>>,
        #[serde(default)] exec_ask: Option<Refused<because::OwnConfinement>>,
        #[serde(default)] exec_node: Option<Refused<because::OwnConfinement>>,
        #[serde(default)] permission_mode: Option<Refused<because::NoPermissionModes>>,
        #[serde(default)] tool_overrides: Option<Refused<because::NoToolOverrides>>,
        #[serde(default)] send_policy: Option<Refused<because::NoSendPolicy>>,
        #[serde(default)] queue_mode: Option<Refused<because::TurnsWait>>,
        #[serde(default)] context_window: Option<Refused<because::ModelsOwnWindow>>,
        #[serde(default)] unread: Option<Refused<because::NoReadMarks>>,
        #[serde(default)] expected_marked_unread_at: Option<Refused<because::NoReadMarks>>,
        #[serde(default)] status_note: Option<Refused<because::NoStatusNotes>>,
        #[serde(default)] attention: Option<Refused<because::NoStatusNotes>>,
        #[serde(default)] ttl_minutes: Option<Refused<because::NoStatusNotes>>,
        #[serde(default)] board_face: Option<Refused<because::ChatsOnly>>,
        #[serde(default)] completion_owner_session_key: Option<Refused<because::LineageIsAFact>>,
        #[serde(default)] inherited_tool_policy_version: Option<Refused<because::LineageIsAFact>>,
        #[serde(default)] inherited_tool_allow: Option<Refused<because::LineageIsAFact>>,
        #[serde(default)] inherited_tool_deny: Option<Refused<because::LineageIsAFact>>,
        #[serde(default)] expected_lifecycle_revision: Option<Refused<because::NoRevisions>>,
        #[serde(default)] expected_permission_mode: Option<Refused<because::NoPermissionModes>>,
        #[serde(default)] expected_tool_overrides: Option<Refused<because::NoToolOverrides>>,
    }
}

impl SessionsDelete {
    /// The scope that this request needs, as in OpenClaw 2026.9.6, whose command line asks for no other.
    #[must_use]
    pub fn scope(&self) -> Scope {
        if self.archived_only == Some(true) { Scope::Write } else { Scope::Admin }
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
#[serde(untagged)]
#[allow(missing_docs, reason = "the names are the protocol's")]
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
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum AllSessions {
    All,
}

/// How a session is shown by clients that have more than chats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum BoardFace {
    Chat,
    Dashboard,
}

/// Whether a model works faster for more money; `auto` leaves it to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum FastMode {
    Chosen(bool),
    Auto(AutoWord),
}

/// The word `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the protocol's")]
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
