//! `exec`: a command that a person allows.

mod approved;
mod environment;
#[cfg(target_os = "linux")]
mod first_process;
mod git_identity;
mod guards;
mod launcher;
mod listen;
mod live;
mod local_sockets;
mod output;
mod plain;
mod plan;
mod probe;
mod repository;
mod sandboxes;
mod set_aside;
mod shared_files;
mod tail;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tidegate_agent::tool::{Tool, ToolContext, ToolDescription, ToolOutput};
use tidegate_protocol::confinement::{CommandClass, Need};
use tidegate_sandbox::Enforcement;
use tidegate_sandbox::bubblewrap::{Bubblewrap, BubblewrapError};
use tidegate_sandbox::scope::ScopeError;
use tidegate_triggers::Report;
use tidegate_triggers::records::CommandOrigin;
use tokio_util::sync::CancellationToken;

pub use environment::ToolEnvironment;
pub use launcher::Launcher;
pub use sandboxes::{SandboxOptions, Sandboxes};
pub use set_aside::{SetAsideError, SetAsideEvent, SetAsideFiles};
pub use shared_files::UnshareError;

use crate::protected::Protected;
use approved::{ApprovedPlan, NotApproved};
use guards::{Guards, Prepared, WatchError};
use launcher::{End, Finished, LaunchError};
use live::Live;
use plan::{Planner, Request, RequestError};
use shared_files::{SharedInFolder, WritableFolder};

use crate::run_tool::listen::CONNECTIONS;
use crate::run_tool::network::{self, Network, PROXY_PORT};
use crate::run_tool::protocol::{Applied, Boundary};

/// Findings about trigger files that a result names.
const MAX_FINDINGS: usize = 12;

/// What programs say of files that they cannot change.
const READ_ONLY_ERRORS: &[&str] = &["Read-only file system", "EROFS", "Device or resource busy", "EBUSY"];

/// The tool `exec`.
pub(crate) struct Exec {
    launcher: Launcher,
    surroundings: Surroundings,
}

/// What commands find around them.
#[derive(Clone)]
struct Surroundings {
    protected: Protected,
    temporary: PathBuf,
    environment: ToolEnvironment,
    sandboxes: Arc<Sandboxes>,
}

/// A command that ran, and what became of trigger files meanwhile.
struct Outcome {
    finished: Finished,
    triggers: Option<Report>,
    /// Why it could not write everything in its folders.
    read_only: Option<String>,
    /// Whether the permission by which it ran was revoked before it ended.
    was_revoked: bool,
}

