//! The remote procedure calls that the gateway serves: one table. A method without a scope, a word on what
//! it can lead to, parameters or a result does not compile.
//!
//! What is not in the table follows from it: the schemas, the generated types of the window, and the
//! gateway's dispatch, which needs a handler for each row.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::method::Access::{self, Anyone, OwnSurfaces};
use crate::method::Concurrency::{self, Beside, InOrder};
use crate::method::Power::{self, Administer, Decide, Look, Narrow, OpenDialog, Widen, Work};
use crate::params;
use crate::payload::{
    agents, approvals, chat, devices, files, lists, permissions, sessions, surface_params, surfaces, system,
};
use crate::scope::Scope;

/// A method with the types of its parameters and of its answer when it goes well.
pub trait Rpc: Send + Sync + 'static {
    /// Its row among [`Method::ALL`].
    const METHOD: Method;
    /// What it takes.
    type Params: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;
    /// What it answers.
    type Result: Serialize + DeserializeOwned + JsonSchema + Send + 'static;
}

macro_rules! rpc {
    (
        $dollar:tt
        $(
            $(#[$meta:meta])*
            $method:ident = $name:literal, $access:expr, $power:expr, $concurrency:expr, $params:ty => $result:ty;
        )*
    ) => {
        /// A method that the gateway serves.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Method {
            $($(#[$meta])* $method,)*
        }

        impl Method {
            /// All methods, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$method,)*];

            /// The method of a name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$method),)* _ => None }
            }

            /// The method's name on the wire.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$method => $name,)* }
            }

            /// Who may call it.
            #[must_use]
            pub fn access(self) -> Access {
                match self { $(Self::$method => $access,)* }
            }

            /// What calling it can lead to.
            #[must_use]
            pub fn power(self) -> Power {
                match self { $(Self::$method => $power,)* }
            }

            /// Whether the connection's next request waits for its answer.
            #[must_use]
            pub fn concurrency(self) -> Concurrency {
                match self { $(Self::$method => $concurrency,)* }
            }

            /// The schemas of what it takes and of what it answers.
            pub(crate) fn schemas(self, generator: &mut SchemaGenerator) -> (Schema, Schema) {
                match self {
                    $(Self::$method => {
                        (generator.subschema_for::<$params>(), generator.subschema_for::<$result>())
                    })*
                }
            }
        }

        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Copy)]
            pub struct $method;

            impl Rpc for $method {
                const METHOD: Method = Method::$method;
                type Params = $params;
                type Result = $result;
            }
        )*

        /// Calls a macro with the names of all methods, which are those of the types in [`crate::rpc`] and of
        /// the variants of [`Method`].
        #[macro_export]
        macro_rules! for_each_method {
            ($dollar callback:path) => { $dollar callback! { $($method)* } };
        }
    };
}

fn read() -> Access {
    Access::Scope(Scope::Read)
}
fn write() -> Access {
    Access::Scope(Scope::Write)
}
fn admin() -> Access {
    Access::Scope(Scope::Admin)
}
fn approvals() -> Access {
    Access::Scope(Scope::Approvals)
}
fn pairing() -> Access {
    Access::Scope(Scope::Pairing)
}

