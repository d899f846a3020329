//! Which commands of agents run under this process, as the launcher notes them. Looking up peers needs it
//! twice: while a command runs that is not contained, it says little which process has a socket open; and
//! the launcher's own children, which shield themselves, are known to be no clients.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_trust::origin::CommandsAlive;

use crate::platform;

/// The argument by which Tidegate's program supervises one command.
pub const RUN_TOOL: &str = "run-tool";
/// How the names of programs begin that are Tidegate's.
pub(crate) const PROGRAM_PREFIX: &str = "tidegate";
/// How the name of a command's control group begins, where it gets one of its own.
pub const SCOPE_PREFIX: &str = "tidegate-command-";
/// The variable by which commands are found that outlived the Tidegate that started them. Its value
/// is the state directory. A command can take it away, so its absence proves nothing.
pub const MARK: &str = "TIDEGATE_COMMAND";

/// How far a command can get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Neither to the gateway, nor to the sockets of other programs, nor to a person's keys.
    Contained,
    /// Further than that.
    Beyond,
}

/// The commands that run. A cheap handle; clones share one list, which is empty at first.
#[derive(Debug, Clone, Default)]
pub struct RunningCommands(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    running: BTreeMap<u64, Entry>,
    /// How many commands ended that could get beyond [`Reach::Contained`].
    ended_beyond: u64,
    /// Folders that commands could write, also of those that have ended: what lies there may be theirs.
    written: BTreeSet<PathBuf>,
}

#[derive(Debug)]
struct Entry {
    reach: Reach,
    /// The launcher's child: number and start time.
    launcher: Option<(u32, u64)>,
}

/// What the launcher noted, at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted {
    /// The furthest that a command that runs can get.
    pub(crate) alive: CommandsAlive,
    /// How many ended so far that could get beyond [`Reach::Contained`]: only these leave processes behind.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no process is looked into"))]
    pub(crate) ended_beyond: u64,
}

/// A command that runs for as long as this lives. To be kept until its last process is gone and the
/// launcher's child was waited for.
#[derive(Debug)]
#[must_use = "the command counts as ended when this is dropped"]
pub struct RunningCommand {
    id: u64,
    commands: RunningCommands,
}

impl RunningCommands {
    /// Notes a command, before any process of it is started.
    pub fn begin(&self, reach: Reach) -> RunningCommand {
        let mut table = self.table();
        let id = table.next;
        table.next += 1;
        table.running.insert(id, Entry { reach, launcher: None });
        RunningCommand { id, commands: self.clone() }
    }

    /// Notes folders that a command can write, before it is started.
    pub fn note_written<'a>(&self, folders: impl IntoIterator<Item = &'a PathBuf>) {
        let mut table = self.table();
        for folder in folders {
            if !table.written.contains(folder) {
                table.written.insert(folder.clone());
            }
        }
    }

    /// The folders that commands could write since this process started.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no program is looked into"))]
    pub(crate) fn written(&self) -> Vec<PathBuf> {
        self.table().written.iter().cloned().collect()
    }

    /// The furthest that a command that runs can get.
    #[must_use]
    pub fn alive(&self) -> CommandsAlive {
        self.noted().alive
    }

    /// What is known of all at one moment.
    pub(crate) fn noted(&self) -> Noted {
        let table = self.table();
        let alive = match table.running.values().map(|entry| entry.reach).max() {
            None => CommandsAlive::None,
            Some(Reach::Contained) => CommandsAlive::Contained,
            Some(Reach::Beyond) => CommandsAlive::Beyond,
        };
        Noted { alive, ended_beyond: table.ended_beyond }
    }

    /// The launcher's children, with their start times.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no process is looked into"))]
    pub(crate) fn launchers(&self) -> BTreeMap<u32, u64> {
        self.table().running.values().filter_map(|entry| entry.launcher).collect()
    }

    /// How many commands are noted whose launcher's child is not known yet.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no process is looked into"))]
    pub(crate) fn launching(&self) -> usize {
        self.table().running.values().filter(|entry| entry.launcher.is_none()).count()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningCommand {
    /// Tells which child of this process supervises the command: it runs our own program, so it is no
    /// client. The child must not have been waited for, so that its number is still its own.
    pub fn launched(&self, pid: u32) {
        let launcher = platform::started(pid).map(|started| (pid, started));
        if let Some(entry) = self.commands.table().running.get_mut(&self.id) {
            entry.launcher = launcher;
        }
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        let mut table = self.commands.table();
        let ended = table.running.remove(&self.id);
        table.ended_beyond += u64::from(ended.is_some_and(|entry| entry.reach == Reach::Beyond));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_furthest_command_counts_until_it_ends() {
        let commands = RunningCommands::default();
        assert_eq!(commands.alive(), CommandsAlive::None);
        let contained = commands.begin(Reach::Contained);
        assert_eq!(commands.alive(), CommandsAlive::Contained);
        let beyond = commands.clone().begin(Reach::Beyond);
        assert_eq!(commands.alive(), CommandsAlive::Beyond);
        drop(beyond);
        assert_eq!(commands.alive(), CommandsAlive::Contained);
        drop(contained);
        assert_eq!(commands.alive(), CommandsAlive::None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_launchers_child_is_known_with_its_start_time_until_its_command_ends() {
        let commands = RunningCommands::default();
        let running = commands.begin(Reach::Contained);
        assert!(commands.launchers().is_empty());
        running.launched(std::process::id());
        let launchers: Vec<u32> = commands.launchers().into_keys().collect();
        assert_eq!(launchers, [std::process::id()]);
        drop(running);
        assert!(commands.launchers().is_empty());
    }
}
