//! Systems without child subreapers: the command's process group is all that can be found.

use rustix::process::{Pid, Signal, kill_process_group};

/// The processes of a command.
pub(super) struct Descendants {
    group: Pid,
}

impl Descendants {
    /// Those of `command`, which leads its own group.
    pub(super) fn of(command: Pid, _is_sandbox: bool) -> Self {
        Self { group: command }
    }

    /// Interrupts the command, as Ctrl-C does.
    pub(super) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Sends a signal to all of them.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
    }
}

/// Ends what is left of the group of `command` after its `run-tool` was killed.
pub(crate) fn end_session(_session: i32, command: Option<i32>) {
    if let Some(group) = command.and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Nothing: other systems tell it otherwise, and have no sandbox yet.
pub(super) fn below(_command: Pid) -> std::collections::HashSet<i32> {
    std::collections::HashSet::new()
}
