//! Starting `run-tool` for an approved plan, and following it to its end.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tidegate_agent::command::Interrupt;
use tidegate_peers::commands::{RUN_TOOL, Reach, RunningCommand, RunningCommands};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::approved::ApprovedPlan;
#[cfg(target_os = "linux")]
use super::first_process::FirstProcess;
use super::live::Live;
use super::output::Output;
use crate::run_tool::end_session;
use crate::run_tool::protocol::{Applied, Boundary, INTERRUPT, Plan, STOP, Status, VERSION, Work};

/// How long `run-tool` may take to end everything politely before its lifeline is cut, and again
/// before it is killed itself.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long output is awaited when everything that could write it is gone.
const LAST_OUTPUT: Duration = Duration::from_secs(1);
/// Bytes of status lines: a few short ones.
const MAX_STATUS: u64 = 64 * 1024;

/// How commands are started: our own program, as `run-tool`.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The program, absolute.
    pub executable: PathBuf,
    /// Its arguments: those by which it calls [`crate::run_tool()`].
    pub arguments: Vec<OsString>,
    /// Where each command is noted while it runs: who decides about peers has to know.
    pub commands: RunningCommands,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Exited(i32),
    Signalled(i32),
    TimedOut(Duration),
    Cancelled,
    /// The disk was nearly full.
    DiskFull,
    /// Its processes together used more than this many bytes of memory.
    OutOfMemory(u64),
    /// `run-tool` was killed, so that nobody knows.
    Lost,
}

/// A command that ran.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) output: Output,
    pub(super) end: End,
    /// What became of connections that were refused or failed.
    pub(super) network: Vec<String>,
    /// What confined it.
    pub(super) applied: Option<Applied>,
    /// Whether all its processes are known to be gone.
    pub(super) all_gone: bool,
    /// How often a person interrupted it.
    pub(super) interrupts: u32,
}

/// Why a command was not started.
#[derive(Debug, thiserror::Error)]
pub(super) enum LaunchError {
    #[error("{} could not be started: {source}", .program.display())]
    Start { program: PathBuf, source: std::io::Error },
    #[error("the plan could not be handed over: {0}")]
    Plan(std::io::Error),
    #[error("{0}")]
    Refused(String),
}

impl Launcher {
    /// `executable run-tool`.
    #[must_use]
    pub fn new(executable: PathBuf) -> Self {
        Self { executable, arguments: vec![RUN_TOOL.into()], commands: RunningCommands::default() }
    }

    /// Runs the command to its end; on cancellation and after `timeout`, ends it. Meanwhile `live` gets
    /// what it prints, and interrupts it. Returns when its processes are gone. Dropping the future ends them too.
    pub(super) async fn run(
        &self,
        approved: ApprovedPlan,
        environment: Vec<(String, String)>,
        boundary: Boundary,
        timeout: Duration,
        cancelled: &CancellationToken,
        live: Live,
    ) -> Result<Finished, LaunchError> {
        let prepared = approved.into_prepared();
        let work = Work::Command {
            exec: Box::new(prepared.plan),
            directory: prepared.directory,
            program: prepared.program,
        };
        let plan = Plan { version: VERSION, work, environment, boundary };
        self.carry_out(&plan, timeout, cancelled, Some(live)).await
    }

    /// The same for a plan that no person has to allow: only the probe's is one, and nobody looks on.
    pub(super) async fn carry_out(
        &self,
        plan: &Plan,
        timeout: Duration,
        cancelled: &CancellationToken,
        live: Option<Live>,
    ) -> Result<Finished, LaunchError> {
        let mut supervised = Supervised::start(self, plan, live).await?;
        let ask_to_end = tokio::select! {
            biased;
            () = supervised.follow() => None,
            () = cancelled.cancelled() => Some(End::Cancelled),
            () = tokio::time::sleep(timeout) => Some(End::TimedOut(timeout)),
        };
        if ask_to_end.is_some() {
            supervised.end().await;
        }
        supervised.finish(ask_to_end).await
    }
}

