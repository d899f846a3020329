//! Who called `connect` on a Unix socket, by a handle that no other process gets.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::sys::socket::{getsockopt, sockopt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::processes;

/// The process that called `connect`. Its number may be given to another one once it has ended, so it
/// is held by a process descriptor (`SO_PEERPIDFD`, Linux 6.5) and by its start time, read when the
/// connection was accepted.
#[derive(Debug, Clone)]
pub struct UnixPeer {
    pid: u32,
    uid: u32,
    handle: Option<Arc<OwnedFd>>,
    started: Option<u64>,
}

impl UnixPeer {
    /// The peer of a socket with these credentials. To be called as soon as the connection is
    /// accepted: where the kernel gives no descriptor, a process that got the number before this
    /// cannot be told from the one that connected.
    #[must_use]
    pub fn at_accept(socket: impl AsFd, pid: u32, uid: u32) -> Self {
        let handle = getsockopt(&socket.as_fd(), sockopt::PeerPidfd).ok().map(Arc::new);
        Self { handle, ..Self::without_handle(pid, uid) }
    }

    /// What [`Self::at_accept`] gives on a kernel without process descriptors for peers. Start times are
    /// in hundredths of a second, and using up all numbers takes longer.
    #[must_use]
    pub fn without_handle(pid: u32, uid: u32) -> Self {
        Self { pid, uid, handle: None, started: processes::stat(pid).ok().map(|stat| stat.started) }
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

    /// Whether the number still belongs to the process that connected. What was read under the number
    /// before this said yes is that process's.
    pub(super) fn is_there(&self) -> bool {
        let is_same = processes::stat(self.pid).ok().map(|stat| stat.started) == self.started;
        self.started.is_some() && is_same && self.handle.as_deref().is_none_or(is_alive)
    }
}

/// A process descriptor is readable once the process has ended.
fn is_alive(handle: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(handle, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut polled, Some(&at_once)), Ok(0))
}
