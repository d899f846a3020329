//! Who listens on a port, as the process table tells. Nobody is connected to.

use std::fmt;

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
#[cfg(target_os = "linux")]
#[must_use]
pub fn find(port: u16) -> Option<PortOwner> {
    use std::collections::BTreeMap;

    use tidegate_protocol::text;

    use crate::{processes_linux as processes, tcp_sockets_linux as tcp_sockets};

    let socket = *tcp_sockets::listening(port).ok()?.first()?;
    let holders = processes::holders(socket.inode, socket.uid, &BTreeMap::new()).unwrap_or_default();
    let pid = holders.first().copied();
    let program = pid
        .and_then(|pid| processes::link(pid, "exe").ok())
        .map(|path| text::one_line(&path.display().to_string(), 200));
    Some(PortOwner { program, pid, user: socket.uid })
}

/// The owner of the socket that listens on a TCP port: this system is not asked.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn find(_port: u16) -> Option<PortOwner> {
    None
}