/// A running `run-tool`.
struct Supervised {
    /// Until the child was waited for.
    _running: RunningCommand,
    child: Child,
    /// Its lifeline: while this is open, the host lives.
    lifeline: Option<ChildStdin>,
    status: Option<Lines<BufReader<tokio::io::Take<ChildStdout>>>>,
    output_pipe: Option<ChildStderr>,
    output: Output,
    live: Option<Live>,
    interrupts: u32,
    started: Option<(i32, Applied)>,
    #[cfg(target_os = "linux")]
    first_process: Option<FirstProcess>,
    ended: Option<(Option<i32>, Option<i32>)>,
    disk_full: bool,
    memory: Option<u64>,
    network: Vec<String>,
    refused: Option<String>,
}

impl Supervised {
    async fn start(launcher: &Launcher, plan: &Plan, live: Option<Live>) -> Result<Self, LaunchError> {
        let mut line = serde_json::to_vec(plan).map_err(|error| LaunchError::Plan(error.into()))?;
        line.push(b'\n');
        let running = launcher.commands.begin(reach(&plan.boundary));
        launcher.commands.note_written(written(&plan.boundary));
        let mut child = Command::new(&launcher.executable)
            .args(&launcher.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| LaunchError::Start { program: launcher.executable.clone(), source })?;
        if let Some(pid) = child.id() {
            running.launched(pid);
        }
        let mut lifeline = child.stdin.take();
        if let Some(pipe) = &mut lifeline {
            pipe.write_all(&line).await.map_err(LaunchError::Plan)?;
        }
        let status = child.stdout.take().map(|pipe| BufReader::new(pipe.take(MAX_STATUS)).lines());
        let output_pipe = child.stderr.take();
        Ok(Self {
            _running: running,
            child,
            lifeline,
            status,
            output_pipe,
            output: Output::default(),
            live,
            interrupts: 0,
            started: None,
            #[cfg(target_os = "linux")]
            first_process: None,
            ended: None,
            disk_full: false,
            memory: None,
            network: Vec::new(),
            refused: None,
        })
    }

    /// Takes in output and status until there is no more status, which is when `run-tool` ends.
    async fn follow(&mut self) {
        let mut buffer = Vec::with_capacity(16 * 1024);
        while let Some(status) = &mut self.status {
            tokio::select! {
                line = status.next_line() => match line {
                    Ok(Some(line)) => self.note(&line),
                    Ok(None) | Err(_) => self.status = None,
                },
                read = read_some(self.output_pipe.as_mut(), &mut buffer) => {
                    self.output.push(&buffer);
                    if let Some(live) = &mut self.live {
                        live.push(&buffer);
                    }
                    if read == 0 {
                        self.output_pipe = None;
                    }
                }
                interrupt = interrupted(self.live.as_mut()) => self.interrupt(interrupt).await,
            }
        }
    }

    /// Passes it on, unless there is nobody left to take it.
    async fn interrupt(&mut self, interrupt: Interrupt) {
        if let Some(lifeline) = &mut self.lifeline
            && lifeline.write_all(&[INTERRUPT]).await.is_ok()
        {
            self.interrupts = self.interrupts.saturating_add(1);
            interrupt.delivered();
        }
    }

    fn note(&mut self, line: &str) {
        match serde_json::from_str(line) {
            Ok(Status::Started { process, applied }) => {
                tracing::debug!(process, ?applied, "a command was started");
                #[cfg(target_os = "linux")]
                if let Applied::Sandbox { .. } = applied {
                    self.first_process = self.child.id().and_then(|id| FirstProcess::of(id, process));
                }
                self.started = Some((process, applied));
            }
            Ok(Status::Ended { code, signal, disk_full, memory, network }) => {
                self.network = network;
                self.ended = Some((code, signal));
                self.disk_full = disk_full;
                self.memory = memory;
            }
            Ok(Status::Refused { reason }) => self.refused = Some(reason),
            Err(error) => tracing::warn!(%error, "run-tool sent a line that is not a status"),
        }
    }

