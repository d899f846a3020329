//! The process between the host and one command: `tidegate run-tool`.
//!
//! It gets a plan on its standard input, checks that directory and program are still the ones that
//! the person saw, confines the command and starts it. The same pipe, kept open, is the lifeline:
//! when it ends, the host has died, and everything that the command started is ended.
//!
//! Its standard output carries status lines for the host; the command writes to its standard error,
//! so that the order of the two output streams is kept.
//!
//! A parent-death signal would do less: it is tied to the thread of the host that made the process,
//! and such threads end while the host lives on.
//!
//! On Linux it is a child subreaper: a process that leaves the command's group or session stays its
//! descendant and is found through `/proc`. On other systems only the command's process group is
//! ended, and nothing confines what a command may write.

#[cfg(target_os = "linux")]
mod descendants;
#[cfg(not(target_os = "linux"))]
#[path = "group.rs"]
mod descendants;
pub(crate) mod protocol;
#[cfg(target_os = "linux")]
mod sandbox;
#[cfg(not(target_os = "linux"))]
#[path = "no_sandbox.rs"]
mod sandbox;

use std::io::{BufRead as _, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

use crate::identity::Identity;
use descendants::Descendants;
use protocol::{MAX_PLAN, Plan, STOP, Sandbox, Status, VERSION};

pub(crate) use descendants::end_session;

/// Between the polite and the final signal, when the host asks for the end.
const GRACE: Duration = Duration::from_secs(2);
/// The same when the host has died: everything must be gone within a second.
const GRACE_WITHOUT_HOST: Duration = Duration::from_millis(300);
/// How often the final signal is repeated until nothing is left.
const REPEAT: Duration = Duration::from_millis(10);

/// Runs one command as the host's plan on standard input says, and returns when nothing of it is
/// left. This is all that the `run-tool` subcommand does; it is not meant to be called by people.
///
/// The exit code tells only whether a plan was carried out; the command's own outcome is in the
/// status lines.
#[must_use]
pub fn run_tool() -> ExitCode {
    isolate();
    let outcome = receive_plan().and_then(|plan| carry_out(&plan));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            report(&Status::Refused { reason });
            ExitCode::FAILURE
        }
    }
}

/// What can happen while a command runs.
enum Event {
    /// The command itself ended.
    Ended(WaitStatus),
    /// No child is left, adopted ones included.
    NoneLeft,
    /// The host asks for the end.
    Stop,
    /// The host died.
    HostGone,
}

/// Separates this process from the host's terminal, descriptors and debuggers. Each step is a
/// second line of defence: where one is not possible, the command still runs.
fn isolate() {
    // Libraries in the host may have left descriptors open for children.
    close_fds::set_fds_cloexec(3, &[]);
    // A session of its own has no terminal, so that nothing can ask for a password or type there.
    let _ = rustix::process::setsid();
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    // The command must not read the plan or write status lines through /proc.
    let _ = crate::shield::shield_process();
}

fn receive_plan() -> Result<Plan, String> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .take(MAX_PLAN)
        .read_line(&mut line)
        .map_err(|error| format!("the plan could not be read: {error}"))?;
    if !line.ends_with('\n') {
        return Err("the plan is incomplete; run-tool is started by Tidegate, not by hand".to_owned());
    }
    let plan: Plan =
        serde_json::from_str(&line).map_err(|error| format!("the plan is not valid: {error}"))?;
    if plan.version != VERSION {
        return Err("Tidegate was updated while it ran; restart it".to_owned());
    }
    Ok(plan)
}

fn carry_out(plan: &Plan) -> Result<(), String> {
    let directory = open_same(&plan.exec.directory, OFlags::DIRECTORY, plan.directory)
        .map_err(|reason| format!("the directory {reason}"))?;
    open_same(&plan.exec.program, OFlags::empty(), plan.program)
        .map_err(|reason| format!("the program {reason}"))?;
    // The command starts in the directory that was checked, whatever its path leads to by now.
    rustix::process::fchdir(&directory)
        .map_err(|error| format!("the directory cannot be entered: {error}"))?;
    drop(directory);

    let (events, happened) = channel();
    let watcher = events.clone();
    thread::spawn(move || watch_host(&watcher));
    let (command, sandbox) = start(plan)?;
    report(&Status::Started { process: command.as_raw_nonzero().get(), sandbox });
    thread::spawn(move || reap(command, &events));
    let (status, grace) = wait_for_end(&happened);
    let status = end_all(&Descendants::of(command), &happened, status, grace);
    report(&match status {
        Some(status) => Status::Ended { code: status.exit_status(), signal: status.terminating_signal() },
        None => Status::Ended { code: None, signal: None },
    });
    Ok(())
}

