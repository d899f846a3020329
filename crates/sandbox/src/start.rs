//! Making a sandbox and starting a command in it.

mod hand_over;

use std::ffi::OsString;
use std::fs::File;
use std::io::{IoSliceMut, Read as _, Seek as _, Write as _};
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::FdFlags;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, SocketFlags, SocketType, recvmsg, socketpair,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use tidegate_inside::{ExpectedIdentity, Instructions, Layers, Report, VERSION};

use crate::bubblewrap::{Bubblewrap, BubblewrapError};
use crate::filter::{self, FilterOptions};
use crate::mounts::{self, OwnFiles, SystemLayout};
use crate::spec::{Command, Spec, User};

/// The program that is first in a sandbox, built beside this crate.
const INSIDE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tidegate-inside"));
/// How long a sandbox may take to be made, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of what bubblewrap says, and of what the first program tells.
const MAX_SAID: u64 = 4096;

/// The streams of a command.
#[derive(Debug)]
pub struct Streams {
    /// Its standard input.
    pub input: OwnedFd,
    /// Its standard output.
    pub output: OwnedFd,
    /// Its error output.
    pub errors: OwnedFd,
}

impl Streams {
    fn try_clone(&self) -> std::io::Result<Self> {
        let Self { input, output, errors } = self;
        Ok(Self { input: input.try_clone()?, output: output.try_clone()?, errors: errors.try_clone()? })
    }
}

/// A command in its sandbox.
#[derive(Debug)]
pub struct Started {
    /// The bubblewrap outside: it ends when the command does, and everything inside ends with it.
    pub process: Child,
    /// What is in force, of what can be told from inside.
    pub layers: Layers,
    /// The socket on which the host serves its proxy.
    pub proxy: Option<TcpListener>,
    /// The sockets through which the host reaches servers of the command.
    pub loopback: Vec<LoopbackSockets>,
    /// Whether the system refused the capability by which inotify is limited, so that it is not.
    pub capability_refused: bool,
    said: File,
    channel: OwnedFd,
    _lifeline: OwnedFd,
}

/// A socket of each family in the sandbox's own network, not connected yet.
#[derive(Debug)]
pub struct LoopbackSockets {
    /// For 127.0.0.1 of the sandbox.
    pub ipv4: OwnedFd,
    /// For `::1` of the sandbox, where the kernel has IPv6.
    pub ipv6: Option<OwnedFd>,
}

/// Why a command does not run. Sentences for people and models.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no bubblewrap that can be used.
    #[error(transparent)]
    Bubblewrap(#[from] BubblewrapError),
    /// The filter cannot be made.
    #[error(transparent)]
    Filter(#[from] filter::FilterError),
    /// A folder of the sandbox is not there, or not to be looked at.
    #[error("{} cannot be used: {source}", .path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    /// Something is missing on the way.
    #[error("the sandbox could not be prepared: {0}")]
    System(#[from] std::io::Error),
    /// Bubblewrap could not make it.
    #[error("the sandbox could not be made: {said}")]
    Refused {
        /// What bubblewrap said, cleaned, on one line.
        said: String,
    },
    /// The first program inside found something that must not be.
    #[error("{reason}")]
    Inside {
        /// What it told.
        reason: String,
    },
    /// Nothing was heard in time.
    #[error("the sandbox was not ready within {} seconds", PATIENCE.as_secs())]
    Slow,
}

impl From<rustix::io::Errno> for StartError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::System(error.into())
    }
}

impl Started {
    /// What the first program told after it was ready: that the command's program could not be run.
    /// Called when the command has ended.
    #[must_use]
    pub fn program_failure(&self) -> Option<String> {
        let mut bytes = vec![0; 4096];
        let mut control = RecvAncillaryBuffer::default();
        let flags = RecvFlags::DONTWAIT;
        let received =
            recvmsg(&self.channel, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags).ok()?;
        match serde_json::from_slice(bytes.get(..received.bytes)?.trim_ascii()).ok()? {
            Report::Refused { reason } => Some(one_line(&reason)),
            Report::Ready(_) => None,
        }
    }

