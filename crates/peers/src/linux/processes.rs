//! Other processes as `/proc` shows them.
//!
//! Lines and tables are parsed by `procfs`. Three things are read by hand, because there the library
//! would cost more than it saves: command lines and environments, which it reads without a bound and
//! only as UTF-8, though the process looked at writes them; lists of descriptors, for each of which it
//! opens and stats what one `readlink` tells; and lists of children, which it does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use procfs::{FromRead as _, ProcError};
use rustix::process::{WaitId, WaitIdOptions, waitid};

/// Bytes of a command line or environment that are read.
const MAX_READ: u64 = 256 * 1024;

/// What identifies a process: its number may be given to another one, its start time not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stat {
    /// The parent's number.
    pub(crate) parent: u32,
    /// The session's number.
    pub(crate) session: u32,
    /// The process group's number.
    pub(crate) group: u32,
    /// When it started, in clock ticks since boot.
    pub(crate) started: u64,
    /// Whether it has ended and only waits to be reaped.
    pub(crate) is_dead: bool,
}

/// Whether a process has a socket open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holding {
    Yes,
    /// It has not.
    No,
    /// It, or one of its threads, ended while it was looked at.
    Ended,
    /// The kernel does not show it to us.
    Hidden,
}

fn entry(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// Our own number.
pub(crate) fn own_pid() -> u32 {
    std::process::id()
}

/// Parent, session and start time.
///
/// # Errors
/// When there is no such process.
pub(crate) fn stat(pid: u32) -> io::Result<Stat> {
    let stat = procfs::process::Stat::from_file(entry(pid, "stat")).map_err(as_io)?;
    let number = |number: i32| u32::try_from(number).unwrap_or(0);
    Ok(Stat {
        parent: number(stat.ppid),
        session: number(stat.session),
        group: number(stat.pgrp),
        started: stat.starttime,
        is_dead: matches!(stat.state, 'Z' | 'X'),
    })
}

/// Whether a process, or one that started it, gave up for good the right to gain privileges, as every
/// command of an agent does and programs in other sandboxes do. A process can take that for itself
/// and never take it back.
///
/// # Errors
/// When there is no such process, or its name is not UTF-8.
pub(crate) fn has_no_new_privileges(pid: u32) -> io::Result<bool> {
    let status = procfs::process::Status::from_file(entry(pid, "status")).map_err(as_io)?;
    Ok(status.nonewprivs.unwrap_or(0) != 0)
}

/// The user that a process acts as, also for one that shields itself.
///
/// # Errors
/// When there is no such process, or its name is not UTF-8.
pub(crate) fn effective_user(pid: u32) -> io::Result<u32> {
    Ok(procfs::process::Status::from_file(entry(pid, "status")).map_err(as_io)?.euid)
}

/// Whether a process is in a control group whose name begins so, at any level.
///
/// # Errors
/// When there is no such process.
pub(crate) fn is_in_scope(pid: u32, prefix: &str) -> io::Result<bool> {
    let groups = procfs::ProcessCGroups::from_file(entry(pid, "cgroup")).map_err(as_io)?;
    Ok(is_named(&groups, prefix))
}

fn is_named(groups: &procfs::ProcessCGroups, prefix: &str) -> bool {
    groups.0.iter().any(|group| group.pathname.split('/').any(|name| name.starts_with(prefix)))
}

fn as_io(error: ProcError) -> io::Error {
    match error {
        ProcError::PermissionDenied(_) => io::ErrorKind::PermissionDenied.into(),
        ProcError::NotFound(_) => io::ErrorKind::NotFound.into(),
        ProcError::Io(error, _) => error,
        _ => io::ErrorKind::InvalidData.into(),
    }
}

/// Whether this process certainly has no children. As it adopts the orphans below it, it has no
/// descendants then either.
pub(crate) fn is_childless() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::All, options), Err(rustix::io::Errno::CHILD))
}

