//! A control group for a sandbox, made by the person's own service manager (systemd): the kernel then
//! holds all its processes to one limit of memory, whatever they do.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

/// What asks the service manager, and becomes the program that it is given.
pub const PROGRAM: &str = "/usr/bin/systemd-run";
/// Starts a program without variables: the service manager's are not for the sandbox.
const ENV: &str = "/usr/bin/env";

/// A scope of the service manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryScope {
    /// `systemd-run`.
    program: PathBuf,
    /// The person's runtime directory, in which the service manager listens.
    runtime_directory: PathBuf,
    /// Its name, which no other has.
    unit: String,
    /// Bytes of memory of all processes together.
    memory: u64,
    /// Processes and threads.
    tasks: u64,
}

/// Why there is no scope. Sentences for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// `systemd-run` is not there, or is not the system's.
    #[error("{} is not there or does not belong to root", .0.display())]
    Program(PathBuf),
    /// No service manager of the person's listens.
    #[error("no service manager of yours (systemd --user) listens in {}", .0.display())]
    Manager(PathBuf),
}

impl MemoryScope {
    /// A scope made by `program` and the service manager that listens in `runtime_directory`, under a name
    /// by which its processes can be found.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub fn find(
        program: &Path,
        runtime_directory: &Path,
        unit: String,
        memory: u64,
        tasks: u64,
    ) -> Result<Self, ScopeError> {
        let is_of_root = std::fs::metadata(program).is_ok_and(|it| it.is_file() && it.uid() == 0);
        if !is_of_root {
            return Err(ScopeError::Program(program.to_owned()));
        }
        let socket = runtime_directory.join("systemd/private");
        if !std::fs::symlink_metadata(socket).is_ok_and(|it| it.file_type().is_socket()) {
            return Err(ScopeError::Manager(runtime_directory.to_owned()));
        }
        let (program, runtime_directory) = (program.to_owned(), runtime_directory.to_owned());
        Ok(Self { program, runtime_directory, unit, memory, tasks })
    }

    /// What becomes `program`, in the same process, without variables.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--user", "--scope", "--quiet", "--collect"])
            .arg(format!("--unit={}", self.unit))
            .arg(format!("--property=MemoryMax={}", self.memory))
            .arg(format!("--property=TasksMax={}", self.tasks))
            .args(["--", ENV, "-i"])
            .arg(program)
            .env_clear()
            .env("XDG_RUNTIME_DIR", &self.runtime_directory);
        command
    }
}
