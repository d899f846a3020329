//! The attacker, programs beside this one, and what they connect to.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tidegate_peers::commands::{MARK, Reach, RunningCommand, RunningCommands};
use tidegate_peers::{KernelPeers, LocalSocket, UnixPeer};
use tidegate_trust::origin::Peer;

/// How long something may take that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn attacker() -> PathBuf {
    // Cargo builds examples beside the directory of the tests.
    let test = std::env::current_exe().expect("a path");
    test.ancestors().nth(2).expect("the directory of the build").join("examples/peer_attacker")
}

/// A program that is ended with this value.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    pub(crate) fn start(trick: &[&str]) -> Self {
        Self::named("peer_attacker", trick)
    }

    /// Under another name, for the kernel's list of processes.
    pub(crate) fn named(name: &str, trick: &[&str]) -> Self {
        let mut command = Command::new(attacker());
        let child = command.arg0(name).args(trick).stdout(Stdio::piped()).spawn().expect("the attacker");
        Self(child)
    }

    /// Waits for what it says.
    pub(crate) fn says(&mut self, word: &str) {
        let output = self.0.stdout.take().expect("not heard before");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("a word");
        assert_eq!(line.trim(), word);
    }
}

/// A program that is no descendant of this process. Ended by its number with this value.
pub(crate) struct Stranger(pub(crate) u32);

impl Drop for Stranger {
    fn drop(&mut self) {
        if let Some(pid) = as_pid(self.0) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Stranger {
    pub(crate) fn start(trick: &[&str]) -> Self {
        Self::with("peer_attacker", trick, None)
    }

    /// To be called before this process adopts orphans.
    pub(crate) fn with(name: &str, trick: &[&str], mark: Option<&Path>) -> Self {
        let mut shell = Command::new("bash");
        shell.args(["-c", "name=$1; shift; (exec -a \"$name\" \"$@\" >/dev/null) & echo $!", "bash", name]);
        shell.arg(attacker()).args(trick).stdin(Stdio::null()).stderr(Stdio::null());
        if let Some(mark) = mark {
            shell.env(MARK, mark);
        }
        let output = shell.output().expect("bash");
        Self(String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number"))
    }
}

pub(crate) fn as_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(pid.cast_signed())
}

pub(crate) fn adopt_orphans() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("a subreaper");
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) struct Listening(TcpListener);

impl Listening {
    pub(crate) fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    pub(crate) fn port(&self) -> String {
        self.0.local_addr().expect("an address").port().to_string()
    }

    /// Waits for a client and its first word.
    pub(crate) fn arrived(&self) -> (LocalSocket, TcpStream) {
        let (mut stream, peer) = self.0.accept().expect("a client");
        let mut hello = [0; 6];
        stream.read_exact(&mut hello).expect("a word");
        let local = stream.local_addr().expect("an address");
        (LocalSocket::Tcp { peer, local }, stream)
    }
}

pub(crate) struct LocalListening {
    listener: UnixListener,
    pub(crate) path: PathBuf,
    _place: TempDir,
}

impl LocalListening {
    pub(crate) fn start() -> Self {
        let place = TempDir::new().expect("a directory");
        let path = place.path().join("control.sock");
        Self { listener: UnixListener::bind(&path).expect("a socket"), path, _place: place }
    }

    pub(crate) fn path(&self) -> &str {
        self.path.to_str().expect("a path")
    }

    pub(crate) fn accepted(&self) -> (UnixStream, u32) {
        let (stream, _) = self.listener.accept().expect("a client");
        let credentials = rustix::net::sockopt::socket_peercred(&stream).expect("credentials");
        let pid = credentials.pid.as_raw_nonzero().get().cast_unsigned();
        (stream, pid)
    }

    pub(crate) fn arrived(&self) -> (LocalSocket, UnixStream) {
        let (stream, pid) = self.accepted();
        (LocalSocket::Unix(UnixPeer::at_accept(&stream, pid, own_user())), stream)
    }
}

pub(crate) fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

pub(crate) fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// While a command runs, whose launcher's child is this.
pub(crate) fn beside(reach: Reach, launched: Option<&Running>) -> (KernelPeers, RunningCommand) {
    let commands = RunningCommands::default();
    let running = commands.begin(reach);
    if let Some(child) = launched {
        running.launched(child.0.id());
    }
    (KernelPeers::new(Vec::new(), commands), running)
}

pub(crate) fn quiet() -> KernelPeers {
    KernelPeers::new(Vec::new(), RunningCommands::default())
}

#[track_caller]
pub(crate) fn assert_identified(peer: &Peer) {
    assert!(matches!(peer, Peer::Process { same_user: true, program: Some(_), .. }), "{peer:?}");
}

#[track_caller]
pub(crate) fn assert_tool(peer: &Peer) {
    assert!(matches!(peer, Peer::Tool { .. }), "{peer:?}");
}
