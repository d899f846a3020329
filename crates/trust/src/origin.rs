//! Where a connection comes from. The acceptor decides it, never the bytes.

use std::net::IpAddr;

use crate::approval::program_of;
use crate::program::Program;

/// Where a connection comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The in-memory transport, opened by this process for its own subagent client.
    InProcess(InProcess),
    /// The in-memory transport, opened by the shell of a desktop for one of its windows.
    Window(OpenedWindow),
    /// The local socket in the private state directory.
    LocalSocket(Peer),
    /// Loopback. Shared by every user and container of the machine: it proves nothing.
    Loopback(Peer),
    /// An address that is not loopback.
    Remote {
        /// The peer's address.
        address: IpAddr,
    },
}

/// Proof that a connection was opened inside this process: only the acceptor of the in-memory
/// transport holds a [`InProcessKey`], and only that makes it.
///
/// ```compile_fail,E0451
/// let proof = tidegate_trust::origin::InProcess { _private: () };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InProcess {
    _private: (),
}

/// The right to call a connection in-process. There is one for each [`crate::Authority`], made with
/// it.
///
/// ```compile_fail,E0451
/// let key = tidegate_trust::origin::InProcessKey { _private: () };
/// ```
///
/// ```compile_fail,E0624
/// let key = tidegate_trust::origin::InProcessKey::new();
/// ```
#[derive(Debug)]
pub struct InProcessKey {
    _private: (),
}

impl InProcessKey {
    pub(crate) fn new() -> Self {
        Self { _private: () }
    }

    /// The origin of a connection over the in-memory transport.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin::InProcess(InProcess { _private: () })
    }
}

/// Proof that the shell of a desktop opened a connection for a window: only the holder of a
/// [`DesktopKey`] makes it.
///
/// ```compile_fail,E0451
/// let proof = tidegate_trust::origin::OpenedWindow { _private: () };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedWindow {
    _private: (),
}

/// The right to act for the person at a desktop: to take the decisions of the native dialog, and to
/// open windows. There is at most one, given out by [`crate::Authority::take_desktop_key`].
///
/// ```compile_fail,E0451
/// let key = tidegate_trust::origin::DesktopKey { _private: () };
/// ```
///
/// ```compile_fail,E0624
/// let key = tidegate_trust::origin::DesktopKey::new();
/// ```
#[derive(Debug)]
pub struct DesktopKey {
    _private: (),
}

impl DesktopKey {
    pub(crate) fn new() -> Self {
        Self { _private: () }
    }

    /// The origin of a window's connection.
    #[must_use]
    pub fn window(&self) -> Origin {
        Origin::Window(OpenedWindow { _private: () })
    }
}

/// Who is at the other end, as far as the kernel tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Nobody looked yet. Looking costs time, so it happens only where it decides something.
    NotLookedUp,
    /// No agent started it. More was not looked up.
    NotATool,
    /// It could not be identified: the process is gone, the kernel does not tell, or a command of an
    /// agent could have put the socket into its hands.
    Unknown {
        /// Its user, where the kernel told that much.
        uid: Option<u32>,
    },
    /// A process that an agent started: a tool.
    Tool {
        /// The tool's command line, cleaned.
        command: String,
    },
    Process {
        /// The id of its user.
        uid: u32,
        /// Whether that is our own user.
        same_user: bool,
        /// Its program; `None` when only the user is known.
        program: Option<Program>,
    },
}

/// Which commands of agents may be alive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommandsAlive {
    /// No command runs.
    #[default]
    None,
    /// Only such as have no way to the gateway, to the sockets of other programs, and to a person's
    /// keys.
    Contained,
    /// One that may do more than that.
    Beyond,
}

impl Origin {
    /// Who is at the other end, for local ones.
    #[must_use]
    pub fn peer(&self) -> Option<&Peer> {
        match self {
            Self::LocalSocket(peer) | Self::Loopback(peer) => Some(peer),
            Self::InProcess(_) | Self::Window(_) | Self::Remote { .. } => None,
        }
    }

    /// Words for a person.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::InProcess(_) | Self::Window(_) => "inside Tidegate".to_owned(),
            Self::LocalSocket(peer) | Self::Loopback(peer) => match peer {
                Peer::NotLookedUp | Peer::NotATool => "this computer".to_owned(),
                Peer::Unknown { uid: None } => {
                    "this computer, a program that could not be identified".to_owned()
                }
                Peer::Unknown { uid: Some(uid) } => {
                    format!("this computer, a program of user {uid} that could not be identified")
                }
                Peer::Tool { command } => {
                    format!("this computer, started by the agent: {}", program_of(command))
                }
                Peer::Process { uid, same_user, program } => {
                    let user = if *same_user { String::new() } else { format!(", another user ({uid})") };
                    let program = program.as_ref().map(|program| format!(": {}", program.describe()));
                    format!("this computer{user}{}", program.unwrap_or_default())
                }
            },
            Self::Remote { address } if is_local_network(*address) => format!("local network, {address}"),
            Self::Remote { address } => format!("internet, {address}"),
        }
    }

    /// What caps and delays are counted by: the finest that is known of program, user, address.
    #[must_use]
    pub fn source(&self) -> String {
        match self {
            Self::InProcess(_) => "in-process".to_owned(),
            Self::Window(_) => "window".to_owned(),
            Self::LocalSocket(peer) | Self::Loopback(peer) => match peer {
                Peer::NotLookedUp | Peer::NotATool | Peer::Unknown { uid: None } => "loopback".to_owned(),
                Peer::Tool { .. } => "tool".to_owned(),
                Peer::Unknown { uid: Some(uid) } | Peer::Process { uid, program: None, .. } => {
                    format!("user {uid}")
                }
                Peer::Process { uid, program: Some(program), .. } => {
                    format!("user {uid} {}", program.describe())
                }
            },
            Self::Remote { address } => address.to_canonical().to_string(),
        }
    }

    /// What caps over all programs are counted by: the user, or the address.
    #[must_use]
    pub fn user(&self) -> String {
        match self.peer() {
            Some(Peer::Process { uid, .. } | Peer::Unknown { uid: Some(uid) }) => format!("user {uid}"),
            _ => self.source(),
        }
    }
}

fn is_local_network(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    }
}
