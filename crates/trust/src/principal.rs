//! Who a session acts as.

use serde_json::json;
use tidegate_protocol::method::{Access, Power};
use tidegate_protocol::not_served;
use tidegate_protocol::{
    ClientInfo, ConnectionId, DeviceId, Dialect, ErrorCode, ErrorShape, Event, Method, Scope,
};

use crate::decision::Desktop;
use crate::origin::{Origin, Peer};
use crate::scopes::{Level, ScopeSet};

/// Who a session acts as. There is no variant for "local": being local proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Tidegate's own subagent client.
    SubagentClient,
    /// The person's command line, on the local socket.
    CommandLine,
    /// A window of the desktop: a page that shows, and takes away, and never lets anyone in.
    Window,
    /// A paired device.
    Device(DeviceId),
    /// A program without a device, by its grant's id.
    Program(String),
    /// The holder of a program's own token, by the token's id.
    ProgramToken(String),
    /// Someone with a valid credential who asked for nothing: only `health` answers.
    Visitor,
}

impl Principal {
    /// Whether it is a client: neither Tidegate itself nor a surface of the person.
    #[must_use]
    pub fn is_client(&self) -> bool {
        match self {
            Self::SubagentClient | Self::CommandLine | Self::Window => false,
            Self::Device(_) | Self::Program(_) | Self::ProgramToken(_) | Self::Visitor => true,
        }
    }

    /// The principal's name in the audit log.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::SubagentClient => "tidegate-subagent-client".to_owned(),
            Self::CommandLine => "tidegate-cli".to_owned(),
            Self::Window => "tidegate-window".to_owned(),
            Self::Device(id) => format!("device {id}"),
            Self::Program(id) => format!("program {id}"),
            Self::ProgramToken(id) => format!("token {id}"),
            Self::Visitor => "visitor".to_owned(),
        }
    }
}

/// A connection that was let in. Only admission makes one: there is no other way to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    connection: ConnectionId,
    principal: Principal,
    dialect: Dialect,
    scopes: ScopeSet,
    client: ClientInfo,
}

/// Why a session may not call a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// It lacks a scope.
    MissingScope(Scope),
    /// Only a surface of the person may, and not every one.
    LocalOnly,
    /// A dialog is there for the person to decide in.
    DesktopDecides,
}

impl Denied {
    /// The error answer.
    #[must_use]
    pub fn answer(&self, dialect: Dialect, method: &str) -> ErrorShape {
        match self {
            Self::MissingScope(scope) => dialect.missing_scope(scope),
            // To everyone else these methods do not exist.
            Self::LocalOnly => unknown_method(method),
            Self::DesktopDecides => desktop_decides(),
        }
    }
}

/// The answer where a dialog decides.
#[must_use]
pub fn desktop_decides() -> ErrorShape {
    ErrorShape::new(ErrorCode::Forbidden, "a person decides this in Tidegate's dialog")
}

/// The answer to a method that does not exist here, whatever the session may do. OpenClaw's clients know
/// it by how its message begins.
#[must_use]
pub fn unknown_method(method: &str) -> ErrorShape {
    let shown = tidegate_protocol::text::one_line(method, 128);
    match not_served::is_not_served(method) {
        true => ErrorShape::invalid(format!("unknown method: {shown} (Tidegate does not have it)"))
            .with_details(json!({ "reason": "METHOD_NOT_SERVED" })),
        false => ErrorShape::invalid(format!("unknown method: {shown}")),
    }
}

impl Session {
    pub(crate) fn new(
        connection: ConnectionId,
        principal: Principal,
        dialect: Dialect,
        scopes: ScopeSet,
        client: ClientInfo,
    ) -> Self {
        Self { connection, principal, dialect, scopes, client }
    }

    /// The connection that it was admitted on.
    #[must_use]
    pub fn connection(&self) -> &ConnectionId {
        &self.connection
    }

    /// Who it acts as.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The protocol version it speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What it may do.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// What the client says of itself.
    #[must_use]
    pub fn client(&self) -> &ClientInfo {
        &self.client
    }

    /// Whether it may call a method.
    ///
    /// # Errors
    /// What it lacks.
    pub fn authorize(&self, method: Method, desktop: Desktop) -> Result<(), Denied> {
        match (&self.principal, method.power()) {
            (Principal::Window, Power::Widen) => return Err(Denied::DesktopDecides),
            (Principal::Window, Power::Administer) => return Err(Denied::LocalOnly),
            (Principal::CommandLine, Power::Widen) if desktop == Desktop::Running => {
                return Err(Denied::DesktopDecides);
            }
            _ => {}
        }
        match method.access() {
            Access::Anyone => Ok(()),
            Access::Scope(scope) if self.scopes.covers(&scope) => Ok(()),
            Access::Scope(scope) => Err(Denied::MissingScope(scope)),
            Access::OwnSurfaces if self.is_own_surface() => Ok(()),
            Access::OwnSurfaces => Err(Denied::LocalOnly),
        }
    }

    /// Whether it is a surface of the person: the command line, or a window.
    #[must_use]
    pub fn is_own_surface(&self) -> bool {
        matches!(self.principal, Principal::CommandLine | Principal::Window)
    }

    /// Whether it gets an event.
    #[must_use]
    pub fn receives(&self, event: Event) -> bool {
        event.guard().is_none_or(|scope| self.scopes.covers(&scope))
    }

    /// Whether runs that it starts act for the owner. The scope of our own client's connection is not run
    /// authority: what its runs may do comes with them.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        match self.principal {
            Principal::SubagentClient => false,
            // The person who types there is the owner; that lets nobody in and allows no command.
            Principal::Window => true,
            _ => self.scopes.covers(&Scope::Admin),
        }
    }
}

/// The session of the person's command line, on a connection of the local socket whose peer was
/// looked up: our own user, and no tool.
///
/// # Errors
/// A sentence for the client.
pub fn command_line_session(
    connection: ConnectionId,
    origin: &Origin,
    client: ClientInfo,
) -> Result<Session, &'static str> {
    match origin {
        Origin::LocalSocket(Peer::Process { same_user: true, .. }) => {
            let scopes = ScopeSet::from(Level::Full).union(&[Scope::Pairing].into_iter().collect());
            Ok(Session::new(connection, Principal::CommandLine, Dialect::NEWEST, scopes, client))
        }
        Origin::LocalSocket(Peer::Tool { .. }) => {
            Err("programs that the agent started cannot control Tidegate")
        }
        Origin::LocalSocket(Peer::Process { same_user: false, .. }) => {
            Err("only the user who runs Tidegate can control it")
        }
        _ => Err(
            "the connecting program could not be identified; a terminal inside a sandbox such as Flatpak \
             cannot control Tidegate, so use one outside of it",
        ),
    }
}

/// The session of a window, on a connection that the shell of a desktop opened. Its scopes never
/// hold `operator.admin`: what needs that is not for a page.
///
/// # Errors
/// A sentence, when the connection was opened otherwise.
pub fn window_session(
    connection: ConnectionId,
    origin: &Origin,
    client: ClientInfo,
) -> Result<Session, &'static str> {
    let Origin::Window(_) = origin else {
        return Err("only Tidegate's own desktop opens windows");
    };
    let scopes = [Scope::Read, Scope::Write, Scope::Approvals, Scope::Questions, Scope::Pairing];
    Ok(Session::new(connection, Principal::Window, Dialect::NEWEST, scopes.into(), client))
}
