//! Confinement of commands. The sandbox is the boundary between what an agent runs and the person:
//! a command has no way to the gateway, the local socket, the state directory, the session bus, the
//! display server, the keyring, other processes, or a person's credentials, and nothing of it is left
//! when it ends.
//!
//! On Linux bubblewrap makes namespaces and mounts, and a small program of our own
//! (`tidegate-inside`) checks them, puts Landlock and limits on, and becomes the command. On other
//! systems there is no sandbox yet.

pub mod report;
pub mod spec;

#[cfg(unix)]
pub mod bubblewrap;
#[cfg(target_os = "linux")]
pub mod filter;
#[cfg(target_os = "linux")]
pub mod mounts;
#[cfg(unix)]
pub mod scope;
#[cfg(target_os = "linux")]
mod start;
#[cfg(target_os = "linux")]
pub mod trial;

#[cfg(target_os = "linux")]
pub use start::{LoopbackSockets, StartError, Started, Streams, start};
pub use tidegate_inside::{Enforcement, ExpectedIdentity, Layers, Limits};
