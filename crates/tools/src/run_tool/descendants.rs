//! Finding and signalling processes through `/proc`.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Read as _;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Rounds of killing that a host does for a `run-tool` that was killed itself.
const ROUNDS: usize = 50;

/// The processes below this one. As this process is a child subreaper, that is everything that the
/// command started, however it detached itself.
pub(super) struct Descendants {
    command: Pid,
    is_sandbox: bool,
}

impl Descendants {
    /// Those of `command`, a child of this process. It leads its own group, unless it is what holds a
    /// sandbox: that one is left out, because its end would be the end of all without a warning.
    pub(super) fn of(command: Pid, is_sandbox: bool) -> Self {
        Self { command, is_sandbox }
    }

    /// Sends a signal to all of them.
    pub(super) fn signal(&self, signal: Signal) {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let table = process_table();
        if table.is_empty() && !self.is_sandbox {
            // Without /proc the group is all that is known.
            let _ = rustix::process::kill_process_group(self.command, signal);
        }
        let mut below = below_in(&table, own);
        below.remove(&own);
        if self.is_sandbox {
            below.remove(&self.command.as_raw_nonzero().get());
        }
        for id in below {
            send(id, &table[&id], signal);
        }
    }

    /// Interrupts the command's own process group, as Ctrl-C does in a terminal: what the command started
    /// in the background, in groups or sessions of its own, is left alone.
    pub(super) fn interrupt(&self) {
        // All of the group at once: a shell that hears of it after its child has died goes on with its next
        // command.
        if let Some(group) = self.command_group(&process_table()).and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, Signal::INT);
        }
    }

    /// The process group that the command leads. In a sandbox that is the first session which the
    /// sandbox's first process has below it; orphans of the command, which it adopts, are younger.
    fn command_group(&self, table: &HashMap<i32, Entry>) -> Option<i32> {
        let outermost = self.command.as_raw_nonzero().get();
        if !self.is_sandbox {
            return Some(outermost);
        }
        let first = table.iter().find(|(_, entry)| entry.parent == outermost).map(|(id, _)| *id)?;
        let leaders = table.iter().filter(|(id, entry)| entry.parent == first && entry.session == **id);
        leaders.min_by_key(|(id, entry)| (entry.started, **id)).map(|(id, _)| *id)
    }
}

/// Ends what is left of the session that a `run-tool` led, after it was killed itself. Processes that
/// made their own session are not found: where Landlock scopes signals, a command cannot get there,
/// because it cannot kill its `run-tool`.
pub(crate) fn end_session(session: i32, _command: Option<i32>) {
    for _ in 0..ROUNDS {
        let table = process_table();
        let left: Vec<_> = table
            .iter()
            .filter(|(id, entry)| entry.session == session && **id != session && entry.state != 'Z')
            .collect();
        if left.is_empty() {
            return;
        }
        for (id, entry) in left {
            send(*id, entry, Signal::KILL);
        }
        std::thread::yield_now();
    }
}

/// The numbers of all processes below `command`, and its own.
pub(super) fn below(command: Pid) -> HashSet<i32> {
    below_in(&process_table(), command.as_raw_nonzero().get())
}

/// A process and all below it.
fn below_in(table: &HashMap<i32, Entry>, top: i32) -> HashSet<i32> {
    let mut below = HashSet::from([top]);
    // Parents may be listed after their children.
    loop {
        let more = table.iter().filter(|(id, entry)| below.contains(&entry.parent) && !below.contains(id));
        let more: Vec<i32> = more.map(|(id, _)| *id).collect();
        if more.is_empty() {
            return below;
        }
        below.extend(more);
    }
}

/// Signals the process, unless its number belongs to another one by now.
fn send(id: i32, entry: &Entry, signal: Signal) {
    let Some(pid) = Pid::from_raw(id) else { return };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => {
            // The handle is for the process that has the number now: it must still be the one that was seen.
            if read_entry(id).is_some_and(|now| now.started == entry.started) {
                let _ = pidfd_send_signal(handle, signal);
            }
        }
        Err(rustix::io::Errno::NOSYS) => {
            let _ = rustix::process::kill_process(pid, signal);
        }
        Err(_) => {}
    }
}

/// One process, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    state: char,
    parent: i32,
    session: i32,
    /// When it started, in clock ticks since boot.
    started: u64,
}

fn process_table() -> HashMap<i32, Entry> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|id| Some((id, read_entry(id)?)))
        .collect()
}

fn read_entry(id: i32) -> Option<Entry> {
    // More than the line can have; the kernel gives it at once.
    let mut line = [0; 4096];
    let length = File::open(format!("/proc/{id}/stat")).ok()?.read(&mut line).ok()?;
    // A process names itself and need not do so in UTF-8.
    parse(&String::from_utf8_lossy(line.get(..length)?))
}

/// Reads a line of `/proc/PID/stat` (proc_pid_stat(5)). The name, in parentheses, may contain
/// anything, so that fields are counted from the last closing one.
fn parse(line: &str) -> Option<Entry> {
    let (_, fields) = line.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    Some(Entry {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REST: &str = "S 7 8 9 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";

    proptest! {
        #[test]
        fn a_process_cannot_lie_about_its_parent_by_its_name(name in "[ -~]{0,15}") {
            let entry = parse(&format!("12 ({name}) {REST}"));
            prop_assert_eq!(entry, Some(Entry { state: 'S', parent: 7, session: 9, started: 4242 }));
        }

        #[test]
        fn any_text_is_read_without_a_crash(text in ".{0,200}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn this_process_is_found_with_its_parent() {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let parent = rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get());
        assert_eq!(read_entry(own).map(|entry| entry.parent), parent);
    }
}
