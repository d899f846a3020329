//! The process between the host and one command: `tidegate run-tool`.
//!
//! It gets a plan on its standard input, checks that directory and program are still the ones that
//! the person saw, confines the command and starts it. The same pipe, kept open, is the lifeline:
//! when it ends, the host has died, and everything that the command started is ended.
//!
//! Its standard output carries status lines for the host; the command writes to its standard error,
//! so that the order of the two output streams is kept.
//!
//! A sandbox ends by the kernel's hand: with the process that made it, and it with the thread that
//! started it, which is this process's main thread. Without a sandbox this process, a child subreaper
//! on Linux, finds what left the command's group or session through `/proc`; on other systems only the
//! command's process group is ended.

#[cfg(target_os = "linux")]
mod descendants;
#[cfg(not(target_os = "linux"))]
#[path = "group.rs"]
mod descendants;
mod disk;
pub(crate) mod listen;
mod memory;
pub(crate) mod network;
#[cfg(target_os = "linux")]
mod partial;
#[cfg(not(target_os = "linux"))]
#[path = "no_partial.rs"]
mod partial;
pub(crate) mod protocol;
mod start;
mod streams;
mod temporary;

use std::io::{BufRead as _, Read as _, Write as _};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

use descendants::Descendants;
use disk::DiskReserve;
use listen::Ports;
use memory::MemoryLimit;
use network::{NetworkPorts, Serving};
use protocol::{Boundary, INTERRUPT, MAX_PLAN, Plan, STOP, Status, VERSION};
use start::Running;
use streams::Streams;

pub(crate) use descendants::end_session;
pub(crate) use temporary::remove_left_over;

/// Between the polite and the final signal, when the host asks for the end.
const GRACE: Duration = Duration::from_secs(2);
/// The same when the host has died: everything must be gone within a second. A sandbox ends at once,
/// because nobody watches over the workspace any more.
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
    run_tool_with(NetworkPorts::default())
}

