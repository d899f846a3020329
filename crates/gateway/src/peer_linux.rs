//! Peers on Linux: sockets from the kernel's tables, processes from `/proc`.
//!
//! Whoever is looked up may work against it, so every doubt about ancestry is
//! [`Peer::Unknown`], and nobody is cleared by not being found: while this process has
//! descendants, a socket of our own user must be found open in a process that is none of them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead as _, Read as _};
use std::path::{Path, PathBuf};

use tidegate_protocol::text;
use tidegate_trust::origin::Peer;
use tidegate_trust::program::{Fleeting, Invocation, PRELOAD_VARIABLES, Program, invocation};
use tidegate_trust::records::ProgramIdentity;

use crate::peer::{LocalSocket, PeerLookup};
use crate::processes_linux::{self as processes, Environment, Holding};
use crate::tcp_sockets_linux::{self as tcp_sockets, TcpSocket};

/// How often a look-up is repeated while processes come and go.
const ROUNDS: usize = 5;
/// How many generations of parents are followed.
const MAX_GENERATIONS: usize = 1000;
/// Characters of a tool's command line.
const MAX_COMMAND: usize = 200;
/// Directories that everyone may write to.
const TEMPORARY: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// Asks the kernel about peers. The process must be a child subreaper
/// (`PR_SET_CHILD_SUBREAPER`), or else a tool leaves its ancestry behind by forking twice.
#[derive(Debug)]
pub struct KernelPeers {
    agent_writable: Vec<PathBuf>,
}

impl KernelPeers {
    /// `agent_writable` are the directories where agents may write, workspaces and the configured
    /// temporary directory among them. Programs there get no lasting grant.
    #[must_use]
    pub fn new(agent_writable: Vec<PathBuf>) -> Self {
        let all = agent_writable.into_iter().chain(TEMPORARY.into_iter().map(PathBuf::from));
        // One that does not exist yet is compared as it is written.
        let agent_writable = all.map(|path| path.canonicalize().unwrap_or(path)).collect();
        Self { agent_writable }
    }

    /// The user at the other end, where the kernel tells at once: a few microseconds, however many
    /// sockets there are.
    #[must_use]
    pub fn user(socket: LocalSocket) -> Option<u32> {
        match socket {
            LocalSocket::Tcp { peer, local } => tcp_sockets::user(peer, local),
            LocalSocket::Unix { uid, .. } => Some(uid),
        }
    }

    fn describe(&self, pid: u32, uid: u32) -> Option<Program> {
        let before = processes::stat(pid).ok()?;
        let program = self.read_program(pid, uid).ok()?;
        (processes::user(pid).ok()? == uid && processes::stat(pid).ok()? == before).then_some(program)
    }

    /// Reads what a process runs.
    ///
    /// # Errors
    /// When it ended, is not shown to us, or sees other files than we do under the same names.
    fn read_program(&self, pid: u32, uid: u32) -> io::Result<Program> {
        let own = processes::own_pid();
        for place in ["ns/mnt", "root"] {
            if processes::link(pid, place)? != processes::link(own, place)? {
                return Err(io::ErrorKind::Unsupported.into());
            }
        }
        let running = processes::link(pid, "exe")?;
        let command_line = processes::command_line(pid)?;
        let environment = processes::environment(pid)?;
        let directory = processes::link(pid, "cwd")?;
        if processes::link(pid, "exe")? != running {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let (executable, is_replaced) = without_deleted(running);
        let (script, doubt) = script(&executable, &command_line, &environment, &directory);
        let preloads = || {
            PRELOAD_VARIABLES.iter().any(|name| environment.get(name).is_some_and(|value| !value.is_empty()))
        };
        let is_writable =
            |path: &Path| self.agent_writable.iter().any(|directory| path.starts_with(directory));
        let fleeting = if is_replaced {
            Some(Fleeting::Replaced)
        } else if preloads() {
            Some(Fleeting::Preload)
        } else if doubt.is_some() {
            doubt
        } else {
            is_writable(script.as_ref().unwrap_or(&executable)).then_some(Fleeting::WritableByAgent)
        };
        Ok(Program { pid, identity: ProgramIdentity { uid, executable, script }, fleeting })
    }
}

impl PeerLookup for KernelPeers {
    fn ancestry(&self, socket: LocalSocket) -> Peer {
        match socket {
            LocalSocket::Tcp { peer, local } => tcp_ancestry(|| tcp_sockets::connected(peer, local)),
            LocalSocket::Unix { pid, .. } => unix_ancestry(pid),
        }
    }