/// Why a command gave no outcome of its own. The sentence goes to the model.
#[derive(Debug, thiserror::Error)]
enum ExecError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    NotApproved(#[from] NotApproved),
    #[error("the sandbox's own directories could not be made: {0}")]
    Directories(std::io::Error),
    #[error(transparent)]
    Bubblewrap(#[from] BubblewrapError),
    #[error("tools.exec.memoryScope is set, and {0}; the person can take the setting away")]
    Scope(#[from] ScopeError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error("the person revoked the permission by which it would have run")]
    Revoked,
    #[error("it stopped unexpectedly: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

impl Exec {
    /// A tool that starts commands through `launcher`. They see `environment`, and where `sandboxes` do
    /// not hold, they may write in the run's workspace and in `temporary`.
    pub(crate) fn new(
        launcher: Launcher,
        protected: Protected,
        temporary: PathBuf,
        environment: ToolEnvironment,
        sandboxes: Arc<Sandboxes>,
    ) -> Self {
        let surroundings = Surroundings { protected, temporary, environment, sandboxes };
        Self { launcher, surroundings }
    }

    async fn run(&self, context: &ToolContext, arguments: Value) -> Result<Outcome, ExecError> {
        let request = Request::parse(arguments)?;
        let timeout = request.timeout;
        let Surroundings { protected, sandboxes, .. } = &self.surroundings;
        let problem = sandboxes.report(&self.launcher).await.problem();
        let mut confinement = request.confinement(problem.as_deref())?;
        confinement.after_network = context.network.was_noted();
        let mut planner = Planner {
            request,
            authority: context.authority.clone(),
            protected: protected.clone(),
            confinement,
            sandboxes: Arc::clone(sandboxes),
        };
        let prepared = match planner.confinement.class {
            CommandClass::Unconfined => None,
            CommandClass::Contained | CommandClass::Partial => {
                let folders = writable_folders(&planner).await?;
                Some(Guards::prepare(sandboxes.set_aside(), folders).await?)
            }
        };
        planner.confinement.shared = prepared
            .as_ref()
            .and_then(|prepared| shared_files::shown(&prepared.shared, context.authority.workspace()));
        let approved = ApprovedPlan::obtain(context, planner.clone()).await?;
        if planner.reaches_network() {
            context.network.note();
        }
        // A call that is given up ends its command, and the last look is taken all the same.
        let cancelled = context.cancelled.child_token();
        let _stop = cancelled.clone().drop_guard();
        let launch = Launch {
            launcher: self.launcher.clone(),
            surroundings: self.surroundings.clone(),
            origin: CommandOrigin {
                session: context.session.to_string(),
                run: context.run.to_string(),
                call: context.call_id.clone(),
                command: approved.plan().command.clone(),
            },
            planner,
            prepared,
            approved,
            context: context.clone(),
            timeout,
            cancelled,
        };
        tokio::spawn(launch.carry_out()).await?
    }
}

/// An allowed command, with all that it takes to run it.
struct Launch {
    launcher: Launcher,
    surroundings: Surroundings,
    planner: Planner,
    /// Watched until the watch over the command begins.
    prepared: Option<Prepared>,
    approved: ApprovedPlan,
    context: ToolContext,
    origin: CommandOrigin,
    timeout: Duration,
    cancelled: CancellationToken,
}

impl Launch {
    async fn carry_out(self) -> Result<Outcome, ExecError> {
        let class = self.planner.confinement.class;
        let added = self.approved.plan().environment.clone();
        // Kept until the command has ended, so that it ends when the permission is revoked.
        let permission = self.approved.permission().cloned();
        let revoked = permission.as_ref().map(|used| used.revoked.clone()).unwrap_or_default();
        let watch = match class {
            CommandClass::Unconfined => None,
            CommandClass::Contained | CommandClass::Partial => {
                let folders = writable_folders(&self.planner).await?;
                Some(Guards::begin(self.surroundings.sandboxes.set_aside(), folders, self.origin).await?)
            }
        };
        drop(self.prepared);
        let shared = watch.as_ref().map(|watch| watch.shared.clone()).unwrap_or_default();
        let read_only = shared_files::explained(&shared, self.planner.authority.workspace());
        let (planner, surroundings) = (self.planner, self.surroundings);
        let bubblewrap = surroundings.sandboxes.bubblewrap().await;
        let built =
            tokio::task::spawn_blocking(move || surroundings.boundary(&planner, bubblewrap, &shared)).await;
        let finished = match built.map_err(ExecError::from).and_then(|built| built) {
            Err(error) => Err(error),
            // What is revoked before it began does not begin.
            Ok(_) if revoked.is_cancelled() => Err(ExecError::Revoked),
            Ok((boundary, environment)) => {
                let environment = environment.with(added);
                let live = Live::of(&self.context, self.approved.plan());
                let launched = self.launcher.run(
                    self.approved,
                    environment,
                    boundary,
                    self.timeout,
                    &self.cancelled,
                    live,
                );
                let end = watch.as_ref().map(|watch| watch.end.clone()).unwrap_or_default();
                tokio::pin!(launched);
                let finished = tokio::select! {
                    biased;
                    () = revoked.cancelled() => {
                        self.cancelled.cancel();
                        launched.await
                    }
                    () = end.cancelled() => {
                        self.cancelled.cancel();
                        launched.await
                    }
                    finished = &mut launched => finished,
                };
                finished.map_err(ExecError::from)
            }
        };
        // Also where the command was not started: the watch has begun.
        let triggers = match watch {
            Some(watch) => Some(watch.finish().await?),
            None => None,
        };
        Ok(Outcome { finished: finished?, triggers, read_only, was_revoked: revoked.is_cancelled() })
    }
}

impl Surroundings {
    /// What lies between the command and the person, and the variables that go with it. Blocks on the
    /// file system.
    fn boundary(
        &self,
        planner: &Planner,
        bubblewrap: Result<Bubblewrap, BubblewrapError>,
        shared: &[SharedInFolder],
    ) -> Result<(Boundary, ToolEnvironment), ExecError> {
        let workspace = planner.authority.workspace().to_owned();
        let confinement = &planner.confinement;
        match confinement.class {
            CommandClass::Contained => {
                let git = confinement.needs.contains(&Need::Git);
                let mut spec = self.sandboxes.spec(workspace, git).map_err(ExecError::Directories)?;
                spec.writable = planner.granted()?;
                spec.read_only
                    .extend(spec.writable.iter().flat_map(|folder| sandboxes::pinned(folder, true)));
                spec.read_only.extend(shared_files::places(shared).map(|place| place.path.clone()));
                spec.local_sockets = confinement.needs.contains(&Need::Sockets);
                spec.proxy_port = Some(PROXY_PORT);
                spec.scope = self.sandboxes.scope(self.environment.runtime_directory())?;
                let listen = planner.listen();
                spec.loopback_sockets = if listen.is_empty() { 0 } else { CONNECTIONS };
                let mut variables = self.sandboxes.variables(self.environment.search_path(), confinement.pty);
                variables.extend(network::variables());
                let repository = planner.repository();
                repository.add_to(&mut spec, git);
                if git {
                    variables.extend(git_identity::variables(&self.sandboxes.user().home));
                }
                let boundary = Boundary::Sandbox {
                    bubblewrap: bubblewrap?,
                    spec: Box::new(spec),
                    user: self.sandboxes.user().clone(),
                    network: Network {
                        grants: planner.network_grants(),
                        listen,
                        upstream: self.environment.proxy(),
                        no_proxy: self.environment.no_proxy(),
                    },
                    memory: self.sandboxes.memory(),
                    expected: shared_files::places(shared).cloned().collect(),
                };
                Ok((boundary, self.environment.changed(variables)))
            }
            CommandClass::Partial => {
                let boundary = Boundary::Partial {
                    writable: vec![workspace, self.temporary.clone()],
                    protected: shared_files::places(shared)
                        .map(|place| place.path.clone())
                        .chain(self.protected.paths().to_vec())
                        .collect(),
                    hidden: self.protected.hidden().to_vec(),
                };
                Ok((boundary, self.environment.clone()))
            }
            CommandClass::Unconfined => Ok((Boundary::None, self.environment.unconfined())),
        }
    }
}

impl Tool for Exec {
    fn description(&self) -> ToolDescription {
        ToolDescription {
            name: "exec",
            label: "Run command",
            description: "Run a shell command. A person is asked, unless they allowed such commands. It runs in a sandbox: \
                          it can write in the workspace, its own HOME and /tmp, and has no network, no input and no \
                          way to other programs. When it needs more, say so in needs. When it ends, is cancelled or \
                          runs out of time, every process that it left is ended, also those in the background. Output \
                          keeps the order of stdout and stderr; of long output the start and the end are returned.",
            group: "runtime",
            parameters: json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["command"],
                "properties": {
                    "command": {"type": "string", "description": "The command, for /bin/sh."},
                    "workdir": {"type": "string", "description": "Where to run it, relative to the workspace."},
                    "env": {
                        "type": "object",
                        "additionalProperties": {"type": "string"},
                        "description": "Variables to add. PATH and variables that load code cannot be set.",
                    },
                    "needs": {
                        "type": "array", "items": {"type": "string"},
                        "description": "What it needs beyond the sandbox: network:HOST[:PORT], write:/PATH (a folder \
                                        outside), git (commits in the workspace), sockets (socket files), \
                                        listen:PORT (a server of it that the person opens at \
                                        127.0.0.1:PORT while it runs), or unconfined (no sandbox at all). A person decides.",
                    },
                    "reason": {"type": "string", "description": "Why it needs that, for the person."},
                    "pty": {"type": "boolean", "description": "Give it a terminal; for programs that want one."},
                    "timeoutSeconds": {
                        "type": "integer", "minimum": 1, "maximum": plan::MAX_TIMEOUT_SECONDS,
                        "description": "When to end it; 1800 unless told otherwise.",
                    },
                },
            }),
        }
    }

    fn call(&self, context: ToolContext, arguments: Value) -> BoxFuture<'_, ToolOutput> {
        Box::pin(async move {
            if !context.authority.may_use("exec") {
                return ToolOutput::error("this run may not use exec");
            }
            match self.run(&context, arguments).await {
                Ok(outcome) => describe(&outcome),
                Err(error) => ToolOutput::error(format!("exec did not run the command: {error}")),
            }
        })
    }
}

