//! From the arguments of a call to a plan in which nothing is left open.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tidegate_agent::approval::ExecPlan;
use tidegate_agent::authority::RunAuthority;

use super::environment::{self, EnvironmentError};
use crate::arguments::{ArgumentError, Arguments};
use crate::identity::Identity;
use crate::protected::Protected;
use crate::workspace::{PathError, Workspace};

/// The longest time that a call may ask for.
pub(super) const MAX_TIMEOUT_SECONDS: u64 = 86_400;
const DEFAULT_TIMEOUT_SECONDS: u64 = 1800;
/// Bytes of a command: more than a person reads, less than systems take as one argument.
const MAX_COMMAND: usize = 64 * 1024;
const SHELL: &str = "/bin/sh";

/// Why a call cannot become a plan. The sentence goes to the model.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    #[error("command must not be empty")]
    NoCommand,
    #[error("command has {bytes} bytes; at most {MAX_COMMAND} are allowed; write a script and run that")]
    TooLong { bytes: usize },
    #[error("command contains a NUL character, which no shell takes")]
    Nul,
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error("workdir: {0}")]
    Directory(#[from] PathError),
    #[error("workdir has a name that is not UTF-8, so that it could not be shown to a person")]
    NotUtf8,
    #[error("{SHELL} cannot be used: {0}")]
    Shell(std::io::Error),
}

/// A call, checked by itself.
#[derive(Debug, Clone)]
pub(super) struct Request {
    command: String,
    workdir: Option<String>,
    environment: BTreeMap<String, String>,
    /// How long the command may run.
    pub(super) timeout: Duration,
}

impl Request {
    /// Reads the arguments of a call.
    pub(super) fn parse(arguments: Value) -> Result<Self, RequestError> {
        let mut arguments = Arguments::new(arguments, &["command", "workdir", "env", "timeoutSeconds"])?;
        let command = arguments.text("command")?;
        let workdir = arguments.optional_text("workdir")?;
        let environment = arguments.optional_texts("env")?;
        let seconds = arguments.optional_number("timeoutSeconds", 1, MAX_TIMEOUT_SECONDS)?;
        if command.trim().is_empty() {
            return Err(RequestError::NoCommand);
        }
        if command.len() > MAX_COMMAND {
            return Err(RequestError::TooLong { bytes: command.len() });
        }
        if command.contains('\0') {
            return Err(RequestError::Nul);
        }
        environment::check(&environment)?;
        let timeout = Duration::from_secs(seconds.unwrap_or(DEFAULT_TIMEOUT_SECONDS));
        Ok(Self { command, workdir, environment, timeout })
    }
}

/// A plan, and what its directory and program were when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PreparedPlan {
    pub(super) plan: ExecPlan,
    pub(super) directory: Identity,
    pub(super) program: Identity,
}

/// Makes the plan of one call, as often as it is asked to, from the file system as it is then.
#[derive(Clone)]
pub(super) struct Planner {
    pub(super) request: Request,
    pub(super) authority: RunAuthority,
    pub(super) protected: Protected,
}

impl Planner {
    /// Makes the plan. Blocks on the file system.
    pub(super) fn prepare(&self) -> Result<PreparedPlan, RequestError> {
        let workspace = Workspace::open(self.authority.workspace())?;
        let directory =
            workspace.directory(self.request.workdir.as_deref().unwrap_or("."), &self.protected)?;
        let program = Path::new(SHELL).canonicalize().map_err(RequestError::Shell)?;
        let program_identity = Identity::of_path(&program).map_err(RequestError::Shell)?;
        let plan = ExecPlan {
            command: self.request.command.clone(),
            program: utf8(program)?,
            arguments: vec!["-c".to_owned(), self.request.command.clone()],
            directory: utf8(directory.path)?,
            environment: self.request.environment.clone().into_iter().collect(),
        };
        Ok(PreparedPlan { plan, directory: directory.identity, program: program_identity })
    }
}

/// A plan's digest is over its JSON, which has no place for other names.
fn utf8(path: PathBuf) -> Result<PathBuf, RequestError> {
    if path.to_str().is_some() { Ok(path) } else { Err(RequestError::NotUtf8) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_call_cannot_bring_its_own_approval() {
        for field in ["approved", "decision", "security", "ask", "elevated", "host"] {
            let refused =
                Request::parse(json!({"command": "true", field: "allow"})).expect_err("closed object");
            assert!(refused.to_string().contains(field), "{refused}");
        }
    }

    #[test]
    fn commands_that_no_shell_or_person_could_take_are_refused() {
        assert!(matches!(Request::parse(json!({"command": " \n"})), Err(RequestError::NoCommand)));
        assert!(matches!(Request::parse(json!({"command": "a\0b"})), Err(RequestError::Nul)));
        let long = "x".repeat(MAX_COMMAND + 1);
        assert!(matches!(Request::parse(json!({"command": long})), Err(RequestError::TooLong { .. })));
    }

    #[test]
    fn the_time_limit_is_half_an_hour_unless_told_otherwise() {
        let limit = |arguments| Request::parse(arguments).map(|request| request.timeout.as_secs()).ok();
        assert_eq!(limit(json!({"command": "true"})), Some(1800));
        assert_eq!(limit(json!({"command": "true", "timeoutSeconds": 5})), Some(5));
        assert_eq!(limit(json!({"command": "true", "timeoutSeconds": 0})), None);
    }
}
