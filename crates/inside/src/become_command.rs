//! Carrying out the instructions, one step after the other; the first that fails ends it.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read as _, Seek as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use tidegate_inside::{
    ExpectedIdentity, Handed, Instructions, Layers, Limits, MAX_HANDED_OUT, MAX_LOOPBACK_SOCKETS, Report,
    VERSION,
};

use crate::file_rules;

/// Bytes of instructions: a command, its environment and some paths.
const MAX_INSTRUCTIONS: u64 = 4 * 1024 * 1024;
/// The exit code when the command did not become this process, as `env` and `sh` have it.
const NOT_STARTED: u8 = 126;
/// Connections that wait to be accepted by the host.
const BACKLOG: i32 = 64;
/// Bytes of pending signals' and message queues' memory; a few are enough.
const PENDING_SIGNALS: u64 = 4096;
const MESSAGE_QUEUES: u64 = 819_200;
const LOCKED_MEMORY: u64 = 8 << 20;

pub(crate) fn main() -> ExitCode {
    let reason = match receive() {
        Err(error) => format!("the sandbox got no instructions: {error}"),
        Ok((channel, instructions, streams)) => {
            let Err(reason) = become_command(&channel, &instructions, streams);
            let _ = tell(&channel, &Report::Refused { reason }, &[]);
            return ExitCode::from(NOT_STARTED);
        }
    };
    let _ = tell(std::io::stdin(), &Report::Refused { reason }, &[]);
    ExitCode::from(NOT_STARTED)
}

/// What the command reads from and writes to.
struct Streams {
    input: OwnedFd,
    output: OwnedFd,
    errors: OwnedFd,
}

/// A value that does not exist: the way on is another program.
enum Never {}

fn receive() -> std::io::Result<(OwnedFd, Instructions, Streams)> {
    let invalid = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    // Kept under another number: the command gets its own standard input.
    let channel = rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 3)?;
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(Handed::COUNT))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(&channel, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut handed = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten();
    let mut next = || handed.next().ok_or_else(|| invalid("a descriptor is missing"));
    let mut instructions = File::from(next()?);
    let lifeline = next()?;
    let streams = Streams { input: next()?, output: next()?, errors: next()? };
    let mut bytes = Vec::new();
    instructions.rewind()?;
    instructions.take(MAX_INSTRUCTIONS).read_to_end(&mut bytes)?;
    let instructions: Instructions = serde_json::from_slice(&bytes)?;
    if instructions.version != VERSION {
        return Err(invalid("they are of another version"));
    }
    // The kernel's own notice of a parent's death misses a parent that died before it was asked for.
    let mut polled = [PollFd::new(&lifeline, PollFlags::IN)];
    if poll(&mut polled, Some(&Timespec::default()))? > 0 {
        return Err(invalid("Tidegate is gone"));
    }
    Ok((channel, instructions, streams))
}

fn become_command(channel: &OwnedFd, instructions: &Instructions, streams: Streams) -> Result<Never, String> {
    enter(&instructions.directory)?;
    instructions.identities.iter().try_for_each(check)?;
    let listener = instructions.proxy_port.map(listen).transpose()?;
    let sockets = loopback_sockets(instructions.loopback_sockets)?;
    let inotify = limit_inotify(instructions.limits.inotify_instances);
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    connect(streams, instructions.terminal)
        .map_err(|error| format!("the command's output could not be connected: {error}"))?;
    limit(&instructions.limits).map_err(|error| format!("the command's limits could not be set: {error}"))?;
    rustix::thread::set_no_new_privs(true)
        .and_then(|()| drop_capabilities())
        .map_err(|error| format!("rights could not be given up: {error}"))?;
    let landlock = |error| format!("Landlock could not be put on: {error}");
    let scopes = file_rules::scope().map_err(landlock)?;
    let file_rules = file_rules::enforce(&instructions.file_rules).map_err(landlock)?;
    let ready = Report::Ready(Layers { file_rules, scopes, inotify });
    let handed: Vec<_> =
        listener.iter().map(|listener| listener.as_fd()).chain(sockets.iter().map(|it| it.as_fd())).collect();
    tell(channel, &ready, &handed).map_err(|error| format!("run-tool does not listen: {error}"))?;
    drop((listener, sockets));
    close_fds::set_fds_cloexec(3, &[]);
    let error = Command::new(&instructions.program)
        .arg0(instructions.arguments.first().map_or("sh", String::as_str))
        .args(instructions.arguments.iter().skip(1))
        .env_clear()
        .envs(instructions.environment.iter().map(|(name, value)| (name, value)))
        .exec();
    Err(format!("{} could not be started: {error}", instructions.program.display()))
}