    /// Asks for the end, then demands it, then enforces it.
    async fn end(&mut self) {
        // Nobody interrupts it from now on, and no update of it is sent before its result.
        self.live = None;
        if let Some(lifeline) = &mut self.lifeline {
            let _ = lifeline.write_all(&[STOP]).await;
        }
        if timeout_at(Instant::now() + PATIENCE, self.follow()).await.is_ok() {
            return;
        }
        self.lifeline = None;
        if timeout_at(Instant::now() + PATIENCE, self.follow()).await.is_err() {
            let _ = self.child.start_kill();
        }
    }

    /// Collects what is left when `run-tool` has ended.
    async fn finish(mut self, asked_to_end: Option<End>) -> Result<Finished, LaunchError> {
        let mut all_gone = self.ended.is_some() || self.refused.is_some();
        if !all_gone {
            let (session, command) = (self.child.id(), self.started.map(|(process, _)| process));
            let session = session.and_then(|id| i32::try_from(id).ok());
            if let Some(session) = session {
                // Its number stays its own until it is waited for below.
                let _ = tokio::task::spawn_blocking(move || end_session(session, command)).await;
            }
            #[cfg(target_os = "linux")]
            if let Some(first) = self.first_process.take() {
                let ended = tokio::task::spawn_blocking(move || first.end(PATIENCE));
                all_gone = ended.await.unwrap_or(false);
            }
        }
        self.lifeline = None;
        let last = Instant::now() + LAST_OUTPUT;
        let mut buffer = Vec::with_capacity(16 * 1024);
        while self.output_pipe.is_some() {
            tokio::select! {
                read = read_some(self.output_pipe.as_mut(), &mut buffer) => {
                    self.output.push(&buffer);
                    if read == 0 {
                        self.output_pipe = None;
                    }
                }
                () = sleep_until(last) => self.output_pipe = None,
            }
        }
        let _ = self.child.wait().await;
        if let Some(reason) = self.refused {
            return Err(LaunchError::Refused(reason));
        }
        let end = match (asked_to_end, self.ended) {
            (Some(end), _) => end,
            (None, _) if self.disk_full => End::DiskFull,
            (None, _) if self.memory.is_some() => End::OutOfMemory(self.memory.unwrap_or_default()),
            (None, Some((Some(code), _))) => End::Exited(code),
            (None, Some((None, Some(signal)))) => End::Signalled(signal),
            (None, Some((None, None)) | None) => End::Lost,
        };
        Ok(Finished {
            output: self.output,
            network: self.network,
            end,
            applied: self.started.map(|(_, applied)| applied),
            all_gone,
            interrupts: self.interrupts,
        })
    }
}

/// How far a command behind this boundary gets.
fn reach(boundary: &Boundary) -> Reach {
    match boundary {
        Boundary::Sandbox { .. } => Reach::Contained,
        Boundary::Partial { .. } | Boundary::None => Reach::Beyond,
    }
}

/// The folders that a command can write, but for those that only it sees. One that is not confined can write
/// wherever the person can: of that, nothing is noted.
fn written(boundary: &Boundary) -> Vec<&PathBuf> {
    match boundary {
        Boundary::Sandbox { spec, .. } => {
            let outside = spec.writable.iter().chain(&spec.repositories);
            outside.chain([&spec.workspace, &spec.private_home]).collect()
        }
        Boundary::Partial { writable, .. } => writable.iter().collect(),
        Boundary::None => Vec::new(),
    }
}

/// Waits until a person interrupts the command, for ever where nobody can.
async fn interrupted(live: Option<&mut Live>) -> Interrupt {
    match live {
        Some(live) => live.interrupted().await,
        None => std::future::pending().await,
    }
}

/// Reads one piece into an emptied buffer; 0 at the end. Without a pipe it waits for ever.
async fn read_some(pipe: Option<&mut (impl AsyncRead + Unpin)>, buffer: &mut Vec<u8>) -> usize {
    buffer.clear();
    match pipe {
        Some(pipe) => pipe.read_buf(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}