    fn program(&self, socket: LocalSocket) -> Peer {
        match self.ancestry(socket) {
            Peer::NotATool => {}
            decided => return decided,
        }
        let (uid, pid) = match socket {
            LocalSocket::Unix { pid, uid } => (uid, Some(pid)),
            LocalSocket::Tcp { peer, local } => {
                let Ok(Some(socket)) = tcp_sockets::connected(peer, local) else { return Peer::Unknown };
                (socket.uid, only_holder(socket))
            }
        };
        let program = pid.and_then(|pid| self.describe(pid, uid));
        Peer::Process { uid, same_user: uid == own_user(), program }
    }
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The process that has a socket, where it is one alone.
fn only_holder(socket: TcpSocket) -> Option<u32> {
    match processes::holders(socket.inode, socket.uid, &BTreeMap::new()).ok()?.as_slice() {
        [pid] if socket.inode != 0 => Some(*pid),
        _ => None,
    }
}

fn tcp_ancestry(find: impl Fn() -> io::Result<Option<TcpSocket>>) -> Peer {
    for _ in 0..ROUNDS {
        // Asked before the socket is: whoever has it open then was not a child before.
        let is_childless = processes::is_childless();
        let socket = match find() {
            Ok(Some(socket)) if socket.inode != 0 => socket,
            _ => return Peer::Unknown,
        };
        if is_childless {
            return Peer::NotATool;
        }
        let Ok(before) = processes::descendants() else { return Peer::Unknown };
        match search(&before, socket) {
            Search::Found(pid) => return Peer::Tool { command: command(pid) },
            Search::Hidden => return Peer::Unknown,
            Search::Changed => continue,
            Search::NotFound => {}
        }
        if socket.uid == own_user() {
            match processes::holders(socket.inode, socket.uid, &before) {
                Ok(others) if !others.is_empty() => {}
                _ => continue,
            }
        }
        if processes::descendants().is_ok_and(|after| after == before) {
            return Peer::NotATool;
        }
    }
    Peer::Unknown
}

enum Search {
    Found(u32),
    NotFound,
    /// A process could not be looked into.
    Hidden,
    /// A process ended meanwhile.
    Changed,
}

fn search(among: &BTreeMap<u32, u64>, socket: TcpSocket) -> Search {
    let mut result = Search::NotFound;
    for pid in among.keys() {
        match processes::holds_socket(*pid, socket.inode) {
            Holding::Yes => return Search::Found(*pid),
            Holding::No => {}
            Holding::Hidden => result = Search::Hidden,
            Holding::Ended if matches!(result, Search::NotFound) => result = Search::Changed,
            Holding::Ended => {}
        }
    }
    result
}

/// Follows the parents of the process that connected.
fn unix_ancestry(peer: u32) -> Peer {
    for _ in 0..ROUNDS {
        if let Some(answer) = follow_parents(peer) {
            return answer;
        }
    }
    Peer::Unknown
}

/// `None` when the chain changed while it was followed.
fn follow_parents(peer: u32) -> Option<Peer> {
    let own = processes::own_pid();
    let Ok(first) = processes::stat(peer) else { return Some(Peer::Unknown) };
    if peer == own {
        return Some(Peer::NotATool);
    }
    let mut child = first;
    for _ in 0..MAX_GENERATIONS {
        match child.parent {
            parent if parent == own => return Some(Peer::Tool { command: command(peer) }),
            0 | 1 => {
                let is_settled = processes::stat(peer).is_ok_and(|now| now == first);
                return is_settled.then_some(Peer::NotATool);
            }
            parent => match processes::stat(parent) {
                // A parent that is younger than its child has only its number.
                Ok(stat) if stat.started <= child.started => child = stat,
                _ => return None,
            },
        }
    }
    Some(Peer::Unknown)
}

/// A tool's command line for people. There is none while a process becomes another program, or when
/// it took its own away; the kernel has a name for it all the same.
fn command(pid: u32) -> String {
    let words = processes::command_line(pid).unwrap_or_default();
    let line = words.iter().filter(|word| !word.is_empty()).cloned().collect::<Vec<_>>().join(" ");
    if !line.is_empty() {
        return text::one_line(&line, MAX_COMMAND);
    }
    match processes::name(pid) {
        Ok(name) if !name.trim().is_empty() => {
            format!("{} (process {pid})", text::one_line(name.trim(), MAX_COMMAND))
        }
        _ => format!("process {pid}"),
    }
}

/// The path of an executable, and whether its file is gone.
fn without_deleted(path: PathBuf) -> (PathBuf, bool) {
    match path.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
        Some(text) => (PathBuf::from(text), true),
        None => (path, false),
    }
}

/// The script that an interpreter runs, resolved, or why there is none to rely on.
fn script(
    executable: &Path,
    command_line: &[String],
    environment: &Environment,
    directory: &Path,
) -> (Option<PathBuf>, Option<Fleeting>) {
    let arguments: Vec<String> =
        command_line.iter().skip(1).filter(|word| !word.is_empty()).cloned().collect();
    let found = match invocation(executable, &arguments) {
        Invocation::Native => return (None, None),
        Invocation::Script(path) => resolved(&directory.join(path)),
        Invocation::Fleeting(Fleeting::NoScript) if is_overwritten(executable, command_line) => {
            environment.get("_").and_then(|path| started_by_name(Path::new(path), executable))
        }
        Invocation::Fleeting(fleeting) => return (None, Some(fleeting)),
    };
    match found {
        Some(path) => (Some(path), None),
        None => (None, Some(Fleeting::NoScript)),
    }
}

fn resolved(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|path| path.is_file())
}

/// Whether a process gave itself a title in place of its command line, as OpenClaw's CLI does
/// (`process.title` of Node.js): then the arguments are gone.
fn is_overwritten(executable: &Path, command_line: &[String]) -> bool {
    let name = command_line.first().map(Path::new).and_then(Path::file_name);
    command_line.len() > 1 || name != executable.file_name()
}

/// What a shell says it started, if that is a script for this interpreter. As easily forged as a
/// command line, and as good: the tripwire is for programs that do not lie.
fn started_by_name(path: &Path, interpreter: &Path) -> Option<PathBuf> {
    const MAX_FIRST_LINE: u64 = 256;
    let path = path.is_absolute().then(|| resolved(path))??;
    let mut line = Vec::new();
    io::BufReader::new(fs::File::open(&path).ok()?.take(MAX_FIRST_LINE)).read_until(b'\n', &mut line).ok()?;
    let line = String::from_utf8(line).ok()?;
    let mut words = line.strip_prefix("#!")?.split_ascii_whitespace();
    let mut named = Path::new(words.next()?).file_name()?;
    if named == "env" {
        named = words.map(OsStr::new).find(|word| !word.as_encoded_bytes().starts_with(b"-"))?;
    }
    let interpreter = interpreter.file_name()?.as_encoded_bytes();
    interpreter.starts_with(named.as_encoded_bytes()).then_some(path)
}
