//! `exec`: a command that a person allows.

mod approved;
mod environment;
mod launcher;
mod output;
mod plan;

use std::path::PathBuf;

use serde_json::{Value, json};
use tidegate_agent::model::BoxFuture;
use tidegate_agent::tool::{Tool, ToolContext, ToolDescription, ToolOutput};

pub use environment::ToolEnvironment;
pub use launcher::Launcher;

use crate::protected::Protected;
use approved::{ApprovedPlan, NotApproved};
use launcher::{Confinement, End, Finished, LaunchError};
use plan::{Planner, Request, RequestError};

use crate::run_tool::protocol::Sandbox;

/// The tool.
pub(crate) struct Exec {
    launcher: Launcher,
    protected: Protected,
    temporary: PathBuf,
    environment: ToolEnvironment,
}

/// Why a command gave no outcome of its own. The sentence goes to the model.
#[derive(Debug, thiserror::Error)]
enum ExecError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    NotApproved(#[from] NotApproved),
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

impl Exec {
    /// A tool that starts commands through `launcher`. They may write in the run's workspace and in
    /// `temporary`, and see `environment`.
    pub(crate) fn new(
        launcher: Launcher,
        protected: Protected,
        temporary: PathBuf,
        environment: ToolEnvironment,
    ) -> Self {
        Self { launcher, protected, temporary, environment }
    }

    async fn run(&self, context: &ToolContext, arguments: Value) -> Result<Finished, ExecError> {
        let request = Request::parse(arguments)?;
        let timeout = request.timeout;
        let planner =
            Planner { request, authority: context.authority.clone(), protected: self.protected.clone() };
        let workspace = context.authority.workspace().to_owned();
        let approved = ApprovedPlan::obtain(context, planner).await?;
        let confinement = Confinement {
            writable: vec![workspace, self.temporary.clone()],
            protected: self.protected.paths().to_vec(),
            hidden: self.protected.hidden().to_vec(),
        };
        let environment = self.environment.with(approved.plan().environment.iter().cloned());
        Ok(self.launcher.run(approved, environment, confinement, timeout, &context.cancelled).await?)
    }
}

impl Tool for Exec {
    fn description(&self) -> ToolDescription {
        ToolDescription {
            name: "exec",
            label: "Run command",
            description: "Run a shell command after a person has allowed exactly this command. It may write only in \
                          the workspace and the temporary directory, has no terminal, no input and no display, and \
                          cannot gain rights (no sudo). When it ends, is cancelled or runs out of time, every process \
                          that it left behind is ended too, also those in the background. Output keeps the order of \
                          stdout and stderr; of long output the start and the end are returned.",
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
                Ok(finished) => describe(&finished),
                Err(error) => ToolOutput::error(format!("exec did not run the command: {error}")),
            }
        })
    }
}

/// What the model is told about a command that ran.
fn describe(finished: &Finished) -> ToolOutput {
    let end = match &finished.end {
        End::Exited(code) => format!("exit code {code}"),
        End::Signalled(signal) => format!("ended by signal {}", signal_name(*signal)),
        End::TimedOut(limit) => format!("timed out after {} s and was ended", limit.as_secs()),
        End::Cancelled => "cancelled and ended".to_owned(),
        End::Lost => {
            "its supervisor was killed, so the outcome is unknown; what could be found was ended".to_owned()
        }
    };
    let left = if finished.all_gone { "" } else { "; some of its processes could not be ended yet" };
    let confined = match finished.sandbox {
        Some(Sandbox::Enforced) => "",
        Some(Sandbox::Partial) => "; confined only in part by this kernel",
        Some(Sandbox::Unavailable) | None => "; not confined by this system",
    };
    let output = finished.output.render();
    let gap = if output.is_empty() || output.ends_with('\n') { "" } else { "\n" };
    let text = format!("{output}{gap}[{end}{left}{confined}]");
    ToolOutput { text, is_error: !matches!(finished.end, End::Exited(0)) }
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
