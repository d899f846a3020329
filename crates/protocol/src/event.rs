//! Events and who may get them (protocol section 16; guards as 2026.9.6 has them).

use crate::scope::Scope;

macro_rules! events {
    ($($(#[$meta:meta])* $variant:ident = $name:literal, $guard:expr;)*) => {
        /// An event that the gateway sends.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Event {
            $($(#[$meta])* $variant,)*
        }

        impl Event {
            /// All events.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The event's name on the wire.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The scope that a session needs to get it; `None` when every operator does.
            #[must_use]
            pub fn guard(self) -> Option<Scope> {
                match self { $(Self::$variant => $guard,)* }
            }
        }
    };
}

events! {
    /// The first frame of a connection.
    ConnectChallenge = "connect.challenge", None;
    /// A sign of life.
    Tick = "tick", None;
    /// The gateway stops.
    Shutdown = "shutdown", None;
    /// A health snapshot.
    Health = "health", None;
    /// Who is connected.
    Presence = "presence", Some(Scope::Read);
    /// A step of a run.
    Agent = "agent", Some(Scope::Read);
    /// A step of a chat turn.
    Chat = "chat", Some(Scope::Read);
    /// A transcript entry, to subscribers.
    SessionMessage = "session.message", Some(Scope::Read);
    /// A tool call, to subscribers.
    SessionTool = "session.tool", Some(Scope::Read);
    /// A session changed, to subscribers.
    SessionsChanged = "sessions.changed", Some(Scope::Read);
    /// A command waits for a person.
    ExecApprovalRequested = "exec.approval.requested", Some(Scope::Approvals);
    /// A command was decided.
    ExecApprovalResolved = "exec.approval.resolved", Some(Scope::Approvals);
    /// A device or program knocks.
    DevicePairRequested = "device.pair.requested", Some(Scope::Pairing);
    /// A pairing request was decided, superseded or expired.
    DevicePairResolved = "device.pair.resolved", Some(Scope::Pairing);
    /// Something that the person's windows show has changed. To windows only; not part of
    /// OpenClaw's protocol.
    TidegateChanged = "tidegate.changed", Some(Scope::Read);
}

impl Event {
    /// Whether `hello-ok.features.events` lists it: everything of OpenClaw's protocol.
    #[must_use]
    pub fn is_advertised(self) -> bool {
        self != Self::TidegateChanged
    }
}
