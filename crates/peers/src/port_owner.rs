//! Who listens on a port, as the process table tells. Nobody is connected to.

use std::fmt;
#[cfg(target_os = "linux")]
use std::time::Duration;

/// How long the owner of a port is looked for.
#[cfg(target_os = "linux")]
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// The owner of a listening port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortOwner {
    /// The program's file, cleaned; `None` where only the user is known.
    pub program: Option<String>,
    /// Its process id, likewise.
    pub pid: Option<u32>,
    /// The user.
    pub user: u32,
}

impl fmt::Display for PortOwner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.program, self.pid) {
            (Some(program), Some(pid)) => write!(formatter, "{program} (process {pid}, user {})", self.user),
            (None, Some(pid)) => write!(formatter, "process {pid} of user {}", self.user),
            _ => write!(formatter, "a program of user {}", self.user),
        }
    }
}

/// The owner of the socket that listens on a TCP port of loopback or of every address; `None` where
/// the system does not tell.
#[must_use]
pub fn find(port: u16) -> Option<PortOwner> {
    #[cfg(target_os = "linux")]
    let owner = crate::linux::port_owner(port);
    #[cfg(not(target_os = "linux"))]
    let owner = {
        let _ = port;
        None
    };
    owner
}