async fn writable_folders(planner: &Planner) -> Result<Vec<WritableFolder>, ExecError> {
    let planner = planner.clone();
    Ok(tokio::task::spawn_blocking(move || planner.writable_folders()).await??)
}

/// What the model reads about a command that ran.
fn describe(outcome: &Outcome) -> ToolOutput {
    let finished = &outcome.finished;
    let end = match &finished.end {
        End::Exited(code) => exit(*code, finished.applied),
        End::Signalled(signal) => format!("ended by signal {}", signal_name(*signal)),
        End::TimedOut(limit) => format!("timed out after {} s and was ended", limit.as_secs()),
        End::Cancelled if outcome.was_revoked => {
            "ended, because the person revoked the permission by which it ran".to_owned()
        }
        End::Cancelled => "cancelled and ended".to_owned(),
        End::OutOfMemory(bytes) => format!(
            "ended, because its processes together used more than {} MiB of memory, the limit of a command; use \
             less at a time, or ask the person to raise tools.exec.memoryMiB",
            bytes >> 20
        ),
        End::DiskFull => "ended, because the disk was nearly full".to_owned(),
        End::Lost => {
            "its supervisor was killed, so the outcome is unknown; what could be found was ended".to_owned()
        }
    };
    let left = if finished.all_gone { "" } else { "; some of its processes could not be ended yet" };
    let confined = match finished.applied {
        Some(Applied::Sandbox { .. }) | None => "",
        Some(Applied::Partial { file_rules: Enforcement::Full }) => "; confined in part",
        Some(Applied::Partial { .. }) => "; confined in a small part by this kernel",
        Some(Applied::None) => "; not confined",
    };
    let output = finished.output.render();
    let gap = if output.is_empty() || output.ends_with('\n') { "" } else { "\n" };
    let refused: String = finished.network.iter().map(|sentence| format!("[{sentence}]\n")).collect();
    // A command that ran well met none of it.
    let has_failed =
        finished.end != End::Exited(0) || READ_ONLY_ERRORS.iter().any(|error| output.contains(error));
    let read_only = outcome.read_only.as_ref().filter(|_| has_failed);
    let read_only = read_only.map(|sentence| format!("[{sentence}]\n")).unwrap_or_default();
    let planted = outcome.triggers.as_ref().map(describe_triggers).unwrap_or_default();
    let interrupted = describe_interrupts(finished.interrupts);
    let text = format!("{output}{gap}{refused}{read_only}{planted}[{interrupted}{end}{left}{confined}]");
    if finished.end == End::Exited(0) { ToolOutput::ok(text) } else { ToolOutput::error(text) }
}

