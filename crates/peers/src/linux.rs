//! Peers on Linux: sockets from the kernel's tables, processes from `/proc`.
//!
//! A peer may work against being looked up, so every doubt is [`Peer::Unknown`]. A socket can be put
//! into the hands of another process, or into none for a while, so while something runs that may do
//! so, being found elsewhere clears nobody.

mod kin;
mod listening;
mod orphans;
mod processes;
mod program;
mod tcp_sockets;
mod unix_peer;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tidegate_trust::origin::{CommandsAlive, Peer};

use crate::commands::{Noted, RunningCommands};
use crate::lookup::{LocalSocket, PeerLookup};
use crate::port_owner::Kin;
use processes::{Holding, Stat};
use tcp_sockets::TcpSocket;

pub(crate) use listening::port_owner;
pub(crate) use orphans::end as end_orphans;
pub use unix_peer::UnixPeer;

/// How often a look-up is repeated while processes come and go.
const ROUNDS: usize = 5;
/// How long a look for processes that outlived their commands counts, while none ended that could leave
/// some: for those of which nobody knows.
const STRAYS_LOOK: Duration = Duration::from_secs(1);
/// Directories that everyone may write to.
const TEMPORARY: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// Asks the kernel about peers. The process must be a child subreaper
/// (`PR_SET_CHILD_SUBREAPER`), or else a tool leaves its ancestry behind by forking twice.
#[derive(Debug)]
pub struct KernelPeers {
    agent_writable: RwLock<Vec<PathBuf>>,
    commands: RunningCommands,
    strays_look: Mutex<Option<StraysLook>>,
    /// Held while somebody looks, so that all who wait have one look.
    looking: Mutex<()>,
}

/// A look that found no process which outlived its command.
#[derive(Debug, Clone, Copy)]
struct StraysLook {
    begun: Instant,
    /// [`Noted::ended_beyond`] before it began.
    ended_beyond: u64,
}

/// How much is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Ancestry,
    Program,
}

impl KernelPeers {
    /// `agent_writable` are the directories where agents may write, workspaces and the configured
    /// temporary directory among them. Programs there get no lasting grant. `commands` are those that
    /// the launcher notes.
    #[must_use]
    pub fn new(agent_writable: Vec<PathBuf>, commands: RunningCommands) -> Self {
        let all = agent_writable.into_iter().chain(TEMPORARY.into_iter().map(PathBuf::from));
        // One that does not exist yet is compared as it is written.
        let agent_writable = all.map(|path| path.canonicalize().unwrap_or(path)).collect();
        let agent_writable = RwLock::new(agent_writable);
        Self { agent_writable, commands, strays_look: Mutex::default(), looking: Mutex::default() }
    }

    /// Agents may write in another directory from now on, named without symbolic links.
    pub fn add_agent_writable(&self, directory: &Path) {
        let mut all = self.agent_writable.write().unwrap_or_else(PoisonError::into_inner);
        if !all.iter().any(|known| known == directory) {
            all.push(directory.to_owned());
        }
    }

    /// The user at the other end, where the kernel tells at once: a few microseconds, however many
    /// sockets there are.
    #[must_use]
    pub fn user(socket: &LocalSocket) -> Option<u32> {
        match socket {
            LocalSocket::Tcp { peer, local } => tcp_sockets::user(*peer, *local),
            LocalSocket::Unix(peer) => Some(peer.uid()),
        }
    }

    fn look_up(&self, socket: &LocalSocket, depth: Depth, deadline: Instant) -> Peer {
        match socket {
            LocalSocket::Tcp { peer, local } => self.tcp(*peer, *local, depth, deadline),
            LocalSocket::Unix(peer) => self.unix(peer, depth),
        }
    }

