//! The methods that the gateway serves: one table, with 2026.9.6's scopes. A method without a
//! scope, or without a word on what it can lead to, does not compile.

use crate::scope::Scope;

/// Who may call a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Every session, also one without scopes.
    Anyone,
    /// A session that has the scope.
    Scope(Scope),
    /// Only the person's own surfaces: the command line on the local socket and, as far as the
    /// method's [`Power`] allows, windows. Not part of OpenClaw's protocol.
    OwnSurfaces,
}

/// What calling a method can lead to. The person's own surfaces are not the person: what they may
/// call depends on this, beside [`Access`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Power {
    /// It shows something.
    Look,
    /// It has agents or models work.
    Work,
    /// It takes something away, refuses or stops.
    Narrow,
    /// It takes a decision that its parameters name; of those, our surfaces take only the ones that
    /// narrow where a dialog decides.
    Decide,
    /// It lets someone or something in, or lets it in again. Where a dialog decides, our surfaces
    /// only wish for it.
    Widen,
    /// It asks that a dialog is opened, and decides nothing.
    Wish,
    /// It concerns names, secrets, sessions' settings or the process. No window may.
    Administer,
}

macro_rules! methods {
    ($($(#[$meta:meta])* $variant:ident = $name:literal, $access:expr, $power:expr;)*) => {
        /// A method that the gateway serves.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Method {
            $($(#[$meta])* $variant,)*
        }

        impl Method {
            /// All methods.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The method of a name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// The method's name on the wire.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Who may call it.
            #[must_use]
            pub fn access(self) -> Access {
                match self { $(Self::$variant => $access,)* }
            }

            /// What calling it can lead to.
            #[must_use]
            pub fn power(self) -> Power {
                match self { $(Self::$variant => $power,)* }
            }
        }
    };
}

use Access::{Anyone, OwnSurfaces};
use Power::{Administer, Decide, Look, Narrow, Widen, Wish, Work};

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

methods! {
    /// A health snapshot.
    Health = "health", Anyone, Look;
    /// Runtime, sessions and tasks in numbers.
    Status = "status", read(), Look;
    /// Who is connected.
    SystemPresence = "system-presence", read(), Look;
    /// A presence beacon.
    SystemEvent = "system-event", admin(), Administer;
    /// The last heartbeat; there are none.
    LastHeartbeat = "last-heartbeat", read(), Look;
    /// Waiting and paired devices.
    DevicePairList = "device.pair.list", pairing(), Look;
    /// Grant what a device asks for.
    DevicePairApprove = "device.pair.approve", pairing(), Widen;
    /// Refuse it.
    DevicePairReject = "device.pair.reject", pairing(), Narrow;
    /// Forget a device.
    DevicePairRemove = "device.pair.remove", pairing(), Narrow;
    /// Name a device.
    DevicePairRename = "device.pair.rename", pairing(), Administer;
    /// A new device token.
    DeviceTokenRotate = "device.token.rotate", pairing(), Administer;
    /// No device token.
    DeviceTokenRevoke = "device.token.revoke", pairing(), Narrow;
    /// Sessions, newest first.
    SessionsList = "sessions.list", read(), Look;
    /// One session.
    SessionsDescribe = "sessions.describe", read(), Look;
    /// The last lines of sessions.
    SessionsPreview = "sessions.preview", read(), Look;
    /// Change a session's settings.
    SessionsPatch = "sessions.patch", admin(), Administer;
    /// A new transcript.
    SessionsReset = "sessions.reset", admin(), Administer;
    /// Forget a session.
    SessionsDelete = "sessions.delete", admin(), Administer;
    /// Session events to this connection.
    SessionsSubscribe = "sessions.subscribe", read(), Look;
    /// One session's transcript events to this connection.
    SessionsMessagesSubscribe = "sessions.messages.subscribe", read(), Look;
    /// No more of them.
    SessionsMessagesUnsubscribe = "sessions.messages.unsubscribe", read(), Look;
    /// A chat turn.
    ChatSend = "chat.send", write(), Work;
    /// A session's transcript.
    ChatHistory = "chat.history", read(), Look;
    /// Stop chat turns.
    ChatAbort = "chat.abort", write(), Narrow;
    /// A run, with two answers.
    Agent = "agent", write(), Work;
    /// Wait for a run to end.
    AgentWait = "agent.wait", write(), Look;
    /// The assistant's name.
    AgentIdentityGet = "agent.identity.get", read(), Look;
    /// The agents.
    AgentsList = "agents.list", read(), Look;
    /// The models.
    ModelsList = "models.list", read(), Look;
    /// The configuration, redacted.
    ConfigGet = "config.get", read(), Look;
    /// The tools.
    ToolsCatalog = "tools.catalog", read(), Look;
    /// The slash commands; there are none.
    CommandsList = "commands.list", read(), Look;
    /// A slice of the log.
    LogsTail = "logs.tail", read(), Look;
    /// Ask for a command to be allowed.
    ExecApprovalRequest = "exec.approval.request", approvals(), Administer;
    /// Commands that wait for a decision.
    ExecApprovalList = "exec.approval.list", approvals(), Look;
    /// Decide one.
    ExecApprovalResolve = "exec.approval.resolve", approvals(), Decide;
    /// Wait for one to be decided.
    ExecApprovalWaitDecision = "exec.approval.waitDecision", approvals(), Look;
    /// Scheduled jobs; there are none.
    CronList = "cron.list", read(), Look;
    /// The scheduler; it has no jobs.
    CronStatus = "cron.status", read(), Look;
    /// Nodes; there are none.
    NodeList = "node.list", read(), Look;
    /// Channels; there are none.
    ChannelsStatus = "channels.status", read(), Look;
    /// Questions to a person; there are none.
    QuestionList = "question.list", Access::Scope(Scope::Questions), Look;
    /// Approvals of plugins; there are none.
    PluginApprovalList = "plugin.approval.list", approvals(), Look;
    /// Suggested tasks; there are none.
    TaskSuggestionsList = "taskSuggestions.list", read(), Look;
    /// The whole state, for the person.
    TidegateStatus = "tidegate.status", OwnSurfaces, Look;
    /// Checks of every part, with what to do.
    TidegateDoctor = "tidegate.doctor", OwnSurfaces, Look;
    /// The shared token, where it can be shown.
    TidegateTokenShow = "tidegate.token.show", OwnSurfaces, Administer;
    /// A new shared token.
    TidegateTokenRotate = "tidegate.token.rotate", OwnSurfaces, Administer;
    /// A token for one program.
    TidegateTokenNew = "tidegate.token.new", OwnSurfaces, Widen;
    /// The tokens of programs.
    TidegateTokenList = "tidegate.token.list", OwnSurfaces, Look;
    /// Take one away.
    TidegateTokenRevoke = "tidegate.token.revoke", OwnSurfaces, Narrow;
    /// One waiting request or known device in full.
    TidegateDevicesShow = "tidegate.devices.show", OwnSurfaces, Look;
    /// Decide a waiting request.
    TidegateDevicesDecide = "tidegate.devices.decide", OwnSurfaces, Decide;
    /// Take a device's or program's grant away.
    TidegateDevicesRevoke = "tidegate.devices.revoke", OwnSurfaces, Narrow;
    /// Block a key or a program for good.
    TidegateDevicesBlock = "tidegate.devices.block", OwnSurfaces, Narrow;
    /// Unblock it.
    TidegateDevicesUnblock = "tidegate.devices.unblock", OwnSurfaces, Widen;
    /// Everything that waits for the person, in full.
    TidegateDevicesWaiting = "tidegate.devices.waiting", OwnSurfaces, Look;
    /// How OpenClaw's clients are aimed at this gateway.
    TidegateConnect = "tidegate.connect", OwnSurfaces, Look;
    /// Open the dialog of a waiting request or command.
    TidegateReview = "tidegate.review", OwnSurfaces, Wish;
    /// Open the dialog for a new program token.
    TidegateTokenWish = "tidegate.token.wish", OwnSurfaces, Wish;
    /// Open the dialog for a model server's key.
    TidegateModelsWish = "tidegate.models.wish", OwnSurfaces, Wish;
    /// What the configuration file would open, and what became of it.
    TidegateConfigList = "tidegate.config.list", OwnSurfaces, Look;
    /// Let a value of the configuration file count that opens something.
    TidegateConfigConfirm = "tidegate.config.confirm", OwnSurfaces, Widen;
    /// Refuse it, or take it back.
    TidegateConfigReject = "tidegate.config.reject", OwnSurfaces, Narrow;
    /// The commands of agents that run now.
    TidegateCommandsList = "tidegate.commands.list", OwnSurfaces, Look;
    /// Interrupt one, as Ctrl-C does.
    TidegateCommandsInterrupt = "tidegate.commands.interrupt", OwnSurfaces, Narrow;
    /// Files that agents' commands planted and that were set aside.
    TidegateFilesList = "tidegate.files.list", OwnSurfaces, Look;
    /// One of them, with what is in it.
    TidegateFilesShow = "tidegate.files.show", OwnSurfaces, Look;
    /// Put one back where it was.
    TidegateFilesKeep = "tidegate.files.keep", OwnSurfaces, Widen;
    /// Remove one for good.
    TidegateFilesDiscard = "tidegate.files.discard", OwnSurfaces, Narrow;
    /// Give a folder copies of its own of files that other folders hold as well.
    TidegateFilesUnshare = "tidegate.files.unshare", OwnSurfaces, Widen;
    /// The audit log.
    TidegateAudit = "tidegate.audit", OwnSurfaces, Look;
    /// Add a model provider.
    TidegateModelsAdd = "tidegate.models.add", OwnSurfaces, Administer;
    /// Choose the model, unless its server was only found on this computer.
    TidegateModelsUse = "tidegate.models.use", OwnSurfaces, Work;
    /// Take a server that was found on this computer into use, and choose its model.
    TidegateModelsTake = "tidegate.models.take", OwnSurfaces, Widen;
    /// Ask a model one small question.
    TidegateModelsTest = "tidegate.models.test", OwnSurfaces, Work;
    /// No new model call or tool.
    TidegatePause = "tidegate.pause", OwnSurfaces, Narrow;
    /// Go on.
    TidegateResume = "tidegate.resume", OwnSurfaces, Work;
    /// Spawn through the whole path, leaving no history.
    TidegateSelfTest = "tidegate.selftest", OwnSurfaces, Administer;
    /// Stop.
    TidegateStop = "tidegate.stop", OwnSurfaces, Administer;
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
