//! Who is at the other end of a local connection, as the kernel tells.

use std::net::SocketAddr;

use tidegate_trust::origin::Peer;

/// How the kernel knows a local connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalSocket {
    /// A TCP connection over loopback.
    Tcp {
        /// The other end.
        peer: SocketAddr,
        /// Our end.
        local: SocketAddr,
    },
    /// A connection on the Unix socket, with the credentials that the kernel took at `connect`.
    Unix {
        /// The process that connected.
        pid: u32,
        /// Its user.
        uid: u32,
    },
}

/// Looks peers up. The calls block (they read `/proc`), so they run off the async workers, a few
/// at a time.
pub trait PeerLookup: Send + Sync + 'static {
    /// Whether the peer is a descendant of this process: [`Peer::Tool`], [`Peer::NotATool`], or
    /// [`Peer::Unknown`] where that cannot be ruled out. Free of cost when this process has no
    /// children.
    fn ancestry(&self, socket: LocalSocket) -> Peer;

    /// The peer's user and program: [`Peer::Process`], [`Peer::Tool`] or [`Peer::Unknown`].
    fn program(&self, socket: LocalSocket) -> Peer;
}
