//! The first process inside a command's sandbox, held from its start on.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A handle of the process with the number 1 in a sandbox. Once that one has ended, the kernel has ended all
/// others inside (`pid_namespaces(7)`), whichever process outside was killed.
#[derive(Debug)]
pub(super) struct FirstProcess(OwnedFd);

impl FirstProcess {
    /// The one in the sandbox that a process holds; none where that has ended.
    pub(super) fn of(holder: i32) -> Option<Self> {
        let children = Path::new("/proc").join(format!("{holder}/task/{holder}/children"));
        let child = || {
            let children = std::fs::read_to_string(&children).ok()?;
            children.split_ascii_whitespace().next()?.parse().ok().and_then(Pid::from_raw)
        };
        let first = child()?;
        let handle = pidfd_open(first, PidfdFlags::empty()).ok()?;
        // The handle is for the process that has the number now: it must still be the child that was seen.
        (child() == Some(first)).then_some(Self(handle))
    }

    /// Kills it. Whether everything inside has ended within the limit. Blocks until then.
    pub(super) fn end(self, limit: Duration) -> bool {
        // Where it has ended already there is nobody to kill.
        let _ = pidfd_send_signal(&self.0, Signal::KILL);
        let Ok(limit) = Timespec::try_from(limit) else { return false };
        // The descriptor is readable when the process has ended (pidfd_open(2)).
        let mut ended = [PollFd::new(&self.0, PollFlags::IN)];
        retry_on_intr(|| poll(&mut ended, Some(&limit))).is_ok_and(|ready| ready > 0)
    }
}