/// All processes that are shown to us.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn all() -> io::Result<Vec<u32>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// Every process that is shown to us.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn table() -> io::Result<BTreeMap<u32, Stat>> {
    // A process that has ended meanwhile is left out.
    Ok(all()?.into_iter().filter_map(|pid| Some((pid, stat(pid).ok()?))).collect())
}

/// The living processes below this one.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn descendants() -> io::Result<BTreeMap<u32, Stat>> {
    let table = table()?;
    let below = below(&table, [own_pid()]);
    let living = below.into_iter().filter_map(|pid| Some((pid, *table.get(&pid)?)));
    Ok(living.filter(|(_, stat)| !stat.is_dead).collect())
}

/// Those of a table that descend from `roots`, without these.
pub(crate) fn below(table: &BTreeMap<u32, Stat>, roots: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (pid, stat) in table {
        children.entry(stat.parent).or_default().push(*pid);
    }
    let mut waiting: Vec<u32> = roots.into_iter().collect();
    let mut found = Vec::new();
    while let Some(parent) = waiting.pop() {
        // Taken out, so that no circle is followed: numbers may have changed hands meanwhile.
        let below = children.remove(&parent).unwrap_or_default();
        waiting.extend(&below);
        found.extend(below);
    }
    found
}

/// How many living children this process has in other sessions beside the `known` ones: by the kernel's
/// own lists, which cost nothing that grows with the number of processes, else by the table. From a list
/// that is read while children end, living ones may be missing (proc_pid_task_tid_children(5)), so it
/// counts only when it is read twice and the same.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn strays(known: &BTreeMap<u32, u64>) -> io::Result<usize> {
    let children = match settled(listed_children) {
        Some(children) => children,
        None => {
            table()?.into_iter().filter(|(_, stat)| stat.parent == own_pid()).map(|(pid, _)| pid).collect()
        }
    };
    let session = own_session()?;
    let is_stray = |stat: Stat| !stat.is_dead && stat.session != session;
    // The number of a child that was not waited for is its own.
    let others = children.into_iter().filter(|pid| !known.contains_key(pid));
    Ok(others.filter(|pid| stat(*pid).is_ok_and(is_stray)).count())
}

/// Our own session; 0 where that began outside of our PID namespace, as in some containers. Not asked of
/// `rustix`, whose numbers are never 0.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn own_session() -> io::Result<u32> {
    Ok(stat(own_pid())?.session)
}

/// What two readings agree on.
fn settled(read: impl Fn() -> io::Result<BTreeSet<u32>>) -> Option<BTreeSet<u32>> {
    let first = read().ok()?;
    (read().ok()? == first).then_some(first)
}

/// # Errors
/// When the kernel keeps no such lists.
fn listed_children() -> io::Result<BTreeSet<u32>> {
    let mut children = BTreeSet::new();
    for thread in fs::read_dir("/proc/self/task")?.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(list) => {
                children.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()))
            }
            Err(error) if thread.path().exists() => return Err(error),
            // A thread that has just ended.
            Err(_) => {}
        }
    }
    Ok(children)
}

/// Whether any thread of a process has a socket open. Threads may have descriptors of their own.
pub(crate) fn holds_socket(pid: u32, inode: u64) -> Holding {
    let wanted = format!("socket:[{inode}]");
    let threads = match fs::read_dir(entry(pid, "task")) {
        Ok(threads) => threads,
        Err(error) => return missing(&error),
    };
    let mut answer = Holding::No;
    for thread in threads {
        let Ok(thread) = thread.map(|thread| thread.path()) else { return Holding::Ended };
        match has_link(&thread.join("fd"), &wanted) {
            Ok(true) => return Holding::Yes,
            Ok(false) => {}
            // What only waits to be reaped has nothing open and is shown to root alone.
            Err(_) if is_dead(&thread) => {}
            Err(error) => answer = missing(&error),
        }
    }
    answer
}