    /// What bubblewrap said, if anything: at the end, when it failed.
    #[must_use]
    pub fn said(&mut self) -> String {
        read_said(&mut self.said)
    }
}

/// Makes the sandbox and starts the command in it. It runs only where `expected` holds inside, beside
/// what the folders of `spec` are now. The calling *thread* must live as long as the
/// command: the kernel ends the sandbox with it (`PR_SET_PDEATHSIG`).
///
/// # Errors
/// When any part of the sandbox cannot be made. Nothing runs then.
pub fn start(
    bubblewrap: &Bubblewrap,
    spec: &Spec,
    user: &User,
    command: &Command,
    expected: &[ExpectedIdentity],
    streams: Streams,
) -> Result<Started, StartError> {
    bubblewrap.check()?;
    let mut instructions = instructions(spec, command)?;
    instructions.identities.extend_from_slice(expected);
    if !bubblewrap.gives_capability {
        return attempt(bubblewrap, spec, user, &instructions, streams);
    }
    let first = attempt(bubblewrap, spec, user, &instructions, streams.try_clone()?);
    let Err(StartError::Refused { said }) = first else { return first };
    // What the system has against it is not always said in the same words. Where it was something else, it
    // fails again.
    let plain = Bubblewrap { gives_capability: false, ..bubblewrap.clone() };
    match attempt(&plain, spec, user, &instructions, streams) {
        Ok(started) => Ok(Started { capability_refused: true, ..started }),
        Err(_) => Err(StartError::Refused { said }),
    }
}

fn attempt(
    bubblewrap: &Bubblewrap,
    spec: &Spec,
    user: &User,
    instructions: &Instructions,
    streams: Streams,
) -> Result<Started, StartError> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let (lifeline, hung_up) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (said, says) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&said, true)?;

    let program =
        filter::filter(FilterOptions { internet: true, local_sockets: spec.local_sockets, ptrace: true })?;
    let (users, groups) = user.files();
    let inherited = Inherited {
        inside: memory("tidegate-inside", INSIDE)?,
        filter: memory("filter", &filter::to_bytes(&program))?,
        users: memory("users", users.as_bytes())?,
        groups: memory("groups", groups.as_bytes())?,
        empty: memory("empty", b"")?,
    };
    let files = OwnFiles {
        users: inherited.users.as_raw_fd(),
        groups: inherited.groups.as_raw_fd(),
        empty: inherited.empty.as_raw_fd(),
    };
    let mut arguments = isolation(bubblewrap);
    let layout = SystemLayout::of_system(bubblewrap.bounds_memory());
    arguments.extend(mounts::arguments(spec, &layout, files));
    arguments.extend(["--seccomp".into(), inherited.filter.as_raw_fd().to_string().into()]);
    let list = memory("arguments", &separated(&arguments))?;
    inherited.keep_open(&list)?;

    // Limits that the filter forbids to change inside. A limit of one byte is the only one by which the
    // kernel does not hand a crashed process to a program outside.
    setrlimit(Resource::Core, Rlimit { current: Some(1), maximum: Some(1) })?;
    let mut process = match &spec.scope {
        Some(scope) => scope.command(&bubblewrap.path),
        None => {
            let mut process = Process::new(&bubblewrap.path);
            process.env_clear();
            process
        }
    };
    let spawned = process
        .arg("--args")
        .arg(list.as_raw_fd().to_string())
        .arg("--")
        .arg(format!("/proc/self/fd/{}", inherited.inside.as_raw_fd()))
        .current_dir("/")
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::from(says.try_clone()?))
        .stderr(Stdio::from(says))
        .spawn();
    // It holds the other end of the channel, whose end is to be noticed.
    drop(process);
    let process = spawned?;
    drop(inherited);
    let mut started = Started {
        process,
        layers: NOTHING,
        proxy: None,
        loopback: Vec::new(),
        capability_refused: false,
        said: File::from(said),
        channel: ours,
        _lifeline: hung_up,
    };
    match hand_over::hand_over(&mut started, instructions, &lifeline, streams) {
        Ok(()) => Ok(started),
        Err(error) => {
            let _ = started.process.kill();
            let _ = started.process.wait();
            let said = started.said();
            match error {
                StartError::Inside { .. } => Err(error),
                _ if !said.is_empty() => Err(StartError::Refused { said }),
                other => Err(other),
            }
        }
    }
}

