//! The system's way of looking peers up.

#[cfg(target_os = "linux")]
pub use crate::peer_linux::KernelPeers;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::KernelPeers;

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::path::PathBuf;

    use tidegate_trust::origin::Peer;

    use crate::peer::{LocalSocket, PeerLookup};

    /// Systems whose kernels are not asked yet. Ancestry is unknown for everyone, so whatever
    /// depends on it is refused; a known device key or a program's own token works.
    #[derive(Debug)]
    pub struct KernelPeers {}

    impl KernelPeers {
        /// Nothing is looked into, so nothing is needed.
        #[must_use]
        pub fn new(_agent_writable: Vec<PathBuf>) -> Self {
            Self {}
        }

        /// The user, for the local socket, where the kernel gave it with the connection.
        #[must_use]
        pub fn user(socket: LocalSocket) -> Option<u32> {
            match socket {
                LocalSocket::Tcp { .. } => None,
                LocalSocket::Unix { uid, .. } => Some(uid),
            }
        }
    }

    impl PeerLookup for KernelPeers {
        fn ancestry(&self, _socket: LocalSocket) -> Peer {
            Peer::Unknown
        }

        fn program(&self, _socket: LocalSocket) -> Peer {
            Peer::Unknown
        }
    }
}