fn is_dead(thread: &Path) -> bool {
    let stat = procfs::process::Stat::from_file(thread.join("stat"));
    stat.is_ok_and(|stat| matches!(stat.state, 'Z' | 'X'))
}

fn missing(error: &io::Error) -> Holding {
    const NO_SUCH_PROCESS: i32 = 3;
    let is_gone = error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(NO_SUCH_PROCESS);
    if is_gone { Holding::Ended } else { Holding::Hidden }
}

fn has_link(directory: &Path, wanted: &str) -> io::Result<bool> {
    for descriptor in fs::read_dir(directory)? {
        // A descriptor that was closed meanwhile is not open.
        if fs::read_link(descriptor?.path()).is_ok_and(|target| target.as_os_str() == wanted) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The processes that have a socket open, those of a user or all that are shown to us.
///
/// # Errors
/// When `/proc` cannot be read, or not before the deadline.
pub(crate) fn holders(inode: u64, uid: Option<u32>, deadline: Instant) -> io::Result<Vec<u32>> {
    let wanted = format!("socket:[{inode}]");
    let is_meant = |pid| uid.is_none_or(|uid| user(pid).is_ok_and(|user| user == uid));
    let mut holders = Vec::new();
    for pid in all()? {
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if is_meant(pid) && has_link(&entry(pid, "fd"), &wanted).unwrap_or(false) {
            holders.push(pid);
        }
    }
    Ok(holders)
}

/// The command line as it was given, or as the process has overwritten it.
///
/// # Errors
/// When there is no such process.
pub(crate) fn command_line(pid: u32) -> io::Result<Vec<String>> {
    let bytes = read(pid, "cmdline")?;
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
    Ok(bytes.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect())
}

/// The kernel's name of a process: of its program, or what it calls itself; at most 15 bytes.
///
/// # Errors
/// When there is no such process.
pub(crate) fn name(pid: u32) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&read(pid, "comm")?).into_owned())
}

/// The environment that the process was started with, or what it has put in its place.
///
/// # Errors
/// When there is no such process or it is not shown to us.
pub(crate) fn environment(pid: u32) -> io::Result<Environment> {
    Ok(Environment(read(pid, "environ")?))
}

/// A link of a process: `exe`, `cwd`, `root`, `ns/mnt`.
///
/// # Errors
/// When there is no such process or it is not shown to us.
pub(crate) fn link(pid: u32, name: &str) -> io::Result<PathBuf> {
    fs::read_link(entry(pid, name))
}

/// The user that a process runs as; root for one that shields itself.
///
/// # Errors
/// When there is no such process.
pub(crate) fn user(pid: u32) -> io::Result<u32> {
    Ok(fs::metadata(format!("/proc/{pid}"))?.uid())
}