/// That a person interrupted the command: how it ended may come of that.
fn describe_interrupts(count: u32) -> String {
    match count {
        0 => String::new(),
        1 => "interrupted by a person with Ctrl-C; ".to_owned(),
        count => format!("interrupted by a person with Ctrl-C, {count} times; "),
    }
}

/// What became of trigger files, one line each.
fn describe_triggers(report: &Report) -> String {
    let more = report.findings.len().saturating_sub(MAX_FINDINGS);
    let findings = report.findings.iter().take(MAX_FINDINGS).map(ToString::to_string);
    let more = (more > 0).then(|| format!("{more} more trigger files are not listed"));
    let incomplete =
        report.incomplete.as_ref().map(|why| format!("not every folder could be looked at: {why}"));
    let end = report.end.as_ref().map(|reason| format!("the command was ended, because {reason}"));
    let lines = findings.chain(more).chain(incomplete).chain(end);
    lines.map(|line| format!("[{line}]\n")).collect()
}

/// An exit code, and the signal that a sandbox tells by it, as shells do.
fn exit(code: i32, applied: Option<Applied>) -> String {
    match (code.checked_sub(128), applied) {
        (Some(signal @ 1..=64), Some(Applied::Sandbox { .. })) => {
            format!("exit code {code}, as after signal {}", signal_name(signal))
        }
        _ => format!("exit code {code}"),
    }
}

/// The name of a signal that commands usually end by, else its number.
fn signal_name(signal: i32) -> String {
    use rustix::process::Signal;
    let named = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
    ];
    let name = named.iter().find(|(known, _)| known.as_raw() == signal).map(|(_, name)| *name);
    name.map_or_else(|| signal.to_string(), str::to_owned)
}
