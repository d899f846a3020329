//! Events, who may get them and what they carry: one table (guards as 2026.9.6 has them).

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::payload::{approvals, devices, events, system};
use crate::scope::Scope;

/// An event with the type of what it carries.
pub trait EventType {
    /// Its row among [`Event::ALL`].
    const EVENT: Event;
    /// What it carries.
    type Payload: Serialize + JsonSchema;
}

/// An event that opens a connection. No other goes out without a number: see [`crate::frame`].
pub trait OpeningEvent: EventType {}

impl OpeningEvent for ConnectChallenge {}
impl OpeningEvent for TidegateWelcome {}
impl OpeningEvent for TidegateRefused {}

macro_rules! events {
    ($($(#[$meta:meta])* $variant:ident = $name:literal, $guard:expr => $payload:ty;)*) => {
        /// An event that the gateway sends.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Event {
            $($(#[$meta])* $variant,)*
        }

        impl Event {
            /// All events, in the order of the table.
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

            /// The schema of what it carries.
            pub(crate) fn schema(self, generator: &mut SchemaGenerator) -> Schema {
                match self { $(Self::$variant => generator.subschema_for::<$payload>(),)* }
            }
        }

        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Copy)]
            pub struct $variant;

            impl EventType for $variant {
                const EVENT: Event = Event::$variant;
                type Payload = $payload;
            }
        )*
    };
}

events! {
    /// The first frame of a connection.
    ConnectChallenge = "connect.challenge", None => events::ConnectChallengeEvent;
    /// A sign of life.
    Tick = "tick", None => events::TickEvent;
    /// The gateway stops.
    Shutdown = "shutdown", None => events::ShutdownEvent;
    /// A health snapshot.
    Health = "health", None => system::HealthResult;
    /// Who is connected.
    Presence = "presence", Some(Scope::Read) => events::PresenceEvent;
    /// A step of a run.
    Agent = "agent", Some(Scope::Read) => events::AgentEvent;
    /// A step of a chat turn.
    Chat = "chat", Some(Scope::Read) => events::ChatEvent;
    /// A transcript entry, to subscribers.
    SessionMessage = "session.message", Some(Scope::Read) => events::SessionMessageEvent;
    /// A tool call, to subscribers.
    SessionTool = "session.tool", Some(Scope::Read) => events::AgentEvent;
    /// A session changed, to subscribers.
    SessionsChanged = "sessions.changed", Some(Scope::Read) => events::SessionsChangedEvent;
    /// A command waits for a person.
    ExecApprovalRequested = "exec.approval.requested", Some(Scope::Approvals) => approvals::WaitingApproval;
    /// A command was decided.
    ExecApprovalResolved = "exec.approval.resolved", Some(Scope::Approvals) => approvals::ApprovalResolvedEvent;
    /// A device or program asks to pair.
    DevicePairRequested = "device.pair.requested", Some(Scope::Pairing) => devices::PendingDevice;
    /// A pairing request was decided, superseded or expired.
    DevicePairResolved = "device.pair.resolved", Some(Scope::Pairing) => events::DevicePairResolvedEvent;
    /// Something that the person's windows show has changed. To windows only; not part of
    /// OpenClaw's protocol.
    TidegateChanged = "tidegate.changed", Some(Scope::Read) => events::ChangedEvent;
    /// The first frame to a surface of the person.
    TidegateWelcome = "tidegate.welcome", None => events::WelcomeEvent;
    /// Why a surface was not admitted.
    TidegateRefused = "tidegate.refused", None => events::RefusedEvent;
}

impl Event {
    /// Whether `hello-ok.features.events` lists it: everything of OpenClaw's protocol.
    #[must_use]
    pub fn is_advertised(self) -> bool {
        !matches!(self, Self::TidegateChanged | Self::TidegateWelcome | Self::TidegateRefused)
    }
}