fn read(pid: u32, name: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(entry(pid, name))?.take(MAX_READ).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Environment variables. Never shown: they hold secrets.
pub(crate) struct Environment(Vec<u8>);

impl Environment {
    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0
            .split(|byte| *byte == 0)
            .find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
            .map(OsStr::from_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_fake_a_parent() {
        let rest = "S 42 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
        let text = format!("9 (x) R 1 (y)) {rest}");
        let stat = procfs::process::Stat::from_read(text.as_bytes()).expect("it is read");
        assert_eq!((stat.ppid, stat.starttime), (42, 777));
    }

    /// As the kernel writes them for commands of a service manager's scope; not tried with one yet.
    #[test]
    fn a_command_is_known_by_the_name_of_its_scope() {
        let prefix = crate::commands::SCOPE_PREFIX;
        let above = "/user.slice/user-1000.slice/user@1000.service/app.slice";
        for (text, is_commands) in [
            (format!("0::{above}/{prefix}812-3.scope"), true),
            (format!("0::{above}/{prefix}812-3.scope/below/it"), true),
            (format!("3:cpu,cpuacct:/\n1:name=systemd:{above}/{prefix}812-3.scope"), true),
            (format!("0::{above}/app-tidegate-812.scope"), false),
            (format!("0::{above}/not-{prefix}812.scope"), false),
            ("0::/".to_owned(), false),
        ] {
            let groups = procfs::ProcessCGroups::from_read(text.as_bytes()).expect("it is read");
            assert_eq!(is_named(&groups, prefix), is_commands, "{text}");
        }
    }

    #[test]
    fn this_process_is_found_as_it_is() {
        let own = stat(own_pid()).expect("we are there");
        assert_eq!(Some(own.parent), std::os::unix::process::parent_id().into());
        assert_eq!(user(own_pid()).expect("we are there"), rustix::process::geteuid().as_raw());
        assert!(all().expect("/proc").contains(&own_pid()));
        assert!(!own.is_dead);
    }

    #[test]
    fn living_children_in_other_sessions_are_counted_but_the_known_ones() {
        let mut beside = std::process::Command::new("sleep").arg("1000").spawn().expect("sleep");
        let mut child = std::process::Command::new("setsid").args(["sleep", "1000"]).spawn().expect("setsid");
        let has_left = || stat(child.id()).is_ok_and(|stat| stat.session == child.id());
        while !has_left() {
            std::thread::yield_now();
        }
        let known = BTreeMap::from([(child.id(), 0)]);
        assert_eq!(strays(&BTreeMap::new()).expect("/proc"), 1);
        assert_eq!(strays(&known).expect("/proc"), 0);
        assert!(descendants().expect("/proc").contains_key(&child.id()));
        child.kill().expect("killed");
        // It stays in the table as long as it is not waited for.
        let pid = rustix::process::Pid::from_child(&child);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(pid), options).expect("it ends");
        assert_eq!(strays(&BTreeMap::new()).expect("/proc"), 0);
        assert!(!descendants().expect("/proc").contains_key(&child.id()));
        child.wait().expect("it is reaped");
        beside.kill().expect("killed");
        beside.wait().expect("it is reaped");
    }

    #[test]
    fn a_list_of_children_that_changes_while_it_is_read_counts_for_nothing() {
        let readings = |lists: [Option<&[u32]>; 2]| {
            let lists = std::cell::RefCell::new(lists.into_iter());
            settled(|| {
                let list = lists.borrow_mut().next().flatten();
                list.map(|list| list.iter().copied().collect()).ok_or(io::ErrorKind::NotFound.into())
            })
        };
        assert_eq!(readings([Some(&[7, 8]), Some(&[8, 7])]), Some(BTreeSet::from([7, 8])));
        assert_eq!(readings([Some(&[7]), Some(&[7, 8])]), None);
        assert_eq!(readings([Some(&[7]), None]), None);
        assert_eq!(readings([None, Some(&[7])]), None);
    }

    fn row(parent: u32) -> Stat {
        Stat { parent, session: 0, group: 0, started: 0, is_dead: false }
    }

    proptest! {
        #[test]
        fn a_table_with_circles_is_followed_to_an_end(parents in prop::collection::vec(0..20_u32, 0..20), root in 0..20_u32) {
            let table: BTreeMap<u32, Stat> =
                parents.iter().enumerate().map(|(pid, parent)| (u32::try_from(pid).unwrap_or(0), row(*parent))).collect();
            let found = below(&table, [root]);
            for pid in &found {
                let parent = table[pid].parent;
                prop_assert!(parent == root || found.contains(&parent));
            }
            for (pid, stat) in &table {
                prop_assert!(stat.parent != root || found.contains(pid));
            }
        }

        #[test]
        fn a_variable_is_found_by_its_whole_name(name in "[A-Z]{1,5}", value in "[a-z=]{0,5}") {
            let environment = Environment(format!("X{name}=no\0{name}X=no\0{name}={value}\0").into_bytes());
            prop_assert_eq!(environment.get(&name), Some(OsStr::new(&value)));
        }
    }
}