/// The same with another network behind the proxy: for tests, in which a public name leads to a server
/// on this computer.
#[must_use]
pub fn run_tool_with(ports: NetworkPorts) -> ExitCode {
    isolate();
    let outcome = receive_plan().and_then(|plan| carry_out(&plan, ports));
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
    /// The host interrupts the command.
    Interrupt,
    /// The disk is nearly full.
    DiskFull,
    /// Its processes together use more than this many bytes of memory.
    MemoryFull(u64),
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

fn carry_out(plan: &Plan, ports: NetworkPorts) -> Result<(), String> {
    let temporary = temporary::make(&plan.boundary)?;
    let outcome = run(plan, ports);
    drop(temporary);
    outcome
}

fn run(plan: &Plan, ports: NetworkPorts) -> Result<(), String> {
    let expected = start::check(plan)?;
    let (events, happened) = channel();
    let watcher = events.clone();
    thread::spawn(move || watch_host(&watcher));
    let (streams, terminal) =
        Streams::of(plan).map_err(|error| format!("the output cannot be connected: {error}"))?;
    let listening = Ports::take(&plan.boundary)?;
    let mut running = start::start(plan, &expected, streams)?;
    let listening = listening.serve(running.loopback_sockets());
    let proxy = match (&plan.boundary, running.proxy_listener()) {
        (Boundary::Sandbox { network, .. }, Some(listener)) => {
            Some(Serving::start(network, ports, listener).inspect_err(|_| running.kill())?)
        }
        _ => None,
    };
    report(&Status::Started { process: running.command.as_raw_nonzero().get(), applied: running.applied });
    let reserve = DiskReserve::of(&plan.boundary);
    let disk = events.clone();
    thread::spawn(move || reserve.watch(|| disk.send(Event::DiskFull).is_ok()));
    let command = running.command;
    if let Some(limit) = MemoryLimit::of(&plan.boundary, command) {
        let memory = events.clone();
        thread::spawn(move || limit.watch(|bytes| memory.send(Event::MemoryFull(bytes)).is_ok()));
    }
    thread::spawn(move || reap(command, &events));
    let descendants = Descendants::of(command, running.is_sandbox());
    // Only a sandbox makes the terminal the one that its keys reach the command by.
    let controlling = terminal.as_ref().filter(|_| running.is_sandbox());
    let end = wait_for_end(&happened, || match controlling {
        Some(terminal) => terminal.interrupt(),
        None => descendants.interrupt(),
    });
    let status = end_all(&running, &descendants, &happened, &end);
    drop(listening);
    let network = proxy.map(Serving::finish).unwrap_or_default();
    if let Some(terminal) = terminal {
        terminal.finish();
    }
    if let Some(reason) = running.failure() {
        return Err(reason);
    }
    report(&Status::Ended {
        code: status.and_then(WaitStatus::exit_status),
        signal: status.and_then(WaitStatus::terminating_signal),
        disk_full: end.disk_full,
        memory: end.memory,
        network,
    });
    Ok(())
}

/// Tells when the host asks for the end, and when it is gone.
fn watch_host(events: &Sender<Event>) {
    let mut stdin = std::io::stdin().lock();
    let mut byte = [0];
    loop {
        let event = match stdin.read(&mut byte) {
            Ok(1..) if byte == [STOP] => Event::Stop,
            Ok(1..) if byte == [INTERRUPT] => Event::Interrupt,
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

/// Why the command must end, or how it ended.
struct End {
    status: Option<WaitStatus>,
    grace: Duration,
    disk_full: bool,
    memory: Option<u64>,
    host_gone: bool,
}

/// Waits until the command must end or has ended.
fn wait_for_end(happened: &Receiver<Event>, interrupt: impl Fn()) -> End {
    let end = |status, grace| End { status, grace, disk_full: false, memory: None, host_gone: false };
    loop {
        return match happened.recv() {
            Ok(Event::Interrupt) => {
                interrupt();
                continue;
            }
            Ok(Event::Ended(status)) => end(Some(status), GRACE),
            Ok(Event::Stop | Event::NoneLeft) => end(None, GRACE),
            Ok(Event::DiskFull) => End { disk_full: true, ..end(None, GRACE_WITHOUT_HOST) },
            Ok(Event::MemoryFull(bytes)) => End { memory: Some(bytes), ..end(None, Duration::ZERO) },
            Ok(Event::HostGone) | Err(_) => End { host_gone: true, ..end(None, GRACE_WITHOUT_HOST) },
        };
    }
}

/// Ends everything that the command has left behind: politely, then for good, until nothing is left.
fn end_all(
    running: &Running,
    descendants: &Descendants,
    happened: &Receiver<Event>,
    end: &End,
) -> Option<WaitStatus> {
    let mut status = end.status;
    if end.host_gone || end.memory.is_some() {
        running.kill();
    }
    // With the process that holds a sandbox the kernel ends everything inside.
    if !running.is_sandbox() || status.is_none() {
        descendants.signal(Signal::TERM);
    }
    let mut deadline = Instant::now() + end.grace;
    loop {
        let now = Instant::now();
        let wait = if now < deadline {
            deadline - now
        } else {
            running.kill();
            descendants.signal(Signal::KILL);
            REPEAT
        };
        match happened.recv_timeout(wait) {
            Ok(Event::Ended(ended)) => status = Some(ended),
            Ok(Event::NoneLeft) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(Event::HostGone) => {
                running.kill();
                deadline = deadline.min(Instant::now() + GRACE_WITHOUT_HOST);
            }
            Ok(Event::Stop | Event::Interrupt | Event::DiskFull | Event::MemoryFull(_))
            | Err(RecvTimeoutError::Timeout) => {}
        }
    }
    if !running.is_sandbox() {
        descendants.signal(Signal::KILL);
    }
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