    fn tcp(&self, peer: SocketAddr, local: SocketAddr, depth: Depth, deadline: Instant) -> Peer {
        for _ in 0..ROUNDS {
            if Instant::now() >= deadline {
                break;
            }
            // Asked before the socket is: without children by then, no process that has it open is one.
            let is_childless = processes::is_childless();
            let socket = match tcp_sockets::connected(peer, local) {
                Ok(Some(socket)) if socket.inode != 0 => socket,
                _ => return Peer::Unknown { uid: None },
            };
            let mut commands = self.commands.alive();
            let mut is_hidden = false;
            if !is_childless {
                let Ok(below) = processes::descendants() else { return Peer::Unknown { uid: None } };
                let launchers = self.commands.launchers();
                commands = commands.max(self.strays(&below, &launchers));
                match search(&below, &launchers, socket) {
                    // A child has all that we have open until it runs its program.
                    Search::Found(_) if is_ours(socket) => return self.ours(socket, depth),
                    Search::Found(pid) => return Peer::Tool { command: kin::command(pid) },
                    Search::Hidden => is_hidden = true,
                    Search::Changed => continue,
                    Search::NotFound => {}
                }
            }
            let is_own = socket.uid == own_user();
            if commands != CommandsAlive::Beyond || (!is_own && !is_hidden) {
                return match depth {
                    Depth::Ancestry => Peer::NotATool,
                    Depth::Program => self.identify(socket, deadline),
                };
            }
            if is_ours(socket) {
                return self.ours(socket, depth);
            }
            return match self.identify(socket, deadline) {
                tool @ Peer::Tool { .. } => tool,
                _ => Peer::Unknown { uid: None },
            };
        }
        Peer::Unknown { uid: None }
    }

    /// Whether it is known without a look which commands are alive: where one may do anything, where no
    /// child is left, or where nothing has ended since the last look that leaves processes behind.
    fn is_known(&self, noted: Noted) -> bool {
        let looked = *self.strays_look.lock().unwrap_or_else(PoisonError::into_inner);
        noted.alive == CommandsAlive::Beyond
            || looked.is_some_and(|look| {
                look.ended_beyond == noted.ended_beyond && look.begun.elapsed() < STRAYS_LOOK
            })
            || processes::is_childless()
    }

    /// What children stand for that no launcher knows of: processes that outlived their command, and may
    /// do anything. Each command begins in a session of its own, and no process can join another's,
    /// so children in ours are none. While a command is being started, its child is not known yet.
    fn strays(&self, below: &BTreeMap<u32, Stat>, launchers: &BTreeMap<u32, u64>) -> CommandsAlive {
        let own = processes::own_pid();
        let Ok(session) = processes::own_session() else { return CommandsAlive::Beyond };
        let is_stray = |(pid, stat): &(&u32, &Stat)| {
            stat.parent == own
                && stat.session != session
                && launchers.get(pid).is_none_or(|started| *started != stat.started)
        };
        let strays = below.iter().filter(is_stray).count();
        if strays > self.commands.launching() { CommandsAlive::Beyond } else { CommandsAlive::None }
    }

    /// Who has a socket open.
    fn identify(&self, socket: TcpSocket, deadline: Instant) -> Peer {
        if is_ours(socket) {
            return self.ours(socket, Depth::Program);
        }
        let same_user = socket.uid == own_user();
        let Ok(holders) = processes::holders(socket.inode, Some(socket.uid), deadline) else {
            return Peer::Unknown { uid: None };
        };
        let kin: Vec<(u32, Kin)> = holders.into_iter().map(|pid| (pid, Kin::of(pid))).collect();
        if let Some((pid, _)) = kin.iter().find(|(_, kin)| *kin == Kin::Tool) {
            return Peer::Tool { command: kin::command(*pid) };
        }
        if same_user && (kin.is_empty() || kin.iter().any(|(_, kin)| *kin == Kin::Unidentified)) {
            return Peer::Unknown { uid: None };
        }
        match kin.as_slice() {
            [(pid, _)] => self.described(*pid, socket.uid, Depth::Program),
            _ => Peer::Process { uid: socket.uid, same_user, program: None },
        }
    }

