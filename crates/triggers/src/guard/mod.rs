//! Watches over a workspace's trigger files while commands use it.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
mod walk_only;
#[cfg(not(target_os = "linux"))]
use walk_only as system;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::engine::Engine;
use crate::links::SharedNow;
use crate::session::{CommandId, Notify, Report, Session};

/// Why a guard cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The workspace's path is not absolute.
    #[error("the workspace's path must be absolute and without links")]
    Path,
    /// The system refused.
    #[error("the workspace cannot be watched over: {0}")]
    System(#[from] io::Error),
    /// The guard's thread has ended.
    #[error("the workspace is not watched over any more")]
    Ended,
}

/// A workspace's guard. One for each workspace, kept as long as a session uses it; dropping it ends
/// its thread.
///
/// Between commands it only takes note that something changed. From [`Guard::begin`] to
/// [`Guard::finish`] it holds what was there at the beginning against what commands make of it:
/// files that run when somebody looks at the folder are set aside or restored at once, all others
/// when the last look is taken. All methods wait for its thread, which is at most a walk.
pub struct Guard {
    system: system::Watcher,
}

impl Guard {
    /// Begins to watch over a workspace.
    ///
    /// `workspace` is its open folder and `path` its absolute path without links, by which gitfiles
    /// name it. `aside` is an open folder of ours on which no command has a hold; what is set aside
    /// comes there. It should be on the same file system.
    ///
    /// # Errors
    /// When the path is not absolute or the system refuses. That folders cannot be watched is no
    /// error: it is a notice, and each command is followed by a walk.
    pub fn start(
        workspace: impl Into<OwnedFd>,
        path: &Path,
        aside: impl Into<OwnedFd>,
        notify: Notify,
    ) -> Result<Self, GuardError> {
        if !path.is_absolute() {
            return Err(GuardError::Path);
        }
        let engine = Engine::new(workspace.into(), path.to_owned(), aside.into())?;
        Ok(Self { system: system::Watcher::start(Session::new(engine, notify))? })
    }

    /// A command of the run `run` begins; call it before anything of the command is started.
    /// `permitted` are the trigger files, relative to the workspace, that a person let it write.
    ///
    /// What is in the workspace now counts as the person's, unless another command is running: then
    /// what counts is what was there before that.
    ///
    /// # Errors
    /// When the guard's thread has ended: then the command must not run.
    pub fn begin(&self, run: &str, permitted: Vec<PathBuf>) -> Result<CommandId, GuardError> {
        self.system.begin(run.to_owned(), permitted)
    }

    /// A command has ended and nothing of it is left: the last look, by a walk over all names.
    ///
    /// # Errors
    /// When the guard's thread has ended.
    pub fn finish(&self, command: CommandId) -> Result<Report, GuardError> {
        self.system.finish(command)
    }

    /// The files of the workspace that have names outside of it, as they were when a name in it changed
    /// last. That another folder got a further name of a file here since then is not noticed.
    ///
    /// # Errors
    /// When the guard's thread has ended.
    pub fn shared_files(&self) -> Result<SharedNow, GuardError> {
        self.system.shared_files()
    }

    /// A run has ended: what it planted is forgotten.
    pub fn forget_run(&self, run: &str) {
        self.system.forget_run(run.to_owned());
    }
}