const NOTHING: Layers = Layers {
    file_rules: tidegate_inside::Enforcement::None,
    scopes: tidegate_inside::Enforcement::None,
    inotify: false,
};

/// Files that bubblewrap inherits.
struct Inherited {
    inside: File,
    filter: File,
    users: File,
    groups: File,
    empty: File,
}

impl Inherited {
    fn keep_open(&self, list: &File) -> rustix::io::Result<()> {
        for file in [&self.inside, &self.filter, &self.users, &self.groups, &self.empty, list] {
            rustix::io::fcntl_setfd(file, FdFlags::empty())?;
        }
        Ok(())
    }
}

fn isolation(bubblewrap: &Bubblewrap) -> Vec<OsString> {
    let mut words = vec![
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-net",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--hostname",
        "sandbox",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
    ];
    if bubblewrap.gives_capability {
        // For the limit of inotify instances; given up before the command starts.
        words.extend(["--cap-add", "CAP_SYS_RESOURCE"]);
    }
    if bubblewrap.forbids_namespaces() {
        words.push("--disable-userns");
    }
    words.into_iter().map(OsString::from).collect()
}

fn instructions(spec: &Spec, command: &Command) -> Result<Instructions, StartError> {
    let mut checked: Vec<&Path> = vec![&spec.workspace, &command.directory];
    let folders = spec.writable.iter().chain(&spec.repositories).chain(&spec.readable);
    checked.extend(folders.map(PathBuf::as_path));
    let mut identities = Vec::new();
    for path in checked {
        identities.push(identity(path, path)?);
    }
    for path in &spec.read_only {
        identities.push(ExpectedIdentity { read_only: true, ..identity(path, path)? });
    }
    identities.push(identity(&spec.private_home, &spec.home)?);
    identities.push(identity(&spec.temporary, Path::new("/tmp"))?);
    Ok(Instructions {
        version: VERSION,
        terminal: command.terminal,
        proxy_port: spec.proxy_port,
        loopback_sockets: spec.loopback_sockets,
        identities,
        file_rules: mounts::file_rules(spec),
        limits: spec.limits,
        directory: command.directory.clone(),
        program: command.program.clone(),
        arguments: command.arguments.clone(),
        environment: command.environment.clone(),
    })
}

/// What lies at `path` now and must lie at `inside` there.
fn identity(path: &Path, inside: &Path) -> Result<ExpectedIdentity, StartError> {
    let folder =
        |error: rustix::io::Errno| StartError::Folder { path: path.to_owned(), source: error.into() };
    let found = rustix::fs::lstat(path).map_err(folder)?;
    Ok(ExpectedIdentity {
        path: inside.to_owned(),
        device: found.st_dev,
        inode: found.st_ino,
        read_only: false,
    })
}

/// A file that is only in memory, read from its start.
fn memory(name: &str, content: &[u8]) -> std::io::Result<File> {
    let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

fn separated(arguments: &[OsString]) -> Vec<u8> {
    arguments.iter().flat_map(|argument| argument.as_encoded_bytes().iter().copied().chain([0])).collect()
}

fn read_said(said: &mut File) -> String {
    let mut bytes = Vec::new();
    // What is not there yet is not waited for.
    let _ = said.take(MAX_SAID).read_to_end(&mut bytes);
    one_line(&String::from_utf8_lossy(&bytes))
}

/// Text of programs on one line, without control characters.
pub(crate) fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(500).collect()
}
