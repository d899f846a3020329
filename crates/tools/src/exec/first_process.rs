//! The first process inside a command's sandbox, held from its start on.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A handle of the process with the number 1 in a sandbox. Once that one has ended, the kernel has ended all
/// others inside (`pid_namespaces(7)`), whichever process outside was killed.
#[derive(Debug)]
pub(super) struct FirstProcess(OwnedFd);

impl FirstProcess {
    /// The one in the sandbox that `holder` holds, a child of `run_tool`; none where either has ended.
    pub(super) fn of(run_tool: u32, holder: i32) -> Option<Self> {
        let run_tool = i32::try_from(run_tool).ok()?;
        let seen = || {
            let is_ours = children(run_tool).contains(&holder);
            children(holder).first().copied().filter(|_| is_ours)
        };
        let first = seen()?;
        let handle = pidfd_open(Pid::from_raw(first)?, PidfdFlags::empty()).ok()?;
        // The handle is for the process that has the number now: it must still be the one that was seen.
        (seen() == Some(first)).then_some(Self(handle))
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

/// What a process has started with its first thread and that is there still.
fn children(process: i32) -> Vec<i32> {
    let list = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    list.unwrap_or_default().split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_of_anybody_else_is_not_taken() {
        let mut parent = Command::new("sh").args(["-c", "sleep 5 & wait"]).spawn().expect("a shell");
        let holder = i32::try_from(parent.id()).expect("a number");
        while children(holder).is_empty() {
            std::thread::yield_now();
        }

        // Its parent is this process, and not the shell itself.
        assert!(FirstProcess::of(parent.id(), holder).is_none());

        parent.kill().expect("ended");
        parent.wait().expect("collected");
    }
}