    /// A connection of this process to itself.
    fn ours(&self, socket: TcpSocket, depth: Depth) -> Peer {
        self.described(processes::own_pid(), socket.uid, depth)
    }

    fn unix(&self, peer: &UnixPeer, depth: Depth) -> Peer {
        let kin = Kin::of(peer.pid());
        let answer = match kin {
            Kin::Tool => Peer::Tool { command: kin::command(peer.pid()) },
            Kin::Unidentified => Peer::Unknown { uid: None },
            Kin::None => self.described(peer.pid(), peer.uid(), depth),
        };
        // Asked last: what was read before is the peer's then.
        if peer.is_there() { answer } else { Peer::Unknown { uid: None } }
    }

    fn described(&self, pid: u32, uid: u32, depth: Depth) -> Peer {
        match depth {
            Depth::Ancestry => Peer::NotATool,
            Depth::Program => {
                // Not held while the file system is looked at.
                let mut writable = self.agent_writable.read().unwrap_or_else(PoisonError::into_inner).clone();
                writable.extend(self.commands.written());
                let program = program::describe(pid, uid, &writable);
                Peer::Process { uid, same_user: uid == own_user(), program }
            }
        }
    }
}

impl PeerLookup for KernelPeers {
    fn commands(&self) -> CommandsAlive {
        if let Some(known) = self.commands_at_once() {
            return known;
        }
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = self.commands.noted();
        if self.is_known(noted) {
            return noted.alive;
        }
        let begun = Instant::now();
        match processes::strays(&self.commands.launchers()) {
            Ok(0) => {
                let look = StraysLook { begun, ended_beyond: noted.ended_beyond };
                *self.strays_look.lock().unwrap_or_else(PoisonError::into_inner) = Some(look);
                noted.alive
            }
            Ok(strays) if strays <= self.commands.launching() => noted.alive,
            _ => CommandsAlive::Beyond,
        }
    }

    fn commands_at_once(&self) -> Option<CommandsAlive> {
        let noted = self.commands.noted();
        self.is_known(noted).then_some(noted.alive)
    }

    fn ancestry_at_once(&self, socket: &LocalSocket) -> Option<Peer> {
        // A contained command has a network of its own: no connection in ours is one of its processes'.
        let is_contained = self.commands_at_once() == Some(CommandsAlive::Contained);
        (is_contained && matches!(socket, LocalSocket::Tcp { .. })).then_some(Peer::NotATool)
    }

    fn ancestry(&self, socket: &LocalSocket, deadline: Instant) -> Peer {
        self.ancestry_at_once(socket).unwrap_or_else(|| self.look_up(socket, Depth::Ancestry, deadline))
    }

    fn program(&self, socket: &LocalSocket, deadline: Instant) -> Peer {
        self.look_up(socket, Depth::Program, deadline)
    }
}

/// When a process started, in clock ticks since boot.
pub(crate) fn started(pid: u32) -> Option<u64> {
    processes::stat(pid).ok().map(|stat| stat.started)
}

/// Whether this process has a socket open. Nobody can make us open one, so another process that has it got it
/// from us.
fn is_ours(socket: TcpSocket) -> bool {
    processes::holds_socket(processes::own_pid(), socket.inode) == Holding::Yes
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

enum Search {
    Found(u32),
    NotFound,
    /// A process could not be looked into.
    Hidden,
    /// A process ended meanwhile.
    Changed,
}

/// Which of the processes below us has a socket open. The launchers are left out: they shield
/// themselves from ordinary users, and run our own program.
fn search(below: &BTreeMap<u32, Stat>, launchers: &BTreeMap<u32, u64>, socket: TcpSocket) -> Search {
    let mut result = Search::NotFound;
    for (pid, stat) in below {
        if launchers.get(pid) == Some(&stat.started) {
            continue;
        }
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
