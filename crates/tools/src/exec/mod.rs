//! `exec`: a command that a person allows.

mod approved;
mod environment;
mod git_identity;
mod guards;
mod launcher;
mod local_sockets;
mod output;
mod plan;
mod probe;
mod sandboxes;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_agent::model::BoxFuture;
use tidegate_agent::tool::{Tool, ToolContext, ToolDescription, ToolOutput};
use tidegate_protocol::confinement::{CommandClass, Need};
use tidegate_sandbox::Enforcement;
use tidegate_triggers::Report;

pub use environment::ToolEnvironment;
pub use launcher::Launcher;
pub use sandboxes::Sandboxes;

use crate::protected::Protected;
use approved::{ApprovedPlan, NotApproved};
use guards::{Guards, WatchError};
use launcher::{End, Finished, LaunchError};
use plan::{Planner, Request, RequestError};

use crate::run_tool::network::{self, Network, PROXY_PORT};
use crate::run_tool::protocol::{Applied, Boundary};

/// Findings about trigger files that a result names.
const MAX_FINDINGS: usize = 12;

/// The tool.
pub(crate) struct Exec {
    launcher: Launcher,
    protected: Protected,
    temporary: PathBuf,
    environment: ToolEnvironment,
    sandboxes: Arc<Sandboxes>,
    guards: Arc<Guards>,
}

/// A command that ran, and what became of trigger files meanwhile.
struct Outcome {
    finished: Finished,
    triggers: Option<Report>,
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
    Watch(#[from] WatchError),
    #[error(transparent)]
    Launch(#[from] LaunchError),
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
        Self { launcher, protected, temporary, environment, sandboxes, guards: Arc::default() }
    }

    async fn run(&self, context: &ToolContext, arguments: Value) -> Result<Outcome, ExecError> {
        let request = Request::parse(arguments)?;
        let timeout = request.timeout;
        let problem = self.sandboxes.report(&self.launcher).await.problem();
        let confinement = request.confinement(problem.as_deref())?;
        let planner = Planner {
            request,
            authority: context.authority.clone(),
            protected: self.protected.clone(),
            confinement,
            toolchains: self.sandboxes.toolchains(),
        };
        let confinement = planner.confinement.class;
        let approved = ApprovedPlan::obtain(context, planner.clone()).await?;
        let added = approved.plan().environment.clone();
        let (boundary, environment) = self.boundary(context, &planner)?;
        let environment = environment.with(added);
        if confinement == CommandClass::Unconfined {
            let launched = self.launcher.run(approved, environment, boundary, timeout, &context.cancelled);
            return Ok(Outcome { finished: launched.await?, triggers: None });
        }
        let workspace = context.authority.workspace().to_owned();
        let aside = self.sandboxes.aside();
        let watch = self.guards.begin(workspace, aside, context.run.to_string()).await?;
        let end = watch.end.clone();
        let cancelled = context.cancelled.child_token();
        let launched = self.launcher.run(approved, environment, boundary, timeout, &cancelled);
        tokio::pin!(launched);
        let finished = tokio::select! {
            finished = &mut launched => finished,
            () = end.cancelled() => {
                cancelled.cancel();
                launched.await
            }
        };
        // Also where the command was not started: the watch has begun.
        let triggers = watch.finish().await?;
        Ok(Outcome { finished: finished?, triggers: Some(triggers) })
    }

    /// What lies between the command and the person, and the variables that go with it.
    fn boundary(
        &self,
        context: &ToolContext,
        planner: &Planner,
    ) -> Result<(Boundary, ToolEnvironment), ExecError> {
        let workspace = context.authority.workspace().to_owned();
        let confinement = &planner.confinement;
        match confinement.class {
            CommandClass::Contained => {
                let mut spec = self.sandboxes.spec(workspace).map_err(ExecError::Directories)?;
                spec.writable = planner.granted()?;
                if confinement.needs.contains(&Need::Git) {
                    spec.read_only = sandboxes::pinned(&spec.workspace, true);
                }
                spec.local_sockets = confinement.needs.contains(&Need::Sockets);
                spec.proxy_port = Some(PROXY_PORT);
                let variables = self.sandboxes.variables(self.environment.search_path(), confinement.pty);
                let environment = self.environment.changed(variables.into_iter().chain(network::variables()));
                let environment = match confinement.needs.contains(&Need::Git) {
                    true => environment.changed(git_identity::variables(&self.sandboxes.user().home)),
                    false => environment,
                };
                let user = self.sandboxes.user().clone();
                let network =
                    Network { grants: planner.network_grants(), upstream: self.environment.proxy() };
                Ok((Boundary::Sandbox { spec: Box::new(spec), user, network }, environment))
            }
            CommandClass::Partial => {
                let boundary = Boundary::Partial {
                    writable: vec![workspace, self.temporary.clone()],
                    protected: self.protected.paths().to_vec(),
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
            description: "Run a shell command after a person has allowed exactly this command. It runs in a sandbox: \
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
                                        outside), git (commits in the workspace), sockets (socket files), or \
                                        unconfined (no sandbox at all). A person decides.",
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

/// What the model is told about a command that ran.
fn describe(outcome: &Outcome) -> ToolOutput {
    let finished = &outcome.finished;
    let end = match &finished.end {
        End::Exited(code) => exit(*code, finished.applied),
        End::Signalled(signal) => format!("ended by signal {}", signal_name(*signal)),
        End::TimedOut(limit) => format!("timed out after {} s and was ended", limit.as_secs()),
        End::Cancelled => "cancelled and ended".to_owned(),
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
    let planted = outcome.triggers.as_ref().map(describe_triggers).unwrap_or_default();
    let text = format!("{output}{gap}{refused}{planted}[{end}{left}{confined}]");
    ToolOutput { text, is_error: !matches!(finished.end, End::Exited(0)) }
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
