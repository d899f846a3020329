//! Starting a command behind its boundary.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::Pid;
use tidegate_sandbox::ExpectedIdentity;

use super::partial::{self, Places};
use super::protocol::{Applied, Boundary, Plan, Work};
use super::streams::Streams;
use crate::identity::Identity;

/// A command that runs.
pub(super) struct Running {
    /// The command's process, or the one that holds its sandbox.
    pub(super) command: Pid,
    /// What confines it.
    pub(super) applied: Applied,
    #[cfg(target_os = "linux")]
    sandbox: Option<Sandbox>,
}

#[cfg(target_os = "linux")]
struct Sandbox {
    started: tidegate_sandbox::Started,
    /// Of its process, whose number another may have when it was waited for.
    handle: OwnedFd,
}

impl Running {
    /// Whether it runs in a sandbox.
    pub(super) fn is_sandbox(&self) -> bool {
        matches!(self.applied, Applied::Sandbox { .. })
    }

    /// Ends the sandbox, if it is one, and with it everything inside.
    pub(super) fn kill(&self) {
        #[cfg(target_os = "linux")]
        if let Some(sandbox) = &self.sandbox {
            let _ = rustix::process::pidfd_send_signal(&sandbox.handle, rustix::process::Signal::KILL);
        }
    }

    /// The socket on which the command's programs look for the proxy.
    pub(super) fn proxy_listener(&mut self) -> Option<std::net::TcpListener> {
        #[cfg(target_os = "linux")]
        return self.sandbox.as_mut().and_then(|sandbox| sandbox.started.proxy.take());
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// The sockets through which this computer's ports lead to the command's servers.
    pub(super) fn loopback_sockets(&mut self) -> Vec<super::listen::LoopbackSockets> {
        #[cfg(target_os = "linux")]
        return self
            .sandbox
            .as_mut()
            .map(|sandbox| std::mem::take(&mut sandbox.started.loopback))
            .unwrap_or_default();
        #[cfg(not(target_os = "linux"))]
        Vec::new()
    }

    /// Why the command's program did not run after all, when everything has ended.
    pub(super) fn failure(&mut self) -> Option<String> {
        #[cfg(target_os = "linux")]
        return self.sandbox.as_ref().and_then(|sandbox| sandbox.started.program_failure());
        #[cfg(not(target_os = "linux"))]
        None
    }
}

/// Checks that directory and program are what the person saw, and enters the directory. Returns what
/// must be so in a sandbox as well.
pub(super) fn check(plan: &Plan) -> Result<Vec<ExpectedIdentity>, String> {
    let Work::Command { exec, directory, program } = &plan.work else { return Ok(Vec::new()) };
    let opened = open_same(&exec.directory, OFlags::DIRECTORY, *directory)
        .map_err(|reason| format!("the directory {reason}"))?;
    open_same(&exec.program, OFlags::empty(), *program).map_err(|reason| format!("the program {reason}"))?;
    // The command starts in the directory that was checked, whatever its path leads to by now.
    rustix::process::fchdir(&opened).map_err(|error| format!("the directory cannot be entered: {error}"))?;
    let mut expected = vec![directory.expected_at(&exec.directory), program.expected_at(&exec.program)];
    if let Boundary::Sandbox { expected: read_only, .. } = &plan.boundary {
        expected.extend_from_slice(read_only);
    }
    Ok(expected)
}

/// Starts the command.
pub(super) fn start(plan: &Plan, expected: &[ExpectedIdentity], streams: Streams) -> Result<Running, String> {
    match &plan.boundary {
        #[cfg(target_os = "linux")]
        Boundary::Sandbox { bubblewrap, spec, user, .. } => {
            in_sandbox(plan, bubblewrap, spec, user, expected, streams)
        }
        #[cfg(not(target_os = "linux"))]
        Boundary::Sandbox { .. } => {
            let _ = expected;
            Err("this system has no sandbox".to_owned())
        }
        Boundary::Partial { writable, protected, hidden } => {
            let places = Places { writable, protected, hidden };
            confined_in_part(plan, &places, streams)
        }
        Boundary::None => {
            let command = spawn(plan, streams)?;
            Ok(Running::without_sandbox(command, Applied::None))
        }
    }
}

impl Running {
    fn without_sandbox(command: Pid, applied: Applied) -> Self {
        Self {
            command,
            applied,
            #[cfg(target_os = "linux")]
            sandbox: None,
        }
    }
}

/// On the main thread, because the sandbox ends with the thread that starts it.
#[cfg(target_os = "linux")]
fn in_sandbox(
    plan: &Plan,
    bubblewrap: &tidegate_sandbox::bubblewrap::Bubblewrap,
    spec: &tidegate_sandbox::spec::Spec,
    user: &tidegate_sandbox::spec::User,
    expected: &[ExpectedIdentity],
    streams: Streams,
) -> Result<Running, String> {
    use tidegate_sandbox::spec;

    let command = match &plan.work {
        Work::Command { exec, .. } => spec::Command {
            program: exec.program.clone(),
            arguments: std::iter::once("sh".to_owned()).chain(exec.arguments.iter().cloned()).collect(),
            environment: plan.environment.clone(),
            directory: exec.directory.clone(),
            terminal: exec.confinement.pty,
        },
        Work::Probe { targets } => spec::Command {
            // The first program inside is the probe, too.
            program: "/proc/self/exe".into(),
            arguments: vec!["tidegate-inside".to_owned(), "probe".to_owned(), targets.clone()],
            environment: plan.environment.clone(),
            directory: spec.workspace.clone(),
            terminal: false,
        },
    };
    let streams =
        tidegate_sandbox::Streams { input: streams.input, output: streams.output, errors: streams.errors };
    let mut started = tidegate_sandbox::start(bubblewrap, spec, user, &command, expected, streams)
        .map_err(|error| error.to_string())?;
    let command = Pid::from_child(&started.process);
    let handle = rustix::process::pidfd_open(command, rustix::process::PidfdFlags::empty());
    let handle = handle.map_err(|error| {
        let _ = started.process.kill();
        format!("the sandbox cannot be held: {error}")
    })?;
    Ok(Running {
        command,
        applied: Applied::Sandbox { layers: started.layers, capability_refused: started.capability_refused },
        sandbox: Some(Sandbox { started, handle }),
    })
}

/// The thread that starts the command is confined with it and ends; this process stays outside, so that
/// the command cannot signal it.
fn confined_in_part(plan: &Plan, places: &Places<'_>, streams: Streams) -> Result<Running, String> {
    thread::scope(|scope| {
        let starter = scope.spawn(|| {
            let file_rules = partial::confine(places)?;
            Ok(Running::without_sandbox(spawn(plan, streams)?, Applied::Partial { file_rules }))
        });
        starter.join().unwrap_or_else(|_| Err("the command could not be started".to_owned()))
    })
}

fn spawn(plan: &Plan, streams: Streams) -> Result<Pid, String> {
    let Work::Command { exec, .. } = &plan.work else {
        return Err("a sandbox cannot be tried without one".to_owned());
    };
    let child = Command::new(&exec.program)
        .arg0("sh")
        .args(&exec.arguments)
        .env_clear()
        .envs(plan.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::from(streams.input))
        .stdout(Stdio::from(streams.output))
        .stderr(Stdio::from(streams.errors))
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{} could not be started: {error}", exec.program.display()))?;
    Ok(Pid::from_child(&child))
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