/// Opens `path` without following a link at its end and checks that it is what the plan is about.
fn open_same(path: &Path, flags: OFlags, expected: Identity) -> Result<OwnedFd, String> {
    #[cfg(target_os = "linux")]
    let flags = flags | OFlags::PATH;
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path, flags, Mode::empty())
        .map_err(|error| format!("{} cannot be opened: {error}", path.display()))?;
    let status = rustix::fs::fstat(&file).map_err(|error| format!("cannot be looked at: {error}"))?;
    if Identity::of_status(&status) == expected {
        Ok(file)
    } else {
        Err(format!("{} was replaced after it was approved", path.display()))
    }
}

/// Starts the command, confined. The thread that starts it is confined with it and ends; this
/// process stays outside, so that the command cannot signal it.
fn start(plan: &Plan) -> Result<(Pid, Sandbox), String> {
    thread::scope(|scope| {
        let starter = scope.spawn(|| {
            let sandbox = sandbox::confine(plan)?;
            let output = || std::io::stderr().as_fd().try_clone_to_owned();
            let (stdout, stderr) = output()
                .and_then(|first| Ok((first, output()?)))
                .map_err(|error| format!("the output cannot be connected: {error}"))?;
            let child = Command::new(&plan.exec.program)
                .arg0("sh")
                .args(&plan.exec.arguments)
                .env_clear()
                .envs(plan.environment.iter().map(|(name, value)| (name, value)))
                .stdin(Stdio::null())
                .stdout(stdout)
                .stderr(stderr)
                .process_group(0)
                .spawn()
                .map_err(|error| format!("{} could not be started: {error}", plan.exec.program.display()))?;
            Ok((Pid::from_child(&child), sandbox))
        });
        starter.join().unwrap_or_else(|_| Err("the command could not be started".to_owned()))
    })
}

/// Tells when the host asks for the end, and when it is gone.
fn watch_host(events: &Sender<Event>) {
    let mut stdin = std::io::stdin().lock();
    let mut byte = [0];
    loop {
        let event = match stdin.read(&mut byte) {
            Ok(1..) if byte == [STOP] => Event::Stop,
            Ok(1..) => continue,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => Event::HostGone,
        };
        let last = matches!(event, Event::HostGone);
        if events.send(event).is_err() || last {
            return;
        }
    }
}

/// Collects all ended children, so that adopted ones do not pile up, and tells when none is left.
fn reap(command: Pid, events: &Sender<Event>) {
    loop {
        let event = match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if ended == command => Event::Ended(status),
            Ok(_) | Err(rustix::io::Errno::INTR) => continue,
            Err(_) => Event::NoneLeft,
        };
        let last = matches!(event, Event::NoneLeft);
        if events.send(event).is_err() || last {
            return;
        }
    }
}

/// Waits until the command must end or has ended, and tells how patient its end is.
fn wait_for_end(happened: &Receiver<Event>) -> (Option<WaitStatus>, Duration) {
    match happened.recv() {
        Ok(Event::Ended(status)) => (Some(status), GRACE),
        Ok(Event::Stop | Event::NoneLeft) => (None, GRACE),
        Ok(Event::HostGone) | Err(_) => (None, GRACE_WITHOUT_HOST),
    }
}

/// Ends everything that the command has left behind: politely, then for good, until nothing is left.
fn end_all(
    descendants: &Descendants,
    happened: &Receiver<Event>,
    mut status: Option<WaitStatus>,
    grace: Duration,
) -> Option<WaitStatus> {
    descendants.signal(Signal::TERM);
    let mut deadline = Instant::now() + grace;
    loop {
        let now = Instant::now();
        let wait = if now < deadline {
            deadline - now
        } else {
            descendants.signal(Signal::KILL);
            REPEAT
        };
        match happened.recv_timeout(wait) {
            Ok(Event::Ended(ended)) => status = Some(ended),
            Ok(Event::NoneLeft) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(Event::HostGone) => deadline = deadline.min(Instant::now() + GRACE_WITHOUT_HOST),
            Ok(Event::Stop) | Err(RecvTimeoutError::Timeout) => {}
        }
    }
    descendants.signal(Signal::KILL);
    status
}

/// Writes one status line. When nobody reads it any more, there is nobody to tell.
fn report(status: &Status) {
    if let Ok(mut line) = serde_json::to_vec(status) {
        line.push(b'\n');
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
    }
}
