//! What can be asked about a peer.

use std::net::SocketAddr;
use std::time::Instant;

use tidegate_trust::origin::{CommandsAlive, Peer};

use crate::UnixPeer;

/// How the kernel knows a local connection.
#[derive(Debug, Clone)]
pub enum LocalSocket {
    /// A TCP connection over loopback.
    Tcp {
        /// The other end.
        peer: SocketAddr,
        local: SocketAddr,
    },
    /// A connection on the Unix socket, with the process that called `connect`.
    Unix(UnixPeer),
}

/// Looks peers up. The calls block (they read `/proc`), so they run off the async workers, a few at a
/// time. What is not known at the deadline is [`Peer::Unknown`], of whom [`crate::KernelPeers::user`] may
/// still know the user.
pub trait PeerLookup: Send + Sync + 'static {
    /// Which commands of agents may be alive. Reads no more than our own children, unless they change
    /// meanwhile.
    fn commands(&self) -> CommandsAlive {
        CommandsAlive::None
    }

    /// The same, where it is known without reading anything. Does not block.
    fn commands_at_once(&self) -> Option<CommandsAlive> {
        None
    }

    /// Whether an agent started the peer: [`Peer::Tool`], [`Peer::NotATool`], or [`Peer::Unknown`]
    /// where that cannot be ruled out. Costs next to nothing when this process has no children.
    fn ancestry(&self, socket: &LocalSocket, deadline: Instant) -> Peer;

    /// The same, where it is known without reading anything. Does not block.
    fn ancestry_at_once(&self, _socket: &LocalSocket) -> Option<Peer> {
        None
    }

    /// The peer's user and program: [`Peer::Process`], [`Peer::Tool`] or [`Peer::Unknown`].
    fn program(&self, socket: &LocalSocket, deadline: Instant) -> Peer;
}
