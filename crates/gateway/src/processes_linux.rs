//! Other processes as `/proc` shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{WaitId, WaitIdOptions, waitid};

/// Bytes of a command line or environment that are read.
const MAX_READ: u64 = 256 * 1024;

/// What identifies a process: its number may be given to another one, its start time not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stat {
    /// The parent's number.
    pub(crate) parent: u32,
    /// When it started, in clock ticks since boot.
    pub(crate) started: u64,
}

/// Whether a process has a socket open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holding {
    /// It has.
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

/// Parent and start time.
///
/// # Errors
/// When there is no such process.
pub(crate) fn stat(pid: u32) -> io::Result<Stat> {
    parse_stat(&fs::read_to_string(entry(pid, "stat"))?).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The name in brackets may hold anything, brackets and spaces among it; what follows the last one
/// is the kernel's.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    Some(Stat { parent: fields.get(1)?.parse().ok()?, started: fields.get(19)?.parse().ok()? })
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

/// The processes below this one, with their start times.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn descendants() -> io::Result<BTreeMap<u32, u64>> {
    // Whoever is gone by now is no descendant any more.
    let table: BTreeMap<u32, Stat> =
        all()?.into_iter().filter_map(|pid| Some((pid, stat(pid).ok()?))).collect();
    let mut below = BTreeSet::from([own_pid()]);
    loop {
        let found: Vec<u32> = table
            .iter()
            .filter(|(pid, stat)| below.contains(&stat.parent) && !below.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if found.is_empty() {
            break;
        }
        below.extend(found);
    }
    below.remove(&own_pid());
    Ok(below.into_iter().filter_map(|pid| Some((pid, table.get(&pid)?.started))).collect())
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
    let stat = fs::read_to_string(thread.join("stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().next());
    matches!(state, Some("Z" | "X"))
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

/// The processes of a user, `except` left out, that have a socket open.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn holders(inode: u64, uid: u32, except: &BTreeMap<u32, u64>) -> io::Result<Vec<u32>> {
    let is_theirs = |pid: &u32| fs::metadata(format!("/proc/{pid}")).is_ok_and(|entry| entry.uid() == uid);
    let wanted = format!("socket:[{inode}]");
    let holds = |pid: &u32| has_link(&entry(*pid, "fd"), &wanted).unwrap_or(false);
    let pids = all()?.into_iter().filter(|pid| !except.contains_key(pid)).filter(is_theirs);
    Ok(pids.filter(holds).collect())
}

/// The command line as it was given, or as the process has overwritten it.
///
/// # Errors
/// When there is no such process or it is not shown to us.
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

/// The environment that the process was started with.
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

/// The user that a process runs as.
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
        let rest = "S 42 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
        let text = format!("9 (x) R 1 (y)) {rest}");
        assert_eq!(parse_stat(&text), Some(Stat { parent: 42, started: 777 }));
    }

    #[test]
    fn this_process_is_found_as_it_is() {
        let own = stat(own_pid()).expect("we are there");
        assert_eq!(Some(own.parent), std::os::unix::process::parent_id().into());
        assert_eq!(user(own_pid()).expect("we are there"), rustix::process::geteuid().as_raw());
        assert!(all().expect("/proc").contains(&own_pid()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,200}") {
            let _ = parse_stat(&text);
        }
    }
}
