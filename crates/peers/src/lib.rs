//! Who is at the other end of a socket on this computer, as the kernel tells: its user, its program,
//! and whether an agent started it. What follows from that is decided elsewhere.

pub mod commands;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;
mod lookup;
pub mod orphans;
pub mod port_owner;
mod resolver;

#[cfg(not(target_os = "linux"))]
use elsewhere as platform;
#[cfg(target_os = "linux")]
use linux as platform;

pub use lookup::{LocalSocket, PeerLookup};
pub use platform::{KernelPeers, UnixPeer};
pub use resolver::PeerResolver;
