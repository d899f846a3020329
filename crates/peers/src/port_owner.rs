//! Who listens on a port, as the process table tells. Nobody is connected to.

use std::{fmt, io};

use crate::platform;

/// What a process is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kin {
    /// Nothing speaks for a tool.
    None,
    /// It is gone, its parents come and go, or it has the mark that tools share with programs in other
    /// sandboxes.
    Unidentified,
    /// An agent started it.
    Tool,
}

/// The owner of a listening port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortOwner {
    /// The program's file, cleaned; `None` where only the user is known.
    pub program: Option<String>,
    /// Its process id, likewise.
    pub pid: Option<u32>,
    pub user: u32,
    /// Whether that is our own user.
    pub is_own_user: bool,
    /// What it is to us. Tools run as our own user, so another user's program that is not shown to us
    /// is none.
    pub kin: Kin,
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
/// nobody listens. Of several sockets, and several processes that have one open, the one counts that
/// is to be trusted least. Blocks, for a few milliseconds as a rule.
///
/// # Errors
/// When the system does not tell.
pub fn find(port: u16) -> io::Result<Option<PortOwner>> {
    platform::port_owner(port)
}
