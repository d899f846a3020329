//! The methods that the gateway serves: one table, with 2026.9.6's scopes. A method without a
//! scope does not compile.

use crate::scope::Scope;

/// Who may call a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Every session, also one without scopes.
    Anyone,
    /// A session that has the scope.
    Scope(Scope),
    /// Only the person's own command line, on the local socket. Not part of OpenClaw's protocol.
    LocalSocket,
}

macro_rules! methods {
    ($($(#[$meta:meta])* $variant:ident = $name:literal, $access:expr;)*) => {
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
        }
    };
}

use Access::{Anyone, LocalSocket};

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
    Health = "health", Anyone;
    /// Runtime, sessions and tasks in numbers.
    Status = "status", read();
    /// Who is connected.
    SystemPresence = "system-presence", read();
    /// A presence beacon.
    SystemEvent = "system-event", admin();
    /// The last heartbeat; there are none.
    LastHeartbeat = "last-heartbeat", read();
    /// Waiting and paired devices.
    DevicePairList = "device.pair.list", pairing();
    /// Grant what a device asks for.
    DevicePairApprove = "device.pair.approve", pairing();
    /// Refuse it.
    DevicePairReject = "device.pair.reject", pairing();
    /// Forget a device.
    DevicePairRemove = "device.pair.remove", pairing();
    /// Name a device.
    DevicePairRename = "device.pair.rename", pairing();
    /// A new device token.
    DeviceTokenRotate = "device.token.rotate", pairing();
    /// No device token.
    DeviceTokenRevoke = "device.token.revoke", pairing();
    /// Sessions, newest first.
    SessionsList = "sessions.list", read();
    /// One session.
    SessionsDescribe = "sessions.describe", read();
    /// The last lines of sessions.
    SessionsPreview = "sessions.preview", read();
    /// Change a session's settings.
    SessionsPatch = "sessions.patch", admin();
    /// A new transcript.
    SessionsReset = "sessions.reset", admin();
    /// Forget a session.
    SessionsDelete = "sessions.delete", admin();
    /// Session events to this connection.
    SessionsSubscribe = "sessions.subscribe", read();
    /// One session's transcript events to this connection.
    SessionsMessagesSubscribe = "sessions.messages.subscribe", read();
    /// No more of them.
    SessionsMessagesUnsubscribe = "sessions.messages.unsubscribe", read();
    /// A chat turn.
    ChatSend = "chat.send", write();
    /// A session's transcript.
    ChatHistory = "chat.history", read();
    /// Stop chat turns.
    ChatAbort = "chat.abort", write();
    /// A run, with two answers.
    Agent = "agent", write();
    /// Wait for a run to end.
    AgentWait = "agent.wait", write();
    /// The assistant's name.
    AgentIdentityGet = "agent.identity.get", read();
    /// The agents.
    AgentsList = "agents.list", read();
    /// The models.
    ModelsList = "models.list", read();
    /// The configuration, redacted.
    ConfigGet = "config.get", read();
    /// The tools.
    ToolsCatalog = "tools.catalog", read();
    /// The slash commands; there are none.
    CommandsList = "commands.list", read();
    /// A slice of the log.
    LogsTail = "logs.tail", read();
    /// Ask for a command to be allowed.
    ExecApprovalRequest = "exec.approval.request", approvals();
    /// Commands that wait for a decision.
    ExecApprovalList = "exec.approval.list", approvals();
    /// Decide one.
    ExecApprovalResolve = "exec.approval.resolve", approvals();
    /// Wait for one to be decided.
    ExecApprovalWaitDecision = "exec.approval.waitDecision", approvals();
    /// Scheduled jobs; there are none.
    CronList = "cron.list", read();
    /// The scheduler; it has no jobs.
    CronStatus = "cron.status", read();
    /// Nodes; there are none.
    NodeList = "node.list", read();
    /// Channels; there are none.
    ChannelsStatus = "channels.status", read();
    /// Questions to a person; there are none.
    QuestionList = "question.list", Access::Scope(Scope::Questions);
    /// Approvals of plugins; there are none.
    PluginApprovalList = "plugin.approval.list", approvals();
    /// Suggested tasks; there are none.
    TaskSuggestionsList = "taskSuggestions.list", read();
    /// The whole state, for the person.
    TidegateStatus = "tidegate.status", LocalSocket;
    /// Checks of every part, with what to do.
    TidegateDoctor = "tidegate.doctor", LocalSocket;
    /// The shared token, where it can be shown.
    TidegateTokenShow = "tidegate.token.show", LocalSocket;
    /// A new shared token.
    TidegateTokenRotate = "tidegate.token.rotate", LocalSocket;
    /// A token for one program.
    TidegateTokenNew = "tidegate.token.new", LocalSocket;
    /// The tokens of programs.
    TidegateTokenList = "tidegate.token.list", LocalSocket;
    /// Take one away.
    TidegateTokenRevoke = "tidegate.token.revoke", LocalSocket;
    /// One waiting request or known device in full.
    TidegateDevicesShow = "tidegate.devices.show", LocalSocket;
    /// Decide a waiting request.
    TidegateDevicesDecide = "tidegate.devices.decide", LocalSocket;
    /// Take a device's or program's grant away.
    TidegateDevicesRevoke = "tidegate.devices.revoke", LocalSocket;
    /// Block a key for good.
    TidegateDevicesBlock = "tidegate.devices.block", LocalSocket;
    /// Unblock it.
    TidegateDevicesUnblock = "tidegate.devices.unblock", LocalSocket;
    /// The audit log.
    TidegateAudit = "tidegate.audit", LocalSocket;
    /// Add a model provider.
    TidegateModelsAdd = "tidegate.models.add", LocalSocket;
    /// Choose the model.
    TidegateModelsUse = "tidegate.models.use", LocalSocket;
    /// Ask a model one small question.
    TidegateModelsTest = "tidegate.models.test", LocalSocket;
    /// No new model call or tool.
    TidegatePause = "tidegate.pause", LocalSocket;
    /// Go on.
    TidegateResume = "tidegate.resume", LocalSocket;
    /// Spawn through the whole path, leaving no history.
    TidegateSelfTest = "tidegate.selftest", LocalSocket;
    /// Stop.
    TidegateStop = "tidegate.stop", LocalSocket;
}

impl Method {
    /// Whether `hello-ok.features.methods` lists it: everything of OpenClaw's protocol that works.
    #[must_use]
    pub fn is_advertised(self) -> bool {
        self.access() != LocalSocket
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
