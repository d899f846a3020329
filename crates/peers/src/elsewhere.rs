//! Systems whose kernels are not asked yet.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tidegate_trust::origin::{CommandsAlive, Peer};

use crate::commands::RunningCommands;
use crate::lookup::{LocalSocket, PeerLookup};
use crate::orphans::Orphans;
use crate::port_owner::PortOwner;

/// The process that connected to a Unix socket, by its number alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixPeer {
    pid: u32,
    uid: u32,
}

impl UnixPeer {
    /// The process with these credentials of the socket.
    #[must_use]
    pub fn at_accept<Socket>(_socket: Socket, pid: u32, uid: u32) -> Self {
        Self { pid, uid }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The id of the user it runs as.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }
}

/// Nobody is identified, so what depends on that is refused; a known device key or a program's own
/// token works.
#[derive(Debug)]
pub struct KernelPeers {
    commands: RunningCommands,
}

impl KernelPeers {
    /// Nothing is looked into, so nothing but `commands` is needed.
    #[must_use]
    pub fn new(_agent_writable: Vec<PathBuf>, commands: RunningCommands) -> Self {
        Self { commands }
    }

    /// Nothing is looked into.
    pub fn add_agent_writable(&self, _directory: &Path) {}

    /// The user, for the local socket, where the kernel gave it with the connection.
    #[must_use]
    pub fn user(socket: &LocalSocket) -> Option<u32> {
        match socket {
            LocalSocket::Tcp { .. } => None,
            LocalSocket::Unix(peer) => Some(peer.uid),
        }
    }
}

impl PeerLookup for KernelPeers {
    fn commands(&self) -> CommandsAlive {
        self.commands.alive()
    }

    fn commands_at_once(&self) -> Option<CommandsAlive> {
        Some(self.commands.alive())
    }

    fn ancestry(&self, _socket: &LocalSocket, _deadline: Instant) -> Peer {
        Peer::Unknown { uid: None }
    }

    fn program(&self, _socket: &LocalSocket, _deadline: Instant) -> Peer {
        Peer::Unknown { uid: None }
    }
}

pub(crate) fn started(_pid: u32) -> Option<u64> {
    None
}

pub(crate) fn end_orphans(_state_dir: &Path, _patience: Duration) -> io::Result<Orphans> {
    Ok(Orphans::default())
}

pub(crate) fn port_owner(_port: u16) -> io::Result<Option<PortOwner>> {
    Err(io::ErrorKind::Unsupported.into())
}
