//! Finding and ending what an earlier Tidegate left.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

use super::processes::{self, Stat};
use super::{kin, own_user};
use crate::commands::MARK;
use crate::orphans::{Orphan, Orphans};

/// How often the signal is repeated until nothing is left.
const REPEAT: Duration = Duration::from_millis(10);

pub(crate) fn end(state_dir: &Path, patience: Duration) -> io::Result<Orphans> {
    let deadline = Instant::now() + patience;
    let mut seen: BTreeMap<(u32, u64), Orphan> = BTreeMap::new();
    loop {
        let found = Found::now(state_dir)?;
        for (pid, stat) in found.all() {
            seen.entry((*pid, stat.started))
                .or_insert_with(|| Orphan { pid: *pid, command: kin::command(*pid) });
        }
        // Also at the deadline: without patience, this is the only attempt.
        found.kill();
        if found.all().next().is_none() || Instant::now() >= deadline {
            let left: BTreeSet<(u32, u64)> = found.all().map(|(pid, stat)| (*pid, stat.started)).collect();
            let (left, ended): (Vec<_>, Vec<_>) = seen.into_iter().partition(|(key, _)| left.contains(key));
            let orphans =
                |all: Vec<((u32, u64), Orphan)>| all.into_iter().map(|(_, orphan)| orphan).collect();
            return Ok(Orphans { ended: orphans(ended), left: orphans(left) });
        }
        sleep(REPEAT);
    }
}

/// What is there at one moment.
#[derive(Debug)]
struct Found {
    supervisors: BTreeMap<u32, Stat>,
    /// What is below them, and what is marked.
    commands: BTreeMap<u32, Stat>,
}

impl Found {
    fn now(state_dir: &Path) -> io::Result<Self> {
        let mut table = processes::table()?;
        table.retain(|_, stat| !stat.is_dead);
        let own = processes::own_pid();
        let ours: BTreeSet<u32> = processes::below(&table, [own]).into_iter().chain([own]).collect();
        let others = || table.iter().filter(|(pid, _)| !ours.contains(pid));
        let supervisors: BTreeMap<u32, Stat> = others()
            .filter(|(pid, _)| kin::supervises_a_command_for(**pid, state_dir))
            // The directory of one that shields itself is root's, its credentials are its own.
            .filter(|(pid, _)| processes::effective_user(**pid).is_ok_and(|user| user == own_user()))
            .map(|(pid, stat)| (*pid, *stat))
            .collect();
        let below = processes::below(&table, supervisors.keys().copied());
        let marked = others().filter(|(pid, _)| is_marked(**pid, state_dir)).map(|(pid, _)| *pid);
        let commands = below.into_iter().chain(marked).filter(|pid| !supervisors.contains_key(pid));
        let commands = commands.filter_map(|pid| Some((pid, *table.get(&pid)?))).collect();
        Ok(Self { supervisors, commands })
    }

    fn all(&self) -> impl Iterator<Item = (&u32, &Stat)> {
        self.supervisors.iter().chain(&self.commands)
    }

    /// A supervisor comes last: as long as it lives, what it started is below it.
    fn kill(&self) {
        if self.commands.is_empty() {
            self.supervisors.iter().for_each(|(pid, stat)| kill(*pid, *stat));
            return;
        }
        // The kernel reaches every process of a group at once, also those that are just being made.
        let groups: BTreeSet<u32> = self
            .commands
            .values()
            .filter(|stat| self.supervisors.contains_key(&stat.session))
            .map(|stat| stat.group)
            .filter(|group| !self.supervisors.contains_key(group))
            .collect();
        for group in groups {
            if let Some(group) = as_pid(group) {
                // One that is empty by now is what is wanted.
                let _ = kill_process_group(group, Signal::KILL);
            }
        }
        self.commands.iter().for_each(|(pid, stat)| kill(*pid, *stat));
    }
}

/// Whether a process has the mark of our commands, and what all of them have and cannot take away.
fn is_marked(pid: u32, state_dir: &Path) -> bool {
    let environment = processes::environment(pid);
    environment.is_ok_and(|variables| variables.get(MARK) == Some(OsStr::new(state_dir)))
        && processes::has_no_new_privileges(pid).unwrap_or(false)
}

fn as_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Ends the process that was seen, and no other that got its number.
fn kill(pid: u32, seen: Stat) {
    let Some(handle) = as_pid(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else { return };
    if processes::stat(pid).is_ok_and(|now| now.started == seen.started) {
        // One that ended meanwhile is what is wanted.
        let _ = pidfd_send_signal(handle, Signal::KILL);
    }
}