rpc! { $
    /// A health snapshot.
    Health = "health", Anyone, Look, InOrder, params::Health => system::HealthResult;
    /// Runtime, sessions and tasks in numbers.
    Status = "status", read(), Look, InOrder, params::Empty => system::StatusResult;
    /// Who is connected.
    SystemPresence = "system-presence", read(), Look, InOrder, params::Empty => Vec<system::PresenceEntry>;
    /// A presence beacon.
    SystemEvent = "system-event", admin(), Administer, InOrder, params::SystemEvent => system::Done;
    /// The last heartbeat; there are none.
    LastHeartbeat = "last-heartbeat", read(), Look, InOrder, params::Empty => ();
    /// Waiting and paired devices.
    DevicePairList = "device.pair.list", pairing(), Look, InOrder, params::Empty => devices::DevicePairListResult;
    /// Grant what a device asks for.
    DevicePairApprove = "device.pair.approve", pairing(), Widen, InOrder, params::RequestId => devices::DevicePairApproveResult;
    /// Reject a pairing request.
    DevicePairReject = "device.pair.reject", pairing(), Narrow, InOrder, params::RequestId => devices::DevicePairRejectResult;
    /// Forget a device.
    DevicePairRemove = "device.pair.remove", pairing(), Narrow, InOrder, params::Device => devices::DevicePairRemoveResult;
    /// Name a device.
    DevicePairRename = "device.pair.rename", pairing(), Administer, InOrder, params::DeviceRename => devices::DevicePairRenameResult;
    /// A new device token.
    DeviceTokenRotate = "device.token.rotate", pairing(), Administer, InOrder, params::TokenRotate => devices::DeviceTokenRotateResult;
    /// No device token.
    DeviceTokenRevoke = "device.token.revoke", pairing(), Narrow, InOrder, params::TokenRevoke => devices::DeviceTokenRevokeResult;
    /// Sessions, newest first.
    SessionsList = "sessions.list", read(), Look, InOrder, params::SessionsList => sessions::SessionsListResult;
    /// Describe one session.
    SessionsDescribe = "sessions.describe", read(), Look, InOrder, params::SessionsDescribe => sessions::SessionsDescribeResult;
    /// The last lines of sessions.
    SessionsPreview = "sessions.preview", read(), Look, InOrder, params::SessionsPreview => sessions::SessionsPreviewResult;
    /// Change a session's settings; some need more ([`params::SessionsPatch::scope`]).
    SessionsPatch = "sessions.patch", write(), Administer, InOrder, params::SessionsPatch => sessions::SessionsPatchResult;
    /// A new transcript.
    SessionsReset = "sessions.reset", admin(), Administer, InOrder, params::SessionsReset => sessions::SessionsResetResult;
    /// Forget a session; for who was granted [`Scope::Admin`], also on a connection that asks for less.
    SessionsDelete = "sessions.delete", write(), Administer, InOrder, params::SessionsDelete => sessions::SessionsDeleteResult;
    /// A new session, and its first turn if there is a message.
    SessionsCreate = "sessions.create", write(), Work, InOrder, params::SessionsCreate => sessions::SessionsCreateResult;
    /// The newest messages of a session.
    SessionsGet = "sessions.get", read(), Look, InOrder, params::SessionsGet => sessions::SessionsGetResult;
    /// The session that a key, an id or a label means.
    SessionsResolve = "sessions.resolve", read(), Look, InOrder, params::SessionsResolve => sessions::SessionsResolveResult;
    /// Stop what runs in a session, or one run.
    SessionsAbort = "sessions.abort", write(), Narrow, InOrder, params::SessionsAbort => sessions::SessionsAbortResult;
    /// Branches of a transcript; there are none.
    SessionsBranchesList = "sessions.branches.list", read(), Look, InOrder, params::OfSession => lists::BranchesListResult;
    /// Side chats about a session; there are none.
    SessionsCompanionState = "sessions.companion.state", read(), Look, InOrder, params::OfSession => lists::CompanionStateResult;
    /// Whether a client shows what an observer says of sessions; there is none.
    SessionsObserverVisibility = "sessions.observer.visibility", read(), Look, InOrder, params::ObserverVisibility => system::Done;
    /// Session events to this connection.
    SessionsSubscribe = "sessions.subscribe", read(), Look, InOrder, params::Empty => sessions::Subscribed;
    /// One session's transcript events to this connection.
    SessionsMessagesSubscribe = "sessions.messages.subscribe", read(), Look, InOrder, params::SessionsMessagesSubscribe => sessions::Subscribed;
    /// No more of them.
    SessionsMessagesUnsubscribe = "sessions.messages.unsubscribe", read(), Look, InOrder, params::SessionsMessagesUnsubscribe => sessions::Subscribed;
    /// A chat turn.
    ChatSend = "chat.send", write(), Work, InOrder, params::ChatSend => chat::ChatSendResult;
    /// A session's transcript.
    ChatHistory = "chat.history", read(), Look, InOrder, params::ChatHistory => chat::ChatHistoryResult;
    /// A session's transcript with what a client needs to show it.
    ChatStartup = "chat.startup", read(), Look, Beside, params::ChatStartup => chat::ChatStartupResult;
    /// Commands and models for a chat.
    ChatMetadata = "chat.metadata", read(), Look, Beside, params::ChatMetadata => chat::ChatMetadataResult;
    /// One message of a transcript.
    ChatMessageGet = "chat.message.get", read(), Look, InOrder, params::ChatMessageGet => chat::ChatMessageGetResult;
    /// Stop chat turns.
    ChatAbort = "chat.abort", write(), Narrow, InOrder, params::ChatAbort => chat::ChatAbortResult;
    /// A run, with two answers.
    Agent = "agent", write(), Work, Beside, params::Agent => chat::AgentResult;
    /// Wait for a run to end.
    AgentWait = "agent.wait", write(), Look, Beside, params::AgentWait => chat::AgentWaitResult;
    /// The assistant's name.
    AgentIdentityGet = "agent.identity.get", read(), Look, InOrder, params::AgentIdentity => agents::AgentIdentityResult;
    /// List the agents.
    AgentsList = "agents.list", read(), Look, InOrder, params::Empty => agents::AgentsListResult;
    /// List the models.
    ModelsList = "models.list", read(), Look, Beside, params::ModelsList => agents::ModelsListResult;
    /// The configuration, redacted.
    ConfigGet = "config.get", read(), Look, InOrder, params::Empty => system::ConfigGetResult;
    /// List the tools.
    ToolsCatalog = "tools.catalog", read(), Look, InOrder, params::ToolsCatalog => agents::ToolsCatalogResult;
    /// The chat commands.
    CommandsList = "commands.list", read(), Look, InOrder, params::CommandsList => lists::CommandsListResult;
    /// A slice of the log.
    LogsTail = "logs.tail", read(), Look, InOrder, params::LogsTail => system::LogsTailResult;
    /// Ask for a command to be allowed.
    ExecApprovalRequest = "exec.approval.request", approvals(), Administer, Beside, params::ExecApprovalRequest => approvals::ExecApprovalRequestResult;
    /// Commands that wait for a decision.
    ExecApprovalList = "exec.approval.list", approvals(), Look, InOrder, params::Empty => Vec<approvals::WaitingApproval>;
    /// Decide about a waiting approval.
    ExecApprovalResolve = "exec.approval.resolve", approvals(), Decide, InOrder, params::ExecApprovalResolve => approvals::ExecApprovalResolveResult;
    /// Wait for one to be decided.
    ExecApprovalWaitDecision = "exec.approval.waitDecision", approvals(), Look, Beside, params::ExecApprovalWait => approvals::ExecApprovalWaitResult;
    /// How commands are decided; it cannot be changed.
    ExecApprovalsGet = "exec.approvals.get", admin(), Look, InOrder, params::Empty => approvals::ExecApprovalsGetResult;
    /// Approvals of OpenClaw's own setup agent; there are none.
    OpenclawApprovalList = "openclaw.approval.list", approvals(), Look, InOrder, params::Empty => Vec<Value>;
    /// Scheduled jobs; there are none.
    CronList = "cron.list", read(), Look, InOrder, params::CronList => lists::CronListResult;
    /// The scheduler; it has no jobs.
    CronStatus = "cron.status", read(), Look, InOrder, params::Empty => lists::CronStatusResult;
    /// Nodes; there are none.
    NodeList = "node.list", read(), Look, InOrder, params::Empty => lists::NodeListResult;
    /// Nodes that wait or are paired; there are none.
    NodePairList = "node.pair.list", pairing(), Look, InOrder, params::Empty => lists::NodePairListResult;
    /// Runs of scheduled jobs; there are none.
    CronRuns = "cron.runs", read(), Look, InOrder, params::CronRuns => lists::CronRunsResult;
    /// Accounts of model providers; there are none.
    ModelsAuthStatus = "models.authStatus", read(), Look, InOrder, params::ModelsAuthStatus => lists::ModelsAuthStatusResult;
    /// Quotas of such accounts; there are none.
    UsageStatus = "usage.status", read(), Look, InOrder, params::Empty => lists::UsageStatusResult;
    /// Subagents that have not ended.
    TasksList = "tasks.list", read(), Look, InOrder, params::TasksList => lists::TasksListResult;
    /// A session's card of progress; there is none.
    ProgressCardGet = "progressCard.get", read(), Look, InOrder, params::OfSession => lists::ProgressCardResult;
    /// Plugins; there are none.
    PluginsList = "plugins.list", read(), Look, InOrder, params::Empty => lists::PluginsListResult;
    /// Skills; there are none.
    SkillsStatus = "skills.status", read(), Look, InOrder, params::SkillsStatus => lists::SkillsStatusResult;
    /// Updates; Tidegate looks for none.
    UpdateStatus = "update.status", admin(), Look, InOrder, params::UpdateStatus => lists::UpdateStatusResult;
    /// Channels; there are none.
    ChannelsStatus = "channels.status", read(), Look, InOrder, params::ChannelsStatus => lists::ChannelsStatusResult;
    /// Questions to a person; there are none.
    QuestionList = "question.list", Access::Scope(Scope::Questions), Look, InOrder, params::Empty => lists::QuestionListResult;
    /// Approvals of plugins; there are none.
    PluginApprovalList = "plugin.approval.list", approvals(), Look, InOrder, params::Empty => Vec<Value>;
    /// Suggested tasks; there are none.
    TaskSuggestionsList = "taskSuggestions.list", read(), Look, InOrder, params::TaskSuggestionsList => lists::TaskSuggestionsListResult;
    /// The whole state, for the person.
    TidegateStatus = "tidegate.status", OwnSurfaces, Look, InOrder, params::Empty => surfaces::TidegateStatusResult;
    /// Checks of every part, with what to do.
    TidegateDoctor = "tidegate.doctor", OwnSurfaces, Look, Beside, params::Empty => surfaces::DoctorResult;
    /// The shared token, where it can be shown.
    TidegateTokenShow = "tidegate.token.show", OwnSurfaces, Administer, InOrder, params::Empty => surfaces::SharedTokenResult;
    /// A new shared token.
    TidegateTokenRotate = "tidegate.token.rotate", OwnSurfaces, Administer, InOrder, params::Empty => surfaces::TokenRotatedResult;
    /// A token for one program.
    TidegateTokenNew = "tidegate.token.new", OwnSurfaces, Widen, InOrder, surface_params::TokenNew => surfaces::TokenNewResult;
    /// The tokens of programs.
    TidegateTokenList = "tidegate.token.list", OwnSurfaces, Look, InOrder, params::Empty => surfaces::TokenListResult;
    /// Take one away.
    TidegateTokenRevoke = "tidegate.token.revoke", OwnSurfaces, Narrow, InOrder, surface_params::ById => surfaces::RevokedResult;
    /// One waiting request or known device in full.
    TidegateDevicesShow = "tidegate.devices.show", OwnSurfaces, Look, InOrder, surface_params::ById => surfaces::ShownEntry;
    /// Decide a waiting request.
    TidegateDevicesDecide = "tidegate.devices.decide", OwnSurfaces, Decide, InOrder, surface_params::Decide => surfaces::DecidedResult;
    /// Take a device's or program's grant away.
    TidegateDevicesRevoke = "tidegate.devices.revoke", OwnSurfaces, Narrow, InOrder, surface_params::ById => surfaces::RevokedResult;
    /// Block a key or a program for good.
    TidegateDevicesBlock = "tidegate.devices.block", OwnSurfaces, Narrow, InOrder, surface_params::ById => surfaces::BlockedResult;
    /// Unblock a device or program.
    TidegateDevicesUnblock = "tidegate.devices.unblock", OwnSurfaces, Widen, InOrder, surface_params::ById => surfaces::UnblockedResult;
    /// Everything that waits for the person, in full.
    TidegateDevicesWaiting = "tidegate.devices.waiting", OwnSurfaces, Look, InOrder, params::Empty => surfaces::WaitingResult;
    /// How OpenClaw's clients are aimed at this gateway.
    TidegateConnect = "tidegate.connect", OwnSurfaces, Look, InOrder, params::Empty => surfaces::ConnectLinesResult;
    /// Open the dialog of a pending request, for a new program token or for a model server's key.
    TidegateDialogOpen = "tidegate.dialog.open", OwnSurfaces, OpenDialog, InOrder, surface_params::DialogOpen => surfaces::DialogOpenResult;
    /// What the configuration file would open, and what became of it.
    TidegateConfigList = "tidegate.config.list", OwnSurfaces, Look, InOrder, params::Empty => surfaces::ConfigListResult;
    /// Let a value of the configuration file count that opens something.
    TidegateConfigConfirm = "tidegate.config.confirm", OwnSurfaces, Widen, InOrder, surface_params::ConfirmSetting => surfaces::SettingDecidedResult;
    /// Refuse it, or take it back.
    TidegateConfigReject = "tidegate.config.reject", OwnSurfaces, Narrow, InOrder, surface_params::RejectSetting => surfaces::SettingDecidedResult;
    /// The commands of agents that run now.
    TidegateCommandsList = "tidegate.commands.list", OwnSurfaces, Look, InOrder, params::Empty => surfaces::RunningCommandsResult;
    /// Interrupt one, as Ctrl-C does.
    TidegateCommandsInterrupt = "tidegate.commands.interrupt", OwnSurfaces, Narrow, InOrder, surface_params::InterruptCommand => surfaces::InterruptedResult;
    /// Files that agents' commands planted and that were set aside.
    TidegateFilesList = "tidegate.files.list", OwnSurfaces, Look, InOrder, params::Empty => files::FilesListResult;
    /// One of them, with what is in it.
    TidegateFilesShow = "tidegate.files.show", OwnSurfaces, Look, InOrder, surface_params::ById => files::SetAsideFileDetails;
    /// Put one back where it was.
    TidegateFilesKeep = "tidegate.files.keep", OwnSurfaces, Widen, InOrder, surface_params::KeepFile => files::FileDecidedResult;
    /// Remove one for good.
    TidegateFilesDiscard = "tidegate.files.discard", OwnSurfaces, Narrow, InOrder, surface_params::ById => files::FileDecidedResult;
    /// Give a folder copies of its own of files that other folders hold as well.
    TidegateFilesUnshare = "tidegate.files.unshare", OwnSurfaces, Widen, Beside, surface_params::UnshareFolder => files::SharedFolder;
    /// Decide about a waiting command or file.
    TidegateApprovalsDecide = "tidegate.approvals.decide", OwnSurfaces, Decide, InOrder, surface_params::DecideApproval => approvals::ExecApprovalResolveResult;
    /// What a person allowed for more than one time, and what ran by that.
    TidegatePermissionsList = "tidegate.permissions.list", OwnSurfaces, Look, InOrder, params::Empty => permissions::PermissionsListResult;
    /// Take a permission back; commands that it allowed end.
    TidegatePermissionsRevoke = "tidegate.permissions.revoke", OwnSurfaces, Narrow, InOrder, surface_params::ById => permissions::PermissionRevokedResult;
    /// Ask a person about everything, whatever is allowed.
    TidegatePermissionsAskEverything = "tidegate.permissions.askEverything", OwnSurfaces, Narrow, InOrder, params::Empty => permissions::AskEverythingResult;
    /// Use permissions again.
    TidegatePermissionsUse = "tidegate.permissions.use", OwnSurfaces, Widen, InOrder, params::Empty => permissions::AskEverythingResult;
    /// Choose the folder in which a session works.
    TidegateSessionsWorkspace = "tidegate.sessions.workspace", OwnSurfaces, Widen, Beside, surface_params::SessionWorkspace => sessions::SessionWorkspaceResult;
    /// The audit log.
    TidegateAudit = "tidegate.audit", OwnSurfaces, Look, InOrder, surface_params::Audit => surfaces::AuditResult;
    /// Add a model provider.
    TidegateModelsAdd = "tidegate.models.add", OwnSurfaces, Administer, Beside, surface_params::AddProvider => surfaces::ModelsAddResult;
    /// Choose the model, unless its server was only found on this computer.
    TidegateModelsUse = "tidegate.models.use", OwnSurfaces, Work, Beside, surface_params::ModelChoice => surfaces::ModelsUseResult;
    /// Take a server that was found on this computer into use, and choose its model.
    TidegateModelsTake = "tidegate.models.take", OwnSurfaces, Widen, Beside, surface_params::TakeServer => surfaces::ModelsUseResult;
    /// Ask a model one small question.
    TidegateModelsTest = "tidegate.models.test", OwnSurfaces, Work, Beside, surface_params::ModelChoice => surfaces::ModelsTestResult;
    /// No new model call or tool.
    TidegatePause = "tidegate.pause", OwnSurfaces, Narrow, InOrder, params::Empty => surfaces::PausedResult;
    /// Resume agent work.
    TidegateResume = "tidegate.resume", OwnSurfaces, Work, InOrder, params::Empty => surfaces::PausedResult;
    /// Spawn through the whole path, leaving no history.
    TidegateSelfTest = "tidegate.selftest", OwnSurfaces, Administer, Beside, params::Empty => surfaces::SelfTestResult;
    /// Stop the whole program.
    TidegateStop = "tidegate.stop", OwnSurfaces, Administer, InOrder, params::Empty => surfaces::StoppingResult;
}

impl Method {
    /// Whether `hello-ok.features.methods` lists it: everything of OpenClaw's protocol that works.
    #[must_use]
    pub fn is_advertised(self) -> bool {
        self.access() != OwnSurfaces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_parse_back() {
        for &method in Method::ALL {
            assert_eq!(Method::parse(method.name()), Some(method));
        }
        assert_eq!(Method::parse("no.such.method"), None);
    }

    #[test]
    fn only_health_needs_no_scope() {
        let open: Vec<_> = Method::ALL.iter().filter(|method| method.access() == Anyone).collect();
        assert_eq!(open, [&Method::Health]);
    }
}