/// Sends a line, and the sockets that the host serves.
fn tell(channel: impl std::os::fd::AsFd, line: &Report, handed: &[BorrowedFd<'_>]) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_HANDED_OUT))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !handed.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(handed));
    }
    sendmsg(channel, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn enter(directory: &Path) -> Result<(), String> {
    std::env::set_current_dir(directory)
        .map_err(|error| format!("the directory {} cannot be entered: {error}", directory.display()))
}

/// A mount is made from a path, and what the path led to may have been exchanged meanwhile.
fn check(expected: &ExpectedIdentity) -> Result<(), String> {
    let shown = expected.path.display();
    let look = || {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, &expected.path, flags, Mode::empty())?;
        let status = rustix::fs::fstat(&opened)?;
        let mount = rustix::fs::fstatvfs(&opened)?;
        Ok((status, mount.f_flag.contains(StatVfsMountFlags::RDONLY)))
    };
    let (found, is_read_only) =
        look().map_err(|error: Errno| format!("{shown} cannot be looked at: {error}"))?;
    let is_same = (found.st_dev, found.st_ino) == (expected.device, expected.inode);
    if is_same && (is_read_only || !expected.read_only) {
        Ok(())
    } else {
        Err(format!("{shown} was replaced while the sandbox was made; try again"))
    }
}

/// A socket of the sandbox's own network, on which the host accepts: so nothing of the host's network
/// is needed inside, and no program of ours stays there.
fn listen(port: u16) -> Result<TcpListener, String> {
    let make = || -> std::io::Result<TcpListener> {
        let socket = rustix::net::socket_with(
            rustix::net::AddressFamily::INET,
            rustix::net::SocketType::STREAM,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        )?;
        rustix::net::bind(&socket, &std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    make().map_err(|error| format!("the proxy's port {port} could not be opened: {error}"))
}

/// Sockets of the sandbox's own network that are not connected: the host connects them to servers of the
/// command, and the command never gets at them.
fn loopback_sockets(pairs: u16) -> Result<Vec<OwnedFd>, String> {
    let pairs = usize::from(pairs).min(MAX_LOOPBACK_SOCKETS);
    let make = |family| {
        let kind = rustix::net::SocketType::STREAM;
        let make = || rustix::net::socket_with(family, kind, rustix::net::SocketFlags::CLOEXEC, None);
        std::iter::repeat_with(make).take(pairs).collect::<Result<Vec<_>, _>>()
    };
    let mut sockets = make(rustix::net::AddressFamily::INET)
        .map_err(|error| format!("the sockets to its servers could not be made: {error}"))?;
    // A kernel may have no IPv6.
    sockets.extend(make(rustix::net::AddressFamily::INET6).unwrap_or_default());
    Ok(sockets)
}

/// Limits inotify and fanotify apart from the person's own instances, where this process got the
/// capability for that. Without it they are shared, which is a nuisance and no way out.
fn limit_inotify(instances: u32) -> bool {
    let set = |name: &str| std::fs::write(format!("/proc/sys/user/{name}"), instances.to_string()).is_ok();
    let _ = set("max_fanotify_groups");
    set("max_inotify_instances")
}

fn connect(streams: Streams, terminal: bool) -> rustix::io::Result<()> {
    rustix::stdio::dup2_stdin(streams.input)?;
    rustix::stdio::dup2_stdout(streams.output)?;
    rustix::stdio::dup2_stderr(streams.errors)?;
    // A session of its own: keys of a terminal go to this one, and other terminals are out of reach.
    let _ = rustix::process::setsid();
    if terminal {
        rustix::process::ioctl_tiocsctty(std::io::stdin())?;
    }
    Ok(())
}

fn limit(limits: &Limits) -> rustix::io::Result<()> {
    let all = [
        (Resource::Nproc, limits.processes),
        (Resource::Nofile, limits.open_files),
        (Resource::Data, limits.data),
        (Resource::Fsize, limits.file_size),
        (Resource::Memlock, LOCKED_MEMORY),
        (Resource::Sigpending, PENDING_SIGNALS),
        (Resource::Msgqueue, MESSAGE_QUEUES),
    ];
    for (resource, most) in all {
        // Never more than the person has: a limit that is already lower stays.
        let now = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let limit = Some(most.min(now));
        setrlimit(resource, Rlimit { current: limit, maximum: limit })?;
    }
    Ok(())
}

fn drop_capabilities() -> rustix::io::Result<()> {
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: none, permitted: none, inheritable: none },
    )
}
